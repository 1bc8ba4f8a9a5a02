#include "cli/transfer.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace pca {

Result<Transfer> parse_transfer(std::string_view text) {
  constexpr std::string_view arrow = "->";
  const std::size_t at = text.find(arrow);
  if (at == std::string_view::npos ||
      text.find(arrow, at + arrow.size()) != std::string_view::npos) {
    return bad_input(fmt::format("\"{}\" is not SOURCE -> DESTINATION", visible(text)),
                     "Write it like dist/ -> /srv/app.");
  }
  return Transfer{std::string(trim(text.substr(0, at))),
                  std::string(trim(text.substr(at + arrow.size())))};
}

}  // namespace pca
