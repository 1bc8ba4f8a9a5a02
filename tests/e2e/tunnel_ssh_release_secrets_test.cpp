// The secret files of tunnel-ssh release: who sees them, and what becomes of them.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/text.hpp"
#include "support/release.hpp"

namespace pca::test {
namespace {

namespace fs = std::filesystem;

class TunnelSshReleaseSecrets : public ReleaseForTests {
 protected:
  StepResult deploy_with(char commit, const std::string& value,
                         std::vector<std::string> arguments = {}) {
    step_->variables["APP_ENV"] = value;
    arguments.insert(arguments.end(), {"--secret-files", "APP_ENV -> shared/config/.env"});
    return deploy(commit, std::move(arguments));
  }
  void expect_secret(const std::string& value) const {
    EXPECT_EQ(read("shared/config/.env"), value);
    EXPECT_EQ(read("current/config/.env"), value);
    struct stat file {
    }, folder{};
    ASSERT_EQ(::stat(app("shared/config/.env").c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & 07777U, 0600U);
    ASSERT_EQ(::stat(app(".deploy/secrets").c_str(), &folder), 0);
    EXPECT_EQ(folder.st_mode & 07777U, 0700U);
  }
};

TEST_F(TunnelSshReleaseSecrets, AreSwitchedAndRolledBackWithTheirRelease) {
  const std::string first = "KEY=first\n'quoted' $HOME `id` \\ ";
  ASSERT_EQ(deploy_with('a', first).code, 0);
  expect_secret(first);
  const StepResult same = deploy_with('a', first);
  EXPECT_EQ(same.outputs.at("outcome"), "unchanged") << same.err;
  const StepResult changed = deploy_with('b', "KEY=other");
  ASSERT_EQ(changed.outputs.at("outcome"), "deployed") << "only the secret is another one";
  expect_secret("KEY=other");
  ASSERT_EQ(release("rollback").code, 0);
  expect_secret(first);
  expect_nothing_pending();
}

TEST_F(TunnelSshReleaseSecrets, OneThatIsNoLongerNamedIsGone) {
  ASSERT_EQ(deploy_with('a', "some-secret").code, 0);
  const StepResult without = deploy('b');
  ASSERT_EQ(without.outputs.at("outcome"), "deployed") << without.err;
  EXPECT_FALSE(fs::exists(app("shared/config/.env")));
  ASSERT_EQ(release("rollback").code, 0);
  expect_secret("some-secret");
  EXPECT_EQ(deploy('c').outputs.at("outcome"), "deployed");
  ASSERT_EQ(release("prune", {"--keep", "1"}).code, 0);
  std::vector<std::string> kept;
  for (const auto& entry : fs::directory_iterator(app(".deploy/secrets"))) {
    kept.push_back(entry.path().filename());
  }
  for (const std::string& id : kept) EXPECT_TRUE(fs::exists(app("releases/" + id))) << id;
}

TEST_F(TunnelSshReleaseSecrets, AreNowhereButInTheirFile) {
  const std::string canary = "canary-of-a-secret-file";
  step_->in_actions();
  step_->inputs["INPUT_JSON"] = "true";
  step_->variables["APP_ENV"] = canary + "-old";
  ASSERT_EQ(deploy_with('a', canary + "-old").code, 0);
  ours_.write("index.html", "<h1>two</h1>");
  const StepResult planned = deploy_with('b', canary, {"--dry-run"});
  const std::string gate = theirs_.path("gate");
  step_->variables["APP_ENV"] = canary;
  Process process = step_->start({"release", "deploy", "--path", app(), "--source", ours_.path(),
                                  "--commit", std::string(40, 'b'), "--secret-files",
                                  "APP_ENV -> shared/config/.env", "--health-command",
                                  "cat config/.env; test -e " + gate, "--health-timeout", "20s"});
  ASSERT_TRUE(comes_true([&] {
    (void)process.wait_for("never said", std::chrono::milliseconds(1));
    return read("shared/config/.env") == canary;
  }));
  EXPECT_EQ(all_command_lines().find(canary), std::string::npos);
  theirs_.write("gate", "");
  const StepResult step = step_->result_of(process, patience);
  ASSERT_EQ(step.code, 0) << step.err;
  for (const StepResult* result : {&planned, &step}) {
    for (const std::string& line : split_lines(result->out + "\n" + result->err)) {
      if (line.starts_with("::add-mask::")) continue;
      EXPECT_EQ(line.find(canary), std::string::npos) << line;
    }
    EXPECT_EQ(result->summary.find(canary), std::string::npos);
  }
  EXPECT_EQ(planned.out.find(".env"), std::string::npos) << "no diff names it";
  for (const auto& [path, what] : picture()) {
    if (path.starts_with(".deploy/secrets/")) continue;
    EXPECT_EQ(what.find(canary), std::string::npos) << path;
  }
  EXPECT_EQ(history().find(canary), std::string::npos);
  EXPECT_EQ(all_files_below(step_->folder().path()).find(canary), std::string::npos);
}

TEST_F(TunnelSshReleaseSecrets, OfADeployThatIsNotHealthyNothingStays) {
  ASSERT_EQ(deploy_with('a', "old-secret").code, 0);
  const auto before = picture();
  ours_.write("index.html", "<h1>two</h1>");
  const StepResult step =
      deploy_with('b', "new-secret", {"--health-command", "! grep -q new config/.env"});
  EXPECT_EQ(step.code, 3) << step.err;
  EXPECT_EQ(picture(), before);
  expect_secret("old-secret");
}

TEST_F(TunnelSshReleaseSecrets, OfAFirstDeployThatIsNotHealthyNothingStays) {
  ASSERT_EQ(deploy('a').code, 0);
  fs::create_directories(app("shared/config"));
  ASSERT_EQ(deploy('b').outputs.at("outcome"), "unchanged");
  const StepResult step = deploy_with('c', "new-secret", {"--health-command", "false"});
  EXPECT_EQ(step.code, 3) << step.err;
  EXPECT_TRUE(fs::is_empty(app("shared/config")));
  EXPECT_TRUE(fs::is_empty(app(".deploy/secrets")));
}

TEST_F(TunnelSshReleaseSecrets, WhatWasPutThereByHandIsLeftAlone) {
  ASSERT_EQ(deploy('a').code, 0);
  fs::create_directories(app("shared/config"));
  std::ofstream(app("shared/config/.env")) << "by hand";
  const StepResult step = deploy_with('b', "new-secret");
  EXPECT_EQ(step.code, 1) << step.err;
  EXPECT_NE(step.err.find("was not made by secret-files: move it away first"), std::string::npos)
      << step.err;
  EXPECT_EQ(read("shared/config/.env"), "by hand");
  expect_nothing_pending();
}

TEST_F(TunnelSshReleaseSecrets, OneInTheSourceTooIsRefused) {
  fs::create_directories(ours_.path("config"));
  ours_.write("config/.env", "");
  const StepResult step = deploy_with('a', "some-secret");
  EXPECT_EQ(step.code, 2);
  EXPECT_NE(step.err.find("secret-files: \"config/.env\" is in the source too"), std::string::npos)
      << step.err;
  EXPECT_FALSE(fs::exists(app()));
}

}  // namespace
}  // namespace pca::test
