#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pca::proxmox_deploy {

// Parameters of a call, in order. A list is the same name several times.
using Parameters = std::vector<std::pair<std::string, std::string>>;

// As a form, or a query. All but letters and digits is escaped: the API ends a parameter at ";" as
// well as at "&", and takes "+" for a blank.
[[nodiscard]] std::string form_encoded(const Parameters& parameters);

// The value of sshkeys, which is text that is itself percent-encoded: a form encodes it once more.
[[nodiscard]] std::string ssh_keys_value(std::string_view keys);

// How the API spells a truth.
[[nodiscard]] inline const char* api_boolean(bool value) { return value ? "1" : "0"; }

}  // namespace pca::proxmox_deploy
