#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace pca::swarm_deploy {

using Variables = std::map<std::string, std::string, std::less<>>;

struct Interpolated {
  std::string text;
  std::vector<std::string> unset;      // variables that are not set and have no default
  std::vector<std::string> swallowed;  // "$A-b": text that the docker CLI takes for a default of A
  // "${A:?b-c}": what the docker CLI reads as "c", the default of a variable named "A:?b".
  std::vector<std::string> misread;
};

// Replaces $NAME and ${NAME}, ${NAME:-default}, ${NAME-default}, ${NAME:?why}, ${NAME?why},
// ${NAME:+instead}, ${NAME+instead}, in which variables may stand again; $$ is a dollar sign. An
// operator behind $NAME without braces reaches to the end, as for the docker CLI. An unset variable
// is the empty text. bad_input for what is no such thing, and for :? and ?.
[[nodiscard]] Result<Interpolated> interpolate(std::string_view text, const Variables& variables);

}  // namespace pca::swarm_deploy
