#pragma once

#include "sandbox/api_server.hpp"
#include "sandbox/github_state.hpp"

namespace pca::sandbox {

// GitHub's REST API of one repository, with its own faults.
[[nodiscard]] Api github_api(GithubWorld world);

}  // namespace pca::sandbox
