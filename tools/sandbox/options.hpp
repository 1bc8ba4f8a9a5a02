#pragma once

#include "cli/inputs.hpp"
#include "cli/options.hpp"
#include "sandbox/api_server.hpp"
#include "sandbox/compass_state.hpp"
#include "sandbox/edge_settings.hpp"
#include "sandbox/github_state.hpp"
#include "sandbox/proxmox_server.hpp"

namespace pca::sandbox {

[[nodiscard]] ToolSpec sandbox_spec();

// Checks what was given; every mistake goes to `bad`, and the settings are good only without any.
[[nodiscard]] EdgeSettings read_edge_settings(Inputs& inputs, BadInputs& bad);
[[nodiscard]] ApiSettings read_api_settings(const Inputs& inputs, FaultServer server,
                                            BadInputs& bad);
[[nodiscard]] GithubWorld read_github_world(Inputs& inputs, BadInputs& bad);
[[nodiscard]] CompassWorld read_compass_world(Inputs& inputs);

[[nodiscard]] ProxmoxSettings read_proxmox_settings(Inputs& inputs, BadInputs& bad);

struct DelaySettings {
  LoopbackAddress listen;
  LoopbackAddress target;
  std::chrono::milliseconds round_trip{0};
};
[[nodiscard]] DelaySettings read_delay_settings(const Inputs& inputs, BadInputs& bad);

}  // namespace pca::sandbox
