#pragma once

#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/digest.hpp"
#include "support/loopback.hpp"

namespace pca::testing {

// A TLS server on loopback with a fresh self-signed certificate, for one client at a time, on a
// thread of its own. The certificate lies in a file until the end.
class TlsServer {
 public:
  // Called with each connection after its handshake; blocking reads and writes.
  using Handler = std::function<void(SSL* connection)>;

  TlsServer(const std::string& name, Handler handler)
      : handler_(std::move(handler)),
        ca_file_(std::filesystem::temp_directory_path() / ("tls-server-" + random_hex(8) + ".pem")),
        context_(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free) {
    use_certificate(name);
    SSL_CTX_set_alpn_select_cb(context_.get(), &note_alpn, this);
    thread_ = std::thread([this] { serve(); });
  }
  ~TlsServer() {
    ::eventfd_write(stop_.get(), 1);
    {
      const std::lock_guard lock(mutex_);
      is_stopping_ = true;
      if (client_ >= 0) ::shutdown(client_, SHUT_RDWR);  // wakes a handler that still reads
    }
    thread_.join();
    std::filesystem::remove(ca_file_);
  }
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  [[nodiscard]] std::string address() const {
    return "127.0.0.1:" + std::to_string(listener_.port());
  }
  [[nodiscard]] std::uint16_t port() const { return listener_.port(); }
  [[nodiscard]] std::string ca_file() const { return ca_file_; }
  // Whether a client has named protocols (RFC 7301) in a handshake.
  [[nodiscard]] bool was_offered_alpn() const { return was_offered_alpn_; }

 private:
  static int note_alpn(SSL* /*connection*/, const unsigned char** /*chosen*/,
                       unsigned char* /*size*/, const unsigned char* /*offered*/,
                       unsigned /*offered_size*/, void* self) {
    static_cast<TlsServer*>(self)->was_offered_alpn_ = true;
    return SSL_TLSEXT_ERR_NOACK;
  }
  void use_certificate(const std::string& name) {
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"),
                                                                  &EVP_PKEY_free);
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), &X509_free);
    X509* const made = certificate.get();
    X509_set_version(made, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made), 1);
    X509_gmtime_adj(X509_getm_notBefore(made), -3600);
    X509_gmtime_adj(X509_getm_notAfter(made), 3600);
    X509_set_pubkey(made, key.get());
    X509_NAME* const subject = X509_get_subject_name(made);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(made, subject);
    const std::string names = "DNS:" + name;
    X509_EXTENSION* const extension =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str());
    X509_add_ext(made, extension, -1);
    X509_EXTENSION_free(extension);
    EXPECT_GT(X509_sign(made, key.get(), EVP_sha256()), 0);
    EXPECT_EQ(SSL_CTX_use_certificate(context_.get(), made), 1);
    EXPECT_EQ(SSL_CTX_use_PrivateKey(context_.get(), key.get()), 1);
    const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(ca_file_.c_str(), "we"),
                                                     &std::fclose);
    EXPECT_EQ(PEM_write_X509(file.get(), made), 1);
  }

  void serve() {
    // OpenSSL writes with write(), also to a client that is gone.
    sigset_t broken_pipe;
    ::sigemptyset(&broken_pipe);
    ::sigaddset(&broken_pipe, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
    while (true) {
      std::array<pollfd, 2> set{pollfd{listener_.fd(), POLLIN, 0}, pollfd{stop_.get(), POLLIN, 0}};
      ::poll(set.data(), set.size(), -1);
      if (set[1].revents != 0) return;
      const FileDescriptor client(::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC));
      const int yes = 1;  // as every edge does: the answer must not wait for an acknowledgement
      ::setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
      const std::unique_ptr<SSL, decltype(&SSL_free)> connection(SSL_new(context_.get()),
                                                                 &SSL_free);
      SSL_set_fd(connection.get(), client.get());
      set_client(client.get());
      if (SSL_accept(connection.get()) == 1) handler_(connection.get());
      set_client(-1);
    }
  }

  void set_client(int fd) {
    const std::lock_guard lock(mutex_);
    client_ = fd;
    if (is_stopping_ && fd >= 0) ::shutdown(fd, SHUT_RDWR);
  }

  Handler handler_;
  Listener listener_;
  FileDescriptor stop_{::eventfd(0, EFD_CLOEXEC)};
  std::string ca_file_;
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
  std::atomic<bool> was_offered_alpn_ = false;
  std::mutex mutex_;
  int client_ = -1;  // of the handler that runs now
  bool is_stopping_ = false;
  std::thread thread_;
};

// Reads an HTTP request's head. Empty when the client leaves first.
inline std::string read_request_head(SSL* connection) {
  std::string head;
  while (!head.ends_with("\r\n\r\n")) {
    char byte = 0;
    if (SSL_read(connection, &byte, 1) != 1) return {};
    head += byte;
  }
  return head;
}

// The 101 that a request's Sec-WebSocket-Key asks for (RFC 6455, section 4.2.2).
inline std::string switching_protocols(const std::string& request) {
  constexpr std::string_view name = "Sec-WebSocket-Key: ";
  const std::size_t start = request.find(name) + name.size();
  const std::string key = request.substr(start, request.find("\r\n", start) - start);
  return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Accept: " +
         base64_encode(sha1(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) +
         "\r\nCF-RAY: 0123-FRA\r\n\r\n";
}

inline void send_text(SSL* connection, std::string_view text) {
  SSL_write(connection, text.data(), static_cast<int>(text.size()));
}

}  // namespace pca::testing
