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
#include <cstring>

#include "base/system_error.hpp"
#include "base/text.hpp"
#include "net/byte_stream.hpp"

namespace pca::commit_status {

namespace {

// As exec takes them; valid as long as the texts.
std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

Child::Child(pid_t pid, bool has_group, FileDescriptor ended)
    : pid_(pid), has_group_(has_group), ended_(std::move(ended)) {}

Child::~Child() {
  if (is_reaped_) return;
  ::kill(has_group_ ? -pid_ : pid_, SIGKILL);
  end();
}

Result<std::unique_ptr<Child>> Child::start(const std::vector<std::string>& words,
                                            const std::vector<std::string>& environment,
                                            bool stdout_is_stderr) {
  const bool has_group = ::isatty(STDIN_FILENO) == 0;
  const std::vector<char*> arguments = pointers_to(words);
  const std::vector<char*> variables = pointers_to(environment);
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
  const int problem = ::posix_spawnp(&pid, arguments.front(), &actions, &attributes,
                                     arguments.data(), variables.data());
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

Child::End Child::end() {
  if (is_reaped_) return end_;
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  is_reaped_ = true;
  if (WIFEXITED(status)) {
    end_.exit_code = WEXITSTATUS(status);
  } else {
    const char* name = ::sigabbrev_np(WTERMSIG(status));
    end_ = {128 + WTERMSIG(status), name == nullptr ? std::to_string(WTERMSIG(status)) : name};
  }
  return end_;
}

}  // namespace pca::commit_status
