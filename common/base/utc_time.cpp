#include "base/utc_time.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <optional>

#include "base/text.hpp"

namespace pca {

namespace {

using std::chrono::floor;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t longest = 64;
constexpr milliseconds last{253'402'300'799'999};  // of the year 9999

// Takes the decimals out of "12:00:00.25Z".
milliseconds take_decimals(std::string& text) {
  const std::size_t dot = text.find('.');
  if (dot == std::string::npos) return milliseconds{0};
  const std::size_t end = std::min(text.find_first_not_of("0123456789", dot + 1), text.size());
  if (end == dot + 1) return milliseconds{0};  // no decimal: the dot stays, and is a mistake
  std::string digits = text.substr(dot + 1, std::min<std::size_t>(end - dot - 1, 3));
  digits.resize(3, '0');
  text.erase(dot, end - dot);
  return milliseconds{(digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0')};
}

// strptime() also takes blanks, short numbers and the like of 31 February.
bool is_spelled(std::string_view text, std::time_t written) {
  return text.find(' ') == std::string_view::npos &&
         text.starts_with(fmt::format("{:%Y-%m-%dT%H:%M:%S}", fmt::gmtime(written)));
}

std::optional<UtcTime> parse(std::string text) {
  if (text.size() > longest) return std::nullopt;
  const milliseconds decimals = take_decimals(text);
  std::tm time{};
  const char* end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S%z", &time);
  if (end == nullptr || *end != '\0') return std::nullopt;
  const seconds offset{time.tm_gmtoff};  // which timegm() does not want to know
  const std::time_t written = ::timegm(&time);
  if (std::chrono::abs(offset) >= std::chrono::hours{24}) return std::nullopt;
  if (!is_spelled(text, written)) return std::nullopt;
  const milliseconds since_1970 = seconds{written} - offset + decimals;
  if (since_1970 < milliseconds{0} || since_1970 > last) return std::nullopt;
  return UtcTime(since_1970);
}

}  // namespace

UtcTime utc_now() { return floor<milliseconds>(std::chrono::system_clock::now()); }

std::string utc_text(UtcTime time) {
  const auto whole = floor<seconds>(time);
  const auto rest = (time - whole).count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}{}Z",
                     fmt::gmtime(std::time_t{whole.time_since_epoch().count()}),
                     rest == 0 ? std::string() : fmt::format(".{:03}", rest));
}

Result<UtcTime> parse_utc(std::string_view text) {
  if (const auto time = parse(std::string(text))) return *time;
  return bad_input(fmt::format("{} is no time", shown(text)),
                   "Write it as 2026-01-31T12:00:00Z, as date -u +%FT%TZ does.");
}

}  // namespace pca
