#include "commit-status/gate_input.hpp"

#include <fmt/format.h>

namespace pca::commit_status {

namespace {

// Each is matched with each status and check of the commit.
constexpr std::size_t longest_list = 100;

}  // namespace

GateRules read_gate_rules(const ToolContext& context, const Inputs& inputs, BadInputs& bad) {
  for (const char* input : {"checks", "ignore"}) {
    if (inputs.list(input).size() > longest_list) {
      bad.add(input, fmt::format("has more than {} names", longest_list), "Use a pattern with *.");
    }
  }
  GateRules rules;
  rules.wanted = inputs.list("checks");
  rules.ignored = inputs.list("ignore");
  rules.own_run = variable_in(context.environment, "GITHUB_RUN_ID");
  return rules;
}

}  // namespace pca::commit_status
