// What a SOCKS client sends: any bytes, cut in any way, give the same replies and the same target,
// and never pile up. The first byte is the size of the pieces, the rest the stream.

#include "tunnel-ssh/socks.hpp"

#include <algorithm>
#include <string>

#include "fuzz/fuzz.hpp"

namespace pca::fuzz {
namespace {

using tunnel_ssh::SocksHandshake;

constexpr std::size_t longest_request = 8 + 2 * 256;  // version 4a: user and name, each with a NUL

struct Talk {
  std::string replies;
  std::string host;
  int port = -1;
  std::string early;  // what follows the request
  bool failed = false;
  bool operator==(const Talk&) const = default;
};

Talk talk(std::string_view stream, std::size_t piece_size) {
  SocksHandshake socks;
  Talk told;
  while (!stream.empty() && !told.failed && told.port < 0) {
    const std::string_view piece = stream.substr(0, piece_size);
    stream.remove_prefix(piece.size());
    const SocksHandshake::Step step = socks.feed(piece);
    told.replies += step.reply;
    told.failed = step.failed;
    if (step.target) {
      told.host = step.target->host;
      told.port = step.target->port;
    }
    require(!step.failed || !step.target, "a handshake that failed has no target");
    require(step.failed || step.target || socks.early_data().size() <= longest_request,
            "an unfinished request is short");
  }
  if (told.port < 0) return told;
  told.early = socks.early_data() + std::string(stream);
  require(!told.host.empty() && told.host.size() <= 255, "a target has a name");
  require(told.host.find('\0') == std::string::npos, "a name holds no NUL");
  require(socks.connected() != socks.refused(), "the two answers differ");
  return told;
}

}  // namespace
}  // namespace pca::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pca::fuzz;
  if (size == 0) return 0;
  const std::string_view stream = text_of(data + 1, size - 1);
  const std::size_t piece_size = std::max<std::size_t>(1, data[0]);
  const Talk whole = talk(stream, stream.size());
  require(talk(stream, piece_size) == whole, "cuts change nothing");
  require(talk(stream, 1) == whole, "single bytes change nothing");
  return 0;
}
