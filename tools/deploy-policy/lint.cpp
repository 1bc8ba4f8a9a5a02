#include "deploy-policy/lint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include "base/text.hpp"
#include "deploy-policy/deploy_search.hpp"

namespace pca::deploy_policy {

namespace {

constexpr std::string_view allow_mark = "deploy-policy: allow";

// ------------------------------------------------------------------------- deploys to Cloudflare

constexpr std::string_view deploy_cure =
    "Remove it and let Cloudflare's Git integration build and deploy (Settings, Builds), or allow "
    "it with a reason.";

Finding edge_deploy(const EdgeDeploy& deploy) {
  return {
      .rule = "edge-deploy",
      .at = deploy.at,
      .message = fmt::format("{} deploys to Cloudflare, which its own Git integration does: two "
                             "deploys race, and checks that fail here stop neither",
                             visible(deploy.what)),
      .cure = std::string(deploy_cure),
      .via = deploy.via};
}

// Whether only other workflows start it.
bool is_only_called(const RepositoryFile& workflow) {
  const ConfigValue* on = workflow.root.find("on");
  if (on == nullptr) return false;
  if (on->is_text()) return on->text == "workflow_call";
  if (on->is_list()) return on->items.size() == 1 && on->items.front().text == "workflow_call";
  return on->members.size() == 1 && on->members.front().key == "workflow_call";
}

// ------------------------------------------------------------------------- allow comments

struct Allowance {
  std::string rule;
  bool has_reason = false;
  bool has_own_line = false;  // it speaks of the line below
};

// The comment of a line of YAML, TOML, JSON with comments or shell.
std::vector<Allowance> allowances_of(std::string_view line) {
  std::vector<Allowance> all;
  const std::size_t mark = line.find(allow_mark);
  if (mark == std::string_view::npos) return all;
  const std::string_view before = trim(line.substr(0, mark));
  if (!before.ends_with('#') && !before.ends_with("//") && !before.ends_with("/*")) return all;
  std::string_view rest = line.substr(mark + allow_mark.size());
  const std::size_t dashes = rest.find("--");
  Allowance allowance;
  allowance.rule = std::string(trim(rest.substr(0, dashes)));
  if (dashes != std::string_view::npos) {
    std::string_view reason = trim(rest.substr(dashes + 2));
    if (reason.ends_with("*/")) reason = trim(reason.substr(0, reason.size() - 2));
    allowance.has_reason = !reason.empty();
  }
  allowance.has_own_line = before.size() <= 2;
  all.push_back(std::move(allowance));
  return all;
}

// All allow comments of a repository, and what is wrong with them.
class Allowances {
 public:
  explicit Allowances(const Repository& repository) {
    for (const auto& [path, file] : repository.files()) {
      if (file.text.find(allow_mark) != std::string::npos) read(file);
    }
  }

  [[nodiscard]] bool allow(const Finding& finding) const {
    const auto covers = [&](const Place& place) {
      return allowed_.contains(key(finding.rule, place.file, place.line));
    };
    return covers(finding.at) || std::any_of(finding.via.begin(), finding.via.end(), covers);
  }
  [[nodiscard]] const std::vector<Finding>& mistakes() const { return mistakes_; }

 private:
  static bool is_in_force(const Allowance& allowance) {
    return find_rule(allowance.rule) != nullptr && allowance.has_reason;
  }
  static std::string key(std::string_view rule, std::string_view file, int line) {
    return fmt::format("{}:{}:{}", file, line, rule);
  }

  void read(const RepositoryFile& file) {
    int number = 0;
    for (const std::string& line : split_lines(file.text)) {
      ++number;
      for (const Allowance& allowance : allowances_of(line)) add(file, number, allowance);
    }
  }

  // A shell script may hold such comments in texts that it writes, so none is a mistake there.
  void add(const RepositoryFile& in, int line, const Allowance& allowance) {
    if (in.is_script && !is_in_force(allowance)) return;
    const std::string& file = in.path;
    if (find_rule(allowance.rule) == nullptr) {
      std::vector<std::string> known;
      for (const RuleRow& row : rule_table()) known.emplace_back(row.id);
      const std::string near = nearest(allowance.rule, known);
      mistakes_.push_back({.rule = "allow-rule",
                           .at = {file, line},
                           .message = fmt::format("{} is no rule", shown(allowance.rule)),
                           .cure = near.empty()
                                       ? fmt::format("The rules are {}.", join(known, ", "))
                                       : fmt::format("Did you mean {}?", near)});
      return;
    }
    if (!allowance.has_reason) {
      mistakes_.push_back(
          {.rule = "allow-reason",
           .at = {file, line},
           .message = fmt::format("{} is allowed without a reason, so it is not", allowance.rule),
           .cure = fmt::format("Write \"{} {} -- the reason\".", allow_mark, allowance.rule)});
      return;
    }
    allowed_.insert(key(allowance.rule, file, line));
    if (allowance.has_own_line) allowed_.insert(key(allowance.rule, file, line + 1));
  }

  std::set<std::string> allowed_;
  std::vector<Finding> mistakes_;
};

std::vector<Finding> unreadable_files(const Repository& repository) {
  std::vector<Finding> findings;
  for (const auto& [path, file] : repository.files()) {
    if (file.problem.empty()) continue;
    findings.push_back({.rule = "unreadable",
                        .at = {path, file.problem_line},
                        .message = fmt::format("nothing in it was checked: {}", file.problem),
                        .cure = "Correct the file, or leave it out by --exclude."});
  }
  return findings;
}

}  // namespace

std::vector<Finding> lint_edge_deploys(const Repository& repository) {
  std::vector<Finding> findings;
  DeploySearch search(repository);
  const auto add_all = [&](const std::vector<EdgeDeploy>& deploys) {
    for (const EdgeDeploy& deploy : deploys) findings.push_back(edge_deploy(deploy));
  };
  const std::vector<const RepositoryFile*> workflows = repository.workflows();
  for (const RepositoryFile* workflow : workflows) {
    if (!is_only_called(*workflow)) add_all(search.in_workflow(*workflow));
  }
  // What nobody in this repository calls may be called from another one.
  for (const RepositoryFile* workflow : workflows) {
    if (is_only_called(*workflow) && !search.has_reached(*workflow)) {
      add_all(search.in_workflow(*workflow));
    }
  }
  for (const RepositoryFile* action : repository.actions()) {
    if (!search.has_reached(*action)) add_all(search.in_action(*action));
  }
  DeploySearch unreached(repository);
  for (const RepositoryFile* package : repository.packages()) {
    const ConfigValue* scripts = package->root.find("scripts");
    if (scripts == nullptr) continue;
    for (const ConfigValue::Member& script : scripts->members) {
      if (search.has_reached(*package, script.key)) continue;
      for (const EdgeDeploy& deploy : unreached.in_script(*package, script.key)) {
        findings.push_back(
            {.rule = "edge-deploy-script",
             .at = {package->path, script.line},
             .message = fmt::format("the script {} runs {}, and no workflow calls it",
                                    shown(script.key), visible(deploy.what)),
             .cure = "Keep it for emergencies, or remove it.",
             .via = deploy.via});
        break;
      }
    }
  }
  if (search.gave_up() || unreached.gave_up()) {
    findings.push_back(
        {.rule = "unreadable",
         .at = {workflows.empty() ? std::string("package.json") : workflows[0]->path, 1},
         .message = "the scripts of this repository call each other so often that not "
                    "all calls were followed",
         .cure = "Let each script call another once."});
  }
  return findings;
}

std::vector<Finding> lint(const Repository& repository, const Policy& policy) {
  std::vector<Finding> all = lint_edge_deploys(repository);
  for (auto part : {lint_workflows(repository, policy), lint_wrangler(repository, policy),
                    unreadable_files(repository)}) {
    all.insert(all.end(), std::make_move_iterator(part.begin()),
               std::make_move_iterator(part.end()));
  }
  const Allowances allowances(repository);
  std::erase_if(all, [&](const Finding& finding) { return allowances.allow(finding); });
  all.insert(all.end(), allowances.mistakes().begin(), allowances.mistakes().end());
  sort_findings(all);
  return all;
}

}  // namespace pca::deploy_policy
