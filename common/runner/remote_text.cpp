#include "runner/remote_text.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.hpp"

namespace pca {

namespace {

constexpr std::string_view cut_note = " [line cut at 64 KiB]";

// ASCII that is shown as it is and needs no look at its neighbours.
constexpr std::array<bool, 256> plain_bytes = [] {
  std::array<bool, 256> table{};
  for (std::size_t byte = 0x20; byte < 0x7F; ++byte) table[byte] = byte != '#' && byte != '[';
  table['\t'] = true;
  return table;
}();

std::string_view plain_start(std::string_view text) {
  const auto* const end = std::find_if(
      text.begin(), text.end(), [](char c) { return !plain_bytes[static_cast<unsigned char>(c)]; });
  return text.substr(0, static_cast<std::size_t>(end - text.begin()));
}

}  // namespace

std::string RemoteTextFilter::feed(std::string_view chunk) {
  std::string glued;
  if (!partial_.empty()) {
    glued = std::exchange(partial_, {});
    glued += chunk;
    chunk = glued;
  }
  std::string out;
  while (!chunk.empty()) {
    if (const std::string_view plain = plain_start(chunk); !plain.empty()) {
      const std::size_t room = limit_ - line_.size();
      append(plain.substr(0, room), out);
      if (plain.size() > room) append(plain.substr(room), out);
      hashes_ = 0;
      last_was_cr_ = false;
      chunk.remove_prefix(plain.size());
      continue;
    }
    const CodePoint next = next_code_point(chunk);
    if (next.incomplete) {
      partial_ = chunk;
      break;
    }
    take(next.value, out);
    chunk.remove_prefix(next.size);
  }
  return out;
}

std::string RemoteTextFilter::finish() {
  std::string out;
  if (!partial_.empty()) {
    take(next_code_point(partial_).value, out);
    partial_.clear();
  }
  if (!line_.empty()) end_line(out);
  cut_ = false;
  hashes_ = 0;
  last_was_cr_ = false;
  return out;
}

void RemoteTextFilter::take(char32_t c, std::string& out) {
  const bool ends_crlf = std::exchange(last_was_cr_, c == '\r') && c == '\n';
  if (ends_crlf) return;
  if (c == '\n' || c == '\r') {
    end_line(out);
    return;
  }
  if (cut_) return;
  std::string shown;
  // The runner's search for "##[" may skip characters that have no width, so only visible ASCII
  // ends a run of '#', and only a visible character breaks it up.
  if (c == '[' && hashes_ == 2) shown = " ";
  append_visible(shown, c);
  if (c == '#') {
    hashes_ = std::min(hashes_ + 1, 2);
  } else if (static_cast<unsigned char>(shown.back()) < 0x80) {
    hashes_ = 0;
  }
  append(shown, out);
}

void RemoteTextFilter::append(std::string_view shown, std::string& out) {
  if (cut_) return;
  if (line_.size() + shown.size() <= limit_) {
    line_ += shown;
    return;
  }
  out += line_;
  out += cut_note;
  out += '\n';
  line_.clear();
  cut_ = true;
}

void RemoteTextFilter::end_line(std::string& out) {
  hashes_ = 0;
  if (std::exchange(cut_, false)) return;  // given already
  out += line_;
  out += '\n';
  line_.clear();
}

}  // namespace pca
