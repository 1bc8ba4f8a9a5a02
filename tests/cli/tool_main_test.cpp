#include "cli/tool_main.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <sstream>

#include "support/process.hpp"

namespace pca {
namespace {

using std::chrono::milliseconds;
using test::Finished;
using test::Process;
using test::ProcessSpec;

constexpr milliseconds enough{30'000};

ProcessSpec probe(const std::vector<std::string>& arguments) {
  ProcessSpec spec;
  spec.argv = {PCA_BIN "/cli_probe"};
  spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
  return spec;
}

Finished run_probe(const std::vector<std::string>& arguments) {
  return test::run_process(probe(arguments), enough);
}

// Starts `command`, waits until it is ready and sends `signal`.
Finished end_by(int signal, const std::string& command) {
  Process process(probe({command}));
  if (!process.wait_for("ready", enough)) ADD_FAILURE() << process.err();
  process.send(signal);
  const auto code = process.wait(enough);
  return {code.value_or(-1), process.out(), process.err(), !code};
}

bool blocks(int pid, int signal) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  const std::string key = "SigBlk:\t";
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with(key)) continue;
    return ((std::stoull(line.substr(key.size()), nullptr, 16) >> (signal - 1)) & 1U) != 0;
  }
  return false;
}

TEST(ToolMain, EachKindOfErrorHasItsExitCodeAndIsTold) {
  struct Case {
    const char* kind;
    int code;
    const char* err;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"success", 8, ""},
           {"failed", 1, "error: it failed\n  Try again.\n"},
           {"bad-input", 2,
            "error: it was wrong\n  Nothing was contacted. \"cli_probe fail --help\" shows all "
            "inputs.\n"},
           {"rolled-back", 3, "error: it was undone\n"},
           {"outcome-unknown", 4, "error: nobody knows\n"},
           {"permission", 5, "error: not allowed\n"},
           {"unreachable", 6, "error: not there\n"},
           {"conflict", 7, "error: locked\n"},
           {"cancelled", 130, "error: stopped\n"},
           {"bug", 70,
            "error: a promise was broken\n  This is a bug in the tool: please report it.\n"},
           {"exception", 70,
            "error: stopped by an unexpected error: library text\n"
            "  This is a bug in the tool: please report it.\n"},
           {"not-even-an-exception", 70,
            "error: stopped by an unexpected error: one without a description\n"
            "  This is a bug in the tool: please report it.\n"},
           {"thread", 70,
            "error: a thread stopped by an unexpected error\n"
            "  This is a bug in the tool: please report it.\n"},
       }) {
    const Finished done = run_probe({"fail", c.kind});
    EXPECT_EQ(done.code, c.code) << c.kind;
    EXPECT_EQ(done.err, c.err) << c.kind;
    EXPECT_EQ(done.out, "") << c.kind;
  }
}

TEST(ToolMain, ASignalIsAnsweredByCleaningUpAndACodeAbove128) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    const Finished done = end_by(signal, "wait");
    EXPECT_EQ(done.code, 128 + signal);
    EXPECT_EQ(done.out, "ready\ncleaned up\n");
    EXPECT_EQ(done.err, "error: cancelled while waiting\n");
  }
}

TEST(ToolMain, TheFirstSignalNamesTheEnd) {
  Process process(probe({"wait"}));
  ASSERT_TRUE(process.wait_for("ready", enough)) << process.err();
  process.send(SIGINT);
  process.send(SIGTERM);  // the runner's next step; may come at any moment of the clean-up
  EXPECT_EQ(process.wait(enough), 128 + SIGINT);
}

TEST(ToolMain, WorkThatIsDoneDespiteASignalIsASuccess) {
  EXPECT_EQ(end_by(SIGINT, "finish-after-stop").code, 0);
}

TEST(ToolMain, ACleanUpThatHangsIsGivenUpAfterSevenSeconds) {
  Process process(probe({"hang"}));
  ASSERT_TRUE(process.wait_for("ready", enough)) << process.err();
  const auto begin = std::chrono::steady_clock::now();
  process.send(SIGTERM);
  EXPECT_FALSE(process.wait(milliseconds{1000}));
  process.send(SIGINT);  // a second signal changes nothing
  EXPECT_EQ(process.wait(enough), 128 + SIGTERM);
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(took, milliseconds{6900});
  EXPECT_LE(took, milliseconds{9000});
  EXPECT_EQ(process.err(), "error: the clean-up took too long and was given up\n");
}

TEST(ToolMain, ASignalEndsAWaitForASecretOnStdin) {
  ProcessSpec spec = probe({"echo", "--secret-file", "-"});
  spec.keep_input_open = true;
  Process process(spec);
  process.write("part of a secret");
  // It says nothing while it waits; what can be seen is that it has begun to watch for signals.
  for (int i = 0; i < 1000 && !blocks(process.pid(), SIGTERM); ++i) {
    static_cast<void>(process.wait(milliseconds{10}));
  }
  process.send(SIGTERM);
  EXPECT_EQ(process.wait(enough), 128 + SIGTERM);
  EXPECT_EQ(process.err(), "error: cancelled while reading the inputs\n");
}

TEST(ToolMain, ASignalEndsAWaitForAScriptOnStdin) {
  ProcessSpec spec;
  spec.argv = {std::string(PCA_BIN) + "/tunnel-ssh", "exec", "me@127.0.0.1", "--script-file", "-"};
  spec.environment["INPUT_PASSWORD"] = "a password";
  spec.keep_input_open = true;
  Process process(spec);
  process.write("part of a script");
  for (int i = 0; i < 1000 && !blocks(process.pid(), SIGTERM); ++i) {
    static_cast<void>(process.wait(milliseconds{10}));
  }
  process.send(SIGTERM);
  EXPECT_EQ(process.wait(enough), 128 + SIGTERM);
  EXPECT_EQ(process.err(), "error: cancelled while reading the inputs\n");
}

TEST(ToolMain, NohupKeepsItsMeaning) {
  ProcessSpec spec;
  spec.argv = {"sh", "-c", "trap '' HUP; exec " PCA_BIN "/cli_probe wait"};
  Process process(spec);
  ASSERT_TRUE(process.wait_for("ready", enough));
  process.send(SIGHUP);
  EXPECT_FALSE(process.wait(milliseconds{200}));
  process.send(SIGINT);
  EXPECT_EQ(process.wait(enough), 128 + SIGINT);
}

TEST(ToolMain, InterruptIsHeardAlsoWhereAShellHadItIgnored) {
  ProcessSpec spec;
  spec.argv = {"sh", "-c", "trap '' INT; exec " PCA_BIN "/cli_probe wait"};
  Process process(spec);
  ASSERT_TRUE(process.wait_for("ready", enough));
  process.send(SIGINT);
  EXPECT_EQ(process.wait(enough), 128 + SIGINT);
}

TEST(ToolMain, AReaderThatGoesAwayDoesNotEndTheWork) {
  ProcessSpec spec;
  spec.argv = {"sh", "-c", "{ " PCA_BIN "/cli_probe flood; echo code $? >&2; } | true"};
  const Finished done = test::run_process(spec, enough);
  EXPECT_EQ(done.err, "code 0\n");
}

TEST(ToolMain, AStdoutThatCannotBeWrittenIsTold) {
  struct Case {
    const char* command;
    const char* code;
    const char* err;
  };
  const char* const result =
      "error: cannot write to stdout: no space left on device\n"
      "  What was to be read there is lost: make room, or send it elsewhere.\n";
  const char* const log =
      "warning: cannot write to stdout: no space left on device\n"
      "  A part of the log is lost, and nothing else: the exit code says how it ended.\n";
  for (const Case& c : std::initializer_list<Case>{{"cli_probe --help", "1", result},
                                                   {"cli_probe --help --json", "1", result},
                                                   {"cli_probe --version", "1", result},
                                                   {"cli_probe echo", "1", result},
                                                   {"cli_probe flood", "0", log},
                                                   {"tunnel-ssh session status", "1", result}}) {
    ProcessSpec spec;
    spec.argv = {"sh", "-c",
                 std::string("cd " PCA_BIN "; ./") + c.command + " >/dev/full; echo $?"};
    const Finished done = test::run_process(spec, enough);
    EXPECT_EQ(done.out, std::string(c.code) + "\n") << c.command;
    EXPECT_EQ(done.err, c.err) << c.command;
  }
}

TEST(ToolMain, OnlyAReportIsAResultWithJson) {
  ProcessSpec spec;
  spec.argv = {"sh", "-c", PCA_BIN "/cli_probe echo --json >/dev/full 2>/dev/null; echo $?"};
  EXPECT_EQ(test::run_process(spec, enough).out, "1\n");
  spec.argv.back() = PCA_BIN "/cli_probe flood --json >/dev/full 2>/dev/null; echo $?";
  EXPECT_EQ(test::run_process(spec, enough).out, "0\n");
}

TEST(ToolMain, AReaderThatGoesAwayFromAResultIsNoFailure) {
  for (const char* arguments : {"echo", "echo --json"}) {
    ProcessSpec spec;
    spec.argv = {"bash", "-c",
                 std::string("exec 3> >(exec true); wait $!; " PCA_BIN "/cli_probe ") + arguments +
                     " >&3; echo $?"};
    const Finished done = test::run_process(spec, enough);
    EXPECT_EQ(done.out, "0\n") << arguments;
    EXPECT_EQ(done.err.find("cannot write"), std::string::npos) << done.err;
  }
}

TEST(ToolMain, AClosedStdoutLeavesItsNumberToNobody) {
  ProcessSpec spec = probe({"descriptor"});
  spec.close_stdout = true;
  EXPECT_EQ(test::run_process(spec, enough).code, 0);
}

TEST(ToolMain, SecretsAreTakenOutOfTheProcessesEnvironment) {
  ProcessSpec spec = probe({"environment"});
  spec.environment["INPUT_SECRET"] = "canary-5f2b";
  spec.environment["OTHER"] = "other-value";
  Process process(spec);
  ASSERT_TRUE(process.wait_for("has a secret", enough)) << process.out() << process.err();
  EXPECT_EQ(process.out(), "forgotten\nother is there\nhas a secret\n");
  std::stringstream block;
  block << std::ifstream("/proc/" + std::to_string(process.pid()) + "/environ").rdbuf();
  EXPECT_EQ(block.str().find("canary"), std::string::npos);
  EXPECT_NE(block.str().find("other-value"), std::string::npos);
}

TEST(ToolMain, ARunnerGetsItsCommandsBackOnEveryWayOut) {
  ProcessSpec spec = probe({"remote"});
  spec.environment["GITHUB_ACTIONS"] = "true";
  const Finished done = test::run_process(spec, enough);
  EXPECT_EQ(done.code, 70);
  const std::string start = "::stop-commands::";
  ASSERT_EQ(done.out.substr(0, start.size()), start);
  const std::string token = done.out.substr(start.size(), done.out.find('\n') - start.size());
  EXPECT_EQ(done.out, start + token + "\n::error::from a host\nno end\n::" + token +
                          "::\n::error::stopped by an unexpected error: library text%0AThis is a "
                          "bug in the tool: please report it.\n");
}

TEST(ToolMain, MistakesComeAsOneAnnotationWithJsonOnStderr) {
  ProcessSpec spec = probe({"echo", "--json", "--integer", "x", "--size", "1"});
  spec.environment["GITHUB_ACTIONS"] = "true";
  const Finished done = test::run_process(spec, enough);
  EXPECT_EQ(done.code, 2);
  EXPECT_EQ(done.out, "");
  EXPECT_EQ(done.err,
            "::error::integer: \"x\" is not a whole number from 1 to 65535. Write a number from 1 "
            "to 65535.%0Asize: \"1\" has no unit. Write a whole number and a unit: 64KiB, 2MiB, "
            "1GiB or 512B.%0ANothing was contacted. \"cli_probe echo --help\" shows all inputs.\n");
}

TEST(ToolMain, HelpAndVersionComeOnStdoutAndAskForNothing) {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"--help"},
                                                    {"--version"},
                                                    {"echo", "--help"},
                                                    {"--help", "--json"}}) {
    ProcessSpec spec = probe(arguments);
    // Nothing of this matters for an answer about the tool.
    spec.environment["INPUT_NOSUCH"] = "x";
    spec.environment["SSL_CERT_FILE"] = "/nonexistent";
    const Finished done = test::run_process(spec, enough);
    EXPECT_EQ(done.code, 0) << arguments[0];
    EXPECT_NE(done.out, "") << arguments[0];
    EXPECT_EQ(done.err, "") << arguments[0];
  }
}

TEST(ToolMain, JsonHelpIsJson) {
  const auto json = parse_json(run_probe({"--help", "--json"}).out);
  ASSERT_TRUE(json) << json.error().message;
  EXPECT_EQ(*json->find("name")->as_string(), "cli_probe");
}

}  // namespace
}  // namespace pca
