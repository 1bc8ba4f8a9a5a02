// The example of actions/guarded-apply with Debian's nft: the ruleset and the commands are read
// from the README, and the firewall is that of a host in a network namespace of its own.

#include <gtest/gtest.h>

#include <fstream>

#include "base/text.hpp"
#include "support/comes_true.hpp"
#include "support/require.hpp"
#include "support/tunnel_ssh.hpp"
#include "support/two_networks.hpp"

namespace pca::test {
namespace {

std::string readme() {
  std::ostringstream text;
  text << std::ifstream(PCA_SOURCE_DIR "/actions/guarded-apply/README.md").rdbuf();
  return text.str();
}

// What stands between two marks, the first of its kind.
std::string between(const std::string& text, const std::string& begin, const std::string& end) {
  const std::size_t from = text.find(begin);
  const std::size_t to = text.find(end, from == std::string::npos ? from : from + begin.size());
  if (from == std::string::npos || to == std::string::npos) {
    ADD_FAILURE() << "the README has no " << begin;
    return {};
  }
  return text.substr(from + begin.size(), to - from - begin.size());
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << "no " << from << " in " << text;
  for (; at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

class GuardedApplyNftables : public ::testing::Test {
 protected:
  void SetUp() override {
    PCA_REQUIRE(Sshd::missing());
    PCA_REQUIRE(TwoNetworks::missing());
    PCA_REQUIRE(missing_nft());
    networks_ = std::make_unique<TwoNetworks>();
    networks_->on_host([this] {
      host_ =
          std::make_unique<HostForTests>(std::string("ListenAddress ") + TwoNetworks::host_address);
    });
    step_ = std::make_unique<StepForTests>(*host_);
    for (const char* input : {"INPUT_HOST", "INPUT_KNOWN_HOSTS"}) {
      step_->inputs[input] = replaced(step_->inputs[input], "127.0.0.1", TwoNetworks::host_address);
    }
    step_->inputs["INPUT_TRIES"] = "1";
    step_->inputs["INPUT_CONNECT_TIMEOUT"] = "2s";
    rules_ = between(readme(), "```nft\n", "```");
    rules_ = replaced(rules_, "tcp dport 22 ", "tcp dport " + port() + " ");
    there_.write("nftables.conf", rules_);
    ASSERT_EQ(nft({"--file", there_.path("nftables.conf")}).code, 0);
    before_ = ruleset();
  }
  void TearDown() override {
    if (!step_) return;
    (void)step_->run({"guard", "revert"});
    // Of a connection that nothing came through, TCP asks less and less often.
    EXPECT_TRUE(comes_true([&] { return host_->falls_silent(); }, std::chrono::seconds(60)));
  }

  static std::string missing_nft() {
    ProcessSpec spec;
    spec.argv = {"nft", "--version"};
    try {
      return run_process(spec, std::chrono::seconds(20)).code == 0 ? "" : "nft does not run here";
    } catch (const std::runtime_error&) {
      return "no nft here (package nftables)";
    }
  }

  // A timer of systemd runs in the machine's own network, so nft is told where to go.
  [[nodiscard]] std::string command_of_example(const std::string& input) const {
    std::string command = between(readme(), "    " + input + ": ", "\n");
    if (command.find("/etc/") != std::string::npos) {
      command = replaced(command, "/etc/nftables.conf", there_.path("nftables.conf"));
    }
    return "nsenter --net=/proc/" + std::to_string(host_->sshd().pid()) + "/ns/net " + command;
  }

  Finished nft(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "nft");
    ProcessSpec spec;
    spec.argv = std::move(arguments);
    Finished done;
    networks_->on_host([&] { done = run_process(spec, std::chrono::seconds(20)); });
    return done;
  }
  [[nodiscard]] std::string ruleset() const { return nft({"list", "ruleset"}).out; }
  [[nodiscard]] bool is_as_before() const {
    return ruleset() == before_ && there_.read("nftables.conf") == rules_;
  }

  StepResult apply(const std::string& candidate) {
    std::vector<std::string> arguments{"guard",          "apply",
                                       "--candidate",    ours_.write("nftables.conf", candidate),
                                       "--target",       there_.path("nftables.conf"),
                                       "--revert-after", "15s"};
    for (const char* command : {"validate", "apply", "revert"}) {
      arguments.insert(arguments.end(), {std::string("--") + command, command_of_example(command)});
    }
    return step_->run(arguments);
  }
  [[nodiscard]] std::string port() const { return std::to_string(host_->sshd().port()); }
  bool somebody_gets_in() { return step_->run({"exec", "--command", "true"}).code == 0; }

  TempFolder ours_;
  TempFolder there_;
  std::unique_ptr<TwoNetworks> networks_;
  std::unique_ptr<HostForTests> host_;
  std::unique_ptr<StepForTests> step_;
  std::string rules_;
  std::string before_;
};

TEST_F(GuardedApplyNftables, AGoodRulesetStays) {
  const std::string candidate = replaced(rules_, "tcp dport { 80, 443 }", "tcp dport 8443");
  const StepResult step = apply(candidate);
  ASSERT_EQ(step.code, 0) << step.out << step.err;
  EXPECT_EQ(step.outputs.at("outcome"), "deployed");
  EXPECT_EQ(there_.read("nftables.conf"), candidate);
  EXPECT_NE(ruleset().find("tcp dport 8443 accept"), std::string::npos) << ruleset();
  EXPECT_EQ(ruleset().find("443 }"), std::string::npos) << "the old rules are still there";
  EXPECT_NE(step_->run({"guard", "status"}).out.find("nothing is pending"), std::string::npos);
}

TEST_F(GuardedApplyNftables, ARulesetThatNftDoesNotTakeTouchesNothing) {
  const StepResult step = apply(replaced(rules_, "policy drop", "policy perhaps"));
  EXPECT_EQ(step.code, 1) << step.out << step.err;
  EXPECT_NE(step.err.find("the candidate is not valid"), std::string::npos) << step.err;
  EXPECT_TRUE(is_as_before()) << ruleset();
}

// The connection that brought the ruleset lives on, as an established one: it proves nothing.
TEST_F(GuardedApplyNftables, ARulesetThatLetsInNobodyNewIsTakenBack) {
  const StepResult step = apply(replaced(rules_, "tcp dport " + port() + " accept", ""));
  EXPECT_EQ(step.code, 3) << step.out << step.err;
  EXPECT_EQ(step.outputs.at("outcome"), "rolled-back");
  EXPECT_TRUE(is_as_before()) << ruleset();
  EXPECT_TRUE(somebody_gets_in());
}

TEST_F(GuardedApplyNftables, ARulesetThatLocksAllOutIsTakenBackByTheHostItself) {
  std::string candidate = replaced(rules_, "tcp dport " + port() + " accept", "");
  candidate = replaced(candidate, "ct state established,related accept", "");
  const StepResult step = apply(candidate);
  EXPECT_EQ(step.code, 4) << step.out << step.err;
  EXPECT_EQ(step.outputs.at("outcome"), "unknown");
  EXPECT_NE(step.err.find("will revert at " + step.outputs.at("reverts-at")), std::string::npos)
      << step.err;
  EXPECT_TRUE(comes_true([&] { return is_as_before(); })) << ruleset();
  EXPECT_TRUE(somebody_gets_in());
  EXPECT_NE(step_->run({"guard", "status"}).out.find("nothing is pending"), std::string::npos);
}

}  // namespace
}  // namespace pca::test
