#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/byte_stream.hpp"
#include "net/websocket_frame.hpp"

namespace pca {

// A two-way stream of bytes inside the binary messages of a WebSocket whose upgrade is done. Owns
// the stream below, on which every message is one write(). Pings are answered between frames, the
// latest one only (RFC 6455, 5.5.3). A close frame or the end of the stream below is the end.
// There is no half-close: after either side's end nothing more goes out.
class WebSocketStream : public ByteStream {
 public:
  // Frame and header of a full message together fill one TLS record of 16,384 bytes; the origin
  // behind Cloudflare Access drops what a message has beyond 16,384.
  static constexpr std::size_t message_limit = 16'384 - FrameBuilder::header_limit;

  // `arrived`: bytes that came behind the upgrade's answer.
  WebSocketStream(std::unique_ptr<ByteStream> below, std::span<const char> arrived);

  Result<Read> read(std::span<char> into) override;
  Result<std::size_t> write(std::span<const char> from) override;
  Result<bool> service() override;
  [[nodiscard]] PollHandle poll_handle() const override;
  // Sends all that is queued and a close frame (1000), then waits up to two seconds (and never
  // longer than the budget) for the peer's answer, so that it has got everything. With a budget
  // that is over already it sends what can be sent at once. Errors: queued bytes were not sent.
  Result<> close(const Budget& budget) override;
  [[nodiscard]] std::string peer() const override { return below_->peer(); }

 private:
  // Bytes that came before anyone asked for them, in a buffer of fixed size.
  class Store {
   public:
    explicit Store(std::size_t capacity) : bytes_(capacity) {}
    [[nodiscard]] bool empty() const { return begin_ == end_; }
    [[nodiscard]] std::span<char> room() { return std::span(bytes_).subspan(end_); }
    [[nodiscard]] bool has_room() const { return end_ < bytes_.size(); }
    void added(std::size_t count) { end_ += count; }
    std::size_t take(std::span<char> into);

   private:
    std::vector<char> bytes_;
    std::size_t begin_ = 0, end_ = 0;
  };

  Result<Read> receive(std::span<char> into);
  Result<Read> receive_raw(std::span<char> into);
  Result<std::size_t> unwrap(std::span<char> raw);
  Result<> take_in();
  void answer_close(std::span<const char> payload);
  bool flush();
  bool next_frame();
  std::span<const char> control_frame(WebSocketOpcode opcode, std::span<const char> payload);
  FrameBuilder& message() { return messages_[filling_]; }
  [[nodiscard]] bool is_drained() const;
  Result<> send_everything(const Budget& budget);
  Result<> await_goodbye(const Budget& budget);

  std::unique_ptr<ByteStream> below_;
  MaskKeys keys_;

  Store arrived_;  // raw, from before there was a stream
  FrameReader reader_;
  Store inbox_;         // payload, taken in by service()
  bool ended_ = false;  // the peer will send no more
  bool reads_since_service_ = false;

  std::array<FrameBuilder, 2> messages_;  // one on its way, one being filled meanwhile
  std::size_t filling_ = 0;               // which of them
  FrameBuilder control_;
  std::span<const char> outgoing_;      // the rest of the frame on its way
  bool outgoing_is_message_ = false;    // or it is a control frame
  std::optional<std::string> pong_;     // payload of the latest unanswered ping
  std::optional<std::string> goodbye_;  // payload of the close frame to send after everything
  std::optional<Error> send_error_;     // nothing can be sent any more
  bool lost_bytes_ = false;             // and something was still to be sent
  bool closed_ = false;
};

}  // namespace pca
