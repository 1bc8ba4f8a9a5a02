// A server's frames: any bytes, cut in any way, give the same payload and the same verdict. The
// first byte is the size of the pieces, the rest the stream.

#include <algorithm>
#include <string>

#include "fuzz/fuzz.hpp"
#include "net/websocket_frame.hpp"

namespace pca::fuzz {
namespace {

struct Told {
  std::string text;  // payload, and control frames in brackets
  std::string error;
  bool operator==(const Told&) const = default;
};

void take(const FrameReader::Step& step, std::string_view in, Told& told) {
  require(step.used > 0 && step.used <= in.size(), "a step takes some of its input");
  const std::string payload(step.payload.begin(), step.payload.end());
  if (step.event == FrameReader::Event::need_more) {
    require(step.used == in.size() && payload.empty(), "more is needed only at the end");
  } else if (step.event == FrameReader::Event::data) {
    require(!payload.empty(), "a piece of data is not empty");
    require(step.payload.data() >= in.data() && step.payload.size() <= step.used,
            "data is a part of the input");
    told.text += payload;
  } else {
    require(payload.size() <= websocket_control_limit, "control frames are short");
    told.text += "[" + std::to_string(static_cast<int>(step.event)) + ":" + payload + "]";
  }
}

Told read(std::string_view stream, std::size_t piece_size) {
  FrameReader reader;
  Told told;
  while (!stream.empty() && told.error.empty()) {
    std::string_view piece = stream.substr(0, piece_size);
    stream.remove_prefix(piece.size());
    while (!piece.empty() && told.error.empty()) {
      const auto step = reader.next(piece);
      if (!step) {
        told.error = step.error().message;
        require(!reader.next(piece), "an error is final");
        break;
      }
      take(*step, piece, told);
      piece.remove_prefix(step->used);
    }
  }
  return told;
}

// What we send, unmasked again as a server would have to see it.
void round_trip(std::string_view payload, std::size_t piece_size) {
  FrameBuilder builder(16'376);
  const MaskKey key{0xA5, 0x01, 0xFF, 0x3C};
  builder.start(key);
  std::string_view rest = payload;
  while (!rest.empty() && !builder.is_full()) {
    rest.remove_prefix(builder.append(rest.substr(0, piece_size)));
  }
  const auto built = builder.finish(WebSocketOpcode::binary);
  require(built.size() <= 16'384, "a frame fits into one TLS record");
  std::string frame(built.begin(), built.end());
  const std::size_t size = builder.payload_size();
  const std::size_t head = frame.size() - size;
  for (std::size_t i = 0; i < size; ++i) {
    frame[head + i] = static_cast<char>(static_cast<std::uint8_t>(frame[head + i]) ^ key[i % 4]);
  }
  frame.erase(head - 4, 4);
  frame[1] = static_cast<char>(frame[1] & 0x7F);
  require(read(frame, frame.size()) == Told{std::string(payload.substr(0, size)), ""},
          "what is built can be read");
}

}  // namespace
}  // namespace pca::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pca::fuzz;
  if (size == 0) return 0;
  const std::size_t piece_size = std::max<std::size_t>(1, data[0]);
  const std::string_view stream = text_of(data + 1, size - 1);
  require(read(stream, piece_size) == read(stream, stream.size()), "cuts change nothing");
  round_trip(stream, piece_size);
  return 0;
}
