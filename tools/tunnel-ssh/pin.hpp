#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/tool_main.hpp"
#include "net/host_key.hpp"

namespace pca::tunnel_ssh {

// `tunnel-ssh pin`: prints the host's keys, to be compared by hand; never logs in.
Result<int> run_pin(ToolContext& context, Inputs inputs, BadInputs& bad);

// Which host key methods to ask for, one handshake each, so that every type the server offers and
// we can check is seen once: RSA has several methods for one key; certificates are left out.
[[nodiscard]] std::vector<std::string> methods_to_ask(const std::vector<std::string>& offered);

}  // namespace pca::tunnel_ssh
