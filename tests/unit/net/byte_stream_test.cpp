#include "net/byte_stream.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <ctime>
#include <thread>

#include "net/file_descriptor.hpp"

namespace pca {
namespace {

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
    out = FileDescriptor(ends[0]);
    in = FileDescriptor(ends[1]);
  }
  FileDescriptor out, in;
};

double thread_cpu_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// Made anew by each test: these run in any order, long after the process began.
Budget patient() { return Budget::of(Milliseconds{20'000}); }

TEST(WaitReady, TellsWhichHandlesAreReadyInTheirOrder) {
  Pipe quiet, busy;
  ASSERT_EQ(::write(busy.in.get(), "x", 1), 1);
  const std::array handles{PollHandle{quiet.out.get(), POLLIN}, PollHandle{busy.out.get(), POLLIN},
                           PollHandle{quiet.in.get(), POLLOUT}};
  const auto result = wait_ready(patient(), handles, patient().deadline(), "testing");
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_TRUE(result->any_ready);
  EXPECT_EQ(result->ready, (std::vector<short>{0, POLLIN, POLLOUT}));
}

TEST(WaitReady, WakesWhenBytesArriveLater) {
  Pipe pipe;
  const PollHandle handle{pipe.out.get(), POLLIN};
  std::jthread writer([&] { EXPECT_EQ(::write(pipe.in.get(), "x", 1), 1); });
  const auto result = wait_ready(patient(), {&handle, 1}, patient().deadline(), "testing");
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->ready, std::vector<short>{POLLIN});
}

TEST(WaitReady, ComesBackEmptyAtTheWakeUpTime) {
  Pipe pipe;
  const PollHandle handle{pipe.out.get(), POLLIN};
  const auto wake_at = Clock::now() + Milliseconds{5};
  const auto result = wait_ready(patient(), {&handle, 1}, wake_at, "testing");
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_FALSE(result->any_ready);
  EXPECT_EQ(result->ready, std::vector<short>{0});
  EXPECT_GE(Clock::now(), wake_at);
}

TEST(WaitReady, ComesBackAtOnceForAHandleThatHasWorkOfItsOwn) {
  Pipe pipe;
  const std::array handles{PollHandle{pipe.out.get(), POLLIN},
                           PollHandle{pipe.out.get(), POLLIN, Clock::time_point{}}};
  const auto result = wait_ready(patient(), handles, patient().deadline(), "testing");
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_FALSE(result->any_ready);
}

TEST(WaitReady, NamesWhatTimedOut) {
  const auto result =
      wait_ready(Budget::of(Milliseconds{5}), {}, Clock::time_point::max(), "testing");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::unreachable);
  EXPECT_EQ(result.error().message, "timed out while testing");
}

TEST(WaitReady, IsWokenByCancelAtOnce) {
  std::stop_source stop;
  Pipe pipe;
  const PollHandle handle{pipe.out.get(), POLLIN};
  const Budget budget = Budget::of(Milliseconds{20'000}, stop.get_token());
  const auto start = Clock::now();
  std::jthread canceller([&] { stop.request_stop(); });
  const auto result = wait_ready(budget, {&handle, 1}, budget.deadline(), "testing");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::cancelled);
  EXPECT_EQ(result.error().message, "cancelled while testing");
  EXPECT_LT(Clock::now() - start, Milliseconds{5'000});
}

TEST(WaitReady, PrefersCancelToReadyHandles) {
  std::stop_source stop;
  stop.request_stop();
  Pipe pipe;
  const PollHandle handle{pipe.in.get(), POLLOUT};
  const Budget budget = Budget::of(Milliseconds{20'000}, stop.get_token());
  EXPECT_FALSE(wait_ready(budget, {&handle, 1}, budget.deadline(), "testing"));
}

TEST(WaitReady, SurvivesSignalsAndDoesNotSpin) {
  struct sigaction action {
  }, before{};
  action.sa_handler = [](int) {};
  ASSERT_EQ(::sigaction(SIGUSR1, &action, &before), 0);
  const pthread_t waiter = ::pthread_self();
  const double cpu = thread_cpu_seconds();
  std::jthread disturber([waiter] {
    for (int i = 0; i < 20; ++i) {
      ::pthread_kill(waiter, SIGUSR1);
      ::poll(nullptr, 0, 5);
    }
  });
  const auto wake_at = Clock::now() + Milliseconds{200};
  const auto result = wait_ready(patient(), {}, wake_at, "testing");
  disturber.join();
  ::sigaction(SIGUSR1, &before, nullptr);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_GE(Clock::now(), wake_at);
  EXPECT_LT(thread_cpu_seconds() - cpu, 0.1);
}

TEST(WaitReady, CallsAClosedDescriptorABug) {
  int closed = -1;
  {
    const FileDescriptor gone(::eventfd(0, EFD_CLOEXEC));
    closed = gone.get();
  }
  const PollHandle handle{closed, POLLIN};
  const auto result = wait_ready(patient(), {&handle, 1}, patient().deadline(), "testing");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::bug);
}

TEST(WaitReady, SkipsStreamsWithoutADescriptor) {
  Pipe pipe;
  const std::array handles{PollHandle{-1, POLLIN}, PollHandle{pipe.in.get(), POLLOUT}};
  const auto result = wait_ready(patient(), handles, patient().deadline(), "testing");
  ASSERT_TRUE(result);
  EXPECT_EQ(result->ready, (std::vector<short>{0, POLLOUT}));
}

}  // namespace
}  // namespace pca
