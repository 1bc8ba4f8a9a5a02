#include "deploy-policy/export_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.hpp"
#include "deploy-policy/classify.hpp"
#include "deploy-policy/contract.hpp"
#include "deploy-policy/policy_input.hpp"

namespace pca::deploy_policy {

namespace {

constexpr std::string_view merge_queue = "gh-readonly-queue/";

using Patterns = std::vector<BranchPattern>;

Json texts_of(const Patterns& patterns) {
  Json list = Json::array();
  for (const BranchPattern& pattern : patterns) list.push(pattern.text());
  return list;
}

std::string name_of_environment(const Policy& policy, const std::string& deploy_class) {
  const auto named = policy.environment_names.find(deploy_class);
  return named == policy.environment_names.end() ? deploy_class : named->second;
}

std::string yaml_list(const std::vector<std::string>& texts, std::string_view indent) {
  std::string out;
  for (const std::string& text : texts) out += fmt::format("{}- {}\n", indent, Json(text).dump());
  return out;
}

}  // namespace

Exported export_to_pages(const Policy& policy) {
  Exported out;
  out.json
      .set("production_branch",
           policy.production.empty() ? Json() : Json(policy.production.front().text()))
      .set("production_deployments_enabled", !policy.production.empty())
      .set("preview_deployment_setting", policy.preview.empty() ? "none" : "custom")
      .set("preview_branch_includes", texts_of(policy.preview))
      .set("preview_branch_excludes", texts_of(policy.exclude));
  out.text = out.json.dump_pretty();
  if (policy.production.size() > 1) {
    out.limits.push_back(fmt::format(
        "A Pages project has one production branch: {} is exported, the others are not.",
        policy.production.front().text()));
  }
  if (!policy.staging.empty()) {
    out.limits.emplace_back(
        "Pages knows no staging: give it a project of its own, whose production branch is it.");
  }
  return out;
}

std::vector<std::string> github_filters(const Policy& policy) {
  std::vector<std::string> filters;
  for (const BranchPattern& pattern : policy.preview) filters.push_back(pattern.github_filter());
  for (const BranchPattern& pattern : policy.exclude) {
    if (!filters.empty()) filters.push_back("!" + pattern.github_filter());
  }
  for (const Patterns* patterns : {&policy.staging, &policy.production}) {
    for (const BranchPattern& pattern : *patterns) filters.push_back(pattern.github_filter());
  }
  const auto takes_queue = [](const BranchPattern& pattern) {
    return pattern.may_match_below(merge_queue);
  };
  if (std::any_of(policy.preview.begin(), policy.preview.end(), takes_queue) ||
      std::any_of(policy.staging.begin(), policy.staging.end(), takes_queue)) {
    filters.push_back(fmt::format("!{}**", merge_queue));
  }
  return filters;
}

Exported export_to_github(const Policy& policy) {
  const std::vector<std::string> filters = github_filters(policy);
  Json list = Json::array();
  for (const std::string& filter : filters) list.push(filter);
  Json types = Json::array();
  types.push("closed");
  Exported out;
  out.json.set("push", Json::object().set("branches", std::move(list)))
      .set("pull_request", Json::object().set("types", std::move(types)))
      .set("delete", Json());
  out.text = fmt::format(
      "on:\n  push:\n    branches:  # the last one that matches decides\n{}  pull_request:\n"
      "    types: [closed]  # removes the preview\n  delete:",
      yaml_list(filters, "      "));
  return out;
}

Exported export_to_environment(const Policy& policy) {
  Exported out;
  const std::array<std::pair<std::string, const Patterns*>, 3> classes{{
      {"production", &policy.production},
      {"staging", &policy.staging},
      {"preview", &policy.preview},
  }};
  for (const auto& [deploy_class, patterns] : classes) {
    if (patterns->empty()) continue;
    Json policies = Json::array();
    for (const BranchPattern& pattern : *patterns) {
      for (const std::string& name : pattern.environment_patterns()) {
        policies.push(Json::object().set("name", name).set("type", "branch"));
      }
    }
    Json custom = Json::object();
    custom.set("protected_branches", false).set("custom_branch_policies", true);
    out.json.set(name_of_environment(policy, deploy_class),
                 Json::object()
                     .set("deployment_branch_policy", std::move(custom))
                     .set("branch_policies", std::move(policies)));
  }
  if (out.json.is_null()) out.json = Json::object();
  out.text = out.json.dump_pretty();
  if (!policy.exclude.empty()) {
    out.limits.emplace_back(
        "Environments know no excludes: what is excluded and matches a preview's pattern too is "
        "stopped by classify alone.");
  }
  return out;
}

Result<int> run_export(ToolContext& context, Inputs inputs, BadInputs& bad) {
  const Policy policy = read_policy(context, inputs, bad);
  if (!bad.empty()) return bad.to_error();
  const std::string& target = inputs.text("to");
  Exported exported = target == "pages"    ? export_to_pages(policy)
                      : target == "github" ? export_to_github(policy)
                                           : export_to_environment(policy);
  for (const std::string& limit : exported.limits) context.reporter.notice(limit);
  context.reporter.info(exported.text);
  context.reporter.output(contract::settings, exported.json.dump());
  context.reporter.report(exported.json);
  return 0;
}

}  // namespace pca::deploy_policy
