#include "net/curl_handle.hpp"

#include <fmt/format.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <stop_token>

#include "base/environment.hpp"
#include "base/system_error.hpp"
#include "base/text.hpp"
#include "net/host_address.hpp"
#include "net/tls.hpp"

namespace pca {

namespace {

constexpr std::size_t longest_detail = 200;  // of a library's words inside a message

constexpr std::array<std::string_view, 6> proxy_schemes{"http",    "https",  "socks4",
                                                        "socks4a", "socks5", "socks5h"};

struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

// One part of a URL, or empty.
std::string url_part(const std::string& text, CURLUPart part, unsigned set_flags,
                     unsigned get_flags = 0) {
  const std::unique_ptr<CURLU, FreeUrl> url(curl_url());
  if (!url || curl_url_set(url.get(), CURLUPART_URL, text.c_str(), set_flags) != CURLUE_OK) {
    return {};
  }
  char* found = nullptr;
  if (curl_url_get(url.get(), part, &found, get_flags) != CURLUE_OK) return {};
  const std::string value(found);
  curl_free(found);
  return to_lower(value);
}

}  // namespace

CurlHandle::CurlHandle() : multi_(curl_multi_init()), easy_(curl_easy_init()) {
  if (is_open()) reset();
}

CurlHandle::~CurlHandle() {
  detach();
  curl_easy_cleanup(easy_);
  curl_multi_cleanup(multi_);
}

void CurlHandle::detach() {
  if (attached_) curl_multi_remove_handle(multi_, easy_);
  attached_ = false;
}

void CurlHandle::reset() {
  detach();
  open_ = nullptr;
  fingerprints_.clear();
  check_ = Check::chain;
  curl_easy_reset(easy_);
  set(CURLOPT_ERRORBUFFER, error_text_.data());
  set(CURLOPT_NOSIGNAL, 1L);
  // A look-up that hangs must not hold up a call whose budget is over.
  set(CURLOPT_QUICK_EXIT, 1L);
  set(CURLOPT_TCP_NODELAY, 1L);
  set(CURLOPT_HAPPY_EYEBALLS_TIMEOUT_MS, 250L);  // as net/tcp; RFC 8305
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(CURLOPT_SOCKOPTFUNCTION, &CurlHandle::note_socket);
  set(CURLOPT_SOCKOPTDATA, static_cast<void*>(this));
}

int CurlHandle::note_socket(void* self, curl_socket_t socket, curlsocktype /*purpose*/) {
  auto& handle = *static_cast<CurlHandle*>(self);
  handle.socket_ = socket;
  return handle.open_ ? CURL_SOCKOPT_ALREADY_CONNECTED : CURL_SOCKOPT_OK;
}

curl_socket_t CurlHandle::open_socket(void* self, curlsocktype /*purpose*/,
                                      curl_sockaddr* /*address*/) {
  return static_cast<CurlHandle*>(self)->open_();
}

void CurlHandle::connect_with(std::function<curl_socket_t()> open) {
  open_ = std::move(open);
  // Any address will do, as long as nobody has to be asked for it.
  connect_to_.reset(curl_slist_append(nullptr, "::127.0.0.1:"));
  set(CURLOPT_CONNECT_TO, connect_to_.get());
  set(CURLOPT_PROXY, "");
  set(CURLOPT_OPENSOCKETFUNCTION, &CurlHandle::open_socket);
  set(CURLOPT_OPENSOCKETDATA, static_cast<void*>(this));
}

Result<> CurlHandle::go_to(const std::string& url) {
  const bool is_near = is_loopback(url_host(url));
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_PROXY, is_near ? "" : nullptr);  // null: what the environment says
  if (!is_near) PCA_CHECK(proxy_of_environment(url_scheme(url) == "http"));
  return {};
}

Result<> CurlHandle::trust(const std::string& ca_file) {
  if (!ca_file.empty() && ::access(ca_file.c_str(), R_OK) != 0) {
    return permission_denied(
        fmt::format("the CA file \"{}\" cannot be read: {}", visible(ca_file), errno_text(errno)),
        "Check the path; it names a PEM file with CA certificates.");
  }
  TrustStore store{ca_file, {}, {}};
  if (ca_file.empty()) {
    PCA_TRY(store, find_trust_store());
  }
  trusted_ = store.describe();
  for (const auto option : {CURLOPT_CAINFO, CURLOPT_PROXY_CAINFO}) {
    set(option, store.file.empty() ? nullptr : store.file.c_str());
  }
  for (const auto option : {CURLOPT_CAPATH, CURLOPT_PROXY_CAPATH}) {
    set(option, store.directory.empty() ? nullptr : store.directory.c_str());
  }
  return {};
}

void CurlHandle::trust_text(const std::string& ca, const std::string& name) {
  trusted_ = name;
  for (const auto option : {CURLOPT_CAINFO, CURLOPT_CAPATH}) {
    set(option, static_cast<const char*>(nullptr));
  }
  curl_blob blob{const_cast<char*>(ca.data()), ca.size(), CURL_BLOB_COPY};
  set(CURLOPT_CAINFO_BLOB, &blob);
}

void CurlHandle::trust_fingerprints(std::vector<std::string> fingerprints) {
  fingerprints_ = std::move(fingerprints);
  set(CURLOPT_SSL_VERIFYHOST, 0L);
  look_at_certificate(Check::fingerprint);
}

void CurlHandle::trust_anybody() {
  set(CURLOPT_SSL_VERIFYHOST, 0L);
  look_at_certificate(Check::nothing);
}

void CurlHandle::note_fingerprint() { look_at_certificate(Check::chain); }

void CurlHandle::look_at_certificate(Check check) {
  check_ = check;
  set(CURLOPT_SSL_CTX_FUNCTION, &CurlHandle::prepare_tls);
  set(CURLOPT_SSL_CTX_DATA, static_cast<void*>(this));
}

CURLcode CurlHandle::prepare_tls(CURL* /*easy*/, void* context, void* self) {
  SSL_CTX_set_cert_verify_callback(static_cast<SSL_CTX*>(context), &CurlHandle::verify_certificate,
                                   self);
  return CURLE_OK;
}

// In place of OpenSSL's own look at the chain: 1 = it is good.
int CurlHandle::verify_certificate(x509_store_ctx_st* store, void* self) {
  auto& handle = *static_cast<CurlHandle*>(self);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  X509* const leaf = X509_STORE_CTX_get0_cert(store);
  handle.seen_fingerprint_.clear();
  if (leaf != nullptr && X509_digest(leaf, EVP_sha256(), digest.data(), &size) == 1) {
    for (unsigned i = 0; i < size; ++i) {
      handle.seen_fingerprint_ += fmt::format("{}{:02X}", i == 0 ? "" : ":", digest[i]);
    }
  }
  if (handle.check_ == Check::chain) return X509_verify_cert(store);
  const auto& known = handle.fingerprints_;
  const bool is_good =
      handle.check_ == Check::nothing ||
      (!handle.seen_fingerprint_.empty() &&
       std::find(known.begin(), known.end(), handle.seen_fingerprint_) != known.end());
  X509_STORE_CTX_set_error(store, is_good ? X509_V_OK : X509_V_ERR_CERT_UNTRUSTED);
  return is_good ? 1 : 0;
}

bool CurlHandle::was_reused() const { return number(CURLINFO_NUM_CONNECTS) == 0; }

Result<CURLcode> CurlHandle::perform(const Budget& budget, const std::string& peer) {
  detach();
  error_text_[0] = '\0';
  seen_fingerprint_.clear();
  // The budget's own error is better than libcurl's, so it has to come first.
  const auto beyond = budget.left() + Milliseconds{1000};
  set(CURLOPT_CONNECTTIMEOUT_MS,
      static_cast<long>(std::min<Milliseconds::rep>(beyond.count(), 1L << 30U)));
  if (const CURLMcode code = curl_multi_add_handle(multi_, easy_); code != CURLM_OK) {
    return failed(fmt::format("libcurl: {}", curl_multi_strerror(code)));
  }
  attached_ = true;
  auto ended = run(budget, peer);
  if (!ended) detach();  // or its callbacks might still be called
  if (!ended || *ended == CURLE_OK || *ended == CURLE_WRITE_ERROR) return ended;
  return explain(*ended, peer);
}

Result<CURLcode> CurlHandle::run(const Budget& budget, const std::string& peer) {
  const std::stop_callback on_cancel(budget.stop(), [this] { curl_multi_wakeup(multi_); });
  while (true) {
    int running = 0;
    CURLMcode code = curl_multi_perform(multi_, &running);
    int left = 0;
    const CURLMsg* message = curl_multi_info_read(multi_, &left);
    if (message != nullptr && message->msg == CURLMSG_DONE) return message->data.result;
    if (budget.is_over()) {
      Error error = budget.check(phase(peer)).error();
      return error.kind == ErrorKind::unreachable ? std::move(error).as_transient() : error;
    }
    const auto wait = std::min(budget.left(), Milliseconds{60'000});
    if (code == CURLM_OK) {
      code = curl_multi_poll(multi_, nullptr, 0, static_cast<int>(wait.count()), nullptr);
    }
    if (code != CURLM_OK) return failed(fmt::format("libcurl: {}", curl_multi_strerror(code)));
  }
}

double CurlHandle::milliseconds(CURLINFO info) const {
  curl_off_t microseconds = 0;
  curl_easy_getinfo(easy_, info, &microseconds);
  return static_cast<double>(microseconds) / 1000;
}

long CurlHandle::number(CURLINFO info) const {
  long value = 0;
  curl_easy_getinfo(easy_, info, &value);
  return value;
}

// libcurl's times say nothing about TCP alone: it counts a connection once TLS is done.
bool CurlHandle::is_tcp_connected() const {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  return ::getpeername(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0;
}

// What a transfer that was given up was doing.
std::string CurlHandle::phase(const std::string& peer) const {
  const std::string through = proxy();
  const std::string first = through.empty() ? peer : "the proxy " + through;
  if (milliseconds(CURLINFO_NAMELOOKUP_TIME_T) == 0) return "looking up the address of " + first;
  if (!is_tcp_connected()) return "connecting to " + first;
  if (milliseconds(CURLINFO_CONNECT_TIME_T) != 0) return "waiting for the answer of " + peer;
  if (!through.empty() && number(CURLINFO_HTTP_CONNECTCODE) == 0) {
    return fmt::format("waiting for {} to connect to {}", first, peer);
  }
  return "waiting for the TLS handshake of " + peer;
}

std::string CurlHandle::detail() const {
  const std::string_view text(error_text_.data());
  // libcurl quotes the URL of a proxy that it cannot use, password and all.
  if (text.find('@') != std::string_view::npos) return "libcurl's words may hold a password";
  return visible(cut_utf8(text, longest_detail));
}

bool CurlHandle::is_end(CURLcode code) const {
  if (code != CURLE_RECV_ERROR && code != CURLE_SEND_ERROR && code != CURLE_GOT_NOTHING) {
    return false;
  }
  // "error:0A000126:SSL routines::unexpected eof while reading" is a FIN without a word of TLS.
  const std::string_view text(error_text_.data());
  return text.find("SSL routines:") == std::string_view::npos ||
         text.find("unexpected eof") != std::string_view::npos;
}

Error CurlHandle::explain(CURLcode code, const std::string& peer) const {
  const std::string through = proxy();
  if (const long status = number(CURLINFO_HTTP_CONNECTCODE); status != 0 && status / 100 != 2) {
    return explain_proxy(status);
  }
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return unreachable(
                 "DNS knows no address for " + peer,
                 "Check the spelling (of access-hostname and access-connect-to for an Access "
                 "edge). Only DNS and /etc/hosts are asked.")
          .as_transient();
    case CURLE_COULDNT_RESOLVE_PROXY:
      return unreachable("DNS knows no address for the proxy " + through,
                         "Check HTTPS_PROXY and NO_PROXY.")
          .as_transient();
    case CURLE_COULDNT_CONNECT: {
      const int problem = static_cast<int>(number(CURLINFO_OS_ERRNO));
      Error error = unreachable(
          fmt::format("cannot connect to {}: {}", through.empty() ? peer : "the proxy " + through,
                      problem == 0 ? detail() : errno_text(problem)),
          through.empty() ? "Check the address, the route to it and its firewall."
                          : "Check HTTPS_PROXY and NO_PROXY.");
      return problem == 0 || may_pass(problem) ? std::move(error).as_transient() : error;
    }
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
      return explain_certificate(peer);
    case CURLE_SSL_CONNECT_ERROR:
      if (is_about_our_certificate()) return explain_our_certificate(peer);
      return unreachable(fmt::format("the TLS handshake with {} failed: {}", peer, detail()),
                         "Check that TLS is spoken on this port.")
          .as_transient();
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
      if (is_about_our_certificate()) return explain_our_certificate(peer);
      if (!is_end(code)) {
        return unreachable(
                   fmt::format("the TLS connection to {} broke: {}", peer, detail()),
                   "Something on the way may meddle with what is sent: a proxy, a firewall.")
            .as_transient();
      }
      return unreachable(fmt::format("{} cut the connection: {}", peer, detail()),
                         "Check that TLS is spoken on this port and that no proxy or firewall on "
                         "the way objects.")
          .as_transient();
    case CURLE_OPERATION_TIMEDOUT:
      return unreachable("timed out while " + phase(peer)).as_transient();
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return bad_input(fmt::format("cannot use the address of {}: {}", peer, detail()));
    default:
      return unreachable(fmt::format("no answer from {}: {}", peer,
                                     detail().empty() ? curl_easy_strerror(code) : detail()),
                         "Check the address and the route to it.");
  }
}

Error CurlHandle::explain_certificate(const std::string& peer) const {
  if (check_ == Check::fingerprint) {
    return permission_denied(
        fmt::format("the certificate of {} is not one of those that are trusted: its SHA-256 "
                    "fingerprint is {}",
                    peer, seen_fingerprint_),
        "Compare it with the server's own word; when the certificate was renewed, give the new "
        "fingerprint.");
  }
  const long verified = number(CURLINFO_SSL_VERIFYRESULT);
  // OpenSSL was content, or not even asked: it is libcurl that says no, as to a wrong name.
  const bool is_signed = verified == X509_V_OK || verified == X509_V_ERR_UNSPECIFIED;
  return permission_denied(
      fmt::format("the certificate of {} is not trusted: {}", peer,
                  is_signed ? detail() : X509_verify_cert_error_string(verified)),
      is_signed ? "Check the name: it must be one that the certificate is for."
                : fmt::format("Give the certificate of the authority that signed it as the CA "
                              "input (access-ca for an Access edge); now {} is used.",
                              trusted_));
}

// The alerts by which a server says what it thinks of a client's certificate: bad_certificate,
// certificate_required, unknown_ca and the like (RFC 8446, section 6.2). TLS 1.3 clients hear of it
// with the first answer.
bool CurlHandle::is_about_our_certificate() const {
  const std::string_view text(error_text_.data());
  return text.find(" alert ") != std::string_view::npos &&
         (text.find("certificate") != std::string_view::npos ||
          text.find("unknown ca") != std::string_view::npos);
}

Error CurlHandle::explain_our_certificate(const std::string& peer) const {
  return permission_denied(
      fmt::format("{} asks for a certificate and has not got one that it takes: {}", peer,
                  detail()),
      "Give a certificate that it trusts, and its key.");
}

Error CurlHandle::explain_proxy(long status) const {
  const std::string said = fmt::format("the proxy {} answered CONNECT with {}", proxy(), status);
  if (status == 407) {
    return permission_denied(said, "It wants a user and password: put them into HTTPS_PROXY.");
  }
  if (status >= 500) {
    return unreachable(said, "The proxy could not reach the address; NO_PROXY goes round it.")
        .as_transient();
  }
  return permission_denied(said, "Allow the address and its port there, or name it in NO_PROXY.");
}

std::string CurlHandle::proxy() const {
  if (number(CURLINFO_USED_PROXY) == 0) return {};
  const char* scheme = nullptr;
  curl_easy_getinfo(easy_, CURLINFO_SCHEME, &scheme);
  const bool is_plain = scheme != nullptr && equals_ignoring_case(scheme, "http");
  return proxy_of_environment(is_plain).value_or("");
}

Result<std::string> proxy_of_environment(bool is_plain) {
  for (const char* name : {is_plain ? "http_proxy" : "https_proxy", is_plain ? "" : "HTTPS_PROXY",
                           "all_proxy", "ALL_PROXY"}) {
    const std::string value = environment_variable(name);
    if (value.empty()) continue;
    constexpr unsigned lenient = CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME;
    const std::string host = url_part(value, CURLUPART_HOST, lenient);
    const std::string scheme = url_part(value, CURLUPART_SCHEME, lenient);
    const bool is_known =
        std::find(proxy_schemes.begin(), proxy_schemes.end(), scheme) != proxy_schemes.end();
    // Without "://" libcurl takes it for an HTTP proxy, and a guess from the name would be wrong.
    if (host.empty() || (!is_known && value.find("://") != std::string::npos)) {
      return bad_input(fmt::format("{} holds no URL of a proxy", name),
                       "Write http://host:port, or http://user:password@host:port; https, socks4, "
                       "socks4a, socks5 and socks5h are known too.");
    }
    const std::string port = url_part(value, CURLUPART_PORT, lenient);
    return visible(host) + (port.empty() ? "" : ":" + port);
  }
  return std::string();
}

std::string url_scheme(std::string_view url) {
  return url_part(std::string(url), CURLUPART_SCHEME, CURLU_NON_SUPPORT_SCHEME);
}

std::string url_host(std::string_view url) {
  return url_part(std::string(url), CURLUPART_HOST, CURLU_NON_SUPPORT_SCHEME);
}

std::string url_port(std::string_view url) {
  return url_part(std::string(url), CURLUPART_PORT, CURLU_NON_SUPPORT_SCHEME, CURLU_DEFAULT_PORT);
}

}  // namespace pca
