#pragma once

#include <memory>
#include <stop_token>

#include "base/budget.hpp"

namespace pca {

// Turns SIGINT, SIGTERM and SIGHUP into a stop request, so that the work ends in order: the GitHub
// runner sends SIGINT, after 7.5 s SIGTERM, 2.5 s later it kills. The first signal starts the
// clean-up, which has 7 s or what was allowed; a watchdog thread then ends the process with 128 +
// signal, so a hung clean-up cannot keep a runner. SIGPIPE is ignored. One object a process, made
// by tool_main before any other thread: the signals are blocked in all of them for good, and in
// child processes until these empty their signal mask. Stop callbacks run on the watcher's thread.
class SignalWatcher {
 public:
  SignalWatcher();
  ~SignalWatcher();
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;
  [[nodiscard]] std::stop_token token() const;
  [[nodiscard]] int signal() const;  // the first one; 0 while none came
  // For who passes signals on: requested by the second one, and which that was.
  [[nodiscard]] std::stop_token second_token() const;
  [[nodiscard]] int second_signal() const;
  // How long the clean-up may take; to be said before a signal comes.
  void allow_clean_up(Milliseconds limit) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pca
