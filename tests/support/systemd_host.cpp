#include "support/systemd_host.hpp"

#include <signal.h>
#include <unistd.h>

#include <stdexcept>

#include "base/text.hpp"
#include "net/tcp.hpp"
#include "support/comes_true.hpp"
#include "support/small_web.hpp"

namespace pca::test {

namespace {

constexpr std::chrono::milliseconds making_limit{170'000};  // the root, the first time
constexpr std::chrono::seconds boot_limit{60};
constexpr std::chrono::milliseconds end_limit{20'000};

}  // namespace

SystemdHost::SystemdHost() : key_(make_key(keys_, "id", {"-t", "ed25519"})), port_(free_port()) {
  ProcessSpec spec;
  spec.argv = {PCA_SYSTEMD_HOST_SCRIPT, "boot", port_, key_.path + ".pub"};
  for (const char* name : {"HOME", "PCA_CACHE", "XDG_CACHE_HOME"}) {
    if (const char* value = ::getenv(name)) spec.environment[name] = value;
  }
  script_ = std::make_unique<Process>(std::move(spec));
  if (!script_->wait_for("ssh-ed25519 ", making_limit) || !script_->wait_for("\n", making_limit)) {
    throw std::runtime_error("no host with systemd: " + script_->err());
  }
  host_key_ = std::string(trim(script_->out()));
  if (!comes_true([this] { return is_reachable(); }, boot_limit)) {
    throw std::runtime_error("sshd of the host with systemd does not answer: " + script_->err());
  }
}

SystemdHost::~SystemdHost() {
  script_->send(SIGTERM);
  (void)script_->wait(end_limit);
}

std::string SystemdHost::missing() {
  if (::geteuid() != 0) return "a host with systemd needs root, for its namespaces";
  for (const char* program : {"/usr/sbin/debootstrap", "/usr/bin/unshare", "/usr/bin/setpriv"}) {
    if (::access(program, X_OK) != 0) return std::string("there is no ") + program;
  }
  return {};
}

bool SystemdHost::is_reachable() const {
  const auto port = parse_integer(port_, 1, 65535);
  return connect_tcp_socket(Budget::of(Milliseconds{2'000}), "127.0.0.1",
                            static_cast<std::uint16_t>(*port))
      .has_value();
}

}  // namespace pca::test
