#include "proxmox-deploy/guest_address.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/backoff.hpp"
#include "base/text.hpp"
#include "net/host_address.hpp"
#include "proxmox-deploy/property_string.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr std::array<std::string_view, 9> inner_interfaces{
    "lo", "docker", "veth", "br-", "virbr", "cni", "flannel", "cali", "lxcbr"};
constexpr Milliseconds look_pause_ms{200};
constexpr std::size_t most_listed = 10;

bool is_inner(std::string_view name) {
  return std::any_of(inner_interfaces.begin(), inner_interfaces.end(),
                     [&](std::string_view inner) { return name.starts_with(inner); });
}

bool is_usable(const std::string& address) {
  return is_ip_address(address) && address != "127.0.0.1" && address != "::1" &&
         !address.starts_with("169.254.") && !to_lower(address).starts_with("fe80:");
}

const Json::Array* list_of(const Json& interfaces) {
  const Json* result = interfaces.find("result");
  return result == nullptr ? interfaces.as_array() : result->as_array();
}

// Of one interface, the wanted kind.
std::string address_in(const Json& interface, IpVersion version) {
  std::string v6;
  const Json* addresses = interface.find("ip-addresses");
  if (addresses == nullptr || addresses->as_array() == nullptr) return {};
  for (const Json& one : *addresses->as_array()) {
    const std::string address = one.text_of("ip-address");
    if (!is_usable(address)) continue;
    const bool is_v6 = address.find(':') != std::string::npos;
    if (!is_v6 && version != IpVersion::v6) return address;
    if (is_v6 && version != IpVersion::v4 && v6.empty()) v6 = address;
  }
  return v6;
}

}  // namespace

std::string choose_address(const Json& interfaces, const std::vector<std::string>& macs,
                           const AddressRules& rules) {
  const Json::Array* list = list_of(interfaces);
  if (list == nullptr) return {};
  if (!rules.interface.empty()) {
    for (const Json& one : *list) {
      if (one.text_of("name") == rules.interface) return address_in(one, rules.version);
    }
    return {};
  }
  for (const std::string& mac : macs) {
    for (const Json& one : *list) {
      if (to_upper(one.text_of("hardware-address")) != mac) continue;
      std::string address = address_in(one, rules.version);
      if (!address.empty()) return address;
    }
  }
  for (const Json& one : *list) {
    // A bridge or a bond in the guest has the MAC of what is in it, or one of its own.
    if (is_inner(one.text_of("name"))) continue;
    std::string address = address_in(one, rules.version);
    if (!address.empty()) return address;
  }
  return {};
}

std::string list_addresses(const Json& interfaces) {
  const Json::Array* list = list_of(interfaces);
  std::vector<std::string> out;
  if (list == nullptr) return {};
  for (const Json& one : *list) {
    const Json* addresses = one.find("ip-addresses");
    if (addresses == nullptr || addresses->as_array() == nullptr) continue;
    for (const Json& address : *addresses->as_array()) {
      if (out.size() == most_listed) break;
      out.push_back(visible(one.text_of("name") + " " + address.text_of("ip-address")));
    }
  }
  return join(out, ", ");
}

std::string static_address(std::string_view ip_config, IpVersion version) {
  const PropertyString parts(ip_config);
  const auto of = [&](std::string_view key) {
    const std::string value = parts.get(key);
    const std::string address = value.substr(0, value.find('/'));
    return is_ip_address(address) ? address : std::string();
  };
  std::string v4 = version == IpVersion::v6 ? std::string() : of("ip");
  return v4.empty() && version != IpVersion::v4 ? of("ip6") : v4;
}

ApiResult<std::string> wait_for_address(const Budget& budget, ProxmoxApi& api, const Guest& guest,
                                        const std::vector<std::string>& macs,
                                        const AddressRules& rules) {
  const ApiRequest request{
      .path = guest_path(guest.node, guest.type, guest.vmid,
                         guest.type == "lxc" ? "/interfaces" : "/agent/network-get-interfaces"),
      .node = guest.node};
  std::string last = "it was not asked yet";
  while (true) {
    const auto answer = api.ask(budget, request);
    if (answer) {
      std::string address = choose_address(*answer, macs, rules);
      if (!address.empty()) return address;
      const std::string others = list_addresses(*answer);
      last = others.empty() ? "the guest has no address yet"
                            : fmt::format("the guest has no address to use (it has {})", others);
    } else {
      const ApiFailure& failure = answer.error();
      const bool is_starting = failure.trouble == Trouble::agent_away ||
                               failure.trouble == Trouble::busy ||
                               failure.message.find("is not running") != std::string::npos;
      const bool is_over = budget.is_over() && failure.kind == ErrorKind::unreachable;
      if (!is_starting && !is_over) return failure;
      if (is_starting) last = failure.message;
    }
    if (pause_for(budget, look_pause_ms)) continue;
    if (budget.is_cancelled()) {
      return {ApiFailure(cancelled("cancelled while waiting for the address of the guest"))};
    }
    return {ApiFailure(unreachable(
        fmt::format("no address of guest {} came in time: {}", guest.text(), last),
        "Check that qemu-guest-agent starts in the template and that its network comes up; or give "
        "ip-config with a fixed address, which needs no agent."))};
  }
}

}  // namespace pca::proxmox_deploy
