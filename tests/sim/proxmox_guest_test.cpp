// Scripts and files in a guest, by its agent: real shells in the sandbox's guests.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/digest.hpp"
#include "support/comes_true.hpp"
#include "support/proxmox_step.hpp"
#include "support/require.hpp"
#include "support/tunnel_ssh.hpp"

namespace pca::test {
namespace {

using testing::SandboxProxmox;
using namespace std::chrono_literals;

class ProxmoxGuest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto looked = run({"--command", "true"});
    const bool has_namespaces = looked.err.find("no user namespaces") == std::string::npos &&
                                looked.err.find("ended with 126") == std::string::npos;
    PCA_REQUIRE(has_namespaces ? std::string() : "this machine gives no user namespaces");
    ASSERT_EQ(looked.code, 0) << looked.all();
  }
  // What is of ours in the guest's /tmp is gone, but for that of the script which looks.
  void TearDown() override {
    if (IsSkipped() || HasFatalFailure()) return;
    cluster.no_faults();
    EXPECT_EQ(in_guest("ls -A /tmp | wc -l"), "1") << in_guest("ls -lA /tmp");
  }

  ProxmoxStep::Result run(const std::vector<std::string>& more) {
    return step.run("run --guest legacy", more);
  }
  // What a command prints there.
  std::string in_guest(const std::string& command) {
    const auto done = run({"--command", command});
    EXPECT_EQ(done.code, 0) << done.all();
    const auto out = done.outputs.find("stdout");
    return out == done.outputs.end() ? std::string() : std::string(trim(out->second));
  }
  ProxmoxStep::Result push(const std::vector<std::string>& more) {
    return step.run("push --guest legacy", more);
  }
  int count_of(const std::string& method, const std::string& end, std::size_t since) {
    const auto all = cluster.requests();
    return static_cast<int>(std::count_if(
        all.begin() + static_cast<std::ptrdiff_t>(since), all.end(), [&](const Json& one) {
          return one.text_of("method") == method && one.text_of("path").ends_with(end);
        }));
  }
  // A word that no other process has.
  static std::string mark() { return "3600." + std::to_string(::getpid()); }
  static bool runs_here(const std::string& words) {
    return all_command_lines().find(words) != std::string::npos;
  }
  void fault(const std::string& kind, const std::string& request, int nth) {
    cluster.fault(R"({"kind": ")" + kind + R"(", "request": ")" + request + R"(", "nth": )" +
                  std::to_string(nth) + "}");
  }

  SandboxProxmox cluster{{}, 20};
  ProxmoxStep step{cluster, SandboxProxmox::root_token};
  TempFolder files;
};

TEST_F(ProxmoxGuest, AScriptsOutputAndItsCodeAreTold) {
  const std::size_t begin = cluster.requests().size();
  const auto done = run({"--script", "echo out\necho err >&2\nexit 3"});
  EXPECT_EQ(done.code, 1);
  EXPECT_EQ(done.outputs.at("exit-code"), "3");
  EXPECT_EQ(done.outputs.at("stdout"), "out\n");
  EXPECT_EQ(done.outputs.at("stderr"), "err\n");
  EXPECT_EQ(done.outputs.at("vmid"), "100");
  EXPECT_NE(done.all().find("the script ended with 3 in guest 100 (legacy on pve1)"),
            std::string::npos)
      << done.all();
  EXPECT_NE(done.summary.find("| 100 legacy | pve1 | 3 |"), std::string::npos) << done.summary;
  // The script, and the end of what it left there.
  EXPECT_EQ(count_of("POST", "/agent/exec", begin), 2);
}

TEST_F(ProxmoxGuest, ItsVariablesAndItsPlaceAreAsTold) {
  step.variables = {{"SHOP_TOKEN", "s3cr3t \"'$x"}};
  const auto done =
      run({"--script",
           "printf '%s|%s|%s|' \"$PLAIN\" \"${#SHOP_TOKEN}\" \"$(umask)\"\npwd\ntail -c 3 "
           "/proc/$$/cmdline | tr -d '\\0'; echo ' é'\nprintf %s \"$SHOP_TOKEN\" | "
           "sha256sum >/srv/sum",
           "--env", "PLAIN=a b;é", "--pass-env", "SHOP_TOKEN", "--cwd", "/srv", "--umask", "027"});
  ASSERT_EQ(done.code, 0) << done.all();
  EXPECT_TRUE(done.outputs.at("stdout").starts_with("a b;é|11|0027|/srv\n")) << done.all();
  EXPECT_NE(done.outputs.at("stdout").find(" é\n"), std::string::npos);
  step.variables.clear();
  EXPECT_EQ(in_guest("cut -c1-64 /srv/sum"), to_hex(sha256("s3cr3t \"'$x")));
  EXPECT_EQ(in_guest("echo \"[$PCA_SCRIPT]\""), "[]");
}

TEST_F(ProxmoxGuest, WhatIsPrintedIsShownWhileItRuns) {
  Process process =
      step.start("run --guest legacy", {"--script",
                                        "echo first; until [ -e /srv/go ]; do sleep 0.1; done; "
                                        "seq 1 60000; echo last >&2"});
  ASSERT_TRUE(process.wait_for("first\n", 30s)) << process.out() << process.err();
  EXPECT_EQ(in_guest("touch /srv/go"), "");
  const auto done = step.result_of(process);
  ASSERT_EQ(done.code, 0) << done.all();
  std::string wanted = "first\n";
  for (int number = 1; number <= 60000; ++number) wanted += std::to_string(number) + "\n";
  std::string shown;  // without the stop-commands around it
  for (const std::string& line : split_lines(done.out)) {
    if (line == "first" || line.find_first_not_of("0123456789") == std::string::npos) {
      shown += line + "\n";
    }
  }
  EXPECT_EQ(shown.size(), wanted.size());
  EXPECT_TRUE(shown == wanted);
  EXPECT_NE(done.all().find("last"), std::string::npos);
  EXPECT_LE(done.outputs.at("stdout").size(), 66U * 1024);
}

TEST_F(ProxmoxGuest, ACancelEndsWhatRunsThere) {
  for (const char* trap : {"", "trap '' TERM INT HUP; "}) {
    Process process = step.start(
        "run --guest legacy",
        {"--script", std::string(trap) + "echo ready; sleep " + mark() + " & wait; wait"});
    ASSERT_TRUE(process.wait_for("ready\n", 30s)) << process.out() << process.err();
    ASSERT_TRUE(runs_here("sleep " + mark()));
    process.interrupt();
    const auto done = step.result_of(process, 20s);
    EXPECT_EQ(done.code, 130) << done.all();
    EXPECT_NE(done.all().find("it was ended"), std::string::npos) << done.all();
    EXPECT_FALSE(runs_here("sleep " + mark()));
  }
}

TEST_F(ProxmoxGuest, AScriptMayEmptyTheFolderOfItsOutput) {
  const auto done = run({"--script", "rm -rf /tmp/*; exit 4"});
  EXPECT_EQ(done.outputs.at("exit-code"), "4") << done.all();
}

TEST_F(ProxmoxGuest, ATimeLimitEndsItToo) {
  const auto done = run({"--command", "echo begun; sleep " + mark(), "--timeout", "8s"});
  EXPECT_EQ(done.code, 6) << done.all();
  EXPECT_NE(done.all().find("timed out while the script ran in guest 100 (legacy on pve1); it was "
                            "ended"),
            std::string::npos)
      << done.all();
  EXPECT_EQ(done.outputs.at("stdout"), "begun\n");
  EXPECT_EQ(done.outputs.at("exit-code"), "");
  EXPECT_FALSE(runs_here("sleep " + mark()));
}

// The agent tells an end once: the answer that is lost is made up for from the folder.
TEST_F(ProxmoxGuest, AnswersThatAreLostAreMadeUpFor) {
  for (const char* kind : {"request-lost", "request-dropped", "request-fails"}) {
    for (int nth = 1; nth <= 3; ++nth) {
      fault(kind, "GET *exec-status*", nth);
      const auto done = run({"--script", "echo out; echo err >&2; exit 5"});
      cluster.no_faults();
      EXPECT_EQ(done.outputs.at("exit-code"), "5") << kind << nth << done.all();
      EXPECT_EQ(done.outputs.at("stdout"), "out\n") << kind << nth;
      EXPECT_EQ(done.outputs.at("stderr"), "err\n") << kind << nth;
    }
  }
}

TEST_F(ProxmoxGuest, AScriptWhoseStartWasNotHeardOfIsEnded) {
  fault("request-lost", "POST *agent/exec", 1);
  const auto done = run({"--command", "sleep " + mark()});
  EXPECT_EQ(done.code, 4) << done.all();
  EXPECT_TRUE(comes_true([&] { return !runs_here("sleep " + mark()); }));
}

TEST_F(ProxmoxGuest, WhyItCannotRunIsTold) {
  cluster.guest(R"({"vmid": 100, "agent": {"state": "no-exec"}})");
  const auto disabled = run({"--command", "true"});
  EXPECT_EQ(disabled.code, 1);
  EXPECT_NE(disabled.all().find("guest-exec has been disabled"), std::string::npos)
      << disabled.all();
  cluster.guest(R"({"vmid": 100, "agent": {"state": "answers"}})");
  const auto other = step.run("run --guest nobody --command true");
  EXPECT_EQ(other.code, 1) << other.all();
  EXPECT_NE(other.all().find("nobody"), std::string::npos) << other.all();
}

TEST_F(ProxmoxGuest, AnAgentThatIsNotUpYetIsWaitedFor) {
  cluster.guest(R"({"vmid": 100, "agent": {"state": "dead"}})");
  Process process = step.start("run --guest legacy", {"--command", "echo here"});
  EXPECT_TRUE(process.wait_for("Waiting for the agent of guest 100", 60s)) << process.err();
  cluster.guest(R"({"vmid": 100, "agent": {"state": "answers"}})");
  const auto booted = step.result_of(process);
  EXPECT_EQ(booted.code, 0) << booted.all();
  EXPECT_EQ(booted.outputs.at("stdout"), "here\n");

  cluster.guest(R"({"vmid": 100, "agent": {"state": "dead"}})");
  const auto dead = push({"--upload", files.write("x", "x") + " -> /x", "--timeout", "10s"});
  EXPECT_EQ(dead.code, 6) << dead.all();
  EXPECT_NE(dead.all().find("QEMU guest agent is not running"), std::string::npos) << dead.all();
  EXPECT_NE(dead.all().find("Check that qemu-guest-agent is installed"), std::string::npos)
      << dead.all();
  cluster.guest(R"({"vmid": 100, "agent": {"state": "answers"}})");
}

TEST_F(ProxmoxGuest, AContainerHasNoAgent) {
  ASSERT_EQ(
      cluster.run_task("POST", "/nodes/pve1/lxc",
                       "vmid=300&ostemplate=local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"
                       "&hostname=box&rootfs=local-zfs:1"),
      "OK");
  for (const char* command : {"run --guest 300 --command true", "push --guest 300"}) {
    const auto done = step.run(
        command, std::string(command).starts_with("push")
                     ? std::vector<std::string>{"--upload", files.write("x", "x") + " -> /x"}
                     : std::vector<std::string>());
    EXPECT_EQ(done.code, 1) << done.all();
    EXPECT_NE(done.all().find("is a container, and these have no agent"), std::string::npos)
        << done.all();
    EXPECT_NE(done.all().find("pct exec 300"), std::string::npos) << done.all();
  }
}

TEST_F(ProxmoxGuest, FilesArriveWithTheirPermissions) {
  std::string large;
  for (int number = 0; large.size() < 200'000; ++number) large += std::to_string(number) + '\0';
  const std::string program = files.write("program", "#!/bin/sh\n");
  ASSERT_EQ(::chmod(program.c_str(), 0755), 0);
  const std::vector<std::string> all{"--upload", files.write("large", large) + " -> /srv/large",
                                     "--upload", files.write("empty", "") + " -> /srv/empty",
                                     "--upload", program + " -> /srv/a program"};
  const auto done = push(all);
  ASSERT_EQ(done.code, 0) << done.all();
  EXPECT_EQ(done.outputs.at("changed"), "3");
  EXPECT_EQ(in_guest("sha256sum </srv/large | cut -c1-64"), to_hex(sha256(large)));
  EXPECT_EQ(in_guest("cd /srv; stat -c '%a %s' large empty 'a program'"),
            "644 " + std::to_string(large.size()) + "\n644 0\n755 10");
  EXPECT_EQ(in_guest("ls -A /srv | wc -l"), "3");

  const std::size_t begin = cluster.requests().size();
  EXPECT_EQ(push(all).outputs.at("changed"), "0");
  EXPECT_EQ(count_of("POST", "/agent/exec", begin), 1);

  EXPECT_EQ(in_guest("chmod 640 /srv/empty"), "");
  (void)files.write("empty", "no more");
  EXPECT_EQ(push(all).outputs.at("changed"), "1");
  EXPECT_EQ(in_guest("stat -c %a /srv/empty; cat /srv/empty"), "640\nno more");
  EXPECT_EQ(push({"--upload", files.path("empty") + " -> /srv/empty", "--mode", "0600"})
                .outputs.at("changed"),
            "1");
  EXPECT_EQ(in_guest("stat -c %a /srv/empty"), "600");
  // A link is replaced by a file with the permissions of what it led to, not by its own.
  EXPECT_EQ(in_guest("echo a >/srv/target; chmod 640 /srv/target; ln -s target /srv/link"), "");
  EXPECT_EQ(push({"--upload", files.path("empty") + " -> /srv/link"}).code, 0);
  EXPECT_EQ(in_guest("stat -c '%a %F' /srv/link; cat /srv/target"), "640 regular file\na");
}

TEST_F(ProxmoxGuest, AFileThatCannotGoThereIsToldBeforeAnyIsWritten) {
  const std::string file = files.write("x", "x");
  EXPECT_EQ(in_guest("mkdir /srv/folder"), "");
  const auto folder = push({"--upload", file + " -> /srv/x", "--upload", file + " -> /srv/folder"});
  EXPECT_EQ(folder.code, 1);
  EXPECT_NE(folder.all().find("/srv/folder is a folder in guest"), std::string::npos)
      << folder.all();
  const auto none = push({"--upload", file + " -> /srv/x", "--upload", file + " -> /none/x"});
  EXPECT_EQ(none.code, 1);
  EXPECT_NE(none.all().find("/none/x has no folder to go into"), std::string::npos) << none.all();
  EXPECT_EQ(in_guest("ls -A /srv"), "folder");
}

TEST_F(ProxmoxGuest, ALostAnswerToAPieceIsMadeUpFor) {
  const std::string content(150'000, 'x');
  const std::string file = files.write("x", content);
  for (const char* request : {"POST *agent/exec", "GET *exec-status*"}) {
    for (int nth = 2; nth <= 5; ++nth) {
      EXPECT_EQ(in_guest("echo old >/srv/x"), "");
      fault("request-lost", request, nth);
      const auto done = push({"--upload", file + " -> /srv/x"});
      cluster.no_faults();
      EXPECT_EQ(done.code, 0) << request << nth << done.all();
      EXPECT_EQ(in_guest("sha256sum </srv/x | cut -c1-64; ls -A /srv"),
                to_hex(sha256(content)) + "\nx");
    }
  }
}

TEST_F(ProxmoxGuest, ACancelLeavesTheOldFileAndNothingElse) {
  EXPECT_EQ(in_guest("echo old >/srv/x"), "");
  Process process =
      step.start("push --guest legacy",
                 {"--upload", files.write("x", std::string(3'000'000, 'x')) + " -> /srv/x"});
  ASSERT_TRUE(process.wait_for("45.0 KiB of 2.9 MiB", 30s)) << process.out();
  process.interrupt();
  const auto done = step.result_of(process);
  EXPECT_EQ(done.code, 130) << done.all();
  EXPECT_EQ(in_guest("cat /srv/x; ls -A /srv"), "old\nx");
}

}  // namespace
}  // namespace pca::test
