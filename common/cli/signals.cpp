#include "cli/signals.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <latch>
#include <string_view>
#include <thread>

namespace pca {

namespace {

constexpr Milliseconds default_clean_up_limit{7000};
constexpr std::string_view gave_up = "error: the clean-up took too long and was given up\n";

// SIGHUP stays ignored where it was (nohup). SIGINT does not: a shell without job control starts
// its background processes with SIGINT ignored, and a deployment must still be cancellable.
sigset_t watched_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  struct sigaction hang_up {};
  sigaction(SIGHUP, nullptr, &hang_up);
  if (hang_up.sa_handler != SIG_IGN) sigaddset(&set, SIGHUP);
  return set;
}

}  // namespace

// The signals are blocked and read from a signalfd by a thread of their own, so no code runs inside
// a signal handler and no system call of the tool ends early with EINTR.
struct SignalWatcher::Impl {
  std::stop_source source;
  std::stop_source second_source;
  std::atomic<int> first{0};
  std::atomic<int> second{0};
  std::atomic<Milliseconds> clean_up_limit{default_clean_up_limit};
  int signals = -1;
  int done = -1;
  std::latch begun{1};
  std::thread thread;

  Impl() {
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &ignore, nullptr);
    const sigset_t watched = watched_signals();
    pthread_sigmask(SIG_BLOCK, &watched, nullptr);
    signals = ::signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
    done = ::eventfd(0, EFD_CLOEXEC);
    thread = std::thread([this] {
      begun.count_down();
      watch();
    });
    begun.wait();  // who forks while a thread begins may find its locks taken for ever
  }

  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  // The signals stay blocked: the process is about to end, and a late one (SIGTERM behind SIGINT)
  // would end it by its default action, with another exit code.
  ~Impl() {
    ::eventfd_write(done, 1);
    thread.join();
    ::close(signals);
    ::close(done);
  }

  void watch() {
    while (first == 0) {
      if (!wait(-1)) return;
      take_signal();
    }
    const Clock::time_point end = Clock::now() + clean_up_limit.load();
    while (Clock::now() < end) {
      const auto left = std::chrono::ceil<Milliseconds>(end - Clock::now());
      if (!wait(static_cast<int>(left.count()))) return;
      take_signal();
    }
    // Whoever hangs may hold the Reporter's lock, so nothing but write() is safe.
    const ssize_t ignored = ::write(STDERR_FILENO, gave_up.data(), gave_up.size());
    static_cast<void>(ignored);
    ::_exit(128 + first);
  }

  // False when the watcher is to end.
  [[nodiscard]] bool wait(int timeout) const {
    pollfd both[] = {{signals, POLLIN, 0}, {done, POLLIN, 0}};
    while (::poll(both, 2, timeout) < 0 && errno == EINTR) {
    }
    return both[1].revents == 0;
  }

  void take_signal() {
    signalfd_siginfo info{};
    if (::read(signals, &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return;
    const int signal = static_cast<int>(info.ssi_signo);
    if (first == 0) {
      first = signal;
      source.request_stop();
    } else if (second == 0) {
      second = signal;
      second_source.request_stop();
    }
  }
};

SignalWatcher::SignalWatcher() : impl_(std::make_unique<Impl>()) {}
SignalWatcher::~SignalWatcher() = default;
std::stop_token SignalWatcher::token() const { return impl_->source.get_token(); }
int SignalWatcher::signal() const { return impl_->first; }
std::stop_token SignalWatcher::second_token() const { return impl_->second_source.get_token(); }
int SignalWatcher::second_signal() const { return impl_->second; }
void SignalWatcher::allow_clean_up(Milliseconds limit) const { impl_->clean_up_limit = limit; }

}  // namespace pca
