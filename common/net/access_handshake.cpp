#include "net/access_handshake.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "net/curl_handle.hpp"

namespace pca {

namespace {

constexpr std::size_t longest_shown = 100;  // of a header inside a message

bool is_visible_ascii(char c) { return c > ' ' && c < '\x7F'; }
// What may stand in a header's value without ending it (RFC 9110, section 5.5).
bool is_header_text(char c) { return c == ' ' || c == '\t' || is_visible_ascii(c); }

Result<> check_header(std::string_view what, std::string_view value) {
  if (std::all_of(value.begin(), value.end(), is_header_text)) return {};
  return bad_input(fmt::format("{} holds a character that no HTTP header can carry", what),
                   "Look for a line break or a non-ASCII character in it.");
}

std::string excerpt(std::string_view text) { return visible(cut_utf8(text, longest_shown)); }

bool has_token(std::string_view list, std::string_view token) {
  for (const std::string& item : split(list, ',')) {
    if (equals_ignoring_case(trim(item), token)) return true;
  }
  return false;
}

std::string accept_for(std::string_view key) {
  constexpr std::string_view suffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455, 1.3
  return base64_encode(sha1(std::string(key).append(suffix)));
}

Result<int> parse_status_line(std::string_view line) {
  int status = 0;
  const bool is_http =
      line.size() >= 12 && (line.starts_with("HTTP/1.1 ") || line.starts_with("HTTP/1.0 "));
  if (is_http) {
    const auto [end, problem] = std::from_chars(line.data() + 9, line.data() + 12, status);
    const bool is_number = problem == std::errc() && end == line.data() + 12;
    if (is_number && status >= 100 && (line.size() == 12 || line[12] == ' ')) return status;
  }
  return unreachable(fmt::format("the answer is not HTTP/1.1: \"{}\"", excerpt(line)),
                     "Check access-hostname and access-port.");
}

// The number that Cloudflare gives its own error pages ("error code: 1033"), or 0.
int cloudflare_code(std::string_view body) {
  const std::string text = to_lower(body);
  for (const std::string_view mark : {"error code: ", "cf-error-code\">", "error "}) {
    for (std::size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1)) {
      const char* const digits = text.data() + at + mark.size();
      int code = 0;
      const auto [end, problem] = std::from_chars(digits, text.data() + text.size(), code);
      if (problem == std::errc() && end - digits == 4 && code >= 1000 && code < 1300) return code;
    }
  }
  return 0;
}

bool is_login_page(std::string_view location) {
  // The path, whatever the host: what cloudflared goes by.
  const std::size_t scheme = location.find("://");
  const std::size_t path = location.find('/', scheme == std::string_view::npos ? 0 : scheme + 3);
  return path != std::string_view::npos &&
         location.substr(path).starts_with("/cdn-cgi/access/login");
}

// Why Access itself says no.
std::string credential_cure(AccessCredential sent) {
  switch (sent) {
    case AccessCredential::none:
      return "No credentials were sent: set access-client-id and access-client-secret to a service "
             "token that a policy with action Service Auth of this application includes.";
    case AccessCredential::service_token:
      return "The service token was not accepted: include it in a policy with action Service Auth "
             "of this application (in an Allow policy it does not count), and check that "
             "access-client-id and access-client-secret are right and not expired.";
    case AccessCredential::token:
      break;
  }
  return "access-token was not accepted: it has expired or was issued for another application.";
}

constexpr const char* not_a_tunnel =
    "The hostname answers like a web site. Check that its tunnel route is ssh:// or tcp://, that "
    "WebSockets are on in the zone's network settings, and that no redirect rule (Always Use "
    "HTTPS, an http:// route), no SSL mode Off and no Binding Cookie of the application covers it.";

struct Meaning {
  ErrorKind kind = ErrorKind::unreachable;
  bool transient = false;
  std::string note;  // behind the status, may be empty
  std::string hint;
};

Meaning gate(std::string hint, std::string note = {}) {
  return {ErrorKind::permission, false, std::move(note), std::move(hint)};
}
Meaning outage(std::string hint, std::string note = {}) {
  return {ErrorKind::unreachable, true, std::move(note), std::move(hint)};
}

Meaning meaning_of_redirect(const Refusal& refusal) {
  const std::string host = excerpt(url_host(refusal.location));
  const std::string to = host.empty() ? std::string() : " to " + host;
  if (is_login_page(refusal.location)) {
    return gate(credential_cure(refusal.sent),
                "the login page" + (host.empty() ? "" : " of " + host));
  }
  return gate(not_a_tunnel, "a redirect" + to);
}

Meaning meaning_of_403(const Refusal& refusal, int code) {
  if (code == 1010) {
    return gate(
        "The zone's bot protection does not let this client in: exempt the hostname from "
        "Browser Integrity Check and (Super) Bot Fight Mode.",
        "blocked by bot protection");
  }
  if (code != 0) {
    return gate(
        "A security rule of the zone (WAF, IP access, rate limit) blocks this client: "
        "exempt the hostname from it.",
        "blocked by a security rule");
  }
  return gate(credential_cure(refusal.sent) +
              " Or else a WAF or bot rule of the zone blocks this client.");
}

Meaning meaning_of_530(int code) {
  if (code == 1016) {
    return outage("The hostname's DNS record leads nowhere: point it at the tunnel.",
                  "origin DNS error");
  }
  return outage(
      "The tunnel is down: no cloudflared is connected to it. Start it on the host and "
      "look at its log.",
      "tunnel down");
}

Meaning meaning_of(const Refusal& refusal, int code) {
  const int status = refusal.status;
  if (status / 100 == 3) return meaning_of_redirect(refusal);
  switch (status) {
    case 401:
      return gate(credential_cure(refusal.sent), "blocked by a Service Auth policy");
    case 403:
      return meaning_of_403(refusal, code);
    case 404:
      return {ErrorKind::unreachable,
              false,
              {},
              "No route of the tunnel serves this hostname: add one (ssh://... or tcp://...), "
              "and check access-hostname."};
    case 429:
      return outage("Too many requests: wait, or raise the zone's rate limit.");
    case 502:
      return outage(
          "The tunnel is up but its cloudflared cannot reach the target: check the "
          "route's address (ssh://localhost:22) and that the SSH server runs.",
          "target out of reach");
    case 530:
      return meaning_of_530(code);
    default:
      break;
  }
  if (status / 100 == 5) return outage("The edge or the tunnel has trouble: try again later.");
  return {ErrorKind::unreachable, false, {}, not_a_tunnel};
}

}  // namespace

Result<> check_access_settings(const AccessSettings& settings) {
  const std::string& host = settings.hostname;
  if (host.empty() || !std::all_of(host.begin(), host.end(), is_visible_ascii) ||
      host.find_first_of("/\\@?#:%[]") != std::string::npos) {
    return bad_input(fmt::format("access-hostname \"{}\" is not a host name", excerpt(host)),
                     "Write the bare name, like ssh.example.com; an international name in its "
                     "xn-- form.");
  }
  if (!settings.path.starts_with('/') ||
      !std::all_of(settings.path.begin(), settings.path.end(), is_visible_ascii)) {
    return bad_input(
        fmt::format("the Access path \"{}\" is not a URL path", excerpt(settings.path)),
        "It starts with / and has neither blanks nor non-ASCII characters.");
  }
  if (settings.client_id.empty() != settings.client_secret.empty()) {
    return bad_input(
        fmt::format("{} is missing",
                    settings.client_id.empty() ? "access-client-id" : "access-client-secret"),
        "A service token is both access-client-id and access-client-secret.");
  }
  if (!settings.client_id.empty() && !settings.token.empty()) {
    return bad_input("both a service token and access-token are set", "Set one of them.");
  }
  PCA_CHECK(check_header("access-client-id", settings.client_id));
  PCA_CHECK(check_header("access-client-secret", settings.client_secret.expose()));
  PCA_CHECK(check_header("access-token", settings.token.expose()));
  PCA_CHECK(check_header("access-destination", settings.destination));
  return check_header("the User-Agent", settings.user_agent);
}

std::string access_authority(const AccessSettings& settings) {
  if (settings.port == 443) return settings.hostname;
  return fmt::format("{}:{}", settings.hostname, settings.port);
}

std::string upgrade_request(const AccessSettings& settings, std::string_view key) {
  std::string request;
  // No reallocation may leave a copy of a secret behind.
  request.reserve(1024 + settings.path.size() + settings.hostname.size() +
                  settings.user_agent.size() + settings.client_id.size() +
                  settings.client_secret.size() + settings.destination.size() +
                  settings.token.size());
  const auto add = [&request](std::string_view name, std::string_view value) {
    request.append(name).append(": ").append(value).append("\r\n");
  };
  request.append("GET ").append(settings.path).append(" HTTP/1.1\r\n");
  add("Host", access_authority(settings));
  add("User-Agent", settings.user_agent);
  if (!settings.client_id.empty()) {
    add("Cf-Access-Client-Id", settings.client_id);
    add("Cf-Access-Client-Secret", settings.client_secret.expose());
  }
  if (!settings.destination.empty()) add("Cf-Access-Jump-Destination", settings.destination);
  if (!settings.token.empty()) add("Cf-Access-Token", settings.token.expose());
  add("Connection", "Upgrade");
  add("Sec-WebSocket-Key", key);
  add("Sec-WebSocket-Version", "13");
  add("Upgrade", "websocket");
  return request.append("\r\n");
}

std::string AnswerHead::header(std::string_view name) const {
  for (const auto& [known, value] : headers) {
    if (known == name) return value;
  }
  return {};
}

Result<std::optional<AnswerHead>> parse_answer_head(std::string_view text) {
  // A server that does not speak HTTP may never send an empty line: judge by what is there.
  constexpr std::string_view start = "HTTP/1.";
  const std::size_t known = std::min(text.size(), start.size());
  if (text.substr(0, known) != start.substr(0, known)) {
    PCA_CHECK(parse_status_line(text.substr(0, text.find_first_of("\r\n"))));
  }
  const std::size_t end = text.find("\r\n\r\n");
  if (end > answer_head_limit) {  // not there at all is npos, the largest number
    if (text.size() <= answer_head_limit) return std::optional<AnswerHead>();
    return unreachable("the answer's headers are longer than 32KiB",
                       "Check access-hostname: no Access edge answers so.");
  }
  AnswerHead head;
  head.size = end + 4;
  const std::vector<std::string> lines = split_lines(text.substr(0, end));
  PCA_TRY(head.status, parse_status_line(lines[0]));
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const std::size_t colon = lines[i].find(':');
    if (colon == std::string::npos) continue;  // a folded line: nothing that we need
    head.headers.emplace_back(to_lower(std::string_view(lines[i]).substr(0, colon)),
                              trim(std::string_view(lines[i]).substr(colon + 1)));
  }
  return std::optional(std::move(head));
}

Result<> check_upgrade(const AnswerHead& answer, std::string_view key) {
  const auto broken = [](std::string_view what) {
    return unreachable(fmt::format("the edge switched protocols, but {}", what),
                       "Something between here and the edge does not know WebSockets.");
  };
  if (!has_token(answer.header("upgrade"), "websocket")) return broken("not to WebSocket");
  if (!has_token(answer.header("connection"), "upgrade")) return broken("without saying so");
  if (answer.header("sec-websocket-accept") != accept_for(key)) {
    return broken("for somebody else's request");
  }
  if (!answer.header("sec-websocket-extensions").empty()) return broken("with extensions");
  if (!answer.header("sec-websocket-protocol").empty()) return broken("with a subprotocol");
  return {};
}

Error explain_refusal(const Refusal& refusal) {
  const int code = cloudflare_code(refusal.body);
  Meaning meaning = meaning_of(refusal, code);
  std::string facts = meaning.note;
  const auto add_fact = [&facts](const std::string& fact) {
    facts += (facts.empty() ? "" : ", ") + fact;
  };
  if (code != 0) add_fact(fmt::format("error code {}", code));
  if (!refusal.ray.empty()) add_fact("CF-RAY " + excerpt(refusal.ray));
  // Then nothing above is true.
  const bool is_cloudflare =
      refusal.server.empty() || to_lower(refusal.server).starts_with("cloudflare");
  if (!is_cloudflare) {
    add_fact("from the server \"" + excerpt(refusal.server) + "\"");
    meaning.hint =
        "The answer did not come from Cloudflare: check that the hostname's DNS record is proxied "
        "and that no other proxy is in between. " +
        meaning.hint;
  }
  return {meaning.kind,
          fmt::format("the Access edge {} refused the connection: {}{}", refusal.authority,
                      refusal.status, facts.empty() ? "" : " (" + facts + ")"),
          std::move(meaning.hint), meaning.transient};
}

}  // namespace pca
