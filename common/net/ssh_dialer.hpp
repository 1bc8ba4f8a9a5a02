#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "net/file_descriptor.hpp"
#include "net/ssh.hpp"

namespace pca {

// Where a channel of an SSH session is to lead, as the host sees it.
struct SshTarget {
  enum class Kind : std::uint8_t { unix_socket, tcp, command };
  Kind kind = Kind::unix_socket;
  std::string text;        // the path, the host or the command, whose stdin and stdout are used
  std::uint16_t port = 0;  // of tcp
};

// Sockets of this process whose other end is a channel of an SSH session, for libraries that want a
// file descriptor, as libcurl does. A thread of its own moves what goes through them. Thread safe.
class SshDialer {
 public:
  // Tries `targets` in their order, until the host lets one through; it is the one that all sockets
  // lead to. Errors: what the host said of each of them.
  static Result<std::unique_ptr<SshDialer>> open(const Budget& budget,
                                                 std::unique_ptr<SshSession> session,
                                                 const std::vector<SshTarget>& targets);
  // Cuts all sockets and says goodbye to the host.
  ~SshDialer();
  SshDialer(const SshDialer&) = delete;
  SshDialer& operator=(const SshDialer&) = delete;

  // A connected socket, non-blocking. It does not wait for the host: when that does not let it
  // through, the socket ends. Errors: why the session is lost.
  [[nodiscard]] Result<FileDescriptor> dial();
  [[nodiscard]] bool is_lost() const;
  // Which of the targets it was.
  [[nodiscard]] const SshTarget& target() const { return target_; }
  // What the host or the command has said last of a channel that did not work, or empty; visible().
  [[nodiscard]] std::string last_words() const;

 private:
  class Link;

  SshDialer(std::unique_ptr<SshSession> session, SshTarget target,
            std::unique_ptr<SshChannel> first);
  void serve(const std::stop_token& stop);
  Result<> move_until_lost(const Budget& budget);
  bool begin_links();
  Result<bool> step_links();
  void remember(const std::string& words);

  std::unique_ptr<SshSession> session_;  // of the thread, as are the links
  const SshTarget target_;
  std::deque<std::unique_ptr<SshChannel>> ready_;  // wait for sockets; the first is open
  std::list<Link> links_;
  FileDescriptor wake_;

  mutable std::mutex mutex_;
  std::deque<FileDescriptor> asked_;  // far ends of sockets that have no channel yet
  std::optional<Error> lost_;
  std::string last_words_;

  std::jthread thread_;  // ends before what it uses
};

}  // namespace pca
