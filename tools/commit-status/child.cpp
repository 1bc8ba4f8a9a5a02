#include "commit-status/child.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "base/system_error.hpp"
#include "base/text.hpp"
#include "net/byte_stream.hpp"

namespace pca::commit_status {

Child::Child(pid_t pid, bool has_group, FileDescriptor ended)
    : pid_(pid), has_group_(has_group), ended_(std::move(ended)) {}

Child::~Child() {
  if (is_reaped_) return;
  ::kill(has_group_ ? -pid_ : pid_, SIGKILL);
  (void)end();
}

Result<std::unique_ptr<Child>> Child::start(const std::vector<std::string>& words,
                                            bool stdout_is_stderr) {
  const bool has_group = ::isatty(STDIN_FILENO) == 0;
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  if (stdout_is_stderr) {
    ::posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  }
  sigset_t none{};
  sigset_t all{};
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  const int group = has_group ? POSIX_SPAWN_SETPGROUP : 0;
  ::posix_spawnattr_setflags(
      &attributes, static_cast<short>(group | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
  pid_t pid = 0;
  const int problem =
      ::posix_spawnp(&pid, arguments.front(), &actions, &attributes, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (problem != 0) {
    return failed(fmt::format("cannot run {}: {}", shown(words.front()), errno_text(problem)),
                  "Check that it is installed and on PATH.");
  }
  FileDescriptor ended(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  const int error = errno;
  const bool is_watched = ended.is_open();
  auto child = std::unique_ptr<Child>(new Child(pid, has_group, std::move(ended)));
  if (is_watched) return child;
  return failed("cannot watch a process: " + errno_text(error));
}

Result<> Child::wait(const Budget& budget) const {
  const std::array<PollHandle, 1> handles{PollHandle{ended_.get(), POLLIN}};
  for (;;) {
    PCA_TRY(const PollResult result,
            wait_ready(budget, handles, budget.deadline(), "running the command"));
    if (!result.ready.empty() && result.ready[0] != 0) return {};
  }
}

void Child::signal(int number) const {
  if (has_group_) {
    ::kill(-pid_, number);
  } else if (number != SIGINT) {
    ::kill(pid_, number);
  }
}

int Child::end() {
  if (is_reaped_) return code_;
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  is_reaped_ = true;
  code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return code_;
}

}  // namespace pca::commit_status
