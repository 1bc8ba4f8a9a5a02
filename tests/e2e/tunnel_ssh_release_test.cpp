// tunnel-ssh release against real sshds and what Debian has there.

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/text.hpp"
#include "net/tcp.hpp"
#include "support/loopback.hpp"
#include "support/release.hpp"

namespace pca::test {
namespace {

namespace fs = std::filesystem;
using pca::testing::Listener;

class TunnelSshRelease : public ReleaseForTests {};

TEST_F(TunnelSshRelease, TheFirstDeployMakesTheFolderAndTheCurrentRelease) {
  const StepResult step = deploy('a', {"--health-command", "test -f index.html"});
  ASSERT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(step.outputs.at("outcome"), "deployed");
  EXPECT_EQ(step.outputs.at("previous"), "");
  EXPECT_EQ(current(), step.outputs.at("release"));
  EXPECT_TRUE(current().ends_with("Z-aaaaaaa")) << current();
  EXPECT_EQ(tree_picture(app("current/.")), tree_picture(ours_.path()));
  EXPECT_NE(history().find(R"("action":"deploy")"), std::string::npos) << history();
  EXPECT_NE(history().find(R"("result":"deployed")"), std::string::npos) << history();
  EXPECT_NE(step.summary.find("| deployed |"), std::string::npos) << step.summary;
  expect_nothing_pending();
}

TEST_F(TunnelSshRelease, WhatIsAlikeIsAHardLinkAndIsNotSent) {
  ASSERT_EQ(deploy('a').code, 0);
  const std::string first = current();
  ours_.write("index.html", "<h1>two</h1>");
  const StepResult step = deploy('b');
  ASSERT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(step.outputs.at("previous"), first);
  EXPECT_EQ(step.outputs.at("changed"), "1");
  struct stat before {
  }, now{};
  ASSERT_EQ(::stat(app("releases/" + first + "/run.sh").c_str(), &before), 0);
  ASSERT_EQ(::stat(app("current/run.sh").c_str(), &now), 0);
  EXPECT_EQ(before.st_ino, now.st_ino);
  EXPECT_EQ(tree_picture(app("current/.")), tree_picture(ours_.path()));
  EXPECT_EQ(read("releases/" + first + "/index.html"), "<h1>one</h1>");
}

TEST_F(TunnelSshRelease, AFileThatWasWrittenToIsSentAgain) {
  ASSERT_EQ(deploy('a').code, 0);
  std::ofstream(app("current/run.sh")) << "hacked";
  fs::last_write_time(app("current/run.sh"),
                      fs::file_time_type::clock::now() + std::chrono::seconds(1));
  fs::remove(app("current/link"));
  const StepResult step = deploy('b');
  ASSERT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(tree_picture(app("current/.")), tree_picture(ours_.path()));
}

TEST_F(TunnelSshRelease, TheSameTreeIsUnchanged) {
  ASSERT_EQ(deploy('a').code, 0);
  const std::string before = tree_picture(theirs_.path());
  const StepResult step = deploy('b');
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(step.outputs.at("outcome"), "unchanged");
  EXPECT_EQ(step.outputs.at("changed"), "0");
  EXPECT_EQ(tree_picture(theirs_.path()), before);
}

TEST_F(TunnelSshRelease, WhatIsNotHealthyIsTakenBack) {
  ASSERT_EQ(deploy('a').code, 0);
  const std::string good = current();
  ours_.write("index.html", "<h1>broken</h1>");
  const StepResult step =
      deploy('b', {"--health-command", "echo it is ill; ! grep -q broken index.html", "--restart",
                   "echo restarted in $PWD >>" + theirs_.path("restarts"), "--log-command",
                   "echo the last words"});
  EXPECT_EQ(step.code, 3) << step.err;
  EXPECT_EQ(step.outputs.at("outcome"), "rolled-back");
  EXPECT_NE(step.err.find("not healthy within 3s: the health command failed: it is ill"),
            std::string::npos)
      << step.err;
  EXPECT_NE(step.out.find("the last words"), std::string::npos) << step.out;
  EXPECT_EQ(current(), good);
  EXPECT_EQ(releases(), std::vector<std::string>{good});
  const std::vector<std::string> restarts = split_lines(theirs_.read("restarts"));
  EXPECT_EQ(restarts.size(), 2U) << "one for the new, one for the old";
  EXPECT_NE(history().find(R"("action":"revert")"), std::string::npos) << history();
  expect_nothing_pending();
}

TEST_F(TunnelSshRelease, HealthIsAskedForFromTheHost) {
  Listener web;
  std::jthread server([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const FileDescriptor socket = web.accept();
      std::array<char, 4096> request{};
      (void)!::read(socket.get(), request.data(), request.size());
      const bool is_ill = std::string_view(request.data()).starts_with("GET /ill ");
      const std::string answer = std::string("HTTP/1.1 ") + (is_ill ? "503 Ill" : "200 OK") +
                                 "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
      (void)!::write(socket.get(), answer.data(), answer.size());
    }
  });
  const std::string port = std::to_string(web.port());
  const StepResult good =
      deploy('a', {"--health-port", port, "--health-url", "http://localhost:" + port + "/well"});
  EXPECT_EQ(good.code, 0) << good.err;
  EXPECT_NE(good.out.find("2 checks in a row after"), std::string::npos) << good.out;
  ours_.write("index.html", "<h1>two</h1>");
  const StepResult ill = deploy('b', {"--health-url", "http://localhost:" + port + "/ill"});
  EXPECT_EQ(ill.code, 3);
  EXPECT_NE(ill.err.find("/ill answers with 503"), std::string::npos) << ill.err;
  const pca::testing::ClosedPort closed;
  const StepResult none = deploy('c', {"--health-port", std::to_string(closed.port())});
  EXPECT_EQ(none.code, 3);
  EXPECT_NE(none.err.find("takes no connections"), std::string::npos) << none.err;
  server.request_stop();
  (void)connect_tcp_socket(Budget::of(patience), "127.0.0.1", web.port());
}

TEST_F(TunnelSshRelease, ATimerThatHasHardlyBegunEndsWithItsDeploy) {
  fs::create_directory(host_->home().path("bin"));
  host_->home().write("bin/setsid", "#!/bin/sh\nsleep 0.5\nexec /usr/bin/setsid \"$@\"\n");
  fs::permissions(host_->home().path("bin/setsid"), fs::perms::owner_all);
  ASSERT_EQ(deploy('a').code, 0);
  EXPECT_TRUE(host_->falls_silent());
}

TEST_F(TunnelSshRelease, AFirstDeployThatIsNotHealthyLeavesNoCurrentRelease) {
  const StepResult step = deploy('a', {"--health-command", "false"});
  EXPECT_EQ(step.code, 3) << step.err;
  EXPECT_FALSE(fs::exists(fs::symlink_status(app("current"))));
  EXPECT_TRUE(releases().empty());
  expect_nothing_pending();
}

TEST_F(TunnelSshRelease, ARollbackGoesToTheLastGoodReleaseAndHolds) {
  ASSERT_EQ(deploy('a').code, 0);
  const std::string first = current();
  ours_.write("index.html", "<h1>two</h1>");
  ASSERT_EQ(deploy('b').code, 0);
  const StepResult back = release("rollback", {"--reason", "it smells"});
  ASSERT_EQ(back.code, 0) << back.err;
  EXPECT_EQ(back.outputs.at("release"), first);
  EXPECT_EQ(current(), first);
  EXPECT_NE(history().find("it smells"), std::string::npos) << history();

  const StepResult again = deploy('b');
  EXPECT_EQ(again.code, 7) << again.err;
  EXPECT_EQ(again.outputs.at("outcome"), "held");
  EXPECT_EQ(current(), first);
  ours_.write("index.html", "<h1>three</h1>");
  EXPECT_EQ(deploy('c').code, 0) << "a newer commit ends the hold";
  EXPECT_FALSE(fs::exists(app(".deploy/hold")));
  expect_nothing_pending();
}

// A repository with a commit for each of these days of January 2026; the last one reverts the
// second.
class Repository {
 public:
  std::vector<std::string> commit_on(const std::vector<int>& days) {
    git("git init -q .");
    std::vector<std::string> commits;
    for (const int day : days) {
      const std::string date = "2026-01-" + std::to_string(day) + "T12:00:00+02:00";
      const bool reverts = commits.size() + 1 == days.size();
      git("GIT_COMMITTER_DATE=" + date + " git commit -q --allow-empty -m 'Change it' -m '" +
          (reverts ? "This reverts commit " + commits[1] + "." : "no more") + "'");
      commits.push_back(git("git rev-parse HEAD"));
    }
    return commits;
  }
  [[nodiscard]] std::string path() const { return folder_.path(); }

 private:
  std::string git(const std::string& code) const {
    Process process({.argv = {"/bin/sh", "-c",
                              "cd " + folder_.path() +
                                  " && export HOME=$PWD GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b "
                                  "GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b && " +
                                  code}});
    EXPECT_EQ(process.wait(std::chrono::seconds(20)), 0) << process.err();
    return std::string(trim(process.out()));
  }
  TempFolder folder_;
};

TEST_F(TunnelSshRelease, AHoldGoesByTheTimeThatGitKnows) {
  Repository repository;
  const auto commits = repository.commit_on({10, 12, 11, 13});
  step_->variables["GITHUB_WORKSPACE"] = repository.path();
  const auto deploy_commit = [&](std::size_t which) {
    ours_.write("index.html", "<h1>" + std::to_string(which));
    return release("deploy", {"--source", ours_.path(), "--commit", commits[which]});
  };
  ASSERT_EQ(deploy_commit(0).code, 0);
  ASSERT_EQ(deploy_commit(1).code, 0);
  EXPECT_NE(history().find(R"("commit-time":"2026-01-12T10:00:00Z")"), std::string::npos);
  ASSERT_EQ(release("rollback", {"--reason", "it smells"}).code, 0);
  const StepResult older = deploy_commit(2);
  EXPECT_EQ(older.code, 7) << "never seen here, but committed before the held one: " << older.err;
  EXPECT_NE(older.err.find("was rolled back by"), std::string::npos) << older.err;
  EXPECT_EQ(deploy_commit(3).code, 0) << "a newer one ends the hold";
  EXPECT_NE(history().find("\"revert-of\":\"" + commits[1] + "\""), std::string::npos) << history();
  const StepResult log = release("log");
  EXPECT_NE(log.out.find("reverts " + commits[1].substr(0, 7)), std::string::npos) << log.out;
}

TEST_F(TunnelSshRelease, WithoutAWorkspaceTheEventKnowsTheTime) {
  step_->variables["GITHUB_WORKSPACE"] = theirs_.path();
  step_->variables["GITHUB_EVENT_PATH"] = theirs_.write(
      "event.json", R"({"head_commit":{"id":")" + std::string(40, 'a') +
                        R"(","timestamp":"2026-01-31T13:00:00+01:00","message":"m"}})");
  ASSERT_EQ(deploy('a').code, 0);
  EXPECT_NE(history().find(R"("commit-time":"2026-01-31T12:00:00Z")"), std::string::npos)
      << history();
}

TEST_F(TunnelSshRelease, ARollbackToWhatIsNotThereTouchesNothing) {
  ASSERT_EQ(deploy('a').code, 0);
  const std::string before = tree_picture(theirs_.path());
  const StepResult none = release("rollback");
  EXPECT_EQ(none.code, 1);
  EXPECT_NE(none.err.find("there is no earlier release that was healthy"), std::string::npos);
  const StepResult unknown = release("rollback", {"--to", "20200101T000000Z-0000000"});
  EXPECT_EQ(unknown.code, 1);
  EXPECT_EQ(tree_picture(theirs_.path()), before);
}

TEST_F(TunnelSshRelease, ACurrentThatIsNoReleaseIsLeftAlone) {
  fs::create_directories(app("before"));
  fs::create_symlink("before", app("current"));
  const std::string before = tree_picture(app("current/."));
  const StepResult step = deploy('a');
  EXPECT_EQ(step.code, 1) << step.err;
  EXPECT_NE(step.err.find("current leads to before, which is no release here"), std::string::npos)
      << step.err;
  EXPECT_EQ(fs::read_symlink(app("current")), "before");
  fs::remove(app("current"));
  fs::create_directories(app("current"));
  const StepResult folder = deploy('a');
  EXPECT_EQ(folder.code, 1);
  EXPECT_NE(folder.err.find("current is no link: move it away first"), std::string::npos)
      << folder.err;
}

TEST_F(TunnelSshRelease, AHoldRefusesUntilItIsEnded) {
  ASSERT_EQ(deploy('a').code, 0);
  ASSERT_EQ(release("hold", {"--reason", "audit"}).code, 0);
  ours_.write("index.html", "<h1>two</h1>");
  const StepResult held = deploy('b');
  EXPECT_EQ(held.code, 7);
  EXPECT_NE(held.err.find("audit"), std::string::npos) << held.err;
  ASSERT_EQ(release("unhold").code, 0);
  EXPECT_EQ(deploy('b').code, 0);
  EXPECT_NE(release("log").out.find("unhold"), std::string::npos);
}

TEST_F(TunnelSshRelease, ListShowsWhatIsCurrentAndPruneDeletesTheRest) {
  for (const char commit : {'1', '2', '3'}) {
    ours_.write("index.html", std::string("<h1>") + commit);
    ASSERT_EQ(deploy(commit).code, 0);
  }
  const StepResult listed = release("list");
  EXPECT_NE(listed.out.find("-1111111  good"), std::string::npos) << listed.out;
  EXPECT_NE(listed.out.find("-3333333  current"), std::string::npos) << listed.out;
  const StepResult pruned = release("prune", {"--keep", "1"});
  EXPECT_EQ(pruned.code, 0) << pruned.err;
  const auto left = releases();
  ASSERT_EQ(left.size(), 2U) << "the current one, and the one to go back to";
  EXPECT_TRUE(left[0].ends_with("-2222222")) << left[0];
}

TEST_F(TunnelSshRelease, HoldsListsAndLogsAreTablesForPeople) {
  step_->variables["GITHUB_ACTOR"] = "octocat";
  ASSERT_EQ(deploy('a', {"--health-command", "true"}).code, 0);
  ours_.write("index.html", "<h1>two</h1>");
  ASSERT_EQ(deploy('b').code, 0);
  ASSERT_EQ(release("rollback", {"--reason", "it smells"}).code, 0);
  const StepResult listed = release("list");
  EXPECT_NE(listed.out.find("  release                   state    deployed"), std::string::npos)
      << listed.out;
  EXPECT_NE(listed.out.find("was rolled back by octocat: it smells"), std::string::npos);
  EXPECT_EQ(listed.out.find('{'), std::string::npos) << "no JSON for people: " << listed.out;
  EXPECT_NE(listed.summary.find("| release | state |"), std::string::npos) << listed.summary;
  const StepResult log = release("log");
  EXPECT_NE(log.out.find("  time                  action    release"), std::string::npos)
      << log.out;
  EXPECT_NE(log.out.find("octocat  2 checks in a row"), std::string::npos) << log.out;
  EXPECT_EQ(log.out.find('{'), std::string::npos) << log.out;
  const StepResult json = release("list", {"--json"});
  const auto report = parse_json(json.out);
  ASSERT_TRUE(report) << json.out;
  EXPECT_NE(json.out.find(R"("reason": "it smells")"), std::string::npos) << json.out;
}

TEST_F(TunnelSshRelease, SeveralHostsMakeOneAnnotation) {
  step_->in_actions();
  const std::array<pca::testing::ClosedPort, 2> closed;
  for (const auto& port : closed) {
    step_->inputs["INPUT_HOST"] +=
        "\n" + host_->sshd().user() + "@127.0.0.1:" + std::to_string(port.port());
  }
  step_->inputs["INPUT_HOST_KEY_POLICY"] = "accept-new";
  step_->inputs["INPUT_TRIES"] = "1";
  for (const char* command : {"list", "deploy"}) {
    const StepResult step = command == std::string("list") ? release("list") : deploy('a');
    EXPECT_EQ(step.code, 6) << step.out;
    const std::size_t first = step.out.find("::error");
    EXPECT_NE(first, std::string::npos) << step.out;
    EXPECT_EQ(step.out.find("::error", first + 1), std::string::npos) << step.out;
    EXPECT_NE(step.out.find(" of 3 hosts: "), std::string::npos) << step.out;
  }
}

TEST_F(TunnelSshRelease, GoesThroughAnOpenSession) {
  const StepResult opened = step_->run({"session", "open"});
  ASSERT_EQ(opened.code, 0) << opened.err;
  const int holder = std::stoi(opened.outputs.at("pid"));
  ASSERT_EQ(deploy('a', {"--health-command", "true"}).code, 0);
  const std::string first = current();
  ours_.write("index.html", "<h1>two</h1>");
  ASSERT_EQ(deploy('b').code, 0);
  ours_.write("index.html", "<h1>ill</h1>");
  EXPECT_EQ(deploy('c', {"--health-command", "! grep -q ill index.html"}).code, 3);
  EXPECT_EQ(release("rollback").code, 0);
  EXPECT_EQ(current(), first);
  EXPECT_EQ(release("list").code, 0);
  expect_nothing_pending();
  const std::string log = host_->sshd().log();
  const std::size_t login = log.find("Accepted publickey");
  EXPECT_EQ(log.find("Accepted publickey", login + 1), std::string::npos) << "one login for all";
  ::kill(holder, SIGTERM);
  EXPECT_TRUE(ends(holder));
}

TEST_F(TunnelSshRelease, AKilledDeployIsTakenBackThoughItsSessionStaysOpen) {
  const StepResult opened = step_->run({"session", "open"});
  ASSERT_EQ(opened.code, 0) << opened.err;
  const int holder = std::stoi(opened.outputs.at("pid"));
  ASSERT_EQ(deploy('a').code, 0);
  const std::string good = current();
  ours_.write("index.html", "<h1>two</h1>");
  step_->inputs["INPUT_HEALTH_TIMEOUT"] = "20s";
  Process process = start_what_gets_no_health('b');
  process.send(SIGKILL);
  EXPECT_TRUE(comes_true([&] { return current() == good; }));
  EXPECT_EQ(deploy('c').code, 0);
  expect_nothing_pending();
  ::kill(holder, SIGTERM);
  EXPECT_TRUE(ends(holder));
}

TEST_F(TunnelSshRelease, ALockOfWhoIsGoneIsEndedByUnlock) {
  ASSERT_EQ(deploy('a').code, 0);
  std::ofstream(app(".deploy/lock")) << R"({"actor":"nobody"})"
                                     << "\n";
  ours_.write("index.html", "<h1>two</h1>");
  const StepResult locked = deploy('b', {"--lock-wait", "1s"});
  EXPECT_EQ(locked.code, 7) << locked.err;
  EXPECT_NE(locked.err.find("nobody"), std::string::npos) << locked.err;
  ASSERT_EQ(release("unlock").code, 0);
  EXPECT_EQ(deploy('b').code, 0);
}

TEST_F(TunnelSshRelease, ALockThatNobodyRenewsIsStolen) {
  ASSERT_EQ(deploy('a').code, 0);
  std::ofstream(app(".deploy/lock")) << R"({"actor":"nobody"})"
                                     << "\n";
  fs::last_write_time(app(".deploy/lock"),
                      fs::file_time_type::clock::now() - std::chrono::seconds(62));
  ours_.write("index.html", "<h1>two</h1>");
  EXPECT_EQ(deploy('b', {"--lock-wait", "1s"}).code, 0);
  expect_nothing_pending();
}

TEST_F(TunnelSshRelease, ADryRunTellsTheDifferenceAndTouchesNothing) {
  const StepResult step = deploy('a', {"--dry-run"});
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(step.outputs.at("outcome"), "planned");
  EXPECT_NE(step.out.find("+ index.html"), std::string::npos) << step.out;
  EXPECT_FALSE(fs::exists(app()));
}

TEST_F(TunnelSshRelease, KeepsAsManyGoodReleasesAsAskedFor) {
  for (const char commit : {'1', '2', '3', '4'}) {
    ours_.write("index.html", std::string("<h1>") + commit);
    ASSERT_EQ(deploy(commit, {"--keep", "2"}).code, 0);
  }
  const auto left = releases();
  ASSERT_EQ(left.size(), 2U);
  EXPECT_TRUE(left[0].ends_with("3333333")) << left[0];
  EXPECT_TRUE(left[1].ends_with("4444444")) << left[1];
}

TEST_F(TunnelSshRelease, SharedPathsAreCommonToAllReleases) {
  ASSERT_EQ(deploy('a', {"--shared", "uploads", "--shared", "config/local.json"}).code, 0);
  std::ofstream(app("shared/config/local.json")) << "{}";
  ours_.write("index.html", "<h1>two</h1>");
  ASSERT_EQ(deploy('b', {"--shared", "uploads", "--shared", "config/local.json"}).code, 0);
  EXPECT_EQ(read("current/config/local.json"), "{}");
  EXPECT_EQ(fs::read_symlink(app("current/uploads")), "../../shared/uploads");
}

TEST_F(TunnelSshRelease, OneHostThatIsNotHealthyTakesAllBack) {
  HostForTests second;
  step_->inputs["INPUT_HOST"] = host_->address() + "\n" + second.address();
  step_->inputs["INPUT_KNOWN_HOSTS"] =
      host_->sshd().known_hosts() + "\n" + second.sshd().known_hosts();
  (void)second.home().write("second", "");
  // Both log in by the first one's key.
  (void)second.sshd().folder().write("authorized_keys", host_->key_pair().public_line + "\n");
  const std::string path = "~/app";
  const auto both = [&](char commit, const std::string& health) {
    return step_->run({"release", "deploy", "--path", path, "--source", ours_.path(), "--commit",
                       std::string(40, commit), "--health-command", health, "--health-timeout",
                       "3s"});
  };
  ASSERT_EQ(both('a', "true").code, 0);
  const auto current_of = [](const HostForTests& host) {
    return fs::read_symlink(host.home().path("app/current")).filename().native();
  };
  const std::string good = current_of(*host_);
  ASSERT_EQ(current_of(second), good);
  ours_.write("index.html", "<h1>two</h1>");
  const StepResult step = both('b', "test ! -e ~/second");
  EXPECT_EQ(step.code, 3) << step.err;
  EXPECT_EQ(current_of(*host_), good);
  EXPECT_EQ(current_of(second), good);
  EXPECT_EQ(step.outputs.at("outcome"), "rolled-back");
  EXPECT_NE(step.err.find(second.address() + ": not healthy within 3s"), std::string::npos)
      << step.err;
  EXPECT_NE(step.err.find("2 of 2 hosts"), std::string::npos) << step.err;
}

TEST_F(TunnelSshRelease, TwoDeploysAtOnceOneWaits) {
  step_->inputs["INPUT_HEALTH_TIMEOUT"] = "20s";
  const std::string gate = theirs_.path("gate");
  Process first =
      step_->start({"release", "deploy", "--path", app(), "--source", ours_.path(), "--commit",
                    std::string(40, 'a'), "--health-command", "test -e " + gate});
  EXPECT_TRUE(comes_true([&] {
    (void)first.wait_for("never said", std::chrono::milliseconds(1));
    return fs::exists(app(".deploy/lock"));
  }));
  StepForTests other(*host_);
  Process second = other.start({"release", "deploy", "--path", app(), "--source", ours_.path(),
                                "--commit", std::string(40, 'b')});
  ASSERT_TRUE(second.wait_for("waiting for another deploy", patience)) << second.err();
  theirs_.write("gate", "");
  EXPECT_EQ(first.wait(patience), 0) << first.err();
  EXPECT_EQ(second.wait(patience), 0) << second.err();
  EXPECT_TRUE(current().ends_with("aaaaaaa")) << "the same tree: the second changed nothing";
  expect_nothing_pending();
}

TEST_F(TunnelSshRelease, AKilledDeployIsTakenBackByTheHost) {
  ASSERT_EQ(deploy('a').code, 0);
  const std::string good = current();
  ours_.write("index.html", "<h1>two</h1>");
  step_->inputs["INPUT_HEALTH_TIMEOUT"] = "20s";
  Process process = start_what_gets_no_health('b');
  ASSERT_NE(current(), good);
  process.send(SIGKILL);
  EXPECT_TRUE(comes_true([&] { return current() == good; }));
  EXPECT_EQ(current(), good);
  const StepResult next = deploy('c');
  EXPECT_EQ(next.code, 0) << next.err;
  EXPECT_EQ(tree_picture(app("current/.")), tree_picture(ours_.path()));
  expect_nothing_pending();
}

TEST_F(TunnelSshRelease, ACancelledDeployIsTakenBackAtOnce) {
  ASSERT_EQ(deploy('a').code, 0);
  const std::string good = current();
  ours_.write("index.html", "<h1>two</h1>");
  step_->inputs["INPUT_HEALTH_TIMEOUT"] = "20s";
  Process process = start_what_gets_no_health('b');
  ASSERT_NE(current(), good);
  process.interrupt();
  EXPECT_EQ(process.wait(patience), 130) << process.err();
  EXPECT_EQ(current(), good);
  expect_nothing_pending();
}

}  // namespace
}  // namespace pca::test
