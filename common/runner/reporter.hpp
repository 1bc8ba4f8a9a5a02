#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/budget.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "runner/redactor.hpp"

namespace pca {

// Where a Reporter writes; everything injected so that tests see it.
struct ReporterSettings {
  std::function<int(std::string_view)> out;   // stdout: 0, or the errno of a failed write
  std::function<void(std::string_view)> err;  // stderr
  bool in_actions = false;      // GITHUB_ACTIONS=true: workflow commands, groups, masks
  bool json_on_stdout = false;  // --json: all log text goes to err, the report to out
  bool is_terminal = false;     // progress may be redrawn each second; else a line each 10 s
  bool is_coloured = false;     // labels of problems, outside of Actions
  bool debug = false;           // RUNNER_DEBUG=1 or --debug
  std::string output_file;      // GITHUB_OUTPUT, or empty
  std::string summary_file;     // GITHUB_STEP_SUMMARY, or empty
  std::function<Clock::time_point()> now = Clock::now;  // for the pace of progress()
  // Reads GITHUB_* and the terminal. Colour is for a terminal only, and not where NO_COLOR is set
  // (no-color.org) or TERM is dumb.
  static ReporterSettings from_environment();
};

class RemoteOutput;

// One of a kind of warnings that may come once a host; the title names the kind.
struct Warning {
  std::string title;
  std::string text;
};

// Something at a line of a file of the repository.
struct Annotation {
  std::string level = "error";  // "warning", "notice"
  std::string title = {};
  std::string file = {};  // relative to the repository
  int line = 1;
  std::string text = {};
};

// The only thing that prints. Redacts everything; wraps remote text in stop-commands with a random
// token; announces new secrets to the runner before anything else is written. Outside Actions plain
// text: problems and notes on stderr, the rest on stdout. All that the runner reads goes to one
// stream (stdout; stderr with --json), because it reads the two apart and could meet a command
// before the stop-commands meant for it. Text of our own that looks like a command (it may quote a
// host) is shown inside such a region too. Both settings' functions and `redactor` are borrowed and
// outlive the Reporter and its RemoteOutputs. Thread safe: each call's text stays together.
class Reporter {
 public:
  Reporter(ReporterSettings settings, Redactor& redactor);
  ~Reporter();
  Reporter(const Reporter&) = delete;
  Reporter& operator=(const Reporter&) = delete;

  void info(std::string_view text);
  void debug(std::string_view text);
  void notice(std::string_view text);
  // One that comes at most a few times in a step: the runner keeps ten annotations of it.
  void warning(std::string_view text);
  // One that may come once a host: a line now; in Actions finish() makes one annotation of all with
  // the same title, and lists them in the summary.
  void warning(const Warning& warning);
  // One annotation: message, then the hint on a line of its own.
  void error(const Error& error);
  // One that GitHub shows at its line. The runner keeps ten of each level in a step.
  void annotate(const Annotation& annotation);
  void group(std::string_view title);  // no nesting: an open group is ended first
  void end_group();
  // A step's progress; shown at most once a second on a terminal, once in 10 s elsewhere.
  void progress(std::string_view text);

  // The warnings that wait for finish(), for the Reporter of another process of the same step.
  [[nodiscard]] std::vector<Warning> take_warnings();
  void keep_warnings(std::vector<Warning> warnings);  // of that other one: without a line now

  // Tells the runner of new secrets now, as each other call does first: before a fork, so that the
  // new process does not tell them to a log file.
  void announce_secrets();

  // An output of the action. A value that holds a secret is redacted (with a warning).
  void output(std::string_view name, std::string_view value);
  void summary(std::string_view markdown);
  // The machine-readable report: printed on stdout when json_on_stdout, its texts redacted, and
  // spelled so that no text in it is a command for the runner.
  void report(const Json& json);

  // Text from a remote host, shown line by line with `prefix` ("web1: ", or nothing). Destroying it
  // flushes. Several may be open at once from several threads.
  [[nodiscard]] std::unique_ptr<RemoteOutput> remote(const std::string& prefix);

  // All log text so far was written, warnings of a kind included; commands that were stopped are
  // resumed. Called by tool_main on every way out.
  void finish();

  // Why stdout did not take all that was to be shown there, as errno value; else 0. A reader that
  // went away is no reason.
  [[nodiscard]] int stdout_error() const;

  // With all secrets blanked, for what others write (JSON files, captured outputs).
  [[nodiscard]] std::string redact(std::string_view text) const;

 private:
  friend class RemoteOutput;
  struct Impl;
  std::shared_ptr<Impl> impl_;  // shared with its RemoteOutputs, which may end after it
};

// A remote host's output on its way to the log. Redacts, makes safe, prefixes. Not thread safe.
class RemoteOutput {
 public:
  ~RemoteOutput();
  void feed(std::string_view chunk);
  void finish();

 private:
  friend class Reporter;
  struct Impl;
  explicit RemoteOutput(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pca
