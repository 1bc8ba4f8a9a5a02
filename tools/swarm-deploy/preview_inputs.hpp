#pragma once

#include <vector>

#include "cli/tool_main.hpp"
#include "deploy/provenance.hpp"
#include "swarm-deploy/compose_file.hpp"
#include "swarm-deploy/stack_preview.hpp"

namespace pca::swarm_deploy {

// What `preview up` is told besides what a deploy is.
struct PreviewInputs {
  PreviewPlan plan;
  RouteRules route;
  bool has_route = true;
  bool is_route_asked_for = false;
  // For the files: PREVIEW_STACK, PREVIEW_SLUG, PREVIEW_HOSTNAME and PREVIEW_BRANCH.
  Variables variables;
};
[[nodiscard]] std::vector<Option> preview_options();
// `from` says whose preview it is; the input branch goes into it. Names are made as deploy-policy
// makes them.
[[nodiscard]] PreviewInputs read_preview_inputs(const Inputs& inputs, Provenance& from,
                                                BadInputs& bad);

// Makes the stack of the files the preview's own.
void make_preview(StackSpec& stack, const PreviewInputs& preview, BadInputs& bad);

}  // namespace pca::swarm_deploy
