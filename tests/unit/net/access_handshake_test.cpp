#include "net/access_handshake.hpp"

#include <gtest/gtest.h>

#include "runner/redactor.hpp"

namespace pca {
namespace {

using namespace std::string_literals;

class AccessHandshake : public ::testing::Test {
 protected:
  AccessSettings settings() {
    AccessSettings made;
    made.hostname = "ssh.example.com";
    made.user_agent = "tunnel-ssh/1.2.3";
    return made;
  }
  AccessSettings with_service_token() {
    AccessSettings made = settings();
    made.client_id = "abc.access";
    made.client_secret = redactor.protect("top-secret");
    return made;
  }
  Redactor redactor;
};

TEST_F(AccessHandshake, AsksInTheOrderOfTheRealClient) {
  AccessSettings all = with_service_token();
  all.port = 8443;
  all.path = "/tunnel?x=1";
  all.destination = "10.0.0.5:22";
  EXPECT_EQ(upgrade_request(all, "a2V5"),
            "GET /tunnel?x=1 HTTP/1.1\r\n"
            "Host: ssh.example.com:8443\r\n"
            "User-Agent: tunnel-ssh/1.2.3\r\n"
            "Cf-Access-Client-Id: abc.access\r\n"
            "Cf-Access-Client-Secret: top-secret\r\n"
            "Cf-Access-Jump-Destination: 10.0.0.5:22\r\n"
            "Connection: Upgrade\r\n"
            "Sec-WebSocket-Key: a2V5\r\n"
            "Sec-WebSocket-Version: 13\r\n"
            "Upgrade: websocket\r\n"
            "\r\n");
}

TEST_F(AccessHandshake, SendsATokenInsteadAndNothingThatIsNotSet) {
  AccessSettings with_token = settings();
  with_token.token = redactor.protect("eyJ.jwt.x");
  EXPECT_EQ(upgrade_request(with_token, "a2V5"),
            "GET / HTTP/1.1\r\n"
            "Host: ssh.example.com\r\n"
            "User-Agent: tunnel-ssh/1.2.3\r\n"
            "Cf-Access-Token: eyJ.jwt.x\r\n"
            "Connection: Upgrade\r\n"
            "Sec-WebSocket-Key: a2V5\r\n"
            "Sec-WebSocket-Version: 13\r\n"
            "Upgrade: websocket\r\n"
            "\r\n");
}

TEST_F(AccessHandshake, RefusesSettingsThatWouldBreakTheRequest) {
  const auto message = [](const AccessSettings& bad) {
    const auto checked = check_access_settings(bad);
    EXPECT_FALSE(checked);
    if (checked) return std::string();
    EXPECT_EQ(checked.error().kind, ErrorKind::bad_input);
    EXPECT_NE(checked.error().hint, "");
    return checked.error().message;
  };
  EXPECT_TRUE(check_access_settings(settings()));
  EXPECT_TRUE(check_access_settings(with_service_token()));

  for (const char* host : {"", "a b", "a\r\nX: y", "https://a.example", "a.example:22", "u@a",
                           "a.example/x", "b\303\274cher.example", "[::1]", "a%41"}) {
    AccessSettings bad = settings();
    bad.hostname = host;
    EXPECT_TRUE(message(bad).starts_with("access-hostname \"")) << host;
  }
  AccessSettings bad = settings();
  bad.path = "x";
  EXPECT_EQ(message(bad), "the Access path \"x\" is not a URL path");
  bad.path = "/a\r\nX: y";
  EXPECT_EQ(message(bad), "the Access path \"/a\\x0D\\x0AX: y\" is not a URL path");

  bad = settings();
  bad.client_id = "abc.access";
  EXPECT_EQ(message(bad), "access-client-secret is missing");
  bad = settings();
  bad.client_secret = redactor.protect("top-secret");
  EXPECT_EQ(message(bad), "access-client-id is missing");
  bad = with_service_token();
  bad.token = redactor.protect("eyJ.jwt.x");
  EXPECT_EQ(message(bad), "both a service token and access-token are set");

  bad = with_service_token();
  bad.client_secret = redactor.protect("top-secret\r\nX: y");
  EXPECT_EQ(message(bad), "access-client-secret holds a character that no HTTP header can carry");
  bad = settings();
  bad.destination = "a\nb";
  EXPECT_EQ(message(bad), "access-destination holds a character that no HTTP header can carry");
}

TEST_F(AccessHandshake, ParsesAnAnswerOnlyOnceItIsComplete) {
  const std::string head =
      "HTTP/1.1 101 Switching Protocols\r\nCF-RAY:  8f00-FRA \r\nX: a\r\nx: b\r\n folded: "
      "c\r\n\r\n";
  for (std::size_t cut = 0; cut < head.size(); ++cut) {
    const auto part = parse_answer_head(std::string_view(head).substr(0, cut));
    ASSERT_TRUE(part) << part.error().message;
    ASSERT_FALSE(part->has_value()) << "cut at " << cut;
  }
  const auto whole = parse_answer_head(head + "SSH-2.0-x\r\n");
  ASSERT_TRUE(whole);
  ASSERT_TRUE(whole->has_value());
  EXPECT_EQ((*whole)->status, 101);
  EXPECT_EQ((*whole)->size, head.size());
  EXPECT_EQ((*whole)->header("cf-ray"), "8f00-FRA");
  EXPECT_EQ((*whole)->header("x"), "a");
  EXPECT_EQ((*whole)->header("y"), "");
}

TEST_F(AccessHandshake, TakesAStatusWithoutAReason) {
  for (const char* line : {"HTTP/1.1 403", "HTTP/1.0 403 ", "HTTP/1.1 403 For\xFF bidden"}) {
    const auto head = parse_answer_head(line + "\r\n\r\n"s);
    ASSERT_TRUE(head && head->has_value()) << line;
    EXPECT_EQ((*head)->status, 403) << line;
  }
}

TEST_F(AccessHandshake, RefusesAnswersThatAreNotHttp) {
  for (const char* text : {"SSH-2.0-OpenSSH_9.2\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 20\r\n\r\n",
                           "HTTP/1.1 2000 x\r\n\r\n", "HTTP/1.1 -12 x\r\n\r\n",
                           "HTTP/1.1 099 x\r\n\r\n", "\r\n\r\n"}) {
    const auto head = parse_answer_head(text);
    ASSERT_FALSE(head) << text;
    EXPECT_EQ(head.error().kind, ErrorKind::unreachable);
    EXPECT_TRUE(head.error().message.starts_with("the answer is not HTTP/1.1: \"")) << text;
  }
  const auto endless = parse_answer_head("HTTP/1.1 200 OK\r\nX: " + std::string(40'000, 'x'));
  ASSERT_FALSE(endless);
  EXPECT_EQ(endless.error().message, "the answer's headers are longer than 32KiB");
}

AnswerHead switching(const std::string& accept) {
  AnswerHead head;
  head.status = 101;
  head.headers = {{"upgrade", "WebSocket"},
                  {"connection", "keep-alive, Upgrade"},
                  {"sec-websocket-accept", accept}};
  return head;
}

TEST_F(AccessHandshake, ChecksTheAnswerToItsKey) {
  // The example of RFC 6455, section 1.3.
  const std::string key = "dGhlIHNhbXBsZSBub25jZQ==";
  const std::string accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
  EXPECT_TRUE(check_upgrade(switching(accept), key));

  const auto said = [&](const AnswerHead& answer) {
    const auto checked = check_upgrade(answer, key);
    return checked ? std::string("fine") : checked.error().message;
  };
  EXPECT_EQ(said(switching("s3pPLMBiTxaQ9kYGzzhZRbK+xOo")),
            "the edge switched protocols, but for somebody else's request");
  AnswerHead other = switching(accept);
  other.headers[0].second = "h2c";
  EXPECT_EQ(said(other), "the edge switched protocols, but not to WebSocket");
  other = switching(accept);
  other.headers[1].second = "keep-alive";
  EXPECT_EQ(said(other), "the edge switched protocols, but without saying so");
  other = switching(accept);
  other.headers.emplace_back("sec-websocket-extensions", "permessage-deflate");
  EXPECT_EQ(said(other), "the edge switched protocols, but with extensions");
  other = switching(accept);
  other.headers.emplace_back("sec-websocket-protocol", "chat");
  EXPECT_EQ(said(other), "the edge switched protocols, but with a subprotocol");
}

const char* const login =
    "https://team.cloudflareaccess.com/cdn-cgi/access/login/ssh.example.com?kid=secretkid&meta=x";

// One row of what the real edge answers.
struct Row {
  const char* name;
  Refusal refusal;
  ErrorKind kind;
  bool transient;
  const char* message;
  const char* in_hint;
};

Refusal answer(int status, AccessCredential sent = AccessCredential::service_token,
               std::string location = {}, std::string body = {}) {
  return {.authority = "ssh.example.com",
          .sent = sent,
          .status = status,
          .location = std::move(location),
          .ray = "8f00-FRA",
          .server = "cloudflare",
          .body = std::move(body)};
}

class ExplainRefusal : public ::testing::TestWithParam<Row> {};

TEST_P(ExplainRefusal, NamesCauseAndCure) {
  const Row& row = GetParam();
  const Error error = explain_refusal(row.refusal);
  EXPECT_EQ(error.kind, row.kind);
  EXPECT_EQ(error.transient, row.transient);
  EXPECT_EQ(error.message,
            std::string("the Access edge ssh.example.com refused the connection: ") + row.message);
  EXPECT_NE(error.hint.find(row.in_hint), std::string::npos) << error.hint;
  EXPECT_EQ((error.message + error.hint).find("secretkid"), std::string::npos);
}

constexpr auto permission = ErrorKind::permission;
constexpr auto no_connection = ErrorKind::unreachable;

INSTANTIATE_TEST_SUITE_P(
    Table, ExplainRefusal,
    ::testing::Values(
        Row{"login_with_service_token", answer(302, AccessCredential::service_token, login),
            permission, false, "302 (the login page of team.cloudflareaccess.com, CF-RAY 8f00-FRA)",
            "The service token was not accepted: include it in a policy with action Service Auth"},
        Row{"login_with_jwt", answer(302, AccessCredential::token, login), permission, false,
            "302 (the login page of team.cloudflareaccess.com, CF-RAY 8f00-FRA)",
            "access-token was not accepted: it has expired"},
        Row{"login_without_credentials", answer(302, AccessCredential::none, login), permission,
            false, "302 (the login page of team.cloudflareaccess.com, CF-RAY 8f00-FRA)",
            "No credentials were sent: set access-client-id"},
        Row{"login_by_relative_location",
            answer(302, AccessCredential::none, "/cdn-cgi/access/login/x?kid=secretkid"),
            permission, false, "302 (the login page, CF-RAY 8f00-FRA)", "No credentials were sent"},
        Row{"redirect_elsewhere",
            answer(302, AccessCredential::none, "https://user:pw@Www.Example.com:8/x?secretkid"),
            permission, false, "302 (a redirect to www.example.com, CF-RAY 8f00-FRA)",
            "its tunnel route is ssh:// or tcp://"},
        Row{"moved", answer(301, AccessCredential::none, "https://ssh.example.com/"), permission,
            false, "301 (a redirect to ssh.example.com, CF-RAY 8f00-FRA)", "Always Use HTTPS"},
        Row{"temporarily_moved", answer(307, AccessCredential::none, "\r\nnonsense"), permission,
            false, "307 (a redirect, CF-RAY 8f00-FRA)", "answers like a web site"},
        Row{"web_page", answer(200), no_connection, false, "200 (CF-RAY 8f00-FRA)",
            "WebSockets are on in the zone's network settings"},
        Row{"bad_request", answer(400), no_connection, false, "400 (CF-RAY 8f00-FRA)",
            "WebSockets are on in the zone's network settings"},
        Row{"service_auth_401", answer(401), permission, false,
            "401 (blocked by a Service Auth policy, CF-RAY 8f00-FRA)",
            "The service token was not accepted"},
        Row{"forbidden", answer(403), permission, false, "403 (CF-RAY 8f00-FRA)",
            "Or else a WAF or bot rule"},
        Row{"bot_rule", answer(403, AccessCredential::service_token, {}, "error code: 1010"),
            permission, false, "403 (blocked by bot protection, error code 1010, CF-RAY 8f00-FRA)",
            "Browser Integrity Check"},
        Row{"firewall_rule",
            answer(403, AccessCredential::service_token, {}, "<h1>Error 1020</h1>"), permission,
            false, "403 (blocked by a security rule, error code 1020, CF-RAY 8f00-FRA)", "WAF"},
        Row{"no_route", answer(404), no_connection, false, "404 (CF-RAY 8f00-FRA)",
            "No route of the tunnel serves this hostname"},
        Row{"too_many", answer(429), no_connection, true, "429 (CF-RAY 8f00-FRA)", "rate limit"},
        Row{"target_down", answer(502), no_connection, true,
            "502 (target out of reach, CF-RAY 8f00-FRA)", "the SSH server runs"},
        Row{"tunnel_down",
            answer(530, AccessCredential::none, {}, "<span class=\"cf-error-code\">1033</span>"),
            no_connection, true, "530 (tunnel down, error code 1033, CF-RAY 8f00-FRA)",
            "no cloudflared is connected"},
        Row{"no_dns", answer(530, AccessCredential::none, {}, "error code: 1016"), no_connection,
            true, "530 (origin DNS error, error code 1016, CF-RAY 8f00-FRA)",
            "point it at the tunnel"},
        Row{"other_trouble", answer(503), no_connection, true, "503 (CF-RAY 8f00-FRA)",
            "try again later"},
        Row{"teapot", answer(418), no_connection, false, "418 (CF-RAY 8f00-FRA)",
            "answers like a web site"}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST_F(AccessHandshake, SaysWhenTheAnswerIsNotFromCloudflare) {
  Refusal refusal = answer(404);
  refusal.ray.clear();
  refusal.server = "nginx/1.2\x1B[31m";
  const Error error = explain_refusal(refusal);
  EXPECT_EQ(error.message,
            "the Access edge ssh.example.com refused the connection: 404 (from the server "
            "\"nginx/1.2\\x1B[31m\")");
  EXPECT_TRUE(error.hint.starts_with("The answer did not come from Cloudflare: ")) << error.hint;
}

TEST_F(AccessHandshake, MakesHostileHeadersVisibleAndCutsThem) {
  Refusal refusal = answer(403);
  refusal.ray = "\x1B]0;x\x07" + std::string(5000, 'r');
  const Error error = explain_refusal(refusal);
  EXPECT_LT(error.message.size(), 300U);
  EXPECT_NE(error.message.find("\\x1B]0;x\\x07"), std::string::npos);
}

}  // namespace
}  // namespace pca
