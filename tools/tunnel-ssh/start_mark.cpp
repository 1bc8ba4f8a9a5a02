#include "tunnel-ssh/start_mark.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/text.hpp"

namespace pca::tunnel_ssh {

namespace {

// How many bytes at the end of `text` may be the beginning of `token`.
std::size_t open_end(std::string_view text, std::string_view token) {
  for (std::size_t size = std::min(text.size(), token.size() - 1); size > 0; --size) {
    if (text.substr(text.size() - size) == token.substr(0, size)) return size;
  }
  return 0;
}

}  // namespace

StartMark::Split StartMark::feed(std::string_view chunk) {
  Split split;
  if (state_ == State::searching) {
    const std::size_t old = held_.size();
    held_ += chunk;
    const std::size_t at = held_.find(token_);
    if (at == std::string::npos) {
      const std::size_t keep = open_end(held_, token_);
      split.noise = held_.substr(0, held_.size() - keep);
      held_.erase(0, held_.size() - keep);
      return split;
    }
    split.noise = held_.substr(0, at);
    chunk.remove_prefix(at + token_.size() - old);  // the mark ends within this chunk
    held_.clear();
    state_ = State::reading_line;
  }
  if (state_ == State::reading_line) {
    const std::size_t end = chunk.find('\n');
    const std::size_t room = longest_line - line_.size();
    line_ += chunk.substr(0, std::min(end, room));
    if (end == std::string_view::npos) return split;
    chunk.remove_prefix(end + 1);
    line_ = trim(line_);
    state_ = State::found;
  }
  split.output = chunk;
  return split;
}

std::string StartMark::finish() { return std::exchange(held_, {}); }

StartLine parse_start_line(std::string_view line) {
  StartLine result;
  const std::vector<std::string> words = split(line, ' ');
  result.complete = !words.empty() && words.front() == "started";
  if (!result.complete || words.size() < 2) return result;
  // Group 1 and 0 are never a script's, and signalling them would hit everything.
  if (const auto group = parse_integer(words[1], 2, 4'194'304)) result.group = *group;
  if (words.size() > 2 && (words[2] == "bash" || words[2] == "sh")) result.shell = words[2];
  return result;
}

}  // namespace pca::tunnel_ssh
