#include "net/child_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/system_error.hpp"
#include "base/text.hpp"

namespace pca {

namespace {

// As exec takes them; valid as long as the texts.
std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// What happens in the child between fork and exec.
class Preparation {
 public:
  explicit Preparation(bool has_group) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
    sigset_t none{};
    sigset_t all{};
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    const int group = has_group ? POSIX_SPAWN_SETPGROUP : 0;
    ::posix_spawnattr_setflags(
        &attributes_, static_cast<short>(group | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
  }
  ~Preparation() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  Preparation(const Preparation&) = delete;
  Preparation& operator=(const Preparation&) = delete;

  void lead(int from, int to) { ::posix_spawn_file_actions_adddup2(&actions_, from, to); }
  void close_stdin() {
    ::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  }
  // 0, or why not.
  int spawn(const ChildSpec& spec, pid_t& pid) const {
    const std::vector<char*> words = pointers_to(spec.words);
    const std::vector<char*> variables = pointers_to(spec.environment);
    return ::posix_spawnp(&pid, words.front(), &actions_, &attributes_, words.data(),
                          variables.data());
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

struct Pipe {
  FileDescriptor read_end;
  FileDescriptor write_end;
};
Result<Pipe> open_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return failed("cannot make a pipe: " + errno_text(errno));
  }
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return Pipe{FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

}  // namespace

ChildProcess::ChildProcess(pid_t pid, bool has_group, FileDescriptor printed, FileDescriptor ended)
    : pid_(pid), has_group_(has_group), printed_(std::move(printed)), ended_(std::move(ended)) {}

ChildProcess::~ChildProcess() {
  if (is_reaped_) return;
  signal(SIGKILL);
  end();
}

Result<std::unique_ptr<ChildProcess>> ChildProcess::start(const ChildSpec& spec) {
  Preparation preparation(spec.has_group);
  Pipe pipe;
  if (spec.streams == ChildSpec::Streams::shared_stderr) {
    preparation.lead(STDERR_FILENO, STDOUT_FILENO);
  } else if (spec.streams == ChildSpec::Streams::piped) {
    PCA_TRY(pipe, open_pipe());
    preparation.close_stdin();
    preparation.lead(pipe.write_end.get(), STDOUT_FILENO);
    preparation.lead(pipe.write_end.get(), STDERR_FILENO);
  }
  pid_t pid = 0;
  if (const int problem = preparation.spawn(spec, pid); problem != 0) {
    return failed(fmt::format("cannot run {}: {}", shown(spec.words.front()), errno_text(problem)),
                  "Check that it is installed and on PATH.");
  }
  FileDescriptor ended(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  const int error = errno;
  const bool is_watched = ended.is_open();
  auto child = std::unique_ptr<ChildProcess>(
      new ChildProcess(pid, spec.has_group, std::move(pipe.read_end), std::move(ended)));
  if (is_watched) return child;
  return failed("cannot watch a process: " + errno_text(error));
}

Result<> ChildProcess::wait(const Budget& budget) const {
  const std::array<PollHandle, 1> handles{PollHandle{ended_.get(), POLLIN}};
  for (;;) {
    PCA_TRY(const PollResult result,
            wait_ready(budget, handles, budget.deadline(), "running the command"));
    if (!result.ready.empty() && result.ready[0] != 0) return {};
  }
}

std::array<PollHandle, 2> ChildProcess::handles() const {
  return {PollHandle{printed_.get(), POLLIN}, PollHandle{ended_.get(), POLLIN}};
}

void ChildProcess::read(const Printed& output) {
  std::array<char, 4096> buffer{};
  while (printed_.is_open()) {
    const ssize_t size = ::read(printed_.get(), buffer.data(), buffer.size());
    if (size == 0) printed_.reset();
    if (size <= 0) return;
    output({buffer.data(), static_cast<std::size_t>(size)});
  }
}

void ChildProcess::signal(int number) const { ::kill(has_group_ ? -pid_ : pid_, number); }

void ChildProcess::stop(Milliseconds patience) const {
  signal(SIGTERM);
  pollfd handle{ended_.get(), POLLIN, 0};
  ::poll(&handle, 1, static_cast<int>(patience.count()));
  signal(SIGKILL);
}

ChildProcess::End ChildProcess::end() {
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

}  // namespace pca
