#include "deploy-policy/finding.hpp"

#include <algorithm>
#include <array>
#include <tuple>

namespace pca::deploy_policy {

namespace {

constexpr std::array<RuleRow, 12> rules{{
    {"allow-reason", Level::error, "an allow comment without a reason"},
    {"allow-rule", Level::error, "an allow comment for a rule that does not exist"},
    {"branch-filter", Level::error, "a branch filter whose single * stops at a slash"},
    {"edge-deploy", Level::error, "a workflow that deploys to Cloudflare"},
    {"edge-deploy-script", Level::note,
     "a script that deploys to Cloudflare and that nobody calls"},
    {"permissions", Level::warning, "a job with the default permissions of the token"},
    {"preview-alias-room", Level::warning, "a Worker's name that leaves little room for an alias"},
    {"preview-cleanup", Level::error, "a preview that is never removed"},
    {"resource-name", Level::error, "a name that does not follow the convention"},
    {"secret-in-run", Level::error, "a secret written into a script"},
    {"unreadable", Level::warning, "a file that cannot be read or parsed"},
    {"wrangler-env-name", Level::error, "a Wrangler environment that renames its Worker"},
}};

}  // namespace

std::span<const RuleRow> rule_table() { return rules; }

const RuleRow* find_rule(std::string_view id) {
  const auto* found =
      std::find_if(rules.begin(), rules.end(), [&](const RuleRow& row) { return row.id == id; });
  return found == rules.end() ? nullptr : found;
}

std::string_view level_name(Level level) {
  if (level == Level::error) return "error";
  return level == Level::warning ? "warning" : "note";
}

Level level_of(const Finding& finding) {
  const RuleRow* rule = find_rule(finding.rule);
  return rule == nullptr ? Level::error : rule->level;
}

Json to_json(const Finding& finding) {
  Json via = Json::array();
  for (const Place& place : finding.via) {
    via.push(Json::object().set("file", place.file).set("line", place.line));
  }
  Json json = Json::object();
  json.set("rule", finding.rule)
      .set("level", level_name(level_of(finding)))
      .set("file", finding.at.file)
      .set("line", finding.at.line)
      .set("message", finding.message)
      .set("cure", finding.cure)
      .set("fix", finding.fix.empty() ? Json() : Json(finding.fix))
      .set("via", std::move(via));
  return json;
}

void sort_findings(std::vector<Finding>& findings) {
  std::stable_sort(findings.begin(), findings.end(), [](const Finding& a, const Finding& b) {
    return std::tie(a.at.file, a.at.line, a.rule) < std::tie(b.at.file, b.at.line, b.rule);
  });
}

}  // namespace pca::deploy_policy
