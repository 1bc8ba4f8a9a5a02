#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "net/ssh.hpp"

namespace pca {

// What goes over the socket of an open session, both ways: frames of a type byte, the payload's
// size (4 bytes, big endian) and the payload. A connection to the socket is one channel of the SSH
// session (or one question to who holds it): it begins with a request, which is answered by opened
// or error, and from then on carries the channel's data. Closing the socket closes the channel.
// Whoever reads takes everything for hostile.

enum class SessionFrameType : std::uint8_t {
  request = 1,     // to the holder: SessionRequest
  opened = 2,      // from the holder: what was asked for is there; text that depends on the request
  data = 3,        // both ways
  error_data = 4,  // from the holder: stderr
  end = 5,         // both ways: no more data
  signal = 6,      // to the holder: a signal's name for what runs
  exit = 7,        // from the holder: SshChannel::Exit
  error = 8,       // from the holder: Error; nothing follows
  incoming = 9,    // from the holder: a connection has come to a place listened on
};

struct SessionFrame {
  SessionFrameType type{};
  std::string_view payload;
};

constexpr std::size_t longest_session_payload = std::size_t{64} * 1024;
constexpr std::size_t session_frame_header = 5;

void append_session_frame(std::string& out, SessionFrameType type, std::string_view payload = {});

// Cuts hostile bytes into frames. Holds at most `capacity` bytes.
class SessionFrameReader {
 public:
  SessionFrameReader() : buffer_(capacity) {}

  // Where to put the next bytes, and that they are there. Empty when there is no room before a
  // frame is taken.
  [[nodiscard]] std::span<char> room();
  void filled(std::size_t bytes) { end_ += bytes; }
  // The frame at the front, if it is whole; it stays there until pop(). Its payload is good until
  // room() is asked for. failed: this is no frame.
  [[nodiscard]] Result<std::optional<SessionFrame>> front() const;
  void pop();
  [[nodiscard]] bool is_empty() const { return begin_ == end_; }

  static constexpr std::size_t capacity = 4 * (longest_session_payload + session_frame_header);

 private:
  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

// The first frame of a connection. `version` comes first in every version of this protocol.
struct SessionRequest {
  enum class Kind : std::uint8_t {
    attach = 1,     // nothing but being told when the SSH session is lost
    exec = 2,       // text: the command
    tcp = 3,        // text: the host, port
    unix = 4,       // text: the path
    listen = 5,     // text: the address or path, port; opened gives the port
    accept = 6,     // text, port: a place listened on; takes a connection that incoming told of
    status = 7,     // opened gives JSON
    end = 8,        // the session is to end
    subsystem = 9,  // text: its name
  };
  static constexpr std::uint32_t current_version = 2;

  std::uint32_t version = current_version;
  Kind kind = Kind::attach;
  std::string identity = {};  // SessionIdentity::digest(); status and end need none
  std::string text = {};
  std::uint16_t port = 0;
  bool operator==(const SessionRequest&) const = default;
};

[[nodiscard]] std::string encode_request(const SessionRequest& request);
// failed for what encode_request() does not make; conflict for another version.
[[nodiscard]] Result<SessionRequest> decode_request(std::string_view payload);

[[nodiscard]] std::string encode_error(const Error& error);
// What is shown of it is short and visible(). An unreadable error is one too.
[[nodiscard]] Error decode_error(std::string_view payload);

[[nodiscard]] std::string encode_exit(const SshChannel::Exit& exit);
[[nodiscard]] Result<SshChannel::Exit> decode_exit(std::string_view payload);

}  // namespace pca
