// tunnel-ssh release with --preview, and preview reap: instances of branches beside each other.

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "base/slug.hpp"
#include "base/text.hpp"
#include "support/release.hpp"
#include "support/small_web.hpp"

namespace pca::test {
namespace {

namespace fs = std::filesystem;
using pca::testing::Listener;

constexpr const char* repository = "acme/shop";

class TunnelSshPreview : public ReleaseForTests {
 protected:
  void SetUp() override {
    ReleaseForTests::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    ours_.write("server.js", std::string(small_web_app));
    ours_.write("version", "main");
    for (const char* folder : {"run", "routes"}) fs::create_directories(theirs_.path(folder));
    first_port_ = std::stoi(free_port());
    step_->variables["GITHUB_REPOSITORY"] = repository;
  }
  void TearDown() override {
    for (const auto& pid : fs::directory_iterator(theirs_.path("run"))) {
      ::kill(std::stoi(theirs_.read("run/" + pid.path().filename().native())), SIGKILL);
    }
  }

  static std::string slug_of(const std::string& branch) {
    return *make_slug(repository, branch, 40);
  }
  [[nodiscard]] std::string preview(const std::string& branch, const std::string& name = "") const {
    return app("previews/" + slug_of(branch) + (name.empty() ? "" : "/" + name));
  }
  [[nodiscard]] std::string route_of(const std::string& branch) const {
    return theirs_.path("routes/app-" + slug_of(branch) + ".conf");
  }
  [[nodiscard]] std::string noted(const std::string& what) const {
    return "echo " + what + " >>" + theirs_.path("notes");
  }
  [[nodiscard]] std::string notes() const {
    return fs::exists(theirs_.path("notes")) ? theirs_.read("notes") : "";
  }
  [[nodiscard]] std::vector<std::string> options() const {
    const std::string pid = theirs_.path("run") + "/$PORT";
    return {"--preview-ports",
            std::to_string(first_port_) + "-" + std::to_string(first_port_ + 20),
            "--restart",
            "[ ! -e " + pid + " ] || kill $(cat " + pid + "); while [ -e " + pid +
                " ] && kill -0 $(cat " + pid +
                "); do sleep 0.02; done; setsid node server.js >/dev/null 2>&1 & echo $! >" + pid,
            "--stop",
            noted("stop") + "; kill $(cat " + pid + ") && rm " + pid,
            "--route",
            theirs_.path("routes/app-@slug@.conf"),
            "--route-template",
            "@slug@ is at @port@ in @path@",
            "--route-reload",
            noted("reload"),
            "--health-url",
            "http://127.0.0.1:@port@/"};
  }
  // `more` are flags with their values, which come in place of the usual ones.
  StepResult deploy_branch(const std::string& branch, const std::string& version,
                           const std::vector<std::string>& more = {}) {
    ours_.write("version", version);
    std::vector<std::string> all = options();
    all.insert(all.end(), {"--preview", "auto", "--branch", branch});
    for (std::size_t i = 0; i < more.size(); i += 2) {
      const auto usual = std::find(all.begin(), all.end(), more[i]);
      if (usual != all.end()) all.erase(usual, usual + 2);
      all.insert(all.end(), {more[i], more[i + 1]});
    }
    return deploy('b', all);
  }
  // A preview that is there and answers.
  void make_it(const std::string& branch, const std::string& version) {
    const StepResult step = deploy_branch(branch, version);
    ASSERT_EQ(step.code, 0) << step.err;
    ASSERT_EQ(answer_at(step.outputs.at("port")), version);
  }
  StepResult reap(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"preview", "reap", "--path", app()});
    return step_->run(arguments);
  }
  [[nodiscard]] std::string port_of(const std::string& branch) const {
    if (!fs::exists(app("ports"))) return {};
    for (const auto& link : fs::directory_iterator(app("ports"))) {
      if (fs::read_symlink(link.path()) == "../previews/" + slug_of(branch) + "/current") {
        return link.path().filename().native();
      }
    }
    return {};
  }
  static std::string answer_at(const std::string& port) {
    return port.empty() ? "" : answer_of(static_cast<std::uint16_t>(std::stoi(port)));
  }
  static bool falls_silent_at(const std::string& port) {
    return comes_true([&] { return answer_at(port).empty(); });
  }
  // Nothing of it, wherever it may be.
  void expect_gone(const std::string& branch) const {
    EXPECT_FALSE(fs::exists(preview(branch)));
    EXPECT_FALSE(fs::exists(route_of(branch)));
    EXPECT_EQ(port_of(branch), "");
    if (!fs::exists(app("previews"))) return;
    for (const auto& entry : fs::directory_iterator(app("previews"))) {
      EXPECT_FALSE(entry.path().filename().native().starts_with(".")) << entry.path();
    }
  }
  void set_label(const std::string& branch, const std::string& key, const std::string& value) {
    const std::string file = "app/previews/" + slug_of(branch) + "/.deploy/preview";
    Json label = *parse_json(trim(theirs_.read(file)));
    label.set(key, value);
    theirs_.write(file, label.dump() + "\n");
  }

  int first_port_ = 0;
};

TEST_F(TunnelSshPreview, OfEachBranchIsBesideTheCurrentRelease) {
  ASSERT_EQ(deploy('a').code, 0);
  const std::string main_release = current();
  const StepResult x = deploy_branch("feature/x", "x");
  ASSERT_EQ(x.code, 0) << x.err;
  ASSERT_EQ(deploy_branch("feature/y", "y").code, 0);
  EXPECT_EQ(x.outputs.at("preview"), slug_of("feature/x"));
  EXPECT_EQ(x.outputs.at("port"), port_of("feature/x"));
  EXPECT_EQ(answer_at(port_of("feature/x")), "x");
  EXPECT_EQ(answer_at(port_of("feature/y")), "y");
  EXPECT_EQ(current(), main_release);
  EXPECT_EQ(read("current/version"), "main");
  EXPECT_EQ(read("ports/" + port_of("feature/x") + "/version"), "x");
  EXPECT_EQ(theirs_.read("routes/app-" + slug_of("feature/x") + ".conf"),
            slug_of("feature/x") + " is at " + port_of("feature/x") + " in " +
                preview("feature/x") + "\n");

  const StepResult listed = step_->run({"preview", "list", "--path", app()});
  EXPECT_NE(listed.out.find(slug_of("feature/x") + "  feature/x  bbbbbbb  " + port_of("feature/x")),
            std::string::npos)
      << listed.out;
  EXPECT_NE(listed.summary.find("| " + slug_of("feature/y") + " |"), std::string::npos)
      << listed.summary;

  make_it("feature/x", "x2");
  EXPECT_EQ(answer_at(port_of("feature/y")), "y");
  const std::vector<std::string> which{"--preview", slug_of("feature/x")};
  EXPECT_NE(release("list", which).out.find("current"), std::string::npos);
  std::vector<std::string> all = options();
  all.insert(all.end(), which.begin(), which.end());
  const StepResult back = release("rollback", all);
  EXPECT_EQ(back.code, 0) << back.err;
  EXPECT_TRUE(comes_true([&] { return answer_at(port_of("feature/x")) == "x"; }));
  EXPECT_EQ(current(), main_release);
}

TEST_F(TunnelSshPreview, OfAnotherBranchIsNotTaken) {
  make_it("feature/x", "x");
  const auto before = picture();
  ours_.write("version", "thief");
  std::vector<std::string> theft = options();
  theft.insert(theft.end(), {"--preview", slug_of("feature/x"), "--branch", "feature/z"});
  step_->variables.erase("GITHUB_REPOSITORY");  // else its digest tells at once
  const StepResult step = deploy('c', theft);
  EXPECT_EQ(step.code, 7) << step.err;
  EXPECT_NE(
      step.err.find("preview " + slug_of("feature/x") + " is branch \"feature/x\" of acme/shop"),
      std::string::npos)
      << step.err;
  EXPECT_EQ(picture(), before);
}

TEST_F(TunnelSshPreview, ThatIsNotHealthyIsTakenBack) {
  const StepResult ill = deploy_branch("feature/x", "ill");
  EXPECT_EQ(ill.code, 3) << ill.err;
  EXPECT_TRUE(falls_silent_at(port_of("feature/x")));
  EXPECT_FALSE(fs::exists(route_of("feature/x")));
  EXPECT_FALSE(fs::exists(preview("feature/x", "current")));
  make_it("feature/x", "x");
  const StepResult again = deploy_branch("feature/x", "ill");
  EXPECT_EQ(again.code, 3) << again.err;
  EXPECT_TRUE(comes_true([&] { return answer_at(port_of("feature/x")) == "x"; }));
  EXPECT_TRUE(fs::exists(route_of("feature/x")));
}

TEST_F(TunnelSshPreview, ThatFailedAtOnceIsReaped) {
  ASSERT_EQ(deploy_branch("feature/x", "x", {"--hook-check", "false"}).code, 1);
  EXPECT_TRUE(fs::exists(preview("feature/x", ".deploy/preview"))) << "so that it can be reaped";
  const StepResult step = reap({"--branch", "feature/x"});
  EXPECT_EQ(step.code, 0) << step.err;
  expect_gone("feature/x");
}

TEST_F(TunnelSshPreview, IsReapedRouteFirstAndNothingElseIs) {
  ASSERT_EQ(deploy('a').code, 0);
  make_it("feature/y", "y");
  const std::string main_release = current();
  const auto before = picture();
  make_it("feature/x", "x");
  const std::string port = port_of("feature/x");
  fs::create_directories(app("previews/made-by-hand"));
  theirs_.write("app/previews/made-by-hand/file", "precious");
  fs::create_directory_symlink("../previews/" + slug_of("feature/y"),
                               app("previews/linked-12345678"));
  theirs_.write("notes", "");

  const StepResult dry = reap({"--branch", "feature/x", "--dry-run"});
  EXPECT_NE(dry.out.find("would go"), std::string::npos) << dry.out;
  EXPECT_EQ(answer_at(port), "x");

  const StepResult step = reap({"--branch", "feature/x"});
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_NE(step.out.find("of branch feature/x  removed"), std::string::npos) << step.out;
  EXPECT_NE(step.summary.find("| removed |"), std::string::npos) << step.summary;
  EXPECT_EQ(notes(), "reload\nstop\n");
  EXPECT_TRUE(falls_silent_at(port));
  expect_gone("feature/x");
  EXPECT_NE(history().find(R"("action":"reap")"), std::string::npos) << history();

  const StepResult twice = reap({"--branch", "feature/x", "--preview", slug_of("feature/x")});
  EXPECT_EQ(twice.code, 0) << twice.err;
  EXPECT_NE(twice.out.find("nothing to reap"), std::string::npos) << twice.out;
  EXPECT_EQ(read("previews/made-by-hand/file"), "precious");
  fs::remove_all(app("previews/made-by-hand"));
  EXPECT_TRUE(fs::remove(app("previews/linked-12345678")));
  EXPECT_EQ(picture(), before);
  EXPECT_EQ(answer_at(port_of("feature/y")), "y");
  EXPECT_EQ(current(), main_release);
}

TEST_F(TunnelSshPreview, IsReapedByAgeByCapAndWithItsBranch) {
  for (const char* name : {"a", "b", "c", "d"}) make_it(std::string("feature/") + name, name);
  set_label("feature/a", "expires", "2020-01-01T00:00:00Z");
  set_label("feature/b", "deployed", "2020-01-01T00:00:00Z");
  set_label("feature/c", "deployed", "2020-01-02T00:00:00Z");
  EXPECT_EQ(reap({"--expired"}).code, 0);
  expect_gone("feature/a");
  EXPECT_TRUE(fs::exists(preview("feature/b")));
  EXPECT_EQ(reap({"--cap", "2"}).code, 0);
  expect_gone("feature/b");
  EXPECT_TRUE(fs::exists(preview("feature/c")));
  EXPECT_EQ(reap({"--older-than", "2d"}).code, 0);
  expect_gone("feature/c");
  EXPECT_EQ(reap({"--live-branches", "feature/d"}).code, 0);
  EXPECT_EQ(answer_at(port_of("feature/d")), "d");
  EXPECT_EQ(reap({"--live-branches", "main"}).code, 0);
  expect_gone("feature/d");
}

TEST_F(TunnelSshPreview, WhoseInstanceDoesNotStopStays) {
  std::vector<std::string> more{"--stop", "exit 9"};
  ASSERT_EQ(deploy_branch("feature/x", "x", more).code, 0);
  const std::string port = port_of("feature/x");
  const StepResult step = reap({"--branch", "feature/x"});
  EXPECT_EQ(step.code, 1) << step.err;
  EXPECT_NE(step.err.find("stop ended with exit code 9, and port " + port + " is still in use"),
            std::string::npos)
      << step.err;
  EXPECT_EQ(port_of("feature/x"), port) << "nobody else may get it";
  ::kill(std::stoi(theirs_.read("run/" + port)), SIGKILL);
  ASSERT_TRUE(falls_silent_at(port));
  fs::remove(theirs_.path("run/" + port));
  const StepResult again = reap({"--branch", "feature/x"});
  EXPECT_EQ(again.code, 0) << again.err;
  expect_gone("feature/x");
}

class TunnelSshReapHangs : public TunnelSshPreview,
                           public ::testing::WithParamInterface<const char*> {
 protected:
  // A preview whose route-reload or stop takes long once `slow` is there.
  void make_it_slow() {
    const std::string pid = theirs_.path("run") + "/$PORT";
    std::string code = "touch " + came_ + "; [ ! -e " + slow_ + " ] || " + sleep_;
    if (std::string(GetParam()) == "--stop") code += "; kill $(cat " + pid + ") && rm " + pid;
    ASSERT_EQ(deploy_branch("feature/x", "x", {GetParam(), code}).code, 0);
    fs::remove(came_);
    theirs_.write("slow", "");
  }
  Process start_reap() {
    Process process = step_->start({"preview", "reap", "--path", app(), "--branch", "feature/x"});
    EXPECT_TRUE(comes_true([&] {
      (void)process.wait_for("never said", std::chrono::milliseconds(1));
      return fs::exists(came_);
    })) << process.err();
    return process;
  }

  const std::string came_ = theirs_.path("came");
  const std::string slow_ = theirs_.path("slow");
  const std::string sleep_ = "sleep 5." + std::to_string(::getpid());
};

TEST_P(TunnelSshReapHangs, AndWhenItsToolIsKilledTheNextWaitsForIt) {
  make_it_slow();
  Process process = start_reap();
  process.send(SIGKILL);
  (void)process.wait(patience);
  const StepResult next = reap({"--branch", "feature/x"});
  EXPECT_EQ(next.code, 0) << next.err;
  expect_gone("feature/x");
  EXPECT_TRUE(host_->falls_silent());
}

TEST_P(TunnelSshReapHangs, AndWhenItsShellIsKilledTheNextBeginsAgain) {
  make_it_slow();
  const std::string port = port_of("feature/x");
  Process process = start_reap();
  for (const int pid : descendants_of(host_->sshd().pid())) {  // other tests have shells as well
    const std::string line = command_line_of_process(pid);
    if (line.find("t=$0; said()") != std::string::npos ||
        line.find("reap.sh") != std::string::npos) {
      ::kill(pid, SIGKILL);
    }
  }
  EXPECT_NE(process.wait(patience), 0);
  EXPECT_FALSE(fs::exists(route_of("feature/x")));
  EXPECT_EQ(port_of("feature/x"), port);
  EXPECT_EQ(answer_at(port), "x") << "nothing after the route was done";
  HostForTests::end_running(sleep_);
  fs::remove(slow_);
  fs::last_write_time(preview("feature/x", ".deploy/lock"),
                      fs::file_time_type::clock::now() - std::chrono::seconds(62));
  const StepResult next = reap({"--branch", "feature/x"});
  EXPECT_EQ(next.code, 0) << next.err;
  expect_gone("feature/x");
  EXPECT_TRUE(falls_silent_at(port));
}

INSTANTIATE_TEST_SUITE_P(All, TunnelSshReapHangs, ::testing::Values("--route-reload", "--stop"),
                         [](const auto& param) {
                           return std::string(param.param) == "--stop" ? "Stop" : "Reload";
                         });

TEST_F(TunnelSshPreview, TwoReapsAtOnceAreOne) {
  make_it("feature/x", "x");
  StepForTests other(*host_);
  const std::vector<std::string> arguments{"preview", "reap",     "--path",
                                           app(),     "--branch", "feature/x"};
  Process one = step_->start(arguments);
  Process two = other.start(arguments);
  EXPECT_EQ(one.wait(patience), 0) << one.err();
  EXPECT_EQ(two.wait(patience), 0) << two.err();
  expect_gone("feature/x");
  EXPECT_TRUE(host_->falls_silent());
  EXPECT_FALSE(fs::exists(app("previews"))) << "nor an empty folder";
}

TEST_F(TunnelSshPreview, LivesOnWhenItIsDeployedAsItIs) {
  make_it("feature/x", "x");
  set_label("feature/x", "expires", "2020-01-01T00:00:00Z");
  const StepResult step = deploy_branch("feature/x", "x");
  EXPECT_EQ(step.outputs.at("outcome"), "unchanged") << step.err;
  EXPECT_EQ(reap({"--expired"}).code, 0);
  EXPECT_EQ(answer_at(port_of("feature/x")), "x");
}

TEST_F(TunnelSshPreview, GetsAPortThatNobodyHas) {
  const Listener other("127.0.0.1", static_cast<std::uint16_t>(std::stoi(free_port())));
  std::vector<std::string> more{
      "--preview-ports", std::to_string(other.port()) + "-" + std::to_string(other.port() + 5)};
  ASSERT_EQ(deploy_branch("feature/x", "x", more).code, 0);
  EXPECT_NE(port_of("feature/x"), std::to_string(other.port()));
  more[1] = std::to_string(other.port()) + "-" + std::to_string(other.port());
  const StepResult step = deploy_branch("feature/y", "y", more);
  EXPECT_EQ(step.code, 1) << step.err;
  EXPECT_NE(step.err.find("none of preview-ports is free"), std::string::npos) << step.err;
  EXPECT_EQ(reap({"--branch", "feature/y"}).code, 0);
  expect_gone("feature/y");
}

TEST_F(TunnelSshPreview, HasSecretsOfItsOwn) {
  step_->variables["APP_ENV"] = "a-secret-of-a-preview";
  std::vector<std::string> more{"--secret-files", "APP_ENV -> shared/.env"};
  ASSERT_EQ(deploy_branch("feature/x", "x", more).code, 0);
  EXPECT_EQ(read("previews/" + slug_of("feature/x") + "/current/.env"), "a-secret-of-a-preview");
  EXPECT_FALSE(fs::exists(app("shared/.env")));
  EXPECT_EQ(reap({"--branch", "feature/x"}).code, 0);
  EXPECT_EQ(all_files_below(app()).find("a-secret-of"), std::string::npos);
}

TEST_F(TunnelSshPreview, ThatIsNotThereIsNotMade) {
  ASSERT_EQ(deploy('a').code, 0);
  const auto before = picture();
  for (const char* command : {"rollback", "hold", "prune", "list"}) {
    const StepResult step =
        release(command, {"--preview", slug_of("feature/x"), "--branch", "feature/x"});
    EXPECT_EQ(step.code, 1) << command << step.err;
    EXPECT_NE(step.err.find("there is no preview " + slug_of("feature/x")), std::string::npos)
        << step.err;
  }
  EXPECT_EQ(picture(), before);
}

}  // namespace
}  // namespace pca::test
