#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "proxmox-deploy/cluster_view.hpp"

namespace pca::proxmox_deploy {

// When a guest counts as healthy: all checks that are given, several times in a row.
struct HealthRules {
  std::string url;         // answers with 2xx; {ip} stands for the guest's address
  std::uint16_t port = 0;  // takes connections at the guest's address; 0 = none
  std::string command;     // of sh in the guest, by its agent; empty = none
  Milliseconds timeout{120'000};
  int successes = 2;
  Milliseconds pause{500};

  [[nodiscard]] bool is_needed() const { return !url.empty() || port != 0 || !command.empty(); }
  [[nodiscard]] bool needs_address() const { return !url.empty() || port != 0; }
};

// The url for this address, in brackets where it needs them.
[[nodiscard]] std::string health_url(const std::string& url, const std::string& address);

// http or https, with a host.
[[nodiscard]] bool is_web_address(std::string_view url);

// Waits until the guest is healthy: "2 checks in a row after 1.4 s". Errors: failed, with what the
// last check said; those of the API.
[[nodiscard]] ApiResult<std::string> wait_until_healthy(const Budget& budget, ProxmoxApi& api,
                                                        const Guest& guest,
                                                        const std::string& address,
                                                        const HealthRules& rules);

}  // namespace pca::proxmox_deploy
