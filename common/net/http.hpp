#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/budget.hpp"
#include "base/secret.hpp"
#include "net/file_descriptor.hpp"

namespace pca {

struct TlsSettings;  // net/tls.hpp

// Gets a text piece by piece as it arrives; false: no more of it is wanted.
using HttpSink = std::function<bool(std::string_view piece)>;

// A body that is sent as it is read, in constant memory: a file's, say.
struct HttpBodySource {
  std::uint64_t size = 0;  // in bytes, known before
  // Fills the beginning of `into`; how much, 0 where it ends too early. An Error ends the request.
  std::function<Result<std::size_t>(std::span<char> into)> read;
};

// What became of a request besides its answer, also where there is none.
struct HttpTrace {
  bool sent = false;        // it began to go out: else nobody can have done it
  bool reused = false;      // it went over a connection that another had used before
  bool answered = false;    // something of an answer came
  std::string fingerprint;  // of the server's certificate, where this one made the connection
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;                                           // http or https; never holds a secret
  std::vector<std::pair<std::string, std::string>> headers;  // not secret
  std::vector<std::pair<std::string, const Secret*>> secret_headers;  // value only, borrowed
  std::string body;
  bool follow_redirects = false;     // at most 5, method kept for 307/308, secrets dropped off-host
  std::string ca_file;               // PEM bundle; default: find_trust_store()
  const TlsSettings* tls = nullptr;  // borrowed; instead of ca_file
  std::string unix_socket;           // connect to this path instead of the URL's host
  std::size_t response_limit = std::size_t{8} * 1024 * 1024;  // bytes of body; more is an error
  // Gets the body of a good answer (2xx) in place of the response, however long it is. The budget
  // is for all of it; where no more is wanted the connection is cut, which is no error.
  HttpSink sink = {};
  const HttpBodySource* body_source = nullptr;  // borrowed; in place of `body`
  // In HTTP/1.0 with "Connection: keep-alive", for servers that say "close" in HTTP/1.1 and keep
  // the connection all the same.
  bool as_http_1_0 = false;
  // Sent at most once: otherwise what met a connection that had just ended goes over a new one.
  bool is_sent_once = false;
  HttpTrace* trace = nullptr;  // filled where given
};

struct HttpResponse {
  int status = 0;
  std::string reason;                                        // behind the status; may be empty
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;
  double total_ms = 0;
  [[nodiscard]] std::string header(std::string_view name) const;  // first, or empty
};

// Sends HTTP requests; any status is a response, not an error. Proxy from the environment
// (HTTPS_PROXY and NO_PROXY in both spellings, never for loopback; http_proxy in lower case only,
// because a web server sets the other one from a request header), TLS always verified. One request
// at a time per object. Errors: unreachable (transient for DNS, refused, reset, timed out),
// permission (TLS), failed (limit).
class HttpTransport {
 public:
  virtual ~HttpTransport() = default;
  virtual Result<HttpResponse> send(const Budget& budget, const HttpRequest& request) = 0;
};

// bad_input for a proxy variable that is no URL of a proxy, without its text.
[[nodiscard]] Result<> check_proxy_variables();

// Where connections come from when they are not made by TCP to the URL's host: a channel of an SSH
// session. No name is looked up then, and no proxy is asked; TLS still goes by the URL's host.
struct HttpDialer {
  std::string peer;                                           // for messages
  std::function<Result<FileDescriptor>(const Budget&)> dial;  // a connected stream socket
};

// The real one, over libcurl, keeping connections alive between requests.
[[nodiscard]] std::unique_ptr<HttpTransport> make_http_transport(std::string user_agent,
                                                                 HttpDialer dialer = {});

}  // namespace pca
