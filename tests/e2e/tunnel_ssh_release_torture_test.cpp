// What tunnel-ssh release leaves behind when it is cut short, killed or cancelled at any step.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>
#include <regex>

#include "base/text.hpp"
#include "support/comes_true.hpp"
#include "support/counting_proxy.hpp"
#include "support/long_way.hpp"
#include "support/noise.hpp"
#include "support/require.hpp"
#include "support/tree_picture.hpp"
#include "support/tunnel_ssh.hpp"

namespace pca::test {
namespace {

namespace fs = std::filesystem;
using pca::testing::SandboxEdge;
constexpr std::chrono::milliseconds patience{60'000};

class TunnelSshReleaseTorture : public ::testing::Test {
 protected:
  void SetUp() override {
    PCA_REQUIRE(Sshd::missing());
    host_ = std::make_unique<HostForTests>();
    step_ = std::make_unique<StepForTests>(*host_);
    for (int i = 0; i < 40; ++i) {
      fs::create_directories(ours_.path("d" + std::to_string(i % 5)));
      ours_.write("d" + std::to_string(i % 5) + "/" + std::to_string(i), std::string(200, 'a'));
    }
    step_->inputs["INPUT_HEALTH_TIMEOUT"] = "20s";
    step_->inputs["INPUT_TRIES"] = "1";
  }

  [[nodiscard]] std::string app(const std::string& name = "") const {
    return theirs_.path("app" + (name.empty() ? "" : "/" + name));
  }
  [[nodiscard]] std::string current() const {
    std::error_code problem;
    return fs::read_symlink(app("current"), problem).filename().native();
  }
  // The tree that is deployed as `version`.
  void make_ours(int version) {
    const std::string text = std::to_string(version);
    for (int i = 0; i < 10; ++i) ours_.write("d0/" + std::to_string(5 * i), text);
    ours_.write("version", text);
  }
  [[nodiscard]] std::vector<std::string> deploy_arguments(
      int version, std::vector<std::string> more = {}) const {
    more.insert(more.begin(),
                {"release", "deploy", "--path", app(), "--source", ours_.path(), "--commit",
                 std::to_string(1'000'000 + version) + std::string(33, '0')});
    return more;
  }
  StepResult deploy(int version, std::vector<std::string> more = {}) {
    make_ours(version);
    return step_->run(deploy_arguments(version, std::move(more)));
  }
  void make_it(int version) {
    const StepResult step = deploy(version);
    ASSERT_EQ(step.code, 0) << step.err;
    ASSERT_EQ(tree_picture(app("current/.")), tree_picture(ours_.path()));
  }
  // No lock, no revert, nothing half-made, no temporary file: as after a deploy that was good.
  void expect_nothing_left() const {
    EXPECT_TRUE(host_->falls_silent());
    EXPECT_TRUE(fs::is_empty(host_->temporary().path()));
    EXPECT_TRUE(fs::is_empty(app(".deploy/armed")));
    for (const auto& entry : fs::directory_iterator(app(".deploy"))) {
      EXPECT_FALSE(entry.path().filename().native().starts_with("lock")) << entry.path();
    }
    for (const auto& entry : fs::directory_iterator(app("releases"))) {
      EXPECT_FALSE(entry.path().filename().native().starts_with(".")) << entry.path();
    }
  }
  // What hangs in release 2 only: makes the file `hangs`, and is one long sleep.
  [[nodiscard]] std::string hang() const {
    return "if [ \"$(cat version)\" = 2 ]; then touch " + theirs_.path("hangs") + "; exec " +
           sleep_ + "; fi";
  }
  [[nodiscard]] bool comes_to_hang(Process& process) const {
    return comes_true([&] {
      (void)process.wait_for("never said", std::chrono::milliseconds(1));
      return fs::exists(theirs_.path("hangs"));
    });
  }
  void TearDown() override { HostForTests::end_running(sleep_); }

  const std::string sleep_ = "sleep 86399." + std::to_string(::getpid());
  TempFolder ours_;
  TempFolder theirs_;
  std::unique_ptr<HostForTests> host_;
  std::unique_ptr<StepForTests> step_;
};

// Each rename of the deploy in its turn, but those of the folder's own set-up; before it, and when
// it is done but nobody has heard so.
TEST_F(TunnelSshReleaseTorture, AShellThatIsEndedAtARenameLeavesNothing) {
  make_it(1);
  // Without the history, which tells what was taken back.
  const auto picture = [this] {
    return std::regex_replace(tree_picture(app()), std::regex(".deploy/history.jsonl.*\n"), "");
  };
  const std::string before = picture();
  fs::create_directories(host_->home().path("bin"));
  for (const char* name : {"*.sh.new*", "*.current.new*", "*/.*.part*"}) {
    for (const char* first : {"", "/bin/mv \"$@\"; "}) {
      SCOPED_TRACE(std::string(name) + " " + first);
      const std::string mv = host_->home().write(
          "bin/mv",
          fmt::format("#!/bin/sh\ncase \"$*\" in {}) {}touch {}; kill $PPID; exit 1 ;; esac\n"
                      "exec /bin/mv \"$@\"\n",
                      name, first, theirs_.path("ended")));
      fs::permissions(mv, fs::perms::owner_all);
      const StepResult step = deploy(2, {"--health-command", "true"});
      EXPECT_NE(step.code, 0);
      EXPECT_TRUE(fs::remove(theirs_.path("ended"))) << step.err;
      fs::remove(mv);
      EXPECT_TRUE(comes_true([&] { return picture() == before; }));
      EXPECT_EQ(picture(), before) << step.err;
      expect_nothing_left();
    }
  }
}

TEST_F(TunnelSshReleaseTorture, WhereverTheConnectionIsCutTheOldOrTheNewReleaseIsCurrent) {
  int version = 1;
  make_it(version);
  std::uint64_t all = 0;
  {
    const CountingProxy proxy(host_->sshd().port());
    step_->go_by(*host_, proxy.port());
    make_it(++version);
    all = proxy.up();
  }
  std::vector<std::uint64_t> cuts;
  for (std::uint64_t i = 1; i <= 15; ++i) cuts.push_back(all * i / 16);
  for (std::uint64_t i = 0; i <= 30; ++i) cuts.push_back(all - 97 * i);
  int old_ones = 0;
  for (const std::uint64_t cut : cuts) {
    SCOPED_TRACE("cut after " + std::to_string(cut) + " of " + std::to_string(all));
    const std::string old_release = current();
    const std::string before = tree_picture(app("current/."));
    StepResult step;
    {
      const CountingProxy proxy(host_->sshd().port(), cut);
      step_->go_by(*host_, proxy.port());
      step = deploy(++version);
    }
    expect_nothing_left();
    const bool is_old = current() == old_release;
    EXPECT_EQ(tree_picture(app("current/.")), is_old ? before : tree_picture(ours_.path()))
        << step.err;
    EXPECT_TRUE(step.code == 0 || step.code == 4 || step.code == 6) << step.code << step.err;
    EXPECT_FALSE(step.code == 0 && is_old) << step.err;
    EXPECT_FALSE(step.code == 6 && !is_old) << step.err;
    if (is_old) ++old_ones;
  }
  EXPECT_GT(old_ones, 20);
  step_->go_straight(*host_);
  make_it(++version);
}

class TunnelSshReleaseHangs : public TunnelSshReleaseTorture,
                              public ::testing::WithParamInterface<const char*> {};

TEST_P(TunnelSshReleaseHangs, ACancelEndsItAndGoesBack) {
  make_it(1);
  const std::string good = current();
  make_ours(2);
  Process process = step_->start(deploy_arguments(2, {GetParam(), hang()}));
  ASSERT_TRUE(comes_to_hang(process)) << process.err();
  process.interrupt();
  EXPECT_EQ(process.wait(std::chrono::seconds(8)), 130) << process.err();
  EXPECT_EQ(current(), good);
  EXPECT_TRUE(HostForTests::stops_running(sleep_));
  expect_nothing_left();
}

TEST_P(TunnelSshReleaseHangs, ItsTimeIsLimitedAndItGoesBack) {
  make_it(1);
  const std::string good = current();
  step_->inputs["INPUT_HEALTH_TIMEOUT"] = "1s";
  const StepResult step = deploy(2, {GetParam(), hang()});
  EXPECT_EQ(step.code, 3) << step.err;
  EXPECT_EQ(current(), good);
  EXPECT_TRUE(HostForTests::stops_running(sleep_));
  expect_nothing_left();
}

INSTANTIATE_TEST_SUITE_P(All, TunnelSshReleaseHangs,
                         ::testing::Values("--restart", "--health-command"), [](const auto& param) {
                           return std::string(param.param) == "--restart" ? "Restart" : "Health";
                         });

TEST_F(TunnelSshReleaseTorture, ARestartThatFailsGoesBack) {
  make_it(1);
  const std::string good = current();
  const StepResult step =
      deploy(2, {"--restart", "echo no such service; test \"$(cat version)\" = 1"});
  EXPECT_EQ(step.code, 3) << step.err;
  EXPECT_NE(step.err.find("restart ended with exit code 1: no such service"), std::string::npos)
      << step.err;
  EXPECT_EQ(current(), good);
  expect_nothing_left();
}

TEST_F(TunnelSshReleaseTorture, ADaemonThatTheRestartStartsKeepsNobodyWaiting) {
  const std::string mark = "86398." + std::to_string(::getpid());
  const StepResult step = deploy(1, {"--restart", "sleep " + mark + " & echo started"});
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_NE(step.out.find("started"), std::string::npos) << step.out;
  HostForTests::end_running("sleep " + mark);
}

// The shell is killed, so nothing of it runs any more: only the timer is left.
TEST_F(TunnelSshReleaseTorture, AHostWhoseShellIsKilledGoesBackByItsTimer) {
  make_it(1);
  const std::string good = current();
  step_->inputs["INPUT_HEALTH_TIMEOUT"] = "1s";
  make_ours(2);
  Process process = step_->start(deploy_arguments(2, {"--health-command", hang()}));
  ASSERT_TRUE(comes_to_hang(process)) << process.err();
  ASSERT_NE(current(), good);
  for (const int pid : descendants_of(host_->sshd().pid())) {  // other tests have shells as well
    if (command_line_of_process(pid).find("t=$0; said()") != std::string::npos)
      ::kill(pid, SIGKILL);
  }
  EXPECT_NE(process.wait(patience), 0);
  EXPECT_NE(current(), good) << "who went back, if nobody is left?";
  EXPECT_TRUE(comes_true([&] { return current() == good; }, std::chrono::seconds(61)));
}

// PCA_CHAOS_ROUNDS says how often; tests/full/chaos.sh does it a hundred times.
TEST_F(TunnelSshReleaseTorture, KilledAtAnyMomentTheOldOrTheNewReleaseIsCurrent) {
  const char* asked = std::getenv("PCA_CHAOS_ROUNDS");
  const int rounds = asked == nullptr ? 15 : std::stoi(asked);
  std::mt19937 random(20261124);
  int version = 1;
  make_it(version);
  const auto began = std::chrono::steady_clock::now();
  make_it(++version);
  const auto usual = std::chrono::steady_clock::now() - began;
  const auto usual_ms = std::chrono::duration_cast<std::chrono::milliseconds>(usual).count();
  for (int round = 0; round < rounds; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    auto edge = std::make_unique<SandboxEdge>(
        std::vector<std::string>{"--client-id", SandboxEdge::client_id, "--origin",
                                 "127.0.0.1:" + std::to_string(host_->sshd().port())},
        ProcessEnvironment{{"INPUT_CLIENT_SECRET", SandboxEdge::client_secret}});
    step_->go_through(*edge);
    const std::string old_release = current();
    const std::string before = tree_picture(app("current/."));
    make_ours(++version);
    Process process = step_->start(deploy_arguments(version, {"--health-command", "true"}));
    (void)process.wait_for(
        "never said",
        std::chrono::milliseconds(random() % static_cast<unsigned>(usual_ms * 5 / 4 + 500)));
    switch (random() % 3) {
      case 0:
        process.send(SIGKILL);
        break;
      case 1:
        ::kill(edge->pid(), SIGTERM);
        break;
      default:
        host_->cut();
        break;
    }
    const auto code = process.wait(patience);
    ASSERT_TRUE(code);
    expect_nothing_left();
    const bool is_old = current() == old_release;
    EXPECT_EQ(tree_picture(app("current/.")), is_old ? before : tree_picture(ours_.path()))
        << *code << process.err();
    EXPECT_FALSE(*code == 0 && is_old);
  }
  step_->inputs["INPUT_VIA"] = "direct";
  for (const char* name : {"HOSTNAME", "PORT", "CA", "CLIENT_ID", "CLIENT_SECRET"}) {
    step_->inputs.erase(std::string("INPUT_ACCESS_") + name);
  }
  make_it(++version);
}

// ---- a release that is sent over several channels

class TunnelSshReleaseLanes : public TunnelSshReleaseTorture {
 protected:
  static constexpr std::uint64_t size = std::uint64_t{12} << 20U;

  void SetUp() override {
    TunnelSshReleaseTorture::SetUp();
    if (IsSkipped()) return;
    make_it(1);
    before_ = tree_picture(app("current/."));
    ours_.write("big", noise(size));
  }
  // Over a long way, cut after so many bytes up.
  StepResult deploy_from_afar(std::uint64_t cut = CountingProxy::endless) {
    const LongWay way(host_->sshd().port(), cut);
    step_->go_by(*host_, way.port());
    StepResult step = deploy(2);
    sent_ = way.up();
    return step;
  }
  std::string before_;
  std::uint64_t sent_ = 0;
};

TEST_F(TunnelSshReleaseLanes, CarryItOverALongWay) {
  const std::size_t commands_before = host_->commands();
  const StepResult step = deploy_from_afar();
  ASSERT_EQ(step.code, 0) << step.err;
  EXPECT_TRUE(tree_picture(app("current/.")) == tree_picture(ours_.path()));
  EXPECT_GE(host_->commands() - commands_before, 3U);  // the shell, and more than one lane
  expect_nothing_left();
}

TEST_F(TunnelSshReleaseLanes, LeaveNothingBehindWhereverTheConnectionIsCut) {
  for (std::uint64_t part = 1; part <= 5; part += 2) {
    SCOPED_TRACE(part);
    const StepResult step = deploy_from_afar(size * part / 6);
    EXPECT_EQ(step.code, 6) << step.err;
    expect_nothing_left();
    EXPECT_TRUE(tree_picture(app("current/.")) == before_);
  }
}

TEST_F(TunnelSshReleaseLanes, EndWithADeployThatIsCancelled) {
  const LongWay way(host_->sshd().port());
  step_->go_by(*host_, way.port());
  for (std::uint64_t part = 1; part <= 3; ++part) {
    SCOPED_TRACE(part);
    const std::uint64_t enough = way.up() + size * part / 4;
    make_ours(2);
    Process process = step_->start(deploy_arguments(2));
    ASSERT_TRUE(comes_true([&] {
      (void)process.wait_for("never said", std::chrono::milliseconds(1));
      return way.up() >= enough;
    }));
    process.interrupt();
    EXPECT_EQ(process.wait(std::chrono::seconds(8)), 130) << process.err();
    expect_nothing_left();
    EXPECT_TRUE(tree_picture(app("current/.")) == before_);
  }
}

TEST_F(TunnelSshReleaseLanes, CarryWhatIsPackedWhereTheHostCanUnpack) {
  ours_.write("big", std::string(size, 'x'));
  const StepResult step = deploy_from_afar();
  ASSERT_EQ(step.code, 0) << step.err;
  EXPECT_TRUE(tree_picture(app("current/.")) == tree_picture(ours_.path()));
  EXPECT_LT(sent_, size / 10);
  expect_nothing_left();
}

}  // namespace
}  // namespace pca::test
