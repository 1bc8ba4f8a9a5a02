#include "net/http.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/un.h>

#include <filesystem>

#include "runner/redactor.hpp"
#include "support/canned_server.hpp"
#include "support/tls_server.hpp"

namespace pca {
namespace {

using namespace std::string_literals;
using testing::CannedServer;
using testing::ClosedPort;
using testing::ScopedVariable;

std::string answer(const std::string& status, const std::string& body,
                   const std::string& more_headers = "") {
  return "HTTP/1.1 " + status + "\r\n" + more_headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string first_line(const std::string& text) { return text.substr(0, text.find("\r\n")); }

class Http : public ::testing::Test {
 protected:
  Result<HttpResponse> get(const std::string& url) {
    HttpRequest request;
    request.url = url;
    return transport->send(patient, request);
  }
  const Budget patient = Budget::of(Milliseconds{20'000});
  const std::unique_ptr<HttpTransport> transport = make_http_transport("tests/1.0");
  Redactor redactor;
};

TEST_F(Http, GivesStatusHeadersAndBody) {
  const CannedServer server({answer("200 OK", "hello", "X-One: 1\r\nX-ONE: 2\r\n")});
  const auto response = get(server.url("/path?q=1"));
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, "hello");
  EXPECT_EQ(response->header("x-one"), "1");
  EXPECT_EQ(response->headers[1].first, "x-one");
  EXPECT_EQ(response->header("X-Two"), "");
  EXPECT_GT(response->total_ms, 0);
  EXPECT_EQ(server.requests()[0],
            "GET /path?q=1 HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(server.port()) +
                "\r\nUser-Agent: tests/1.0\r\nAccept: */*\r\n\r\n");
}

TEST_F(Http, AnyStatusIsAResponse) {
  const CannedServer server({answer("404 Not Found", "no"), answer("500 Oh", "")});
  EXPECT_EQ(get(server.url())->status, 404);
  EXPECT_EQ(get(server.url())->status, 500);
}

TEST_F(Http, KeepsTheConnectionBetweenRequests) {
  const CannedServer server({answer("200 OK", "1"), answer("200 OK", "2")});
  EXPECT_EQ(get(server.url())->body, "1");
  EXPECT_EQ(get(server.url())->body, "2");
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(Http, AnAnswerMayBeTakenAsItArrives) {
  const std::string body(300'000, 'x');
  const CannedServer server({answer("200 OK", body), answer("404 Not Found", "none"),
                             answer("200 OK", body), answer("200 OK", "after")});
  HttpRequest request;
  request.url = server.url();
  request.response_limit = 10;
  std::string got;
  request.sink = [&](std::string_view piece) {
    got += piece;
    return true;
  };
  const auto whole = transport->send(patient, request);
  ASSERT_TRUE(whole) << whole.error().message;
  EXPECT_EQ(got, body);
  EXPECT_EQ(whole->body, "");
  const auto bad = transport->send(patient, request);
  ASSERT_TRUE(bad) << bad.error().message;
  EXPECT_EQ(bad->status, 404);
  EXPECT_EQ(bad->body, "none");
  EXPECT_EQ(got, body);

  std::size_t pieces = 0;
  request.sink = [&](std::string_view) { return ++pieces < 2; };
  const auto enough = transport->send(patient, request);
  ASSERT_TRUE(enough) << enough.error().message;
  EXPECT_EQ(enough->status, 200);
  EXPECT_EQ(pieces, 2U);
  EXPECT_EQ(server.connections(), 1);
  EXPECT_EQ(get(server.url())->body, "after");
  EXPECT_EQ(server.connections(), 2);
}

TEST_F(Http, AnAnswerWithoutEndEndsWithItsBudget) {
  const CannedServer server({"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegun",
                             "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegun"});
  std::stop_source stop;
  HttpRequest request;
  request.url = server.url();
  request.sink = [&](std::string_view piece) {
    EXPECT_EQ(piece, "begun");
    stop.request_stop();
    return true;
  };
  const auto cancelled =
      transport->send(Budget::of(Milliseconds{20'000}, stop.get_token()), request);
  ASSERT_FALSE(cancelled);
  EXPECT_EQ(cancelled.error().kind, ErrorKind::cancelled);
  const auto timed_out = transport->send(Budget::of(Milliseconds{200}), request);
  ASSERT_FALSE(timed_out);
  EXPECT_EQ(timed_out.error().kind, ErrorKind::unreachable);
}

TEST_F(Http, SendsMethodsBodiesAndHeaders) {
  const CannedServer server(std::vector<std::string>(6, answer("200 OK", "")));
  const Secret secret = redactor.protect("top-secret");
  HttpRequest request;
  request.method = "POST";
  request.url = server.url();
  request.headers = {{"Content-Type", "application/json"}, {"X-Empty", ""}};
  request.secret_headers = {{"Authorization", &secret}};
  request.body = "{\"a\":\0 1}"s;
  ASSERT_TRUE(transport->send(patient, request));
  EXPECT_EQ(server.requests()[0],
            "POST / HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(server.port()) +
                "\r\nUser-Agent: tests/1.0\r\nAccept: */*\r\nContent-Type: application/json\r\n"
                "X-Empty:\r\nAuthorization: top-secret\r\nContent-Length: 9\r\n\r\n{\"a\":\0 1}"s);

  request = {};
  request.url = server.url();
  for (const char* method : {"POST", "PUT", "PATCH", "DELETE"}) {
    request.method = method;
    ASSERT_TRUE(transport->send(patient, request));
  }
  const auto requests = server.requests();
  EXPECT_NE(requests[1].find("Content-Length: 0\r\n"), std::string::npos) << requests[1];
  EXPECT_EQ(requests[1].find("Content-Type"), std::string::npos) << requests[1];
  EXPECT_EQ(first_line(requests[2]), "PUT / HTTP/1.1");
  EXPECT_EQ(first_line(requests[3]), "PATCH / HTTP/1.1");
  EXPECT_EQ(first_line(requests[4]), "DELETE / HTTP/1.1");
}

TEST_F(Http, HeadHasNoBody) {
  const CannedServer server({"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"});
  HttpRequest request;
  request.method = "HEAD";
  request.url = server.url();
  const auto response = transport->send(patient, request);
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->header("content-length"), "1000");
}

TEST_F(Http, DoesNotFollowRedirectsUnlessAsked) {
  const CannedServer server({answer("302 Found", "", "Location: /next\r\n")});
  const auto response = get(server.url());
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 302);
  EXPECT_EQ(server.requests().size(), 1U);
}

TEST_F(Http, FollowsRedirectsWithTheRightMethodAndSecretsOnTheSameOrigin) {
  const CannedServer server({answer("307 Again", "", "Location: /same\r\n"),
                             answer("303 Other", "", "Location: /get\r\n"), answer("200 OK", "")});
  const Secret secret = redactor.protect("top-secret");
  HttpRequest request;
  request.method = "POST";
  request.url = server.url();
  request.body = "body";
  request.secret_headers = {{"X-Token", &secret}};
  request.follow_redirects = true;
  ASSERT_TRUE(transport->send(patient, request));
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 3U);
  EXPECT_EQ(first_line(requests[1]), "POST /same HTTP/1.1");
  EXPECT_TRUE(requests[1].ends_with("\r\n\r\nbody"));
  EXPECT_EQ(first_line(requests[2]), "GET /get HTTP/1.1");
  EXPECT_TRUE(requests[2].ends_with("\r\n\r\n"));
  EXPECT_NE(requests[2].find("X-Token: top-secret"), std::string::npos);
}

TEST_F(Http, DropsSecretsForGoodWhenARedirectLeavesTheOrigin) {
  const CannedServer other({answer("302 Found", "", "Location: http://127.0.0.1:1/\r\n")});
  const CannedServer server({answer("302 Found", "", "Location: " + other.url() + "\r\n")});
  const Secret secret = redactor.protect("top-secret");
  HttpRequest request;
  request.url = server.url();
  request.headers = {{"X-Plain", "kept"}};
  request.secret_headers = {{"X-Token", &secret}};
  request.follow_redirects = true;
  EXPECT_FALSE(transport->send(patient, request));
  EXPECT_NE(server.requests()[0].find("top-secret"), std::string::npos);
  EXPECT_EQ(other.requests()[0].find("top-secret"), std::string::npos);
  EXPECT_NE(other.requests()[0].find("X-Plain: kept"), std::string::npos);
}

TEST_F(Http, GivesUpOnEndlessRedirects) {
  const CannedServer server(
      std::vector<std::string>(10, answer("302 Found", "", "Location: /again\r\n")));
  HttpRequest request;
  request.url = server.url("/x?secret=1");
  request.follow_redirects = true;
  const auto response = transport->send(patient, request);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().message, "GET " + server.url("/x") + " redirects more than 5 times");
  EXPECT_EQ(server.requests().size(), 6U);
}

TEST_F(Http, OnlySpeaksHttp) {
  const CannedServer server({answer("302 Found", "", "Location: ftp://127.0.0.1/\r\n")});
  EXPECT_EQ(get("file:///etc/passwd").error().kind, ErrorKind::bad_input);
  HttpRequest request;
  request.url = server.url();
  request.follow_redirects = true;
  EXPECT_EQ(transport->send(patient, request).error().kind, ErrorKind::bad_input);
}

TEST_F(Http, LimitsTheBody) {
  const CannedServer server({answer("200 OK", std::string(1000, 'x')),
                             answer("200 OK", std::string(1000, 'x')),
                             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                             "200\r\n" +
                                 std::string(0x200, 'x') +
                                 "\r\n"
                                 "300\r\n" +
                                 std::string(0x300, 'x') + "\r\n0\r\n\r\n"});
  HttpRequest request;
  request.url = server.url();
  request.response_limit = 1000;
  EXPECT_TRUE(transport->send(patient, request));
  request.response_limit = 999;
  for (int i = 0; i < 2; ++i) {
    const auto response = transport->send(patient, request);
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().kind, ErrorKind::failed);
    EXPECT_EQ(response.error().message, "GET " + server.url() + ": the body is longer than 999B");
  }
}

TEST_F(Http, LimitsTheHeaders) {
  std::string many;
  for (int i = 0; i < 2000; ++i) many += "X-Header: " + std::string(100, 'x') + "\r\n";
  const CannedServer server({answer("200 OK", "", many)});
  const auto response = get(server.url());
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().message,
            "GET " + server.url() + ": the headers are longer than 64KiB");
}

TEST_F(Http, RefusesHeadersThatWouldBreakTheRequestWithoutShowingSecrets) {
  const Secret secret = redactor.protect("top-secret\r\nX: y");
  HttpRequest request;
  request.url = "http://127.0.0.1:1/";
  request.secret_headers = {{"Authorization", &secret}};
  auto refused = transport->send(patient, request);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::bad_input);
  EXPECT_EQ(refused.error().message, "the HTTP header Authorization holds a line break");

  request.secret_headers.clear();
  request.headers = {{"Bad Name", "x"}};
  EXPECT_EQ(transport->send(patient, request).error().message,
            "\"Bad Name\" is not the name of an HTTP header");
  request.headers.clear();
  request.method = "GET / HTTP/1.1\r\nX:";
  EXPECT_EQ(transport->send(patient, request).error().kind, ErrorKind::bad_input);
}

TEST_F(Http, ARefusedConnectionMayPass) {
  const ClosedPort closed;
  const auto response = get("http://127.0.0.1:" + std::to_string(closed.port()) + "/x?secret=1");
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, ErrorKind::unreachable);
  EXPECT_TRUE(response.error().transient);
  EXPECT_EQ(response.error().message, "GET http://127.0.0.1:" + std::to_string(closed.port()) +
                                          "/x: cannot connect to 127.0.0.1:" +
                                          std::to_string(closed.port()) + ": connection refused");
}

TEST_F(Http, ACutConnectionMayPass) {
  const CannedServer server({"cut"});
  const auto response = get(server.url());
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, ErrorKind::unreachable);
  EXPECT_TRUE(response.error().transient);
}

TEST_F(Http, ASilentServerTimesOut) {
  const CannedServer server({""});
  HttpRequest request;
  request.url = server.url();
  const auto response = transport->send(Budget::of(Milliseconds{100}), request);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().message, "GET " + server.url() +
                                          ": timed out while waiting for the answer of 127.0.0.1:" +
                                          std::to_string(server.port()));
  EXPECT_TRUE(response.error().transient);
}

TEST_F(Http, IsCancelledAtOnceAndUsableAfterwards) {
  const CannedServer silent({""});
  const CannedServer server({answer("200 OK", "fine")});
  std::stop_source stop;
  const auto start = Clock::now();
  std::thread canceller([&] {
    while (silent.requests().empty()) std::this_thread::yield();
    stop.request_stop();
  });
  HttpRequest request;
  request.url = silent.url();
  const auto response =
      transport->send(Budget::of(Milliseconds{20'000}, stop.get_token()), request);
  canceller.join();
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, ErrorKind::cancelled);
  EXPECT_LT(Clock::now() - start, Milliseconds{5'000});
  EXPECT_EQ(get(server.url())->body, "fine");
}

TEST_F(Http, TakesTheProxyFromTheEnvironmentAndNeverShowsItsPassword) {
  const CannedServer proxy({"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"});
  const ScopedVariable variable("HTTPS_PROXY",
                                "http://user:pass@127.0.0.1:" + std::to_string(proxy.port()));
  const auto response = get("https://api.example/");
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, ErrorKind::permission);
  EXPECT_EQ(response.error().message,
            "GET https://api.example/: the proxy 127.0.0.1:" + std::to_string(proxy.port()) +
                " answered CONNECT with 407");
  EXPECT_TRUE(proxy.requests()[0].starts_with("CONNECT api.example:443 HTTP/1.1\r\n"));
}

TEST_F(Http, NoProxyGoesRoundTheProxy) {
  const ClosedPort closed;
  const CannedServer server({answer("200 OK", "direct")});
  const ScopedVariable proxy("http_proxy", "http://127.0.0.1:" + std::to_string(closed.port()));
  const ScopedVariable none("no_proxy", "127.0.0.1");
  const auto response = get(server.url());
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "direct");
}

// CannedServer listens on TCP; here a socket file leads to one answer.
TEST_F(Http, SpeaksOverAUnixSocket) {
  std::string folder = std::filesystem::temp_directory_path() / "http-test-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const std::string path = folder + "/socket";
  const FileDescriptor listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  std::thread server([&] {
    const FileDescriptor client(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    std::array<char, 1000> request;
    EXPECT_GT(::recv(client.get(), request.data(), request.size(), 0), 0);
    const std::string text = answer("200 OK", "by file");
    EXPECT_EQ(::send(client.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  });
  const ScopedVariable proxy("http_proxy", "http://127.0.0.1:1");
  HttpRequest request;
  request.url = "http://engine/info";
  request.unix_socket = path;
  const auto response = transport->send(patient, request);
  server.join();
  std::filesystem::remove_all(folder);
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "by file");
}

// A TLS server for "localhost" that answers every request the same.
struct HttpsServer {
  explicit HttpsServer(const std::string& text, const std::string& name = "localhost")
      : server(name, [text](SSL* connection) {
          while (!testing::read_request_head(connection).empty()) {
            testing::send_text(connection, text);
          }
        }) {}
  [[nodiscard]] HttpRequest request() const {
    HttpRequest made;
    made.url = "https://localhost:" + std::to_string(server.port()) + "/";
    made.ca_file = server.ca_file();
    return made;
  }
  testing::TlsServer server;
};

TEST_F(Http, SpeaksTlsWithAPrivateAuthority) {
  const HttpsServer server(answer("200 OK", "private"));
  const auto response = transport->send(patient, server.request());
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "private");
}

TEST_F(Http, RefusesAnUnknownAuthorityAndAWrongName) {
  const HttpsServer server(answer("200 OK", ""));
  const HttpsServer misnamed(answer("200 OK", ""), "other.example");
  HttpRequest request = server.request();
  request.ca_file = misnamed.server.ca_file();
  const auto unknown = transport->send(patient, request);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().kind, ErrorKind::permission);
  EXPECT_EQ(unknown.error().message, "GET " + request.url + ": the certificate of localhost:" +
                                         std::to_string(server.server.port()) +
                                         " is not trusted: self-signed certificate");
  const auto wrong_name = transport->send(patient, misnamed.request());
  ASSERT_FALSE(wrong_name);
  EXPECT_EQ(wrong_name.error().kind, ErrorKind::permission);
  EXPECT_EQ(wrong_name.error().hint, "Check the name: it must be one that the certificate is for.");
}

TEST_F(Http, NeverFollowsFromHttpsToHttp) {
  const CannedServer plain({answer("200 OK", "")});
  const HttpsServer server(answer("302 Found", "", "Location: " + plain.url() + "\r\n"));
  HttpRequest request = server.request();
  request.follow_redirects = true;
  const auto response = transport->send(patient, request);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().message, "GET " + request.url + " redirects from https to http");
  EXPECT_TRUE(plain.requests().empty());
}

TEST_F(Http, AnUnreadableCaFileIsNamed) {
  HttpRequest request;
  request.url = "https://127.0.0.1:1/";
  request.ca_file = "/nonexistent.pem";
  const auto response = transport->send(patient, request);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, ErrorKind::permission);
  EXPECT_EQ(response.error().message,
            "the CA file \"/nonexistent.pem\" cannot be read: no such file or directory");
}

}  // namespace
}  // namespace pca
