#include "tunnel-ssh/program.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>

#include "base/text.hpp"
#include "runner/redactor.hpp"
#include "support/process.hpp"
#include "support/require.hpp"
#include "tunnel-ssh/start_mark.hpp"

namespace pca::tunnel_ssh {
namespace {

using test::Finished;

constexpr const char* token = "0123456789abcdef0123456789abcdef";

ProgramSpec spec_of(std::string script) {
  ProgramSpec spec;
  spec.script = std::move(script);
  return spec;
}

constexpr Milliseconds patience{60'000};

// The full path of a program of this machine, or nothing.
std::string find_program(const std::string& name) {
  for (const char* folder : {"/usr/bin/", "/bin/"}) {
    if (::access((folder + name).c_str(), X_OK) == 0) return folder + name;
  }
  return {};
}

Finished run_local(std::vector<std::string> arguments, std::string_view input = {},
                   test::ProcessEnvironment environment = {{"PATH", "/usr/bin:/bin"}}) {
  return test::run_process({.argv = std::move(arguments),
                            .environment = std::move(environment),
                            .input = std::string(input)},
                           patience);
}

// What a script printed, without the mark.
struct ScriptRun {
  int code;
  StartLine start;
  std::string noise;
  std::string out;
  std::string err;
};

// As sshd does it: the login shell gets the exec request with -c and the program on stdin.
ScriptRun run_under(const std::vector<std::string>& login_shell, const ProgramSpec& spec,
                    test::ProcessEnvironment environment = {{"PATH", "/usr/bin:/bin"},
                                                            {"HOME", "/tmp"}}) {
  const RemoteProgram program = make_program(spec, token);
  std::vector<std::string> arguments = login_shell;
  arguments.emplace_back("-c");
  arguments.push_back(program.command);
  const Finished run = run_local(arguments, program.input, std::move(environment));
  StartMark out_mark(token), err_mark(token);
  const StartMark::Split out = out_mark.feed(run.out);
  const StartMark::Split err = err_mark.feed(run.err);
  return {run.code, parse_start_line(out_mark.line()), out.noise + out_mark.finish(),
          std::string(out.output), std::string(err.output)};
}

ScriptRun run_script(const ProgramSpec& spec) { return run_under({"/bin/sh"}, spec); }

// Each login shell of this machine that users are known to have.
class LoginShells : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string shell = GetParam();
    PCA_REQUIRE(find_program(shell).empty() ? shell + " is not installed on this machine" : "");
  }
  [[nodiscard]] static std::vector<std::string> shell() {
    std::vector<std::string> words{find_program(GetParam())};
    if (words.front().ends_with("busybox")) words.emplace_back("sh");
    return words;
  }
};

TEST_P(LoginShells, StartTheScriptAndKeepItsExitCode) {
  const ScriptRun run = run_under(shell(), spec_of("echo \"hello $# $-\" | cut -c1-7\nexit 42"));
  EXPECT_EQ(run.code, 42);
  EXPECT_TRUE(run.start.complete);
  EXPECT_EQ(run.start.shell, "bash");
  EXPECT_GT(run.start.group, 1);
  EXPECT_EQ(run.out, "hello 0\n");
}

TEST_P(LoginShells, HandOnEveryByteOfAVariable) {
  std::string hostile = "it's \"$HOME\" `id` \\ ! %s\n\ttwo #{x} \x01\x7f\xff end ";
  ProgramSpec spec = spec_of("printf '[%s]' \"$v\"");
  spec.environment.push_back({"v", hostile, {}});
  for (const Shell inner : {Shell::automatic, Shell::sh}) {
    spec.shell = inner;
    EXPECT_EQ(run_under(shell(), spec).out, "[" + hostile + "]");
  }
}

INSTANTIATE_TEST_SUITE_P(Program, LoginShells,
                         testing::Values("bash", "dash", "busybox", "zsh", "mksh", "fish", "tcsh"),
                         [](const auto& given) { return std::string(given.param); });

TEST(ProgramTest, TheExecRequestIsOneLineThatEveryLoginShellReadsTheSame) {
  ProgramSpec spec = spec_of("the script");
  spec.environment.push_back({"NAME", "the value", {}});
  const std::string command = make_program(spec, token).command;
  EXPECT_EQ(command.find_first_of("\n\\!"), std::string::npos);
  EXPECT_TRUE(command.starts_with("sh -c '"));
  EXPECT_EQ(std::count(command.begin(), command.end(), '\''), 4);
  EXPECT_EQ(command.find("the script"), std::string::npos);
  EXPECT_EQ(command.find("the value"), std::string::npos);
  for (const std::string& other : {reap_command(4711, {}, Milliseconds{4000}, Milliseconds{5000}),
                                   holders_command(4711, {})}) {
    EXPECT_EQ(other.find_first_of("\n\\!"), std::string::npos);
    EXPECT_EQ(std::count(other.begin(), other.end(), '\''), 2);
  }
}

TEST(ProgramTest, BecomeGoesBySudoWithoutAsking) {
  ProgramSpec spec = spec_of("id");
  spec.become = "deploy";
  EXPECT_TRUE(make_program(spec, token).command.starts_with("sudo -n -u 'deploy' -- sh -c '"));
  EXPECT_TRUE(holders_command(7, "deploy").starts_with("sudo -n -u 'deploy' -- sh -c '"));
}

TEST(ProgramTest, SecretsTravelInTheInputOnly) {
  Redactor redactor;
  ProgramSpec spec = spec_of("printf %s \"$TOKEN\"");
  spec.environment.push_back({"TOKEN", {}, redactor.protect("it's a secret")});
  const RemoteProgram program = make_program(spec, token);
  EXPECT_EQ(program.command.find("secret"), std::string::npos);
  EXPECT_EQ(run_script(spec).out, "it's a secret");
}

TEST(ProgramTest, TheScriptsStdinIsEmptySoItCannotEatItself) {
  const ScriptRun run = run_script(spec_of("cat\nread x || echo nothing\necho after"));
  EXPECT_EQ(run.out, "nothing\nafter\n");
}

TEST(ProgramTest, ScriptsOfSeveralMegabytesRun) {
  std::string script;
  while (script.size() < 3'000'000) script += "# a line of a long script, as a heredoc would be\n";
  script += "echo end";
  for (const Shell shell : {Shell::bash, Shell::sh}) {
    ProgramSpec spec = spec_of(script);
    spec.shell = shell;
    EXPECT_EQ(run_script(spec).out, "end\n");
  }
}

TEST(ProgramTest, MessagesOfTheShellNameTheScriptsOwnLines) {
  ProgramSpec spec = spec_of("true\n\nno_such_command");
  spec.environment.push_back({"A", "b", {}});
  spec.cwd = "/";
  spec.shell = Shell::bash;
  EXPECT_EQ(run_script(spec).err, "script: line 3: no_such_command: command not found\n");
}

TEST(ProgramTest, StopsAtTheFirstErrorAlsoWithinAPipe) {
  EXPECT_EQ(run_script(spec_of("false\necho on")).code, 1);
  EXPECT_EQ(run_script(spec_of("false\necho on")).out, "");
  EXPECT_EQ(run_script(spec_of("false | true\necho on")).out, "");
}

TEST(ProgramTest, GoesOnAfterErrorsWhenAsked) {
  ProgramSpec spec = spec_of("false\nfalse | true\necho on");
  spec.errexit = false;
  EXPECT_EQ(run_script(spec).code, 0);
  EXPECT_EQ(run_script(spec).out, "on\n");
}

TEST(ProgramTest, ChangesFolderAndUmask) {
  ProgramSpec spec = spec_of("pwd; umask");
  spec.cwd = "/usr/../usr/bin";
  spec.umask = "027";
  EXPECT_EQ(run_script(spec).out, "/usr/bin\n0027\n");
  spec.cwd = "~/";
  EXPECT_EQ(run_script(spec).out, "/tmp\n0027\n");
}

TEST(ProgramTest, AMissingFolderStopsEvenWithoutErrexit) {
  ProgramSpec spec = spec_of("echo on");
  spec.cwd = "/no such folder";
  spec.errexit = false;
  const ScriptRun run = run_script(spec);
  EXPECT_EQ(run.code, 1);
  EXPECT_EQ(run.out, "");
  EXPECT_NE(run.err.find("/no such folder"), std::string::npos);
}

TEST(ProgramTest, HalfAProgramNeverRuns) {
  const RemoteProgram program = make_program(spec_of("echo one\necho two"), token);
  for (const std::size_t cut : {std::size_t{0}, std::size_t{10}, program.input.size() - 1}) {
    const Finished run =
        run_local({"/bin/sh", "-c", program.command}, program.input.substr(0, cut));
    EXPECT_EQ(run.code, 1);
    EXPECT_EQ(run.out, std::string(token) + " incomplete\n");
  }
}

TEST(ProgramTest, AProgramWhoseBeginningWasEatenNeverRuns) {
  const RemoteProgram program = make_program(spec_of("echo one\necho two"), token);
  const Finished run =
      run_local({"/bin/sh", "-c", "read -r eaten; " + program.command}, program.input);
  EXPECT_EQ(run.out, std::string(token) + " incomplete\n");
}

TEST(ProgramTest, LoginFilesCannotReadTheScript) {
  ProgramSpec spec = spec_of("echo script ran");
  spec.shell = Shell::bash;
  const ScriptRun run =
      run_under({"/bin/sh"}, spec, {{"PATH", "/usr/bin:/bin"}, {"BASH_ENV", "/dev/stdin"}});
  EXPECT_EQ(run.out, "script ran\n");
}

TEST(ProgramTest, RunsInAProcessGroupOfItsOwn) {
  const ScriptRun run = run_under({"/bin/sh"}, spec_of("kill -TERM -$$; sleep 10"));
  EXPECT_EQ(run.code, 128 + SIGTERM);
}

TEST(ProgramTest, VariablesOfTheLauncherAreGone) {
  EXPECT_EQ(run_script(spec_of("printf '%s' \"$_p$_t$_s$_g$*\"")).out, "");
}

// A process group to be looked after: setsid makes `script` its leader.
class Group {
 public:
  explicit Group(const std::string& script)
      : process_({.argv = {"setsid", "sh", "-c", script + "\n"}}) {}
  // Ends what the test left, also what is not the leader.
  ~Group() { ::kill(static_cast<pid_t>(-id()), SIGKILL); }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  [[nodiscard]] std::int64_t id() const { return process_.pid(); }
  test::Process& process() { return process_; }

 private:
  test::Process process_;
};

// Runs a helper command on each shell that may be `sh` on a host.
std::vector<std::string> answers(const std::string& command) {
  std::vector<std::string> found;
  for (const std::string inner : {"dash", "bash", "busybox sh", "mksh"}) {
    if (find_program(inner.substr(0, inner.find(' '))).empty()) continue;
    found.push_back(run_local({"/bin/sh", "-c", inner + command.substr(2)}).out);
  }
  return found;
}

TEST(ReaperTest, EndsAGroupByTerm) {
  Group group("echo set; sleep 60 & sleep 60");
  ASSERT_TRUE(group.process().wait_for("set", patience));
  const std::string command = reap_command(group.id(), {}, Milliseconds{4000}, Milliseconds{5000});
  EXPECT_EQ(run_local({"sh", "-c", command}).out, "gone\n");
  EXPECT_EQ(group.process().wait(patience), 128 + SIGTERM);
  EXPECT_EQ(run_local({"sh", "-c", holders_command(group.id(), {})}).out, "");
}

TEST(ReaperTest, KillsWhatIgnoresTerm) {
  for (const std::string inner : {"dash", "bash", "busybox sh", "mksh"}) {
    if (find_program(inner.substr(0, inner.find(' '))).empty()) continue;
    Group group("trap '' TERM; echo set; while :; do sleep 1; done");
    ASSERT_TRUE(group.process().wait_for("set", patience));
    const std::string command =
        reap_command(group.id(), {}, Milliseconds{200}, Milliseconds{5000}).substr(2);
    EXPECT_EQ(run_local({"/bin/sh", "-c", inner + command}).out, "gone\n") << inner;
    EXPECT_EQ(group.process().wait(patience), 128 + SIGKILL);
  }
}

TEST(ReaperTest, SaysWhatItCouldNotEnd) {
  Group group("trap '' TERM; echo set; while :; do sleep 1; done");
  ASSERT_TRUE(group.process().wait_for("set", patience));
  for (const std::string& answer :
       answers(reap_command(group.id(), {}, Milliseconds{10'000}, Milliseconds{100}))) {
    EXPECT_EQ(answer, "alive\n");
  }
}

TEST(ReaperTest, CallsAGroupGoneThatNeverWas) {
  for (const std::string& answer :
       answers(reap_command(4'194'303, {}, Milliseconds{100}, Milliseconds{200}))) {
    EXPECT_EQ(answer, "gone\n");
  }
}

TEST(HoldersTest, NamesTheProcessesOfAGroup) {
  Group group("(sleep 60) & echo set; read -r never </dev/zero");
  ASSERT_TRUE(group.process().wait_for("set", patience));
  for (const std::string& answer : answers(holders_command(group.id(), {}))) {
    EXPECT_NE(answer.find(fmt::format("{} (sh)\n", group.id())), std::string::npos) << answer;
    EXPECT_EQ(std::count(answer.begin(), answer.end(), '\n'), 2) << answer;
  }
}

}  // namespace
}  // namespace pca::tunnel_ssh
