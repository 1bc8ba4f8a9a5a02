#include "net/engine_over_ssh.hpp"

#include <fmt/format.h>

#include <atomic>
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
constexpr Milliseconds glance{50};  // how often a waiting one looks whether it is cancelled

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
    // Whoever connects may take longer than this one has.
    std::unique_lock lock(mutex_, std::defer_lock);
    while (!lock.try_lock_for(glance)) PCA_CHECK(budget.check("waiting for the SSH connection"));
    if (dialer_ == nullptr || dialer_->is_lost()) {
      PCA_TRY(auto session, connect_ssh(budget, *settings_, host_, observer_));
      PCA_TRY(dialer_, SshDialer::open(budget, std::move(session), targets_));
      is_by_command_ = dialer_->target().kind == SshTarget::Kind::command;
    }
    return dialer_->dial();
  }

  [[nodiscard]] std::size_t most_connections() const {
    return is_by_command_ ? most_commands : most_channels;
  }

  // Empty also while somebody connects.
  [[nodiscard]] std::string last_words() {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    return lock && dialer_ != nullptr ? dialer_->last_words() : std::string();
  }

 private:
  const std::vector<SshTarget> targets_;
  const std::shared_ptr<const ConnectionSettings> settings_;
  const HostAddress host_;
  const ConnectObserver observer_;
  std::timed_mutex mutex_;
  std::atomic<bool> is_by_command_ = false;
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
