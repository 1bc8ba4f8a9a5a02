#include "runner/redactor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bitset>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "base/digest.hpp"
#include "base/text.hpp"

namespace pca {

namespace {

constexpr std::size_t shortest = 4;  // characters of a secret or a line of it that is blanked
constexpr std::string_view blanked = "***";

// Between two digits of base64 text a line may end, as base64, openssl and PEM do it; tools that
// nest the text indent the next line. Not before so many digits were seen: else each line that ends
// like a secret begins would be held back until the next one comes. So what is left of a secret
// when up to that many of its digits stand at the end of a line is a pattern of its own.
constexpr std::size_t deepest_indent = 16;
constexpr std::size_t least_before_line_end = 8;
constexpr std::size_t shortest_rest = 8;

bool is_base64_digit(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
         c == '/' || c == '-' || c == '_';
}
bool is_blank(char c) { return c == ' ' || c == '\t'; }

// Where the text goes on behind the digit text[at]: past the end of its line, if that is there. At
// the end of the text when what follows is not known.
std::size_t after_digit(std::string_view text, std::size_t at) {
  const std::size_t next = at + 1;
  std::size_t end = next;
  if (end < text.size() && text[end] == '\r') ++end;
  if (end == text.size()) return end;
  if (text[end] != '\n') return next;
  const std::size_t deepest = std::min(text.size(), end + 1 + deepest_indent);
  do {
    ++end;
  } while (end < deepest && is_blank(text[end]));
  return end;
}

// Patterns of at least `shortest` bytes, found at a place of a text: a table of first byte pairs
// says no at nearly every place, a binary search over the sorted patterns decides the others.
class Patterns {
 public:
  Patterns() = default;
  Patterns(const Patterns&) = delete;
  Patterns& operator=(const Patterns&) = delete;
  ~Patterns() {
    for (std::string& pattern : patterns_) wipe(pattern);
  }

  void add(std::string pattern) {
    if (pattern.size() < shortest) return;
    const auto place = std::lower_bound(patterns_.begin(), patterns_.end(), pattern);
    if (place != patterns_.end() && *place == pattern) return;
    pairs_.set(pair_of(pattern[0], pattern[1]));
    longest_ = std::max(longest_, pattern.size());
    patterns_.insert(place, std::move(pattern));
  }

  [[nodiscard]] std::size_t longest() const { return longest_; }
  [[nodiscard]] bool may_begin_with(char first, char second) const {
    return pairs_[pair_of(first, second)];
  }
  // Calls `look(pattern)` for each that begins with `start`, which is `shortest` bytes long.
  template <typename Look>
  void each_with(std::string_view start, const Look& look) const {
    auto pattern = std::lower_bound(patterns_.begin(), patterns_.end(), start);
    for (; pattern != patterns_.end() && pattern->starts_with(start); ++pattern) look(*pattern);
  }
  // Where the first part of `text` begins that goes on to its end and could be the beginning of a
  // pattern; its size when there is none. Only where `may_begin(place)`.
  template <typename MayBegin>
  [[nodiscard]] std::size_t first_begun(std::string_view text, const MayBegin& may_begin) const {
    std::size_t i = text.size() - std::min(text.size(), longest_ - std::min(longest_, one));
    while (i < text.size() && !(may_begin(i) && is_begun(text.substr(i)))) ++i;
    return i;
  }

 private:
  static constexpr std::size_t one = 1;
  static std::size_t pair_of(char first, char second) {
    return static_cast<std::size_t>(static_cast<unsigned char>(first)) << 8U |
           static_cast<unsigned char>(second);
  }

  [[nodiscard]] bool is_begun(std::string_view text) const {
    if (text.size() > 1 && !may_begin_with(text[0], text[1])) return false;
    const auto pattern = std::upper_bound(patterns_.begin(), patterns_.end(), text);
    return pattern != patterns_.end() && pattern->starts_with(text);
  }

  std::vector<std::string> patterns_;  // sorted
  std::bitset<65536> pairs_;           // the first two bytes of each
  std::size_t longest_ = 0;
};

// Finds any of many patterns in one pass.
class Matcher {
 public:
  void add(std::string pattern) { plain_.add(std::move(pattern)); }
  // Digits that may go on over several lines.
  void add_base64(std::string pattern) {
    for (std::size_t gone = 1; gone < least_before_line_end; ++gone) {
      if (pattern.size() >= gone + shortest_rest) base64_.add(pattern.substr(gone));
    }
    base64_.add(std::move(pattern));
  }

  // Appends to `out` what of `text` is decided and gives its length. Unless `is_last`, text that
  // could be the beginning of a pattern stays undecided. `covered` counts the first bytes of `text`
  // that a *** given earlier stands for; afterwards those behind the decided part.
  std::size_t redact(std::string_view text, bool is_last, std::size_t& covered,
                     std::string& out) const {
    const std::size_t end = is_last ? text.size() : first_undecided(text);
    std::size_t shown = std::min(covered, end);  // all before it is in `out`
    for (std::size_t i = 0; i < end; ++i) {
      const std::string_view rest = text.substr(i);
      const std::size_t length = std::max(longest_plain(rest), longest_base64(rest));
      if (length == 0) continue;
      if (i >= covered) {
        out += text.substr(shown, i - shown);
        out += blanked;
      }
      covered = std::max(covered, i + length);
      shown = std::min(covered, end);
    }
    out += text.substr(shown, end - shown);
    covered -= std::min(covered, end);
    return end;
  }

 private:
  [[nodiscard]] std::size_t longest_plain(std::string_view text) const {
    if (text.size() < shortest || !plain_.may_begin_with(text[0], text[1])) return 0;
    std::size_t length = 0;
    plain_.each_with(text.substr(0, shortest), [&](const std::string& pattern) {
      if (text.starts_with(pattern)) length = std::max(length, pattern.size());
    });
    return length;
  }

  [[nodiscard]] std::size_t longest_base64(std::string_view text) const {
    if (text.size() < shortest || !base64_.may_begin_with(text[0], text[1])) return 0;
    std::size_t length = 0;
    base64_.each_with(text.substr(0, shortest), [&](const std::string& pattern) {
      length = std::max(length, length_over_lines(text, pattern));
    });
    return length;
  }

  // How much of the text the digits take up; 0: it does not begin with them.
  static std::size_t length_over_lines(std::string_view text, std::string_view digits) {
    std::size_t length = 0;
    std::size_t next = 0;
    std::size_t seen = 0;
    for (const char digit : digits) {
      if (next >= text.size() || text[next] != digit) return 0;
      length = next + 1;
      next = ++seen < least_before_line_end ? length : after_digit(text, next);
    }
    return length;
  }

  [[nodiscard]] std::size_t first_undecided(std::string_view text) const {
    const auto anywhere = [](std::size_t) { return true; };
    return std::min(plain_.first_begun(text, anywhere), first_begun_base64(text));
  }

  // As Patterns::first_begun() for the digits at the end of the text, taken off their lines.
  [[nodiscard]] std::size_t first_begun_base64(std::string_view text) const {
    std::string digits;
    std::vector<std::size_t> places;     // of each
    std::vector<std::size_t> line_ends;  // the digits behind which a line ends, or may
    for (std::size_t i = start_of_last_digits(text); i < text.size();) {
      if (is_base64_digit(text[i])) {
        const std::size_t next = after_digit(text, i);
        if (next != i + 1) line_ends.push_back(digits.size());
        digits += text[i];
        places.push_back(i);
        i = next;
      } else {
        digits.clear();
        places.clear();
        line_ends.clear();
        ++i;
      }
    }
    const auto has_enough_before_a_line_end = [&](std::size_t i) {
      const auto end = std::lower_bound(line_ends.begin(), line_ends.end(), i);
      return end == line_ends.end() || *end - i + 1 >= least_before_line_end;
    };
    const std::size_t first = base64_.first_begun(digits, has_enough_before_a_line_end);
    wipe(digits);
    return first < places.size() ? places[first] : text.size();
  }

  // No further back than a pattern that goes on to the end of the text can begin.
  [[nodiscard]] std::size_t start_of_last_digits(std::string_view text) const {
    std::size_t start = text.size();
    std::size_t digits = 0;
    std::size_t others = 0;  // since the last digit
    while (start > 0 && digits < base64_.longest()) {
      const char c = text[start - 1];
      if (is_base64_digit(c)) {
        ++digits;
        others = 0;
      } else if ((!is_blank(c) && c != '\n' && c != '\r') || ++others > deepest_indent + 2) {
        break;
      }
      --start;
    }
    return start;
  }

  Patterns plain_;
  Patterns base64_;
};

// Not a whole key pasted into one line.
bool is_pem_armour(std::string_view line) {
  constexpr std::string_view dashes = "-----";
  return line.starts_with(dashes) &&
         line.find(dashes, dashes.size()) == line.size() - dashes.size();
}

std::string percent_encoded(std::string_view text, std::string_view hex_digits) {
  constexpr std::string_view unreserved =  // RFC 3986, 2.3
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  std::string out;
  for (const char c : text) {
    if (unreserved.find(c) != std::string_view::npos) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += hex_digits[byte >> 4U];
    out += hex_digits[byte & 15U];
  }
  return out;
}

std::string json_escaped(std::string_view text, bool escape_slash) {
  constexpr std::string_view names = "\"\\\n\r\t\b\f";
  constexpr std::string_view letters = "\"\\nrtbf";
  std::string out;
  for (const char c : text) {
    if (const std::size_t i = names.find(c); i != std::string_view::npos) {
      out += '\\';
      out += letters[i];
    } else if (c == '/' && escape_slash) {
      out += "\\/";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out;
}

// The digits that depend on nothing but `text` when it starts `offset` bytes (0 to 2) into a group.
std::string base64_interior(std::string_view text, std::size_t offset) {
  std::string padded(offset, '\0');
  padded += text;
  std::string digits =
      base64_encode({reinterpret_cast<const std::uint8_t*>(padded.data()), padded.size()});
  const std::size_t first = (offset * 8 + 5) / 6;
  const std::size_t last = padded.size() * 8 / 6;
  wipe(padded);
  return digits.substr(first, last - first);
}

void add_forms(Matcher& matcher, std::string_view text) {
  matcher.add(std::string(text));
  matcher.add(percent_encoded(text, "0123456789ABCDEF"));
  matcher.add(percent_encoded(text, "0123456789abcdef"));
  matcher.add(json_escaped(text, false));
  matcher.add(json_escaped(text, true));
  for (std::size_t offset = 0; offset < 3; ++offset) {
    std::string digits = base64_interior(text, offset);
    matcher.add_base64(digits);
    std::replace(digits.begin(), digits.end(), '+', '-');
    std::replace(digits.begin(), digits.end(), '/', '_');
    matcher.add_base64(std::move(digits));
  }
}

// Each line worth blanking. The runner ends lines at a lone \r as well.
std::vector<std::string> secret_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of("\r\n"), text.size());
    const std::string_view line = trim(text.substr(0, end));
    if (line.size() >= shortest && !is_pem_armour(line)) lines.emplace_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

}  // namespace

struct Redactor::Impl {
  // The same text may be protected again: a key is, once it has been put right.
  void add_mask(std::string line) {
    if (std::find(masks.begin(), masks.end(), line) != masks.end()) {
      wipe(line);
    } else {
      masks.push_back(std::move(line));
    }
  }

  mutable std::shared_mutex mutex;  // many hosts' outputs are redacted at once
  Matcher matcher;
  std::vector<std::string> masks;  // each once, in the order they came
  std::size_t masks_taken = 0;
  bool short_secret_came = false;
  bool short_secret_told = false;
};

Redactor::Redactor() : impl_(std::make_unique<Impl>()) {}

Redactor::~Redactor() {
  for (std::string& mask : impl_->masks) wipe(mask);
}

Secret Redactor::protect(std::string text) {
  Secret secret(text);
  if (!trim(text).empty()) {
    std::vector<std::string> lines = secret_lines(text);
    const std::unique_lock lock(impl_->mutex);
    if (trim(text).size() >= shortest) add_forms(impl_->matcher, text);
    for (const std::string& line : lines) add_forms(impl_->matcher, line);
    if (lines.empty()) impl_->short_secret_came = true;
    for (std::string& line : lines) impl_->add_mask(std::move(line));
  }
  wipe(text);
  return secret;
}

std::string Redactor::redact(std::string_view text) const {
  std::string out;
  std::size_t covered = 0;
  const std::shared_lock lock(impl_->mutex);
  impl_->matcher.redact(text, true, covered, out);
  return out;
}

std::vector<std::string> Redactor::take_new_masks() {
  const std::unique_lock lock(impl_->mutex);
  const auto first = impl_->masks.begin() + static_cast<std::ptrdiff_t>(impl_->masks_taken);
  impl_->masks_taken = impl_->masks.size();
  return {first, impl_->masks.end()};
}

bool Redactor::take_short_secret_notice() {
  const std::unique_lock lock(impl_->mutex);
  return impl_->short_secret_came && !std::exchange(impl_->short_secret_told, true);
}

RedactingStream::RedactingStream(const Redactor& redactor) : redactor_(redactor) {}

std::string RedactingStream::feed(std::string_view chunk) {
  held_ += chunk;
  std::string out;
  const std::shared_lock lock(redactor_.impl_->mutex);
  held_.erase(0, redactor_.impl_->matcher.redact(held_, false, covered_, out));
  return out;
}

std::string RedactingStream::finish() {
  std::string out;
  const std::shared_lock lock(redactor_.impl_->mutex);
  redactor_.impl_->matcher.redact(held_, true, covered_, out);
  wipe(held_);
  covered_ = 0;
  return out;
}

}  // namespace pca
