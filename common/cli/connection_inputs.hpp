#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cli/inputs.hpp"
#include "cli/tool_main.hpp"
#include "net/connect.hpp"

namespace pca {

// Whether a command takes several hosts or exactly one.
enum class Hosts : std::uint8_t { many, one };

// The connection options that every tool that reaches a host takes, in README order.
[[nodiscard]] std::vector<Option> connection_options(Hosts hosts = Hosts::many);

// Whether the command logs in to the hosts themselves, or only to the jump hosts on the way.
enum class Login : std::uint8_t { hosts, jumps_only };

// Reads and checks them, contacting nothing: keys are repaired (told by `say`), passphrases tried,
// pins parsed, addresses split, files read. All mistakes go to `bad`; the settings are only good
// when it stays empty. Besides the inputs only SSH_AUTH_SOCK is read, and only for `agent: true`.
[[nodiscard]] ConnectionSettings read_connection(Inputs& inputs, Redactor& redactor, BadInputs& bad,
                                                 const std::function<void(std::string)>& say,
                                                 Login login = Login::hosts);

// The same, with repairs told to the log and the sessions of this job.
[[nodiscard]] ConnectionSettings read_connection_inputs(ToolContext& context, Inputs& inputs,
                                                        BadInputs& bad, Login login = Login::hosts);
// Tells warnings, new tries and (with --debug) each phase to the log. Borrows the reporter.
[[nodiscard]] ConnectObserver log_observer(Reporter& reporter, const ConnectionSettings& settings);

// Where the sessions of this job are: in RUNNER_TEMP; outside of Actions in XDG_RUNTIME_DIR, else
// in a folder of this user's for temporary files.
[[nodiscard]] std::string find_session_folder(const Environment& environment);

}  // namespace pca
