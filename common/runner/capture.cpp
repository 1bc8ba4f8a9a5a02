#include "runner/capture.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace pca {

namespace {

constexpr std::size_t longest_sequence = 4;  // bytes of one code point

}  // namespace

void Capture::feed(std::string_view chunk) {
  if (overflowed_) return;
  std::string redacted;
  if (redacting_) {
    redacted = redacting_->feed(chunk);
    chunk = redacted;
  }
  const std::size_t room = limit_ + longest_sequence - kept_.size();
  overflowed_ = chunk.size() > room;
  kept_ += chunk.substr(0, room);
}

std::string Capture::text() const {
  std::string all = kept_;
  if (redacting_ && !overflowed_) all += RedactingStream(*redacting_).finish();
  std::string valid = to_valid_utf8(all);  // may be longer than what came
  if (!overflowed_ && valid.size() <= limit_) return valid;
  const std::string_view shown = cut_utf8(valid, limit_);
  return fmt::format("{}{}[cut at {}]", shown, shown.empty() || shown.ends_with('\n') ? "" : "\n",
                     format_size(limit_));
}

}  // namespace pca
