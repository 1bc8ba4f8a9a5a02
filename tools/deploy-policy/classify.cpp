#include "deploy-policy/classify.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/slug.hpp"
#include "base/text.hpp"
#include "deploy/hostname.hpp"
#include "deploy/resource_name.hpp"

namespace pca::deploy_policy {

namespace {

constexpr std::array<ClassRow, 5> classes{{
    {DeployClass::production, "production", "deploy to production"},
    {DeployClass::staging, "staging", "deploy to staging"},
    {DeployClass::preview, "preview", "deploy a preview of this branch"},
    {DeployClass::cleanup, "cleanup", "remove the preview of this branch"},
    {DeployClass::none, "none", "deploy nothing"},
}};

constexpr std::string_view dependabot = "dependabot[bot]";
constexpr std::string_view merge_queue = "gh-readonly-queue/";

// What an event comes to, before anything is named.
struct Decision {
  DeployClass value = DeployClass::none;
  std::string branch;
  std::string reason;
  std::vector<std::string> warnings = {};
};

Decision none(std::string branch, std::string reason) {
  return {DeployClass::none, std::move(branch), std::move(reason)};
}

Decision by_branch(const Policy& policy, std::string branch, std::string_view what) {
  const BranchDecision decision = classify_branch(policy, branch);
  std::string reason = fmt::format("{} {}: {}", what, visible(branch), decision.rule);
  return {decision.value, std::move(branch), std::move(reason)};
}

Decision of_push(const Policy& policy, const Event& event) {
  if (event.deleted_by_push) {
    // Its GITHUB_REF may be the default branch's.
    return none({}, "push that deletes a branch: the event delete cleans up after it");
  }
  const std::string branch = branch_of_ref(event.ref);
  if (branch.empty()) return none({}, fmt::format("push to {}, no branch", visible(event.ref)));
  return by_branch(policy, branch, "push to");
}

Decision of_pull_request(const Policy& policy, const Event& event) {
  const std::string what = fmt::format("{} {} from", event.name, visible(event.action));
  const bool is_closed = event.action == "closed";
  const bool counts = is_closed || event.action == "opened" || event.action == "reopened" ||
                      event.action == "synchronize";
  const std::string& branch = event.head_branch;
  if (!counts) {
    return none(branch, fmt::format("{} {}: only opened, reopened, synchronize and closed count",
                                    event.name, visible(event.action)));
  }
  if (!equals_ignoring_case(event.head_repository, event.repository)) {
    return none(branch,
                fmt::format("{} {}: it lies in another repository ({})", what, visible(branch),
                            event.head_repository.empty() ? "which is gone"
                                                          : visible(event.head_repository)));
  }
  Decision decision = by_branch(policy, branch, what);
  if (decision.value == DeployClass::production) {
    return none(branch, decision.reason + ", which only a push deploys");
  }
  if (!is_closed) return decision;
  if (decision.value != DeployClass::preview) {
    return none(branch, decision.reason + ": there is no preview to remove");
  }
  decision.value = DeployClass::cleanup;
  return decision;
}

Decision of_delete(const Policy& policy, const Event& event) {
  if (event.deleted_ref_type != "branch") {
    return none({}, fmt::format("delete of a {}", visible(event.deleted_ref_type)));
  }
  Decision decision = by_branch(policy, branch_of_ref(event.deleted_ref), "delete of");
  if (decision.value != DeployClass::preview) {
    return none(decision.branch, decision.reason + ": there is no preview to remove");
  }
  decision.value = DeployClass::cleanup;
  return decision;
}

Decision of_dispatch(const Policy& policy, const Event& event) {
  const std::string branch = branch_of_ref(event.ref);
  const std::string& wanted = event.requested_environment;
  if (branch.empty()) {
    return none({}, fmt::format("workflow_dispatch on {}, no branch", visible(event.ref)));
  }
  if (wanted.empty()) return by_branch(policy, branch, "workflow_dispatch on");
  const std::string what =
      fmt::format("workflow_dispatch on {} for {}", visible(branch), shown(wanted));
  const auto& allowed = policy.dispatch_environments;
  if (std::find(allowed.begin(), allowed.end(), wanted) != allowed.end()) {
    return {wanted == "production" ? DeployClass::production : DeployClass::staging, branch,
            what + ": dispatch-environments allows it"};
  }
  const Decision decision = by_branch(policy, branch, "");
  // Asking for what the branch is deployed to anyway needs no permission.
  if (wanted == class_name(decision.value)) {
    return {decision.value, branch, fmt::format("{}:{}", what, decision.reason)};
  }
  return none(branch, what + ": dispatch-environments does not allow it");
}

Decision of_event(const Policy& policy, const Event& event) {
  if (event.name == "push") return of_push(policy, event);
  if (event.name == "pull_request" || event.name == "pull_request_target") {
    return of_pull_request(policy, event);
  }
  if (event.name == "delete") return of_delete(policy, event);
  if (event.name == "workflow_dispatch") return of_dispatch(policy, event);
  return none({}, fmt::format("{} deploys nothing, whatever its ref", visible(event.name)));
}

// Renamed or not: its runs have a read-only token and no secrets.
Decision without_dependabot(const Event& event, Decision decision) {
  if (event.actor != dependabot || decision.value == DeployClass::none) return decision;
  if (event.name == "push" && decision.value == DeployClass::production) {
    decision.warnings.emplace_back(
        "Dependabot pushed this: its token is read-only and it has no secrets but Dependabot's "
        "own, so the deploy may be refused what it needs.");
    return decision;
  }
  return none(decision.branch, decision.reason + ", but Dependabot deploys nothing");
}

// Fills in the names of what was decided.
class Namer {
 public:
  Namer(const Policy& policy, const Event& event, Classification& into)
      : policy_(policy), event_(event), into_(into) {}

  Result<void, BadInput> name() {
    const bool is_preview =
        into_.value == DeployClass::preview || into_.value == DeployClass::cleanup;
    key_ = is_preview ? "preview" : std::string(class_name(into_.value));
    const auto named = policy_.environment_names.find(key_);
    into_.environment = named == policy_.environment_names.end() ? key_ : named->second;
    rules_ = {policy_.customer, policy_.project, policy_.components};
    if (is_preview) PCA_CHECK(name_slug());
    PCA_CHECK(name_hostname());
    return name_stack();
  }

 private:
  [[nodiscard]] std::string hostname_template() const {
    const auto own = policy_.hostnames.find(key_);
    if (own != policy_.hostnames.end()) return own->second;
    if (key_ == "production") return "{project}.{domain}";
    return key_ == "staging" ? "{project}-staging.{domain}" : "{project}-{slug}.{domain}";
  }

  [[nodiscard]] HostnameParts parts() const {
    return {policy_.customer, policy_.project, into_.slug, policy_.domain};
  }

  Result<void, BadInput> name_slug() {
    if (event_.repository.empty()) {
      return BadInput{"repository", "is needed for the slug of a preview",
                      "Give --repository OWNER/NAME."};
    }
    const std::size_t by_hostname = slug_room(hostname_template(), parts());
    const bool has_stack = !rules_.customer.empty() && !rules_.project.empty();
    const std::size_t by_stack = has_stack ? stack_slug_room(rules_) : longest_label;
    auto slug = make_slug(event_.repository, into_.branch, std::min(by_hostname, by_stack));
    if (!slug) {
      return BadInput{
          "policy",
          fmt::format(
              "beside {} {}",
              by_stack < by_hostname ? "the rest of the stack's name" : "the rest of the hostname",
              slug.error().message),
          "Shorten customer, project, the longest component or the hostname's template."};
    }
    into_.slug = *std::move(slug);
    return {};
  }

  Result<void, BadInput> name_hostname() {
    into_.hostname = fill_hostname(hostname_template(), parts());
    if (into_.hostname.empty()) {
      into_.notices.emplace_back(
          "hostname and url are empty: the policy names no domain or no project.");
      return {};
    }
    if (const auto good = check_hostname(into_.hostname); !good) {
      return BadInput{"policy", "hostname: " + good.error().message,
                      "Shorten project, domain or the hostname's template."};
    }
    into_.url = "https://" + into_.hostname;
    return {};
  }

  Result<void, BadInput> name_stack() {
    if (rules_.customer.empty() || rules_.project.empty()) {
      into_.notices.emplace_back("stack is empty: the policy names no customer or no project.");
      return {};
    }
    const ResourceName name{
        rules_.customer, rules_.project, std::string(environment_segment(key_)), {}, into_.slug};
    if (const auto good = check_name(ResourceType::stack, name, rules_); !good) {
      return BadInput{
          "policy",
          fmt::format("the stack's name is {}, but {}", shown(name.text()), good.error().message),
          "Shorten customer, project or the longest component."};
    }
    into_.stack = name.text();
    return {};
  }

  const Policy& policy_;
  const Event& event_;
  Classification& into_;
  std::string key_;  // the class whose names these are
  NameRules rules_;
};

}  // namespace

std::span<const ClassRow> class_table() { return classes; }

std::string_view class_name(DeployClass value) {
  return std::find_if(classes.begin(), classes.end(),
                      [&](const ClassRow& row) { return row.value == value; })
      ->name;
}

BranchDecision classify_branch(const Policy& policy, std::string_view branch) {
  if (branch.starts_with(merge_queue)) return {DeployClass::none, "a branch of the merge queue"};
  struct RuleList {
    const std::vector<BranchPattern>& patterns;
    DeployClass value;
    std::string_view key;
  };
  const RuleList lists[] = {{policy.production, DeployClass::production, "production"},
                            {policy.staging, DeployClass::staging, "staging"},
                            {policy.exclude, DeployClass::none, "exclude"},
                            {policy.preview, DeployClass::preview, "preview"}};
  for (const RuleList& list : lists) {
    for (const BranchPattern& pattern : list.patterns) {
      if (!pattern.matches(branch)) continue;
      return {list.value, fmt::format("rule {}: {}", list.key, pattern.text())};
    }
  }
  return {DeployClass::none, "no rule names it"};
}

Result<Classification, BadInput> classify(const Policy& policy, const Event& event) {
  Decision decision = without_dependabot(event, of_event(policy, event));
  Classification out;
  out.value = decision.value;
  out.branch = std::move(decision.branch);
  out.reason = std::move(decision.reason);
  out.warnings = std::move(decision.warnings);
  if (!out.branch.empty()) {
    if (const auto good = check_branch_name(out.branch); !good) {
      return BadInput{"branch", good.error().message, good.error().hint};
    }
  }
  if (out.value != DeployClass::none) PCA_CHECK(Namer(policy, event, out).name());
  return out;
}

Json to_json(const Classification& classification) {
  Json json = Json::object();
  json.set("class", class_name(classification.value))
      .set("environment", classification.environment)
      .set("slug", classification.slug)
      .set("hostname", classification.hostname)
      .set("url", classification.url)
      .set("stack", classification.stack)
      .set("branch", classification.branch)
      .set("reason", classification.reason);
  return json;
}

}  // namespace pca::deploy_policy
