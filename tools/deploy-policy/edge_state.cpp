#include "deploy-policy/edge_state.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "deploy-policy/edge_deploy.hpp"
#include "deploy-policy/export_command.hpp"
#include "deploy-policy/repository.hpp"
#include "deploy-policy/shell_commands.hpp"

namespace pca::deploy_policy {

namespace {

using Texts = std::vector<std::string>;

Texts texts_of(const Json& object, std::string_view key) {
  Texts texts;
  const Json* list = object.find(key);
  if (list == nullptr || list->as_array() == nullptr) return texts;
  for (const Json& each : *list->as_array()) {
    if (each.as_string() != nullptr) texts.push_back(*each.as_string());
  }
  std::sort(texts.begin(), texts.end());
  return texts;
}

bool is_off(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  return value != nullptr && value->as_bool() != nullptr && !*value->as_bool();
}

std::string repository_text(const std::string& owner, const std::string& name) {
  return owner.empty() || name.empty() ? "" : owner + "/" + name;
}

bool is_pattern(const std::string& text) { return text.find('*') != std::string::npos; }

std::string or_none(const std::string& text) { return text.empty() ? "none" : text; }

std::string previews_text(const EdgeState& state) {
  if (state.previews != "custom") return or_none(state.previews);
  const std::string excluded =
      state.preview_excludes.empty() ? "" : " without " + join(state.preview_excludes, ", ");
  return or_none(join(state.preview_includes, ", ")) + excluded;
}

// Whether a command is "deploy-policy exec" for previews alone, and uploads what nobody is sent to.
bool is_gate(const Texts& words) {
  const auto gate = std::find_if(words.begin(), words.end(), [](const std::string& word) {
    return file_name_of(word) == "deploy-policy";
  });
  if (gate == words.end() || gate + 1 == words.end() || *(gate + 1) != "exec") return false;
  const auto dashes = std::find(gate, words.end(), "--");
  if (dashes == words.end()) return false;
  for (auto word = gate + 2; word < dashes; ++word) {
    if (word->starts_with("--class=") && *word != "--class=preview") return false;
    if (*word == "--class" && *(word + 1) != "preview") return false;
  }
  const std::string deploys = meaning_of({dashes + 1, words.end()}).deploys;
  return deploys.empty() || deploys == "wrangler versions upload";
}

// Whether nothing is deployed but through the gate.
bool is_gated(const std::string& script) {
  bool has_gate = false;
  for (const ShellCommand& command : shell_commands(script)) {
    if (is_gate(command.words)) {
      has_gate = true;
    } else if (!meaning_of(command.words).deploys.empty()) {
      return false;
    }
  }
  return has_gate;
}

// What Pages would be set to.
EdgeState wanted_of_pages(const Policy& policy) {
  const Json wanted = export_to_pages(policy).json;
  EdgeState state = state_of_pages(
      Json::object().set("source", Json::object().set("type", "github").set("config", wanted)));
  return state;
}

Texts includes_of(const Json& trigger) { return texts_of(trigger, "branch_includes"); }

std::vector<const Json*> triggers_in_force(const Json& triggers) {
  std::vector<const Json*> there;
  if (triggers.as_array() == nullptr) return there;
  for (const Json& trigger : *triggers.as_array()) {
    if (trigger.text_of("deleted_on").empty()) there.push_back(&trigger);
  }
  return there;
}

// nullptr when there is none.
const Json* production_trigger(const std::vector<const Json*>& triggers,
                               const std::string& branch) {
  const Json* first_exact = nullptr;
  for (const Json* trigger : triggers) {
    const Texts includes = includes_of(*trigger);
    if (std::find(includes.begin(), includes.end(), branch) != includes.end()) return trigger;
    const bool is_exact =
        !includes.empty() && std::none_of(includes.begin(), includes.end(), is_pattern);
    if (is_exact && first_exact == nullptr) first_exact = trigger;
  }
  return first_exact;
}

class Checker {
 public:
  Checker(const EdgeState& state, const Policy& policy) : state_(state), policy_(policy) {}

  void repository(const std::string& wanted) {
    if (wanted.empty()) return;
    add("repository", or_none(state_.repository), wanted,
        to_lower(state_.repository) == to_lower(wanted),
        fmt::format("Connect it to {} in place of {}.", wanted, or_none(state_.repository)));
  }
  void production() {
    const std::string wanted = policy_.production.empty() ? "" : policy_.production.front().text();
    add("production branch", or_none(state_.production_branch), or_none(wanted),
        state_.production_branch == wanted,
        wanted.empty() ? "Turn its production deployments off."
                       : fmt::format("Set its production branch to {}.", wanted));
  }
  void previews_of_pages() {
    const EdgeState wanted = wanted_of_pages(policy_);
    add("preview branches", previews_text(state_), previews_text(wanted),
        previews_text(state_) == previews_text(wanted),
        "Set its branch control to what \"deploy-policy export --to pages\" prints.");
  }
  // Workers cannot choose branches by pattern, so the command does.
  void previews_of_worker() {
    const std::string is = state_.previews == "none" ? "no builds" : state_.preview_command;
    const bool is_good = is_gated(state_.preview_command);
    if (policy_.preview.empty()) {
      add("preview command", is, "no builds", is_good || state_.previews == "none",
          "Turn its builds of other branches off.");
      return;
    }
    add("preview command", or_none(is), preview_gate, is_good && state_.previews != "none",
        fmt::format("Turn its builds of other branches on, with the deploy command \"{}\": Workers "
                    "cannot choose branches by pattern.",
                    preview_gate));
  }
  std::vector<EdgeCheck> take() { return std::move(checks_); }

 private:
  void add(const std::string& what, const std::string& is, const std::string& should_be,
           bool is_good, const std::string& cure) {
    checks_.push_back({what, is, should_be, is_good ? "" : cure});
  }

  const EdgeState& state_;
  const Policy& policy_;
  std::vector<EdgeCheck> checks_;
};

}  // namespace

EdgeState state_of_pages(const Json& project) {
  EdgeState state{.exists = project.as_object() != nullptr};
  const Json* source = project.find("source");
  // A project made by direct upload has none.
  if (source == nullptr || source->as_object() == nullptr) return state;
  state.is_connected = true;
  const Json* config = source->find("config");
  if (config == nullptr) return state;
  state.repository = repository_text(config->text_of("owner"), config->text_of("repo_name"));
  if (!is_off(*config, "production_deployments_enabled")) {
    state.production_branch = config->text_of("production_branch");
  }
  state.previews = config->text_of("preview_deployment_setting");
  state.preview_includes = texts_of(*config, "preview_branch_includes");
  state.preview_excludes = texts_of(*config, "preview_branch_excludes");
  return state;
}

EdgeState state_of_worker(const Json& triggers, const std::string& branch) {
  EdgeState state{.exists = true, .previews = "none"};
  const std::vector<const Json*> there = triggers_in_force(triggers);
  const Json* production = production_trigger(there, branch);
  // At most two: one for the production branch, one for the others.
  for (const Json* trigger : there) {
    state.is_connected = true;
    if (const Json* connection = trigger->find("repo_connection"); connection != nullptr) {
      state.repository = repository_text(connection->text_of("provider_account_name"),
                                         connection->text_of("repo_name"));
    }
    const Texts includes = includes_of(*trigger);
    if (trigger == production) {
      state.production_branch = join(includes, ", ");
      continue;
    }
    state.preview_includes = includes;
    state.preview_excludes = texts_of(*trigger, "branch_excludes");
    state.previews = includes == Texts{"*"} ? "all" : "custom";
    state.preview_command = trigger->text_of("deploy_command");
  }
  return state;
}

std::vector<EdgeCheck> check_edge(const std::string& kind, const EdgeState& state,
                                  const Policy& policy, const std::string& repository) {
  if (!state.exists || !state.is_connected) return {};
  Checker checker(state, policy);
  checker.repository(repository);
  checker.production();
  kind == "pages" ? checker.previews_of_pages() : checker.previews_of_worker();
  return checker.take();
}

}  // namespace pca::deploy_policy
