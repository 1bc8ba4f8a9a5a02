#pragma once

#include "cli/connection_inputs.hpp"
#include "cli/tool_main.hpp"
#include "net/connect.hpp"

namespace pca::tunnel_ssh {

// What the commands share on the way to a host.

// Enough for all the tries that one connection may take.
[[nodiscard]] Budget connect_budget(const ConnectionSettings& settings,
                                    const std::stop_token& stop);
// For an orderly end of what has done its work: a peer that does not answer it holds nobody up.
[[nodiscard]] inline Budget farewell() { return Budget::of(Milliseconds{1000}); }
// Which sshd has to bear the start of a connection to `host`: the first jump's, else its own. For
// a StartGate, with how many starts at once it is to let through.
inline constexpr std::size_t starts_at_once = 8;
[[nodiscard]] std::string gate_address(const ConnectionSettings& settings, const HostAddress& host);

}  // namespace pca::tunnel_ssh
