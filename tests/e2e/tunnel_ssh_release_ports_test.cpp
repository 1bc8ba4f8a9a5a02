// tunnel-ssh release with two instances, each on a port of its own, behind Debian's nginx.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <set>
#include <thread>

#include "base/text.hpp"
#include "support/release.hpp"
#include "support/small_web.hpp"

namespace pca::test {
namespace {

namespace fs = std::filesystem;
using pca::testing::Listener;

class TunnelSshReleasePorts : public ReleaseForTests {
 protected:
  void SetUp() override {
    ReleaseForTests::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    ours_.write("server.js", std::string(small_web_app));
    ports_ = {free_port(), free_port()};
    fs::create_directories(theirs_.path("run"));
    fs::create_directories(theirs_.path("nginx/conf.d"));
    front_ = static_cast<std::uint16_t>(std::stoi(free_port()));
    theirs_.write("nginx/nginx.conf",
                  "daemon off;\nworker_processes 1;\npid " + theirs_.path("nginx/pid") +
                      ";\nerror_log " + theirs_.path("nginx/errors") +
                      ";\nevents {}\nhttp {\n  access_log off;\n"
                      "  client_body_temp_path " +
                      theirs_.path("nginx/body") + ";\n  proxy_temp_path " +
                      theirs_.path("nginx/proxy") + ";\n  fastcgi_temp_path " +
                      theirs_.path("nginx/f") + ";\n  uwsgi_temp_path " + theirs_.path("nginx/u") +
                      ";\n  scgi_temp_path " + theirs_.path("nginx/s") + ";\n  include " +
                      theirs_.path("nginx/conf.d/*.conf") + ";\n}\n");
  }
  void TearDown() override {
    if (nginx_) {
      nginx_->send(SIGTERM);  // its workers outlive one that is killed
      EXPECT_TRUE(nginx_->wait(patience));
    }
    for (const std::string& port : ports_) {
      const std::string pid = theirs_.path("run/" + port);
      if (fs::exists(pid)) ::kill(std::stoi(theirs_.read("run/" + port)), SIGKILL);
    }
  }

  void start_nginx() {
    PCA_REQUIRE(fs::exists("/usr/sbin/nginx") ? "" : "there is no nginx");
    nginx_ = std::make_unique<Process>(ProcessSpec{.argv = nginx({})});
    ASSERT_TRUE(comes_true([&] {
      (void)nginx_->wait_for("never said", std::chrono::milliseconds(1));
      return fs::exists(theirs_.path("nginx/pid")) && !theirs_.read("nginx/pid").empty();
    })) << nginx_->err();
  }
  [[nodiscard]] std::vector<std::string> nginx(std::vector<std::string> more) const {
    more.insert(more.begin(),
                {"/usr/sbin/nginx", "-p", theirs_.path("nginx"), "-c",
                 theirs_.path("nginx/nginx.conf"), "-e", theirs_.path("nginx/errors")});
    return more;
  }
  // The pid file is also how a test ends what it started.
  [[nodiscard]] std::vector<std::string> instance_options() const {
    const std::string pid = theirs_.path("run") + "/$PORT";
    return {"--ports",   ports_[0] + "," + ports_[1],
            "--restart", "setsid node server.js >/dev/null 2>&1 & echo $! >" + pid,
            "--stop",    "kill $(cat " + pid + ") && rm " + pid,
            "--drain",   "1s"};
  }
  [[nodiscard]] std::vector<std::string> options(const std::string& reload = "") const {
    std::vector<std::string> all = instance_options();
    const std::string usual = join(nginx({"-s", "reload"}), " ");
    all.insert(all.end(), {"--route", route(), "--route-template",
                           "server {\n  listen 127.0.0.1:" + std::to_string(front_) +
                               ";\n  location / { proxy_pass http://127.0.0.1:@port@; }\n}",
                           "--route-reload", reload.empty() ? usual : reload});
    return all;
  }
  [[nodiscard]] std::string route() const { return theirs_.path("nginx/conf.d/app.conf"); }
  StepResult deploy_version(char commit, const std::string& version,
                            std::vector<std::string> arguments) {
    ours_.write("version", version);
    arguments.insert(arguments.end(), {"--health-url", "http://127.0.0.1:@port@/"});
    return deploy(commit, std::move(arguments));
  }
  [[nodiscard]] std::string answer_at(std::size_t port) const {
    return answer_of(static_cast<std::uint16_t>(std::stoi(ports_[port])));
  }
  [[nodiscard]] bool is_silent(std::size_t port) const {
    return comes_true([&] { return answer_at(port).empty(); });
  }

  std::vector<std::string> ports_;
  std::uint16_t front_ = 0;
  std::unique_ptr<Process> nginx_;
};

TEST_F(TunnelSshReleasePorts, AStreamOfRequestsSeesNoFailureOverADeployAndARollback) {
  start_nginx();
  if (IsSkipped()) return;
  ASSERT_EQ(deploy_version('a', "one", options()).code, 0);
  ASSERT_TRUE(comes_true([&] { return answer_of(front_) == "one"; }));
  std::atomic<int> failures = 0;
  std::atomic<int> requests = 0;
  std::set<std::string> versions;
  std::jthread clients([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const std::string version = answer_of(front_);
      if (version.empty()) ++failures;
      versions.insert(version);
      ++requests;
    }
  });
  const StepResult two = deploy_version('b', "two", options());
  EXPECT_EQ(two.code, 0) << two.err;
  EXPECT_TRUE(comes_true([&] { return answer_of(front_) == "two"; }));
  EXPECT_TRUE(is_silent(0)) << "the old instance was ended";
  const StepResult back = release("rollback", options());
  EXPECT_EQ(back.code, 0) << back.err;
  EXPECT_TRUE(comes_true([&] { return answer_of(front_) == "one"; }));
  EXPECT_TRUE(is_silent(1));
  clients.request_stop();
  clients.join();
  EXPECT_EQ(failures, 0) << "of " << requests;
  EXPECT_EQ(versions, (std::set<std::string>{"one", "two"}));
  EXPECT_GT(requests, 20);
  EXPECT_EQ(fs::read_symlink(app("ports/" + ports_[0])), "../releases/" + current());
  expect_nothing_pending();
}

TEST_F(TunnelSshReleasePorts, WhatIsNotHealthyNeverGetsARequest) {
  ASSERT_EQ(deploy_version('a', "one", instance_options()).code, 0);
  const auto before = picture();
  for (const char* version : {"ill", "dead"}) {
    const StepResult step = deploy_version('b', version, instance_options());
    EXPECT_EQ(step.code, 3) << step.err;
    EXPECT_EQ(answer_at(0), "one");
    EXPECT_TRUE(is_silent(1));
    EXPECT_EQ(picture(), before);
  }
  const StepResult next = deploy_version('c', "three", instance_options());
  EXPECT_EQ(next.code, 0) << next.err;
  EXPECT_EQ(answer_at(1), "three");
}

TEST_F(TunnelSshReleasePorts, ARouteThatCannotBeReadIsPutBack) {
  start_nginx();
  if (IsSkipped()) return;
  ASSERT_EQ(deploy_version('a', "one", options()).code, 0);
  const auto before = picture();
  const std::string route_before = theirs_.read("nginx/conf.d/app.conf");
  std::vector<std::string> broken = options();
  *(std::find(broken.begin(), broken.end(), "--route-template") + 1) = "server { what; }";
  const StepResult step = deploy_version('b', "two", broken);
  EXPECT_EQ(step.code, 3) << step.err;
  EXPECT_NE(step.err.find("route-reload ended with exit code 1"), std::string::npos) << step.err;
  EXPECT_EQ(theirs_.read("nginx/conf.d/app.conf"), route_before);
  EXPECT_EQ(answer_of(front_), "one");
  EXPECT_EQ(picture(), before);
  EXPECT_TRUE(is_silent(1));
}

TEST_F(TunnelSshReleasePorts, AFirstRouteThatCannotBeReadIsRemoved) {
  const StepResult step = deploy_version('a', "one", options("false"));
  EXPECT_EQ(step.code, 4) << "nothing reloads, so the proxy may have read it: " << step.err;
  EXPECT_TRUE(fs::is_empty(theirs_.path("nginx/conf.d")));
  EXPECT_FALSE(fs::exists(fs::symlink_status(app("current"))));
  EXPECT_TRUE(is_silent(0));
}

TEST_F(TunnelSshReleasePorts, ThatAreTakenByOthersAreLeftAlone) {
  Listener other;
  std::vector<std::string> taken = instance_options();
  taken[1] = std::to_string(other.port()) + "," + ports_[1];
  const StepResult step = deploy_version('a', "one", taken);
  EXPECT_EQ(step.code, 3) << step.err;
  EXPECT_NE(step.err.find("port " + std::to_string(other.port()) + " is taken"), std::string::npos)
      << step.err;
  EXPECT_FALSE(fs::exists(app("ports")));
}

TEST_F(TunnelSshReleasePorts, AnInstanceThatDoesNotStopNeedsSomeone) {
  ASSERT_EQ(deploy_version('a', "one", instance_options()).code, 0);
  std::vector<std::string> stubborn = instance_options();
  *(std::find(stubborn.begin(), stubborn.end(), "--stop") + 1) = "echo I stay; exit 9";
  const StepResult step = deploy_version('b', "ill", stubborn);
  EXPECT_EQ(step.code, 4) << step.err;
  EXPECT_NE(
      step.err.find("stop ended with exit code 9, and port " + ports_[1] + " is still in use"),
      std::string::npos)
      << step.err;
  EXPECT_EQ(answer_at(0), "one");
  const StepResult next = deploy_version('c', "three", instance_options());
  EXPECT_EQ(next.code, 0) << next.err;
  EXPECT_EQ(answer_at(1), "three");
}

TEST_F(TunnelSshReleasePorts, AKilledDeployEndsTheNewInstance) {
  ASSERT_EQ(deploy_version('a', "one", instance_options()).code, 0);
  const auto before = picture();
  ours_.write("version", "two");
  std::vector<std::string> arguments{"release",
                                     "deploy",
                                     "--path",
                                     app(),
                                     "--source",
                                     ours_.path(),
                                     "--commit",
                                     std::string(40, 'b'),
                                     "--hook-switch",
                                     "touch " + theirs_.path("switched"),
                                     "--runner-hook-switch",
                                     "exec sleep 60"};
  const std::vector<std::string> own = instance_options();
  arguments.insert(arguments.end(), own.begin(), own.end());
  Process process = step_->start(arguments);
  ASSERT_TRUE(comes_true([&] {
    (void)process.wait_for("never said", std::chrono::milliseconds(1));
    return fs::exists(theirs_.path("switched"));
  })) << process.err();
  EXPECT_EQ(answer_at(1), "two");
  process.send(SIGKILL);
  EXPECT_TRUE(comes_true([&] { return picture() == before; }));
  EXPECT_EQ(picture(), before);
  EXPECT_EQ(answer_at(0), "one");
  EXPECT_TRUE(is_silent(1));
}

struct StepCase {
  const char* flag;
  bool is_before_the_switch;
};
void PrintTo(const StepCase& step, std::ostream* out) { *out << step.flag; }

// Each step of a deploy beside the instance that runs.
class TunnelSshReleaseBeside : public TunnelSshReleasePorts,
                               public ::testing::WithParamInterface<StepCase> {
 protected:
  void SetUp() override {
    TunnelSshReleasePorts::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    ASSERT_EQ(deploy_version('a', "one", plain_options()).code, 0);
    before_ = picture();
    route_before_ = theirs_.read("nginx/conf.d/app.conf");
  }
  void TearDown() override {
    TunnelSshReleasePorts::TearDown();
    HostForTests::end_running(sleep_);
  }
  // Without a proxy that reads the route.
  [[nodiscard]] std::vector<std::string> plain_options() const { return options("true"); }
  // With `code` for the step instead of what it does usually.
  [[nodiscard]] std::vector<std::string> with_step(const std::string& code) const {
    std::vector<std::string> all = plain_options();
    const auto usual = std::find(all.begin(), all.end(), GetParam().flag);
    if (usual != all.end()) all.erase(usual, usual + 2);
    all.insert(all.end(), {GetParam().flag, code});
    return all;
  }
  void expect_as_before() const {
    EXPECT_TRUE(comes_true([&] { return picture() == before_; }));
    EXPECT_EQ(picture(), before_);
    EXPECT_EQ(theirs_.read("nginx/conf.d/app.conf"), route_before_);
    EXPECT_EQ(answer_at(0), "one");
    EXPECT_TRUE(is_silent(1));
    EXPECT_TRUE(comes_true([&] { return fs::is_empty(host_->temporary().path()); }));
  }

  const std::string sleep_ = "sleep 86393." + std::to_string(::getpid());
  std::map<std::string, std::string> before_;
  std::string route_before_;
};

// What works in the release before, as a revert needs it to.
constexpr const char* unless_old = "grep -q one version 2>/dev/null || ";

TEST_P(TunnelSshReleaseBeside, ThatFailsLeavesAllAsItWas) {
  const StepResult step = deploy_version('b', "two", with_step(unless_old + std::string("exit 7")));
  EXPECT_EQ(step.code, GetParam().is_before_the_switch ? 1 : 3) << step.err;
  expect_as_before();
}

TEST_P(TunnelSshReleaseBeside, ThatIsCancelledLeavesAllAsItWas) {
  ours_.write("version", "two");
  std::vector<std::string> all =
      with_step(unless_old + ("{ touch " + theirs_.path("hangs") + "; exec " + sleep_ + "; }"));
  all.insert(all.begin(), {"release", "deploy", "--path", app(), "--source", ours_.path(),
                           "--commit", std::string(40, 'b'), "--health-timeout", "60s"});
  expect_cancelled_at(all, theirs_.path("hangs"));
  EXPECT_TRUE(HostForTests::stops_running(sleep_));
  expect_as_before();
}

INSTANTIATE_TEST_SUITE_P(
    All, TunnelSshReleaseBeside,
    ::testing::Values(StepCase{"--hook-check", true}, StepCase{"--hook-stage", true},
                      StepCase{"--restart", false}, StepCase{"--health-command", false},
                      StepCase{"--hook-switch", false}, StepCase{"--route-reload", false},
                      StepCase{"--hook-healthy", false}),
    [](const auto& param) { return ReleaseForTests::name_of_flag(param.param.flag); });

TEST_F(TunnelSshReleasePorts, ARouteThatCannotBeWrittenChangesNothing) {
  ASSERT_EQ(deploy_version('a', "one", instance_options()).code, 0);
  const auto before = picture();
  std::vector<std::string> all = options("true");
  *(std::find(all.begin(), all.end(), "--route") + 1) = theirs_.path("none/app.conf");
  const StepResult step = deploy_version('b', "two", all);
  EXPECT_EQ(step.code, 3) << step.err;
  EXPECT_EQ(picture(), before);
  EXPECT_EQ(answer_at(0), "one");
  EXPECT_TRUE(is_silent(1));
}

// The new release was confirmed: only the end of the old instance is missing.
TEST_F(TunnelSshReleasePorts, ACancelWhileItDrainsKeepsTheNewRelease) {
  ASSERT_EQ(deploy_version('a', "one", instance_options()).code, 0);
  const std::string old_release = current();
  ours_.write("version", "two");
  std::vector<std::string> all = instance_options();
  *(std::find(all.begin(), all.end(), "--drain") + 1) = "60s";
  all.insert(all.begin(), {"release", "deploy", "--path", app(), "--source", ours_.path(),
                           "--commit", std::string(40, 'b')});
  Process process = step_->start(all);
  ASSERT_TRUE(comes_true([&] {
    (void)process.wait_for("never said", std::chrono::milliseconds(1));
    return split_lines(history()).size() == 2;
  })) << process.err();
  process.interrupt();
  EXPECT_EQ(process.wait(patience), 130) << process.err();
  EXPECT_NE(process.err().find("the old instance on port " + ports_[0] + " may still run"),
            std::string::npos)
      << process.err();
  EXPECT_NE(current(), old_release);
  EXPECT_EQ(answer_at(1), "two");
  const StepResult next = deploy_version('c', "three", instance_options());
  EXPECT_EQ(next.code, 0) << next.err;
  EXPECT_EQ(answer_at(0), "three") << "what was left there was ended first";
  EXPECT_TRUE(is_silent(1));
}

TEST_F(TunnelSshReleasePorts, ARestartSaysItsGap) {
  const StepResult step = deploy('a', {"--restart", "true", "--health-command", "true"});
  ASSERT_EQ(step.code, 0) << step.err;
  EXPECT_NE(step.summary.find("; a gap of 0."), std::string::npos) << step.summary;
}

}  // namespace
}  // namespace pca::test
