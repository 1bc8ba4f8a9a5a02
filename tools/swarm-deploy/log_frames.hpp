#pragma once

#include <string>
#include <string_view>

namespace pca::swarm_deploy {

// The text in a service's log as the Engine sends it: frames of a stream number, three zero bytes,
// a length in big endian, and so many bytes. Hostile: what is cut off or no frame ends it. A log
// without frames (of a task with a terminal) is its own text.
[[nodiscard]] std::string text_of_log(std::string_view frames);

}  // namespace pca::swarm_deploy
