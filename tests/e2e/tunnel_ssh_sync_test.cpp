// tunnel-ssh sync against a real sshd and what Debian has there.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/json.hpp"
#include "base/text.hpp"
#include "support/counting_proxy.hpp"
#include "support/require.hpp"
#include "support/sync_test.hpp"
#include "support/tree_picture.hpp"

namespace pca::test {
namespace {

namespace fs = std::filesystem;
using pca::testing::SandboxEdge;

class TunnelSshSync : public SyncTest {
 protected:
  void SetUp() override {
    PCA_REQUIRE(Sshd::missing());
    make();
  }
};

// By the host's shell, and by SFTP where it gives none.
class TunnelSshSyncBy : public SyncTest, public ::testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    PCA_REQUIRE(Sshd::missing());
    make(GetParam() ? "ForceCommand internal-sftp -d " + login_.path() : "");
  }
  TempFolder login_;
};
INSTANTIATE_TEST_SUITE_P(All, TunnelSshSyncBy, ::testing::Bool(),
                         [](const auto& one) { return std::string(one.param ? "Sftp" : "Shell"); });

TEST_P(TunnelSshSyncBy, AFreshFolderBecomesTheSameTree) {
  const StepResult step = sync();
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(tree_picture(there()), tree_picture(here()));
  EXPECT_EQ(step.outputs.at("outcome"), "deployed");
  EXPECT_NE(step.summary.find("| 10 | 0 | 0 | 0 |"), std::string::npos) << step.summary;
  expect_no_leftovers();
}

TEST_P(TunnelSshSyncBy, ASecondRunSendsNothingWhateverTheTimes) {
  ASSERT_EQ(sync().code, 0);
  const auto before = fs::last_write_time(there("index.html"));
  for (const auto& entry : fs::recursive_directory_iterator(here())) {
    if (entry.is_regular_file() && !entry.is_symlink())
      fs::last_write_time(entry, fs::file_time_type::clock::now());
  }
  const StepResult step = sync({"--delete"});
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(step.outputs.at("outcome"), "unchanged");
  EXPECT_EQ(step.outputs.at("changed"), "0");
  EXPECT_EQ(fs::last_write_time(there("index.html")), before);
}

TEST_P(TunnelSshSyncBy, OnlyWhatDiffersIsSent) {
  ASSERT_EQ(sync().code, 0);
  struct stat untouched {};
  ASSERT_EQ(::stat(there("run.sh").c_str(), &untouched), 0);
  write("index.html", "<h1>changed</h1>");
  write("sub/new", "n");
  fs::permissions(here("empty"), fs::perms::owner_all);
  fs::remove(here("link"));
  fs::create_symlink("run.sh", here("link"));
  const StepResult step = sync();
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(tree_picture(there()), tree_picture(here()));
  EXPECT_EQ(step.outputs.at("changed"), "4");
  struct stat now {};
  ASSERT_EQ(::stat(there("run.sh").c_str(), &now), 0);
  EXPECT_EQ(now.st_ino, untouched.st_ino);
}

TEST_F(TunnelSshSync, AChangeOnTheHostIsFoundAndPutRight) {
  ASSERT_EQ(sync().code, 0);
  std::ofstream(there("index.html")) << "<h1>hacked</h1>";  // 1 byte longer or not: by content
  const StepResult step = sync();
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(tree_picture(there()), tree_picture(here()));
  EXPECT_EQ(step.outputs.at("changed"), "1");
}

TEST_F(TunnelSshSync, TheIndexIsBelievedOnlyForWhatItWasMadeFor) {
  ASSERT_EQ(sync().code, 0);
  // Same name and size, other content: only its inode and times tell.
  const std::string other(14, 'z');
  ASSERT_EQ(fs::file_size(there("index.html")), other.size());
  std::ofstream(there("index.html.tmp")) << other;
  fs::last_write_time(there("index.html.tmp"), fs::last_write_time(there("index.html")));
  fs::rename(there("index.html.tmp"), there("index.html"));
  EXPECT_EQ(sync().outputs.at("changed"), "1");
  EXPECT_EQ(tree_picture(there()), tree_picture(here()));
}

TEST_P(TunnelSshSyncBy, DeleteMirrorsButForWhatIsExcluded) {
  ASSERT_EQ(sync().code, 0);
  fs::create_directories(there("gone/deep"));
  std::ofstream(there("gone/deep/file")) << "x";
  std::ofstream(there("upload.log")) << "kept";
  const StepResult step = sync({"--delete", "--exclude", "*.log"});
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_FALSE(fs::exists(there("gone")));
  EXPECT_TRUE(fs::exists(there("upload.log")));
}

TEST_P(TunnelSshSyncBy, DeletingMoreThanHalfIsRefusedAndChangesNothing) {
  ASSERT_EQ(sync().code, 0);
  const std::string before = tree_picture(there());
  const StepResult step = sync({"--delete", "--include", "index.html", "--include", "empty"});
  EXPECT_EQ(step.code, 0);  // what is not included is not touched
  EXPECT_EQ(tree_picture(there()), before);
  for (const char* name : {"run.sh", "-rf", "'quoted' $name", "link", "out", "sub", "empty"}) {
    fs::remove_all(here(name));
  }
  const StepResult refused = sync({"--delete"});
  EXPECT_EQ(refused.code, 1);
  EXPECT_NE(refused.err.find("more than delete-limit (50%) allows"), std::string::npos)
      << refused.err;
  EXPECT_EQ(tree_picture(there()), before);
  EXPECT_EQ(sync({"--delete", "--delete-limit", "100%"}).code, 0);
  EXPECT_EQ(tree_picture(there()), tree_picture(here()));
}

TEST_P(TunnelSshSyncBy, AnotherKindTakesThePlace) {
  ASSERT_EQ(sync().code, 0);
  fs::remove(here("empty"));
  fs::create_directory(here("empty"));
  write("empty/now a folder", "x");
  fs::remove_all(here("sub"));
  write("sub", "now a file");
  const StepResult refused = sync();
  EXPECT_EQ(refused.code, 1);
  EXPECT_NE(refused.err.find("sub is a folder on the host, and holds sub/"), std::string::npos);
  EXPECT_EQ(sync({"--delete"}).code, 0);
  EXPECT_EQ(tree_picture(there()), tree_picture(here()));
  expect_no_leftovers();
}

TEST_F(TunnelSshSync, WhatMadeRoomComesBackWhenNothingTakesItsPlace) {
  ASSERT_EQ(sync().code, 0);
  const std::string before = tree_picture(there());
  fs::remove(here("empty"));
  fs::create_directory(here("empty"));
  fs::remove_all(here("sub"));
  write("sub", "now a file");
  const std::string mv = "case $* in '-f -t'*) exit 1 ;; esac\nexec /bin/mv \"$@\"\n";
  fs::create_directory(host_->home().path("bin"));
  fs::permissions(host_->home().write("bin/mv", "#!/bin/sh\n" + mv), fs::perms::owner_all);
  EXPECT_EQ(sync({"--delete"}).code, 1);
  EXPECT_EQ(tree_picture(there()), before);
  expect_no_leftovers();
  // And where it cannot go back it is not removed.
  host_->home().write("bin/mv", "#!/bin/sh\ncase $* in *'/old/'*' ./'*) exit 1 ;; esac\n" + mv);
  const StepResult step = sync({"--delete"});
  EXPECT_EQ(step.code, 1);
  const std::size_t kept = step.err.find("what was there before is in /");
  ASSERT_NE(kept, std::string::npos) << step.err;
  EXPECT_FALSE(fs::exists(there("sub")));
  bool is_kept = false;
  for (const auto& entry : fs::recursive_directory_iterator(there())) {
    is_kept = is_kept || entry.path().filename() == "with blank\nand line end";
  }
  EXPECT_TRUE(is_kept);
}

TEST_P(TunnelSshSyncBy, ADryRunOnlyTells) {
  ASSERT_EQ(sync().code, 0);
  const std::string before = tree_picture(there());
  write("new", "n");
  write("index.html", "changed");
  fs::remove(here("run.sh"));
  const StepResult step = sync({"--delete", "--dry-run"});
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(step.outputs.at("outcome"), "planned");
  EXPECT_NE(step.out.find("~ index.html\n"), std::string::npos) << step.out;
  EXPECT_NE(step.out.find("+ new\n"), std::string::npos);
  EXPECT_NE(step.out.find("- run.sh\n"), std::string::npos);
  EXPECT_EQ(tree_picture(there()), before);
}

TEST_P(TunnelSshSyncBy, PatternsLeaveOut) {
  EXPECT_EQ(sync({"--exclude", "node_modules/", "--exclude", "*.sh"}).code, 0);
  EXPECT_FALSE(fs::exists(there("node_modules")));
  EXPECT_FALSE(fs::exists(there("run.sh")));
  EXPECT_TRUE(fs::exists(there("index.html")));
}

TEST_P(TunnelSshSyncBy, AFileGoesToAFileOrIntoAFolder) {
  step_->inputs["INPUT_UPLOAD"] = here("index.html") + " -> " + there("renamed.html") + "\n" +
                                  here("run.sh") + " -> " + there("bin/") + "\n";
  const StepResult step = step_->run({"sync"});
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_TRUE(fs::exists(there("renamed.html")));
  EXPECT_EQ(fs::status(there("bin/run.sh")).permissions() & fs::perms::owner_exec,
            fs::perms::owner_exec);
}

TEST_F(TunnelSshSync, TheUsersHomeIsMeantByATilde) {
  const StepResult step = step_->run({"sync", "--upload", here() + " -> ~/site"});
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(tree_picture(host_->home().path("site")), tree_picture(here()));
}

TEST_F(TunnelSshSync, WithoutAPlaceForTheIndexItWorksToo) {
  std::ofstream(host_->home().path(".local")) << "in the way";
  EXPECT_EQ(sync().code, 0);
  const StepResult step = sync();
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(step.outputs.at("outcome"), "unchanged");
}

TEST_F(TunnelSshSync, ABrokenIndexIsMadeAnew) {
  ASSERT_EQ(sync().code, 0);
  ASSERT_TRUE(host_->falls_silent());  // sync does not wait for the index
  const std::string folder = host_->home().path(".local/state/tunnel-ssh/sync");
  for (const auto& index : fs::directory_iterator(folder)) std::ofstream(index.path()) << "rubbish";
  EXPECT_EQ(sync().outputs.at("outcome"), "unchanged");
}

TEST_F(TunnelSshSync, AFullDiskLeavesTheOldAsItWas) {
  PCA_REQUIRE(::geteuid() == 0 ? "" : "root, to mount a small tmpfs");
  const std::string small = theirs_.path("small");
  fs::create_directory(small);
  ASSERT_EQ(std::system(("mount -t tmpfs -o size=1m tmpfs " + small).c_str()), 0);
  const auto unmount = [&](void*) {
    EXPECT_TRUE(host_->falls_silent());
    EXPECT_EQ(std::system(("umount " + small).c_str()), 0);
  };
  const std::unique_ptr<void, decltype(unmount)> mounted(this, unmount);
  const std::string to = small + "/site";
  ASSERT_EQ(step_->run({"sync", "--upload", here() + " -> " + to}).code, 0);
  const std::string before = tree_picture(to);
  write("big", std::string(2'000'000, 'b'));
  const StepResult step = step_->run({"sync", "--upload", here() + " -> " + to});
  EXPECT_EQ(step.code, 1);
  EXPECT_NE(step.err.find("the host could not do it: the file system at " + small + " has "),
            std::string::npos)
      << step.err;
  EXPECT_NE(step.err.find(" KiB free, and 1956 KiB are to be unpacked beside what is there: make "
                          "room, then run this again"),
            std::string::npos)
      << step.err;
  EXPECT_EQ(tree_picture(to), before);
  for (const auto& entry : fs::directory_iterator(to)) {
    EXPECT_FALSE(entry.path().filename().native().starts_with(".tunnel-ssh")) << entry.path();
  }
}

TEST_P(TunnelSshSyncBy, ADestinationThatIsAFileIsAnError) {
  std::ofstream(there()) << "a file";
  const StepResult step = sync();
  EXPECT_EQ(step.code, 1);
  EXPECT_NE(step.err.find("is no folder"), std::string::npos) << step.err;
}

TEST_F(TunnelSshSync, LoginFilesThatTalkDoNoHarm) {
  std::ofstream(host_->home().path(".bashrc")) << "echo noise; echo more >&2\n";
  EXPECT_EQ(sync().code, 0);
  EXPECT_EQ(tree_picture(there()), tree_picture(here()));
}

TEST_F(TunnelSshSync, GoesThroughTheEdgeInMegabytes) {
  std::string big(std::size_t{8} << 20U, '\0');
  for (std::size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>((i * i) >> 9U);
  write("big", big);
  const SandboxEdge edge({"--client-id", SandboxEdge::client_id, "--origin",
                          "127.0.0.1:" + std::to_string(host_->sshd().port())},
                         {{"INPUT_CLIENT_SECRET", SandboxEdge::client_secret}});
  step_->go_through(edge);
  const StepResult step = sync();
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(tree_picture(there()), tree_picture(here()));
}

TEST_F(TunnelSshSync, TenChangedFilesOfFiveThousandCostTwentyKilobytes) {
  constexpr int folders = 100;
  constexpr int files_each = 50;
  const auto name_of = [](int number) {
    return fmt::format("folder-{:02}/module-{}.js", number / files_each, number);
  };
  for (int number = 0; number < folders * files_each; ++number) {
    fs::create_directory(fs::path(here(name_of(number))).parent_path());
    write(name_of(number), fmt::format("export const number = {};\n", number));
  }
  ASSERT_EQ(sync().code, 0);
  for (int number = 0; number < 10; ++number) {
    std::string text;
    for (int line = 0; line < 40; ++line) text += fmt::format("use(file{}, {});\n", number, line);
    write(name_of(number * 10 * files_each + number), text);
  }
  const CountingProxy proxy(host_->sshd().port());
  step_->inputs["INPUT_HOST"] = host_->sshd().user() + "@127.0.0.1:" + std::to_string(proxy.port());
  step_->inputs["INPUT_HOST_KEY"] = host_->sshd().fingerprint("ed25519");
  const StepResult step = sync();
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(step.outputs.at("changed"), "10");
  RecordProperty("up", std::to_string(proxy.up()));
  RecordProperty("down", std::to_string(proxy.down()));
  EXPECT_LE(proxy.up() + proxy.down(), 20'000U) << proxy.up() << " up, " << proxy.down() << " down";
  EXPECT_GE(proxy.up() + proxy.down(), 5'000U);  // or it counted something else
}

TEST_F(TunnelSshSync, ASingleFileIsLookedForByItsNameAlone) {
  fs::create_directories(there("private"));
  ASSERT_EQ(::mkfifo(there("private/pipe").c_str(), 0600), 0);
  std::ofstream(there("other")) << std::string(1000, 'o');
  const std::vector<std::string> arguments{"sync", "--upload",
                                           here("index.html") + " -> " + there("") + "/"};
  EXPECT_EQ(step_->run(arguments).outputs.at("outcome"), "deployed");
  const StepResult again = step_->run(arguments);
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(again.outputs.at("outcome"), "unchanged");
  EXPECT_TRUE(fs::exists(there("other")));
}

TEST_P(TunnelSshSyncBy, AFileDoesNotTakeThePlaceOfAFolderThatHoldsSomething) {
  fs::create_directories(there("index.html"));
  std::ofstream(there("index.html/precious")) << "x";
  const StepResult step =
      step_->run({"sync", "--upload", here("index.html") + " -> " + there("index.html")});
  EXPECT_EQ(step.code, 1);
  EXPECT_NE(step.err.find("index.html is a folder on the host, and holds index.html/precious"),
            std::string::npos)
      << step.err;
  EXPECT_TRUE(fs::exists(there("index.html/precious")));
}

// A PATH with everything but one program, for whoever logs in.
void take_away(const HostForTests& host, const std::string& program) {
  fs::create_directory(host.home().path("bin"));
  for (const char* folder : {"/bin", "/usr/bin"}) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string name = entry.path().filename();
      const fs::path link = host.home().path("bin/" + name);
      if (name == program || fs::is_symlink(link)) continue;
      fs::create_symlink(entry.path(), link);
    }
  }
  host.home().write(".bashrc", "PATH=$HOME/bin\n");
}

TEST_F(TunnelSshSync, AHostWithoutGzipIsServedToo) {
  take_away(*host_, "gzip");
  EXPECT_EQ(sync().code, 0);
  EXPECT_EQ(tree_picture(there()), tree_picture(here()));
  EXPECT_EQ(sync().outputs.at("outcome"), "unchanged");
}

TEST_F(TunnelSshSync, AHostWithoutTarIsServedBySftp) {
  take_away(*host_, "tar");
  const StepResult step = sync();
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_NE(step.out.find("no tar here: install it; by SFTP then"), std::string::npos) << step.out;
  EXPECT_EQ(tree_picture(there()), tree_picture(here()));
  EXPECT_EQ(sync().outputs.at("outcome"), "unchanged");
}

TEST_F(TunnelSshSync, ABusyBoxHostIsServedBySftp) {
  fs::create_directory(host_->home().path("bin"));
  for (const char* name : {"sh", "head", "cat", "mktemp", "rm"}) {
    fs::create_symlink("/bin/busybox", host_->home().path(std::string("bin/") + name));
  }
  host_->home().write(".bashrc", "PATH=$HOME/bin\n");
  const StepResult step = sync();
  EXPECT_EQ(step.code, 0) << step.err;
  constexpr const char* lacking = "no GNU coreutils here: install them, and GNU findutils";
  EXPECT_NE(step.out.find(lacking), std::string::npos) << step.out;
  EXPECT_EQ(tree_picture(there()), tree_picture(here()));
  // What needs the shell is told at once what it lacks.
  const StepResult list = step_->run({"release", "list", "--path", there()});
  EXPECT_EQ(list.code, 1);
  EXPECT_NE(list.err.find(lacking), std::string::npos) << list.err;
}

class TunnelSshDownload : public TunnelSshSync {
 protected:
  void SetUp() override {
    TunnelSshSync::SetUp();
    if (IsSkipped()) return;
    fs::remove(here("out"));  // a link that leads out
    fs::rename(here(), theirs_.path("source"));
    fs::create_directory(here());
  }
  [[nodiscard]] std::string source(const std::string& name = "") const {
    return theirs_.path("source" + (name.empty() ? "" : "/" + name));
  }
  StepResult download(std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.begin(),
                     {"sync", "--download", source() + " -> " + here("fetched")});
    return step_->run(arguments);
  }
  void expect_no_staging() const {
    for (const auto& entry : fs::recursive_directory_iterator(here())) {
      EXPECT_FALSE(entry.path().filename().native().starts_with(".tunnel-ssh")) << entry.path();
    }
  }
};

TEST_F(TunnelSshDownload, AFolderOfTheHostArrives) {
  std::string big(std::size_t{3} << 20U, '\0');
  for (std::size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>((i * i) >> 9U);
  std::ofstream(source("big")) << big;
  const StepResult step = download();
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(tree_picture(here("fetched")), tree_picture(source()));
  EXPECT_EQ(step.outputs.at("outcome"), "deployed");
  expect_no_staging();
  EXPECT_EQ(download().outputs.at("outcome"), "unchanged");
}

TEST_F(TunnelSshDownload, OnlyWhatDiffersIsFetchedAndTheRestDeletedWhenAsked) {
  ASSERT_EQ(download().code, 0);
  std::ofstream(source("index.html")) << "changed";
  fs::remove(source("empty"));
  fs::permissions(source("-rf"), fs::perms::owner_all);
  const StepResult step = download({"--delete"});
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(step.outputs.at("changed"), "3");
  EXPECT_EQ(tree_picture(here("fetched")), tree_picture(source()));
}

TEST_F(TunnelSshDownload, PatternsChoose) {
  const StepResult step = download({"--include", "*.js", "--include", "*.sh", "--exclude", "y.js"});
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_TRUE(fs::exists(here("fetched/run.sh")));
  EXPECT_FALSE(fs::exists(here("fetched/index.html")));
  EXPECT_FALSE(fs::exists(here("fetched/node_modules")));
}

TEST_F(TunnelSshDownload, ALinkThatLeadsOutIsRefused) {
  for (const char* target : {"/etc/passwd", "../outside", "sub/../../outside"}) {
    fs::create_symlink(target, source("leads out"));
    const StepResult step = download();
    EXPECT_EQ(step.code, 1) << target;
    EXPECT_NE(step.err.find("the link leads out of the host leads out of its tree"),
              std::string::npos)
        << step.err;
    EXPECT_TRUE(!fs::exists(here("fetched")) || fs::is_empty(here("fetched")));
    fs::remove(source("leads out"));
  }
}

TEST_F(TunnelSshDownload, WhatIsNotThereIsAnErrorAndDeletesNothing) {
  ASSERT_EQ(download().code, 0);
  fs::remove_all(source());
  const StepResult step = download({"--delete", "--delete-limit", "100%"});
  EXPECT_EQ(step.code, 1);
  EXPECT_NE(step.err.find("there is no " + source() + " on the host"), std::string::npos);
  EXPECT_TRUE(fs::exists(here("fetched/index.html")));
}

// Many hosts are one sshd that listens on many addresses, each with a home of its own.
class TunnelSshSyncHosts : public ::testing::Test {
 protected:
  void SetUp() override {
    PCA_REQUIRE(Sshd::missing());
    host_ = std::make_unique<HostForTests>("ListenAddress 127.0.0.2\nListenAddress 127.0.0.3\n");
    host_->home().write(".bashrc",
                        "set -- $SSH_CONNECTION; export HOME=$HOME/${3##*.}; mkdir -p $HOME\n");
    step_ = std::make_unique<StepForTests>(*host_);
    step_->inputs.erase("INPUT_KNOWN_HOSTS");
    step_->inputs["INPUT_HOST_KEY"] = host_->sshd().fingerprint("ed25519");
    step_->inputs["INPUT_USER"] = host_->sshd().user();
    step_->inputs["INPUT_HOST"] = address(1) + "\n" + address(2) + "\n" + address(3);
    step_->inputs["INPUT_UPLOAD"] = ours_.path() + " -> ~/site";
    fs::create_directories(ours_.path("sub"));
    ours_.write("index.html", "hello");
    ours_.write("sub/x", "x");
  }
  [[nodiscard]] std::string address(int number) const {
    return "127.0.0." + std::to_string(number) + ":" + std::to_string(host_->sshd().port());
  }
  [[nodiscard]] std::string there(int number) const {
    return host_->home().path(std::to_string(number) + "/site");
  }
  // On the second host a file is in the way.
  void make_one_fail() const {
    fs::create_directories(host_->home().path("2"));
    std::ofstream(there(2)) << "a file";
  }
  [[nodiscard]] std::string outcomes(const StepResult& step) const {
    const auto report = parse_json(ours_.read(step.outputs.at("report")));
    std::string text;
    for (const Json& host : *report->find("hosts")->as_array()) {
      text += *host.find("outcome")->as_string() + " ";
    }
    return text;
  }

  TempFolder ours_;
  std::unique_ptr<HostForTests> host_;
  std::unique_ptr<StepForTests> step_;
};

TEST_F(TunnelSshSyncHosts, AllBecomeAlike) {
  const StepResult step = step_->run({"sync"});
  EXPECT_EQ(step.code, 0) << step.err;
  for (int number = 1; number <= 3; ++number) {
    EXPECT_EQ(tree_picture(there(number)), tree_picture(ours_.path())) << number;
    EXPECT_NE(step.summary.find("| " + address(number) + " | &#126;/site | 2 | 0 | 0 | 0 |"),
              std::string::npos)
        << step.summary;
  }
  EXPECT_EQ(step.outputs.at("outcome"), "deployed");
  EXPECT_EQ(step.outputs.at("changed"), "9");
  EXPECT_EQ(step.outputs.at("failed-hosts"), "");
  EXPECT_EQ(outcomes(step), "succeeded succeeded succeeded ");
}

TEST_F(TunnelSshSyncHosts, OneThatFailsStopsNoOther) {
  make_one_fail();
  const StepResult step = step_->run({"sync"});
  EXPECT_EQ(step.code, 1);
  EXPECT_NE(step.err.find("1 of 3 hosts failed (" + address(2) + ")"), std::string::npos)
      << step.err;
  EXPECT_EQ(tree_picture(there(1)), tree_picture(ours_.path()));
  EXPECT_EQ(tree_picture(there(3)), tree_picture(ours_.path()));
  EXPECT_EQ(step.outputs.at("outcome"), "failed");
  EXPECT_EQ(step.outputs.at("failed-hosts"), address(2));
  EXPECT_EQ(outcomes(step), "succeeded failed succeeded ");
}

TEST_F(TunnelSshSyncHosts, NoFurtherBatchStartsAfterOneThatFailed) {
  make_one_fail();
  step_->inputs["INPUT_BATCH"] = "2";
  const StepResult step = step_->run({"sync"});
  EXPECT_EQ(step.code, 1);
  EXPECT_EQ(outcomes(step), "succeeded failed skipped ");
  EXPECT_FALSE(fs::exists(there(3)));
}

TEST_F(TunnelSshSyncHosts, WhatCannotBeReadHereFailsThemAll) {
  ASSERT_EQ(::mkfifo(ours_.path("pipe").c_str(), 0600), 0);
  const StepResult step = step_->run({"sync"});
  EXPECT_EQ(step.code, 1);
  EXPECT_NE(step.err.find("pipe is a socket, a pipe or a device"), std::string::npos) << step.err;
  EXPECT_EQ(outcomes(step), "failed failed failed ");
  EXPECT_FALSE(fs::exists(there(1)));
}

}  // namespace
}  // namespace pca::test
