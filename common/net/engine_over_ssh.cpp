#include "net/engine_over_ssh.hpp"

#include <fmt/format.h>

#include <mutex>

#include "base/build_info.hpp"
#include "base/text.hpp"
#include "net/ssh_dialer.hpp"

namespace pca {

namespace {

// Each one is a session of the host's sshd, which has 10 of them at once unless told otherwise
// (MaxSessions).
constexpr std::size_t most_commands = 4;
constexpr std::size_t most_channels = 8;

std::vector<SshTarget> targets_of(const EngineEndpoint& endpoint) {
  if (endpoint.unix_socket.empty()) {
    return {{SshTarget::Kind::tcp, endpoint.host, endpoint.port}};
  }
  const std::string dial =
      fmt::format("docker -H {} system dial-stdio", shell_quote("unix://" + endpoint.unix_socket));
  return {{SshTarget::Kind::unix_socket, endpoint.unix_socket}, {SshTarget::Kind::command, dial}};
}

// The SSH connection that all connections to one Engine share. Thread safe.
class Way {
 public:
  Way(std::vector<SshTarget> targets, std::shared_ptr<const ConnectionSettings> settings,
      HostAddress host, ConnectObserver observer)
      : targets_(std::move(targets)),
        settings_(std::move(settings)),
        host_(std::move(host)),
        observer_(std::move(observer)) {}

  Result<FileDescriptor> dial(const Budget& budget) {
    const std::lock_guard lock(mutex_);
    if (dialer_ == nullptr || dialer_->is_lost()) {
      PCA_TRY(auto session, connect_ssh(budget, *settings_, host_, observer_));
      PCA_TRY(dialer_, SshDialer::open(budget, std::move(session), targets_));
    }
    return dialer_->dial();
  }

  [[nodiscard]] std::size_t most_connections() {
    const std::lock_guard lock(mutex_);
    const bool by_command =
        dialer_ != nullptr && dialer_->target().kind == SshTarget::Kind::command;
    return by_command ? most_commands : most_channels;
  }

  [[nodiscard]] std::string last_words() {
    const std::lock_guard lock(mutex_);
    return dialer_ == nullptr ? std::string() : dialer_->last_words();
  }

 private:
  const std::vector<SshTarget> targets_;
  const std::shared_ptr<const ConnectionSettings> settings_;
  const HostAddress host_;
  const ConnectObserver observer_;
  std::mutex mutex_;
  std::unique_ptr<SshDialer> dialer_;
};

// Says why a channel ended, which HTTP cannot know.
class Transport : public HttpTransport {
 public:
  Transport(std::shared_ptr<Way> way, const std::string& peer)
      : way_(std::move(way)),
        http_(make_http_transport(
            fmt::format("private-cloud-actions/{}", project_version()),
            {peer, [way = way_.get()](const Budget& budget) { return way->dial(budget); }})) {}

  Result<HttpResponse> send(const Budget& budget, const HttpRequest& request) override {
    auto response = http_->send(budget, request);
    if (response || response.error().kind != ErrorKind::unreachable) return response;
    const std::string words = way_->last_words();
    if (words.empty()) return response;
    Error error = std::move(response).error();
    error.message = fmt::format("{} ({})", error.message, words);
    return error;
  }

 private:
  std::shared_ptr<Way> way_;
  std::unique_ptr<HttpTransport> http_;
};

}  // namespace

EngineEndpoint engine_over_ssh(const EngineEndpoint& endpoint,
                               std::shared_ptr<const ConnectionSettings> settings,
                               const HostAddress& host, ConnectObserver observer) {
  EngineEndpoint through = endpoint;
  through.name = fmt::format("{} on {}", endpoint.name, host.text());
  through.is_here = false;
  through.connect_limit = connect_limit(*settings);
  auto way =
      std::make_shared<Way>(targets_of(endpoint), std::move(settings), host, std::move(observer));
  through.make_transport = [way, peer = through.name]() -> std::unique_ptr<HttpTransport> {
    return std::make_unique<Transport>(way, peer);
  };
  through.most_connections = [way] { return way->most_connections(); };
  return through;
}

}  // namespace pca
