#include "net/http_over_ssh.hpp"

#include <fmt/format.h>

#include <atomic>
#include <mutex>

#include "base/build_info.hpp"

namespace pca {

namespace {

// Each command is a session of the host's sshd, which has 10 of them at once unless told otherwise
// (MaxSessions).
constexpr std::size_t most_commands = 4;
constexpr std::size_t most_channels = 8;
constexpr Milliseconds glance{50};  // how often a waiting one looks whether it is cancelled

// Says why a channel ended, which HTTP cannot know.
class Transport : public HttpTransport {
 public:
  Transport(std::shared_ptr<SshWay> way, const std::string& peer)
      : way_(std::move(way)),
        http_(make_http_transport(fmt::format("private-cloud-actions/{}", project_version()),
                                  {peer, [this](const Budget& budget) {
                                     auto socket = way_->dial(budget);
                                     has_way_ = socket.has_value();
                                     return socket;
                                   }})) {}

  Result<HttpResponse> send(const Budget& budget, const HttpRequest& request) override {
    auto response = http_->send(budget, request);
    const auto is_cut = [&] {
      return !response && response.error().kind == ErrorKind::unreachable;
    };
    const bool may_repeat = has_way_ && request.method == "GET" && !request.sink;
    if (is_cut() && may_repeat && budget.left() > Milliseconds{0})
      response = http_->send(budget, request);
    if (!is_cut()) return response;
    const std::string words = way_->last_words();
    if (words.empty()) return response;
    Error error = std::move(response).error();
    error.message = fmt::format("{} ({})", error.message, words);
    return error;
  }

 private:
  bool has_way_ = true;  // else there is nothing that a second try would find changed
  std::shared_ptr<SshWay> way_;
  std::unique_ptr<HttpTransport> http_;
};

}  // namespace

struct SshWay::Impl {
  const std::vector<SshTarget> targets;
  const std::shared_ptr<const ConnectionSettings> settings;
  const HostAddress host;
  const ConnectObserver observer;
  std::timed_mutex mutex;
  std::atomic<bool> is_by_command = false;
  std::unique_ptr<SshDialer> dialer;
};

SshWay::SshWay(std::vector<SshTarget> targets, std::shared_ptr<const ConnectionSettings> settings,
               HostAddress host, ConnectObserver observer)
    : impl_(new Impl{std::move(targets),
                     std::move(settings),
                     std::move(host),
                     std::move(observer),
                     {},
                     false,
                     {}}) {}

SshWay::~SshWay() = default;

Result<FileDescriptor> SshWay::dial(const Budget& budget) {
  // Whoever connects may take longer than this one has.
  std::unique_lock lock(impl_->mutex, std::defer_lock);
  while (!lock.try_lock_for(glance)) PCA_CHECK(budget.check("waiting for the SSH connection"));
  if (impl_->dialer == nullptr || impl_->dialer->is_lost()) {
    PCA_TRY(auto session, connect_ssh(budget, *impl_->settings, impl_->host, impl_->observer));
    PCA_TRY(impl_->dialer, SshDialer::open(budget, std::move(session), impl_->targets));
    impl_->is_by_command = impl_->dialer->target().kind == SshTarget::Kind::command;
  }
  return impl_->dialer->dial();
}

std::size_t SshWay::most_connections() const {
  return impl_->is_by_command ? most_commands : most_channels;
}

std::string SshWay::last_words() {
  const std::unique_lock lock(impl_->mutex, std::try_to_lock);
  return lock && impl_->dialer != nullptr ? impl_->dialer->last_words() : std::string();
}

std::unique_ptr<HttpTransport> make_http_over_ssh(std::shared_ptr<SshWay> way,
                                                  const std::string& peer) {
  return std::make_unique<Transport>(std::move(way), peer);
}

}  // namespace pca
