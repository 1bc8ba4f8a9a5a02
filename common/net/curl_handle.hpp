#pragma once

#include <curl/curl.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/budget.hpp"
#include "base/result.hpp"

struct x509_store_ctx_st;  // OpenSSL's

// What net/http and net/access_tunnel share of libcurl. Only they include this header.
namespace pca {

struct FreeCurlList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using CurlList = std::unique_ptr<curl_slist, FreeCurlList>;

// Owns one libcurl transfer, inside a multi handle of its own because only a multi handle's wait
// can be ended by another thread. Not thread safe; not movable, because libcurl keeps its address.
class CurlHandle {
 public:
  CurlHandle();
  ~CurlHandle();
  CurlHandle(const CurlHandle&) = delete;
  CurlHandle& operator=(const CurlHandle&) = delete;

  [[nodiscard]] CURL* get() const { return easy_; }
  [[nodiscard]] bool is_open() const { return easy_ != nullptr && multi_ != nullptr; }

  // Back to no options at all but what every transfer here needs; open connections are kept.
  void reset();
  // Where the transfer goes. This machine itself is never asked for by way of a proxy, which could
  // only reach another one of that name; as Go's clients, cloudflared among them, have it.
  // bad_input for another one when the environment names a proxy that is none.
  Result<> go_to(const std::string& url);
  // Takes connected sockets from `open` (CURL_SOCKET_BAD: it has none) and connects to nothing
  // itself, until reset(). To be called after go_to().
  void connect_with(std::function<curl_socket_t()> open);
  // A pointer or a number, as the option wants it. libcurl copies strings.
  template <typename T>
  void set(CURLoption option, T value) {
    curl_easy_setopt(easy_, option, value);
  }
  // Verifies servers against this PEM bundle, or find_trust_store() when it is empty.
  Result<> trust(const std::string& ca_file);
  // Verifies servers against this PEM text alone.
  void trust_text(const std::string& ca, const std::string& name);

  // Verifies servers by nothing but the SHA-256 of their certificate, one of these ("AB:CD:...").
  void trust_fingerprints(std::vector<std::string> fingerprints);
  void trust_anybody();
  // Besides other ways to verify: for seen_fingerprint().
  void note_fingerprint();
  // Of the certificate that the last transfer was shown; empty when it used a connection again.
  [[nodiscard]] const std::string& seen_fingerprint() const { return seen_fingerprint_; }
  // Whether the last transfer used a connection that was there.
  [[nodiscard]] bool was_reused() const;

  // Runs the transfer to its end. `peer` is for messages. Afterwards it stays attached, so that
  // curl_easy_send() and curl_easy_recv() work, until the next call or the destructor.
  // Errors: cancelled, timed out (naming the phase), and everything that kept a request from being
  // answered: see explain(). CURLE_WRITE_ERROR, a callback's refusal, is given back as a value.
  Result<CURLcode> perform(const Budget& budget, const std::string& peer);

  // Whether the other end ended the connection: what curl_easy_recv() and curl_easy_send() say to a
  // FIN and to a reset, but to broken TLS as well.
  [[nodiscard]] bool is_end(CURLcode code) const;
  // Why the last transfer, or what came after it, failed. `peer` is for messages.
  [[nodiscard]] Error explain(CURLcode code, const std::string& peer) const;
  // libcurl's own words for that; may be empty.
  [[nodiscard]] std::string detail() const;

  // host:port of the proxy that the last transfer went through, without credentials, or empty.
  [[nodiscard]] std::string proxy() const;
  // Of the last transfer, since its start: CURLINFO_CONNECT_TIME_T and so on.
  [[nodiscard]] double milliseconds(CURLINFO info) const;

 private:
  enum class Check : std::uint8_t { chain, fingerprint, nothing };
  void look_at_certificate(Check check);
  static CURLcode prepare_tls(CURL* easy, void* context, void* self);
  static int verify_certificate(x509_store_ctx_st* store, void* self);
  [[nodiscard]] Result<CURLcode> run(const Budget& budget, const std::string& peer);
  static curl_socket_t open_socket(void* self, curlsocktype purpose, curl_sockaddr* address);
  static int note_socket(void* self, curl_socket_t socket, curlsocktype purpose);
  [[nodiscard]] bool is_tcp_connected() const;
  [[nodiscard]] std::string phase(const std::string& peer) const;
  [[nodiscard]] Error explain_certificate(const std::string& peer) const;
  [[nodiscard]] bool is_about_our_certificate() const;
  [[nodiscard]] Error explain_our_certificate(const std::string& peer) const;
  [[nodiscard]] Error explain_proxy(long status) const;
  [[nodiscard]] long number(CURLINFO info) const;
  void detach();

  CURLM* multi_;
  CURL* easy_;
  bool attached_ = false;
  std::function<curl_socket_t()> open_;
  CurlList connect_to_;
  curl_socket_t socket_ = CURL_SOCKET_BAD;  // the latest that libcurl opened
  Check check_ = Check::chain;
  std::vector<std::string> fingerprints_;
  std::string seen_fingerprint_;
  std::string trusted_;  // where the CA certificates come from
  std::array<char, CURL_ERROR_SIZE> error_text_{};
};

// host:port of the proxy that the environment names, without credentials; empty: none. libcurl's
// names and order: http_proxy for a plain URL, https_proxy for others, in lower case first, then
// all_proxy. bad_input when the first that is set is no proxy's URL; its text is never shown,
// because it may hold a password.
[[nodiscard]] Result<std::string> proxy_of_environment(bool is_plain);

// Parts of an absolute URL, in lower case; empty when it has none. The port is the scheme's own
// when the URL names none; the host comes without credentials.
[[nodiscard]] std::string url_scheme(std::string_view url);
[[nodiscard]] std::string url_host(std::string_view url);
[[nodiscard]] std::string url_port(std::string_view url);

}  // namespace pca
