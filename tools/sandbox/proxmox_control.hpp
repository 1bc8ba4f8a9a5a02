#pragma once

#include <string_view>

#include "sandbox/proxmox_api.hpp"

namespace pca::sandbox::proxmox {

// All that a failed deploy has to leave as it was: no times, no task, nothing that changes by
// itself.
[[nodiscard]] Json state_of(Cluster& cluster);

// What tests ask of the sandbox itself, below /sandbox/. Failures are 400 with a word, or 404.
[[nodiscard]] Outcome<> control(Cluster& cluster, const Api& api, std::string_view method,
                                std::string_view path, std::string_view body);

}  // namespace pca::sandbox::proxmox
