#include "tunnel-ssh/pump.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <thread>

#include "net/file_descriptor.hpp"

namespace pca::tunnel_ssh {
namespace {

struct Ends {
  FileDescriptor first, second;
};

Ends socket_pair() {
  std::array<int, 2> ends{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  return {FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

Ends pipe_ends() {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  return {FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

// One end of a socket pair as a ByteStream, as a TCP connection would be.
class SocketStream : public ByteStream {
 public:
  explicit SocketStream(FileDescriptor socket) : socket_(std::move(socket)) {}
  Result<Read> read(std::span<char> into) override {
    const ssize_t size = ::recv(socket_.get(), into.data(), into.size(), MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) return Read{};
    if (size < 0) return unreachable("reset");
    return Read{static_cast<std::size_t>(size), size == 0};
  }
  Result<std::size_t> write(std::span<const char> from) override {
    const ssize_t size =
        ::send(socket_.get(), from.data(), from.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size < 0 && errno == EAGAIN) return std::size_t{0};
    if (size < 0) return unreachable("reset");
    return static_cast<std::size_t>(size);
  }
  Result<bool> service() override { return true; }
  [[nodiscard]] PollHandle poll_handle() const override { return {socket_.get(), POLLIN}; }
  Result<> close(const Budget&) override { return {}; }
  [[nodiscard]] std::string peer() const override { return "test"; }

 private:
  FileDescriptor socket_;
};

std::string read_all(const FileDescriptor& from) {
  std::string all;
  std::array<char, 65536> buffer{};
  for (ssize_t size = 0; (size = ::read(from.get(), buffer.data(), buffer.size())) > 0;) {
    all.append(buffer.data(), static_cast<std::size_t>(size));
  }
  return all;
}

void write_all(const FileDescriptor& to, std::string_view text) {
  while (!text.empty()) {
    const ssize_t size = ::write(to.get(), text.data(), text.size());
    if (size <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(size));
  }
}

class PumpTest : public testing::Test {
 protected:
  PumpTest() : stream_(std::move(wire_.first)) {}

  Result<> run(Milliseconds quiet = Milliseconds{1}) {
    StandardStream input(in_.first.get());
    StandardStream output(out_.second.get());
    auto ended = pump(Budget::of(Milliseconds{60'000}), stream_, input, output, quiet);
    return ended;
  }

  Ends wire_ = socket_pair();
  Ends in_ = pipe_ends();
  Ends out_ = pipe_ends();
  SocketStream stream_;
};

TEST_F(PumpTest, EverythingSentBeforeTheEndArrives) {
  const std::string sent(3'000'000, 'x');
  std::string received, answered;
  std::jthread far([&] {
    std::array<char, 65536> buffer{};
    while (received.size() < sent.size()) {
      const ssize_t size = ::read(wire_.second.get(), buffer.data(), buffer.size());
      if (size <= 0) return;
      received.append(buffer.data(), static_cast<std::size_t>(size));
    }
    write_all(wire_.second, "answer " + sent);
    wire_.second.reset();
  });
  std::jthread writer([&] {
    write_all(in_.second, sent);
    in_.second.reset();
  });
  std::jthread reader([&] { answered = read_all(out_.first); });
  EXPECT_TRUE(run(Milliseconds{10'000}));
  out_.second.reset();
  reader.join();
  far.join();
  EXPECT_EQ(received.size(), sent.size());
  EXPECT_EQ(answered.size(), sent.size() + 7);
}

TEST_F(PumpTest, EndsSoonAfterItsInputWhenNothingComesBack) {
  in_.second.reset();
  EXPECT_TRUE(run());
}

TEST_F(PumpTest, EndsWithTheStreamThoughTheInputIsOpen) {
  write_all(wire_.second, "bye");
  wire_.second.reset();
  EXPECT_TRUE(run());
  out_.second.reset();
  EXPECT_EQ(read_all(out_.first), "bye");
}

TEST_F(PumpTest, EndsWhenNobodyReadsItsOutput) {
  struct sigaction ignore {
  }, before{};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, &before);  // as the tool does
  out_.first.reset();
  EXPECT_TRUE(run());
  ::sigaction(SIGPIPE, &before, nullptr);
}

TEST_F(PumpTest, AStreamThatBreaksIsAnError) {
  write_all(in_.second, "x");
  ::shutdown(wire_.second.get(), SHUT_RD);
  const auto ended = run();
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().message, "reset");
}

TEST_F(PumpTest, ACancelEndsItAtOnce) {
  std::stop_source stop;
  StandardStream input(in_.first.get());
  StandardStream output(out_.second.get());
  std::jthread canceller([&] { stop.request_stop(); });
  const auto ended = pump(Budget::of(Milliseconds{60'000}, stop.get_token()), stream_, input,
                          output, Milliseconds{60'000});
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().kind, ErrorKind::cancelled);
}

TEST_F(PumpTest, FlagsOfAPipeArePutBack) {
  const int before = ::fcntl(in_.first.get(), F_GETFL);
  in_.second.reset();
  EXPECT_TRUE(run());
  EXPECT_EQ(::fcntl(in_.first.get(), F_GETFL), before);
}

TEST(StandardStreamTest, APipeIsMadeWide) {
  const Ends widest = pipe_ends();
  ::fcntl(widest.first.get(), F_SETPIPE_SZ, 1 << 20);
  const Ends ends = pipe_ends();
  const StandardStream stream(ends.first.get());
  EXPECT_EQ(::fcntl(ends.first.get(), F_GETPIPE_SZ), ::fcntl(widest.first.get(), F_GETPIPE_SZ));
}

TEST(StandardStreamTest, AFullDiskIsAnError) {
  const FileDescriptor full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  StandardStream stream(full.get());
  const auto written = stream.write(std::string_view("data"));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().kind, ErrorKind::failed);
  EXPECT_EQ(written.error().message, "cannot write stdout: no space left on device");
}

TEST(StandardStreamTest, AFileIsReadToItsEnd) {
  std::FILE* file = std::tmpfile();
  ASSERT_NE(file, nullptr);
  std::fputs("hello", file);
  std::rewind(file);
  StandardStream stream(fileno(file));
  std::array<char, 16> buffer{};
  EXPECT_EQ(stream.read(buffer)->bytes, 5U);
  EXPECT_TRUE(stream.read(buffer)->end);
  std::fclose(file);
}

}  // namespace
}  // namespace pca::tunnel_ssh
