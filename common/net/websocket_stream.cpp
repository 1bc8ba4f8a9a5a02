#include "net/websocket_stream.hpp"

#include <poll.h>

#include <algorithm>
#include <cstring>

namespace pca {

namespace {

constexpr std::size_t inbox_capacity = std::size_t{64} * 1024;
constexpr Milliseconds goodbye_limit{2000};
constexpr std::string_view normal_closure = "\x03\xE8";  // 1000, RFC 6455, section 7.4.1
// In a row without any payload; a peer that sends nothing but control frames would keep read()
// from ever coming back.
constexpr int most_empty_reads = 10'000;

}  // namespace

std::size_t WebSocketStream::Store::take(std::span<char> into) {
  const std::size_t count = std::min(into.size(), end_ - begin_);
  std::copy_n(bytes_.data() + begin_, count, into.data());
  begin_ += count;
  if (begin_ == end_) begin_ = end_ = 0;
  return count;
}

WebSocketStream::WebSocketStream(std::unique_ptr<ByteStream> below, std::span<const char> arrived)
    : below_(std::move(below)),
      arrived_(arrived.size()),
      inbox_(inbox_capacity),
      messages_{FrameBuilder(message_limit), FrameBuilder(message_limit)},
      control_(websocket_control_limit) {
  std::copy(arrived.begin(), arrived.end(), arrived_.room().begin());
  arrived_.added(arrived.size());
  message().start(keys_.next());
}

Result<ByteStream::Read> WebSocketStream::read(std::span<char> into) {
  reads_since_service_ = true;
  if (into.empty()) return Read{};
  if (!inbox_.empty()) return Read{inbox_.take(into), false};
  return receive(into);
}

// Payload, straight into the caller's buffer, where headers are squeezed out: most reads of a large
// message have none, and then nothing is copied at all.
Result<ByteStream::Read> WebSocketStream::receive(std::span<char> into) {
  for (int empty_reads = 0; empty_reads < most_empty_reads && !ended_; ++empty_reads) {
    PCA_TRY(const Read raw, receive_raw(into));
    ended_ |= raw.end;
    PCA_TRY(const std::size_t kept, unwrap(into.first(raw.bytes)));
    if (pong_ || goodbye_) flush();
    if (kept > 0 || (raw.bytes == 0 && !ended_)) return Read{kept, false};
  }
  if (!ended_) return unreachable(peer() + " sends nothing but WebSocket control frames");
  return Read{0, true};
}

Result<ByteStream::Read> WebSocketStream::receive_raw(std::span<char> into) {
  if (!arrived_.empty()) return Read{arrived_.take(into), false};
  return below_->read(into);
}

// Moves the payload inside `raw` to its front and acts on control frames. Gives the payload's size.
Result<std::size_t> WebSocketStream::unwrap(std::span<char> raw) {
  std::size_t kept = 0;
  std::span<const char> rest = raw;
  while (!rest.empty() && !ended_) {
    PCA_TRY(const FrameReader::Step step, reader_.next(rest));
    rest = rest.subspan(step.used);
    switch (step.event) {
      case FrameReader::Event::data:
        std::memmove(raw.data() + kept, step.payload.data(), step.payload.size());
        kept += step.payload.size();
        break;
      case FrameReader::Event::ping:
        pong_.emplace(step.payload.begin(), step.payload.end());
        break;
      case FrameReader::Event::close:
        answer_close(step.payload);
        break;
      case FrameReader::Event::pong:
      case FrameReader::Event::need_more:
        break;
    }
  }
  return kept;
}

// Only the frame on its way is still finished; nobody will read more.
void WebSocketStream::answer_close(std::span<const char> payload) {
  ended_ = true;
  pong_.reset();
  message().start(keys_.next());
  // The same code back (RFC 6455, section 5.5.1), unless this is the answer to ours.
  if (!closed_) goodbye_.emplace(payload.begin(), payload.begin() + (payload.size() < 2 ? 0 : 2));
}

// The rest of a large write waits for the next call, whichever it is: in a bulk transfer more
// follows at once, and then every message is full.
Result<std::size_t> WebSocketStream::write(std::span<const char> from) {
  if (send_error_) return *send_error_;
  if (ended_ || closed_) return unreachable("the connection to " + peer() + " has ended");
  std::size_t taken = 0;
  bool is_bulk = false;
  while (taken < from.size()) {
    const std::size_t more = message().append(from.subspan(taken));
    taken += more;
    if (is_bulk && !message().is_full()) break;
    is_bulk = more > 0 && message().is_full();
    const bool all_sent = flush();
    if (send_error_) return *send_error_;
    if (!all_sent && more == 0) break;
  }
  return taken;
}

// The frame on its way first, then a pong, then what was written meanwhile as one message. True
// when nothing is left to do. A failure is kept for whoever writes next, so that what the peer sent
// before it went away can still be read.
bool WebSocketStream::flush() {
  while (!send_error_ && (!outgoing_.empty() || next_frame())) {
    auto sent = below_->write(outgoing_);
    if (!sent) {
      send_error_ = std::move(sent).error();
      lost_bytes_ = outgoing_is_message_ || message().payload_size() > 0;
    } else if (*sent == 0) {
      return false;
    } else {
      outgoing_ = outgoing_.subspan(*sent);
    }
  }
  return true;
}

bool WebSocketStream::next_frame() {
  outgoing_is_message_ = false;
  if (pong_) {
    outgoing_ = control_frame(WebSocketOpcode::pong, *pong_);
    pong_.reset();
  } else if (message().payload_size() > 0) {
    outgoing_ = message().finish(WebSocketOpcode::binary);
    outgoing_is_message_ = true;
    filling_ = 1 - filling_;
    message().start(keys_.next());
  } else if (goodbye_) {
    outgoing_ = control_frame(WebSocketOpcode::close, *goodbye_);
    goodbye_.reset();
  }
  return !outgoing_.empty();
}

std::span<const char> WebSocketStream::control_frame(WebSocketOpcode opcode,
                                                     std::span<const char> payload) {
  control_.start(keys_.next());
  control_.append(payload);
  return control_.finish(opcode);
}

bool WebSocketStream::is_drained() const {
  return send_error_ ||
         (outgoing_.empty() && !pong_ && !goodbye_ && messages_[filling_].payload_size() == 0);
}

Result<bool> WebSocketStream::service() {
  // A reader that keeps up meets the pings itself; only for one that does not are bytes taken in,
  // because that costs a copy.
  if (!reads_since_service_) PCA_CHECK(take_in());
  reads_since_service_ = false;
  return flush();
}

Result<> WebSocketStream::take_in() {
  while (!ended_ && inbox_.has_room()) {
    PCA_TRY(const Read got, receive(inbox_.room()));
    inbox_.added(got.bytes);
    if (got.bytes == 0) break;
  }
  return {};
}

PollHandle WebSocketStream::poll_handle() const {
  short events = 0;
  if (!ended_ && inbox_.has_room()) events |= POLLIN;
  if (!is_drained()) events |= POLLOUT;
  // poll() reports a hang-up even when asked for nothing, and the caller would spin on it.
  return {events == 0 ? -1 : below_->poll_handle().fd, events};
}

Result<> WebSocketStream::close(const Budget& budget) {
  if (closed_) return {};
  closed_ = true;
  if (!ended_) goodbye_.emplace(normal_closure);
  Result<> sent = send_everything(budget);
  if (sent) sent = await_goodbye(budget.at_most(goodbye_limit));
  Result<> released = below_->close(budget);
  return sent ? released : sent;
}

Result<> WebSocketStream::send_everything(const Budget& budget) {
  std::array<char, 4096> unwanted;
  while (!flush() && !ended_) {
    const PollHandle handle{below_->poll_handle().fd, POLLIN | POLLOUT};
    PCA_CHECK(wait_ready(budget, {&handle, 1}, budget.deadline(), "sending the rest to " + peer()));
    // A peer that waits for us to read would never take the rest.
    PCA_CHECK(receive(unwanted));
  }
  if (lost_bytes_) return *send_error_;
  return {};
}

// Nothing is lost when the answer stays out, so only a cancel is an error.
Result<> WebSocketStream::await_goodbye(const Budget& budget) {
  std::array<char, 16'384> unwanted;
  while (!ended_ && !send_error_ && !budget.is_over()) {
    const auto got = receive(unwanted);
    if (!got) return {};
    if (got->bytes > 0 || got->end) continue;
    const PollHandle handle{below_->poll_handle().fd, POLLIN};
    auto woken = wait_ready(budget, {&handle, 1}, budget.deadline(), "closing");
    if (!woken && woken.error().kind == ErrorKind::cancelled) return std::move(woken).error();
  }
  return {};
}

}  // namespace pca
