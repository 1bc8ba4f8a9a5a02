#include "net/http.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/text.hpp"
#include "net/curl_handle.hpp"
#include "net/tls.hpp"

namespace pca {

namespace {

constexpr std::size_t header_limit = std::size_t{64} * 1024;  // of all response headers together
constexpr int most_redirects = 5;

// Header lines for libcurl; those that hold a secret are overwritten at the end.
class HeaderList {
 public:
  HeaderList() = default;
  HeaderList(const HeaderList&) = delete;
  HeaderList& operator=(const HeaderList&) = delete;
  ~HeaderList() {
    for (const curl_slist* line = list_.get(); line != nullptr; line = line->next) {
      OPENSSL_cleanse(line->data, std::strlen(line->data));
    }
  }

  void add(const std::string& name, std::string_view value) {
    std::string line;
    line.reserve(name.size() + value.size() + 2);
    line.append(name);
    // libcurl takes "Name:" as a wish to leave that header out.
    line.append(value.empty() ? ";" : ": ").append(value);
    append(line);
    wipe(line);
  }
  // A header that libcurl would add by itself.
  void leave_out(const std::string& name) { append(name + ":"); }
  [[nodiscard]] curl_slist* get() const { return list_.get(); }

 private:
  void append(const std::string& line) {
    curl_slist* const longer = curl_slist_append(list_.get(), line.c_str());
    if (longer == nullptr) return;
    (void)list_.release();
    list_.reset(longer);
  }
  CurlList list_;
};

// What libcurl's callbacks fill while an answer arrives.
struct Answer {
  HttpResponse response;
  std::size_t body_limit = 0;
  std::size_t header_bytes = 0;
  std::string over_limit;  // what was too long, or empty
  const HttpSink* sink = nullptr;
  bool is_good = false;    // its status
  bool is_enough = false;  // as the sink says

  static std::size_t on_header(char* data, std::size_t /*one*/, std::size_t size, void* self) {
    return static_cast<Answer*>(self)->add_header({data, size}) ? size : CURL_WRITEFUNC_ERROR;
  }
  static std::size_t on_body(char* data, std::size_t /*one*/, std::size_t size, void* self) {
    return static_cast<Answer*>(self)->add_body({data, size}) ? size : CURL_WRITEFUNC_ERROR;
  }

  bool add_header(std::string_view line) {
    header_bytes += line.size();
    if (header_bytes > header_limit) {
      over_limit = "the headers are longer than " + format_size(header_limit);
      return false;
    }
    // The final answer's headers replace those of a 100 or 103.
    if (line.starts_with("HTTP/")) {
      response.headers.clear();
      is_good = line.find(" 2") == line.find(' ');
      // "HTTP/1.1 500 VM is locked (backup)"
      const std::size_t code = line.find(' ');
      const std::size_t space = code == std::string_view::npos ? code : line.find(' ', code + 1);
      response.reason = space == std::string_view::npos ? "" : trim(line.substr(space));
    }
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos && !line.starts_with("HTTP/")) {
      response.headers.emplace_back(to_lower(trim(line.substr(0, colon))),
                                    trim(line.substr(colon + 1)));
    }
    return true;
  }
  bool add_body(std::string_view part) {
    if (is_good && *sink) {
      is_enough = !(*sink)(part);
      return !is_enough;
    }
    if (part.size() > body_limit - response.body.size()) {
      over_limit = "the body is longer than " + format_size(body_limit);
      return false;
    }
    response.body.append(part);
    return true;
  }
};

// What libcurl's callbacks take a body from.
struct SourceReader {
  const HttpBodySource* source = nullptr;
  std::optional<Error> error;

  static std::size_t on_read(char* into, std::size_t /*one*/, std::size_t size, void* self) {
    auto& reader = *static_cast<SourceReader*>(self);
    auto got = reader.source->read({into, size});
    if (got) return *got;
    reader.error = std::move(got).error();
    return CURL_READFUNC_ABORT;
  }
};

// Lets one request of a transfer go out, where it may be sent only once: libcurl itself repeats
// what met a connection that had ended, whatever its method.
struct Sendings {
  int most = 0;  // 0 = any number
  int begun = 0;

  static int on_request(void* self, char* /*to*/, char* /*from*/, int /*port*/, int /*local*/) {
    auto& sendings = *static_cast<Sendings*>(self);
    ++sendings.begun;
    return sendings.most != 0 && sendings.begun > sendings.most ? CURL_PREREQFUNC_ABORT
                                                                : CURL_PREREQFUNC_OK;
  }
};

// RFC 9110, section 5.6.2: what names of headers and methods are made of.
bool is_token(std::string_view name) {
  constexpr std::string_view others = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           others.find(c) != std::string_view::npos;
  });
}

Result<> check_header(std::string_view name, std::string_view value) {
  if (!is_token(name)) {
    return bad_input(fmt::format("\"{}\" is not the name of an HTTP header", visible(name)));
  }
  if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) {
    return bad_input(fmt::format("the HTTP header {} holds a line break", name),
                     "Look for a line break at the end of the value.");
  }
  return {};
}

Result<> check_request(const HttpRequest& request) {
  if (!is_token(request.method)) {
    return bad_input(fmt::format("\"{}\" is not an HTTP method", visible(request.method)));
  }
  for (const auto& [name, value] : request.headers) PCA_CHECK(check_header(name, value));
  for (const auto& [name, value] : request.secret_headers) {
    PCA_CHECK(check_header(name, value->expose()));
  }
  return {};
}

bool has_header(const HttpRequest& request, std::string_view name) {
  return std::any_of(request.headers.begin(), request.headers.end(),
                     [&](const auto& header) { return equals_ignoring_case(header.first, name); });
}

// "GET https://api.example/path", for messages: without a query.
std::string describe(const std::string& method, const std::string& url) {
  constexpr std::size_t longest = 200;
  const std::string_view bare = std::string_view(url).substr(0, url.find_first_of("?#"));
  return visible(cut_utf8(method + " " + std::string(bare), longest));
}

// Scheme, host and port: where a secret that was meant for one URL may go along.
std::string origin_of(const std::string& url) {
  return url_scheme(url) + "://" + url_host(url) + ":" + url_port(url);
}

// A request on its way through redirects.
struct Hop {
  std::string method;
  std::string url;
  bool has_body = false;
  bool has_secrets = true;
};

// Who is connected to, for messages.
std::string peer_of(const HttpRequest& request, const Hop& hop) {
  if (!request.unix_socket.empty()) return visible(request.unix_socket);
  return visible(url_host(hop.url) + ":" + url_port(hop.url));
}

// What to ask next, or nothing when `response` is final.
Result<std::optional<Hop>> next_hop(const HttpRequest& request, const Hop& hop, int status,
                                    const std::string& target) {
  const bool keeps_method = status == 307 || status == 308;
  const bool is_redirect = keeps_method || status == 301 || status == 302 || status == 303;
  if (!request.follow_redirects || !is_redirect || target.empty()) return std::optional<Hop>();
  if (url_scheme(hop.url) == "https" && url_scheme(target) != "https") {
    return permission_denied(
        fmt::format("{} redirects from https to {}", describe(hop.method, hop.url),
                    visible(url_scheme(target))),
        "An answer that came over TLS must not lead to one that does not.");
  }
  Hop next = hop;
  next.url = target;
  next.has_secrets = hop.has_secrets && origin_of(target) == origin_of(hop.url);
  if (!keeps_method && hop.method != "HEAD") {
    next.method = "GET";
    next.has_body = false;
  }
  return std::optional(next);
}

class CurlTransport : public HttpTransport {
 public:
  CurlTransport(std::string user_agent, HttpDialer dialer)
      : user_agent_(std::move(user_agent)), dialer_(std::move(dialer)) {}

  Result<HttpResponse> send(const Budget& budget, const HttpRequest& request) override {
    if (!curl_.is_open()) return failed("libcurl cannot be started: out of memory");
    PCA_CHECK(check_request(request));
    Hop hop{request.method, request.url, !request.body.empty() || request.body_source != nullptr,
            true};
    double total_ms = 0;
    for (int redirects = 0;; ++redirects) {
      PCA_TRY(HttpResponse response, send_one(budget, request, hop));
      total_ms += curl_.milliseconds(CURLINFO_TOTAL_TIME_T);
      const char* target = nullptr;
      curl_easy_getinfo(curl_.get(), CURLINFO_REDIRECT_URL, &target);
      PCA_TRY(const auto next,
              next_hop(request, hop, response.status, target == nullptr ? "" : target));
      if (!next) {
        response.total_ms = total_ms;
        return response;
      }
      if (redirects == most_redirects) {
        return failed(fmt::format("{} redirects more than {} times",
                                  describe(request.method, request.url), most_redirects));
      }
      hop = *next;
    }
  }

 private:
  Result<HttpResponse> send_one(const Budget& budget, const HttpRequest& request, const Hop& hop) {
    const std::string what = describe(hop.method, hop.url);
    Answer answer;
    answer.body_limit = request.response_limit;
    answer.sink = &request.sink;
    HeaderList headers;
    SourceReader reader{request.body_source, {}};
    Sendings sendings{request.is_sent_once ? 1 : 0};
    curl_.reset();
    add_headers(headers, request, hop);
    PCA_CHECK(prepare(request, hop, headers, answer));
    if (hop.has_body && request.body_source != nullptr) take_from(reader, hop);
    curl_.set(CURLOPT_PREREQFUNCTION, &Sendings::on_request);
    curl_.set(CURLOPT_PREREQDATA, static_cast<void*>(&sendings));
    std::optional<Error> not_dialled;
    if (dialer_.dial) {
      curl_.connect_with([&] {
        auto socket = dialer_.dial(budget);
        if (socket) return socket->release();
        not_dialled = std::move(socket).error();
        return CURL_SOCKET_BAD;
      });
    }
    auto code = curl_.perform(budget, dialer_.dial ? dialer_.peer : peer_of(request, hop));
    curl_.set(CURLOPT_HTTPHEADER, nullptr);  // its lines go away here
    if (request.trace != nullptr) {
      *request.trace = {sendings.begun > 0, curl_.was_reused() || sendings.begun > 1,
                        answer.header_bytes != 0, curl_.seen_fingerprint()};
    }
    if (!code && not_dialled) return *std::move(not_dialled);
    if (reader.error) return *std::move(reader.error);
    if (!code && sendings.most != 0 && sendings.begun > sendings.most) {
      return unreachable(what + ": the connection ended before an answer came",
                         "It may have been done all the same.")
          .as_transient();
    }
    if (!code) {
      Error error = std::move(code).error();
      error.message = what + ": " + error.message;
      return error;
    }
    if (!answer.over_limit.empty()) {
      return failed(fmt::format("{}: {}", what, answer.over_limit));
    }
    if (*code != CURLE_OK && !answer.is_enough)
      return failed(what + ": the answer could not be stored");
    long status = 0;
    curl_easy_getinfo(curl_.get(), CURLINFO_RESPONSE_CODE, &status);
    answer.response.status = static_cast<int>(status);
    return std::move(answer.response);
  }

  static void add_headers(HeaderList& list, const HttpRequest& request, const Hop& hop) {
    for (const auto& [name, value] : request.headers) list.add(name, value);
    if (hop.has_secrets) {
      for (const auto& [name, value] : request.secret_headers) list.add(name, value->expose());
    }
    if (request.as_http_1_0) list.add("Connection", "keep-alive");
    list.leave_out("Expect");  // costs a round trip
    // libcurl takes every body for a form.
    if (!has_header(request, "Content-Type")) list.leave_out("Content-Type");
  }

  // The size is known, so nothing is sent in chunks.
  void take_from(SourceReader& reader, const Hop& hop) {
    curl_.set(CURLOPT_POSTFIELDS, static_cast<const char*>(nullptr));
    curl_.set(CURLOPT_POST, 1L);
    curl_.set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(reader.source->size));
    curl_.set(CURLOPT_READFUNCTION, &SourceReader::on_read);
    curl_.set(CURLOPT_READDATA, static_cast<void*>(&reader));
    curl_.set(CURLOPT_CUSTOMREQUEST, hop.method.c_str());
  }

  Result<> prepare(const HttpRequest& request, const Hop& hop, const HeaderList& headers,
                   Answer& answer) {
    PCA_CHECK(trust_for(request, hop));
    curl_.set(CURLOPT_PROTOCOLS_STR, "http,https");
    PCA_CHECK(curl_.go_to(hop.url));
    curl_.set(CURLOPT_USERAGENT, user_agent_.c_str());
    curl_.set(CURLOPT_HTTPHEADER, headers.get());
    curl_.set(CURLOPT_HEADERFUNCTION, &Answer::on_header);
    curl_.set(CURLOPT_HEADERDATA, static_cast<void*>(&answer));
    curl_.set(CURLOPT_WRITEFUNCTION, &Answer::on_body);
    curl_.set(CURLOPT_WRITEDATA, static_cast<void*>(&answer));
    if (!request.unix_socket.empty()) {
      curl_.set(CURLOPT_UNIX_SOCKET_PATH, request.unix_socket.c_str());
      curl_.set(CURLOPT_PROXY, "");
    }
    if (hop.has_body) {
      curl_.set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
      curl_.set(CURLOPT_POSTFIELDS, request.body.data());
    } else if (hop.method == "HEAD") {
      curl_.set(CURLOPT_NOBODY, 1L);
    } else if (hop.method == "POST" || hop.method == "PUT" || hop.method == "PATCH") {
      curl_.set(CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t{0});  // says Content-Length: 0
      curl_.set(CURLOPT_POSTFIELDS, "");
    }
    if (hop.method != "HEAD") curl_.set(CURLOPT_CUSTOMREQUEST, hop.method.c_str());
    if (request.as_http_1_0) {
      curl_.set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_0));
    }
    return {};
  }

  // A plain http URL through no https proxy needs no CA certificates, so a machine without any can
  // still reach a local socket.
  Result<> trust_for(const HttpRequest& request, const Hop& hop) {
    if (url_scheme(hop.url) == "http") return {};
    if (request.tls != nullptr && !request.tls->fingerprints.empty()) {
      curl_.trust_fingerprints(request.tls->fingerprints);
      return {};
    }
    if (request.tls != nullptr && request.tls->trusts_anybody) {
      curl_.trust_anybody();
      return {};
    }
    if (request.trace != nullptr) curl_.note_fingerprint();
    if (request.tls != nullptr) return use(*request.tls);
    return curl_.trust(request.ca_file);
  }

  Result<> use(const TlsSettings& tls) {
    if (tls.ca.empty()) {
      PCA_CHECK(curl_.trust({}));
    } else {
      curl_.trust_text(tls.ca, "the CA certificates that were given");
    }
    if (tls.certificate.empty()) return {};
    const auto give = [this](CURLoption option, std::string_view text) {
      curl_blob blob{const_cast<char*>(text.data()), text.size(), CURL_BLOB_NOCOPY};
      curl_.set(option, &blob);
    };
    give(CURLOPT_SSLCERT_BLOB, tls.certificate);
    give(CURLOPT_SSLKEY_BLOB, tls.key.expose());
    return {};
  }

  std::string user_agent_;
  HttpDialer dialer_;
  CurlHandle curl_;
};

}  // namespace

std::string HttpResponse::header(std::string_view name) const {
  for (const auto& [known, value] : headers) {
    if (equals_ignoring_case(known, name)) return value;
  }
  return {};
}

Result<> check_proxy_variables() {
  for (const bool is_plain : {false, true}) PCA_CHECK(proxy_of_environment(is_plain));
  return {};
}

std::unique_ptr<HttpTransport> make_http_transport(std::string user_agent, HttpDialer dialer) {
  return std::make_unique<CurlTransport>(std::move(user_agent), std::move(dialer));
}

}  // namespace pca
