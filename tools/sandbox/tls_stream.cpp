#include "sandbox/tls_stream.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/system_error.hpp"

namespace pca::sandbox {

namespace {

// Four full records: what one read of the socket takes in.
constexpr std::size_t read_ahead = std::size_t{4} * 16640;

using Memory = std::unique_ptr<BIO, decltype(&BIO_free)>;

std::string last_problem() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = ERR_reason_error_string(code);
  return reason == nullptr ? "unknown TLS problem" : reason;
}

bool use_chain(SSL_CTX* context, const std::string& chain) {
  const Memory memory(BIO_new_mem_buf(chain.data(), static_cast<int>(chain.size())), BIO_free);
  bool is_first = true;
  while (X509* certificate = PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr)) {
    const bool taken = is_first ? SSL_CTX_use_certificate(context, certificate) == 1
                                : SSL_CTX_add1_chain_cert(context, certificate) == 1;
    X509_free(certificate);
    if (!taken) return false;
    is_first = false;
  }
  ERR_clear_error();  // the end of the file counts as one
  return !is_first;
}

bool use_key(SSL_CTX* context, const std::string& key) {
  const Memory memory(BIO_new_mem_buf(key.data(), static_cast<int>(key.size())), BIO_free);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> parsed(
      PEM_read_bio_PrivateKey(memory.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
  return parsed && SSL_CTX_use_PrivateKey(context, parsed.get()) == 1 &&
         SSL_CTX_check_private_key(context) == 1;
}

}  // namespace

Result<TlsServer> TlsServer::from_pem(const std::string& chain, const std::string& key) {
  TlsServer server;
  server.context_ = std::shared_ptr<ssl_ctx_st>(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  SSL_CTX* context = server.context_.get();
  if (context == nullptr) return failed("cannot set up TLS: " + last_problem());
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, read_ahead);
  if (!use_chain(context, chain)) {
    return bad_input("certificate-file: no PEM certificate can be read (" + last_problem() +
                     "). Name a file with -----BEGIN CERTIFICATE----- in it.");
  }
  if (!use_key(context, key)) {
    return bad_input("key-file: the private key does not fit the certificate (" + last_problem() +
                     "). Name the PEM file of the one that belongs to it.");
  }
  return server;
}

TlsStream::TlsStream(Socket socket, const TlsServer& server)
    : socket_(std::move(socket)), ssl_(SSL_new(server.context_.get()), SSL_free) {
  boost::system::error_code ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(boost::asio::ip::tcp::no_delay(true), ignored);
  SSL_set_fd(ssl_.get(), socket_.native_handle());
  SSL_set_accept_state(ssl_.get());
}

TlsStream::Next TlsStream::next_step(int outcome) {
  switch (SSL_get_error(ssl_.get(), outcome)) {
    case SSL_ERROR_WANT_READ:
      return Next::wait_read;
    case SSL_ERROR_WANT_WRITE:
      return Next::wait_write;
    case SSL_ERROR_ZERO_RETURN:
      return Next::end;
    case SSL_ERROR_SYSCALL:
      problem_ = errno == 0 ? "connection closed" : errno_text(errno);
      return Next::fail;
    default:
      problem_ = last_problem();
      // A FIN without the TLS goodbye: an ordinary end for a tunnel.
      return ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING
                 ? Next::end
                 : Next::fail;
  }
}

void TlsStream::wait_then(Next next, std::function<void(bool)> go_on) {
  socket_.async_wait(
      next == Next::wait_write ? Socket::wait_write : Socket::wait_read,
      [go_on = std::move(go_on)](boost::system::error_code error) { go_on(!error); });
}

void TlsStream::handshake(OnDone done) {
  ERR_clear_error();
  const int outcome = SSL_do_handshake(ssl_.get());
  Next next = outcome == 1 ? Next::end : next_step(outcome);
  if (outcome != 1 && (next == Next::wait_read || next == Next::wait_write)) {
    wait_then(next, [this, done = std::move(done)](bool ok) mutable {
      ok ? handshake(std::move(done)) : done(Status::failed);
    });
    return;
  }
  const Status status = outcome == 1 ? Status::ok : Status::failed;
  boost::asio::post(socket_.get_executor(), [done = std::move(done), status] { done(status); });
}

void TlsStream::read_some(std::span<char> into, OnRead done) {
  std::size_t total = 0;
  while (!read_ended_ && total < into.size()) {
    std::size_t got = 0;
    ERR_clear_error();
    errno = 0;
    const int outcome = SSL_read_ex(ssl_.get(), into.data() + total, into.size() - total, &got);
    if (outcome == 1) {
      total += got;
      continue;
    }
    const Next next = next_step(outcome);
    if (next == Next::wait_read || next == Next::wait_write) {
      if (total > 0) break;
      wait_then(next, [this, into, done = std::move(done)](bool ok) mutable {
        ok ? read_some(into, std::move(done)) : done(Status::failed, 0);
      });
      return;
    }
    read_ended_ = true;
    read_end_ = next == Next::end ? Status::end : Status::failed;
  }
  const Status status = total > 0 ? Status::ok : read_end_;
  boost::asio::post(socket_.get_executor(),
                    [done = std::move(done), status, total] { done(status, total); });
}

void TlsStream::write(std::string_view from, OnDone done) {
  while (!from.empty()) {
    std::size_t written = 0;
    ERR_clear_error();
    errno = 0;
    const int outcome = SSL_write_ex(ssl_.get(), from.data(), from.size(), &written);
    if (outcome == 1) {
      from.remove_prefix(written);
      continue;
    }
    const Next next = next_step(outcome);
    if (next == Next::wait_read || next == Next::wait_write) {
      wait_then(next, [this, from, done = std::move(done)](bool ok) mutable {
        ok ? write(from, std::move(done)) : done(Status::failed);
      });
      return;
    }
    boost::asio::post(socket_.get_executor(), [done = std::move(done)] { done(Status::failed); });
    return;
  }
  boost::asio::post(socket_.get_executor(), [done = std::move(done)] { done(Status::ok); });
}

void TlsStream::finish_sending(bool say_goodbye) {
  ERR_clear_error();
  if (say_goodbye) SSL_shutdown(ssl_.get());
  boost::system::error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
}

void TlsStream::reset() {
  boost::system::error_code ignored;
  socket_.set_option(boost::asio::socket_base::linger(true, 0), ignored);
  socket_.close(ignored);
}

void TlsStream::close() {
  boost::system::error_code ignored;
  socket_.close(ignored);
}

std::string TlsStream::version() const { return SSL_get_version(ssl_.get()); }

}  // namespace pca::sandbox
