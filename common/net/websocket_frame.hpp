#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"

// The frames of RFC 6455, seen from the client: bytes in, bytes out, no I/O.
namespace pca {

enum class WebSocketOpcode : std::uint8_t {
  continuation = 0,
  text = 1,
  binary = 2,
  close = 8,
  ping = 9,
  pong = 10,
};

constexpr std::size_t websocket_control_limit = 125;  // payload of a control frame, section 5.5

using MaskKey = std::array<std::uint8_t, 4>;

// Mask keys that nobody can predict (sections 5.3 and 10.3), drawn in batches because each frame
// needs one. Not thread safe.
class MaskKeys {
 public:
  [[nodiscard]] MaskKey next();

 private:
  std::array<std::uint8_t, 1024> batch_{};
  std::size_t used_ = sizeof batch_;
};

// Owns the buffer of one masked frame. The payload is masked while it is copied in, and the header
// is put right in front of it at the end, so every byte is touched once. Not thread safe.
class FrameBuilder {
 public:
  // What a header takes at most here: two bytes, a 16-bit length and the mask key.
  static constexpr std::size_t header_limit = 8;

  explicit FrameBuilder(std::size_t payload_limit);  // at most 65,535

  // Starts an empty frame; what the last finish() gave is no longer valid.
  void start(const MaskKey& key);
  // Takes as much as there is room for and says how much that was.
  std::size_t append(std::span<const char> payload);
  [[nodiscard]] std::size_t payload_size() const { return size_; }
  [[nodiscard]] bool is_full() const { return header_limit + size_ == buffer_.size(); }
  // The whole frame, final and unfragmented. Valid until start().
  [[nodiscard]] std::span<const char> finish(WebSocketOpcode opcode);

 private:
  std::vector<char> buffer_;
  std::size_t size_ = 0;
  MaskKey key_{};
};

// Takes a server's bytes apart, however they are cut. Payload is passed through, never collected,
// except the few bytes of a control frame. Not thread safe.
class FrameReader {
 public:
  enum class Event : std::uint8_t { need_more, data, ping, pong, close };
  struct Step {
    Event event = Event::need_more;
    std::size_t used = 0;           // bytes of the input that this step took
    std::span<const char> payload;  // data: a part of the input; else valid until the next call
  };

  // One step through `in`: to the next piece of payload (text and binary alike, never empty), to
  // the end of a control frame, or through all of `in`. After an error every call gives it again.
  // Errors: unreachable, with what was wrong.
  [[nodiscard]] Result<Step> next(std::span<const char> in);

 private:
  [[nodiscard]] bool head_is_complete() const;
  [[nodiscard]] std::optional<std::string> fault() const;
  void start_payload();
  [[nodiscard]] bool is_control() const { return (head_[0] & 0x08U) != 0; }

  std::array<std::uint8_t, 10> head_{};
  std::size_t head_size_ = 0;     // bytes of head_ that have arrived
  bool in_payload_ = false;       // the head is complete and `left_` bytes are to come
  std::uint64_t left_ = 0;        // of the frame's payload
  bool message_is_open_ = false;  // a fragment came that was not the last one
  std::array<char, websocket_control_limit> control_{};
  std::size_t control_size_ = 0;
  std::optional<Error> broken_;
};

}  // namespace pca
