#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/budget.hpp"
#include "base/secret.hpp"
#include "net/file_descriptor.hpp"

namespace pca {

struct TlsSettings;  // net/tls.hpp

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
};

struct HttpResponse {
  int status = 0;
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
