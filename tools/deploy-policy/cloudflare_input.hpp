#pragma once

#include <optional>
#include <string>

#include "cli/tool_main.hpp"
#include "deploy-policy/cloudflare_api.hpp"

namespace pca::deploy_policy {

struct CloudflareInputs {
  std::optional<CloudflareSettings> settings;  // none: Cloudflare is not asked
  std::string repository;                      // "owner/name"; empty when nobody says
};

// The inputs cloudflare-* and repository; their mistakes go to `bad`.
[[nodiscard]] CloudflareInputs read_cloudflare(ToolContext& context, Inputs& inputs,
                                               BadInputs& bad);

}  // namespace pca::deploy_policy
