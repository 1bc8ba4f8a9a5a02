// What comes over a session's socket: any bytes, cut in any way, give the same frames, and what a
// payload is read as says the same when it is written again. The first byte is the size of the
// pieces, the rest the stream.

#include "net/session_protocol.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "fuzz/fuzz.hpp"

namespace pca::fuzz {
namespace {

struct Read {
  std::vector<std::pair<SessionFrameType, std::string>> frames;
  bool failed = false;
  bool operator==(const Read&) const = default;
};

Read read(std::string_view stream, std::size_t piece_size) {
  SessionFrameReader reader;
  Read found;
  while (!stream.empty() && !found.failed) {
    const std::span<char> room = reader.room();
    require(!room.empty(), "frames that are taken leave room");
    const std::size_t size = std::min({piece_size, room.size(), stream.size()});
    stream.copy(room.data(), size);
    reader.filled(size);
    stream.remove_prefix(size);
    for (;;) {
      const auto frame = reader.front();
      found.failed = !frame;
      if (!frame || !*frame) break;
      require((*frame)->payload.size() <= longest_session_payload, "a payload is short");
      found.frames.emplace_back((*frame)->type, (*frame)->payload);
      reader.pop();
    }
  }
  return found;
}

void check_payload(std::string_view payload) {
  if (const auto request = decode_request(payload)) {
    require(encode_request(*request) == payload, "a request is written as it was read");
  }
  const Error error = decode_error(payload);
  require(error.message.find('\n') == std::string::npos, "what is shown is one line");
  require(decode_error(encode_error(error)).kind == error.kind, "an error keeps its kind");
  if (const auto exit = decode_exit(payload)) {
    const auto again = decode_exit(encode_exit(*exit));
    require(again && again->code == exit->code, "an exit keeps its code");
  }
}

}  // namespace
}  // namespace pca::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pca::fuzz;
  if (size == 0) return 0;
  const std::string_view stream = text_of(data + 1, size - 1);
  const Read whole = read(stream, std::max<std::size_t>(stream.size(), 1));
  require(read(stream, std::max<std::size_t>(1, data[0])) == whole, "cuts change nothing");
  require(read(stream, 1) == whole, "single bytes change nothing");
  for (const auto& [type, payload] : whole.frames) check_payload(payload);
  check_payload(stream);
  return 0;
}
