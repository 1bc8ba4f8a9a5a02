#include "net/ssh_handshake.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

#ifdef __x86_64__
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace pca {

namespace {

constexpr const char* kex_methods =
    "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,"
    "ecdh-sha2-nistp521,diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512,"
    "diffie-hellman-group18-sha512,diffie-hellman-group14-sha256";
constexpr const char* host_key_methods =
    "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,rsa-sha2-512,"
    "rsa-sha2-256";
constexpr const char* aes_first =
    "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-ctr,"
    "aes192-ctr,aes256-ctr";
constexpr const char* chacha_first =
    "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr,"
    "aes192-ctr,aes256-ctr";
constexpr const char* mac_methods =
    "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha2-512";
constexpr const char* signature_methods = "rsa-sha2-512,rsa-sha2-256";

bool cpu_has_aes() {
#ifdef __x86_64__
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_AES) != 0;
#elif defined(__aarch64__)
  constexpr unsigned long hwcap_aes = 1UL << 3U;
  return (getauxval(AT_HWCAP) & hwcap_aes) != 0;
#else
  return false;
#endif
}

const char* ciphers() { return cpu_has_aes() ? aes_first : chacha_first; }

// `first`, then what `all` has besides.
std::string preferring(const std::string& first, const std::string& all) {
  std::vector<std::string> methods = first.empty() ? std::vector<std::string>{} : split(first, ',');
  for (std::string& method : split(all, ',')) {
    if (std::find(methods.begin(), methods.end(), method) == methods.end()) {
      methods.push_back(std::move(method));
    }
  }
  return join(methods, ",");
}

// What two ends could not agree on; empty when there is something.
std::string no_common(const char* what, const std::vector<std::string>& offered,
                      const std::string& wanted) {
  const std::vector<std::string> names = split(wanted, ',');
  for (const std::string& name : offered) {
    if (std::find(names.begin(), names.end(), name) != names.end()) return {};
  }
  return fmt::format("no common {}: the server offers {}; wanted is one of {}", what,
                     visible(cut_utf8(join(offered, ", "), 500)), join(names, ", "));
}

// The exchange of identifications and keys of one session.
class Handshake {
 public:
  Handshake(const Budget& budget, SshTransport& transport, const SshLogin& login, SshFacts& facts)
      : budget_(budget),
        transport_(transport),
        facts_(facts),
        doing_("exchanging keys with " + transport.peer()) {
    const std::string pinned =
        login.pins == nullptr ? std::string() : login.pins->preferred_types(login.host, login.port);
    asked_host_keys_ = login.host_key_methods.empty() ? preferring(pinned, host_key_methods)
                                                      : login.host_key_methods;
  }

  Result<> run() {
    choose_methods();
    const auto step = [this] {
      return libssh2_session_handshake(transport_.raw(), transport_.poll_handle().fd);
    };
    auto code = transport_.complete(budget_, doing_, step);
    note_facts();
    if (!code) return may_pass(std::move(code).error());
    if (*code < 0) return disagreement(*code);
    return {};
  }

 private:
  void choose_methods() {
    const auto prefer = [this](int method, const std::string& names) {
      libssh2_session_method_pref(transport_.raw(), method, names.c_str());
    };
    prefer(LIBSSH2_METHOD_KEX, kex_methods);
    prefer(LIBSSH2_METHOD_HOSTKEY, asked_host_keys_);
    for (const int method : {LIBSSH2_METHOD_CRYPT_CS, LIBSSH2_METHOD_CRYPT_SC}) {
      prefer(method, ciphers());
    }
    for (const int method : {LIBSSH2_METHOD_MAC_CS, LIBSSH2_METHOD_MAC_SC}) {
      prefer(method, mac_methods);
    }
    prefer(LIBSSH2_METHOD_SIGN_ALGO, signature_methods);
  }

  void note_facts() {
    const auto method = [this](int which) {
      const char* name = libssh2_session_methods(transport_.raw(), which);
      return std::string(name == nullptr ? "" : name);
    };
    facts_.server_banner = visible(cut_utf8(transport_.greeting().identification(), 255));
    facts_.offered_host_keys = transport_.greeting().offered(SshGreeting::List::host_key);
    facts_.kex = method(LIBSSH2_METHOD_KEX);
    facts_.cipher = method(LIBSSH2_METHOD_CRYPT_CS);
  }

  // Busy servers drop connections before they have logged in (sshd's MaxStartups), and paths
  // through proxies are flaky at the start. Nothing has happened yet, so another try is safe.
  [[nodiscard]] Error may_pass(Error error) const {
    return error.kind == ErrorKind::unreachable && !transport_.is_stranger()
               ? std::move(error).as_transient()
               : error;
  }

  [[nodiscard]] Error disagreement(int code) const {
    using List = SshGreeting::List;
    const SshGreeting& greeting = transport_.greeting();
    if (greeting.offered(List::kex).empty() || transport_.is_lost()) {
      return may_pass(transport_.problem(code, doing_));
    }
    for (const std::string& problem :
         {no_common("key exchange method", greeting.offered(List::kex), kex_methods),
          no_common("host key type", greeting.offered(List::host_key), asked_host_keys_),
          no_common("cipher", greeting.offered(List::cipher_up), ciphers()),
          no_common("cipher", greeting.offered(List::cipher_down), ciphers()),
          no_common("MAC", greeting.offered(List::mac_up), mac_methods),
          no_common("MAC", greeting.offered(List::mac_down), mac_methods)}) {
      if (problem.empty()) continue;
      return unreachable(fmt::format("{} and this tool have {}", transport_.peer(), problem),
                         "Allow one of these in the server's sshd_config.");
    }
    return may_pass(transport_.problem(code, doing_));
  }

  const Budget& budget_;
  SshTransport& transport_;
  SshFacts& facts_;
  std::string doing_;
  std::string asked_host_keys_;
};

std::string file_of(const HostKey& key) {
  const std::string_view name = key.type == "ssh-ed25519" ? "ed25519"
                                : key.type == "ssh-rsa"   ? "rsa"
                                                          : "ecdsa";
  return fmt::format("/etc/ssh/ssh_host_{}_key.pub", name);
}

Error unknown_key(const SshLogin& login, const HostKey& key) {
  return permission_denied(
      fmt::format("no host key of {} is known; it showed {} {}", visible(login.host), key.type,
                  key.fingerprint()),
      fmt::format("Compare this fingerprint by hand with what `ssh-keygen -lf {}` prints on the "
                  "host itself. If they are equal, add this line to known-hosts:\n{}",
                  file_of(key), key.known_hosts_line(login.host, login.port)));
}

Error wrong_key(const SshLogin& login, const HostKey& key) {
  return permission_denied(
      fmt::format("THE HOST KEY OF {} IS NOT THE PINNED ONE. It showed {} {}; pinned is {}. "
                  "Someone may be reading along, or the host has new keys",
                  visible(login.host), key.type, key.fingerprint(),
                  join(login.pins->describe(login.host, login.port), ", ")),
      fmt::format(
          "Do not go on before you know which. Only if `ssh-keygen -lf {}` prints the shown "
          "fingerprint on the host itself, replace the pin by this line:\n{}",
          file_of(key), key.known_hosts_line(login.host, login.port)));
}

Error revoked_key(const SshLogin& login, const HostKey& key) {
  return permission_denied(
      fmt::format("{} showed the host key {} {}, which known-hosts marks as @revoked",
                  visible(login.host), key.type, key.fingerprint()),
      "Give the host new keys, or find out who answers in its place.");
}

}  // namespace

std::vector<std::string> usable_host_key_methods() { return split(host_key_methods, ','); }

Result<> exchange_keys(const Budget& budget, SshTransport& transport, const SshLogin& login,
                       SshFacts& facts) {
  return Handshake(budget, transport, login, facts).run();
}

Result<> check_host_key(SshTransport& transport, const SshLogin& login, SshFacts& facts) {
  std::size_t size = 0;
  int type = 0;
  const char* blob = libssh2_session_hostkey(transport.raw(), &size, &type);
  if (blob == nullptr) {
    return unreachable(transport.peer() + " showed no host key", "Check host and port.");
  }
  facts.host_key = HostKey::from_blob(std::string(blob, size));
  const HostKey& key = facts.host_key;
  if (login.pins != nullptr) facts.verdict = login.pins->judge(login.host, login.port, key);
  switch (facts.verdict) {
    case HostKeyVerdict::trusted:
      return {};
    case HostKeyVerdict::revoked:
      return revoked_key(login, key);
    case HostKeyVerdict::mismatch:
      if (login.policy == HostKeyPolicy::insecure) return {};
      return wrong_key(login, key);
    case HostKeyVerdict::unknown:
      if (login.policy != HostKeyPolicy::strict) return {};
      return unknown_key(login, key);
  }
  return tool_bug("a verdict on a host key that does not exist");
}

}  // namespace pca
