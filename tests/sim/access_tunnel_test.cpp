// The tunnel's client against the sandbox's edge: what a user meets, from the first name to the
// last byte.
#include "net/access_tunnel.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <ctime>
#include <fstream>
#include <thread>

#include "base/backoff.hpp"
#include "base/digest.hpp"
#include "base/text.hpp"
#include "net/http.hpp"
#include "net/tcp.hpp"
#include "runner/redactor.hpp"
#include "support/canned_server.hpp"
#include "support/edge.hpp"
#include "support/loopback.hpp"
#include "support/temp_folder.hpp"
#include "support/tls_server.hpp"

namespace pca::testing {
namespace {

constexpr Milliseconds patience{20'000};
constexpr const char* refused = "the Access edge localhost";

// Every byte differs from its neighbours near and far, so that no shift goes unseen.
std::string pattern(std::size_t size, std::uint32_t seed) {
  std::string text(size, '\0');
  for (char& byte : text) {
    seed = seed * 1'664'525 + 1'013'904'223;
    byte = static_cast<char>(seed >> 24U);
  }
  return text;
}

std::string digest_of(std::string_view text) { return to_hex(sha256(text)); }

void send_blocking(const FileDescriptor& socket, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::string receive_blocking(const FileDescriptor& socket, std::size_t size) {
  std::string text;
  std::vector<char> buffer(std::size_t{1} << 16U);
  while (text.size() < size) {
    const ssize_t got =
        ::recv(socket.get(), buffer.data(), std::min(buffer.size(), size - text.size()), 0);
    if (got <= 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return text;
}

std::int64_t number(const Json& record, const char* key) {
  const Json* value = record.find(key);
  return value == nullptr || value->as_int() == nullptr ? -1 : *value->as_int();
}

double thread_cpu_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

class AccessTunnelTest : public ::testing::Test {
 protected:
  // These would lead a test astray; a test that wants one sets it.
  AccessTunnelTest() {
    for (const char* name : {"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"}) {
      ::unsetenv(name);
    }
  }

  [[nodiscard]] SandboxEdge open_edge(std::vector<std::string> arguments = {}) const {
    arguments.insert(arguments.end(), {"--no-auth", "--origin", origin_address()});
    return SandboxEdge(arguments);
  }
  [[nodiscard]] SandboxEdge gated_edge(std::vector<std::string> arguments = {}) const {
    arguments.insert(arguments.end(),
                     {"--client-id", SandboxEdge::client_id, "--origin", origin_address()});
    return SandboxEdge(arguments, {{"INPUT_CLIENT_SECRET", SandboxEdge::client_secret},
                                   {"INPUT_JWT", SandboxEdge::jwt}});
  }
  [[nodiscard]] std::string origin_address() const {
    return "127.0.0.1:" + std::to_string(origin_.port());
  }

  static AccessSettings settings_for(const SandboxEdge& edge) {
    AccessSettings settings;
    settings.hostname = "localhost";
    settings.port = edge.port();
    settings.ca_file = edge.ca_file();
    settings.user_agent = "tests/1.0";
    return settings;
  }
  AccessSettings with_service_token(const SandboxEdge& edge,
                                    std::string secret = SandboxEdge::client_secret) {
    AccessSettings settings = settings_for(edge);
    settings.client_id = SandboxEdge::client_id;
    settings.client_secret = redactor_.protect(std::move(secret));
    return settings;
  }
  static std::unique_ptr<ByteStream> connect(const AccessSettings& settings) {
    auto connected = connect_access(Budget::of(patience), settings);
    if (!connected) {
      ADD_FAILURE() << connected.error().message << "\n" << connected.error().hint;
      return nullptr;
    }
    return std::move(*connected);
  }
  static Error refusal(const AccessSettings& settings,
                       const Budget& budget = Budget::of(patience)) {
    auto connected = connect_access(budget, settings);
    if (connected) {
      ADD_FAILURE() << "was let in";
      return failed("was let in");
    }
    const Error error = std::move(connected).error();
    const std::string all = error.message + error.hint;
    EXPECT_EQ(all.find(SandboxEdge::client_secret), std::string::npos) << all;
    EXPECT_EQ(all.find(SandboxEdge::jwt), std::string::npos) << all;
    EXPECT_EQ(all.find("redirect_url"), std::string::npos) << all;
    return error;
  }
  static Error refusal_of(const SandboxEdge& edge) { return refusal(settings_for(edge)); }

  // Sends `up` and reads until `down_size` bytes have come or the stream ends, in one loop.
  static std::string exchange(ByteStream& stream, std::string_view up, std::size_t down_size) {
    const Budget budget = Budget::of(Milliseconds{60'000});
    std::string down;
    std::vector<char> buffer(std::size_t{1} << 16U);
    bool is_sent = false;
    while (!is_sent || down.size() < down_size) {
      const auto taken = stream.write(up.substr(0, std::min(up.size(), buffer.size())));
      if (!taken && !up.empty()) return down + " !" + taken.error().message;
      if (taken) up.remove_prefix(*taken);
      const auto got = stream.read(buffer);
      if (!got) return down + " !" + got.error().message;
      down.append(buffer.data(), got->bytes);
      if (got->end) return down + "|";
      const auto all_sent = stream.service();
      if (!all_sent) return down + " !" + all_sent.error().message;
      is_sent = up.empty() && *all_sent;
      if ((taken && *taken > 0) || got->bytes > 0 || (is_sent && down.size() >= down_size))
        continue;
      const PollHandle handle = stream.poll_handle();
      auto woken = wait_ready(budget, {&handle, 1}, budget.deadline(), "exchanging");
      if (!woken) return down + " !" + woken.error().message;
    }
    return down;
  }
  // All that still comes: "|" for the end, " !" for an error.
  static std::string read_rest(ByteStream& stream) { return exchange(stream, "", SIZE_MAX); }

  Redactor redactor_;
  Listener origin_;
};

// --- Getting in ---

TEST_F(AccessTunnelTest, LetsAServiceTokenInAtTheFirstRequest) {
  const SandboxEdge edge = gated_edge();
  AccessFacts facts;
  auto stream = connect_access(Budget::of(patience), with_service_token(edge), &facts);
  ASSERT_TRUE(stream) << stream.error().message;
  EXPECT_EQ((*stream)->peer(), "Access edge localhost:" + std::to_string(edge.port()));
  EXPECT_TRUE(facts.ray.ends_with("-SBX")) << facts.ray;
  EXPECT_EQ(facts.proxy, "");
  EXPECT_GT(facts.connect_ms, 0);
  EXPECT_GT(facts.tls_ms, 0);
  EXPECT_GT(facts.upgrade_ms, 0);
  EXPECT_TRUE((*stream)->close(Budget::of(patience)));
  const Json record = edge.wait_for_records(1).front();
  const Json& headers = *record.find("headers");
  EXPECT_EQ(headers.text_of("Cf-Access-Client-Id"), SandboxEdge::client_id);
  EXPECT_EQ(headers.text_of("User-Agent"), "tests/1.0");
  EXPECT_EQ(headers.text_of("Host"), "localhost:" + std::to_string(edge.port()));
  for (const char* name : {"Origin", "Cookie", "Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol",
                           "Cf-Access-Token", "Accept"}) {
    EXPECT_EQ(headers.find(name), nullptr) << name;
  }
}

TEST_F(AccessTunnelTest, LetsAJwtIn) {
  const SandboxEdge edge = gated_edge();
  AccessSettings settings = settings_for(edge);
  settings.token = redactor_.protect(SandboxEdge::jwt);
  EXPECT_NE(connect(settings), nullptr);
}

TEST_F(AccessTunnelTest, ABastionLeadsToTheDestination) {
  const SandboxEdge edge({"--no-auth", "--bastion", "10.0.0.5:22=" + origin_address()});
  AccessSettings settings = settings_for(edge);
  settings.destination = "10.0.0.5:22";
  const auto stream = connect(settings);
  ASSERT_NE(stream, nullptr);
  const FileDescriptor service = origin_.accept();
  send_blocking(service, "hello");
  EXPECT_EQ(exchange(*stream, "", 5), "hello");
}

TEST_F(AccessTunnelTest, GetsWhatCameTogetherWithTheUpgrade) {
  const SandboxEdge edge = open_edge({"--fault", "glued-upgrade"});
  const std::jthread origin([&] {
    const FileDescriptor service = origin_.accept();
    send_blocking(service, "SSH-2.0-test\r\n");
    EXPECT_EQ(receive_blocking(service, 2), "ok");
  });
  const auto stream = connect(settings_for(edge));
  ASSERT_NE(stream, nullptr);
  EXPECT_EQ(exchange(*stream, "ok", 14), "SSH-2.0-test\r\n");
}

TEST_F(AccessTunnelTest, WaitsForAnAnswerThatComesSlowly) {
  const SandboxEdge edge = open_edge({"--fault", "slow-headers:1ms"});
  EXPECT_NE(connect(settings_for(edge)), nullptr);
}

// --- Refusals ---

TEST_F(AccessTunnelTest, ExplainsARefusalOfEachKind) {
  const struct {
    const char* refusal;
    ErrorKind kind;
    bool transient;
    const char* status;
    const char* in_hint;
  } cases[] = {
      {"login-redirect", ErrorKind::permission, false,
       "302 (the login page of example.cloudflareaccess.com, CF-RAY ", "No credentials were sent"},
      {"login-redirect-no-ray", ErrorKind::permission, false,
       "302 (the login page of example.cloudflareaccess.com)", "No credentials were sent"},
      {"301", ErrorKind::permission, false, "301 (a redirect to localhost, CF-RAY ",
       "Always Use HTTPS"},
      {"307", ErrorKind::permission, false, "307 (a redirect to localhost, CF-RAY ",
       "Always Use HTTPS"},
      {"200", ErrorKind::unreachable, false, "200 (CF-RAY ", "WebSockets are on"},
      {"400", ErrorKind::unreachable, false, "400 (CF-RAY ", "WebSockets are on"},
      {"401", ErrorKind::permission, false, "401 (blocked by a Service Auth policy, CF-RAY ",
       "No credentials were sent"},
      {"403", ErrorKind::permission, false, "403 (CF-RAY ", "WAF or bot rule"},
      {"403-1010", ErrorKind::permission, false,
       "403 (blocked by bot protection, error code 1010, CF-RAY ", "Browser Integrity Check"},
      {"404", ErrorKind::unreachable, false, "404 (CF-RAY ", "No route of the tunnel"},
      {"502", ErrorKind::unreachable, true, "502 (target out of reach, CF-RAY ", "SSH server runs"},
      {"530", ErrorKind::unreachable, true, "530 (tunnel down, error code 1033, CF-RAY ",
       "The tunnel is down"},
  };
  for (const auto& one : cases) {
    const SandboxEdge edge = open_edge({"--refuse", one.refusal});
    const Error error = refusal_of(edge);
    EXPECT_EQ(error.kind, one.kind) << one.refusal;
    EXPECT_EQ(error.transient, one.transient) << one.refusal;
    EXPECT_TRUE(error.message.starts_with(std::string(refused) + ":" + std::to_string(edge.port()) +
                                          " refused the connection: " + one.status))
        << error.message;
    EXPECT_NE(error.hint.find(one.in_hint), std::string::npos) << error.hint;
  }
}

TEST_F(AccessTunnelTest, AWrongServiceTokenIsNoBrowserLogin) {
  const SandboxEdge edge = gated_edge();
  const Error error = refusal(with_service_token(edge, "canary-of-another-secret"));
  EXPECT_EQ(error.kind, ErrorKind::permission);
  EXPECT_TRUE(error.hint.starts_with("The service token was not accepted")) << error.hint;
  EXPECT_EQ((error.message + error.hint).find("canary-of-another-secret"), std::string::npos);
}

TEST_F(AccessTunnelTest, AnOriginThatCannotBeDialledIsA502) {
  std::uint16_t port = 0;
  {
    const Listener gone;
    port = gone.port();
  }
  const SandboxEdge edge({"--no-auth", "--origin", "127.0.0.1:" + std::to_string(port)});
  const Error error = refusal_of(edge);
  EXPECT_TRUE(error.transient);
  EXPECT_NE(error.message.find("502 (target out of reach"), std::string::npos) << error.message;
}

TEST_F(AccessTunnelTest, GetsInAtTheThirdTryWhenTheTroublePasses) {
  for (const char* fault : {"502-twice", "530-twice", "reset-twice"}) {
    const SandboxEdge edge = open_edge({"--fault", fault});
    const AccessSettings settings = settings_for(edge);
    const Budget budget = Budget::of(patience);
    const RetryPolicy policy{.tries = 3, .first = Milliseconds{1}, .longest = Milliseconds{1}};
    int tries = 0;
    const auto stream = retry<std::unique_ptr<ByteStream>>(budget, policy, [&](int number) {
      tries = number;
      return connect_access(budget, settings);
    });
    EXPECT_TRUE(stream) << fault << ": " << stream.error().message;
    EXPECT_EQ(tries, 3) << fault;
  }
}

TEST_F(AccessTunnelTest, RefusesAnUpgradeForSomebodyElse) {
  const SandboxEdge edge = open_edge({"--fault", "bad-accept"});
  const Error error = refusal_of(edge);
  EXPECT_EQ(error.message, "the edge switched protocols, but for somebody else's request");
  EXPECT_FALSE(error.transient);
}

TEST_F(AccessTunnelTest, ReadsNoEndlessHeaders) {
  const SandboxEdge edge = open_edge({"--fault", "huge-headers:8MiB"});
  EXPECT_EQ(refusal_of(edge).message, "the answer's headers are longer than 32KiB");
}

TEST_F(AccessTunnelTest, EndlessAnswersBeforeTheAnswerAreCutOff) {
  const TlsServer server("localhost", [](SSL* connection) {
    constexpr std::string_view more_to_come = "HTTP/1.1 100 Continue\r\n\r\n";
    read_request_head(connection);
    while (SSL_write(connection, more_to_come.data(), more_to_come.size()) > 0) continue;
  });
  AccessSettings settings;
  settings.hostname = "localhost";
  settings.port = server.port();
  settings.ca_file = server.ca_file();
  const Error error = refusal(settings);
  EXPECT_EQ(error.kind, ErrorKind::unreachable);
  EXPECT_EQ(error.message, "Access edge localhost:" + std::to_string(server.port()) +
                               " answers that it will answer, and does not");
}

// --- TLS and the way there ---

// As cloudflared does: the edge then speaks HTTP/1.1, which alone knows this kind of upgrade.
TEST_F(AccessTunnelTest, NamesNoProtocolInTheHandshake) {
  const TlsServer server("localhost", [](SSL* connection) {
    send_text(connection, switching_protocols(read_request_head(connection)));
  });
  AccessSettings settings;
  settings.hostname = "localhost";
  settings.port = server.port();
  settings.ca_file = server.ca_file();
  EXPECT_NE(connect(settings), nullptr);
  EXPECT_FALSE(server.was_offered_alpn());
  HttpRequest request;  // which does, so that this is seen here
  request.url = "https://localhost:" + std::to_string(server.port()) + "/";
  request.ca_file = server.ca_file();
  (void)make_http_transport("tests/1.0")->send(Budget::of(patience), request);
  EXPECT_TRUE(server.was_offered_alpn());
}

TEST_F(AccessTunnelTest, TrustsNobodyButTheGivenAuthority) {
  const SandboxEdge edge = open_edge();
  const SandboxEdge other = open_edge();
  AccessSettings settings = settings_for(edge);
  settings.ca_file = other.ca_file();
  const Error error = refusal(settings);
  EXPECT_EQ(error.kind, ErrorKind::permission);
  EXPECT_FALSE(error.transient);
  EXPECT_TRUE(error.message.starts_with("the certificate of Access edge localhost:" +
                                        std::to_string(edge.port()) + " is not trusted: "))
      << error.message;
  EXPECT_NE(error.hint.find("access-ca"), std::string::npos) << error.hint;
}

TEST_F(AccessTunnelTest, WantsTheCertificateToNameTheHost) {
  const SandboxEdge edge = open_edge();
  AccessSettings settings = settings_for(edge);
  settings.hostname = "other.example.test";
  settings.connect_to = "127.0.0.1:" + std::to_string(edge.port());
  const Error error = refusal(settings);
  EXPECT_EQ(error.kind, ErrorKind::permission);
  EXPECT_NE(error.message.find("other.example.test"), std::string::npos) << error.message;
  EXPECT_EQ(error.hint, "Check the name: it must be one that the certificate is for.");
}

TEST_F(AccessTunnelTest, FindsThePrivateAuthorityInTheEnvironment) {
  const SandboxEdge edge = open_edge();
  AccessSettings settings = settings_for(edge);
  settings.ca_file.clear();
  const ScopedVariable ca("SSL_CERT_FILE", edge.ca_file());
  EXPECT_NE(connect(settings), nullptr);
}

TEST_F(AccessTunnelTest, ConnectsElsewhereUnderTheSameName) {
  const SandboxEdge edge = open_edge({"--name", "ssh.example.test"});
  AccessSettings settings = settings_for(edge);
  settings.hostname = "ssh.example.test";
  settings.port = 443;
  settings.connect_to = "127.0.0.1:" + std::to_string(edge.port());
  EXPECT_NE(connect(settings), nullptr);
  EXPECT_EQ(edge.wait_for_records(1).front().find("headers")->text_of("Host"), "ssh.example.test");
}

TEST_F(AccessTunnelTest, GoesThroughAProxyWithoutShowingItsPassword) {
  const SandboxEdge edge({"--no-auth", "--origin", origin_address(), "--name", "ssh.example.test",
                          "--proxy", "--proxy-user", "ci"},
                         {{"INPUT_PROXY_PASSWORD", "canary-proxy-password"}});
  AccessSettings settings = settings_for(edge);
  settings.hostname = "ssh.example.test";
  settings.port = 443;
  const std::string proxy = "127.0.0.1:" + std::to_string(edge.proxy_port());
  {
    const ScopedVariable variable("HTTPS_PROXY", "http://ci:canary-proxy-password@" + proxy);
    AccessFacts facts;
    auto stream = connect_access(Budget::of(patience), settings, &facts);
    ASSERT_TRUE(stream) << stream.error().message;
    EXPECT_EQ(facts.proxy, proxy);
    const FileDescriptor service = origin_.accept();
    send_blocking(service, "hello");
    EXPECT_EQ(exchange(**stream, "", 5), "hello");
  }
  const ScopedVariable variable("HTTPS_PROXY", "http://ci:canary-wrong-password@" + proxy);
  const Error error = refusal(settings);
  EXPECT_EQ(error.kind, ErrorKind::permission);
  EXPECT_EQ(error.message, "the proxy " + proxy + " answered CONNECT with 407");
  EXPECT_EQ(error.hint.find("canary"), std::string::npos);
}

// Passes on what comes by TLS to a port of this machine, and back, until one side ends.
void relay_to(std::uint16_t port, SSL* client) {
  auto connected = connect_tcp_socket(Budget::of(patience), "127.0.0.1", port);
  if (!connected) return;
  const FileDescriptor server = *std::move(connected);
  ::fcntl(server.get(), F_SETFL, 0);  // blocking from here on
  const int client_fd = SSL_get_fd(client);
  std::array<char, 16384> buffer{};
  for (;;) {
    std::array<pollfd, 2> ends{{{client_fd, POLLIN, 0}, {server.get(), POLLIN, 0}}};
    if (SSL_pending(client) == 0) ::poll(ends.data(), ends.size(), -1);
    if (SSL_pending(client) > 0 || ends[0].revents != 0) {
      const int size = SSL_read(client, buffer.data(), static_cast<int>(buffer.size()));
      if (size <= 0) return;
      send_blocking(server, {buffer.data(), static_cast<std::size_t>(size)});
    }
    if (ends[1].revents != 0) {
      const ssize_t size = ::recv(server.get(), buffer.data(), buffer.size(), 0);
      if (size <= 0) return;
      SSL_write(client, buffer.data(), static_cast<int>(size));
    }
  }
}

TEST_F(AccessTunnelTest, GoesThroughAProxyThatSpeaksTls) {
  const SandboxEdge edge(
      {"--no-auth", "--origin", origin_address(), "--name", "ssh.example.test", "--proxy"});
  pca::testing::TlsServer proxy("localhost",
                                [&](SSL* client) { relay_to(edge.proxy_port(), client); });
  const ScopedVariable variable("HTTPS_PROXY", "https://localhost:" + std::to_string(proxy.port()));
  AccessSettings settings = settings_for(edge);
  settings.hostname = "ssh.example.test";
  settings.port = 443;
  // The proxy's certificate is verified as the edge's is, by the same CAs.
  EXPECT_EQ(refusal(settings).kind, ErrorKind::permission);
  const test::TempFolder folder;
  std::ofstream both(folder.path("both.pem"));
  both << std::ifstream(edge.ca_file()).rdbuf() << std::ifstream(proxy.ca_file()).rdbuf();
  both.close();
  settings.ca_file = folder.path("both.pem");
  auto stream = connect_access(Budget::of(patience), settings);
  ASSERT_TRUE(stream) << stream.error().message;
  const FileDescriptor service = origin_.accept();
  send_blocking(service, "hello");
  EXPECT_EQ(exchange(**stream, "", 5), "hello");
}

TEST_F(AccessTunnelTest, GoesRoundTheProxyForNoProxy) {
  const ClosedPort closed;
  const ScopedVariable proxy("HTTPS_PROXY", "http://127.0.0.1:" + std::to_string(closed.port()));
  const SandboxEdge edge = open_edge({"--name", "ssh.example.test"});
  AccessSettings settings = settings_for(edge);
  settings.hostname = "ssh.example.test";
  settings.connect_to = "127.0.0.1:" + std::to_string(edge.port());
  const Error error = refusal(settings);
  EXPECT_EQ(error.message, "cannot connect to the proxy 127.0.0.1:" +
                               std::to_string(closed.port()) + ": connection refused");
  EXPECT_TRUE(error.transient);
  const ScopedVariable none("NO_PROXY", "ssh.example.test");
  EXPECT_NE(connect(settings), nullptr);
}

TEST_F(AccessTunnelTest, ANameThatNobodyKnowsIsNamedWithTheInputsItMayBeIn) {
  AccessSettings settings;
  settings.hostname = "edge.onion";  // libcurl asks nobody for such a name (RFC 7686)
  const Error error = refusal(settings);
  EXPECT_EQ(error.message, "DNS knows no address for Access edge edge.onion:443");
  EXPECT_NE(error.hint.find("access-hostname and access-connect-to"), std::string::npos);
  EXPECT_TRUE(error.transient);
}

TEST_F(AccessTunnelTest, ThisMachineIsNotReachedByAProxy) {
  const ClosedPort closed;
  const ScopedVariable proxy("HTTPS_PROXY", "http://127.0.0.1:" + std::to_string(closed.port()));
  EXPECT_NE(connect(settings_for(open_edge())), nullptr);
}

TEST_F(AccessTunnelTest, AProxyThatIsNoneIsNamedWithoutItsText) {
  AccessSettings settings;
  settings.hostname = "ssh.example.test";
  for (const char* value :
       {"htps://ci:canary@127.0.0.1:1", "http://ci:canary@h:99999", "http://ci:canary@[::1"}) {
    const ScopedVariable proxy("HTTPS_PROXY", value);
    const Error error = refusal(settings);
    EXPECT_EQ(error.kind, ErrorKind::bad_input);
    EXPECT_EQ(error.message, "HTTPS_PROXY holds no URL of a proxy");
  }
}

TEST_F(AccessTunnelTest, ARefusedConnectionMayPass) {
  const ClosedPort closed;
  AccessSettings settings;
  settings.hostname = "ssh.example.test";
  settings.user_agent = "tests/1.0";
  settings.connect_to = "127.0.0.1:" + std::to_string(closed.port());
  const SandboxEdge edge = open_edge();
  settings.ca_file = edge.ca_file();
  const Error error = refusal(settings);
  EXPECT_EQ(error.kind, ErrorKind::unreachable);
  EXPECT_TRUE(error.transient);
  EXPECT_EQ(error.message,
            "cannot connect to Access edge ssh.example.test:443: connection refused");
}

TEST_F(AccessTunnelTest, AResetDuringTheHandshakeMayPass) {
  const SandboxEdge edge = open_edge({"--fault", "reset-on-connect"});
  const Error error = refusal_of(edge);
  EXPECT_EQ(error.kind, ErrorKind::unreachable);
  EXPECT_TRUE(error.transient) << error.message;
}

// --- Silence ---

TEST_F(AccessTunnelTest, ASilentEdgeTimesOutInEveryPhase) {
  const struct {
    const char* fault;
    const char* doing;
  } cases[] = {{"silent-tcp", "waiting for the TLS handshake of"},
               {"silent-tls", "waiting for the answer of"}};
  for (const auto& one : cases) {
    const SandboxEdge edge = open_edge({"--fault", one.fault});
    const auto start = Clock::now();
    const Error error = refusal(settings_for(edge), Budget::of(Milliseconds{300}));
    EXPECT_LT(Clock::now() - start, Milliseconds{3'000});
    EXPECT_EQ(error.kind, ErrorKind::unreachable);
    EXPECT_EQ(error.message, std::string("timed out while ") + one.doing +
                                 " Access edge localhost:" + std::to_string(edge.port()));
  }
}

TEST_F(AccessTunnelTest, IsCancelledAtOnceWhileTheEdgeIsSilent) {
  for (const char* fault : {"silent-tcp", "silent-tls"}) {
    const SandboxEdge edge = open_edge({"--fault", fault});
    std::stop_source stop;
    Clock::time_point asked;
    std::jthread canceller([&] {
      ::poll(nullptr, 0, 100);  // into the middle of it; nothing depends on how long
      asked = Clock::now();
      stop.request_stop();
    });
    const double cpu = thread_cpu_seconds();
    const Error error = refusal(settings_for(edge), Budget::of(patience, stop.get_token()));
    canceller.join();
    EXPECT_EQ(error.kind, ErrorKind::cancelled) << fault;
    EXPECT_LT(Clock::now() - asked, Milliseconds{2'000}) << fault;
    EXPECT_LT(thread_cpu_seconds() - cpu, 0.09) << "it must not spin";
  }
}

TEST_F(AccessTunnelTest, ASilentProxyTimesOutToo) {
  const Listener silent;  // the kernel accepts, nobody answers
  const std::string proxy = "127.0.0.1:" + std::to_string(silent.port());
  const ScopedVariable variable("HTTPS_PROXY", "http://" + proxy);
  AccessSettings settings;
  settings.hostname = "ssh.example.test";
  const Error error = refusal(settings, Budget::of(Milliseconds{200}));
  EXPECT_EQ(error.message, "timed out while waiting for the proxy " + proxy +
                               " to connect to Access edge ssh.example.test:443");
  EXPECT_TRUE(error.transient);
}

// --- Bytes ---

TEST_F(AccessTunnelTest, Carries64MiBBothWaysAtOnceWhilePingsArrive) {
  const SandboxEdge edge = open_edge({"--ping-every", "2ms"});
  const auto stream = connect(settings_for(edge));
  ASSERT_NE(stream, nullptr);
  const FileDescriptor service = origin_.accept();
  constexpr std::size_t size = std::size_t{64} << 20U;
  const std::string up = pattern(size, 1);
  const std::string down = pattern(size, 2);
  std::string got_up;
  {
    const std::jthread writer([&] { send_blocking(service, down); });
    const std::jthread reader([&] { got_up = receive_blocking(service, size); });
    const std::string got_down = exchange(*stream, up, size);
    EXPECT_EQ(got_down.size(), size);
    EXPECT_EQ(digest_of(got_down), digest_of(down));
    EXPECT_TRUE(stream->close(Budget::of(patience)));
  }
  EXPECT_EQ(digest_of(got_up), digest_of(up));
  const Json record = edge.wait_for_records(1).front();
  EXPECT_EQ(number(record, "cut-messages"), 0);
  EXPECT_EQ(number(record, "largest-message"), 16'376);
  EXPECT_EQ(number(record, "repeated-masks"), 0);
  EXPECT_GT(number(record, "pings-sent"), 10);
  EXPECT_GT(number(record, "pongs-received"), 0);
  EXPECT_EQ(record.text_of("ended"), "client close");
}

TEST_F(AccessTunnelTest, ReadsEveryKindOfFraming) {
  const std::vector<std::vector<std::string>> styles{
      {"--fragment", "700"},
      {"--fragment", "1"},
      {"--fragment", "5", "--fault", "ping-between-frames"},
      {"--fault", "text-down"},
      {"--fault", "big-frame"},
      {"--fault", "ping-flood:10000"},
  };
  const std::string down = pattern(200'000, 3);
  for (const auto& style : styles) {
    const SandboxEdge edge = open_edge(style);
    const auto stream = connect(settings_for(edge));
    ASSERT_NE(stream, nullptr);
    const FileDescriptor service = origin_.accept();
    const std::jthread writer([&] {
      send_blocking(service, down);
      ::shutdown(service.get(), SHUT_WR);
    });
    EXPECT_TRUE(read_rest(*stream) == down + "|") << join(style, " ");
  }
}

TEST_F(AccessTunnelTest, AnswersPingsWhileNobodyReadsOrWrites) {
  const SandboxEdge edge = open_edge({"--ping-every", "5ms"});
  const auto stream = connect(settings_for(edge));
  ASSERT_NE(stream, nullptr);
  const FileDescriptor service = origin_.accept();
  const Budget budget = Budget::of(Milliseconds{100});
  while (true) {
    const PollHandle handle = stream->poll_handle();
    if (!wait_ready(budget, {&handle, 1}, budget.deadline(), "idling")) break;
    ASSERT_TRUE(stream->service());
  }
  EXPECT_TRUE(stream->close(Budget::of(patience)));
  EXPECT_GE(number(edge.wait_for_records(1).front(), "pongs-received"), 3);
}

TEST_F(AccessTunnelTest, RefusesBrokenFrames) {
  const struct {
    const char* fault;
    const char* reason;
  } cases[] = {{"masked-down", "broken WebSocket frame: a frame from the server is masked"},
               {"junk-after-upgrade", "broken WebSocket frame: a reserved bit is set"}};
  for (const auto& one : cases) {
    const SandboxEdge edge = open_edge({"--fault", one.fault});
    const auto stream = connect(settings_for(edge));
    ASSERT_NE(stream, nullptr);
    const FileDescriptor service = origin_.accept();
    send_blocking(service, "x");
    EXPECT_EQ(read_rest(*stream), std::string(" !") + one.reason);
  }
}

// --- The end ---

TEST_F(AccessTunnelTest, EndsWhereTheOriginEndsHoweverTheEdgeSaysSo) {
  const std::string down = pattern(300'000, 4);
  for (const char* style : {"fin", "fin-only", "close", "rst"}) {
    const SandboxEdge edge = open_edge({"--end", style});
    const auto stream = connect(settings_for(edge));
    ASSERT_NE(stream, nullptr);
    FileDescriptor service = origin_.accept();
    std::jthread writer([&] {
      send_blocking(service, down);
      service.reset();
    });
    EXPECT_TRUE(read_rest(*stream) == down + "|") << style;
    EXPECT_TRUE(stream->close(Budget::of(patience))) << style;
  }
}

TEST_F(AccessTunnelTest, EndsWhenTheEdgeDies) {
  for (const char* fault : {"close-early", "drop-after:5", "reset-after:5", "half-frame"}) {
    const SandboxEdge edge = open_edge({"--fault", fault});
    const auto stream = connect(settings_for(edge));
    ASSERT_NE(stream, nullptr);
    const FileDescriptor service = origin_.accept();
    send_blocking(service, "hello");
    EXPECT_TRUE(read_rest(*stream).ends_with("|")) << fault;
    EXPECT_EQ(stream->poll_handle().fd, -1) << "nobody may spin on a dead socket";
    EXPECT_TRUE(stream->close(Budget::of(patience))) << fault;
  }
}

TEST_F(AccessTunnelTest, AWriteToADeadEdgeIsAnErrorAndNoSignal) {
  const SandboxEdge edge = open_edge({"--fault", "reset-after:100000"});
  const auto stream = connect(settings_for(edge));
  ASSERT_NE(stream, nullptr);
  const FileDescriptor service = origin_.accept();
  const Budget budget = Budget::of(patience);
  const std::string block(std::size_t{1} << 20U, 'x');
  auto taken = stream->write(block);
  while (taken) {
    const PollHandle handle = stream->poll_handle();
    ASSERT_TRUE(wait_ready(budget, {&handle, 1}, budget.deadline(), "writing"));
    taken = stream->write(block);
  }
  EXPECT_EQ(taken.error().kind, ErrorKind::unreachable);
  EXPECT_TRUE(taken.error().message.starts_with(stream->peer() + " cut the connection: "))
      << taken.error().message;
}

TEST_F(AccessTunnelTest, BrokenTlsIsNoEnd) {
  const TlsServer server("localhost", [](SSL* connection) {
    send_text(connection, switching_protocols(read_request_head(connection)));
    // Said to be encrypted, and is not (RFC 8446, section 5.2).
    const std::string record = std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x');
    ::send(SSL_get_fd(connection), record.data(), record.size(), MSG_NOSIGNAL);
    char byte = 0;
    while (SSL_read(connection, &byte, 1) > 0) continue;  // until the client has gone
  });
  AccessSettings settings;
  settings.hostname = "localhost";
  settings.port = server.port();
  settings.ca_file = server.ca_file();
  const auto stream = connect(settings);
  ASSERT_NE(stream, nullptr);
  const std::string rest = read_rest(*stream);
  EXPECT_TRUE(rest.starts_with(" !the TLS connection to " + stream->peer() + " broke: ")) << rest;
  EXPECT_NE(rest.find("bad record mac"), std::string::npos) << rest;
}

TEST_F(AccessTunnelTest, DeliversEverythingBeforeItCloses) {
  const SandboxEdge edge = open_edge();
  const auto stream = connect(settings_for(edge));
  ASSERT_NE(stream, nullptr);
  const FileDescriptor service = origin_.accept();
  const std::string up = pattern(8U << 20U, 5);
  std::string got_up;
  {
    const std::jthread reader([&] { got_up = receive_blocking(service, SIZE_MAX); });
    EXPECT_EQ(exchange(*stream, up, 0), "");
    EXPECT_TRUE(stream->close(Budget::of(patience)));
  }
  EXPECT_EQ(digest_of(got_up), digest_of(up));
  const Json record = edge.wait_for_records(1).front();
  EXPECT_EQ(record.text_of("ended"), "client close");
  EXPECT_EQ(number(record, "close-code"), 1000);
}

TEST_F(AccessTunnelTest, ClosesWithinItsLimitWhenTheEdgeStalls) {
  const SandboxEdge edge = open_edge({"--fault", "stall-after:0"});
  const auto stream = connect(settings_for(edge));
  ASSERT_NE(stream, nullptr);
  EXPECT_EQ(stream->write(std::string("x")), std::size_t{1});
  const auto start = Clock::now();
  EXPECT_TRUE(stream->close(Budget::of(Milliseconds{200})));
  EXPECT_LT(Clock::now() - start, Milliseconds{1'500});
}

TEST_F(AccessTunnelTest, SaysWhatCouldNotBeSentWhenTheEdgeStallsOverAnUpload) {
  const SandboxEdge edge = open_edge({"--fault", "stall-after:100000"});
  const auto stream = connect(settings_for(edge));
  ASSERT_NE(stream, nullptr);
  const std::string block(std::size_t{1} << 20U, 'x');
  while (true) {
    const auto taken = stream->write(block);
    ASSERT_TRUE(taken) << taken.error().message;
    if (*taken == 0) break;
  }
  const auto closed = stream->close(Budget::of(Milliseconds{200}));
  ASSERT_FALSE(closed);
  EXPECT_EQ(closed.error().message, "timed out while sending the rest to " + stream->peer());
}

}  // namespace
}  // namespace pca::testing
