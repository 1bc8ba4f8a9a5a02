#include "net/ssh_auth.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "net/ssh_agent.hpp"
#include "net/ssh_key.hpp"

namespace pca {

namespace {

constexpr std::size_t most_agent_keys = 5;  // sshd hangs up after 6 failures

// One login in progress: what was tried, and what the server said to it.
class Authentication {
 public:
  Authentication(const Budget& budget, SshTransport& transport, const SshLogin& login)
      : budget_(budget),
        transport_(transport),
        login_(login),
        doing_(fmt::format("logging in as {}", visible(login.user))) {}

  Result<std::string> run() {
    // Only a password needs the list of methods, because there are two ways to give it; asked first
    // it costs nothing but a round trip, later it counts as a failed try.
    if (!login_.password.empty()) {
      PCA_TRY(const bool done, ask_for_methods());
      if (done) return std::string("none");
    }
    if (!login_.key.empty() && !login_.certificate.empty()) {
      PCA_TRY(const bool done, try_key(login_.certificate));
      if (done) return by_key("certificate");
    }
    if (!login_.key.empty()) {
      PCA_TRY(const bool done, try_key({}));
      if (done) return by_key();
    }
    if (!login_.agent_socket.empty()) {
      PCA_TRY(const bool done, try_agent());
      if (done) return std::string("publickey (agent)");
    }
    if (!login_.password.empty()) {
      PCA_TRY(const bool done, try_password());
      if (done) return last_tried_;
    }
    return refused();
  }

 private:
  // Whether the server let us in; false: it refused this way.
  Result<bool> attempt(std::string what, const std::function<int()>& step) {
    last_tried_ = what;
    tried_.push_back(std::move(what));
    auto code = transport_.complete(budget_, doing_, step);
    if (!code) return refused_if_ended(std::move(code).error());
    switch (*code) {
      case 0:
        return true;
      case LIBSSH2_ERROR_AUTHENTICATION_FAILED:
      case LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED:
        if (transport_.is_lost()) return refused_if_ended(transport_.lost(doing_));
        if (has_failed_to_sign()) {
          tried_.back() +=
              " (no signature was made that this server takes: it is too old for RSA "
              "keys with SHA-2)";
        }
        return false;
      case LIBSSH2_ERROR_METHOD_NONE:
      case LIBSSH2_ERROR_ALGO_UNSUPPORTED:
        tried_.back() += " (the server takes no signature of this kind)";
        return false;
      case LIBSSH2_ERROR_FILE:
      case LIBSSH2_ERROR_KEYFILE_AUTH_FAILED:
        return permission_denied("the private key cannot be used", "Check key and passphrase.");
      default:
        return refused_if_ended(transport_.problem(*code, doing_));
    }
  }

  // Both ends refusing look the same to libssh2's caller but for the words.
  [[nodiscard]] bool has_failed_to_sign() const {
    char* text = nullptr;
    libssh2_session_last_error(transport_.raw(), &text, nullptr, 0);
    return text != nullptr && std::string_view(text) == "Callback returned error";
  }

  Result<bool> ask_for_methods() {
    const auto size = static_cast<unsigned>(login_.user.size());
    auto code = transport_.complete(budget_, doing_, [&] {
      const char* list = libssh2_userauth_list(transport_.raw(), login_.user.c_str(), size);
      if (list == nullptr) return transport_.last_code();
      offered_ = split(visible(list), ',');
      return 0;
    });
    if (!code) return refused_if_ended(std::move(code).error());
    if (libssh2_userauth_authenticated(transport_.raw()) != 0) return true;
    if (*code < 0) return refused_if_ended(transport_.problem(*code, doing_));
    return false;
  }

  Result<bool> try_key(std::string_view certificate) {
    const std::string public_key(trim(certificate));
    const std::string_view key = login_.key.expose();
    // Never a null pointer: libcrypto would ask for the passphrase on the terminal.
    std::string passphrase(login_.passphrase.expose());
    auto result = attempt(certificate.empty() ? "key" : "key with certificate", [&] {
      return libssh2_userauth_publickey_frommemory(
          transport_.raw(), login_.user.c_str(), login_.user.size(), public_key.data(),
          public_key.size(), key.data(), key.size(), passphrase.c_str());
    });
    wipe(passphrase);
    return result;
  }

  Result<bool> try_agent() {
    PCA_TRY(SshAgent agent, SshAgent::connect(budget_, login_.agent_socket));
    PCA_TRY(const auto identities, agent.identities(budget_));
    std::size_t count = 0;
    for (const SshAgent::Identity& identity : identities) {
      if (++count > most_agent_keys) {
        untried_keys_ = identities.size() - most_agent_keys;
        break;
      }
      PCA_TRY(const bool done, attempt(fmt::format("agent key {}", visible(identity.comment)), [&] {
                return agent.log_in(budget_, transport_, login_.user, identity);
              }));
      if (done) return true;
      if (agent.problem()) return *agent.problem();
    }
    if (identities.empty()) tried_.emplace_back("agent (it holds no keys)");
    return false;
  }

  Result<bool> try_password() {
    const std::string_view password = login_.password.expose();
    const auto user_size = static_cast<unsigned>(login_.user.size());
    if (!takes_passwords() && !tried_.empty()) {
      // A key may have been accepted as the first of two factors; then the server now wants
      // another.
      PCA_TRY(const bool done, ask_for_methods());
      if (done) return true;
    }
    if (offers("password")) {
      return attempt("password", [&] {
        return libssh2_userauth_password_ex(transport_.raw(), login_.user.c_str(), user_size,
                                            password.data(), static_cast<unsigned>(password.size()),
                                            nullptr);
      });
    }
    if (!takes_passwords()) {
      tried_.emplace_back("no password (the server takes none)");
      return false;
    }
    transport_.answer_prompt_with(&login_.password);
    auto result = attempt("keyboard-interactive", [&] {
      return libssh2_userauth_keyboard_interactive_ex(transport_.raw(), login_.user.c_str(),
                                                      user_size, SshTransport::answer_prompt);
    });
    transport_.answer_prompt_with(nullptr);
    return result;
  }

  [[nodiscard]] bool takes_passwords() const {
    return offers("password") || offers("keyboard-interactive");
  }
  [[nodiscard]] bool offers(std::string_view method) const {
    return std::find(offered_.begin(), offered_.end(), method) != offered_.end();
  }

  // "publickey (ed25519, certificate)"
  [[nodiscard]] std::string by_key(const std::string& with = "") const {
    std::vector<std::string> details;
    if (auto key = repair_key(login_.key.expose())) {
      if (!key->type.empty()) details.push_back(key->type);
      wipe(key->text);
    }
    if (!with.empty()) details.push_back(with);
    return details.empty() ? "publickey" : fmt::format("publickey ({})", join(details, ", "));
  }

  [[nodiscard]] Error refused() const {
    if (tried_.empty()) {
      return bad_input(fmt::format("nothing to log in to {} with", transport_.peer()),
                       "Give a key, an agent or a password.");
    }
    std::string message = fmt::format("{} refused the login of {} (tried: {})", transport_.peer(),
                                      visible(login_.user), join(tried_, ", "));
    if (!offered_.empty()) message += fmt::format("; it takes {}", join(offered_, ", "));
    if (untried_keys_ > 0) {
      message += fmt::format("; {} more of the agent's keys {} not tried", untried_keys_,
                             untried_keys_ == 1 ? "was" : "were");
      return permission_denied(
          std::move(message),
          fmt::format("Use an agent that holds only the right key, add that one first, or give it "
                      "as the input key: no more than {} of an agent's keys are tried, because "
                      "sshd hangs up after 6 failures.",
                      most_agent_keys));
    }
    return permission_denied(std::move(message),
                             "Check user and key, and that the public key is in the user's "
                             "~/.ssh/authorized_keys on the host.");
  }

  // A server that hangs up on a login has refused it.
  [[nodiscard]] Error refused_if_ended(Error error) const {
    if (!transport_.farewell().empty()) error.kind = ErrorKind::permission;
    return error;
  }

  const Budget& budget_;
  SshTransport& transport_;
  const SshLogin& login_;
  std::string doing_;
  std::vector<std::string> tried_;
  std::string last_tried_;
  std::size_t untried_keys_ = 0;  // of the agent
  std::vector<std::string> offered_;
};

}  // namespace

Result<std::string> authenticate(const Budget& budget, SshTransport& transport,
                                 const SshLogin& login) {
  if (login.user.empty()) {
    return bad_input(fmt::format("no user to log in to {} as", transport.peer()),
                     "Set the input user, or write user@host.");
  }
  return Authentication(budget, transport, login).run();
}

}  // namespace pca
