// What a host prints around the start of a script: any bytes, cut in any way, are noise up to the
// mark and output behind its line, and the line names no group that must not be signalled. The
// first byte is the size of the pieces, the rest the stream, in which every $ is the token.

#include "tunnel-ssh/start_mark.hpp"

#include <algorithm>
#include <string>

#include "base/text.hpp"
#include "fuzz/fuzz.hpp"

namespace pca::fuzz {
namespace {

using tunnel_ssh::parse_start_line;
using tunnel_ssh::StartLine;
using tunnel_ssh::StartMark;

const std::string token = "0af00af1";  // begins again within itself

struct Told {
  std::string noise;
  std::string line;
  std::string output;
  bool found = false;
  bool operator==(const Told&) const = default;
};

Told read(std::string_view stream, std::size_t piece_size) {
  StartMark mark(token);
  Told told;
  while (!stream.empty()) {
    const std::string_view piece = stream.substr(0, piece_size);
    stream.remove_prefix(piece.size());
    const StartMark::Split split = mark.feed(piece);
    require(split.output.empty() || mark.found(), "nothing is output before the mark");
    require(split.output.empty() ||
                (split.output.data() >= piece.data() && split.output.end() == piece.end()),
            "output is the end of its chunk");
    told.noise += split.noise;
    told.output += split.output;
  }
  told.noise += mark.finish();
  told.found = mark.found();
  told.line = mark.line();
  return told;
}

// As simple as it can be said.
Told expected(const std::string& stream) {
  const std::size_t at = stream.find(token);
  if (at == std::string::npos) return {stream, "", "", false};
  const std::size_t start = at + token.size();
  const std::size_t end = stream.find('\n', start);
  const std::string line = stream.substr(start, std::min(end - start, std::size_t{256}));
  if (end == std::string::npos) return {stream.substr(0, at), line, "", false};
  return {stream.substr(0, at), std::string(trim(line)), stream.substr(end + 1), true};
}

void check_line(const std::string& text) {
  const StartLine line = parse_start_line(text);
  require(line.group == 0 || line.group > 1, "neither everybody nor init is signalled");
  require(line.shell.empty() || line.shell == "bash" || line.shell == "sh", "a shell is known");
  require(line.complete || (line.group == 0 && line.shell.empty()), "only a start has facts");
}

}  // namespace
}  // namespace pca::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pca::fuzz;
  if (size == 0) return 0;
  std::string stream;
  for (const char c : text_of(data + 1, size - 1)) c == '$' ? stream += token : stream += c;
  const std::size_t piece_size = std::max<std::size_t>(1, data[0]);
  const Told told = read(stream, piece_size);
  require(told == expected(stream), "cuts change nothing");
  check_line(told.line);
  return 0;
}
