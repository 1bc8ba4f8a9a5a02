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

Result<SessionIdentity> session_identity(const ConnectionSettings& settings,
                                         const HostAddress& host) {
  SessionIdentity identity{with_user(host, settings.user), {}};
  const auto part = [&](const char* input, const Canonical& value) {
    identity.parts.push_back({input, value.digest()});
  };
  identity.parts.push_back({"via", way_digest(settings)});
  PCA_TRY(const std::string key, key_digest(settings.key, settings.passphrase));
  part("key", Canonical().add(key));
  part("password", Canonical().add_whether(!settings.password.empty()));
  part("certificate", Canonical().add(settings.certificate));
  part("agent", Canonical().add(settings.agent_socket));
  part("known-hosts", Canonical().add(settings.pins.digest()));
  part("host-key-policy", Canonical().add(policy_name(settings.policy)));
  Canonical jumps;
  for (const ConnectionSettings::Hop& jump : settings.jumps) {
    PCA_TRY(const std::string own_key, key_digest(jump.key, jump.passphrase));
    jumps.add(with_user(jump.address, settings.user).text()).add(own_key);
  }
  part("jump", jumps);
  return identity;
}

}  // namespace pca
