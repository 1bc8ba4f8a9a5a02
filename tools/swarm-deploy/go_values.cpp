#include "swarm-deploy/go_values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "base/text.hpp"

namespace pca::swarm_deploy {

namespace {

struct Unit {
  std::string_view name;
  std::int64_t nanoseconds;
};
constexpr std::int64_t second = 1'000'000'000;
// Longer names first where one begins with another.
constexpr std::array<Unit, 8> duration_units{{{"ns", 1},
                                              {"us", 1000},
                                              {"\xC2\xB5s", 1000},
                                              {"\xCE\xBCs", 1000},
                                              {"ms", 1'000'000},
                                              {"s", second},
                                              {"m", 60 * second},
                                              {"h", 3600 * second}}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::size_t digits_at(std::string_view text) {
  const auto end = std::find_if_not(text.begin(), text.end(), is_digit);
  return static_cast<std::size_t>(end - text.begin());
}

Error no_duration(std::string_view text) {
  return bad_input(fmt::format("{} is no duration", shown(text)),
                   "Write numbers with units, as 90s, 1m30s or 500ms.");
}

// The longest unit that `text` begins with, or nullptr.
const Unit* unit_of(std::string_view text) {
  const std::size_t end = std::min(text.find_first_of(".0123456789"), text.size());
  const auto found =
      std::find_if(duration_units.begin(), duration_units.end(),
                   [&](const Unit& unit) { return unit.name == text.substr(0, end); });
  return found == duration_units.end() ? nullptr : &*found;
}

std::string without_trailing_zeros(std::string text) {
  if (text.find('.') == std::string::npos) return text;
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text;
}

// A decimal number as a plain one: digits, a dot, perhaps an exponent; the whole text.
std::optional<double> parse_decimal(std::string_view text) {
  std::string_view rest = text;
  if (!rest.empty() && (rest.front() == '-' || rest.front() == '+')) rest.remove_prefix(1);
  std::size_t digits = digits_at(rest);
  const std::size_t before = digits;
  rest.remove_prefix(before);
  if (!rest.empty() && rest.front() == '.') {
    rest.remove_prefix(1);
    digits = digits_at(rest);
    if (before == 0 && digits == 0) return std::nullopt;
    rest.remove_prefix(digits);
  } else if (before == 0) {
    return std::nullopt;
  }
  if (!rest.empty() && (rest.front() == 'e' || rest.front() == 'E')) {
    rest.remove_prefix(1);
    if (!rest.empty() && (rest.front() == '-' || rest.front() == '+')) rest.remove_prefix(1);
    digits = digits_at(rest);
    if (digits == 0) return std::nullopt;
    rest.remove_prefix(digits);
  }
  if (!rest.empty()) return std::nullopt;
  // The C library's: the standard library's tables for floating point cost 150 KB.
  const double value = std::strtod(std::string(text).c_str(), nullptr);
  if (!std::isfinite(value)) return std::nullopt;
  return value;
}

// With Go's prefixes: 0x, 0o, 0b, and 0 for octal.
std::optional<std::int64_t> parse_go_int(std::string text) {
  std::erase(text, '_');
  std::string_view rest = text;
  const bool is_negative = !rest.empty() && rest.front() == '-';
  if (!rest.empty() && (rest.front() == '-' || rest.front() == '+')) rest.remove_prefix(1);
  int base = 10;
  if (rest.size() > 1 && rest.front() == '0') {
    const char kind = rest[1];
    base = kind == 'x' || kind == 'X' ? 16 : kind == 'b' || kind == 'B' ? 2 : 8;
    const bool has_letter = base != 8 || kind == 'o' || kind == 'O';
    rest.remove_prefix(has_letter ? 2 : 1);
  }
  std::uint64_t value = 0;
  const auto [end, problem] = std::from_chars(rest.data(), rest.data() + rest.size(), value, base);
  if (problem != std::errc() || end != rest.data() + rest.size() || rest.empty())
    return std::nullopt;
  constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (value > most) return std::nullopt;
  return is_negative ? -static_cast<std::int64_t>(value) : static_cast<std::int64_t>(value);
}

// "2024-01-02" as Go shows the moment that it takes it for; empty for what is no date.
std::string date_text(std::string_view text) {
  const std::vector<std::string> parts = split(text, '-');
  if (parts.size() != 3 || parts[0].size() != 4) return {};
  std::array<int, 3> numbers{};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto number = parse_integer(parts[i], 0, 9999);
    if (!number || parts[i].size() > (i == 0 ? 4U : 2U)) return {};
    numbers[i] = static_cast<int>(*number);
  }
  if (numbers[1] < 1 || numbers[1] > 12 || numbers[2] < 1 || numbers[2] > 31) return {};
  return fmt::format("{:04}-{:02}-{:02} 00:00:00 +0000 UTC", numbers[0], numbers[1], numbers[2]);
}

class CommandSplitter {
 public:
  Result<std::vector<std::string>> split(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      switch (state_) {
        case State::comment:
          if (c == '\n') state_ = State::between;
          break;
        case State::escaped:
          add(c);
          state_ = State::word;
          break;
        case State::escaped_in_quotes:
          add(c);
          state_ = State::double_quoted;
          break;
        case State::double_quoted:
          if (c == '"') {
            state_ = State::word;
          } else if (c == '\\') {
            state_ = State::escaped_in_quotes;
          } else {
            add(c);
          }
          break;
        case State::single_quoted:
          if (c == '\'') {
            state_ = State::word;
          } else {
            add(c);
          }
          break;
        case State::between:
        case State::word:
          take(c);
      }
    }
    if (state_ == State::escaped || state_ == State::escaped_in_quotes) {
      return bad_input("the command ends with a backslash", "Write a list of words instead.");
    }
    if (state_ == State::double_quoted || state_ == State::single_quoted) {
      return bad_input("a quote in the command is not closed",
                       "Close it, or write a list of words.");
    }
    end_word();
    return std::move(words_);
  }

 private:
  enum class State : std::uint8_t {
    between,
    word,
    escaped,
    double_quoted,
    escaped_in_quotes,
    single_quoted,
    comment
  };

  void add(char c) { word_ += c; }
  void end_word() {
    if (has_word_) words_.push_back(std::move(word_));
    word_.clear();
    has_word_ = false;
  }
  void take(char c) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
      end_word();
      state_ = State::between;
      return;
    }
    if (c == '#' && state_ == State::between) {
      state_ = State::comment;
      return;
    }
    has_word_ = true;
    if (c == '"') {
      state_ = State::double_quoted;
    } else if (c == '\'') {
      state_ = State::single_quoted;
    } else if (c == '\\') {
      state_ = State::escaped;
    } else {
      state_ = State::word;
      add(c);
    }
  }

  State state_ = State::between;
  std::string word_;
  bool has_word_ = false;
  std::vector<std::string> words_;
};

}  // namespace

Result<std::int64_t> parse_go_duration(std::string_view text) {
  std::string_view rest = text;
  const bool is_negative = !rest.empty() && rest.front() == '-';
  if (!rest.empty() && (rest.front() == '-' || rest.front() == '+')) rest.remove_prefix(1);
  if (rest == "0") return 0;
  if (rest.empty()) return no_duration(text);
  long double total = 0;
  while (!rest.empty()) {
    const std::size_t number = std::min(rest.find_first_not_of(".0123456789"), rest.size());
    const auto value = parse_decimal(rest.substr(0, number));
    if (!value) return no_duration(text);
    const Unit* unit = unit_of(rest.substr(number));
    if (unit == nullptr) return no_duration(text);
    total += static_cast<long double>(*value) * static_cast<long double>(unit->nanoseconds);
    rest.remove_prefix(number + unit->name.size());
  }
  if (total > static_cast<long double>(std::numeric_limits<std::int64_t>::max())) {
    return no_duration(text);
  }
  const auto nanoseconds = static_cast<std::int64_t>(total);
  return is_negative ? -nanoseconds : nanoseconds;
}

std::string go_duration_text(std::int64_t nanoseconds) {
  if (nanoseconds == 0) return "0s";
  if (nanoseconds < 0) return "-" + go_duration_text(-nanoseconds);
  if (nanoseconds < 1000) return fmt::format("{}ns", nanoseconds);
  if (nanoseconds < 1'000'000) {
    return without_trailing_zeros(fmt::format("{}.{:03}", nanoseconds / 1000, nanoseconds % 1000)) +
           "\xC2\xB5s";
  }
  if (nanoseconds < second) {
    return without_trailing_zeros(
               fmt::format("{}.{:06}", nanoseconds / 1'000'000, nanoseconds % 1'000'000)) +
           "ms";
  }
  const std::int64_t whole = nanoseconds / second;
  std::string text =
      without_trailing_zeros(fmt::format("{}.{:09}", whole % 60, nanoseconds % second)) + "s";
  if (whole >= 60) text = fmt::format("{}m", whole / 60 % 60) + text;
  if (whole >= 3600) text = fmt::format("{}h", whole / 3600) + text;
  return text;
}

Result<std::int64_t> parse_memory(std::string_view text) {
  const auto problem = [&] {
    return bad_input(fmt::format("{} is no size", shown(text)), "Write it as 50M or 1g.");
  };
  const std::size_t last = text.find_last_of("0123456789. ");
  if (last == std::string_view::npos) return problem();
  const std::string_view number = text.substr(0, text[last] == ' ' ? last : last + 1);
  const std::string unit = to_lower(text.substr(last + 1));
  const auto value = parse_decimal(number);
  if (!value || *value < 0) return problem();
  double factor = 1;
  if (!unit.empty() && unit != "b") {
    constexpr std::string_view units = "kmgtp";
    const std::size_t power = units.find(unit.front());
    const std::string_view rest = std::string_view(unit).substr(1);
    if (power == std::string_view::npos || (!rest.empty() && rest != "b" && rest != "ib")) {
      return problem();
    }
    factor = std::pow(1024.0, static_cast<double>(power + 1));
  }
  const double bytes = *value * factor;
  if (bytes >= 9.2e18) return problem();
  return static_cast<std::int64_t>(bytes);
}

Result<std::int64_t> parse_cpus(std::string_view text) {
  const auto problem = [&] {
    return bad_input(fmt::format("{} is no number of CPUs", shown(text)),
                     "Write it as \"0.5\", with nine digits behind the point at most.");
  };
  const std::size_t dot = std::min(text.find('.'), text.size());
  const std::string_view whole = text.substr(0, dot);
  std::string_view part = dot < text.size() ? text.substr(dot + 1) : std::string_view();
  while (part.ends_with('0')) part.remove_suffix(1);
  const bool is_number = digits_at(whole) == whole.size() && digits_at(part) == part.size() &&
                         text.size() > (dot < text.size() ? 1U : 0U);
  if (!is_number || part.size() > 9 || whole.size() > 9) return problem();
  const std::string digits = std::string(part) + std::string(9 - part.size(), '0');
  const std::int64_t units =
      whole.empty() ? 0 : std::strtoll(std::string(whole).c_str(), nullptr, 10);
  return units * second + std::strtoll(digits.c_str(), nullptr, 10);
}

std::string go_float_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  std::array<char, 64> buffer{};
  const auto print = [&](const char* format, int digits) {
    std::snprintf(buffer.data(), buffer.size(), format, digits, value);
    return std::string(buffer.data());
  };
  // The fewest digits behind the point that give the value back, as d.ddde+xx.
  int digits = 0;
  std::string scientific = print("%.*e", digits);
  while (digits < std::numeric_limits<double>::max_digits10 - 1 &&
         std::strtod(scientific.c_str(), nullptr) != value) {
    scientific = print("%.*e", ++digits);
  }
  const int exponent = std::atoi(scientific.substr(scientific.find('e') + 1).c_str());
  if (exponent < -4 || exponent >= 6) return scientific;
  return print("%.*f", std::max(0, digits - exponent));
}

Result<std::vector<std::string>> split_command(std::string_view text) {
  return CommandSplitter().split(text);
}

Json go_scalar(const ConfigValue& value) {
  if (!value.is_text()) return {};
  const std::string& text = value.text;
  if (value.is_quoted) return text;
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return {};
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  const char first = text.front();
  if (!is_digit(first) && first != '.' && first != '-' && first != '+') return text;
  if (const auto number = parse_go_int(text)) return *number;
  // A whole number that needs 64 bits without a sign stays what was written.
  if (digits_at(text) == text.size()) {
    const bool is_large = parse_decimal(text).value_or(0) > 9.2e18;
    if (is_large && text.size() <= 20) return text;
  }
  if (const auto number = parse_decimal(text)) return *number;
  if (std::string date = date_text(text); !date.empty()) return date;
  return text;
}

}  // namespace pca::swarm_deploy
