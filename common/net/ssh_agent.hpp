#pragma once

// Inside net/ssh* only: shows libssh2's types.

#include <optional>
#include <string>
#include <vector>

#include "net/file_descriptor.hpp"
#include "net/ssh_transport.hpp"

namespace pca {

// A connection to an ssh-agent (draft-miller-ssh-agent). libssh2 has a client of its own, but that
// one waits for the agent without any limit, and an agent may ask its user first.
class SshAgent {
 public:
  struct Identity {
    std::string key;  // public key or certificate blob
    std::string comment;
  };

  // permission when there is no agent at `socket_path`: the host was contacted before it.
  static Result<SshAgent> connect(const Budget& budget, const std::string& socket_path);
  Result<std::vector<Identity>> identities(const Budget& budget);

  // One step of logging in with this identity: libssh2_userauth_publickey()'s code. The signature
  // is waited for inside, within the budget; what went wrong there is told by problem().
  int log_in(const Budget& budget, SshTransport& transport, const std::string& user,
             const Identity& identity);
  [[nodiscard]] const std::optional<Error>& problem() const { return problem_; }

 private:
  struct Signing;
  explicit SshAgent(FileDescriptor socket) : socket_(std::move(socket)) {}
  // Sends a message and gives the answer, which has to be of type `expected`, without the type.
  Result<std::string> ask(const Budget& budget, const std::string& message, std::uint8_t expected);
  Result<> transfer(const Budget& budget, short events,
                    const std::function<ssize_t(int socket)>& step, std::size_t size);
  Result<std::string> sign(const Budget& budget, const Identity& identity, std::string_view data);
  static int sign_for_libssh2(LIBSSH2_SESSION* session, unsigned char** signature,
                              std::size_t* signature_size, const unsigned char* data,
                              std::size_t size, void** abstract);

  FileDescriptor socket_;
  std::optional<Error> problem_;
};

}  // namespace pca
