#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "net/ssh.hpp"
#include "net/tcp.hpp"
#include "runner/redactor.hpp"
#include "support/sshd.hpp"

namespace pca::test {

inline Budget seconds(int count) { return Budget::of(Milliseconds{count * 1000}); }

// Who logs in to an Sshd, and what is known about it. Outlives the sessions it opens.
class SshClient {
 public:
  explicit SshClient(const Sshd& server) : port_(server.port()) {
    login.user = server.user();
    login.host = "127.0.0.1";
    login.port = port_;
    trust(server.known_hosts());
  }

  void trust(const std::string& known_hosts, const std::vector<std::string>& fingerprints = {}) {
    auto parsed = HostKeyPins::parse(known_hosts, fingerprints);
    if (!parsed) ADD_FAILURE() << parsed.error().message;
    pins_ = *std::move(parsed);
    login.pins = &pins_;
  }
  void use_key(const std::string& private_text, const std::string& passphrase = "") {
    login.key = secret(private_text);
    login.passphrase = secret(passphrase);
  }
  Secret secret(const std::string& text) { return redactor_.protect(text); }

  Result<std::unique_ptr<SshSession>> open(const Budget& budget = seconds(30)) {
    PCA_TRY(auto stream, connect_tcp(budget, "127.0.0.1", port_));
    return SshSession::open(budget, std::move(stream), login, &facts);
  }
  // The session, or a failed test.
  std::unique_ptr<SshSession> session() {
    auto opened = open();
    if (!opened) {
      ADD_FAILURE() << opened.error().message << "\n" << opened.error().hint;
      return nullptr;
    }
    return *std::move(opened);
  }

  SshLogin login;
  SshFacts facts;

 private:
  std::uint16_t port_;
  Redactor redactor_;
  HostKeyPins pins_;
};

struct Ran {
  std::string out;
  std::string err;
  std::optional<SshChannel::Exit> exit;
  std::optional<Error> error;
};

// Feeds a channel and reads it to its end, as a tool would.
inline Ran run_to_end(SshSession& session, SshChannel& channel, std::string_view input,
                      const Budget& budget) {
  Ran ran;
  std::string buffer(65536, '\0');
  bool eof_sent = false;
  const auto step = [&]() -> Result<bool> {
    while (!input.empty()) {
      PCA_TRY(const std::size_t taken, channel.write(std::span(input.data(), input.size())));
      if (taken == 0) break;
      input.remove_prefix(taken);
    }
    if (input.empty() && !eof_sent) {
      PCA_TRY(eof_sent, channel.send_eof());
    }
    while (true) {
      PCA_TRY(const ByteStream::Read out, channel.read(buffer));
      ran.out.append(buffer, 0, out.bytes);
      PCA_TRY(const ByteStream::Read err, channel.read_stderr(buffer));
      ran.err.append(buffer, 0, err.bytes);
      if (out.bytes + err.bytes > 0) continue;
      ran.exit = channel.exit();
      if (out.end && (ran.exit || channel.is_at_end())) {
        PCA_TRY(const bool closed, channel.close());
        ran.exit = channel.exit();
        return closed;
      }
      return false;
    }
  };
  while (true) {
    auto done = step();
    if (!done) ran.error = done.error();
    if (!done || *done) return ran;
    if (auto waited = session.wait(budget, {}, budget.deadline(), "running a command"); !waited) {
      ran.error = waited.error();
      return ran;
    }
  }
}

inline Ran run_command(SshSession& session, const std::string& command, std::string_view input = {},
                       const Budget& budget = seconds(60)) {
  auto channel = session.exec(budget, command);
  if (!channel) return {{}, {}, {}, channel.error()};
  return run_to_end(session, **channel, input, budget);
}

}  // namespace pca::test
