#include <gtest/gtest.h>

#include <algorithm>

#include "net/http.hpp"
#include "net/tls.hpp"
#include "support/canned_server.hpp"
#include "support/tls_server.hpp"

namespace pca {
namespace {

using testing::CannedServer;
using testing::read_request_head;
using testing::send_text;
using testing::TlsServer;

// What a Proxmox VE server says of its connections: both, and it keeps them.
constexpr const char* doubled =
    "HTTP/1.1 200 OK\r\nConnection: close\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok";
constexpr const char* plain = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

class HttpConnection : public ::testing::Test {
 protected:
  Result<HttpResponse> send(const HttpRequest& request) {
    return transport->send(patient, request);
  }

  const Budget patient = Budget::of(Milliseconds{20'000});
  const std::unique_ptr<HttpTransport> transport = make_http_transport("tests/1.0");
};

void answer_all(SSL* connection) {
  while (!read_request_head(connection).empty()) send_text(connection, plain);
}

TEST_F(HttpConnection, TellsTheReason) {
  const CannedServer server({"HTTP/1.1 500 VM is locked (backup)\r\nContent-Length: 0\r\n\r\n",
                             "HTTP/1.1 204\r\n\r\n",
                             "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
                             "0\r\n\r\n"});
  HttpRequest request;
  request.url = server.url();
  EXPECT_EQ(send(request)->reason, "VM is locked (backup)");
  EXPECT_EQ(send(request)->reason, "");
  EXPECT_EQ(send(request)->reason, "OK");
}

TEST_F(HttpConnection, IsKeptInHttp10WhereTheServerSaysCloseAndKeepsIt) {
  const std::string in_1_0 = std::string(doubled).replace(7, 1, "0");  // as it was asked
  const CannedServer server({plain, in_1_0, in_1_0, in_1_0});
  HttpRequest request;
  request.url = server.url();
  HttpTrace trace;
  request.trace = &trace;
  ASSERT_TRUE(send(request));  // as one that does not yet know whom it asks
  EXPECT_FALSE(trace.reused);
  EXPECT_TRUE(trace.answered);
  request.as_http_1_0 = true;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(send(request));
    EXPECT_TRUE(trace.reused) << i;
  }
  EXPECT_EQ(server.connections(), 1);
  const std::string asked = server.requests()[1];
  EXPECT_TRUE(asked.starts_with("GET / HTTP/1.0\r\n")) << asked;
  EXPECT_NE(asked.find("Connection: keep-alive\r\n"), std::string::npos) << asked;
}

TEST_F(HttpConnection, WithoutThatEachSuchAnswerCostsOne) {
  const CannedServer server({doubled, doubled});
  HttpRequest request;
  request.url = server.url();
  ASSERT_TRUE(send(request));
  ASSERT_TRUE(send(request));
  EXPECT_EQ(server.connections(), 2);
}

TEST_F(HttpConnection, ThatEndedIsTriedAgainUnlessOnceIsAllThatIsAllowed) {
  const CannedServer server({plain, "cut", plain, plain, "cut", plain});
  HttpRequest request;
  request.url = server.url();
  HttpTrace trace;
  request.trace = &trace;
  ASSERT_TRUE(send(request));
  ASSERT_TRUE(send(request));  // the second went over a connection that was cut
  EXPECT_EQ(server.requests().size(), 3U);
  request.method = "POST";
  request.is_sent_once = true;
  ASSERT_TRUE(send(request));
  const auto cut = send(request);
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().kind, ErrorKind::unreachable);
  EXPECT_EQ(cut.error().message,
            "POST " + server.url() + ": the connection ended before an answer came");
  EXPECT_TRUE(trace.reused);
  EXPECT_FALSE(trace.answered);
  EXPECT_EQ(server.requests().size(), 5U);
}

TEST_F(HttpConnection, AFirstThatFailsIsNotTakenForOneThatWasReused) {
  const CannedServer server({"cut"});
  HttpRequest request;
  request.method = "POST";
  request.url = server.url();
  request.is_sent_once = true;
  HttpTrace trace;
  request.trace = &trace;
  ASSERT_FALSE(send(request));
  EXPECT_TRUE(trace.sent);
  EXPECT_FALSE(trace.reused);
  EXPECT_FALSE(trace.answered);
}

TEST_F(HttpConnection, WhatNeverWentOutIsToldApart) {
  HttpRequest request;
  request.method = "POST";
  request.url = "http://127.0.0.1:" + std::to_string(testing::ClosedPort().port()) + "/";
  HttpTrace trace;
  trace.sent = true;
  request.trace = &trace;
  ASSERT_FALSE(send(request));
  EXPECT_FALSE(trace.sent);
}

TEST_F(HttpConnection, ABodyIsReadAsItIsSentWithItsLengthKnown) {
  const CannedServer server({plain, plain});
  std::string body(100'000, 'b');
  std::size_t given = 0;
  const HttpBodySource source{
      body.size(), [&](std::span<char> into) -> Result<std::size_t> {
        const std::size_t size = std::min({into.size(), std::size_t{7000}, body.size() - given});
        std::copy_n(body.begin() + static_cast<std::ptrdiff_t>(given), size, into.begin());
        given += size;
        return size;
      }};
  HttpRequest request;
  request.method = "POST";
  request.url = server.url();
  request.body_source = &source;
  ASSERT_TRUE(send(request));
  const std::string asked = server.requests()[0];
  EXPECT_NE(asked.find("Content-Length: 100000\r\n"), std::string::npos) << asked.substr(0, 300);
  EXPECT_EQ(asked.find("chunked"), std::string::npos);
  EXPECT_EQ(asked.find("Expect"), std::string::npos);
  EXPECT_TRUE(asked.ends_with("\r\n\r\n" + body));

  const HttpBodySource broken{
      10, [](std::span<char>) -> Result<std::size_t> { return failed("the file cannot be read"); }};
  request.body_source = &broken;
  EXPECT_EQ(send(request).error().message, "the file cannot be read");
}

TEST_F(HttpConnection, TrustsAFingerprintWhateverTheNameAndWhoeverSigned) {
  const TlsServer server("pve1.example.com", answer_all);
  HttpRequest request;
  request.url = "https://" + server.address() + "/";
  HttpTrace trace;
  request.trace = &trace;
  TlsSettings anybody;
  anybody.trusts_anybody = true;
  request.tls = &anybody;
  {
    const auto first = make_http_transport("tests/1.0")->send(patient, request);
    ASSERT_TRUE(first) << first.error().message;
  }
  const std::string fingerprint = trace.fingerprint;
  EXPECT_EQ(fingerprint.size(), 95U) << fingerprint;

  TlsSettings pinned;
  pinned.fingerprints = {std::string(fingerprint.size(), '0'), fingerprint};
  request.tls = &pinned;
  const auto good = send(request);
  ASSERT_TRUE(good) << good.error().message;
  EXPECT_EQ(trace.fingerprint, fingerprint);
  ASSERT_TRUE(send(request));
  EXPECT_TRUE(trace.reused);
  EXPECT_EQ(trace.fingerprint, "");
}

TEST_F(HttpConnection, RefusesAnotherFingerprintAndTellsIt) {
  const TlsServer server("pve1.example.com", answer_all);
  TlsSettings pinned;
  pinned.fingerprints = {*parse_fingerprint(std::string(64, 'a'))};
  HttpRequest request;
  request.url = "https://" + server.address() + "/";
  request.tls = &pinned;
  HttpTrace trace;
  request.trace = &trace;
  const auto refused = send(request);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::permission);
  EXPECT_EQ(trace.fingerprint.size(), 95U);
  EXPECT_EQ(refused.error().message,
            "GET " + request.url + ": the certificate of " + server.address() +
                " is not one of those that are trusted: its SHA-256 fingerprint is " +
                trace.fingerprint);
}

TEST_F(HttpConnection, NotingAFingerprintTrustsNobodyMore) {
  const TlsServer server("127.0.0.1", answer_all);
  HttpRequest request;
  request.url = "https://" + server.address() + "/";
  HttpTrace trace;
  request.trace = &trace;
  const auto refused = send(request);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::permission);
  EXPECT_EQ(trace.fingerprint.size(), 95U);
}

TEST(Fingerprint, IsReadInTheSpellingsThatPeoplePaste) {
  const std::string hex(64, 'a');
  std::string wanted;
  for (int i = 0; i < 32; ++i) wanted += i == 0 ? "AA" : ":AA";
  for (const std::string& text : {hex, wanted, "sha256:" + wanted, "  SHA256:" + hex + "\n"}) {
    const auto parsed = parse_fingerprint(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(*parsed, wanted);
  }
  for (const std::string& text : {hex.substr(1), hex + "a", std::string(64, 'g'), std::string()}) {
    EXPECT_EQ(parse_fingerprint(text).error().kind, ErrorKind::bad_input) << text;
  }
}

}  // namespace
}  // namespace pca
