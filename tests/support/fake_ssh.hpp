#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/ssh.hpp"

namespace pca::test {

// What a FakeChannel's other side does. The test owns it; the channel only borrows.
struct ChannelScript {
  std::deque<std::string> out;  // chunks, one a read
  std::deque<std::string> err;
  std::string endless_out;  // once `out` is empty: again and again
  std::optional<SshChannel::Exit> exit;
  bool at_end = false;                     // once out and err are empty
  std::optional<Error> read_error;         // once out and err are empty
  std::size_t window = std::string::npos;  // how many bytes it takes in all
  std::optional<Error> write_error;        // once the window is used up

  std::string received;    // what was written to it
  std::size_t writes = 0;  // that took something
  bool got_eof = false;
  bool closed = false;
  std::vector<std::string> signals;
};

class FakeChannel : public SshChannel {
 public:
  explicit FakeChannel(ChannelScript& script) : script_(script) {}

  [[nodiscard]] bool is_open() const override { return true; }
  Result<ByteStream::Read> read(std::span<char> into) override {
    if (script_.out.empty() && !script_.endless_out.empty()) {
      script_.out.push_back(script_.endless_out);
    }
    return take(script_.out, into);
  }
  Result<ByteStream::Read> read_stderr(std::span<char> into) override {
    return take(script_.err, into);
  }
  Result<std::size_t> write(std::span<const char> from) override {
    const std::size_t room = std::min(script_.window, from.size());
    if (room == 0 && script_.write_error) return *script_.write_error;
    script_.received.append(from.data(), room);
    if (room > 0) ++script_.writes;
    if (script_.window != std::string::npos) script_.window -= room;
    return room;
  }
  Result<bool> send_eof() override { return script_.got_eof = true; }
  Result<bool> send_signal(const std::string& signal) override {
    script_.signals.push_back(signal);
    return true;
  }
  [[nodiscard]] std::optional<Exit> exit() const override { return script_.exit; }
  [[nodiscard]] bool is_at_end() const override {
    return script_.at_end && script_.out.empty() && script_.err.empty();
  }
  Result<bool> close() override { return script_.closed = true; }

 private:
  Result<ByteStream::Read> take(std::deque<std::string>& chunks, std::span<char> into) {
    if (chunks.empty()) {
      if (script_.read_error && script_.out.empty() && script_.err.empty()) {
        return *script_.read_error;
      }
      return ByteStream::Read{0, script_.at_end};
    }
    std::string& chunk = chunks.front();
    const std::size_t size = chunk.copy(into.data(), into.size());
    chunk.erase(0, size);
    if (chunk.empty()) chunks.pop_front();
    return ByteStream::Read{size, false};
  }

  ChannelScript& script_;
};

// An SSH session without a network: exec() asks the test for the channel, wait() lets the test move
// time and the other side on.
class FakeSession : public SshSession {
 public:
  // Gives the other side of a new channel for `command`; nullptr refuses it.
  std::function<ChannelScript*(const std::string& command)> on_exec;
  // Called when the code under test has nothing to do. False: the wait times out.
  std::function<bool()> on_wait;
  std::vector<std::string> commands;

  Result<std::unique_ptr<SshChannel>> exec(const Budget& budget,
                                           const std::string& command) override {
    PCA_CHECK(budget.check("starting"));
    commands.push_back(command);
    ChannelScript* script = on_exec ? on_exec(command) : nullptr;
    if (script == nullptr) return failed("the server refused another channel");
    return std::unique_ptr<SshChannel>(std::make_unique<FakeChannel>(*script));
  }
  Result<std::unique_ptr<SshChannel>> open_tcp(const Budget&, const std::string&,
                                               std::uint16_t) override {
    return failed("not faked");
  }
  Result<std::unique_ptr<SshChannel>> open_unix(const Budget&, const std::string&) override {
    return failed("not faked");
  }
  Result<std::unique_ptr<SshChannel>> open_subsystem(const Budget& budget,
                                                     const std::string& name) override {
    return exec(budget, "subsystem " + name);
  }
  std::unique_ptr<SshChannel> begin_subsystem(const std::string& name) override {
    return begin_exec("subsystem " + name);
  }
  std::unique_ptr<SshChannel> begin_exec(const std::string& command) override {
    commands.push_back(command);
    ChannelScript* script = on_exec ? on_exec(command) : nullptr;
    if (script == nullptr) return {};
    return std::make_unique<FakeChannel>(*script);
  }
  std::unique_ptr<SshChannel> begin_tcp(const std::string&, std::uint16_t) override { return {}; }
  [[nodiscard]] bool is_lost() override { return false; }
  std::unique_ptr<SshChannel> begin_unix(const std::string&) override { return {}; }
  // Answers requests to listen; without it none is granted.
  std::function<Result<std::uint16_t>(const std::string& address, std::uint16_t port)> on_listen;
  Result<ListeningPlace> listen(const Budget&, const ListeningPlace& place) override {
    if (!on_listen) return failed("refused to listen");
    PCA_TRY(const std::uint16_t port, on_listen(place.address, place.port));
    return ListeningPlace{place.address, port};
  }
  // Gives the other side of a connection that came in; nullptr: there is none.
  std::function<ChannelScript*()> on_accept;
  Result<std::unique_ptr<SshChannel>> accept(const ListeningPlace&) override {
    if (!on_accept) return failed("not faked");
    ChannelScript* script = on_accept();
    if (script == nullptr) return std::unique_ptr<SshChannel>();
    return std::unique_ptr<SshChannel>(std::make_unique<FakeChannel>(*script));
  }
  void stop_listening(const ListeningPlace&) override {}
  Result<std::vector<short>> wait(const Budget& budget, std::span<const PollHandle> others,
                                  Clock::time_point, const std::string& doing) override {
    PCA_CHECK(budget.check(doing));
    if (++waits_ > 100'000) return tool_bug("waits without end");
    if (on_wait && !on_wait()) return unreachable("timed out while " + doing);
    return std::vector<short>(others.size());
  }
  Result<> close(const Budget&) override { return {}; }
  [[nodiscard]] PollHandle poll_handle() const override { return {}; }
  Result<bool> service() override { return true; }

 private:
  int waits_ = 0;
};

}  // namespace pca::test
