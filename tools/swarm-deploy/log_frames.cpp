#include "swarm-deploy/log_frames.hpp"

#include <algorithm>
#include <cstdint>

namespace pca::swarm_deploy {

namespace {

constexpr std::size_t head_size = 8;

bool is_head(std::string_view text) {
  return text.size() >= head_size && text[0] >= 0 && text[0] <= 3 && text[1] == 0 && text[2] == 0 &&
         text[3] == 0;
}

std::size_t length_in(std::string_view head) {
  std::size_t length = 0;
  for (std::size_t i = 4; i < head_size; ++i)
    length = length << 8U | static_cast<std::uint8_t>(head[i]);
  return length;
}

}  // namespace

std::string text_of_log(std::string_view frames) {
  if (!is_head(frames)) return std::string(frames);
  std::string text;
  while (is_head(frames)) {
    const std::size_t length = length_in(frames);
    frames.remove_prefix(head_size);
    text.append(frames.substr(0, length));
    frames.remove_prefix(std::min(length, frames.size()));
  }
  return text;
}

}  // namespace pca::swarm_deploy
