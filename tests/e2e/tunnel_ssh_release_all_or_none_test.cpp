// tunnel-ssh release where something goes wrong on one of two hosts, on a full disk, with odd
// names: what is left is what was there before.

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/text.hpp"
#include "support/release.hpp"

namespace pca::test {
namespace {

namespace fs = std::filesystem;

struct PhaseCase {
  const char* flag;
  bool is_before_the_switch;
  bool is_on_second_host;
};
void PrintTo(const PhaseCase& phase, std::ostream* out) { *out << phase.flag; }

// Two hosts, and something that happens on one of them.
class TunnelSshReleaseTwoHosts : public ReleaseForTests,
                                 public ::testing::WithParamInterface<PhaseCase> {
 protected:
  void SetUp() override {
    ReleaseForTests::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    second_ = std::make_unique<HostForTests>();
    step_->inputs["INPUT_HOST"] = host_->address() + "\n" + second_->address();
    step_->inputs["INPUT_KNOWN_HOSTS"] =
        host_->sshd().known_hosts() + "\n" + second_->sshd().known_hosts();
    // Both log in by the first one's key.
    (void)second_->sshd().folder().write("authorized_keys", host_->key_pair().public_line + "\n");
    ASSERT_EQ(both('a').code, 0);
    ASSERT_TRUE(host_->falls_silent() && second_->falls_silent());
    before_ = {picture_on(*host_), picture_on(*second_)};
    ours_.write("index.html", "<h1>two</h1>");
    (void)(GetParam().is_on_second_host ? *second_ : *host_).home().write("here", "");
  }
  void TearDown() override { HostForTests::end_running(sleep_); }

  [[nodiscard]] static std::vector<std::string> arguments(const std::string& source, char commit) {
    return {"release",  "deploy", "--path",   "~/app",
            "--source", source,   "--commit", std::string(40, commit)};
  }
  StepResult both(char commit, const std::vector<std::string>& more = {}) {
    std::vector<std::string> all = arguments(ours_.path(), commit);
    all.insert(all.end(), more.begin(), more.end());
    return step_->run(all);
  }
  [[nodiscard]] static std::map<std::string, std::string> picture_on(const HostForTests& host) {
    return picture_of(host.home().path("app"));
  }
  // A revert may be under way when the tool is gone.
  void expect_as_before() const {
    EXPECT_TRUE(host_->falls_silent());
    EXPECT_TRUE(second_->falls_silent());
    for (std::size_t i = 0; i < before_.size(); ++i) {
      const HostForTests& host = i == 0 ? *host_ : *second_;
      EXPECT_TRUE(comes_true([&] { return picture_on(host) == before_[i]; }));
      EXPECT_EQ(picture_on(host), before_[i]) << "on host " << i;
      EXPECT_TRUE(fs::is_empty(host.temporary().path())) << "on host " << i;
    }
  }

  const std::string sleep_ = "sleep 86394." + std::to_string(::getpid());
  std::unique_ptr<HostForTests> second_;
  std::array<std::map<std::string, std::string>, 2> before_;
};

TEST_P(TunnelSshReleaseTwoHosts, WhereOneFailsBothAreAsBefore) {
  const StepResult step =
      both('b', {GetParam().flag, "grep -q one index.html 2>/dev/null || test ! -e ~/here",
                 "--health-timeout", "2s"});
  EXPECT_EQ(step.code, GetParam().is_before_the_switch ? 1 : 3) << step.err;
  EXPECT_EQ(step.outputs.at("outcome"), GetParam().is_before_the_switch ? "failed" : "rolled-back");
  const HostForTests& failed = GetParam().is_on_second_host ? *second_ : *host_;
  EXPECT_NE(step.err.find(failed.address() + ": "), std::string::npos) << step.err;
  EXPECT_NE(step.err.find("2 of 2 hosts"), std::string::npos) << step.err;
  expect_as_before();
}

TEST_P(TunnelSshReleaseTwoHosts, WhereOneIsCancelledBothAreAsBefore) {
  std::vector<std::string> all = arguments(ours_.path(), 'b');
  all.insert(all.end(), {GetParam().flag,
                         "grep -q one index.html 2>/dev/null || [ ! -e ~/here ] || { touch " +
                             theirs_.path("hangs") + "; exec " + sleep_ + "; }",
                         "--health-timeout", "60s"});
  expect_cancelled_at(all, theirs_.path("hangs"));
  EXPECT_TRUE(HostForTests::stops_running(sleep_));
  expect_as_before();
}

INSTANTIATE_TEST_SUITE_P(
    All, TunnelSshReleaseTwoHosts,
    ::testing::Values(
        PhaseCase{"--hook-check", true, false}, PhaseCase{"--hook-check", true, true},
        PhaseCase{"--hook-stage", true, false}, PhaseCase{"--hook-stage", true, true},
        PhaseCase{"--hook-switch", false, false}, PhaseCase{"--hook-switch", false, true},
        PhaseCase{"--restart", false, false}, PhaseCase{"--restart", false, true},
        PhaseCase{"--health-command", false, false}, PhaseCase{"--health-command", false, true},
        PhaseCase{"--hook-healthy", false, false}, PhaseCase{"--hook-healthy", false, true}),
    [](const auto& param) {
      return ReleaseForTests::name_of_flag(param.param.flag) +
             (param.param.is_on_second_host ? "OnTheSecond" : "OnTheFirst");
    });

// A file system of its own for the folder of releases, in a mount namespace of this process.
class TunnelSshReleaseFullDisk : public ReleaseForTests {
 protected:
  void SetUp() override {
    PCA_REQUIRE(mount_it());
    ReleaseForTests::SetUp();
  }
  void TearDown() override {
    if (!is_mounted_) return;
    EXPECT_EQ(::umount2(app().c_str(), MNT_DETACH), 0);
  }
  std::string mount_it() {
    if (::geteuid() != 0) return "only root can make a small file system";
    fs::create_directories(app());
    if (::unshare(CLONE_NEWNS) != 0) return "no mount namespace can be made";
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", app().c_str(), "tmpfs", 0, "size=1m,nr_inodes=200") != 0) {
      return "no tmpfs can be mounted";
    }
    is_mounted_ = true;
    return {};
  }
  bool is_mounted_ = false;
};

TEST_F(TunnelSshReleaseFullDisk, LeavesTheOldRelease) {
  ASSERT_EQ(deploy('a').code, 0);
  const auto before = picture();
  ours_.write("big", std::string(2 << 20, 'x'));
  const StepResult big = deploy('b');
  EXPECT_EQ(big.code, 1) << big.err;
  EXPECT_NE(big.err.find("the file system of " + app() + " is full"), std::string::npos) << big.err;
  EXPECT_EQ(big.outputs.at("outcome"), "failed");
  EXPECT_EQ(picture(), before);
  fs::remove(ours_.path("big"));

  for (int i = 0; i < 300; ++i) ours_.write("many" + std::to_string(i), "");
  const StepResult many = deploy('c');
  EXPECT_EQ(many.code, 1) << many.err;
  EXPECT_NE(many.err.find(" and 0 files are left"), std::string::npos) << many.err;
  EXPECT_EQ(picture(), before);
  for (int i = 0; i < 300; ++i) fs::remove(ours_.path("many" + std::to_string(i)));

  ours_.write("index.html", "<h1>two</h1>");
  const StepResult next = deploy('d');
  EXPECT_EQ(next.code, 0) << next.err;
  expect_nothing_pending();
}

TEST_F(TunnelSshReleaseFullDisk, ThatFillsUpAfterTheStageEndsOnOneOfBoth) {
  ASSERT_EQ(deploy('a').code, 0);
  const std::string good = current();
  ours_.write("index.html", "<h1>two</h1>");
  const std::string filled = app("filled");
  const StepResult step =
      deploy('b', {"--hook-stage", "cat /dev/zero >" + filled + " 2>/dev/null; true"});
  const std::string now = current();
  EXPECT_EQ(read("current/index.html"), now == good ? "<h1>one</h1>" : "<h1>two</h1>") << step.err;
  EXPECT_EQ(step.code == 0, now != good) << step.err;
  fs::remove(filled);
  ours_.write("index.html", "<h1>three</h1>");
  EXPECT_EQ(deploy('c').code, 0);
  EXPECT_EQ(read("current/index.html"), "<h1>three</h1>");
  expect_nothing_pending();
}

// Something is mounted in it.
TEST_F(TunnelSshReleaseFullDisk, AnOldReleaseThatCannotBeDeletedIsLeftToTheNextDeploy) {
  ASSERT_EQ(deploy('a').code, 0);
  const std::string first = current();
  ours_.write("index.html", "<h1>two</h1>");
  ASSERT_EQ(deploy('b').code, 0);
  ASSERT_EQ(::mount("tmpfs", app("releases/" + first + "/sub").c_str(), "tmpfs", 0, "size=4k"), 0);
  ours_.write("index.html", "<h1>three</h1>");
  const StepResult step = deploy('c', {"--keep", "1"});
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(step.outputs.at("outcome"), "deployed");
  EXPECT_NE(step.err.find("old releases are left"), std::string::npos) << step.err;
  ASSERT_EQ(::umount2(app("releases/." + first + ".part/sub").c_str(), 0), 0);
  ours_.write("index.html", "<h1>four</h1>");
  ASSERT_EQ(deploy('d', {"--keep", "1"}).code, 0);
  EXPECT_EQ(releases().size(), 2U);
  expect_nothing_pending();
}

class TunnelSshReleaseNames : public ReleaseForTests {
 protected:
  StepResult deploy_at(const std::string& path, char commit, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"release", "deploy", "--path", path, "--source", ours_.path(),
                               "--commit", std::string(40, commit), "--health-timeout", "2s"});
    return step_->run(more);
  }
};

TEST_F(TunnelSshReleaseNames, OfFilesMayBeOdd) {
  for (const char* name :
       {"with blank", "with\nline end", "-rf", "--help", "ünïcödé 日本", "not \xff\xfe utf8",
        "quote'quote\"", "$(id)", "back\\slash", "*", " ", "tab\there", "a=b"}) {
    ours_.write(name, name);
    fs::create_directories(ours_.path(std::string("in/") + name));
    ours_.write(std::string("in/") + name + "/" + name, name);
    fs::create_symlink(name, ours_.path(std::string("in/") + name + "/link"));
  }
  ASSERT_EQ(deploy('a').code, 0);
  EXPECT_EQ(tree_picture(app("current/.")), tree_picture(ours_.path()));
  const std::string good = current();
  ours_.write("-rf", "changed");
  const StepResult step = deploy('b');
  ASSERT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(step.outputs.at("changed"), "1");
  EXPECT_EQ(tree_picture(app("current/.")), tree_picture(ours_.path()));
  ASSERT_EQ(release("rollback").code, 0);
  EXPECT_EQ(current(), good);
  EXPECT_EQ(read("current/-rf"), "-rf");
}

TEST_F(TunnelSshReleaseNames, OfTheFolderMayBeOdd) {
  for (const char* name : {"it's an app", "with \"quotes\" & $HOME `id`", "日本 back\\slash"}) {
    SCOPED_TRACE(name);
    const std::string path = theirs_.path(name);
    ours_.write("index.html", "<h1>one</h1>");
    ASSERT_EQ(deploy_at(path, 'a', {"--restart", "pwd"}).code, 0);
    const auto before = picture_of(path);
    ours_.write("index.html", "<h1>two</h1>");
    const StepResult step = deploy_at(path, 'b', {"--restart", "grep -q one index.html"});
    EXPECT_EQ(step.code, 3) << step.err;
    EXPECT_EQ(picture_of(path), before);
  }
}

TEST_F(TunnelSshReleaseNames, FiveThousandFilesAreOneRelease) {
  for (int i = 0; i < 5000; ++i) {
    const std::string folder = "d" + std::to_string(i % 50);
    if (i < 50) fs::create_directories(ours_.path(folder));
    ours_.write(folder + "/" + std::to_string(i), std::to_string(i) + std::string(200, 'x'));
  }
  ASSERT_EQ(deploy('a').code, 0);
  for (int i = 0; i < 10; ++i) {
    ours_.write("d" + std::to_string(i) + "/" + std::to_string(i), "new");
  }
  const StepResult step = deploy('b');
  ASSERT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(step.outputs.at("changed"), "10");
  EXPECT_EQ(tree_picture(app("current/.")), tree_picture(ours_.path()));
  expect_nothing_pending();
  const auto before = picture();
  for (int i = 0; i < 10; ++i)
    fs::remove(ours_.path("d" + std::to_string(i) + "/" + std::to_string(i)));
  EXPECT_EQ(deploy('c', {"--health-command", "false"}).code, 3);
  EXPECT_EQ(picture(), before);
}

}  // namespace
}  // namespace pca::test
