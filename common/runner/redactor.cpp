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

// Finds any of many patterns in one pass: a table of first byte pairs says no at nearly every
// position, a binary search over the sorted patterns decides the others.
class Matcher {
 public:
  Matcher() = default;
  Matcher(const Matcher&) = delete;
  Matcher& operator=(const Matcher&) = delete;
  ~Matcher() {
    for (std::string& pattern : patterns_) wipe(pattern);
  }

  void add(std::string pattern) {
    if (pattern.size() < shortest) return;
    const auto place = std::lower_bound(patterns_.begin(), patterns_.end(), pattern);
    if (place != patterns_.end() && *place == pattern) return;
    pairs_.set(pair_at(pattern));
    longest_ = std::max(longest_, pattern.size());
    patterns_.insert(place, std::move(pattern));
  }

  // Appends to `out` what of `text` is decided and gives its length. Unless `is_last`, text that
  // could be the beginning of a pattern stays undecided. `covered` counts the first bytes of `text`
  // that a *** given earlier stands for; afterwards those behind the decided part.
  std::size_t redact(std::string_view text, bool is_last, std::size_t& covered,
                     std::string& out) const {
    const std::size_t end = is_last ? text.size() : first_undecided(text);
    std::size_t shown = std::min(covered, end);  // all before it is in `out`
    for (std::size_t i = 0; i < end; ++i) {
      const std::size_t length = longest_match(text.substr(i));
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
  static std::size_t pair_at(std::string_view text) {
    return static_cast<std::size_t>(static_cast<unsigned char>(text[0])) << 8U |
           static_cast<unsigned char>(text[1]);
  }

  [[nodiscard]] std::size_t longest_match(std::string_view text) const {
    if (text.size() < shortest || !pairs_[pair_at(text)]) return 0;
    const std::string_view start = text.substr(0, shortest);
    auto pattern = std::lower_bound(patterns_.begin(), patterns_.end(), start);
    std::size_t length = 0;
    for (; pattern != patterns_.end() && pattern->starts_with(start); ++pattern) {
      if (text.starts_with(*pattern)) length = std::max(length, pattern->size());
    }
    return length;
  }

  [[nodiscard]] std::size_t first_undecided(std::string_view text) const {
    std::size_t i =
        text.size() - std::min(text.size(), longest_ - std::min<std::size_t>(longest_, 1));
    while (i < text.size() && !may_begin_pattern(text.substr(i))) ++i;
    return i;
  }

  [[nodiscard]] bool may_begin_pattern(std::string_view text) const {
    if (text.size() > 1 && !pairs_[pair_at(text)]) return false;
    const auto pattern = std::upper_bound(patterns_.begin(), patterns_.end(), text);
    return pattern != patterns_.end() && pattern->starts_with(text);
  }

  std::vector<std::string> patterns_;  // sorted, each at least `shortest` bytes
  std::bitset<65536> pairs_;           // the first two bytes of each
  std::size_t longest_ = 0;
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
    matcher.add(digits);
    std::replace(digits.begin(), digits.end(), '+', '-');
    std::replace(digits.begin(), digits.end(), '/', '_');
    matcher.add(std::move(digits));
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
