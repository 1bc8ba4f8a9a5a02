// Servers that are none, or no good ones. They need no sshd.

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <thread>

#include "net/ssh.hpp"
#include "net/ssh_wire.hpp"
#include "net/tcp.hpp"
#include "runner/redactor.hpp"
#include "support/loopback.hpp"
#include "support/ssh_client.hpp"

namespace pca {
namespace {

using namespace test;

// Sends `text` to its one client, `again` until the client has had enough, and then hangs up or
// waits for the client to do so.
class TextServer {
 public:
  explicit TextServer(std::string text, std::string again = "", bool hangs_up = false)
      : thread_([this, text = std::move(text), again = std::move(again), hangs_up] {
          const FileDescriptor client = listener_.accept();
          if (!send(client.get(), text)) return;
          while (!again.empty() && send(client.get(), again)) {
          }
          std::array<char, 4096> ignored{};
          while (!hangs_up && ::recv(client.get(), ignored.data(), ignored.size(), 0) > 0) {
          }
          // What the client wrote is read first, so that it sees an end and no reset.
          while (hangs_up &&
                 ::recv(client.get(), ignored.data(), ignored.size(), MSG_DONTWAIT) > 0) {
          }
        }) {}
  [[nodiscard]] std::uint16_t port() const { return listener_.port(); }
  [[nodiscard]] std::string peer() const { return "127.0.0.1:" + std::to_string(port()); }

 private:
  static bool send(int client, const std::string& text) {
    return ::send(client, text.data(), text.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(text.size());
  }

  pca::testing::Listener listener_;
  std::jthread thread_;
};

Error open_error(const TextServer& server, const Budget& budget = seconds(20)) {
  auto stream = connect_tcp(budget, "127.0.0.1", server.port());
  if (!stream) return stream.error();
  SshLogin login;
  login.user = "nobody";
  login.host = "127.0.0.1";
  login.port = server.port();
  const auto opened = SshSession::open(budget, *std::move(stream), login);
  if (!opened) return opened.error();
  ADD_FAILURE() << "a session with nobody";
  return {};
}

TEST(SshHostileServer, EndlessLinesBeforeTheIdentificationAreCutOff) {
  const TextServer server("", "Welcome to the other side.\r\n");
  const Error error = open_error(server);
  EXPECT_EQ(error.kind, ErrorKind::unreachable);
  EXPECT_FALSE(error.transient);
  EXPECT_TRUE(
      error.message.starts_with("the server does not identify itself as an SSH server; it "
                                "sent "))
      << error.message;
  EXPECT_EQ(error.hint, "Check host and port: this may be another service.");
}

TEST(SshHostileServer, AnEndlessLineIsCutOff) {
  const TextServer server("", std::string(1000, 'x'));
  const Error error = open_error(server);
  EXPECT_EQ(error.kind, ErrorKind::unreachable);
  EXPECT_NE(error.message.find("xxxx"), std::string::npos) << error.message;
  EXPECT_LT(error.message.size(), 400U);
}

TEST(SshHostileServer, AnotherProtocolIsShownSafely) {
  const TextServer server("HTTP/1.1 400 Bad Request\r\n\x1B[2J::error::x\r\n\r\n", "", true);
  const Error error = open_error(server);
  EXPECT_EQ(error.kind, ErrorKind::unreachable);
  EXPECT_EQ(error.message, "the connection was lost while exchanging keys with " + server.peer() +
                               ": " + server.peer() +
                               " closed the connection (it said: HTTP/1.1 400 Bad "
                               "Request\\x0A\\x1B[2J::error::x)");
}

TEST(SshHostileServer, ABusyServersWordsAreShownAndItIsTriedAgain) {
  const TextServer server("Exceeded MaxStartups\r\n", "", true);
  const Error error = open_error(server);
  EXPECT_EQ(error.kind, ErrorKind::unreachable);
  EXPECT_TRUE(error.transient);
  EXPECT_TRUE(error.message.ends_with("(it said: Exceeded MaxStartups)")) << error.message;
}

TEST(SshHostileServer, HangingUpAtAnyMomentBeforeTheLoginMayPass) {
  for (const std::string& text :
       {std::string(), std::string("SSH-2.0-x"), std::string("SSH-2.0-x\r\n"),
        std::string("SSH-2.0-x\r\n\0\0\1\0\x10\x14", 17)}) {
    const TextServer server(text, "", true);
    const Error error = open_error(server);
    EXPECT_EQ(error.kind, ErrorKind::unreachable);
    EXPECT_TRUE(error.transient) << error.message;
  }
}

TEST(SshHostileServer, Ssh1IsNotSpoken) {
  const TextServer server("SSH-1.5-old\r\n");
  const Error error = open_error(server);
  EXPECT_EQ(error.kind, ErrorKind::unreachable);
  EXPECT_EQ(error.message, "the server does not speak SSH-2; it says SSH-1.5-old");
}

TEST(SshHostileServer, PacketsOfAnImpossibleLengthAreAnError) {
  const TextServer server(std::string("SSH-2.0-x\r\n\xFF\xFF\xFF\xFF\0\0\0\0\0\0\0\0", 23));
  const Error error = open_error(server);
  EXPECT_EQ(error.kind, ErrorKind::unreachable);
  EXPECT_TRUE(error.message.starts_with("SSH protocol error with " + server.peer() +
                                        " while exchanging keys with " + server.peer() + ": "))
      << error.message;
}

// A packet as RFC 4253 section 6 lays it out before keys are exchanged.
std::string plain_packet(const std::string& payload) {
  const std::size_t padding = 4 + (8 - (payload.size() + 9) % 8) % 8;
  std::string packet;
  append_wire_number(packet, 1 + payload.size() + padding);
  packet += static_cast<char>(padding);
  return packet + payload + std::string(padding, '\0');
}

// Without it libssh2 listens to nothing else (RFC 4253 section 7.1).
std::string key_exchange_offer() {
  std::string offer = "\x14" + std::string(16, 'c');
  for (const char* names : {"curve25519-sha256", "ssh-ed25519", "aes128-ctr", "aes128-ctr",
                            "hmac-sha2-256", "hmac-sha2-256", "none", "none", "", ""}) {
    append_wire_string(offer, names);
  }
  return plain_packet(offer + std::string(5, '\0'));
}

// Identifies itself, offers a key exchange and then sends `packet` without end, faster than anyone
// can read. What is written to it is thrown away, or not even taken.
class FloodingStream : public ByteStream {
 public:
  explicit FloodingStream(std::string packet, bool takes_answers = true)
      : packet_(std::move(packet)), takes_answers_(takes_answers) {}

  Result<Read> read(std::span<char> into) override {
    for (char& byte : into) {
      if (at_ == text_.size()) {
        text_ = packet_;
        at_ = 0;
      }
      byte = text_[at_++];
    }
    return Read{into.size(), false};
  }
  Result<std::size_t> write(std::span<const char> from) override {
    return takes_answers_ ? from.size() : 0;
  }
  Result<bool> service() override { return true; }
  [[nodiscard]] PollHandle poll_handle() const override { return {never_ready_.get(), POLLIN}; }
  [[nodiscard]] std::string peer() const override { return "the flood"; }
  Result<> close(const Budget& /*budget*/) override { return {}; }

 private:
  std::string packet_;
  std::string text_ = "SSH-2.0-x\r\n" + key_exchange_offer();
  std::size_t at_ = 0;
  bool takes_answers_;
  FileDescriptor never_ready_{::eventfd(0, EFD_CLOEXEC)};
};

Error flood_error(std::unique_ptr<FloodingStream> stream, const Budget& budget) {
  SshLogin login;
  login.user = "nobody";
  login.host = "127.0.0.1";
  const auto opened = SshSession::open(budget, std::move(stream), login);
  if (!opened) return opened.error();
  ADD_FAILURE() << "a session with nobody";
  return {};
}

TEST(SshHostileServer, AFloodOfPacketsEndsWithTheBudget) {
  const std::string ignore = plain_packet(std::string("\2\0\0\0\0", 5));
  const Clock::time_point start = Clock::now();
  const Error error =
      flood_error(std::make_unique<FloodingStream>(ignore), Budget::of(Milliseconds{200}));
  EXPECT_EQ(error.kind, ErrorKind::unreachable);
  EXPECT_EQ(error.message, "timed out while exchanging keys with the flood");
  EXPECT_LT(Clock::now() - start, Milliseconds{3'000});
}

TEST(SshHostileServer, AFloodOfQuestionsWhoseAnswersAreNotReadIsCutOff) {
  const std::string question = plain_packet(std::string("\x50\0\0\0\1x\1", 7));
  const Error error = flood_error(std::make_unique<FloodingStream>(question, false), seconds(60));
  EXPECT_EQ(error.kind, ErrorKind::unreachable);
  EXPECT_EQ(error.message,
            "the connection was lost while exchanging keys with the flood: the flood asks for more "
            "than it reads: 8MiB of answers wait for it");
}

TEST(SshHostileServer, SilenceEndsWithTheBudget) {
  for (const char* text : {"", "SSH-2.0-x\r\n"}) {
    const TextServer server(text);
    const Error error = open_error(server, Budget::of(Milliseconds{200}));
    EXPECT_EQ(error.kind, ErrorKind::unreachable);
    EXPECT_TRUE(error.transient);
    EXPECT_EQ(error.message, "timed out while exchanging keys with " + server.peer());
  }
}

TEST(SshHostileServer, CancellingEndsTheWaitAtOnce) {
  const TextServer server("SSH-2.0-x\r\n");
  std::stop_source stop;
  Clock::time_point asked;
  std::jthread canceller([&] {
    const Budget pause = Budget::of(Milliseconds{100});
    static_cast<void>(wait_ready(pause, {}, pause.deadline(), "pausing"));
    asked = Clock::now();
    stop.request_stop();
  });
  const Error error =
      open_error(server, Budget(Clock::now() + Milliseconds{60'000}, stop.get_token()));
  const auto took = Clock::now() - asked;
  EXPECT_EQ(error.kind, ErrorKind::cancelled);
  EXPECT_FALSE(error.transient);
  EXPECT_LT(took, Milliseconds{100});
}

}  // namespace
}  // namespace pca
