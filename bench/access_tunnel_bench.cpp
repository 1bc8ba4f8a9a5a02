// What the Access tunnel costs above plain TLS: 256 MiB each way, CPU of the client's thread only,
// both kinds in turn within each round, against the same server. A ratio above 1.3 is an error.

#include <benchmark/benchmark.h>
#include <curl/curl.h>
#include <poll.h>

#include <algorithm>
#include <ctime>
#include <string>
#include <vector>

#include "net/access_tunnel.hpp"
#include "net/tls.hpp"
#include "support/tls_server.hpp"

namespace pca {
namespace {

constexpr std::size_t total = std::size_t{256} << 20U;
constexpr std::size_t record = 16'384;  // one TLS record
constexpr double most_of_plain = 1.3;
constexpr const char* name = "edge.example";
bool is_too_dear = false;  // a run was an error: main() says so, Google Benchmark's own would not

double thread_cpu_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "access_tunnel_bench: %s\n", why.c_str());
  std::abort();
}

// Takes or gives bytes as the request's path says, plain or inside a WebSocket.
void serve(SSL* connection) {
  const std::string request = testing::read_request_head(connection);
  if (request.empty()) return;
  const bool is_plain = request.find("Upgrade: websocket") == std::string::npos;
  testing::send_text(connection, is_plain ? "go" : testing::switching_protocols(request));
  std::vector<char> block(record, 'x');
  const int size = static_cast<int>(block.size());
  if (request.starts_with("GET /up ")) {
    while (SSL_read(connection, block.data(), size) > 0) continue;
    return;
  }
  // A binary frame of 16,380 bytes fills the record, as a Go server's would.
  if (!is_plain) std::copy_n("\x82\x7E\x3F\xFC", 4, block.begin());
  for (std::size_t sent = 0; sent < total; sent += record) {
    if (SSL_write(connection, block.data(), size) != size) return;
  }
}

// The least that a program can do with libcurl and TLS.
class PlainTls {
 public:
  PlainTls(const testing::TlsServer& server, const std::string& path) : easy_(curl_easy_init()) {
    const std::string url = std::string("https://") + name + "/";
    connect_to_ = curl_slist_append(nullptr, ("::" + server.address()).c_str());
    curl_easy_setopt(easy_, CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy_, CURLOPT_CONNECT_TO, connect_to_);
    curl_easy_setopt(easy_, CURLOPT_CAINFO, server.ca_file().c_str());
    curl_easy_setopt(easy_, CURLOPT_CONNECT_ONLY, 1L);
    if (curl_easy_perform(easy_) != CURLE_OK) give_up("no plain TLS connection");
    curl_easy_getinfo(easy_, CURLINFO_ACTIVESOCKET, &socket_);
    send("GET " + path + " HTTP/1.1\r\n\r\n");
    std::vector<char> go(2);
    if (receive(go) == 0) give_up("the server said nothing");
  }
  ~PlainTls() {
    curl_easy_cleanup(easy_);
    curl_slist_free_all(connect_to_);
  }
  PlainTls(const PlainTls&) = delete;
  PlainTls& operator=(const PlainTls&) = delete;

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      std::size_t sent = 0;
      const CURLcode code = curl_easy_send(easy_, bytes.data(), bytes.size(), &sent);
      if (code == CURLE_AGAIN) wait(POLLOUT);
      if (code != CURLE_OK && code != CURLE_AGAIN) give_up("plain TLS cannot be written");
      bytes.remove_prefix(sent);
    }
  }
  std::size_t receive(std::vector<char>& into) {
    while (true) {
      std::size_t got = 0;
      const CURLcode code = curl_easy_recv(easy_, into.data(), into.size(), &got);
      if (code == CURLE_OK) return got;
      if (code != CURLE_AGAIN) return 0;
      wait(POLLIN);
    }
  }

 private:
  void wait(short events) const {
    pollfd one{socket_, events, 0};
    ::poll(&one, 1, -1);
  }
  CURL* easy_;
  curl_slist* connect_to_ = nullptr;
  curl_socket_t socket_ = -1;
};

class Tunnel {
 public:
  Tunnel(const testing::TlsServer& server, const std::string& path) {
    AccessSettings settings;
    settings.hostname = name;
    settings.path = path;
    settings.ca_file = server.ca_file();
    settings.user_agent = "bench";
    settings.connect_to = server.address();
    auto connected = connect_access(budget_, settings);
    if (!connected) give_up(connected.error().message);
    stream_ = std::move(*connected);
  }
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = stream_->write(bytes);
      if (!sent) give_up(sent.error().message);
      bytes.remove_prefix(*sent);
      if (*sent == 0) wait(POLLIN | POLLOUT);
    }
  }
  std::size_t receive(std::vector<char>& into) {
    while (true) {
      const auto got = stream_->read(into);
      if (!got) give_up(got.error().message);
      if (got->bytes > 0 || got->end) return got->bytes;
      wait(POLLIN);
    }
  }
  ~Tunnel() { (void)stream_->close(Budget::of(Milliseconds{0})); }
  Tunnel(const Tunnel&) = delete;
  Tunnel& operator=(const Tunnel&) = delete;

 private:
  void wait(short events) {
    const PollHandle handle{stream_->poll_handle().fd, events};
    if (auto woken = wait_ready(budget_, {&handle, 1}, budget_.deadline(), "measuring"); !woken) {
      give_up(woken.error().message);
    }
    (void)stream_->service();
  }
  Budget budget_ = Budget::of(Milliseconds{600'000});
  std::unique_ptr<ByteStream> stream_;
};

// As `tunnel-ssh stdio` would: whatever a pipe gives, up to 64 KiB.
template <typename Connection>
double upload(const testing::TlsServer& server) {
  Connection connection(server, "/up");
  const std::string block(std::size_t{64} << 10U, 'x');
  const double start = thread_cpu_seconds();
  for (std::size_t sent = 0; sent < total; sent += block.size()) connection.send(block);
  return thread_cpu_seconds() - start;
}

template <typename Connection>
double download(const testing::TlsServer& server) {
  Connection connection(server, "/down");
  std::vector<char> block(std::size_t{64} << 10U);
  const double start = thread_cpu_seconds();
  while (connection.receive(block) > 0) continue;
  return thread_cpu_seconds() - start;
}

void report(benchmark::State& state, double plain, double tunnel) {
  const auto rounds = static_cast<double>(state.iterations());
  state.counters["plain_cpu_s"] = plain / rounds;
  state.counters["tunnel_cpu_s"] = tunnel / rounds;
  state.counters["ratio"] = tunnel / plain;
  if (tunnel <= most_of_plain * plain) return;
  is_too_dear = true;
  state.SkipWithError("more than 1.3 of the CPU of plain TLS");
}

void Upload256MiB(benchmark::State& state) {
  const testing::TlsServer server(name, serve);
  double plain = 0, tunnel = 0;
  for ([[maybe_unused]] auto round : state) {
    plain += upload<PlainTls>(server);
    tunnel += upload<Tunnel>(server);
  }
  report(state, plain, tunnel);
}
BENCHMARK(Upload256MiB)->Unit(benchmark::kMillisecond)->Iterations(5);

void Download256MiB(benchmark::State& state) {
  const testing::TlsServer server(name, serve);
  double plain = 0, tunnel = 0;
  for ([[maybe_unused]] auto round : state) {
    plain += download<PlainTls>(server);
    tunnel += download<Tunnel>(server);
  }
  report(state, plain, tunnel);
}
BENCHMARK(Download256MiB)->Unit(benchmark::kMillisecond)->Iterations(5);

void Handshake(benchmark::State& state) {
  const testing::TlsServer server(name, serve);
  for ([[maybe_unused]] auto round : state) Tunnel(server, "/up");
}
BENCHMARK(Handshake)->Unit(benchmark::kMillisecond)->Iterations(50);

}  // namespace
}  // namespace pca

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return pca::is_too_dear ? 1 : 0;
}
