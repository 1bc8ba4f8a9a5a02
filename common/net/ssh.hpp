#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.hpp"
#include "net/byte_stream.hpp"
#include "net/host_key.hpp"

namespace pca {

// Who to log in as, by what, and which host keys to trust. Several ways to authenticate may be set;
// they are tried in the order certificate+key, key, agent, password, and each at most once (sshd
// penalises failures).
struct SshLogin {
  std::string user;
  Secret key;  // private key text as repair_key() gives it
  Secret passphrase;
  std::string certificate;  // OpenSSH user certificate text, belongs to `key`
  Secret password;
  std::string agent_socket;  // SSH_AUTH_SOCK of an agent to use; empty = none
  std::string host;          // the name and port that host keys are looked up by
  std::uint16_t port = 22;
  const HostKeyPins* pins = nullptr;  // borrowed, outlives the session
  HostKeyPolicy policy = HostKeyPolicy::strict;
  // Ask the server for exactly these host key methods; empty = the pinned ones first, then all.
  std::string host_key_methods;
  Milliseconds keepalive{15000};  // silence after which the server is asked for a sign of life
  int keepalive_limit = 4;        // unanswered ones that end the session
};

// What was learnt while connecting, for `check`, `pin`, warnings and JSON results.
struct SshFacts {
  HostKey host_key;
  HostKeyVerdict verdict = HostKeyVerdict::unknown;
  std::vector<std::string> offered_host_keys;  // the server's methods, hostile text
  std::string server_banner;                   // made visible()
  std::string auth_method;                     // "publickey (ed25519)", "password", ...
  std::string cipher, kex;
  double kex_ms = 0, auth_ms = 0;
};

class SshChannel;

// Where a server listens for us: an address and a port (0: it chooses), or a unix socket.
struct ListeningPlace {
  std::string address = {};  // empty is all of them; a path begins with a slash
  std::uint16_t port = 0;
  [[nodiscard]] bool is_unix() const { return address.starts_with('/'); }
  [[nodiscard]] std::string text() const;  // "127.0.0.1:8080", "/run/app.sock"
  auto operator<=>(const ListeningPlace&) const = default;
};

// One SSH connection and everything on it, driven by one thread: channels, keepalive, forwards.
// Owns its ByteStream. Not thread safe.
//
// Nothing moves by itself. The loop of whoever uses it is: read and write all channels until none
// gets further, then wait(), again.
class SshSession {
 public:
  // Exchanges keys, checks the host key, authenticates. Errors: permission (host key, login),
  // unreachable (transient for banner and kex failures, never for authentication), bad_input.
  // `facts` is filled as far as it got, also on failure.
  static Result<std::unique_ptr<SshSession>> open(const Budget& budget,
                                                  std::unique_ptr<ByteStream> stream,
                                                  const SshLogin& login, SshFacts* facts = nullptr);
  virtual ~SshSession() = default;

  // Starts `command` on a new channel. Waits for the channel, not for the command: input may be
  // written at once. A server that refuses to run it makes read() fail; one that gives no more
  // channels (MaxSessions) is a transient error.
  virtual Result<std::unique_ptr<SshChannel>> exec(const Budget& budget,
                                                   const std::string& command) = 0;
  // direct-tcpip (RFC 4254 section 7.2) and OpenSSH's direct-streamlocal@openssh.com. They wait
  // until the server has connected; failed when it could not.
  virtual Result<std::unique_ptr<SshChannel>> open_tcp(const Budget& budget,
                                                       const std::string& host,
                                                       std::uint16_t port) = 0;
  virtual Result<std::unique_ptr<SshChannel>> open_unix(const Budget& budget,
                                                        const std::string& path) = 0;
  // A subsystem, "sftp" (RFC 4254 section 6.5), on a new channel; as exec() otherwise.
  virtual Result<std::unique_ptr<SshChannel>> open_subsystem(const Budget& budget,
                                                             const std::string& name) = 0;
  // The same without waiting, for a loop that serves other channels too: until is_open() the
  // channel takes and gives nothing; when the server cannot connect, read() and write() fail. The
  // server is asked for one channel at a time, so one that is slow to connect delays later ones.
  virtual std::unique_ptr<SshChannel> begin_exec(const std::string& command) = 0;
  virtual std::unique_ptr<SshChannel> begin_subsystem(const std::string& name) = 0;
  virtual std::unique_ptr<SshChannel> begin_tcp(const std::string& host, std::uint16_t port) = 0;
  virtual std::unique_ptr<SshChannel> begin_unix(const std::string& path) = 0;

  // Asks the server to listen (RFC 4254 section 7.1; for a path OpenSSH's
  // streamlocal-forward@openssh.com); gives the place with the port it chose. To be called before
  // the session has been silent for a keepalive: afterwards libssh2 cannot tell the two answers
  // apart, and this fails. accept() gives the next connection, or nullptr when there is none now.
  virtual Result<ListeningPlace> listen(const Budget& budget, const ListeningPlace& place) = 0;
  virtual Result<std::unique_ptr<SshChannel>> accept(const ListeningPlace& place) = 0;
  // Tells the server that it is wanted no more; channels that came by it stay.
  virtual void stop_listening(const ListeningPlace& place) = 0;

  // Waits until the connection or one of `others` needs attention, at most until `wake_at`. Sends
  // keepalives when due. Gives the poll() revents of `others`. Errors: cancelled, unreachable
  // (budget, connection lost, too many keepalives unanswered).
  virtual Result<std::vector<short>> wait(const Budget& budget, std::span<const PollHandle> others,
                                          Clock::time_point wake_at, const std::string& doing) = 0;
  // Whether the connection is known to have ended: no channel will open or move any more.
  [[nodiscard]] virtual bool is_lost() = 0;
  // SSH disconnect, then close of the stream. Safe to call twice.
  virtual Result<> close(const Budget& budget) = 0;

  // For who polls by himself instead of calling wait(): what to poll for, and the work to do when
  // poll() wakes up or the handle's time has come, keepalives included. True when nothing is left
  // to send. Errors: too many keepalives unanswered.
  [[nodiscard]] virtual PollHandle poll_handle() const = 0;
  virtual Result<bool> service() = 0;
};

// One channel of a session. Reads and writes never block; SshSession::wait() between. Must not
// outlive its session unless it was made by channel_stream(). Its destructor closes it.
class SshChannel {
 public:
  virtual ~SshChannel() = default;
  [[nodiscard]] virtual bool is_open() const = 0;  // the server has agreed to it
  // `end` only when the server will send no more of either stream and both have been read.
  virtual Result<ByteStream::Read> read(std::span<char> into) = 0;
  virtual Result<ByteStream::Read> read_stderr(std::span<char> into) = 0;
  // How many bytes were taken. Takes nothing more once the other end has closed the channel, which
  // shows as the end in read().
  virtual Result<std::size_t> write(std::span<const char> from) = 0;
  // No more input from us. False: would block, call again.
  virtual Result<bool> send_eof() = 0;
  // Asks the server to send `signal` ("TERM") to what runs on this channel. May be ignored by it.
  virtual Result<bool> send_signal(const std::string& signal) = 0;
  struct Exit {
    int code = 0;
    std::string signal;  // "TERM" when a signal ended it, then code = 128 + number
  };
  // OpenSSH's word for every signal that RFC 4254 has no name for (BUS, SYS, XCPU, ...); the exit
  // code is 128 then, because nobody says which one it was.
  static constexpr std::string_view unnamed_signal = "SIG@openssh.com";
  // Set once the server has said how the command ended; its output may still be coming, and may go
  // on for as long as something it started holds the channel.
  [[nodiscard]] virtual std::optional<Exit> exit() const = 0;
  [[nodiscard]] virtual bool is_at_end() const = 0;  // everything the server sent has been read
  virtual Result<bool> close() = 0;                  // false: would block, call again
};

// The host key methods (RFC 4253 section 7.1 names) that this client can verify, in the order it
// asks for them.
[[nodiscard]] std::vector<std::string> usable_host_key_methods();

// Whether an ssh-agent takes connections at that socket; asks it nothing. permission when not.
[[nodiscard]] Result<> check_agent(const std::string& socket_path);

// A channel as a ByteStream that owns both itself and the session under it: the transport to the
// next hop of a jump chain.
[[nodiscard]] std::unique_ptr<ByteStream> channel_stream(std::unique_ptr<SshSession> session,
                                                         std::unique_ptr<SshChannel> channel,
                                                         std::string peer);

}  // namespace pca
