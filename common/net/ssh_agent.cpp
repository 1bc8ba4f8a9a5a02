#include "net/ssh_agent.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "base/system_error.hpp"
#include "base/text.hpp"
#include "net/ssh_wire.hpp"

namespace pca {

namespace {

constexpr std::uint8_t request_identities = 11;
constexpr std::uint8_t identities_answer = 12;
constexpr std::uint8_t sign_request = 13;
constexpr std::uint8_t sign_response = 14;
constexpr std::size_t rsa_sha2_256 = 2;  // flags of a sign request
constexpr std::size_t rsa_sha2_512 = 4;
constexpr std::size_t longest_message = 262'144;  // as OpenSSH's agent
constexpr std::size_t most_identities = 1000;

Error no_agent(const std::string& path, const std::string& why) {
  return permission_denied(fmt::format("cannot reach the ssh-agent at {}: {}", visible(path), why),
                           "Check SSH_AUTH_SOCK, or give the key itself.");
}

Error bad_answer() { return failed("the ssh-agent gave an answer that makes no sense"); }

// What libssh2 wants signed is the login request of RFC 4252 section 7; the algorithm it chose
// stands in there and nowhere else.
std::optional<std::string_view> algorithm_of(std::string_view request) {
  WireReader reader(request);
  reader.string();  // session id
  reader.byte();    // SSH_MSG_USERAUTH_REQUEST
  reader.string();  // user
  reader.string();  // service
  reader.string();  // "publickey"
  reader.byte();    // TRUE
  return reader.string();
}

std::size_t flags_for(std::string_view algorithm) {
  if (algorithm.starts_with("rsa-sha2-512")) return rsa_sha2_512;
  if (algorithm.starts_with("rsa-sha2-256")) return rsa_sha2_256;
  return 0;
}

}  // namespace

// What a signature callback needs to know.
struct SshAgent::Signing {
  const Budget& budget;
  SshTransport& transport;
  const Identity& identity;
  SshAgent& agent;
};

Result<SshAgent> SshAgent::connect(const Budget& budget, const std::string& socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof(address.sun_path)) {
    return no_agent(socket_path, "its path is too long for a socket");
  }
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  PCA_CHECK(budget.check("connecting to the ssh-agent"));
  FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.is_open() ||
      ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return no_agent(socket_path, errno_text(errno));
  }
  return SshAgent(std::move(socket));
}

Result<> check_agent(const std::string& socket_path) {
  PCA_CHECK(SshAgent::connect(Budget::of(Milliseconds{1000}), socket_path));
  return {};
}

Result<> SshAgent::transfer(const Budget& budget, short events,
                            const std::function<ssize_t(int socket)>& step, std::size_t size) {
  while (size > 0) {
    const ssize_t moved = step(socket_.get());
    if (moved > 0) {
      size -= static_cast<std::size_t>(moved);
    } else if (moved == 0) {
      return failed("the ssh-agent hung up");
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      const PollHandle handle{socket_.get(), events};
      PCA_CHECK(wait_ready(budget, {&handle, 1}, budget.deadline(), "waiting for the ssh-agent"));
    } else if (errno != EINTR) {
      return failed("the connection to the ssh-agent broke: " + errno_text(errno));
    }
  }
  return {};
}

Result<std::string> SshAgent::ask(const Budget& budget, const std::string& message,
                                  std::uint8_t expected) {
  std::string out;
  append_wire_string(out, message);
  std::size_t done = 0;
  PCA_CHECK(transfer(
      budget, POLLOUT,
      [&](int socket) {
        const ssize_t sent = ::send(socket, out.data() + done, out.size() - done, MSG_NOSIGNAL);
        if (sent > 0) done += static_cast<std::size_t>(sent);
        return sent;
      },
      out.size()));

  const auto receive = [&](std::size_t size) -> Result<std::string> {
    std::string in(size, '\0');
    std::size_t filled = 0;
    PCA_CHECK(transfer(
        budget, POLLIN,
        [&](int socket) {
          const ssize_t got = ::recv(socket, in.data() + filled, in.size() - filled, 0);
          if (got > 0) filled += static_cast<std::size_t>(got);
          return got;
        },
        size));
    return in;
  };
  PCA_TRY(const std::string header, receive(4));
  const std::size_t size = *WireReader(header).number();
  if (size == 0 || size > longest_message) return bad_answer();
  PCA_TRY(std::string answer, receive(size));
  if (static_cast<std::uint8_t>(answer[0]) != expected) {
    return failed("the ssh-agent refused (it may be locked, or its user said no)");
  }
  answer.erase(0, 1);
  return answer;
}

Result<std::vector<SshAgent::Identity>> SshAgent::identities(const Budget& budget) {
  PCA_TRY(const std::string answer,
          ask(budget, std::string(1, static_cast<char>(request_identities)), identities_answer));
  WireReader reader(answer);
  const auto count = reader.number();
  if (!count || *count > most_identities) return bad_answer();
  std::vector<Identity> found;
  for (std::uint32_t i = 0; i < *count; ++i) {
    const auto key = reader.string();
    const auto comment = reader.string();
    if (!key || !comment) return bad_answer();
    found.push_back({std::string(*key), std::string(*comment)});
  }
  return found;
}

Result<std::string> SshAgent::sign(const Budget& budget, const Identity& identity,
                                   std::string_view data) {
  const auto algorithm = algorithm_of(data);
  if (!algorithm) return tool_bug("a login request without an algorithm is to be signed");
  std::string message(1, static_cast<char>(sign_request));
  append_wire_string(message, identity.key);
  append_wire_string(message, data);
  append_wire_number(message, flags_for(*algorithm));
  PCA_TRY(const std::string answer, ask(budget, message, sign_response));
  const auto signature = WireReader(answer).string();
  if (!signature) return bad_answer();
  WireReader reader(*signature);
  const auto format = reader.string();
  if (!format || !algorithm->starts_with(*format)) {
    return failed(fmt::format("the ssh-agent signed with {} instead of {}",
                              visible(format.value_or("nothing")), visible(*algorithm)));
  }
  // libssh2 writes the format itself. A hardware key's signature has more than the one field.
  if (format->starts_with("sk-")) return std::string(reader.rest());
  const auto bytes = reader.string();
  if (!bytes) return bad_answer();
  return std::string(*bytes);
}

int SshAgent::sign_for_libssh2(LIBSSH2_SESSION* /*session*/, unsigned char** signature,
                               std::size_t* signature_size, const unsigned char* data,
                               std::size_t size, void** abstract) {
  const Signing& signing = *static_cast<Signing*>(*abstract);
  const auto made = signing.agent.sign(signing.budget, signing.identity,
                                       {reinterpret_cast<const char*>(data), size});
  if (!made) {
    signing.agent.problem_ = made.error();
    return -1;
  }
  *signature = static_cast<unsigned char*>(signing.transport.allocate(made->size()));
  if (*signature == nullptr) return -1;
  std::memcpy(*signature, made->data(), made->size());
  *signature_size = made->size();
  return 0;
}

int SshAgent::log_in(const Budget& budget, SshTransport& transport, const std::string& user,
                     const Identity& identity) {
  Signing signing{budget, transport, identity, *this};
  void* abstract = &signing;
  return libssh2_userauth_publickey(transport.raw(), user.c_str(),
                                    reinterpret_cast<const unsigned char*>(identity.key.data()),
                                    identity.key.size(), sign_for_libssh2, &abstract);
}

}  // namespace pca
