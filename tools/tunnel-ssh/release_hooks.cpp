#include "tunnel-ssh/release_hooks.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <vector>

#include "base/system_error.hpp"
#include "net/file_descriptor.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr int term_patience_ms = 4000;
constexpr const char* doing = "running a hook";

// A process of ours in a group of its own, which prints into a pipe. Reaped by end().
class Child {
 public:
  Result<> start(const std::vector<std::string>& environment) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
      return failed("cannot make a pipe: " + errno_text(errno));
    }
    printed_ = FileDescriptor(ends[0]);
    const FileDescriptor write_end(ends[1]);
    ::fcntl(printed_.get(), F_SETFL, O_NONBLOCK);
    std::vector<char*> variables;
    for (const std::string& line : environment) variables.push_back(const_cast<char*>(line.data()));
    variables.push_back(nullptr);
    std::string shell = "sh";
    std::string option = "-c";
    std::string code = "eval \"$RELEASE_HOOK\"";
    const std::array<char*, 4> arguments{shell.data(), option.data(), code.data(), nullptr};
    posix_spawn_file_actions_t actions{};
    posix_spawnattr_t attributes{};
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDERR_FILENO);
    sigset_t none{};
    sigset_t all{};
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    const int problem =
        ::posix_spawn(&pid_, "/bin/sh", &actions, &attributes, arguments.data(), variables.data());
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    if (problem != 0) return failed("cannot start /bin/sh: " + errno_text(problem));
    ended_ = FileDescriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    if (ended_.is_open()) return {};
    Error error = failed("cannot watch a process: " + errno_text(errno));
    ::kill(-pid_, SIGKILL);
    (void)end();
    return error;
  }

  [[nodiscard]] std::array<PollHandle, 2> handles() const {
    return {PollHandle{printed_.get(), POLLIN}, PollHandle{ended_.get(), POLLIN}};
  }
  // What it has printed so far. Its end is not awaited: something in the background may hold it.
  void read(const Printed& output) {
    std::array<char, 4096> buffer{};
    while (printed_.is_open()) {
      const ssize_t size = ::read(printed_.get(), buffer.data(), buffer.size());
      if (size == 0) printed_.reset();
      if (size <= 0) return;
      output({buffer.data(), static_cast<std::size_t>(size)});
    }
  }
  // It and all its group, at once or after a while.
  void kill() const {
    ::kill(-pid_, SIGTERM);
    pollfd handle{ended_.get(), POLLIN, 0};
    ::poll(&handle, 1, term_patience_ms);
    ::kill(-pid_, SIGKILL);
  }
  // Its exit code, or 128 + the signal that ended it.
  [[nodiscard]] int end() const {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  pid_t pid_ = 0;
  FileDescriptor printed_;
  FileDescriptor ended_;  // readable once it has
};

// Waits until it has ended.
Result<> attend(const Budget& budget, SshSession* session, Child& child, const Printed& output) {
  for (bool has_ended = false; !has_ended;) {
    const auto handles = child.handles();
    std::vector<short> ready;
    if (session != nullptr) {
      PCA_TRY(ready, session->wait(budget, handles, budget.deadline(), doing));
    } else {
      PCA_TRY(PollResult result, wait_ready(budget, handles, budget.deadline(), doing));
      ready = std::move(result.ready);
    }
    has_ended = ready.size() == handles.size() && ready[1] != 0;
    child.read(output);
  }
  return {};
}

}  // namespace

Result<> run_on_runner(const Budget& budget, SshSession* session, const Printed& output,
                       const std::string& code, const Environment& environment) {
  std::vector<std::string> lines;
  for (const auto& [name, value] : environment) lines.push_back(name + "=" + value);
  // An argument list is public on the machine, an environment is not.
  lines.push_back("RELEASE_HOOK=" + code);
  Child child;
  PCA_CHECK(child.start(lines));
  const Result<> attended = attend(budget, session, child, output);
  if (!attended) child.kill();
  const int exit_code = child.end();
  child.read(output);
  if (!attended) return attended;
  if (exit_code == 0) return {};
  return failed(fmt::format("ended with exit code {}", exit_code));
}

}  // namespace pca::tunnel_ssh
