#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "base/budget.hpp"
#include "net/file_descriptor.hpp"

namespace pca::commit_status {

// A command of the user's, with this process's streams. Reaped, and ended if it
// still runs, by the destructor. Not thread safe.
class Child {
 public:
  // `environment` is lines of NAME=value. With `stdout_is_stderr` what it prints leaves stdout
  // alone. Errors: failed.
  static Result<std::unique_ptr<Child>> start(const std::vector<std::string>& words,
                                              const std::vector<std::string>& environment,
                                              bool stdout_is_stderr);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Ok once it has ended. Errors: cancelled, or unreachable at the budget's end; it runs on then.
  [[nodiscard]] Result<> wait(const Budget& budget) const;
  // To it and all its group. On a terminal it has no group of its own, so that it may read there,
  // and the terminal's SIGINT has come to it already.
  void signal(int number) const;
  // Waits for it.
  struct End {
    int exit_code = 0;   // 128 and its number where a signal ended it
    std::string signal;  // which one did, such as TERM
  };
  End end();

 private:
  Child(pid_t pid, bool has_group, FileDescriptor ended);
  pid_t pid_;
  bool has_group_;
  FileDescriptor ended_;  // a pidfd: readable once it has
  bool is_reaped_ = false;
  End end_;
};

}  // namespace pca::commit_status
