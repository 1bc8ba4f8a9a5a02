#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace pca {

// What some editors write before a text in UTF-8.
inline constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

// ASCII blanks only: a no-break space or a byte order mark inside a value is a mistake to report,
// not to hide.
[[nodiscard]] std::string_view trim(std::string_view text);
[[nodiscard]] std::string to_lower(std::string_view text);  // ASCII
[[nodiscard]] std::string to_upper(std::string_view text);  // ASCII
[[nodiscard]] bool equals_ignoring_case(std::string_view a, std::string_view b);

// Lines without their \n or \r\n. A last line without an end counts; an empty text has none.
[[nodiscard]] std::vector<std::string> split_lines(std::string_view text);
// One item a line, trimmed, empty ones dropped.
[[nodiscard]] std::vector<std::string> split_list(std::string_view text);
[[nodiscard]] std::vector<std::string> split(std::string_view text, char separator);
[[nodiscard]] std::string join(std::span<const std::string> parts, std::string_view separator);

// "90s", "15m", "6h", "7d", "250ms" with a unit always; "0s" is allowed. The error (bad_input)
// shows the right spelling.
[[nodiscard]] Result<std::chrono::milliseconds> parse_duration(std::string_view text);
// In the largest unit that says it exactly, so that parse_duration() gives the same value back.
[[nodiscard]] std::string format_duration(std::chrono::milliseconds value);
// "64KiB", "2MiB", "1GiB", "4TiB", "512B"; up to 8192TiB.
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view text);
[[nodiscard]] std::string format_size(std::uint64_t bytes);   // exact, as format_duration()
[[nodiscard]] std::string rounded_size(std::uint64_t bytes);  // for people: "1.4 MiB"
// A whole decimal number within the bounds, without blanks or a plus sign.
[[nodiscard]] Result<std::int64_t> parse_integer(std::string_view text, std::int64_t least,
                                                 std::int64_t most);

// The candidate nearest to `word` (edit distance, a third of its length at most), or empty.
[[nodiscard]] std::string nearest(std::string_view word, std::span<const std::string> candidates);

// One step through UTF-8: a code point and its length in bytes. A broken sequence is U+FFFD with
// `valid` false and the length that a decoder skips (Unicode's "maximal subpart", so a code point
// that starts right behind is kept). `incomplete`: it is broken only because the text ends here.
struct CodePoint {
  char32_t value = 0;
  std::size_t size = 0;
  bool valid = true;
  bool incomplete = false;
};
[[nodiscard]] CodePoint next_code_point(std::string_view text);  // text is not empty
void append_utf8(std::string& out, char32_t code_point);

// Valid UTF-8: broken sequences, surrogates and NUL become U+FFFD.
[[nodiscard]] std::string to_valid_utf8(std::string_view bytes);
// At most `limit` bytes, cut between code points of valid UTF-8.
[[nodiscard]] std::string_view cut_utf8(std::string_view text, std::size_t limit);

// Quotes for a POSIX shell: the result is one word with this very value.
[[nodiscard]] std::string shell_quote(std::string_view value);

// What a person may see of hostile text: C0 controls and DEL become \xNN; C1 and bidi controls and
// the Unicode line ends become \u{NNNN}; broken UTF-8 becomes U+FFFD; tabs stay. For single lines
// inside messages.
[[nodiscard]] std::string visible(std::string_view text);
// What somebody gave, for a message: visible, in double quotes, at most 100 bytes of it.
[[nodiscard]] std::string shown(std::string_view text);
// The same for one code point.
void append_visible(std::string& out, char32_t code_point);

}  // namespace pca
