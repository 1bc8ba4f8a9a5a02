#include "runner/markdown.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace pca {

std::string markdown_cell(std::string_view text) {
  std::string out;
  for (const char c : visible(text)) {
    if (std::string_view("|<>&`[]\\*_~").find(c) != std::string_view::npos) {
      out += fmt::format("&#{};", static_cast<int>(c));
    } else {
      out += c;
    }
  }
  return out;
}

std::string markdown_link(std::string_view text, std::string_view url) {
  std::string target;
  for (const char c : url) {
    const bool may_stay =
        c > ' ' && c < '\x7F' && std::string_view("()<>[]|\\`\"").find(c) == std::string_view::npos;
    target += may_stay ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return fmt::format("[{}]({})", markdown_cell(text), target);
}

std::string markdown_code(std::string_view text) {
  std::string out;
  for (const std::string& line : split_lines(text)) {
    out += fmt::format("    {}\n", visible(line));
  }
  return out;
}

}  // namespace pca
