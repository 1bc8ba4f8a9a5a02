#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "support/edge.hpp"
#include "support/process.hpp"
#include "support/sshd.hpp"
#include "support/systemd_host.hpp"
#include "support/temp_folder.hpp"

namespace pca::test {

// The real sshd with a home and a folder for temporary files of its own for whoever logs in, so
// that no login file of this machine has a say. Commands in ~/bin are found before all others.
class HostForTests {
 public:
  explicit HostForTests(const std::string& config = "");

  [[nodiscard]] const Sshd& sshd() const { return *sshd_; }
  [[nodiscard]] const TempFolder& home() const { return home_; }
  [[nodiscard]] const TempFolder& temporary() const { return temporary_; }
  // Whether all that was started for whoever logged in ends, each within 10 s.
  [[nodiscard]] bool falls_silent() const;
  [[nodiscard]] const std::string& key() const { return key_.private_text; }
  [[nodiscard]] const KeyPair& key_pair() const { return key_; }
  [[nodiscard]] std::string address() const;  // user@127.0.0.1:port
  // Whether every process with `text` in its command line ends within 10 s; true when none is left.
  [[nodiscard]] static bool stops_running(const std::string& text);
  // Ends every process with `text` in its command line and all of its process group: what a test
  // left running on purpose. `text` is the test's own.
  static void end_running(const std::string& text);
  // How many commands sshd has started so far.
  [[nodiscard]] std::size_t commands() const;
  // Cuts all connections from the host's side, as a crash would.
  void cut() const;

 private:
  TempFolder home_;
  TempFolder temporary_;
  TempFolder keys_;
  KeyPair key_;
  std::unique_ptr<Sshd> sshd_;
};

// One run of tunnel-ssh as a step of a workflow, and what the runner would get from it.
struct StepResult {
  int code = -1;
  std::string out;
  std::string err;
  std::map<std::string, std::string> outputs;
  std::string summary;
};

// Runs tunnel-ssh with inputs for one host, in an environment that holds nothing else. Whatever the
// test is about: none of the step's secrets may be in a command line, in the log, or in a file that
// the step wrote.
class StepForTests {
 public:
  explicit StepForTests(const HostForTests& host);
  explicit StepForTests(const SystemdHost& host);

  std::map<std::string, std::string> inputs;  // by INPUT_ name
  ProcessEnvironment variables;               // further ones
  void go_straight(const HostForTests& host);
  // By a port of loopback that leads to the host.
  void go_by(const HostForTests& host, std::uint16_t port);
  // Through the edge instead of straight.
  void go_through(const pca::testing::SandboxEdge& edge);
  // As GitHub's runner sets it up, workflow commands included.
  void in_actions() { variables["GITHUB_ACTIONS"] = "true"; }

  [[nodiscard]] StepResult run(const std::vector<std::string>& arguments,
                               const std::string& input = "");
  // The process, to be driven by the test; result_of() when it has ended.
  [[nodiscard]] Process start(const std::vector<std::string>& arguments,
                              const std::string& input = "");
  [[nodiscard]] StepResult result_of(Process& process, std::chrono::milliseconds deadline) const;

  [[nodiscard]] const TempFolder& folder() const { return folder_; }  // RUNNER_TEMP and the files
  static std::string executable();

 private:
  [[nodiscard]] ProcessSpec spec_of(const std::vector<std::string>& arguments,
                                    const std::string& input);
  TempFolder folder_;
  std::vector<std::string> secrets_;
  std::set<std::string> told_by_the_test_;  // files that had one before the step
};

// What the runner makes of a stream, without the commands that tell it what to blank.
[[nodiscard]] std::string as_logged(const std::string& stream);
// Command lines of all processes of this machine, as any user could see them.
[[nodiscard]] std::string all_command_lines();
// That of one process.
[[nodiscard]] std::string command_line_of_process(int pid);
// The environment of a process as /proc shows it.
[[nodiscard]] std::string environment_of(int pid);
// Text of every regular file below `path`.
[[nodiscard]] std::string all_files_below(const std::string& path);
// A number from /proc/PID/status, such as "VmHWM" in KiB; 0 when there is none.
[[nodiscard]] long process_status(int pid, const std::string& key);

}  // namespace pca::test
