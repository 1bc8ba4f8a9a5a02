// The rules about workflows that need no search: filters, clean-up, permissions, secrets.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>

#include "base/text.hpp"
#include "deploy-policy/lint.hpp"

namespace pca::deploy_policy {

namespace {

using Member = ConfigValue::Member;

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

const std::vector<Member>& members_of(const ConfigValue* value) {
  static const std::vector<Member> none;
  return value == nullptr ? none : value->members;
}

// The events of `on:`, whichever of its three forms it has.
std::vector<Member> events_of(const RepositoryFile& workflow) {
  const Member* on = workflow.root.find_member("on");
  std::vector<Member> events;
  if (on == nullptr) return events;
  if (on->value.is_map()) return on->value.members;
  if (on->value.is_text()) events.push_back({on->value.text, on->value.line, {}});
  for (const ConfigValue& item : on->value.items) {
    if (item.is_text()) events.push_back({item.text, item.line, {}});
  }
  return events;
}

std::vector<const ConfigValue*> texts_of(const ConfigValue* value) {
  std::vector<const ConfigValue*> texts;
  if (value == nullptr) return texts;
  if (value->is_text()) texts.push_back(value);
  for (const ConfigValue& item : value->items) {
    if (item.is_text()) texts.push_back(&item);
  }
  return texts;
}

bool has_text(const ConfigValue* list, std::string_view wanted) {
  const auto texts = texts_of(list);
  return std::any_of(texts.begin(), texts.end(),
                     [&](const ConfigValue* text) { return text->text == wanted; });
}

// ------------------------------------------------------------------------- branch filters

// Patterns whose single star means something else on Cloudflare Pages.
std::vector<std::string> crossing_patterns(const Policy& policy) {
  std::vector<std::string> patterns{"dependabot/*", "renovate/*"};
  for (const auto* list : {&policy.staging, &policy.exclude, &policy.preview}) {
    for (const BranchPattern& pattern : *list) {
      if (!pattern.is_exact() && pattern.text() != "*") patterns.push_back(pattern.text());
    }
  }
  return patterns;
}

class FilterRule {
 public:
  FilterRule(const Policy& policy, std::vector<Finding>& into)
      : patterns_(crossing_patterns(policy)), into_(into) {}

  void check(const RepositoryFile& workflow) {
    for (const Member& event : events_of(workflow)) {
      for (const char* key : {"branches", "branches-ignore"}) {
        for (const ConfigValue* text : texts_of(event.value.find(key))) {
          check_filter(workflow, event.key, key, *text);
        }
      }
    }
  }

 private:
  void check_filter(const RepositoryFile& workflow, const std::string& event, const char* key,
                    const ConfigValue& filter) {
    std::string_view pattern = filter.text;
    const bool takes_back = pattern.starts_with('!');
    if (takes_back) pattern.remove_prefix(1);
    if (std::find(patterns_.begin(), patterns_.end(), pattern) == patterns_.end()) return;
    const std::string meant = BranchPattern::parse(pattern)->github_filter();
    const std::string fix = fmt::format("\"{}{}\"", takes_back ? "!" : "", meant);
    into_.push_back(
        {.rule = "branch-filter",
         .at = {workflow.path, filter.line},
         .message = fmt::format("{} of {} has {}, which does not match {}: a single * stops at a "
                                "slash here, unlike in the policy and on Cloudflare Pages",
                                key, visible(event), shown(filter.text), example_of(pattern)),
         .cure = fmt::format("Write {}.", fix),
         .fix = fix});
  }

  static std::string example_of(std::string_view pattern) {
    if (pattern == "dependabot/*") return "dependabot/npm_and_yarn/lodash-4.17.21";
    std::string example(pattern);
    return example.replace(example.find('*'), 1, "team/x");
  }

  std::vector<std::string> patterns_;
  std::vector<Finding>& into_;
};

// ------------------------------------------------------------------------- clean-up of previews

bool is_pull_request(std::string_view event) {
  return event == "pull_request" || event == "pull_request_target";
}

bool is_cleanup_name(std::string_view name) {
  const std::string lower = to_lower(name);
  for (const char* word : {"destroy", "cleanup", "clean-up", "clean up", "teardown", "tear-down",
                           "undeploy", "remove-", "delete-"}) {
    if (contains(lower, word)) return true;
  }
  return false;
}

bool is_preview_environment(std::string_view name) {
  const std::string lower = to_lower(name);
  return lower.starts_with("preview") || lower.starts_with("review") || lower.starts_with("pr-") ||
         lower.starts_with("pr/");
}

std::string_view environment_of(const ConfigValue& job) {
  const ConfigValue* environment = job.find("environment");
  if (environment == nullptr) return {};
  return environment->is_text() ? std::string_view(environment->text)
                                : environment->text_of("name");
}

// Jobs and steps that wait for a pull request to be closed.
struct ClosedUse {
  int line = 0;  // 0: none
  std::string what;
};

ClosedUse closed_use_of(const ConfigValue& owner) {
  const ConfigValue* condition = owner.find("if");
  if (condition == nullptr || !condition->is_text()) return {};
  const bool compares_action = contains(condition->text, "github.event.action") &&
                               contains(condition->text, "closed") &&
                               !contains(condition->text, "!=");
  const bool asks_merged = contains(condition->text, "github.event.pull_request.merged");
  if (!compares_action && !asks_merged) return {};
  return {condition->line, fmt::format("{} can never hold", shown(condition->text))};
}

ClosedUse closed_use_of(const Member& job, bool is_review) {
  if (ClosedUse use = closed_use_of(job.value); use.line != 0) return use;
  if (is_review && (is_cleanup_name(job.key) || is_cleanup_name(job.value.text_of("name")))) {
    return {job.line, fmt::format("the job {} never runs when it should", shown(job.key))};
  }
  const ConfigValue* steps = job.value.find("steps");
  if (steps == nullptr) return {};
  for (const ConfigValue& step : steps->items) {
    if (ClosedUse use = closed_use_of(step); use.line != 0) return use;
  }
  return {};
}

class CleanupRule {
 public:
  CleanupRule(const Repository& repository, std::vector<Finding>& into) : into_(into) {
    for (const RepositoryFile* workflow : repository.workflows()) {
      for (const Member& event : events_of(*workflow)) {
        something_cleans_ = something_cleans_ || event.key == "delete" || event.key == "schedule" ||
                            comes_when_closed(event);
      }
    }
  }

  void check(const RepositoryFile& workflow) {
    const std::vector<Member> events = events_of(workflow);
    if (std::any_of(events.begin(), events.end(), comes_when_closed)) return;
    for (const Member& event : events) {
      if (is_pull_request(event.key)) check_event(workflow, event, events.size() == 1);
    }
  }

 private:
  static bool comes_when_closed(const Member& event) {
    return is_pull_request(event.key) && has_text(event.value.find("types"), "closed");
  }

  // `is_only_event`: so a job that cleans up is meant for this one.
  void check_event(const RepositoryFile& workflow, const Member& event, bool is_only_event) {
    const std::string name =
        to_lower(workflow.path + " " + std::string(workflow.root.text_of("name")));
    const bool is_review = is_only_event && (contains(name, "review") || contains(name, "preview"));
    for (const Member& job : members_of(workflow.root.find("jobs"))) {
      if (const ClosedUse use = closed_use_of(job, is_review); use.line != 0) {
        add(workflow, event, use.line, use.what);
        return;
      }
      const std::string_view environment = environment_of(job.value);
      if (!something_cleans_ && is_preview_environment(environment)) {
        add(workflow, event, event.line,
            fmt::format("nothing removes the environment {} when the pull request is closed",
                        shown(environment)));
        return;
      }
    }
  }

  void add(const RepositoryFile& workflow, const Member& event, int line, const std::string& what) {
    const std::string fix = "types: [opened, reopened, synchronize, closed]";
    into_.push_back(
        {.rule = "preview-cleanup",
         .at = {workflow.path, line},
         .message = fmt::format("{}: without types, {} comes when a pull request is opened, "
                                "reopened or pushed to, never when it is closed",
                                what, event.key),
         .cure = fmt::format("Write \"{}\" under {}.", fix, event.key),
         .fix = fix});
  }

  std::vector<Finding>& into_;
  bool something_cleans_ = false;
};

// ------------------------------------------------------------------------- permissions, secrets

void check_permissions(const RepositoryFile& workflow, std::vector<Finding>& into) {
  if (workflow.root.find("permissions") != nullptr) return;
  for (const Member& job : members_of(workflow.root.find("jobs"))) {
    if (job.value.find("permissions") != nullptr) continue;
    into.push_back(
        {.rule = "permissions",
         .at = {workflow.path, job.line},
         .message = fmt::format("the job {} has the token's default permissions, which may be to "
                                "write everything",
                                shown(job.key)),
         .cure =
             "Write \"permissions: {contents: read}\" for the workflow or the job, and add what "
             "it needs.",
         .fix = "permissions:\n  contents: read"});
  }
}

// Blanks out what stands in quotes within an expression.
std::string without_quoted(std::string_view expression) {
  std::string out;
  bool is_quoted = false;
  for (const char c : expression) {
    if (c == '\'') is_quoted = !is_quoted;
    out += is_quoted ? ' ' : c;
  }
  return out;
}

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.';
}

// The secret that an expression reads: "secrets.TOKEN", "github.token"; empty when it reads none.
std::string secret_in(std::string_view expression) {
  const std::string written = without_quoted(expression);
  const std::string text = to_lower(written);  // GitHub takes either
  for (const std::string_view name : {"secrets", "github.token"}) {
    for (std::size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + 1)) {
      const bool begins = at == 0 || !is_name_character(text[at - 1]);
      std::size_t end = at + name.size();
      const bool ends = name == "secrets" ? end >= text.size() || !is_name_character(text[end]) ||
                                                text[end] == '.'
                                          : end >= text.size() || !is_name_character(text[end]);
      if (!begins || !ends) continue;
      while (end < text.size() && is_name_character(text[end])) ++end;
      return written.substr(at, end - at);
    }
  }
  return {};
}

void check_run(const RepositoryFile& file, const ConfigValue& run, std::vector<Finding>& into) {
  int last_line = 0;
  for (std::size_t at = run.text.find("${{"); at != std::string::npos;
       at = run.text.find("${{", at + 3)) {
    const std::size_t end = std::min(run.text.find("}}", at), run.text.size());
    const std::string secret = secret_in(std::string_view(run.text).substr(at + 3, end - at - 3));
    const int line = run.line_at(at);
    if (secret.empty() || line == last_line) continue;
    last_line = line;
    const std::string kind = to_lower(secret);
    const std::string name = kind == "github.token" || kind == "secrets"
                                 ? std::string("TOKEN")
                                 : to_upper(secret.substr(secret.rfind('.') + 1));
    into.push_back(
        {.rule = "secret-in-run",
         .at = {file.path, line},
         .message = fmt::format("{} is pasted into the script: it lies in a file and in arguments, "
                                "and what is in it runs as code",
                                visible(secret)),
         .cure = fmt::format("Hand it on by \"env:\" and write \"${}\" in the script.", name),
         .fix = fmt::format("env:\n  {}: ${{{{ {} }}}}", name, secret)});
  }
}

void check_steps(const RepositoryFile& file, const ConfigValue* steps, std::vector<Finding>& into) {
  if (steps == nullptr) return;
  for (const ConfigValue& step : steps->items) {
    const ConfigValue* run = step.find("run");
    if (run != nullptr && run->is_text()) check_run(file, *run, into);
  }
}

}  // namespace

std::vector<Finding> lint_workflows(const Repository& repository, const Policy& policy) {
  std::vector<Finding> findings;
  FilterRule filters(policy, findings);
  CleanupRule cleanup(repository, findings);
  for (const RepositoryFile* workflow : repository.workflows()) {
    filters.check(*workflow);
    cleanup.check(*workflow);
    check_permissions(*workflow, findings);
    for (const Member& job : members_of(workflow->root.find("jobs"))) {
      check_steps(*workflow, job.value.find("steps"), findings);
    }
  }
  for (const RepositoryFile* action : repository.actions()) {
    const ConfigValue* runs = action->root.find("runs");
    if (runs != nullptr) check_steps(*action, runs->find("steps"), findings);
  }
  return findings;
}

}  // namespace pca::deploy_policy
