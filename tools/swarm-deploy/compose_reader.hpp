#pragma once

#include <functional>
#include <set>
#include <string>

#include "base/config_value.hpp"
#include "base/json.hpp"
#include "base/result.hpp"
#include "swarm-deploy/compose_problems.hpp"
#include "swarm-deploy/interpolation.hpp"

namespace pca::swarm_deploy {

enum class UnsetVariables : std::uint8_t { error, warn, empty };

// What a compose file may refer to. `read_file` gives a file's content; all borrowed.
struct ComposeSources {
  const Variables& variables;
  UnsetVariables unset = UnsetVariables::error;
  std::string folder;  // absolute; relative paths of all files begin here
  std::function<Result<std::string>(const std::string& path)> read_file;
  std::set<std::string> profiles = {};  // whose services count; "*" is all
};

struct ReadCompose {
  Json config;  // see read_compose(); good only without mistakes
  Problems problems;
};

// Reads one compose file (schema v3.13 of the docker CLI, and what of the Compose specification
// says the same in other words) into its plain form: what `docker stack config` prints of it. Short
// forms are written out, defaults are not; keys have the order and the spelling of that output,
// durations and sizes are texts ("1m30s", "52428800"). Untrusted input.
[[nodiscard]] ReadCompose read_compose(const std::string& file, const ConfigValue& root,
                                       const ComposeSources& sources);

}  // namespace pca::swarm_deploy
