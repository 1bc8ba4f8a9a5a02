// On a host whose PID 1 is systemd: units are restarted, and its timers take a change back.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/text.hpp"
#include "support/comes_true.hpp"
#include "support/require.hpp"
#include "support/small_web.hpp"
#include "support/systemd_host.hpp"
#include "support/tunnel_ssh.hpp"

namespace pca::test {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds patience{200'000};

class OnSystemd : public ::testing::Test {
 protected:
  void SetUp() override {
    PCA_REQUIRE(Sshd::missing());
    PCA_REQUIRE(SystemdHost::missing());
    host_ = std::make_unique<SystemdHost>();
    step_ = std::make_unique<StepForTests>(*host_);
    step_->inputs["INPUT_TRIES"] = "1";
  }
  // What a script prints on the host, trimmed; it must succeed.
  std::string there(const std::string& script) const {
    StepForTests other(*host_);
    const StepResult result = other.run({"exec", "--script", script});
    EXPECT_EQ(result.code, 0) << result.err;
    return result.outputs.contains("stdout") ? std::string(trim(result.outputs.at("stdout"))) : "";
  }

  std::unique_ptr<SystemdHost> host_;
  std::unique_ptr<StepForTests> step_;
};

// --- guard ---

class GuardOnSystemd : public OnSystemd {
 protected:
  // A change that puts "new" into /etc/rules.
  [[nodiscard]] std::vector<std::string> change(const std::string& apply,
                                                const std::string& revert_after) {
    std::vector<std::string> arguments{"guard",          "apply",
                                       "--candidate",    ours_.write("rules", "new"),
                                       "--target",       "/etc/rules",
                                       "--apply",        apply,
                                       "--revert",       "systemctl start ssh; touch /run/reverted",
                                       "--revert-after", revert_after};
    return arguments;
  }
  TempFolder ours_;
};

TEST_F(GuardOnSystemd, WhoLocksEveryoneOutIsLetInAgainByATimer) {
  there("echo old >/etc/rules");
  const StepResult step = step_->run(change("systemctl stop ssh; pkill -KILL sshd", "15s"));
  EXPECT_EQ(step.code, 4) << step.err;
  EXPECT_FALSE(host_->is_reachable());
  EXPECT_TRUE(comes_true([&] { return host_->is_reachable(); }, std::chrono::seconds(30)));
  EXPECT_EQ(there("cat /etc/rules; ls /run/reverted"), "old\n/run/reverted");
}

TEST_F(GuardOnSystemd, TheTimerIsPunctualAndGoesWithTheChange) {
  Process process = step_->start(change("sleep 300", "5m"));
  const std::string units = "systemctl list-units --all --plain --no-legend ";
  std::string found;
  ASSERT_TRUE(comes_true([&] {
    found = there(units + "'tunnel-ssh-guard-*.timer' | cut -d' ' -f1");
    return found.find(".timer") != std::string::npos;
  }));
  EXPECT_EQ(there("systemctl show --property AccuracyUSec " + found), "AccuracyUSec=1s");
  process.interrupt();
  EXPECT_EQ(process.wait(patience), 130) << process.err();
  EXPECT_EQ(there(units + "'tunnel-ssh-guard-*'"), "");
  EXPECT_EQ(there("cat /etc/rules 2>/dev/null || echo none"), "none");
}

// --- release ---

class ServiceOnSystemd : public OnSystemd {
 protected:
  void SetUp() override {
    OnSystemd::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    port_ = free_port();
  }
  // Makes a copy of an example that can be changed, and its unit known to the host.
  void prepare(const std::string& name) {
    const fs::path example = fs::path(PCA_SOURCE_DIR) / "tests/examples" / name;
    fs::copy(example, source_.path("app"), fs::copy_options::recursive);
    std::ostringstream unit;
    unit << std::ifstream(example / "app.service").rdbuf();
    there("cat >/etc/systemd/system/app.service <<'END'\n" + unit.str() + "END\n" +
          "echo PORT=" + port_ + " >/etc/app.env; mkdir -p /srv; systemctl daemon-reload");
  }
  StepResult deploy(const std::string& release, const std::vector<std::string>& more = {}) {
    source_.write("app/release.txt", release + "\n");
    std::vector<std::string> arguments{"release",          "deploy",
                                       "--path",           "/srv/app",
                                       "--source",         source_.path("app"),
                                       "--unit",           "app.service",
                                       "--health-url",     "http://127.0.0.1:" + port_ + "/healthz",
                                       "--health-timeout", "60s"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return step_->run(arguments);
  }
  [[nodiscard]] std::string answer() const {
    return answer_of(static_cast<std::uint16_t>(std::stoi(port_)));
  }

  TempFolder source_;
  std::string port_;
};

TEST_F(ServiceOnSystemd, NodeJsIsDeployedWithItsModulesAndRolledBack) {
  prepare("node-service");
  ProcessSpec npm;
  npm.argv = {"npm", "ci", "--offline", "--no-audit", "--no-fund"};
  npm.environment["HOME"] = source_.path();
  npm.folder = source_.path("app");
  const Finished installed = run_process(npm, patience);
  ASSERT_EQ(installed.code, 0) << installed.err;

  const StepResult first = deploy("one");
  ASSERT_EQ(first.code, 0) << first.err;
  EXPECT_EQ(answer(), "Hello from one\n");
  // Ends as soon as it is started: the release before comes back, and the unit's own words are
  // told.
  const std::string good = source_.read("app/service.js");
  source_.write("app/service.js", "throw new Error('the database is gone');\n");
  const StepResult second = deploy("two");
  EXPECT_EQ(second.code, 3) << second.err;
  EXPECT_NE((second.out + second.err).find("the database is gone"), std::string::npos)
      << second.out << second.err;
  EXPECT_TRUE(comes_true([&] { return answer() == "Hello from one\n"; }));
  EXPECT_EQ(there("systemctl is-active app.service"), "active");
  source_.write("app/service.js", good);
  ASSERT_EQ(deploy("three").code, 0);
  EXPECT_EQ(answer(), "Hello from three\n");
  const StepResult back = step_->run({"release", "rollback", "--path", "/srv/app", "--unit",
                                      "app.service", "--reason", "three is slow"});
  EXPECT_EQ(back.code, 0) << back.err;
  EXPECT_TRUE(comes_true([&] { return answer() == "Hello from one\n"; }));
}

TEST_F(ServiceOnSystemd, PythonRunsInAnEnvironmentInsideItsRelease) {
  prepare("python-service");
  const std::vector<std::string> with_environment{"--hook-stage",
                                                  "python3 -m venv --without-pip .venv"};
  ASSERT_EQ(deploy("one", with_environment).code, 0);
  EXPECT_EQ(answer(), "Hello from one in its own environment\n");
  const StepResult second = deploy("two", with_environment);
  ASSERT_EQ(second.code, 0) << second.err;
  EXPECT_EQ(answer(), "Hello from two in its own environment\n");
  EXPECT_EQ(there("ls /srv/app/releases | wc -l"), "2");
}

// The runner dies after the switch: the host takes the release back, and the unit is restarted.
TEST_F(ServiceOnSystemd, AReleaseWhoseJobDiesIsTakenBackByTheHost) {
  prepare("node-service");
  fs::create_directories(source_.path("app/node_modules"));
  fs::create_symlink("../greeting", source_.path("app/node_modules/greeting"));
  ASSERT_EQ(deploy("one").code, 0);
  source_.write("app/release.txt", "two\n");
  Process process = step_->start({"release", "deploy", "--path", "/srv/app", "--source",
                                  source_.path("app"), "--unit", "app.service", "--health-command",
                                  "sleep 120", "--health-timeout", "90s"});
  ASSERT_TRUE(comes_true([&] { return answer() == "Hello from two\n"; }, std::chrono::seconds(60)));
  process.send(SIGKILL);
  (void)process.wait(patience);
  EXPECT_TRUE(comes_true([&] { return answer() == "Hello from one\n"; }, std::chrono::seconds(90)));
}

}  // namespace
}  // namespace pca::test
