#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "support/comes_true.hpp"
#include "support/require.hpp"
#include "support/tree_picture.hpp"
#include "support/tunnel_ssh.hpp"

namespace pca::test {

// A host with a folder for releases, and a small tree that is deployed to it.
class ReleaseForTests : public ::testing::Test {
 public:
  // "--hook-check" as a part of a test's name.
  [[nodiscard]] static std::string name_of_flag(std::string flag) {
    std::erase(flag, '-');
    return flag;
  }

 protected:
  static constexpr std::chrono::milliseconds patience{200'000};

  void SetUp() override {
    PCA_REQUIRE(Sshd::missing());
    host_ = std::make_unique<HostForTests>();
    step_ = std::make_unique<StepForTests>(*host_);
    ours_.write("index.html", "<h1>one</h1>");
    ours_.write("run.sh", "#!/bin/sh\necho run\n");
    std::filesystem::permissions(ours_.path("run.sh"), std::filesystem::perms::owner_all);
    std::filesystem::create_directories(ours_.path("sub/empty"));
    ours_.write("sub/with blank\nand line end", "odd");
    std::filesystem::create_symlink("index.html", ours_.path("link"));
  }

  [[nodiscard]] std::string app(const std::string& name = "") const {
    return theirs_.path("app" + (name.empty() ? "" : "/" + name));
  }
  [[nodiscard]] std::string current() const {
    std::error_code problem;
    return std::filesystem::read_symlink(app("current"), problem).filename().native();
  }
  [[nodiscard]] std::vector<std::string> releases() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(app("releases"))) {
      names.push_back(entry.path().filename().native());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  // All that the folder holds, by path: kind, rights, content. What only grows is left out. Nothing
  // while it is being changed.
  [[nodiscard]] std::map<std::string, std::string> picture() const { return picture_of(app()); }
  [[nodiscard]] static std::map<std::string, std::string> picture_of(const std::string& folder) {
    try {
      return look_at_all(folder);
    } catch (const std::filesystem::filesystem_error&) {
      return {};
    }
  }
  [[nodiscard]] static std::map<std::string, std::string> look_at_all(const std::string& folder) {
    std::map<std::string, std::string> picture;
    std::error_code none_yet;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, none_yet)) {
      std::string path = entry.path().native().substr(folder.size() + 1);
      if (path == ".deploy/history.jsonl") continue;
      struct stat status {};
      (void)::lstat(entry.path().c_str(), &status);
      std::string what = std::to_string(status.st_mode);
      if (entry.is_symlink()) {
        what += " " + std::filesystem::read_symlink(entry.path()).native();
      } else if (entry.is_regular_file()) {
        std::ifstream file(entry.path());
        what += " " + std::string(std::istreambuf_iterator<char>(file), {});
      }
      picture.emplace(std::move(path), std::move(what));
    }
    return picture;
  }
  [[nodiscard]] std::string history() const { return read(".deploy/history.jsonl"); }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream file(app(name));
    return {std::istreambuf_iterator<char>(file), {}};
  }

  StepResult release(const std::string& command, std::vector<std::string> arguments = {}) {
    std::vector<std::string> all{"release", command, "--path", app()};
    if (command == "deploy") all.insert(all.end(), {"--health-timeout", "3s"});
    all.insert(all.end(), arguments.begin(), arguments.end());
    StepResult step = step_->run(all);
    if (step.code == 0) {
      EXPECT_TRUE(comes_true([&] { return is_unlocked(); }));
    }
    return step;
  }
  // A tool that has waited long enough for a slow host ends before the host has unlocked.
  [[nodiscard]] bool is_unlocked() const try {
    const auto picture = look_at_all(app());
    return std::none_of(picture.begin(), picture.end(), [](const auto& entry) {
      return entry.first.find(".deploy/lock") != std::string::npos;
    });
  } catch (const std::filesystem::filesystem_error&) {
    return false;
  }
  StepResult deploy(char commit, std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.begin(),
                     {"--source", ours_.path(), "--commit", std::string(40, commit)});
    return release("deploy", arguments);
  }
  // A deploy that has switched and waits for a health that never comes.
  Process start_what_gets_no_health(char commit) {
    const std::string before = current();
    Process process =
        step_->start({"release", "deploy", "--path", app(), "--source", ours_.path(), "--commit",
                      std::string(40, commit), "--health-command", "false"});
    EXPECT_TRUE(comes_true([&] {
      (void)process.wait_for("never said", std::chrono::milliseconds(1));
      return current() != before;
    }));
    return process;
  }
  // Interrupts a deploy once `file` is there.
  void expect_cancelled_at(const std::vector<std::string>& arguments, const std::string& file) {
    Process process = step_->start(arguments);
    ASSERT_TRUE(comes_true([&] {
      (void)process.wait_for("never said", std::chrono::milliseconds(1));
      return std::filesystem::exists(file);
    })) << process.err();
    process.interrupt();
    EXPECT_EQ(process.wait(patience), 130) << process.err();
  }
  void expect_nothing_pending() const {
    EXPECT_FALSE(std::filesystem::exists(app(".deploy/lock")));
    EXPECT_TRUE(std::filesystem::is_empty(app(".deploy/armed")));
    for (const auto& entry : std::filesystem::recursive_directory_iterator(app())) {
      EXPECT_EQ(entry.path().native().find(".part"), std::string::npos) << entry.path();
    }
  }

  TempFolder ours_;
  TempFolder theirs_;
  std::unique_ptr<HostForTests> host_;
  std::unique_ptr<StepForTests> step_;
};

}  // namespace pca::test
