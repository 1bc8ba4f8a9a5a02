#pragma once

#include <sys/types.h>

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/budget.hpp"
#include "net/byte_stream.hpp"
#include "net/file_descriptor.hpp"

namespace pca {

// A command to run on this machine.
struct ChildSpec {
  // Where its streams lead: to this process's; the same, with stdout to stderr; or stdin to
  // /dev/null and the other two into one pipe.
  enum class Streams : std::uint8_t { shared, shared_stderr, piped };

  std::vector<std::string> words;        // the first one is looked up in PATH
  std::vector<std::string> environment;  // lines of NAME=value
  Streams streams = Streams::shared;
  bool has_group = true;  // of its own, which all that it starts belongs to
};

// Takes what a command prints, piece by piece.
using Printed = std::function<void(std::string_view)>;

// A command that runs, with default signal handling and an empty signal mask. Reaped, and killed
// with its group if it still runs, by the destructor. Not thread safe.
class ChildProcess {
 public:
  // Errors: failed.
  static Result<std::unique_ptr<ChildProcess>> start(const ChildSpec& spec);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // Ok once it has ended. Errors: cancelled, or unreachable at the budget's end; it runs on then.
  [[nodiscard]] Result<> wait(const Budget& budget) const;
  // What to wait for beside other things: that it printed, and, the last one, that it has ended.
  [[nodiscard]] std::array<PollHandle, 2> handles() const;
  // What it has printed into its pipe so far. The pipe's end is not awaited: something in the
  // background may hold it.
  void read(const Printed& output);

  void signal(int number) const;  // to all its group, or to it alone where it has none
  // SIGTERM, and SIGKILL to what still runs after `patience`.
  void stop(Milliseconds patience) const;
  // Waits for it.
  struct End {
    int exit_code = 0;   // 128 and its number where a signal ended it
    std::string signal;  // which one did, such as TERM
  };
  End end();

 private:
  ChildProcess(pid_t pid, bool has_group, FileDescriptor printed, FileDescriptor ended);
  pid_t pid_;
  bool has_group_;
  FileDescriptor printed_;
  FileDescriptor ended_;  // a pidfd: readable once it has
  bool is_reaped_ = false;
  End end_;
};

}  // namespace pca
