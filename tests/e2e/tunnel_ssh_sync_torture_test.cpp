// What tunnel-ssh sync leaves behind when it is cut short or the host has no room.

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/text.hpp"
#include "support/counting_proxy.hpp"
#include "support/edge.hpp"
#include "support/long_way.hpp"
#include "support/noise.hpp"
#include "support/require.hpp"
#include "support/tree_picture.hpp"
#include "support/tunnel_ssh.hpp"

namespace pca::test {
namespace {

namespace fs = std::filesystem;

// Two trees of ours, and a host whose temporary files lie where the test can see them.
class TunnelSshSyncTorture : public ::testing::Test {
 protected:
  void SetUp() override {
    PCA_REQUIRE(Sshd::missing());
    host_ = std::make_unique<HostForTests>();
    step_ = std::make_unique<StepForTests>(*host_);
    step_->inputs["INPUT_TRIES"] = "1";
    for (const TempFolder* tree : {&old_, &new_}) {
      for (int i = 0; i < 40; ++i) {
        fs::create_directories(tree->path("d" + std::to_string(i % 5)));
        tree->write("d" + std::to_string(i % 5) + "/" + std::to_string(i), std::string(200, 'a'));
      }
      tree->write("empty", "");
    }
    for (int i = 0; i < 20; ++i)
      new_.write("d0/" + std::to_string(5 * i), noise(3000, static_cast<unsigned>(i)));
    for (int i = 1; i < 5; ++i) fs::remove(new_.path("d1/" + std::to_string(5 * i + 1)));
    fs::create_directories(new_.path("new folder/sub"));
    new_.write("new folder/sub/x", noise(20'000, 99));
    fs::create_symlink("d0", new_.path("link"));
    old_.write("kind", "a file");
    fs::create_directory(new_.path("kind"));
    new_.write("kind/now a folder", "x");
    // Both must be as wide as sync brings them over.
    fs::permissions(new_.path("empty"), fs::perms::owner_all);
  }

  [[nodiscard]] std::string there() const { return theirs_.path("site"); }
  StepResult sync(const TempFolder& from) {
    return step_->run({"sync", "--upload", from.path() + " -> " + there(), "--delete"});
  }
  void make_it(const TempFolder& tree) {
    const StepResult step = sync(tree);
    ASSERT_EQ(step.code, 0) << step.err;
    ASSERT_EQ(tree_picture(there()), tree_picture(tree.path()));
  }

  void expect_nothing_left() const {
    EXPECT_TRUE(host_->falls_silent());
    EXPECT_TRUE(fs::is_empty(host_->temporary().path()))
        << fs::directory_iterator(host_->temporary().path())->path();
    for (const auto& entry : fs::recursive_directory_iterator(theirs_.path())) {
      EXPECT_FALSE(entry.path().filename().native().starts_with(".tunnel-ssh")) << entry.path();
    }
  }

  TempFolder old_;
  TempFolder new_;
  TempFolder theirs_;
  std::unique_ptr<HostForTests> host_;
  std::unique_ptr<StepForTests> step_;
};

TEST_F(TunnelSshSyncTorture, WhereverTheConnectionIsCutTheTreeIsTheOldOrTheNewOne) {
  make_it(old_);
  const std::string before = tree_picture(old_.path());
  const std::string after = tree_picture(new_.path());
  std::uint64_t all = 0;
  {
    const CountingProxy proxy(host_->sshd().port());
    step_->go_by(*host_, proxy.port());
    make_it(new_);
    all = proxy.up();
  }
  // Evenly, and byte by byte (SSH's packets are longer) where the last words are said.
  std::vector<std::uint64_t> cuts;
  for (std::uint64_t i = 1; i <= 25; ++i) cuts.push_back(all * i / 26);
  for (std::uint64_t i = 0; i <= 20; ++i) cuts.push_back(all - 37 * i);
  std::size_t old_ones = 0;
  for (const std::uint64_t cut : cuts) {
    SCOPED_TRACE("cut after " + std::to_string(cut) + " of " + std::to_string(all));
    step_->go_straight(*host_);
    ASSERT_TRUE(host_->falls_silent());
    make_it(old_);
    StepResult step;
    {
      const CountingProxy proxy(host_->sshd().port(), cut);
      step_->go_by(*host_, proxy.port());
      step = sync(new_);
    }
    expect_nothing_left();
    const std::string now = tree_picture(there());
    ASSERT_TRUE(now == before || now == after) << step.err;
    switch (step.code) {
      case 0:
        EXPECT_TRUE(now == after) << step.err;
        break;
      case 4:
        break;
      case 6:
        EXPECT_TRUE(now == before) << step.err;
        break;
      default:
        ADD_FAILURE() << step.code << step.err;
    }
    if (now == before) ++old_ones;
  }
  EXPECT_GT(old_ones, 20U);
  step_->go_straight(*host_);
  make_it(new_);
}

TEST_F(TunnelSshSyncTorture, AFolderThatMayNotBeWrittenToChangesNothing) {
  PCA_REQUIRE(::geteuid() == 0 ? "" : "root, to mount a folder read-only");
  make_it(old_);
  const std::string before = tree_picture(there());
  const std::string folder = there() + "/d0";
  ASSERT_EQ(std::system(
                ("mount --bind " + folder + " " + folder + " && mount -o remount,bind,ro " + folder)
                    .c_str()),
            0);
  const StepResult step = sync(new_);
  EXPECT_EQ(std::system(("umount " + folder).c_str()), 0);
  EXPECT_EQ(step.code, 1);
  EXPECT_NE(step.err.find("may not write to ./d0"), std::string::npos) << step.err;
  EXPECT_TRUE(tree_picture(there()) == before);
  expect_nothing_left();
  make_it(new_);
}

TEST_F(TunnelSshSyncTorture, ASparseFileOfTwoGibibytesArrives) {
  fs::resize_file(old_.write("sparse", "begin"), std::uintmax_t{2} << 30U);
  Process process = step_->start({"sync", "--upload", old_.path() + " -> " + there()});
  const StepResult step = step_->result_of(process, std::chrono::minutes(3));
  ASSERT_EQ(step.code, 0) << step.err;
  ProcessSpec compare;  // which takes no memory for it
  compare.argv = {"cmp", old_.path("sparse"), there() + "/sparse"};
  const Finished compared = run_process(std::move(compare), std::chrono::minutes(2));
  EXPECT_EQ(compared.code, 0) << compared.out << compared.err;
}

// ---- an upload over several channels

class TunnelSshSyncLanes : public TunnelSshSyncTorture {
 protected:
  static constexpr std::uint64_t size = std::uint64_t{24} << 20U;

  void SetUp() override {
    TunnelSshSyncTorture::SetUp();
    if (IsSkipped()) return;
    make_it(old_);
    before_ = tree_picture(there());
    new_.write("big", noise(size));
  }
  // Over a long way, cut after so many bytes up.
  StepResult sync_from_afar(std::uint64_t cut = CountingProxy::endless) {
    const LongWay way(host_->sshd().port(), cut);
    step_->go_by(*host_, way.port());
    return sync(new_);
  }
  // A process of the host whose command line begins so; 0 after 10 s without one.
  [[nodiscard]] int wait_for_process(const std::string& begin) const {
    for (int tries = 0; tries < 2000; ++tries) {
      for (const int pid : descendants_of(host_->sshd().pid())) {
        if (command_line_of_process(pid).starts_with(begin)) return pid;
      }
      ::poll(nullptr, 0, 5);
    }
    ADD_FAILURE() << "nothing called " << begin << " runs on the host";
    return 0;
  }
  std::string before_;
};

TEST_F(TunnelSshSyncLanes, CarryALargeFileOverALongWay) {
  const std::size_t commands_before = host_->commands();
  const StepResult step = sync_from_afar();
  ASSERT_EQ(step.code, 0) << step.err;
  EXPECT_TRUE(tree_picture(there()) == tree_picture(new_.path()));
  EXPECT_GE(host_->commands() - commands_before,
            3U);  // the shell and lanes, how many depends on the time it takes
  expect_nothing_left();
}

TEST_F(TunnelSshSyncLanes, CarryWhatIsPackedToo) {
  std::string text;  // digits: four bits in each byte
  for (const char c : noise(size / 2)) {
    text += "0123456789abcdef"[(static_cast<unsigned char>(c) >> 4U) & 15U];
  }
  new_.write("big", text);
  const std::size_t commands_before = host_->commands();
  const StepResult step = sync_from_afar();
  ASSERT_EQ(step.code, 0) << step.err;
  EXPECT_TRUE(tree_picture(there()) == tree_picture(new_.path()));
  EXPECT_GE(host_->commands() - commands_before, 3U);
  expect_nothing_left();
}

TEST_F(TunnelSshSyncLanes, AreDoneWithoutWhereTheHostAllowsOneChannel) {
  host_ = std::make_unique<HostForTests>("MaxSessions 1");
  step_ = std::make_unique<StepForTests>(*host_);
  const StepResult step = sync_from_afar();
  ASSERT_EQ(step.code, 0) << step.err;
  EXPECT_TRUE(tree_picture(there()) == tree_picture(new_.path()));
  EXPECT_EQ(host_->commands(), 1U);
  expect_nothing_left();
}

TEST_F(TunnelSshSyncLanes, LeaveNothingBehindWhereverTheConnectionIsCut) {
  for (std::uint64_t part = 1; part <= 7; ++part) {
    SCOPED_TRACE(part);
    const StepResult step = sync_from_afar(size * part / 8);
    EXPECT_EQ(step.code, 6) << step.err;
    expect_nothing_left();
    EXPECT_TRUE(tree_picture(there()) == before_);
  }
}

TEST_F(TunnelSshSyncLanes, ChangeNothingWhenAProcessOfTheirsIsKilled) {
  for (const char* victim : {"cat", "head -c", "tar "}) {
    SCOPED_TRACE(victim);
    std::jthread killer([&] {
      if (wait_for_process("tar ") == 0) return;
      if (const int pid = wait_for_process(victim); pid > 0) ::kill(pid, SIGKILL);
    });
    const StepResult step = sync_from_afar();
    killer.join();
    EXPECT_EQ(step.code, 1) << step.err;
    expect_nothing_left();
    EXPECT_TRUE(tree_picture(there()) == before_);
  }
}

}  // namespace
}  // namespace pca::test
