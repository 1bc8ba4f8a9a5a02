#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "net/ssh.hpp"
#include "tunnel-ssh/sftp_packets.hpp"

namespace pca::tunnel_ssh {

// An SFTP session on a channel of its own. Many requests are on their way at once: what takes one
// round trip a file with a client that waits for each answer takes a few for all of them here.
// Not thread safe; the SSH session outlives it.
class SftpClient {
 public:
  // Hears the answer to its request, and may ask further. Its Error ends finish().
  using Then = std::function<Result<>(const SftpAnswer&)>;
  // Asks something further where it has something to ask, and says whether it did.
  using More = std::function<Result<bool>()>;

  // `who` names the host in messages. Errors: failed (no such subsystem, no SFTP), unreachable,
  // cancelled.
  static Result<std::unique_ptr<SftpClient>> start(const Budget& budget, SshSession& session,
                                                   std::string who);

  [[nodiscard]] bool has(std::string_view extension) const {
    return extensions_.find(extension) != extensions_.end();
  }
  [[nodiscard]] const std::string& who() const { return who_; }
  // Sends the request with the next finish(). `expected` is how many bytes its answer may hold.
  void ask(const SftpRequest& request, Then then, std::size_t expected = 0);
  // Until all is answered, and `more` asks nothing further; it is called while there is room for
  // another request on the way. Errors: those of the callbacks; failed (the server ended, or sends
  // what is no SFTP), unreachable, cancelled. After an error nobody hears the answers that are
  // still to come.
  Result<> finish(const Budget& budget, const More& more = {});
  // One request and its answer.
  Result<SftpAnswer> ask(const Budget& budget, const SftpRequest& request);

 private:
  struct Waiting {
    Then then;
    std::size_t bytes = 0;
  };
  SftpClient(SshSession& session, std::unique_ptr<SshChannel> channel, std::string who);
  [[nodiscard]] bool has_room() const;
  Result<> work(const Budget& budget, const More& more);
  Result<bool> send();
  Result<bool> receive();
  // The packet at the front of what came, without its length; nothing while it is not whole.
  Result<std::optional<std::string_view>> front() const;
  Result<> wait(const Budget& budget);
  Result<> greet(const Budget& budget);

  SshSession& session_;
  std::unique_ptr<SshChannel> channel_;
  const std::string who_;
  std::set<std::string, std::less<>> extensions_;
  std::map<std::uint32_t, Waiting> waiting_;
  std::uint32_t next_id_ = 0;
  std::size_t on_the_way_ = 0;  // bytes of requests and of what they ask for
  std::string to_send_;
  std::size_t sent_ = 0;  // of to_send_
  std::string received_;
  std::size_t taken_ = 0;  // of received_
  std::string errors_;     // the end of what came on stderr
  std::vector<char> buffer_;
};

}  // namespace pca::tunnel_ssh
