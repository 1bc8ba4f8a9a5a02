#include "net/session_identity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "net/ssh_key.hpp"
#include "net/ssh_wire.hpp"

namespace pca {

namespace {

// Texts one after the other, so that no two lists read the same.
class Canonical {
 public:
  Canonical& add(std::string_view text) {
    append_wire_string(text_, text);
    return *this;
  }
  Canonical& add_whether(bool given) { return add(std::string_view(given ? "given" : "")); }
  [[nodiscard]] std::string digest() const { return to_hex(sha256(text_)); }

 private:
  std::string text_;
};

HostAddress with_user(HostAddress address, const std::string& user) {
  if (address.user.empty()) address.user = user;
  address.name = to_lower(address.name);
  return address;
}

Result<std::string> key_digest(const Secret& key, const Secret& passphrase) {
  if (key.empty()) return std::string();
  PCA_TRY(const std::string half, public_half(key, passphrase));
  return to_hex(sha256(half));
}

std::string absolute(const std::string& path) {
  if (path.empty()) return path;
  std::error_code unreadable;
  return std::filesystem::absolute(path, unreadable).lexically_normal().native();
}

std::string way_digest(const ConnectionSettings& settings) {
  const AccessSettings& access = settings.access;
  Canonical way;
  way.add_whether(settings.via == Via::access);
  if (settings.via != Via::access) return way.digest();
  way.add(to_lower(access.hostname)).add(std::to_string(access.port)).add(access.path);
  way.add(access.client_id).add_whether(!access.token.empty()).add(access.destination);
  way.add(absolute(access.ca_file)).add(access.connect_to);
  return way.digest();
}

std::string policy_name(HostKeyPolicy policy) { return std::to_string(static_cast<int>(policy)); }

}  // namespace

std::string SessionIdentity::digest() const {
  Canonical all;
  all.add(host.text());
  for (const Part& part : parts) all.add(part.input).add(part.digest);
  return all.digest();
}

std::vector<std::string> SessionIdentity::differences(const SessionIdentity& other) const {
  std::vector<std::string> inputs;
  for (const Part& part : parts) {
    if (std::find(other.parts.begin(), other.parts.end(), part) == other.parts.end()) {
      inputs.push_back(part.input);
    }
  }
  return inputs;
}

namespace {

// Of a session with `host`, by way of the first `jumps` jump hosts. `own` is the hop that it is
// itself, with a key of its own perhaps, which then is all that it logs in with.
Result<SessionIdentity> identity_of(const ConnectionSettings& settings, const HostAddress& host,
                                    std::size_t jumps, const ConnectionSettings::Hop* own) {
  SessionIdentity identity{with_user(host, settings.user), {}};
  const auto part = [&](const char* input, const Canonical& value) {
    identity.parts.push_back({input, value.digest()});
  };
  const bool has_own_key = own != nullptr && !own->key.empty();
  identity.parts.push_back({"via", way_digest(settings)});
  PCA_TRY(const std::string key, has_own_key ? key_digest(own->key, own->passphrase)
                                             : key_digest(settings.key, settings.passphrase));
  part("key", Canonical().add(key));
  part("password", Canonical().add_whether(own == nullptr && !settings.password.empty()));
  part("certificate", Canonical().add(has_own_key ? std::string() : settings.certificate));
  part("agent", Canonical().add(has_own_key ? std::string() : settings.agent_socket));
  part("known-hosts", Canonical().add(settings.pins.digest()));
  part("host-key-policy", Canonical().add(policy_name(settings.policy)));
  Canonical way;
  for (std::size_t i = 0; i < jumps; ++i) {
    const ConnectionSettings::Hop& jump = settings.jumps[i];
    PCA_TRY(const std::string jump_key, key_digest(jump.key, jump.passphrase));
    way.add(with_user(jump.address, settings.user).text()).add(jump_key);
  }
  part("jump", way);
  return identity;
}

}  // namespace

Result<SessionIdentity> session_identity(const ConnectionSettings& settings,
                                         const HostAddress& host) {
  return identity_of(settings, host, settings.jumps.size(), nullptr);
}

Result<SessionIdentity> last_jump_identity(const ConnectionSettings& settings) {
  const ConnectionSettings::Hop& last = settings.jumps.back();
  return identity_of(settings, last.address, settings.jumps.size() - 1, &last);
}

}  // namespace pca
