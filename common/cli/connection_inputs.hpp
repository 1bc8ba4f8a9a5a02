#pragma once

#include <vector>

#include "cli/inputs.hpp"
#include "net/connect.hpp"

namespace pca {

// The connection options that every tool that reaches a host takes, in README order.
[[nodiscard]] std::vector<Option> connection_options();

// Reads and checks them: keys are repaired (repairs are told by `say`), passphrases tried, pins
// parsed, addresses split. All mistakes go to `bad`; the settings are only good when it stays
// empty.
[[nodiscard]] ConnectionSettings read_connection(Inputs& inputs, Redactor& redactor, BadInputs& bad,
                                                 const std::function<void(std::string)>& say);

}  // namespace pca
