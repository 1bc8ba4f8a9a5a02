#include "support/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BOOST_PROCESS_USE_STD_FS 1
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/optional.hpp>
#include <boost/process/v2/posix/vfork_launcher.hpp>
#include <boost/process/v2/process.hpp>
#include <boost/process/v2/start_dir.hpp>
#include <boost/process/v2/stdio.hpp>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <stdexcept>

#include "base/system_error.hpp"
#include "base/text.hpp"
#include "net/file_descriptor.hpp"

namespace pca::test {

namespace {

namespace boost_process = boost::process::v2;
using TestClock = std::chrono::steady_clock;
using std::chrono::milliseconds;

struct Pipe {
  FileDescriptor read;
  FileDescriptor write;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("no pipe to a child process");
  return {FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

void make_non_blocking(const FileDescriptor& file) {
  ::fcntl(file.get(), F_SETFL, ::fcntl(file.get(), F_GETFL) | O_NONBLOCK);
}

// By vfork, because a fork copies the tables of all of a test's memory, of which AddressSanitizer
// takes much: that was a tenth of the time of tests that start many.
using Launcher = boost_process::posix::vfork_launcher;

// What the child changes about itself before it becomes the program. Until then it has the test's
// memory, and the test waits: so it is this that ends it where it cannot, and not the launcher,
// which would do so with the test's own destructors.
struct ChildSetup {
  pid_t parent;
  bool close_stdout;

  boost::system::error_code on_exec_setup(Launcher& launcher,
                                          const std::filesystem::path& executable,
                                          const char* const* argv) const {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGCHLD}) {
      ::signal(number, SIG_DFL);
    }
    // A test that crashes leaves nothing behind.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(126);
    if (close_stdout) ::close(STDOUT_FILENO);
    ::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    ::execve(executable.c_str(), const_cast<char* const*>(argv),
             const_cast<char* const*>(launcher.env));
    ::_exit(126);
  }
};

std::filesystem::path executable_for(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* path = std::getenv("PATH");
  for (const std::string& folder : split(path == nullptr ? "" : path, ':')) {
    std::filesystem::path candidate = std::filesystem::path(folder) / name;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return name;
}

}  // namespace

ProcessEnvironment plain_environment() {
  ProcessEnvironment environment;
  for (const char* name :
       {"PATH", "ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"}) {
    if (const char* value = std::getenv(name); value != nullptr) environment[name] = value;
  }
  return environment;
}

struct Process::Impl {
  pid_t pid = -1;
  FileDescriptor exit_handle;  // readable once the child has ended
  FileDescriptor in;
  FileDescriptor out;
  FileDescriptor err;
  std::string pending_input;
  bool keep_input_open = false;
  std::string out_text;
  std::string err_text;
  std::optional<int> code;

  explicit Impl(ProcessSpec spec) {
    ::signal(SIGPIPE, SIG_IGN);  // a child may end without reading all of its input
    Pipe to_child = make_pipe();
    Pipe from_stdout = make_pipe();
    Pipe from_stderr = make_pipe();
    start(spec, to_child.read.get(), from_stdout.write.get(), from_stderr.write.get());
    in = std::move(to_child.write);
    out = std::move(from_stdout.read);
    err = std::move(from_stderr.read);
    for (const FileDescriptor* file : {&in, &out, &err}) make_non_blocking(*file);
    exit_handle = FileDescriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    keep_input_open = spec.keep_input_open;
    pending_input = std::move(spec.input);
    send_input();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    if (pid < 0 || code) return;
    ::kill(pid, SIGKILL);
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

  void start(const ProcessSpec& spec, int input, int output, int error_output) {
    std::vector<std::string> variables;
    variables.reserve(spec.environment.size());
    for (const auto& [name, value] : spec.environment) {
      variables.push_back(std::string(name).append("=").append(value));
    }
    std::vector<const char*> pointers;
    pointers.reserve(variables.size() + 1);
    for (const std::string& variable : variables) pointers.push_back(variable.c_str());
    pointers.push_back(nullptr);

    boost::asio::io_context context;
    Launcher launcher;
    launcher.env = pointers.data();
    const std::filesystem::path executable = executable_for(spec.argv.at(0));
    const std::vector<std::string> arguments(spec.argv.begin() + 1, spec.argv.end());
    const std::filesystem::path folder = spec.folder.empty() ? "." : spec.folder;
    if (::access((folder / executable).c_str(), X_OK) != 0) {
      throw std::runtime_error("cannot start " + spec.argv[0] + ": " + errno_text(errno));
    }
    boost::system::error_code error;
    auto process = launcher(context.get_executor(), error, executable, arguments,
                            boost_process::process_stdio{input, output, error_output},
                            boost_process::process_start_dir(folder),
                            ChildSetup{::getpid(), spec.close_stdout});
    if (error) {
      throw std::runtime_error("cannot start " + spec.argv[0] + ": " + error.message());
    }
    pid = process.id();
    process.detach();  // it is waited for and killed here
  }

  void send_input() {
    while (in.is_open() && !pending_input.empty()) {
      const ssize_t sent = ::write(in.get(), pending_input.data(), pending_input.size());
      if (sent > 0) {
        pending_input.erase(0, static_cast<std::size_t>(sent));
      } else if (errno == EAGAIN) {
        return;
      } else if (errno != EINTR) {
        in.reset();  // the child reads no more
      }
    }
    if (!keep_input_open) in.reset();
  }

  // Everything that is there now.
  static void read_all(FileDescriptor& from, std::string& text) {
    std::array<char, 65536> chunk{};
    while (from.is_open()) {
      const ssize_t size = ::read(from.get(), chunk.data(), chunk.size());
      if (size > 0) {
        text.append(chunk.data(), static_cast<std::size_t>(size));
      } else if (size < 0 && errno == EINTR) {
        continue;
      } else if (size < 0 && errno == EAGAIN) {
        return;
      } else {
        from.reset();
      }
    }
  }

  void reap() {
    int status = 0;
    if (code || ::waitpid(pid, &status, WNOHANG) != pid) return;
    code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  // Moves bytes until `done` says so or the deadline has come; gives what `done` says then.
  bool pump(milliseconds deadline, const std::function<bool()>& done) {
    const TestClock::time_point end = TestClock::now() + deadline;
    while (true) {
      reap();  // first: what a child that has ended wrote is complete in the pipes
      read_all(out, out_text);
      read_all(err, err_text);
      if (done()) return true;
      const auto left = std::chrono::ceil<milliseconds>(end - TestClock::now());
      if (code || left <= milliseconds{0}) return false;
      std::array<pollfd, 4> set{{{exit_handle.get(), POLLIN, 0},
                                 {out.get(), POLLIN, 0},
                                 {err.get(), POLLIN, 0},
                                 {pending_input.empty() ? -1 : in.get(), POLLOUT, 0}}};
      ::poll(set.data(), set.size(), static_cast<int>(left.count()));
      if (set[3].revents != 0) send_input();
    }
  }
};

Process::Process(ProcessSpec spec) : impl_(std::make_unique<Impl>(std::move(spec))) {}
Process::~Process() = default;
Process::Process(Process&&) noexcept = default;
Process& Process::operator=(Process&&) noexcept = default;

int Process::pid() const { return impl_->pid; }
const std::string& Process::out() const { return impl_->out_text; }
const std::string& Process::err() const { return impl_->err_text; }

void Process::write(std::string_view input) {
  impl_->pending_input += input;
  impl_->send_input();
}

void Process::close_input() {
  impl_->keep_input_open = false;
  impl_->send_input();
}

void Process::send(int signal) {
  impl_->reap();
  if (!impl_->code) ::kill(impl_->pid, signal);
}

void Process::interrupt() { send(SIGINT); }

bool Process::wait_for(std::string_view text, milliseconds deadline) {
  return impl_->pump(deadline, [&] {
    return impl_->out_text.find(text) != std::string::npos ||
           impl_->err_text.find(text) != std::string::npos;
  });
}

std::optional<int> Process::wait(milliseconds deadline) {
  impl_->pump(deadline, [&] { return impl_->code.has_value(); });
  return impl_->code;
}

Finished run_process(ProcessSpec spec, milliseconds deadline) {
  Process process(std::move(spec));
  const std::optional<int> code = process.wait(deadline);
  return {code.value_or(-1), process.out(), process.err(), !code};
}

}  // namespace pca::test
