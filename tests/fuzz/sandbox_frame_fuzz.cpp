// A client's frames at the sandbox's edge: any bytes, cut in any way, reach the origin alike, and
// no message is longer than the origin takes. The first byte is the size of the pieces.

#include <algorithm>
#include <string>

#include "fuzz/fuzz.hpp"
#include "sandbox/websocket.hpp"

namespace pca::fuzz {
namespace {

struct Taken {
  std::string to_origin;
  std::string to_client;
  std::string fault;
  bool operator==(const Taken&) const = default;
};

Taken take(std::string stream, std::size_t piece_size) {
  sandbox::OriginSide side;
  Taken taken;
  std::span<char> rest(stream);
  auto verdict = sandbox::OriginSide::Verdict::carry_on;
  while (!rest.empty() && verdict == sandbox::OriginSide::Verdict::carry_on) {
    const auto piece = rest.first(std::min(piece_size, rest.size()));
    rest = rest.subspan(piece.size());
    verdict = side.take(piece, taken.to_origin, taken.to_client);
  }
  taken.fault = side.counts().fault;
  require(taken.fault.empty() == (verdict != sandbox::OriginSide::Verdict::broken),
          "a broken rule is named");
  require(taken.to_origin.size() <= side.counts().messages * sandbox::OriginSide::message_limit,
          "no message is longer than the limit");
  return taken;
}

}  // namespace
}  // namespace pca::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pca::fuzz;
  if (size == 0) return 0;
  const std::string stream(text_of(data + 1, size - 1));
  const std::size_t piece_size = std::max<std::size_t>(data[0], 1);
  require(take(stream, piece_size) == take(stream, stream.size() + 1),
          "the size of the pieces makes no difference");
  return 0;
}
