#include "support/raw_client.hpp"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "support/loopback.hpp"

namespace pca::testing {

namespace {

constexpr std::chrono::milliseconds patience{10'000};

FileDescriptor connect_to(std::uint16_t port) {
  FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback_address("127.0.0.1", port);
  const timeval limit{10, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  EXPECT_EQ(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
            0);
  return socket;
}

}  // namespace

const char* name_of(Ending ending) {
  switch (ending) {
    case Ending::goodbye:
      return "TLS goodbye";
    case Ending::fin:
      return "FIN";
    case Ending::reset:
      return "RST";
    case Ending::silence:
      return "silence";
  }
  return "?";
}

RawClient::RawClient(std::uint16_t port)
    : socket_(connect_to(port)), context_(nullptr, SSL_CTX_free), tls_(nullptr, SSL_free) {}

RawClient::RawClient(std::uint16_t port, const std::string& ca_file, const std::string& name)
    : RawClient(port) {
  EXPECT_TRUE(start_tls(ca_file, name));
}

RawClient::RawClient(RawClient&&) noexcept = default;
RawClient::~RawClient() = default;

bool RawClient::start_tls(const std::string& ca_file, const std::string& name) {
  context_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_load_verify_locations(context_.get(), ca_file.c_str(), nullptr);
  tls_.reset(SSL_new(context_.get()));
  SSL_set1_host(tls_.get(), name.c_str());
  SSL_set_tlsext_host_name(tls_.get(), name.c_str());
  SSL_set_fd(tls_.get(), socket_.get());
  ERR_clear_error();
  is_secure_ = SSL_connect(tls_.get()) == 1;
  return is_secure_;
}

void RawClient::send(std::string_view bytes) {
  // SIGPIPE would end the test; a peer that is gone shows when it is read from.
  if (is_secure_) {
    std::size_t written = 0;
    ERR_clear_error();
    SSL_write_ex(tls_.get(), bytes.data(), bytes.size(), &written);
    return;
  }
  [[maybe_unused]] const auto sent =
      ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

bool RawClient::wait_readable(std::chrono::milliseconds time) const {
  if (is_secure_ && SSL_pending(tls_.get()) > 0) return true;
  pollfd waiting{socket_.get(), POLLIN, 0};
  return ::poll(&waiting, 1, static_cast<int>(time.count())) == 1;
}

bool RawClient::receive() {
  if (ending_) return false;
  if (!wait_readable(patience)) {
    ending_ = Ending::silence;
    return false;
  }
  std::array<char, 65536> buffer;
  errno = 0;
  if (!is_secure_) {
    const auto got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (got > 0) received_.append(buffer.data(), static_cast<std::size_t>(got));
    if (got <= 0) ending_ = got == 0 ? Ending::fin : Ending::reset;
    return got > 0;
  }
  std::size_t got = 0;
  ERR_clear_error();
  const int outcome = SSL_read_ex(tls_.get(), buffer.data(), buffer.size(), &got);
  if (outcome == 1) {
    received_.append(buffer.data(), got);
    return true;
  }
  switch (SSL_get_error(tls_.get(), outcome)) {
    case SSL_ERROR_ZERO_RETURN:
      ending_ = Ending::goodbye;
      return false;
    case SSL_ERROR_SYSCALL:
      ending_ = Ending::reset;
      return false;
    case SSL_ERROR_WANT_READ:
      return true;
    default:
      ending_ = Ending::fin;
      return false;
  }
}

std::string RawClient::read_until(std::string_view end) {
  std::size_t found = 0;
  while ((found = received_.find(end)) == std::string::npos) {
    if (!receive()) return std::exchange(received_, {});
  }
  std::string text = received_.substr(0, found + end.size());
  received_.erase(0, text.size());
  return text;
}

std::string RawClient::read_exactly(std::size_t size) {
  while (received_.size() < size && receive()) {
  }
  std::string text = received_.substr(0, size);
  received_.erase(0, text.size());
  return text;
}

std::string RawClient::read_rest() {
  while (receive()) {
  }
  return std::exchange(received_, {});
}

Ending RawClient::ending() {
  [[maybe_unused]] const std::string rest = read_rest();
  return *ending_;
}

bool RawClient::is_silent_for(std::chrono::milliseconds time) {
  return received_.empty() && !ending_ && !wait_readable(time);
}

void RawClient::close_sending() { ::shutdown(socket_.get(), SHUT_WR); }

std::string RawClient::upgrade(std::string_view headers) {
  send(
      "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
      std::string(headers) + "\r\n");
  return read_until("\r\n\r\n");
}

void RawClient::send_frame(std::uint8_t opcode, std::string_view payload, FrameStyle style) {
  std::string frame;
  frame += static_cast<char>(opcode | (style.final ? 0x80 : 0));
  const int mask_bit = style.masked ? 0x80 : 0;
  if (payload.size() < 126) {
    frame += static_cast<char>(mask_bit | static_cast<int>(payload.size()));
  } else {
    const bool is_short = payload.size() < 65536;
    frame += static_cast<char>(mask_bit | (is_short ? 126 : 127));
    for (int byte = is_short ? 1 : 7; byte >= 0; --byte) {
      frame += static_cast<char>(payload.size() >> (8 * byte));
    }
  }
  std::array<char, 4> mask{};
  if (style.masked) {
    ++masks_;
    for (std::size_t i = 0; i < 4; ++i) {
      mask[i] = static_cast<char>(masks_ * 2654435761U >> (8 * i));
    }
    frame.append(mask.data(), mask.size());
  }
  for (std::size_t i = 0; i < payload.size(); ++i) {
    frame += static_cast<char>(payload[i] ^ mask[i % 4]);
  }
  send(frame);
}

std::optional<Frame> RawClient::read_frame() {
  const auto byte_of = [](char c) {
    return static_cast<std::uint64_t>(static_cast<unsigned char>(c));
  };
  const std::string head = read_exactly(2);
  if (head.size() < 2) return std::nullopt;
  Frame frame;
  frame.final = (byte_of(head[0]) & 0x80U) != 0;
  frame.opcode = byte_of(head[0]) & 0x0FU;
  frame.masked = (byte_of(head[1]) & 0x80U) != 0;
  std::uint64_t size = byte_of(head[1]) & 0x7FU;
  if (size >= 126) {
    const std::string length = read_exactly(size == 126 ? 2 : 8);
    size = 0;
    for (const char c : length) size = size << 8U | byte_of(c);
  }
  const std::string mask = frame.masked ? read_exactly(4) : std::string(4, '\0');
  frame.payload = read_exactly(size);
  if (frame.payload.size() < size) return std::nullopt;
  for (std::size_t i = 0; frame.masked && i < size; ++i) {
    frame.payload[i] = static_cast<char>(frame.payload[i] ^ mask[i % 4]);
  }
  return frame;
}

std::string RawClient::read_data(std::size_t size) {
  std::string data;
  while (data.size() < size) {
    const auto frame = read_frame();
    if (!frame) break;
    if (frame->opcode < 8) data += frame->payload;
  }
  return data;
}

}  // namespace pca::testing
