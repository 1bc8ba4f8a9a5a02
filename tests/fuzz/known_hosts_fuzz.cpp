// known_hosts text and fingerprints: parsing and judging never break, revoked keys are never
// trusted, and the line that is printed for a key vouches for it. The first line of the input is a
// host name, the rest known_hosts.

#include <algorithm>
#include <string>

#include "base/digest.hpp"
#include "fuzz/fuzz.hpp"
#include "net/host_key.hpp"
#include "net/ssh_wire.hpp"

namespace pca::fuzz {
namespace {

HostKey some_key() {
  std::string blob;
  append_wire_string(blob, "ssh-ed25519");
  append_wire_string(blob, std::string(32, 'k'));
  return HostKey::from_blob(blob);
}

void check(const std::string& host, const std::string& known_hosts) {
  const auto pins = HostKeyPins::parse(known_hosts, {});
  if (!pins) {
    require(pins.error().kind == ErrorKind::bad_input, "a mistake is bad input");
    require(pins.error().message.starts_with("known-hosts"), "a mistake names its place");
    return;
  }
  const HostKey key = some_key();
  for (const std::uint16_t port : {std::uint16_t{22}, std::uint16_t{2222}}) {
    const HostKeyVerdict before = pins->judge(host, port, key);
    require(before != HostKeyVerdict::mismatch || pins->knows(host, port),
            "only a known host can mismatch");
    require(pins->preferred_types(host, port).empty() || pins->knows(host, port),
            "only a known host has types");
    static_cast<void>(pins->check_host(host, port));
    static_cast<void>(pins->describe(host, port));
    const auto revoked =
        HostKeyPins::parse(known_hosts + "\n@revoked * " + key.known_hosts_line("", 22).substr(1),
                           {key.fingerprint()});
    require(!revoked || revoked->judge(host, port, key) == HostKeyVerdict::revoked,
            "a revoked key is never trusted");
  }
}

// A name as an address can have it.
void check_own_line(const std::string& host) {
  const bool is_name =
      !host.empty() && host.size() < 256 && std::all_of(host.begin(), host.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == ':';
      });
  if (!is_name) return;
  const HostKey key = some_key();
  for (const std::uint16_t port : {std::uint16_t{22}, std::uint16_t{2222}}) {
    const auto pins = HostKeyPins::parse(key.known_hosts_line(host, port), {});
    require(pins.has_value(), "the line that is printed can be pasted");
    require(pins->judge(host, port, key) == HostKeyVerdict::trusted, "and vouches for the key");
  }
}

}  // namespace
}  // namespace pca::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pca;
  const std::string_view input = fuzz::text_of(data, size);
  const std::size_t end = std::min(input.find('\n'), input.size());
  const std::string host(input.substr(0, end));
  fuzz::check(host, std::string(input.substr(std::min(end + 1, input.size()))));
  fuzz::check_own_line(host);
  static_cast<void>(HostKeyPins::parse("", {std::string(input)}));
  return 0;
}
