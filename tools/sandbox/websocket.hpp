#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace pca::sandbox {

// The server's half of RFC 6455, bytes in and bytes out. Written apart from net/access_tunnel, so
// that a misreading there meets another opinion here.

enum class Opcode : std::uint8_t {
  continuation = 0,
  text = 1,
  binary = 2,
  close = 8,
  ping = 9,
  pong = 10,
};

struct FrameHeader {
  bool final = true;
  bool reserved = false;  // one of RSV1 to RSV3 is set
  std::uint8_t opcode = 0;
  bool masked = false;
  std::uint64_t length = 0;
  std::array<std::uint8_t, 4> mask{};
  [[nodiscard]] bool is(Opcode wanted) const { return opcode == static_cast<std::uint8_t>(wanted); }
  [[nodiscard]] bool is_control() const { return (opcode & 8U) != 0; }
};

// Takes frames apart as their bytes come in, unmasking in place. Not thread safe.
class FrameReader {
 public:
  // A piece of a frame: its header, and the part of its payload that is there.
  struct Part {
    FrameHeader header;
    std::span<char> payload;
    bool is_first = false;
    bool is_last = false;
  };
  // Cuts the next part off the front of `bytes`; nothing when more bytes are needed. Once the
  // parts run out all of `bytes` was taken.
  [[nodiscard]] std::optional<Part> next(std::span<char>& bytes);

 private:
  [[nodiscard]] bool take_header(std::span<char>& bytes);

  std::array<std::uint8_t, 14> head_{};
  std::size_t head_size_ = 0;
  bool in_payload_ = false;
  FrameHeader header_;
  std::uint64_t done_ = 0;  // bytes of the payload already given
};

// XORs with the mask as it stands `offset` bytes into the payload.
void apply_mask(std::span<char> bytes, const std::array<std::uint8_t, 4>& mask,
                std::uint64_t offset);

void append_frame_header(std::string& out, const FrameHeader& header);
// A whole frame that is not masked.
void append_frame(std::string& out, Opcode opcode, std::string_view payload, bool final = true);
// A close frame with `code`, or without a payload when it is 0.
void append_close(std::string& out, std::uint16_t code);

// What a client sent, for the record.
struct UpstreamCounts {
  std::uint64_t frames = 0;
  std::uint64_t messages = 0;  // binary, also empty ones
  std::uint64_t empty_messages = 0;
  std::uint64_t cut_messages = 0;  // those that lost bytes to the limit
  std::uint64_t text_messages = 0;
  std::uint64_t pings = 0;
  std::uint64_t pongs = 0;
  std::uint64_t largest_message = 0;
  std::uint64_t largest_frame = 0;
  std::uint64_t repeated_masks = 0;  // a mask equal to the frame's before
  std::optional<std::uint16_t> close_code;
  std::string fault;  // which rule of the protocol the client broke, or empty
};

// What the origin's connector makes of a client's frames (reference: the client of Access for SSH
// and its origin): a message is put together and at most 16,384 bytes of it passed on, the rest
// dropped without a word; text and empty messages are dropped; pings are answered; a close is
// echoed; an unmasked or broken frame cuts the connection. Not thread safe.
class OriginSide {
 public:
  static constexpr std::size_t message_limit = 16384;

  enum class Verdict : std::uint8_t { carry_on, closed, broken };

  // Takes what came from the client (and scribbles on it): appends what reaches the origin and
  // what goes back. After `closed` and `broken` nothing more is taken.
  [[nodiscard]] Verdict take(std::span<char> bytes, std::string& to_origin, std::string& to_client);
  [[nodiscard]] const UpstreamCounts& counts() const { return counts_; }

 private:
  [[nodiscard]] bool begin_frame(const FrameHeader& header);
  void end_message(std::string& to_origin);
  [[nodiscard]] Verdict end_control(const FrameHeader& header, std::string& to_client);
  bool breaks(const char* rule);

  FrameReader reader_;
  UpstreamCounts counts_;
  bool in_message_ = false;
  bool is_text_ = false;
  std::uint64_t message_size_ = 0;
  std::string message_;  // its first message_limit bytes
  std::string control_;
  std::array<std::uint8_t, 4> last_mask_{};
};

// How bytes from the origin are put into frames.
struct FramingSettings {
  std::size_t message_size = 16384;  // most bytes of a message
  std::size_t fragment_size = 0;     // most bytes of a frame; 0 = a message is one frame
  bool as_text = false;
  bool masked = false;                // against the protocol
  bool ping_between_frames = false;   // a ping after each fragment that is not the last
  std::uint64_t announced_frame = 0;  // frames that announce this size first and are filled later
};

// Wraps the origin's bytes for the client. Not thread safe.
class Framer {
 public:
  explicit Framer(FramingSettings settings) : settings_(settings) {}
  void append_data(std::string& out, std::string_view payload);
  // Control frames wait for the end of a frame that is announced and not yet filled.
  void append_control(std::string& out, std::string_view frame);
  [[nodiscard]] std::uint64_t pings_added() const { return pings_added_; }

 private:
  void append_message(std::string& out, std::string_view payload);
  void append_announced(std::string& out, std::string_view payload);

  FramingSettings settings_;
  std::uint64_t open_ = 0;  // bytes still missing in an announced frame
  std::string waiting_;
  std::uint64_t pings_added_ = 0;
};

}  // namespace pca::sandbox
