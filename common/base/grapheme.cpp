#include "base/grapheme.hpp"

#include <utf8proc.h>

#include "base/text.hpp"

namespace pca {

std::size_t count_code_points(std::string_view text) {
  std::size_t count = 0;
  for (; !text.empty(); text.remove_prefix(next_code_point(text).size)) ++count;
  return count;
}

std::string_view cut_characters(std::string_view text, std::size_t most) {
  std::size_t border = 0;
  std::size_t at = 0;
  utf8proc_int32_t before = 0;
  utf8proc_int32_t state = 0;
  for (std::size_t count = 0; at < text.size(); ++count) {
    const CodePoint next = next_code_point(text.substr(at));
    const auto value = static_cast<utf8proc_int32_t>(next.value);
    if (count > 0 && utf8proc_grapheme_break_stateful(before, value, &state)) border = at;
    if (count == most) return text.substr(0, border == 0 ? at : border);
    at += next.size;
    before = value;
  }
  return text;
}

}  // namespace pca
