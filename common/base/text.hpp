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

// "90s", "15m", "6h", "250ms" with a unit always; "0s" is allowed. The error shows the right
// spelling.
[[nodiscard]] Result<std::chrono::milliseconds> parse_duration(std::string_view text);
[[nodiscard]] std::string format_duration(std::chrono::milliseconds value);
// "64KiB", "2MiB", "1GiB", "512B".
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view text);
[[nodiscard]] std::string format_size(std::uint64_t bytes);
[[nodiscard]] Result<std::int64_t> parse_integer(std::string_view text, std::int64_t least,
                                                 std::int64_t most);

// The candidate nearest to `word` (edit distance, a third of its length at most), or empty.
[[nodiscard]] std::string nearest(std::string_view word, std::span<const std::string> candidates);

// Valid UTF-8: broken sequences, surrogates and NUL become U+FFFD.
[[nodiscard]] std::string to_valid_utf8(std::string_view bytes);
// At most `limit` bytes, cut between code points of valid UTF-8.
[[nodiscard]] std::string_view cut_utf8(std::string_view text, std::size_t limit);

// Quotes for a POSIX shell: the result is one word with this very value.
[[nodiscard]] std::string shell_quote(std::string_view value);

// What a person may see of hostile text: C0/C1 controls, DEL and bidi controls become \xNN or
// \u{NNNN}; tabs stay. For single lines inside messages.
[[nodiscard]] std::string visible(std::string_view text);

}  // namespace pca
