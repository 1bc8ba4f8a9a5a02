#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pca::test {

using ProcessEnvironment = std::map<std::string, std::string>;

// PATH and what the sanitizers need, nothing else: a test decides what a child sees.
[[nodiscard]] ProcessEnvironment plain_environment();

// A program to start. argv[0] is a path, or a name to be looked up in this process's PATH.
struct ProcessSpec {
  std::vector<std::string> argv;
  ProcessEnvironment environment = plain_environment();  // exactly this, nothing is inherited
  std::string input = {};                                // for stdin
  bool keep_input_open = false;                          // else stdin ends behind `input`
  bool close_stdout = false;                             // start it with file descriptor 1 closed
  std::string folder = {};                               // to start in; empty = this process's
};

// A child process, driven by the test's thread. Starts with default signal handling and an empty
// signal mask, whatever this process has, and never outlives the object (SIGKILL) or the thread
// that made it. Outputs are read, and stdin is written, while one of the waiting calls runs. Throws
// std::runtime_error when the program cannot be started. Not thread safe.
class Process {
 public:
  explicit Process(ProcessSpec spec);
  ~Process();
  Process(Process&&) noexcept;
  Process& operator=(Process&&) noexcept;

  [[nodiscard]] int pid() const;
  [[nodiscard]] const std::string& out() const;  // what was read so far
  [[nodiscard]] const std::string& err() const;

  void write(std::string_view input);
  void close_input();  // behind what was written
  void send(int signal);
  void interrupt();  // SIGINT, as the runner sends it

  // Whether `text` has come on stdout or stderr before the deadline; false also when the child ends
  // without it.
  [[nodiscard]] bool wait_for(std::string_view text, std::chrono::milliseconds deadline);
  // The exit code, or 128 + number of the signal that ended it; nothing when it still runs at the
  // deadline. Everything the child wrote has been read then; a grandchild may hold its pipes open.
  [[nodiscard]] std::optional<int> wait(std::chrono::milliseconds deadline);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct Finished {
  int code = -1;  // as Process::wait(); -1 when it timed out and was killed
  std::string out;
  std::string err;
  bool timed_out = false;
};

// Starts, feeds, waits, and kills at the deadline.
[[nodiscard]] Finished run_process(ProcessSpec spec, std::chrono::milliseconds deadline);

}  // namespace pca::test
