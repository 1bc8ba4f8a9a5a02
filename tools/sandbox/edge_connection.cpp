#include "sandbox/edge_connection.hpp"

#include <fmt/format.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <cstring>
#include <utility>

#include "base/text.hpp"
#include "sandbox/http_head.hpp"
#include "sandbox/relay.hpp"

namespace pca::sandbox {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Status = TlsStream::Status;

namespace {

constexpr seconds upgrade_limit{60};
constexpr seconds flush_limit{60};
constexpr seconds drain_limit{2};
constexpr milliseconds hold_interval{50};
// Reading from the origin pauses while this much waits for the client.
constexpr std::size_t most_queued = std::size_t{256} * 1024;

FramingSettings framing_of(const EdgeSettings& settings) {
  FramingSettings framing = settings.framing;
  framing.as_text |= settings.faults.has(FaultKind::text_down);
  framing.masked |= settings.faults.has(FaultKind::masked_down);
  framing.ping_between_frames |= settings.faults.has(FaultKind::ping_between_frames);
  if (const Fault* big = settings.faults.find(FaultKind::big_frame)) {
    framing.announced_frame = big->argument;
  }
  return framing;
}

const Fault* limit_of(const Faults& faults) {
  for (const FaultKind kind :
       {FaultKind::drop_after, FaultKind::reset_after, FaultKind::stall_after}) {
    if (const Fault* fault = faults.find(kind)) return fault;
  }
  return nullptr;
}

bool is_established(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  return ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
         info.tcpi_state == TCP_ESTABLISHED;
}

bool is_all_acknowledged(int fd) {
  int unsent = 0;
  return ::ioctl(fd, SIOCOUTQ, &unsent) != 0 || unsent == 0;
}

// The origin's connector takes scheme and path off a destination.
std::string_view bare_destination(std::string_view text) {
  if (const auto scheme = text.find("://"); scheme != std::string_view::npos) {
    text.remove_prefix(scheme + 3);
  }
  return text.substr(0, text.find('/'));
}

void set_header(Answer& answer, std::string_view name, const std::string& value) {
  for (auto& header : answer.headers) {
    if (header.first == name) header.second = value;
  }
}

}  // namespace

EdgeConnection::EdgeConnection(EdgeContext& context, TlsStream::Socket socket)
    : context_(context),
      number_(++context.connections),
      client_(std::move(socket), context.tls),
      origin_(client_.socket().get_executor()),
      deadline_(client_.socket().get_executor()),
      ticker_(client_.socket().get_executor()),
      framer_(framing_of(context.settings)),
      limit_(limit_of(context.settings.faults)) {
  context_.open.insert(this);
}

EdgeConnection::~EdgeConnection() { context_.open.erase(this); }

void EdgeConnection::log(const std::string& text) const {
  if (context_.settings.log) context_.settings.log(fmt::format("connection {}: {}", number_, text));
}

// --- To the upgrade ---

void EdgeConnection::start() {
  log("accepted");
  if (has(FaultKind::reset_on_connect) || (has(FaultKind::reset_twice) && number_ <= 2)) {
    client_.reset();
    return close("fault: reset");
  }
  if (has(FaultKind::silent_tcp)) return hold();
  close_after(upgrade_limit);
  shake_hands();
}

void EdgeConnection::shake_hands() {
  client_.handshake([this, self = shared_from_this()](Status status) {
    if (is_closed_) return;
    if (status != Status::ok) return close("TLS handshake failed: " + client_.problem());
    if (has(FaultKind::silent_tls)) return hold();
    read_request();
  });
}

// `early_` counts what has come of the request so far, and afterwards what came behind it.
void EdgeConnection::read_request() {
  client_.read_some(std::span(client_buffer_).subspan(early_),
                    [this, self = shared_from_this()](Status status, std::size_t size) {
                      if (is_closed_) return;
                      if (status != Status::ok) return client_left(status);
                      early_ += size;
                      auto head = parse_request_head({client_buffer_.data(), early_});
                      const bool is_full = early_ == client_buffer_.size();
                      if (!head || (!*head && is_full))
                        return refuse_with(make_refusal("400", request_));
                      if (!*head) return read_request();
                      request_ = std::move((*head)->request);
                      early_ -= (*head)->size;
                      std::memmove(client_buffer_.data(), client_buffer_.data() + (*head)->size,
                                   early_);
                      decide();
                    });
}

void EdgeConnection::decide() {
  ++context_.requests;
  log(fmt::format("{} {}", request_.method, visible(request_.target)));
  if (context_.requests <= 2 && has(FaultKind::refuse_502_twice)) {
    return refuse_with(make_refusal("502", request_));
  }
  if (context_.requests <= 2 && has(FaultKind::refuse_530_twice)) {
    return refuse_with(make_refusal("530", request_));
  }
  if (auto answer = refuse(context_.settings.access, request_)) {
    return refuse_with(std::move(*answer));
  }
  dial();
}

std::optional<EdgeConnection::Endpoint> EdgeConnection::find_origin() const {
  const EdgeSettings& settings = context_.settings;
  if (!settings.bastion.empty()) {
    const std::string* wanted = request_.find("Cf-Access-Jump-Destination");
    if (wanted == nullptr) return std::nullopt;
    for (const BastionTarget& target : settings.bastion) {
      if (target.destination == bare_destination(*wanted)) return endpoint_of(target.address);
    }
    return std::nullopt;
  }
  if (!settings.origin_unix.empty()) {
    return asio::local::stream_protocol::endpoint(settings.origin_unix);
  }
  if (settings.origin) return endpoint_of(*settings.origin);
  return std::nullopt;
}

void EdgeConnection::dial() {
  const auto endpoint = find_origin();
  if (!endpoint) return refuse_with(make_refusal("502", request_));
  origin_.async_connect(*endpoint, [this, self = shared_from_this()](error_code error) {
    if (is_closed_) return;
    if (error) {
      log("cannot dial the origin: " + error.message());
      return refuse_with(make_refusal("502", request_));
    }
    error_code ignored;  // a socket in the file system has no such option
    origin_.set_option(asio::ip::tcp::no_delay(true), ignored);
    upgrade();
  });
}

void EdgeConnection::refuse_with(Answer answer) {
  status_ = answer.status;
  if (const Fault* huge = context_.settings.faults.find(FaultKind::huge_headers)) {
    answer.headers.emplace_back("X-Huge", std::string(huge->argument, 'x'));
  }
  if (request_.method == "HEAD") answer.body.clear();
  send(answer.text(), [this] { finish(fmt::format("refused: {}", status_), EndStyle::fin); });
}

void EdgeConnection::upgrade() {
  Answer answer = make_upgrade(*request_.find("Sec-WebSocket-Key"));
  const Faults& faults = context_.settings.faults;
  status_ = answer.status;
  if (has(FaultKind::bad_accept))
    set_header(answer, "Sec-WebSocket-Accept", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
  if (const Fault* huge = faults.find(FaultKind::huge_headers)) {
    answer.headers.emplace_back("X-Huge", std::string(huge->argument, 'x'));
  }
  std::string text = answer.text();
  if (has(FaultKind::junk_after_upgrade)) text += std::string(64, '\xFF');
  if (has(FaultKind::close_early)) append_close(text, 1001);
  if (const Fault* flood = faults.find(FaultKind::ping_flood)) {
    for (; pings_ < flood->argument; ++pings_) {
      append_frame(text, Opcode::ping, std::string(125, 'p'));
    }
  }
  if (!has(FaultKind::glued_upgrade)) return send(std::move(text), [this] { begin_tunnel(); });
  origin_.async_read_some(
      asio::buffer(origin_buffer_),
      [this, self = shared_from_this(), text = std::move(text)](error_code, std::size_t size) {
        if (is_closed_) return;
        std::string both = text;
        framer_.append_data(both, {origin_buffer_.data(), size});
        bytes_down_ += size;
        send(std::move(both), [this] { begin_tunnel(); });
      });
}

void EdgeConnection::send(std::string text, Then then) {
  in_flight_ = std::move(text);
  if (has(FaultKind::slow_headers)) return send_slowly(0, std::move(then));
  client_.write(in_flight_,
                [this, self = shared_from_this(), then = std::move(then)](Status status) {
                  if (is_closed_) return;
                  if (status != Status::ok) return client_left(status);
                  in_flight_.clear();
                  then();
                });
}

void EdgeConnection::send_slowly(std::size_t sent, Then then) {
  if (sent == in_flight_.size()) {
    in_flight_.clear();
    return then();
  }
  const auto* const slow = context_.settings.faults.find(FaultKind::slow_headers);
  ticker_.expires_after(milliseconds(slow->argument));
  ticker_.async_wait([this, self = shared_from_this(), sent, then = std::move(then)](error_code) {
    if (is_closed_) return;
    client_.write(std::string_view(in_flight_).substr(sent, 1),
                  [this, self, sent, then](Status status) {
                    if (is_closed_) return;
                    if (status != Status::ok) return client_left(status);
                    send_slowly(sent + 1, then);
                  });
  });
}

// --- The tunnel ---

void EdgeConnection::begin_tunnel() {
  log("tunnel open");
  deadline_.cancel();
  if (has(FaultKind::close_early)) return finish("fault: close-early", EndStyle::fin);
  if (has(FaultKind::silent_upgrade)) return hold();
  ping_later();
  read_origin();
  if (is_ending_) return;
  early_ > 0 ? take_from_client(early_) : read_client();
}

void EdgeConnection::read_client() {
  if (is_reading_client_) return;
  is_reading_client_ = true;
  client_.read_some(client_buffer_,
                    [this, self = shared_from_this()](Status status, std::size_t size) {
                      is_reading_client_ = false;
                      if (is_closed_) return;
                      if (status != Status::ok) return client_left(status);
                      // What still comes after the end is read, so that it does not turn the FIN
                      // into a RST.
                      is_ending_ ? read_client() : take_from_client(size);
                    });
}

void EdgeConnection::take_from_client(std::size_t size) {
  std::string answers;
  verdict_ = origin_side_.take(std::span(client_buffer_).first(size), to_origin_, answers);
  framer_.append_control(to_client_, answers);
  to_origin_.resize(within_limit(to_origin_.size()));
  bytes_up_ += to_origin_.size();
  flush();
  write_origin();
}

void EdgeConnection::write_origin() {
  if (to_origin_.empty()) return go_on_after_origin_write();
  asio::async_write(origin_, asio::buffer(to_origin_),
                    [this, self = shared_from_this()](error_code error, std::size_t) {
                      if (is_closed_) return;
                      to_origin_.clear();
                      if (is_ending_) return read_client();
                      if (error) return finish("origin reset", context_.settings.end);
                      go_on_after_origin_write();
                    });
}

void EdgeConnection::go_on_after_origin_write() {
  if (limit_ != nullptr && bytes_up_ + bytes_down_ >= limit_->argument) return strike();
  switch (verdict_) {
    case OriginSide::Verdict::carry_on:
      return read_client();
    case OriginSide::Verdict::closed:
      return finish("client close", EndStyle::fin);
    case OriginSide::Verdict::broken:
      return finish("client broke the protocol", EndStyle::fin);
  }
}

void EdgeConnection::read_origin() {
  is_origin_paused_ = false;
  origin_.async_read_some(asio::buffer(origin_buffer_), [this, self = shared_from_this()](
                                                            error_code error, std::size_t size) {
    if (is_closed_ || is_ending_) return;
    if (error) {
      const bool is_reset = error != asio::error::eof;
      return finish(is_reset ? "origin reset" : "origin end", context_.settings.end);
    }
    take_from_origin(size);
  });
}

void EdgeConnection::take_from_origin(std::size_t size) {
  size = within_limit(size);
  const std::string_view payload(origin_buffer_.data(), size);
  bytes_down_ += size;
  if (has(FaultKind::half_frame)) {
    FrameHeader header;
    header.opcode = static_cast<std::uint8_t>(Opcode::binary);
    header.length = size + 1000;
    append_frame_header(to_client_, header);
    to_client_ += payload;
    return finish("fault: half-frame", EndStyle::fin_only);
  }
  framer_.append_data(to_client_, payload);
  flush();
  if (limit_ != nullptr && bytes_up_ + bytes_down_ >= limit_->argument) return strike();
  is_origin_paused_ = to_client_.size() + in_flight_.size() > most_queued;
  if (!is_origin_paused_) read_origin();
}

void EdgeConnection::flush() {
  if (is_writing_client_) return;
  if (to_client_.empty()) {
    if (is_ending_) conclude();
    return;
  }
  is_writing_client_ = true;
  std::swap(to_client_, in_flight_);
  client_.write(in_flight_, [this, self = shared_from_this()](Status status) {
    is_writing_client_ = false;
    if (is_closed_) return;
    if (status != Status::ok) return client_left(status);
    in_flight_.clear();
    flush();
    if (is_origin_paused_ && !is_ending_) read_origin();
  });
}

void EdgeConnection::ping_later() {
  if (context_.settings.ping_every.count() == 0) return;
  ticker_.expires_after(context_.settings.ping_every);
  ticker_.async_wait([this, self = shared_from_this()](error_code error) {
    if (error || is_ending_ || is_closed_) return;
    std::string ping;
    append_frame(ping, Opcode::ping, "");
    framer_.append_control(to_client_, ping);
    ++pings_;
    flush();
    ping_later();
  });
}

std::size_t EdgeConnection::within_limit(std::size_t size) {
  if (limit_ == nullptr) return size;
  const std::uint64_t passed = bytes_up_ + bytes_down_;
  return static_cast<std::size_t>(
      std::min<std::uint64_t>(size, limit_->argument - std::min(limit_->argument, passed)));
}

void EdgeConnection::strike() {
  if (limit_->kind == FaultKind::drop_after) return finish("fault: drop-after", EndStyle::fin_only);
  if (limit_->kind == FaultKind::reset_after) return finish("fault: reset-after", EndStyle::reset);
  hold();
}

// --- The end ---

void EdgeConnection::finish(const std::string& how, EndStyle style) {
  if (is_ending_ || is_closed_) return;
  is_ending_ = true;
  how_ended_ = how;
  end_style_ = style;
  log("ends: " + how);
  error_code ignored;
  ticker_.cancel();
  origin_.shutdown(Origin::shutdown_both, ignored);
  origin_.close(ignored);
  if (style == EndStyle::close) {
    std::string frame;
    append_close(frame, 1000);
    framer_.append_control(to_client_, frame);
  }
  close_after(flush_limit);
  flush();
}

void EdgeConnection::conclude() {
  if (is_concluded_) return;
  is_concluded_ = true;
  record();
  if (end_style_ == EndStyle::reset) return reset_when_sent(1000);
  client_.finish_sending(end_style_ != EndStyle::fin_only);
  close_after(drain_limit);
  read_client();
}

// A RST throws away what the client's kernel has not taken yet.
void EdgeConnection::reset_when_sent(int tries_left) {
  if (tries_left == 0 || is_all_acknowledged(client_.socket().native_handle())) {
    client_.reset();
    return close(how_ended_);
  }
  ticker_.expires_after(milliseconds(1));
  ticker_.async_wait([this, self = shared_from_this(), tries_left](error_code) {
    if (!is_closed_) reset_when_sent(tries_left - 1);
  });
}

void EdgeConnection::client_left(Status status) {
  close(status == Status::end ? "client end" : "client reset");
}

void EdgeConnection::hold() {
  deadline_.cancel();
  if (!is_established(client_.socket().native_handle())) return close("client end while held");
  ticker_.expires_after(hold_interval);
  ticker_.async_wait([this, self = shared_from_this()](error_code error) {
    if (!error && !is_closed_) hold();
  });
}

void EdgeConnection::stop() { close("edge stopped"); }

void EdgeConnection::close(const std::string& how) {
  if (is_closed_) return;
  if (how_ended_.empty()) {
    how_ended_ = how;
    log("ends: " + how);
  }
  record();
  is_closed_ = true;
  deadline_.cancel();
  ticker_.cancel();
  error_code ignored;
  origin_.close(ignored);
  client_.close();
}

void EdgeConnection::close_after(seconds limit) {
  deadline_.expires_after(limit);
  deadline_.async_wait([this, self = shared_from_this()](error_code error) {
    if (!error) close("timed out");
  });
}

void EdgeConnection::record() {
  if (is_recorded_) return;
  is_recorded_ = true;
  const UpstreamCounts& counts = origin_side_.counts();
  Json line = Json::object();
  line.set("kind", "edge").set("connection", number_).set("tls", client_.version());
  line.set("method", request_.method).set("target", request_.target);
  line.set("headers", record_headers(request_.headers)).set("status", status_);
  line.set("bytes-up", bytes_up_).set("bytes-down", bytes_down_);
  line.set("frames", counts.frames).set("messages", counts.messages);
  line.set("empty-messages", counts.empty_messages).set("text-messages", counts.text_messages);
  line.set("largest-message", counts.largest_message).set("largest-frame", counts.largest_frame);
  line.set("cut-messages", counts.cut_messages).set("repeated-masks", counts.repeated_masks);
  line.set("pings-sent", pings_ + framer_.pings_added()).set("pongs-received", counts.pongs);
  line.set("pings-received", counts.pings);
  line.set("close-code", counts.close_code ? Json(int{*counts.close_code}) : Json());
  line.set("broken-rule", counts.fault).set("ended", how_ended_);
  context_.recorder.add(line);
}

}  // namespace pca::sandbox
