// tunnel-ssh sync with a real sshd that gives this user no shell, only SFTP.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/text.hpp"
#include "support/comes_true.hpp"
#include "support/require.hpp"
#include "support/round_trips.hpp"
#include "support/sync_test.hpp"
#include "support/tree_picture.hpp"

namespace pca::test {
namespace {

namespace fs = std::filesystem;

class TunnelSshSftp : public SyncTest {
 protected:
  void SetUp() override {
    PCA_REQUIRE(Sshd::missing());
    make("ForceCommand internal-sftp -d " + login_.path());
  }
  void TearDown() override { EXPECT_TRUE(!host_ || host_->falls_silent()); }

  TempFolder login_;
};

// What sync does by the shell, too, is in tunnel_ssh_sync_test.cpp.
TEST_F(TunnelSshSftp, ItIsToldThatTheHostHasNoShell) {
  const StepResult step = sync();
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_NE(step.out.find("the host runs no commands for this user; by SFTP then"),
            std::string::npos)
      << step.out;
}

// Also one of the same size, at once: nobody has the time that the upload gave.
TEST_F(TunnelSshSftp, AChangeOnTheHostIsFoundAndPutRight) {
  ASSERT_EQ(sync().code, 0);
  std::ofstream(there("index.html")) << std::string(14, 'z');
  ASSERT_EQ(fs::file_size(there("index.html")), fs::file_size(here("index.html")));
  const StepResult step = sync();
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(tree_picture(there()), tree_picture(here()));
  EXPECT_EQ(step.outputs.at("changed"), "1");
}

TEST_F(TunnelSshSftp, WithoutAPlaceForTheIndexItWorksToo) {
  login_.write(".tunnel-ssh-index", "in the way");
  EXPECT_EQ(sync().code, 0);
  write("index.html", "<h1>changed</h1>");
  const StepResult step = sync();
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(tree_picture(there()), tree_picture(here()));
  expect_no_leftovers();
}

TEST_F(TunnelSshSftp, TheFolderOfTheLoginIsMeantByATilde) {
  const StepResult step = step_->run({"sync", "--upload", here() + " -> ~/site"});
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(tree_picture(login_.path("site")), tree_picture(here()));
}

TEST_F(TunnelSshSftp, TheFolderOfTheLoginCanBeMirrored) {
  const std::vector<std::string> arguments{"sync", "--upload", here() + " -> " + login_.path(),
                                           "--delete"};
  ASSERT_EQ(step_->run(arguments).code, 0);
  const StepResult again = step_->run(arguments);
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(again.outputs.at("outcome"), "unchanged");
}

TEST_F(TunnelSshSftp, AFolderIsFetched) {
  std::string big(std::size_t{3} << 20U, '\0');
  for (std::size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>((i * i) >> 9U);
  fs::remove(here("out"));  // nothing that leads out of the tree is fetched
  write("big", big);
  ASSERT_EQ(sync().code, 0);
  const TempFolder fetched;
  const StepResult step =
      step_->run({"sync", "--download", there() + " -> " + fetched.path("site")});
  EXPECT_EQ(step.code, 0) << step.out << step.err;
  EXPECT_EQ(tree_picture(fetched.path("site")), tree_picture(here()));
}

TEST_F(TunnelSshSftp, ManyFilesTakeFewRoundTrips) {
  for (int i = 0; i < 200; ++i) write(fmt::format("d{}/f{}", i % 10, i), std::to_string(i));
  int number = 0;
  const double trips = round_trips_of(
      host_->sshd().port(), 60,
      [&](std::uint16_t port) {
        step_->inputs["INPUT_HOST"] = host_->sshd().user() + "@127.0.0.1:" + std::to_string(port);
        step_->inputs["INPUT_HOST_KEY"] = host_->sshd().fingerprint("ed25519");
      },
      [&] {
        const std::string to = theirs_.path(fmt::format("fresh{}", ++number));
        const StepResult step = step_->run({"sync", "--upload", here() + " -> " + to});
        ASSERT_EQ(step.code, 0) << step.err;
      });
  RecordProperty("round trips", std::to_string(trips));
  EXPECT_LE(trips, 60) << trips;  // one after the other they would take a thousand
  EXPECT_GE(trips, 10) << trips;  // or it counted something else
}

TEST_F(TunnelSshSftp, AFullDiskLeavesTheOldAsItWas) {
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
  EXPECT_NE(step.err.find("free, and 1.9 MiB are to be put beside what is there"),
            std::string::npos)
      << step.err;
  EXPECT_EQ(tree_picture(to), before);
}

TEST_F(TunnelSshSftp, ACancelLeavesTheOldAndNothingElse) {
  ASSERT_EQ(sync().code, 0);
  const std::string before = tree_picture(theirs_.path());
  write("big", std::string(std::size_t{400} << 20U, 'b'));
  Process process = step_->start({"sync", "--upload", here() + " -> " + there()});
  const auto is_sending = [&] {
    for (const auto& entry : fs::directory_iterator(there())) {
      if (fs::exists(entry.path() / "new/big")) return true;
    }
    return false;
  };
  ASSERT_TRUE(comes_true([&] {
    (void)process.wait_for("never said", std::chrono::milliseconds(1));
    return is_sending();
  }));
  process.send(SIGTERM);
  EXPECT_EQ(process.wait(std::chrono::seconds(30)), 128 + SIGTERM) << process.err();
  EXPECT_EQ(tree_picture(theirs_.path()), before);
}

TEST_F(TunnelSshSftp, WhatABrokenRunLeftIsRemovedADayLater) {
  ASSERT_EQ(sync().code, 0);
  fs::create_directories(there(".tunnel-ssh-young/new"));
  fs::create_directories(there(".tunnel-ssh-old/new/d"));
  std::ofstream(there(".tunnel-ssh-old/new/d/f")) << "half";
  fs::last_write_time(there(".tunnel-ssh-old"),
                      fs::file_time_type::clock::now() - std::chrono::hours(25));
  write("index.html", "<h1>changed</h1>");
  EXPECT_EQ(sync({"--delete"}).code, 0);
  EXPECT_FALSE(fs::exists(there(".tunnel-ssh-old")));
  EXPECT_TRUE(fs::exists(there(".tunnel-ssh-young/new")));
  fs::remove_all(there(".tunnel-ssh-young"));
  EXPECT_EQ(tree_picture(there()), tree_picture(here()));
}

TEST_F(TunnelSshSftp, NobodyElseCanBeBecome) {
  const StepResult step = sync({"--become", "root"});
  EXPECT_EQ(step.code, 1);
  EXPECT_NE(step.err.find("the host ended the shell before it was done"), std::string::npos)
      << step.err;
}

TEST_F(TunnelSshSftp, ItGoesOverAnOpenSession) {
  ASSERT_EQ(step_->run({"session", "open"}).code, 0);
  const StepResult step = sync();
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(tree_picture(there()), tree_picture(here()));
  const std::string log = host_->sshd().log();
  EXPECT_EQ(log.find("Accepted publickey"), log.rfind("Accepted publickey")) << log;
  step_->inputs.clear();
  EXPECT_EQ(step_->run({"session", "close"}).code, 0);
}

}  // namespace
}  // namespace pca::test
