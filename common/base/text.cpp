#include "base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

namespace pca {

namespace {

constexpr char32_t replacement = 0xFFFD;
constexpr std::string_view blanks = " \t\r\n\v\f";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

// Smallest first.
constexpr std::array<Unit, 5> time_units{{{"ms", 1},
                                          {"s", 1000},
                                          {"m", 60ULL * 1000},
                                          {"h", 60ULL * 60 * 1000},
                                          {"d", 24ULL * 60 * 60 * 1000}}};
constexpr std::array<Unit, 5> size_units{
    {{"B", 1}, {"KiB", 1ULL << 10}, {"MiB", 1ULL << 20}, {"GiB", 1ULL << 30}, {"TiB", 1ULL << 40}}};
// Sums of two such values are far from an overflow, also in nanoseconds.
constexpr std::uint64_t longest_time = std::numeric_limits<std::int64_t>::max() / 1'000'000'000;
constexpr std::uint64_t largest_size = 1ULL << 53;

// Whole numbers of a unit, up to `most` of the smallest one.
Result<std::uint64_t> parse_with_unit(std::string_view text, std::span<const Unit> units,
                                      std::uint64_t most, std::string_view what,
                                      std::string_view examples) {
  const std::string hint = fmt::format("Write a whole number and a unit: {}.", examples);
  std::uint64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem == std::errc::result_out_of_range) {
    return bad_input(fmt::format("\"{}\" is too large", visible(cut_utf8(text, 64))), hint);
  }
  if (problem != std::errc()) {
    return bad_input(fmt::format("\"{}\" is not a {}", visible(cut_utf8(text, 64)), what), hint);
  }
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  if (unit.empty()) return bad_input(fmt::format("\"{}\" has no unit", text), hint);
  for (const Unit& known : units) {
    if (known.name != unit) continue;
    if (number > most / known.factor) {
      return bad_input(fmt::format("\"{}\" is too large", text), hint);
    }
    return number * known.factor;
  }
  return bad_input(fmt::format("\"{}\" is not a {}", visible(cut_utf8(text, 64)), what), hint);
}

std::string format_with_unit(std::uint64_t value, std::span<const Unit> units,
                             std::string_view unit_of_zero) {
  if (value == 0) return fmt::format("0{}", unit_of_zero);
  std::size_t best = 0;
  for (std::size_t i = 0; i < units.size(); ++i) {
    if (value % units[i].factor == 0) best = i;
  }
  return fmt::format("{}{}", value / units[best].factor, units[best].name);
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

bool is_hidden(char32_t c) {
  return (c < 0x20 && c != '\t') || (c >= 0x7F && c < 0xA0) || c == 0x061C || c == 0x200E ||
         c == 0x200F || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

}  // namespace

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::string to_lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

std::string to_upper(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), upper);
  return out;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.emplace_back(line);
  }
  return lines;
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> items;
  for (const std::string& line : split_lines(text)) {
    if (const std::string_view item = trim(line); !item.empty()) items.emplace_back(item);
  }
  return items;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::string join(std::span<const std::string> parts, std::string_view separator) {
  std::string out;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out += separator;
    out += parts[i];
  }
  return out;
}

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  PCA_TRY(const std::uint64_t value,
          parse_with_unit(text, time_units, longest_time, "duration", "90s, 15m, 6h, 7d or 250ms"));
  return std::chrono::milliseconds{static_cast<std::int64_t>(value)};
}

std::string format_duration(std::chrono::milliseconds value) {
  const bool negative = value.count() < 0;
  const auto count = static_cast<std::uint64_t>(negative ? -value.count() : value.count());
  return (negative ? "-" : "") + format_with_unit(count, time_units, "s");
}

Result<std::uint64_t> parse_size(std::string_view text) {
  return parse_with_unit(text, size_units, largest_size, "size", "64KiB, 2MiB, 1GiB or 512B");
}

std::string format_size(std::uint64_t bytes) { return format_with_unit(bytes, size_units, "B"); }

std::string rounded_size(std::uint64_t bytes) {
  constexpr std::array<const char*, 5> units{"B", "KiB", "MiB", "GiB", "TiB"};
  constexpr double step = 1024;
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= step && unit + 1 < units.size(); ++unit) value /= step;
  return fmt::format("{:.{}f} {}", value, unit == 0 ? 0 : 1, units[unit]);
}

Result<std::int64_t> parse_integer(std::string_view text, std::int64_t least, std::int64_t most) {
  std::int64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc() || end != text.data() + text.size() || number < least ||
      number > most) {
    return bad_input(fmt::format("\"{}\" is not a whole number from {} to {}",
                                 visible(cut_utf8(text, 64)), least, most),
                     fmt::format("Write a number from {} to {}.", least, most));
  }
  return number;
}

std::string nearest(std::string_view word, std::span<const std::string> candidates) {
  constexpr std::size_t longest_name = 100;  // of an option; keeps a hostile word from costing time
  if (word.size() > longest_name) return {};
  const std::string* best = nullptr;
  std::size_t best_distance = word.size() / 3;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance > best_distance || (best != nullptr && distance == best_distance)) continue;
    best = &candidate;
    best_distance = distance;
  }
  return best == nullptr ? std::string() : *best;
}

CodePoint next_code_point(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1, true, false};
  if (first < 0xC2 || first > 0xF4) return {replacement, 1, false, false};
  const std::size_t size = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  // The second byte's range shuts out overlong forms, surrogates and what is above U+10FFFF
  // (Unicode 15, table 3-7).
  const unsigned char low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  char32_t value = first & (0x7FU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if (i == text.size()) return {replacement, i, false, true};
    if (byte(i) < (i == 1 ? low : 0x80) || byte(i) > (i == 1 ? high : 0xBF)) {
      return {replacement, i, false, false};
    }
    value = (value << 6U) | (byte(i) & 0x3FU);
  }
  return {value, size, true, false};
}

void append_utf8(std::string& out, char32_t c) {
  const auto tail = [&](unsigned shift) {
    out += static_cast<char>(0x80U | ((static_cast<std::uint32_t>(c) >> shift) & 0x3FU));
  };
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0U | (c >> 6U));
    tail(0);
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0U | (c >> 12U));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0U | (c >> 18U));
    tail(12);
    tail(6);
    tail(0);
  }
}

std::string to_valid_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const CodePoint next = next_code_point(bytes);
    if (next.valid && next.value != 0) {
      out += bytes.substr(0, next.size);
    } else {
      append_utf8(out, replacement);
    }
    bytes.remove_prefix(next.size);
  }
  return out;
}

std::string_view cut_utf8(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0U) == 0x80) --limit;
  return text.substr(0, limit);
}

std::string shell_quote(std::string_view value) {
  std::string out = "'";
  for (const char c : value) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

void append_visible(std::string& out, char32_t c) {
  if (!is_hidden(c)) {
    append_utf8(out, c);
  } else if (c < 0x80) {
    fmt::format_to(std::back_inserter(out), "\\x{:02X}", static_cast<std::uint32_t>(c));
  } else {
    fmt::format_to(std::back_inserter(out), "\\u{{{:04X}}}", static_cast<std::uint32_t>(c));
  }
}

std::string visible(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const CodePoint next = next_code_point(text);
    append_visible(out, next.value);
    text.remove_prefix(next.size);
  }
  return out;
}

std::string shown(std::string_view text) {
  constexpr std::size_t longest = 100;
  const std::string_view excerpt = cut_utf8(text, longest);
  return fmt::format("\"{}{}\"", visible(excerpt), excerpt.size() < text.size() ? "..." : "");
}

}  // namespace pca
