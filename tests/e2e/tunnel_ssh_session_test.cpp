// tunnel-ssh session: one connection for a whole job, against a real sshd.

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

#include "base/text.hpp"
#include "support/require.hpp"
#include "support/tunnel_ssh.hpp"

namespace pca::test {
namespace {

namespace fs = std::filesystem;
using pca::testing::SandboxDelay;
using pca::testing::SandboxEdge;
using std::chrono::milliseconds;

constexpr milliseconds patience{30'000};

class TunnelSshSession : public ::testing::Test {
 protected:
  void SetUp() override {
    PCA_REQUIRE(Sshd::missing());
    host_ = std::make_unique<HostForTests>("MaxSessions 100");
    step_ = std::make_unique<StepForTests>(*host_);
  }
  void TearDown() override {
    for (const int pid : holders_) ::kill(pid, SIGKILL);
  }

  // Opens a session as a step would, and gives its holder's pid.
  int open(const std::vector<std::string>& arguments = {}) {
    std::vector<std::string> all{"session", "open"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    opened_ = step_->run(all);
    EXPECT_EQ(opened_.code, 0) << opened_.out << opened_.err;
    const auto pid = parse_integer(opened_.outputs["pid"], 2, 1 << 30);
    if (!pid) return 0;
    holders_.push_back(static_cast<int>(*pid));
    return holders_.back();
  }
  [[nodiscard]] StepResult exec(const std::string& script) {
    return step_->run({"exec", "--script", script});
  }
  [[nodiscard]] fs::path folder() const {
    return fs::path(step_->folder().path()) / "private-cloud-sessions";
  }
  [[nodiscard]] std::vector<fs::path> sockets() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder())) {
      if (entry.is_socket()) found.push_back(entry.path());
    }
    return found;
  }
  // How many logins sshd has seen.
  [[nodiscard]] int logins() const {
    const std::string log = host_->sshd().log();
    int count = 0;
    for (std::size_t at = 0; (at = log.find("Accepted publickey", at)) != std::string::npos; ++at)
      ++count;
    return count;
  }

  std::unique_ptr<HostForTests> host_;
  std::unique_ptr<StepForTests> step_;
  StepResult opened_;
  std::vector<int> holders_;
};

TEST_F(TunnelSshSession, LaterCallsUseTheConnectionThatIsOpen) {
  ASSERT_GT(open(), 0);
  for (int call = 0; call < 3; ++call) {
    const StepResult step = exec("echo out; echo err >&2; cat; exit 7");
    EXPECT_EQ(step.code, 1) << step.err;
    EXPECT_EQ(step.outputs.at("exit-code"), "7");
    EXPECT_EQ(step.outputs.at("stdout"), "out\n");
    EXPECT_EQ(step.outputs.at("stderr"), "err\n");
  }
  EXPECT_EQ(logins(), 1);
}

}  // namespace
}  // namespace pca::test
