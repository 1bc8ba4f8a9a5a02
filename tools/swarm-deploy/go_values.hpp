#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/config_value.hpp"
#include "base/json.hpp"
#include "base/result.hpp"

// How Go reads and writes values: a compose file means what the docker CLI, a Go program, makes of
// it. Pure functions; the errors (bad_input) are for the user.
namespace pca::swarm_deploy {

// "1m30s", "0.5h", "-2ms" in nanoseconds.
[[nodiscard]] Result<std::int64_t> parse_go_duration(std::string_view text);
[[nodiscard]] std::string go_duration_text(std::int64_t nanoseconds);  // "1m30s", "0s"
// "50M", "1.5 GiB", "100" in bytes; units are powers of 1024.
[[nodiscard]] Result<std::int64_t> parse_memory(std::string_view text);
// "0.25" in billionths.
[[nodiscard]] Result<std::int64_t> parse_cpus(std::string_view text);
[[nodiscard]] std::string go_float_text(double value);  // 1.5, 1e+06

// The words of a command line as the docker CLI splits one: quotes and backslashes as in a shell,
// "#" where a word could begin starts a comment.
[[nodiscard]] Result<std::vector<std::string>> split_command(std::string_view text);

// What a YAML scalar is for Go's reader: null, bool, int, double, or text. A date without quotes is
// the text that Go writes for it.
[[nodiscard]] Json go_scalar(const ConfigValue& value);

}  // namespace pca::swarm_deploy
