#pragma once

#include "cli/inputs.hpp"
#include "cli/options.hpp"
#include "sandbox/edge_settings.hpp"
#include "sandbox/github_server.hpp"

namespace pca::sandbox {

[[nodiscard]] ToolSpec sandbox_spec();

// Checks what was given; every mistake goes to `bad`, and the settings are good only without any.
[[nodiscard]] EdgeSettings read_edge_settings(Inputs& inputs, BadInputs& bad);
[[nodiscard]] GithubSettings read_github_settings(Inputs& inputs, BadInputs& bad);

struct DelaySettings {
  LoopbackAddress listen;
  LoopbackAddress target;
  std::chrono::milliseconds round_trip{0};
};
[[nodiscard]] DelaySettings read_delay_settings(const Inputs& inputs, BadInputs& bad);

}  // namespace pca::sandbox
