// The stand-in proven against the reference: what a client meets at a real edge and its origin.
#include "support/edge.hpp"

#include <gtest/gtest.h>
#include <sys/un.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <thread>

#include "base/text.hpp"
#include "sandbox/certificate_authority.hpp"
#include "support/loopback.hpp"
#include "support/raw_client.hpp"

namespace pca::testing {
namespace {

using std::chrono::milliseconds;

// The origin's end of a tunnel, blocking for 10 s at most.
class Service {
 public:
  explicit Service(FileDescriptor socket) : socket_(std::move(socket)) {
    const timeval limit{10, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  }
  [[nodiscard]] std::string read(std::size_t size) const {
    std::string text;
    std::array<char, 65536> buffer;
    while (text.size() < size) {
      const auto got =
          ::recv(socket_.get(), buffer.data(), std::min(buffer.size(), size - text.size()), 0);
      if (got <= 0) break;
      text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return text;
  }
  [[nodiscard]] std::string read_to_end() const { return read(SIZE_MAX); }
  void write(std::string_view text) const {
    while (!text.empty()) {
      const auto sent = ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  void close() { socket_.reset(); }
  void reset() {
    const linger now{1, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    socket_.reset();
  }

 private:
  FileDescriptor socket_;
};

// One origin; a test starts the edge it wants in front of it.
class EdgeTest : public ::testing::Test {
 protected:
  [[nodiscard]] SandboxEdge open_edge(std::vector<std::string> arguments = {}) const {
    arguments.insert(arguments.end(), {"--no-auth", "--origin", origin()});
    return SandboxEdge(arguments);
  }
  [[nodiscard]] SandboxEdge gated_edge(std::vector<std::string> arguments = {}) const {
    arguments.insert(arguments.end(),
                     {"--client-id", SandboxEdge::client_id, "--origin", origin()});
    return SandboxEdge(arguments, {{"INPUT_CLIENT_SECRET", SandboxEdge::client_secret},
                                   {"INPUT_JWT", SandboxEdge::jwt}});
  }
  [[nodiscard]] std::string origin() const {
    return "127.0.0.1:" + std::to_string(listener_.port());
  }
  [[nodiscard]] static RawClient connect(const SandboxEdge& edge) {
    return RawClient(edge.port(), edge.ca_file());
  }
  // A client whose upgrade was granted, and its connection at the origin.
  struct Tunnel {
    RawClient client;
    Service service;
  };
  [[nodiscard]] Tunnel open_tunnel(const SandboxEdge& edge) const {
    Tunnel tunnel{connect(edge), Service(FileDescriptor())};
    const std::string answer = tunnel.client.upgrade();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 101 ")) << answer;
    tunnel.service = Service(listener_.accept());
    return tunnel;
  }

  Listener listener_;
};

std::int64_t number(const Json& record, const char* key) {
  const Json* value = record.find(key);
  return value == nullptr || value->as_int() == nullptr ? -1 : *value->as_int();
}

std::string token_headers(const std::string& secret = SandboxEdge::client_secret) {
  return std::string("CF-Access-client-id: ") + SandboxEdge::client_id +
         "\r\ncf-ACCESS-Client-Secret: " + secret + "\r\n";
}

bool accepts_connections(std::uint16_t port) {
  const FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback_address("127.0.0.1", port);
  return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

// --- TLS and the gate ---

TEST_F(EdgeTest, ShowsACertificateForLocalhostAndItsNames) {
  const SandboxEdge edge = open_edge({"--name", "ssh.example.test"});
  RawClient right(edge.port());
  EXPECT_TRUE(right.start_tls(edge.ca_file(), "ssh.example.test"));
  RawClient wrong(edge.port());
  EXPECT_FALSE(wrong.start_tls(edge.ca_file(), "other.example.test"));
  const SandboxEdge stranger = open_edge();
  RawClient mistrustful(edge.port());
  EXPECT_FALSE(mistrustful.start_tls(stranger.ca_file()));
}

TEST_F(EdgeTest, LetsAServiceTokenInWhateverTheCaseOfItsHeaders) {
  const SandboxEdge edge = gated_edge();
  RawClient client = connect(edge);
  const std::string answer = client.upgrade(token_headers());
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n")) << answer;
  // The example of RFC 6455, 1.3.
  EXPECT_NE(answer.find("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
            std::string::npos);
  EXPECT_NE(answer.find("\r\nServer: cloudflare\r\n"), std::string::npos);
  EXPECT_NE(answer.find("\r\nCF-RAY: "), std::string::npos);
}

TEST_F(EdgeTest, LetsAJwtIn) {
  const SandboxEdge edge = gated_edge();
  RawClient client = connect(edge);
  EXPECT_TRUE(client.upgrade(std::string("cf-access-token: ") + SandboxEdge::jwt + "\r\n")
                  .starts_with("HTTP/1.1 101 "));
}

TEST_F(EdgeTest, SendsAWrongTokenToTheLoginPage) {
  const SandboxEdge edge = gated_edge();
  std::string other_case = SandboxEdge::client_secret;
  other_case[0] = static_cast<char>(std::toupper(other_case[0]));
  for (const std::string& headers :
       {std::string(), token_headers("wrong"), token_headers(other_case),
        std::string("cf-access-token: wrong\r\n")}) {
    RawClient client = connect(edge);
    std::string answer = client.upgrade(headers);
    answer += client.read_rest();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 302 Found\r\n")) << answer;
    EXPECT_NE(answer.find("\r\nLocation: https://example.cloudflareaccess.com/cdn-cgi/access/"
                          "login/localhost?kid="),
              std::string::npos)
        << answer;
    EXPECT_NE(answer.find("&redirect_url=%2F&meta="), std::string::npos);
    EXPECT_NE(answer.find("\r\nCF-RAY: "), std::string::npos);
    EXPECT_EQ(answer.find("wrong"), std::string::npos) << "a secret comes back";
  }
}

TEST_F(EdgeTest, DeniesAsItIsTold) {
  for (const char* status : {"401", "403"}) {
    const SandboxEdge edge = gated_edge({"--deny", status});
    RawClient client = connect(edge);
    EXPECT_TRUE(
        client.upgrade(token_headers("wrong")).starts_with(std::string("HTTP/1.1 ") + status));
    RawClient good = connect(edge);
    EXPECT_TRUE(good.upgrade(token_headers()).starts_with("HTTP/1.1 101 "));
  }
}

TEST_F(EdgeTest, RefusesByName) {
  const struct {
    const char* name;
    const char* begins;
    const char* holds;
  } cases[] = {
      {"login-redirect", "HTTP/1.1 302 Found\r\n", "/cdn-cgi/access/login/"},
      {"login-redirect-no-ray", "HTTP/1.1 302 Found\r\n", "/cdn-cgi/access/login/"},
      {"301", "HTTP/1.1 301 ", "\r\nLocation: https://localhost/\r\n"},
      {"200", "HTTP/1.1 200 OK\r\n", "\r\nCF-RAY: "},
      {"400", "HTTP/1.1 400 ", "\r\nCF-RAY: "},
      {"401", "HTTP/1.1 401 ", "\r\nCF-RAY: "},
      {"403", "HTTP/1.1 403 ", "\r\nCF-RAY: "},
      {"403-1010", "HTTP/1.1 403 ", "error code: 1010"},
      {"404", "HTTP/1.1 404 ", "\r\nCF-RAY: "},
      {"502", "HTTP/1.1 502 ", "\r\nServer: cloudflare\r\n"},
      {"530", "HTTP/1.1 530 ", "error code: 1033"},
  };
  for (const auto& refusal : cases) {
    const SandboxEdge edge = gated_edge({"--refuse", refusal.name});
    RawClient client = connect(edge);
    std::string answer = client.upgrade(token_headers());
    answer += client.read_rest();
    EXPECT_TRUE(answer.starts_with(refusal.begins)) << answer;
    EXPECT_NE(answer.find(refusal.holds), std::string::npos) << answer;
    const bool has_ray = answer.find("CF-RAY") != std::string::npos;
    EXPECT_EQ(has_ray, std::string_view(refusal.name) != "login-redirect-no-ray");
  }
}

TEST_F(EdgeTest, WantsAWebSocket) {
  const SandboxEdge edge = open_edge();
  RawClient client = connect(edge);
  client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(client.read_rest().starts_with("HTTP/1.1 400 Bad Request\r\n"));
  RawClient babbler = connect(edge);
  babbler.send("\x16\x03\x01 no HTTP\r\n\r\n");
  EXPECT_TRUE(babbler.read_rest().starts_with("HTTP/1.1 400 Bad Request\r\n"));
}

TEST_F(EdgeTest, TurnsAwayAHeadWithoutEnd) {
  const SandboxEdge edge = open_edge();
  RawClient client = connect(edge);
  client.send("GET / HTTP/1.1\r\nX: " + std::string(std::size_t{80} * 1024, 'x'));
  EXPECT_TRUE(client.read_rest().starts_with("HTTP/1.1 400 Bad Request\r\n"));
}

// --- The origin ---

TEST_F(EdgeTest, Answers502WhenTheOriginCannotBeDialled) {
  const ClosedPort closed;
  const SandboxEdge edge({"--no-auth", "--origin", "127.0.0.1:" + std::to_string(closed.port())});
  RawClient client = connect(edge);
  EXPECT_TRUE(client.upgrade().starts_with("HTTP/1.1 502 Bad Gateway\r\n"));
}

TEST_F(EdgeTest, LeadsToASocketInTheFileSystem) {
  const test::TempFolder folder;
  const std::string path = folder.path("origin");
  const FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(socket.get(), 1), 0);

  const SandboxEdge edge({"--no-auth", "--origin-unix", path});
  RawClient client = connect(edge);
  ASSERT_TRUE(client.upgrade().starts_with("HTTP/1.1 101 "));
  const Service service(FileDescriptor(::accept(socket.get(), nullptr, nullptr)));
  client.send_message("hello");
  EXPECT_EQ(service.read(5), "hello");
}

TEST_F(EdgeTest, ABastionLeadsWhereTheClientAsksAmongWhatIsAllowed) {
  const SandboxEdge edge({"--no-auth", "--bastion", "db.example.test:22=" + origin()});
  RawClient allowed = connect(edge);
  EXPECT_TRUE(allowed.upgrade("Cf-Access-Jump-Destination: ssh://db.example.test:22/\r\n")
                  .starts_with("HTTP/1.1 101 "));
  RawClient forbidden = connect(edge);
  EXPECT_TRUE(forbidden.upgrade("Cf-Access-Jump-Destination: " + origin() + "\r\n")
                  .starts_with("HTTP/1.1 502 "));
  RawClient silent = connect(edge);
  EXPECT_TRUE(silent.upgrade().starts_with("HTTP/1.1 502 "));
}

// --- Messages ---

TEST_F(EdgeTest, CarriesBytesBothWays) {
  const SandboxEdge edge = open_edge();
  Tunnel tunnel = open_tunnel(edge);
  tunnel.client.send_message("up");
  EXPECT_EQ(tunnel.service.read(2), "up");
  tunnel.service.write("down");
  const auto frame = tunnel.client.read_frame();
  ASSERT_TRUE(frame);
  EXPECT_TRUE(frame->final && !frame->masked);
  EXPECT_EQ(frame->opcode, 2);
  EXPECT_EQ(frame->payload, "down");
}

TEST_F(EdgeTest, CutsAMessageOfMoreThan16384Bytes) {
  const SandboxEdge edge = open_edge();
  Tunnel tunnel = open_tunnel(edge);
  tunnel.client.send_message(std::string(16384, 'a'));
  tunnel.client.send_message(std::string(16384, 'b') + "lost");
  tunnel.client.send_frame(2, std::string(16384, 'c'), {.final = false});
  tunnel.client.send_frame(0, "lost");
  tunnel.client.send_message("end");
  EXPECT_EQ(tunnel.service.read(3 * 16384 + 3),
            std::string(16384, 'a') + std::string(16384, 'b') + std::string(16384, 'c') + "end");
  tunnel.client.close_sending();
  const Json record = edge.wait_for_records(1).front();
  EXPECT_EQ(number(record, "messages"), 4);
  EXPECT_EQ(number(record, "cut-messages"), 2);
  EXPECT_EQ(number(record, "largest-message"), 16388);
}

TEST_F(EdgeTest, DropsTextAndEmptyMessagesWithoutAWord) {
  const SandboxEdge edge = open_edge();
  Tunnel tunnel = open_tunnel(edge);
  tunnel.client.send_frame(1, "text");
  tunnel.client.send_message("");
  tunnel.client.send_message("binary");
  EXPECT_EQ(tunnel.service.read(6), "binary");
}

TEST_F(EdgeTest, CutsTheConnectionOnAnUnmaskedFrame) {
  const SandboxEdge edge = open_edge();
  Tunnel tunnel = open_tunnel(edge);
  tunnel.client.send_message("before");
  tunnel.client.send_frame(2, "unmasked", {.masked = false});
  EXPECT_EQ(tunnel.client.read_rest(), "") << "no close frame";
  EXPECT_EQ(tunnel.client.ending(), Ending::goodbye);
  EXPECT_EQ(tunnel.service.read_to_end(), "before");
  EXPECT_EQ(edge.wait_for_records(1).front().text_of("broken-rule"), "unmasked frame");
}

TEST_F(EdgeTest, AnswersAPing) {
  const SandboxEdge edge = open_edge();
  Tunnel tunnel = open_tunnel(edge);
  tunnel.client.send_frame(9, "are you there");
  const auto pong = tunnel.client.read_frame();
  ASSERT_TRUE(pong);
  EXPECT_EQ(pong->opcode, 10);
  EXPECT_EQ(pong->payload, "are you there");
}

TEST_F(EdgeTest, FragmentsWhatItSendsDown) {
  const SandboxEdge edge = open_edge({"--fragment", "700"});
  Tunnel tunnel = open_tunnel(edge);
  const std::string message(1500, 'd');
  tunnel.service.write(message);
  std::string got;
  while (got.size() < message.size()) {
    const auto frame = tunnel.client.read_frame();
    ASSERT_TRUE(frame);
    EXPECT_LE(frame->payload.size(), 700U);
    got += frame->payload;
  }
  EXPECT_EQ(got, message);
}

TEST_F(EdgeTest, PingsWhileAnUploadIsUnderWay) {
  const SandboxEdge edge = open_edge({"--ping-every", "5ms"});
  Tunnel tunnel = open_tunnel(edge);
  for (int ping = 0; ping < 3; ++ping) {
    tunnel.client.send_frame(2, "part", {.final = false});
    const auto frame = tunnel.client.read_frame();
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->opcode, 9);
    EXPECT_EQ(frame->payload, "");
    tunnel.client.send_frame(10, "");
    tunnel.client.send_frame(0, "ial");
  }
  EXPECT_EQ(tunnel.service.read(21), "partialpartialpartial");
  tunnel.client.close_sending();
  const Json record = edge.wait_for_records(1).front();
  EXPECT_GE(number(record, "pings-sent"), 3);
  EXPECT_EQ(number(record, "pongs-received"), 3);
}

TEST_F(EdgeTest, CarriesMegabytesBothWaysAtOnceWhilePingsGoOut) {
  const SandboxEdge edge = open_edge({"--ping-every", "1ms", "--rtt", "4ms"});
  Tunnel tunnel = open_tunnel(edge);
  constexpr std::size_t size = std::size_t{8} * 1024 * 1024;
  std::string up(size, '\0');
  std::string down(size, '\0');
  for (std::size_t i = 0; i < size; ++i) {
    up[i] = static_cast<char>(i * 31 >> 8U);
    down[i] = static_cast<char>(i * 17 >> 8U);
  }
  const std::jthread writer([&] { tunnel.service.write(down); });
  std::string got_up;
  std::jthread reader([&] { got_up = tunnel.service.read(size); });
  std::string got_down;
  for (std::size_t at = 0; at < size; at += 16384) {
    tunnel.client.send_message(std::string_view(up).substr(at, 16384));
    if (got_down.size() < at) got_down += tunnel.client.read_data(at - got_down.size());
  }
  got_down += tunnel.client.read_data(size - got_down.size());
  EXPECT_TRUE(got_down == down);
  tunnel.client.send_frame(8, "\x03\xE8");
  EXPECT_EQ(tunnel.client.ending(), Ending::goodbye);
  reader.join();
  EXPECT_TRUE(got_up == up);
}

// --- The end ---

TEST_F(EdgeTest, EchoesACloseAfterDeliveringWhatCameBefore) {
  const SandboxEdge edge = open_edge();
  Tunnel tunnel = open_tunnel(edge);
  tunnel.client.send_message("last words");
  tunnel.client.send_frame(8, "\x03\xE8");
  EXPECT_EQ(tunnel.client.read_rest(), "\x88\x02\x03\xE8");
  EXPECT_EQ(tunnel.service.read_to_end(), "last words");
  const Json record = edge.wait_for_records(1).front();
  EXPECT_EQ(record.text_of("ended"), "client close");
  EXPECT_EQ(number(record, "close-code"), 1000);
}

TEST_F(EdgeTest, AClientsFinEndsTheOriginsSide) {
  const SandboxEdge edge = open_edge();
  Tunnel tunnel = open_tunnel(edge);
  tunnel.client.send_message("last words");
  tunnel.client.close_sending();
  EXPECT_EQ(tunnel.service.read_to_end(), "last words");
  EXPECT_EQ(edge.wait_for_records(1).front().text_of("ended"), "client end");
}

TEST_F(EdgeTest, EndsAfterItsOriginAsItIsTold) {
  const struct {
    const char* style;
    std::string last_bytes;
    Ending ending;
  } cases[] = {
      {"fin", "", Ending::goodbye},
      {"fin-only", "", Ending::fin},
      {"close", "\x88\x02\x03\xE8", Ending::goodbye},
      {"rst", "", Ending::reset},
  };
  for (const auto& end : cases) {
    for (const bool is_reset : {false, true}) {
      const SandboxEdge edge = open_edge({"--end", end.style});
      Tunnel tunnel = open_tunnel(edge);
      const std::string message(100000, 'd');
      tunnel.service.write(message);
      if (is_reset) {
        EXPECT_EQ(tunnel.client.read_data(message.size()), message) << end.style;
        tunnel.service.reset();
      } else {
        tunnel.service.close();
        EXPECT_EQ(tunnel.client.read_data(message.size()), message) << end.style;
      }
      EXPECT_EQ(tunnel.client.read_rest(), end.last_bytes) << end.style;
      EXPECT_STREQ(name_of(tunnel.client.ending()), name_of(end.ending)) << end.style;
    }
  }
}

// --- Faults ---

TEST_F(EdgeTest, FaultSilentTcpSaysNothing) {
  const SandboxEdge edge = open_edge({"--fault", "silent-tcp"});
  RawClient client(edge.port());
  client.send("anything");
  EXPECT_TRUE(client.is_silent_for(milliseconds(200)));
}

TEST_F(EdgeTest, FaultSilentTlsAnswersNoRequest) {
  const SandboxEdge edge = open_edge({"--fault", "silent-tls"});
  RawClient client = connect(edge);
  client.send("GET / HTTP/1.1\r\n\r\n");
  // TLS 1.3 may still send session tickets, which are no answer.
  EXPECT_TRUE(client.is_secure());
  client.close_sending();
  const Json record = edge.wait_for_records(1).front();
  EXPECT_EQ(record.text_of("ended"), "client end while held");
  EXPECT_EQ(number(record, "status"), 0);
}

TEST_F(EdgeTest, FaultSilentUpgradePassesNothingOn) {
  const SandboxEdge edge = open_edge({"--fault", "silent-upgrade"});
  Tunnel tunnel = open_tunnel(edge);
  tunnel.service.write("banner");
  EXPECT_TRUE(tunnel.client.is_silent_for(milliseconds(200)));
}

TEST_F(EdgeTest, FaultResetOnConnect) {
  const SandboxEdge edge = open_edge({"--fault", "reset-on-connect"});
  RawClient client(edge.port());
  EXPECT_EQ(client.ending(), Ending::reset);
}

TEST_F(EdgeTest, FaultsThatPassAfterTwoTimes) {
  const struct {
    const char* name;
    const char* status;
  } cases[] = {{"502-twice", "502"}, {"530-twice", "530"}};
  for (const auto& fault : cases) {
    const SandboxEdge edge = open_edge({"--fault", fault.name});
    std::string statuses;
    for (int i = 0; i < 4; ++i) statuses += connect(edge).upgrade().substr(9, 3) + " ";
    EXPECT_EQ(statuses, std::string(fault.status) + " " + fault.status + " 101 101 ");
  }
  const SandboxEdge edge = open_edge({"--fault", "reset-twice"});
  for (int i = 0; i < 2; ++i) EXPECT_EQ(RawClient(edge.port()).ending(), Ending::reset);
  EXPECT_TRUE(connect(edge).upgrade().starts_with("HTTP/1.1 101 "));
}

TEST_F(EdgeTest, FaultSlowHeaders) {
  const SandboxEdge edge = open_edge({"--fault", "slow-headers:1ms"});
  RawClient client = connect(edge);
  const auto start = std::chrono::steady_clock::now();
  const std::string answer = client.upgrade();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 101 ") && answer.ends_with("\r\n\r\n"));
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(answer.size()));
}

TEST_F(EdgeTest, FaultHugeHeaders) {
  const SandboxEdge edge = open_edge({"--fault", "huge-headers:300KiB"});
  RawClient client = connect(edge);
  EXPECT_GE(client.upgrade().size(), std::size_t{300} * 1024);
}

TEST_F(EdgeTest, FaultBadAccept) {
  const SandboxEdge edge = open_edge({"--fault", "bad-accept"});
  const std::string answer = connect(edge).upgrade();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 101 "));
  EXPECT_EQ(answer.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), std::string::npos);
}

TEST_F(EdgeTest, FaultJunkAfterUpgrade) {
  const SandboxEdge edge = open_edge({"--fault", "junk-after-upgrade"});
  Tunnel tunnel = open_tunnel(edge);
  EXPECT_EQ(tunnel.client.read_exactly(64), std::string(64, '\xFF'));
}

TEST_F(EdgeTest, FaultGluedUpgradeBringsTheFirstBytesAlong) {
  const SandboxEdge edge = open_edge({"--fault", "glued-upgrade"});
  RawClient client = connect(edge);
  const std::jthread origin([&] {
    const Service service(listener_.accept());
    service.write("SSH-2.0-test\r\n");
    EXPECT_EQ(service.read(2), "ok");
  });
  client.upgrade();
  EXPECT_TRUE(client.has_received()) << "the frame came with the answer";
  EXPECT_EQ(client.read_data(14), "SSH-2.0-test\r\n");
  client.send_message("ok");
}

TEST_F(EdgeTest, FaultCloseEarly) {
  const SandboxEdge edge = open_edge({"--fault", "close-early"});
  Tunnel tunnel = open_tunnel(edge);
  EXPECT_EQ(tunnel.client.read_rest(), "\x88\x02\x03\xE9");
}

TEST_F(EdgeTest, FaultHalfFrame) {
  const SandboxEdge edge = open_edge({"--fault", "half-frame"});
  Tunnel tunnel = open_tunnel(edge);
  tunnel.service.write("beginning");
  const std::string rest = tunnel.client.read_rest();
  EXPECT_EQ(rest, std::string("\x82\x7E\x03\xF1", 4) + "beginning");
  EXPECT_EQ(tunnel.client.ending(), Ending::fin);
}

TEST_F(EdgeTest, FaultDropAfterCountsBothWays) {
  const SandboxEdge edge = open_edge({"--fault", "drop-after:10"});
  Tunnel tunnel = open_tunnel(edge);
  tunnel.client.send_message("123456");
  EXPECT_EQ(tunnel.service.read(6), "123456");
  tunnel.service.write("7890abc");
  EXPECT_EQ(tunnel.client.read_data(4), "7890");
  EXPECT_EQ(tunnel.client.read_rest(), "");
  EXPECT_EQ(tunnel.client.ending(), Ending::fin);
  EXPECT_EQ(edge.wait_for_records(1).front().text_of("ended"), "fault: drop-after");
}

TEST_F(EdgeTest, FaultResetAfter) {
  const SandboxEdge edge = open_edge({"--fault", "reset-after:4"});
  Tunnel tunnel = open_tunnel(edge);
  tunnel.client.send_message("123456");
  EXPECT_EQ(tunnel.service.read_to_end(), "1234");
  EXPECT_EQ(tunnel.client.ending(), Ending::reset);
}

TEST_F(EdgeTest, FaultStallAfter) {
  const SandboxEdge edge = open_edge({"--fault", "stall-after:4", "--ping-every", "1ms"});
  Tunnel tunnel = open_tunnel(edge);
  tunnel.service.write("123456");
  EXPECT_EQ(tunnel.client.read_data(4), "1234");
  tunnel.client.send_message("anyone?");
  // A ping or two may have been on their way before.
  int pings = 0;
  while (!tunnel.client.is_silent_for(milliseconds(200))) {
    const auto frame = tunnel.client.read_frame();
    ASSERT_TRUE(frame && frame->opcode == 9);
    ASSERT_LT(++pings, 5);
  }
  tunnel.client.close_sending();
  EXPECT_EQ(tunnel.service.read_to_end(), "") << "a client that is gone frees the origin";
}

TEST_F(EdgeTest, FaultPingFlood) {
  const SandboxEdge edge = open_edge({"--fault", "ping-flood:500", "--ping-every", "0s"});
  Tunnel tunnel = open_tunnel(edge);
  for (int i = 0; i < 500; ++i) {
    const auto ping = tunnel.client.read_frame();
    ASSERT_TRUE(ping);
    ASSERT_EQ(ping->opcode, 9);
    ASSERT_EQ(ping->payload.size(), 125U);
  }
  tunnel.service.write("after");
  EXPECT_EQ(tunnel.client.read_data(5), "after");
}

TEST_F(EdgeTest, FaultPingBetweenFrames) {
  const SandboxEdge edge = open_edge({"--fault", "ping-between-frames", "--fragment", "4"});
  Tunnel tunnel = open_tunnel(edge);
  tunnel.service.write("12345678");
  std::string opcodes;
  for (int i = 0; i < 3; ++i) opcodes += std::to_string(tunnel.client.read_frame()->opcode) + " ";
  EXPECT_EQ(opcodes, "2 9 0 ");
}

TEST_F(EdgeTest, FaultBigFrame) {
  const SandboxEdge edge = open_edge({"--fault", "big-frame"});
  Tunnel tunnel = open_tunnel(edge);
  const std::string message(std::size_t{1024} * 1024, 'b');
  const std::jthread writer([&] { tunnel.service.write(message); });
  const auto frame = tunnel.client.read_frame();
  ASSERT_TRUE(frame);
  EXPECT_TRUE(frame->payload == message);
}

TEST_F(EdgeTest, FaultsOfTheFramesDown) {
  const SandboxEdge as_text = open_edge({"--fault", "text-down"});
  Tunnel text_tunnel = open_tunnel(as_text);
  text_tunnel.service.write("x");
  EXPECT_EQ(text_tunnel.client.read_frame()->opcode, 1);
  const SandboxEdge masked = open_edge({"--fault", "masked-down"});
  Tunnel masked_tunnel = open_tunnel(masked);
  masked_tunnel.service.write("x");
  EXPECT_TRUE(masked_tunnel.client.read_frame()->masked);
}

// --- Latency ---

TEST_F(EdgeTest, AddsLatencyToEveryRoundTripAndKeepsTheOrder) {
  const SandboxEdge edge = open_edge({"--rtt", "100ms"});
  const auto start = std::chrono::steady_clock::now();
  Tunnel tunnel = open_tunnel(edge);
  // TCP, TLS 1.3, upgrade.
  const auto opened = std::chrono::steady_clock::now() - start;
  EXPECT_GE(opened, milliseconds(3 * 100));
  EXPECT_LT(opened, milliseconds(5 * 100));
  const auto asked = std::chrono::steady_clock::now();
  for (const char* part : {"one ", "two ", "three"}) tunnel.client.send_message(part);
  EXPECT_EQ(tunnel.service.read(13), "one two three");
  tunnel.service.write("answer");
  EXPECT_EQ(tunnel.client.read_data(6), "answer");
  const auto answered = std::chrono::steady_clock::now() - asked;
  EXPECT_GE(answered, milliseconds(100));
  EXPECT_LT(answered, milliseconds(2 * 100));
}

TEST_F(EdgeTest, ADelayServerRelaysLaterAndPassesTheEndOn) {
  const SandboxDelay delay({"--to", origin(), "--rtt", "100ms"});
  const auto start = std::chrono::steady_clock::now();
  RawClient client(delay.port());
  client.send("up");
  Service service(listener_.accept());
  EXPECT_EQ(service.read(2), "up");
  service.write("down");
  service.close();
  EXPECT_EQ(client.read_rest(), "down");
  EXPECT_EQ(client.ending(), Ending::fin);
  const auto taken = std::chrono::steady_clock::now() - start;
  EXPECT_GE(taken, milliseconds(2 * 100)) << "one round trip for the connect, one for the answer";
}

TEST_F(EdgeTest, ADelayServerPassesAResetOn) {
  const SandboxDelay delay({"--to", origin(), "--rtt", "10ms"});
  RawClient client(delay.port());
  Service service(listener_.accept());
  client.send("x");
  EXPECT_EQ(service.read(1), "x");
  service.reset();
  EXPECT_EQ(client.ending(), Ending::reset);
}

// --- Proxy ---

std::string connect_request(const std::string& target, const std::string& headers = {}) {
  return "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n" + headers + "\r\n";
}

TEST_F(EdgeTest, TheProxyLeadsToTheEdgeUnderItsNames) {
  const SandboxEdge edge = open_edge({"--proxy", "--name", "ssh.example.test"});
  RawClient client(edge.proxy_port());
  client.send(connect_request("ssh.example.test:443"));
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 200 Connection established\r\n\r\n");
  ASSERT_TRUE(client.start_tls(edge.ca_file(), "ssh.example.test"));
  EXPECT_TRUE(client.upgrade().starts_with("HTTP/1.1 101 "));
  const Service service(listener_.accept());
  client.send_message("through");
  EXPECT_EQ(service.read(7), "through");
}

TEST_F(EdgeTest, TheProxyLeadsNowhereElse) {
  const SandboxEdge edge = open_edge({"--proxy"});
  RawClient client(edge.proxy_port());
  client.send(connect_request("elsewhere.example.test:443"));
  EXPECT_TRUE(client.read_rest().starts_with("HTTP/1.1 403 Forbidden\r\n"));
  RawClient getter(edge.proxy_port());
  getter.send("GET http://localhost/ HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(getter.read_rest().starts_with("HTTP/1.1 405 "));
}

TEST_F(EdgeTest, TheProxyAsksForAPassword) {
  const SandboxEdge edge({"--no-auth", "--origin", origin(), "--proxy", "--proxy-user", "ci"},
                         {{"INPUT_PROXY_PASSWORD", "open sesame"}});
  RawClient stranger(edge.proxy_port());
  stranger.send(connect_request("localhost:443"));
  const std::string answer = stranger.read_rest();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 407 Proxy Authentication Required\r\n")) << answer;
  EXPECT_NE(answer.find("\r\nProxy-Authenticate: Basic realm="), std::string::npos);
  RawClient friendly(edge.proxy_port());
  friendly.send(
      connect_request("localhost:443", "Proxy-Authorization: Basic Y2k6b3BlbiBzZXNhbWU=\r\n"));
  EXPECT_TRUE(friendly.read_until("\r\n\r\n").starts_with("HTTP/1.1 200 "));
  const Json record = edge.wait_for_records(2, "proxy").back();
  EXPECT_EQ(record.find("headers")->text_of("Proxy-Authorization"), "(set)");
}

TEST_F(EdgeTest, TheProxyRefusesEveryoneWhenTold) {
  const SandboxEdge edge = open_edge({"--proxy", "--proxy-refuse", "403"});
  RawClient client(edge.proxy_port());
  client.send(connect_request("localhost:443"));
  EXPECT_TRUE(client.read_rest().starts_with("HTTP/1.1 403 "));
}

// --- The record and the process ---

TEST_F(EdgeTest, TheRecordShowsHeadersButNoSecret) {
  const SandboxEdge edge = gated_edge();
  connect(edge).upgrade(token_headers() + "Cf-Access-Token: " + SandboxEdge::jwt +
                        "\r\nUser-Agent: test/1\r\n");
  const Json record = edge.wait_for_records(1).front();
  const Json& headers = *record.find("headers");
  EXPECT_EQ(headers.text_of("cf-ACCESS-Client-Secret"), "(set)");
  EXPECT_EQ(headers.text_of("Cf-Access-Token"), "(set)");
  EXPECT_EQ(headers.text_of("User-Agent"), "test/1");
  EXPECT_EQ(headers.text_of("CF-Access-client-id"), SandboxEdge::client_id);
  EXPECT_EQ(record.dump().find(SandboxEdge::client_secret), std::string::npos);
  EXPECT_EQ(record.dump().find(SandboxEdge::jwt), std::string::npos);
  EXPECT_EQ(number(record, "status"), 101);
}

TEST_F(EdgeTest, AConnectionThatIsOpenWhenTheEdgeStopsIsRecordedToo) {
  SandboxEdge edge = open_edge();
  Tunnel tunnel = open_tunnel(edge);
  tunnel.client.send_message("x");
  EXPECT_EQ(tunnel.service.read(1), "x");
  EXPECT_EQ(edge.stop(), 0);
  EXPECT_EQ(edge.wait_for_records(1).front().text_of("ended"), "edge stopped");
}

TEST_F(EdgeTest, EndsWithTheProcessThatStartedIt) {
  test::ProcessSpec spec;
  spec.argv = {"sh", "-c",
               std::string(SandboxProcess::executable()) +
                   " edge --no-auth --die-with-parent --origin " + origin() + " & wait"};
  test::Process shell(spec);
  ASSERT_TRUE(shell.wait_for("}\n", milliseconds(10'000))) << shell.err();
  const std::string said = *parse_json(shell.out())->find("edge")->as_string();
  const auto port = static_cast<std::uint16_t>(std::stoi(said.substr(said.rfind(':') + 1)));
  EXPECT_TRUE(accepts_connections(port));
  shell.send(SIGKILL);
  const auto limit = std::chrono::steady_clock::now() + milliseconds(10'000);
  while (accepts_connections(port) && std::chrono::steady_clock::now() < limit) {
  }
  EXPECT_FALSE(accepts_connections(port));
}

TEST_F(EdgeTest, UsesACertificateThatIsBroughtAlong) {
  const test::TempFolder folder;
  const auto certificate = sandbox::make_server_certificate({"brought.example.test"});
  ASSERT_TRUE(certificate);
  const std::string ca = folder.write("ca.pem", certificate->ca);
  const SandboxEdge edge =
      open_edge({"--certificate-file", folder.write("chain.pem", certificate->chain), "--key-file",
                 folder.write("key.pem", certificate->key)});
  RawClient client(edge.port());
  EXPECT_TRUE(client.start_tls(ca, "brought.example.test"));
  EXPECT_FALSE(std::filesystem::exists(edge.ca_file()));
}

}  // namespace
}  // namespace pca::testing
