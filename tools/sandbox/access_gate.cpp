#include "sandbox/access_gate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/digest.hpp"
#include "base/text.hpp"

namespace pca::sandbox {

namespace {

constexpr const char* team = "example.cloudflareaccess.com";
constexpr const char* handshake_guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455, 1.3

constexpr const char* ray_header = "CF-RAY";

const char* reason_of(int status) {
  struct Reason {
    int status;
    const char* text;
  };
  static constexpr std::array<Reason, 24> reasons{{{101, "Switching Protocols"},
                                                   {200, "OK"},
                                                   {201, "Created"},
                                                   {301, "Moved Permanently"},
                                                   {302, "Found"},
                                                   {307, "Temporary Redirect"},
                                                   {400, "Bad Request"},
                                                   {401, "Unauthorized"},
                                                   {403, "Forbidden"},
                                                   {404, "Not Found"},
                                                   {405, "Method Not Allowed"},
                                                   {407, "Proxy Authentication Required"},
                                                   {408, "Request Timeout"},
                                                   {409, "Conflict"},
                                                   {413, "Content Too Large"},
                                                   {422, "Unprocessable Entity"},
                                                   {429, "Too Many Requests"},
                                                   {431, "Request Header Fields Too Large"},
                                                   {500, "Internal Server Error"},
                                                   {502, "Bad Gateway"},
                                                   {503, "Service Unavailable"},
                                                   {504, "Gateway Timeout"},
                                                   {522, "Connection Timed Out"},
                                                   {530, "Origin Unreachable"}}};
  const auto found = std::find_if(reasons.begin(), reasons.end(),
                                  [&](const Reason& reason) { return reason.status == status; });
  return found == reasons.end() ? "Unassigned" : found->text;
}

Answer start_answer(int status) {
  Answer answer;
  answer.status = status;
  answer.headers = {{"Server", "cloudflare"}, {ray_header, random_hex(8) + "-SBX"}};
  return answer;
}

// Everything but letters and digits, which is more than has to be.
std::string percent_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool is_plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    out += is_plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string host_of(const RequestHead& request) {
  const std::string* host = request.find("Host");
  return host == nullptr ? "localhost" : *host;
}

// The audience of the application, made of its name.
std::string audience_of(std::string_view host) { return to_hex(sha256(host)); }

std::string login_page(const RequestHead& request) {
  const std::string host = host_of(request);
  const std::string meta = to_hex(sha256("meta of " + host));
  return fmt::format("https://{}/cdn-cgi/access/login/{}?kid={}&redirect_url={}&meta={}", team,
                     host.substr(0, host.rfind(':')), audience_of(host),
                     percent_encode(request.target), meta);
}

Answer make_plain_refusal(int status, const RequestHead& request) {
  Answer answer = start_answer(status);
  answer.headers.emplace_back("Content-Type", "text/html; charset=UTF-8");
  if (status == 301 || status == 307) {
    answer.headers.emplace_back("Location", "https://" + host_of(request) + request.target);
  }
  if (status == 302) answer.headers.emplace_back("Location", login_page(request));
  if (status == 401) answer.headers.emplace_back("WWW-Authenticate", "Cloudflare-Access");
  answer.body = status == 530 ? "error code: 1033\n"
                              : fmt::format("<html><head><title>{} {}</title></head></html>\n",
                                            status, reason_of(status));
  return answer;
}

bool has_service_token(const AccessPolicy& policy, const RequestHead& request) {
  const std::string* id = request.find("Cf-Access-Client-Id");
  const std::string* secret = request.find("Cf-Access-Client-Secret");
  return !policy.client_secret.empty() && id != nullptr && secret != nullptr &&
         *id == policy.client_id && *secret == policy.client_secret.expose();
}

bool has_jwt(const AccessPolicy& policy, const RequestHead& request) {
  const std::string* token = request.find("Cf-Access-Token");
  return !policy.token.empty() && token != nullptr && *token == policy.token.expose();
}

bool asks_for_websocket(const RequestHead& request) {
  const std::string* version = request.find("Sec-WebSocket-Version");
  return request.method == "GET" && request.version >= 11 &&
         request.has_token("Upgrade", "websocket") && request.has_token("Connection", "upgrade") &&
         version != nullptr && *version == "13" && request.find("Sec-WebSocket-Key") != nullptr;
}

}  // namespace

const std::string* RequestHead::find(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (equals_ignoring_case(key, name)) return &value;
  }
  return nullptr;
}

bool RequestHead::has_token(std::string_view name, std::string_view token) const {
  const std::string* value = find(name);
  if (value == nullptr) return false;
  const auto tokens = split(*value, ',');
  return std::any_of(tokens.begin(), tokens.end(), [&](const std::string& candidate) {
    return equals_ignoring_case(trim(candidate), token);
  });
}

std::string Answer::text() const {
  std::string out = fmt::format("HTTP/1.1 {} {}\r\n", status, reason_of(status));
  for (const auto& [name, value] : headers) out += fmt::format("{}: {}\r\n", name, value);
  if (status != 101) {
    out += fmt::format("Content-Length: {}\r\nConnection: close\r\n", body.size());
  }
  return out + "\r\n" + body;
}

std::vector<std::string> refusal_names() {
  return {"login-redirect", "login-redirect-no-ray", "403-1010"};
}

bool is_refusal(std::string_view name) {
  const auto names = refusal_names();
  return std::find(names.begin(), names.end(), name) != names.end() ||
         parse_integer(name, 200, 599).has_value();
}

Answer make_refusal(std::string_view name, const RequestHead& request) {
  if (name == "403-1010") {
    Answer answer = make_plain_refusal(403, request);
    answer.body = "error code: 1010\n";
    return answer;
  }
  if (name.starts_with("login-redirect")) {
    Answer answer = make_plain_refusal(302, request);
    if (name.ends_with("-no-ray")) {
      std::erase_if(answer.headers, [](const auto& header) { return header.first == ray_header; });
    }
    return answer;
  }
  return make_plain_refusal(static_cast<int>(parse_integer(name, 200, 599).value_or(500)), request);
}

Answer make_upgrade(std::string_view key) {
  Answer answer = start_answer(101);
  answer.headers.emplace_back("Upgrade", "websocket");
  answer.headers.emplace_back("Connection", "Upgrade");
  answer.headers.emplace_back("Sec-WebSocket-Accept",
                              base64_encode(sha1(std::string(key) + handshake_guid)));
  return answer;
}

std::optional<Answer> refuse(const AccessPolicy& policy, const RequestHead& request) {
  if (!policy.refuse.empty()) return make_refusal(policy.refuse, request);
  if (!policy.is_open && !has_service_token(policy, request) && !has_jwt(policy, request)) {
    return make_refusal(policy.deny, request);
  }
  if (!asks_for_websocket(request)) return make_refusal("400", request);
  return std::nullopt;
}

}  // namespace pca::sandbox
