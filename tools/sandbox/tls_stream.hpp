#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"

struct ssl_st;
struct ssl_ctx_st;

namespace pca::sandbox {

// The server's side of TLS 1.2 and later with one certificate. ALPN is ignored, as no client here
// may need it. Outlives its streams.
class TlsServer {
 public:
  static Result<TlsServer> from_pem(const std::string& chain, const std::string& key);

 private:
  friend class TlsStream;
  std::shared_ptr<ssl_ctx_st> context_;  // shared: OpenSSL's streams count on it too
};

// One accepted connection's TLS. Unlike Asio's own it takes several records with one call, ends its
// sending direction without waiting for the client, and can leave out the goodbye. Handlers are
// never called from inside the call that takes them. At most one read and one write at a time; the
// stream has to live until their handlers ran (or close() was called and the handlers dropped).
class TlsStream {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  enum class Status : std::uint8_t { ok, end, failed };
  using OnDone = std::function<void(Status)>;
  using OnRead = std::function<void(Status, std::size_t)>;

  TlsStream(Socket socket, const TlsServer& server);

  void handshake(OnDone done);
  // Reads what is there, as far as `into` has room. `end` is a TLS goodbye or a FIN; once it or
  // `failed` was given, every further read gives it again.
  void read_some(std::span<char> into, OnRead done);
  // Writes all of `from`, which the caller keeps until then.
  void write(std::string_view from, OnDone done);

  // Ends the sending direction: FIN, after a TLS close_notify when `say_goodbye`.
  void finish_sending(bool say_goodbye);
  // RST: what is not sent yet is lost.
  void reset();
  void close();

  [[nodiscard]] Socket& socket() { return socket_; }
  [[nodiscard]] std::string version() const;  // "TLSv1.3"
  [[nodiscard]] std::string problem() const { return problem_; }

 private:
  // What SSL_get_error says about `outcome`, put into what to do next.
  enum class Next : std::uint8_t { wait_read, wait_write, end, fail };
  Next next_step(int outcome);
  void wait_then(Next next, std::function<void(bool ok)> go_on);

  Socket socket_;
  std::shared_ptr<ssl_st> ssl_;  // for its deleter, so that the type stays incomplete here
  bool read_ended_ = false;
  Status read_end_ = Status::end;
  std::string problem_;
};

}  // namespace pca::sandbox
