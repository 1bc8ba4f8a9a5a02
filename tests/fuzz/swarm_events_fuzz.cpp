// What an Engine tells of events, in whichever pieces it comes. The first byte is their size.

#include <string>
#include <vector>

#include "fuzz/fuzz.hpp"
#include "swarm-deploy/swarm_events.hpp"

namespace {

using namespace pca::swarm_deploy;
using pca::fuzz::require;

std::vector<std::string> lines_of(std::string_view text, std::size_t piece) {
  EventLines lines;
  std::vector<std::string> found;
  for (std::size_t at = 0; at < text.size(); at += piece) {
    lines.add(text.substr(at, piece), [&](std::string_view line) {
      require(line.size() <= EventLines::longest, "a line is no longer than an event may be");
      require(line.find('\n') == std::string_view::npos, "a line is one");
      found.emplace_back(line);
    });
  }
  return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text = pca::fuzz::text_of(data + 1, size - 1);
  const auto lines = lines_of(text, text.size() + 1);
  require(lines == lines_of(text, std::size_t{data[0]} + 1), "pieces make no difference");
  for (const std::string& line : lines) {
    const auto event = event_of_stack(line, "shop");
    constexpr std::size_t longest = 1000;
    require(!event || (event->size() < longest && event->find('\n') == std::string::npos),
            "an event is told in a short line");
  }
  return 0;
}
