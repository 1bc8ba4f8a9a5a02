#include "deploy-policy/migrate_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "base/build_info.hpp"
#include "base/text.hpp"
#include "deploy-policy/cloudflare_input.hpp"
#include "deploy-policy/contract.hpp"
#include "deploy-policy/deploy_search.hpp"
#include "deploy-policy/lint.hpp"
#include "deploy-policy/lint_command.hpp"
#include "deploy-policy/policy_input.hpp"
#include "deploy/resource_name.hpp"
#include "runner/markdown.hpp"
#include "runner/text_table.hpp"

namespace pca::deploy_policy {

namespace {

// What the repository has at the edge, and what deploys it.
class Things {
 public:
  explicit Things(const Repository& repository) {
    for (const RepositoryFile* file : repository.wrangler_files()) {
      if (file->root.is_map()) add_file(*file);
    }
  }

  void deployed(const EdgeDeploy& deploy) {
    for (Migration* thing : meant_by(deploy.target)) {
      thing->path = "existing-" + thing->kind;
      auto& places = thing->deployed_by;
      if (std::find(places.begin(), places.end(), deploy.at) == places.end()) {
        places.push_back(deploy.at);
      }
    }
  }

  std::vector<Migration> take() { return std::move(things_); }

 private:
  using Found = std::vector<Migration*>;

  void add_file(const RepositoryFile& file) {
    const ConfigValue& root = file.root;
    const bool is_pages = root.find("pages_build_output_dir") != nullptr;
    const std::string name(root.text_of("name"));
    things_.push_back(
        {.kind = is_pages ? "pages" : "worker", .name = name, .config = file.path, .path = "new"});
    const ConfigValue* environments = root.find("env");
    // Those of Pages are of the same project.
    if (is_pages || environments == nullptr) return;
    for (const ConfigValue::Member& block : environments->members) {
      std::string own(block.value.text_of("name"));
      if (own.empty() && !name.empty()) own = name + "-" + block.key;  // as Wrangler does
      things_.push_back({.kind = "worker",
                         .name = std::move(own),
                         .config = file.path,
                         .environment = block.key,
                         .path = "new"});
    }
  }

  template <typename Condition>
  Found those(const std::string& kind, const Condition& condition) {
    Found found;
    for (Migration& thing : things_) {
      if (thing.kind == kind && condition(thing)) found.push_back(&thing);
    }
    return found;
  }

  Found meant_by(const EdgeTarget& target) {
    const std::string config = config_of(target);
    Found found = those(target.kind, [&](const Migration& thing) {
      if (!target.name.empty()) return thing.name == target.name;
      return thing.config == config && (!config.empty() || thing.name.empty());
    });
    if (found.empty()) {
      things_.push_back({.kind = target.kind, .name = target.name, .config = config});
      return {&things_.back()};
    }
    return target.name.empty() ? of_environment(found, target.environment) : found;
  }

  // All, where only a run knows which.
  static Found of_environment(const Found& things, const std::string& environment) {
    Found found;
    std::copy_if(things.begin(), things.end(), std::back_inserter(found), [&](Migration* thing) {
      return thing->environment == environment || !is_known_here(environment);
    });
    return found.empty() ? Found{things.front()} : found;
  }

  // The nearest one above where Wrangler works; else the only one; empty where nobody knows.
  std::string config_of(const EdgeTarget& target) {
    if (!target.name.empty() || !target.config.empty()) return target.config;
    for (std::string folder = target.folder;; folder = folder_of(folder)) {
      const Found here = those(target.kind, [&](const Migration& thing) {
        return !thing.config.empty() && folder_of(thing.config) == folder &&
               is_found_by_wrangler(thing.config);
      });
      if (!here.empty()) return here.front()->config;
      if (folder.empty()) break;
    }
    std::set<std::string> configs;
    for (const Migration* thing : those(target.kind, [](const Migration&) { return true; })) {
      if (!thing->config.empty()) configs.insert(thing->config);
    }
    return configs.size() == 1 ? *configs.begin() : std::string();
  }

  // Without --config.
  static bool is_found_by_wrangler(const std::string& config) {
    const std::string name = file_name_of(config);
    return name == "wrangler.toml" || name == "wrangler.json" || name == "wrangler.jsonc";
  }

  std::vector<Migration> things_;
};

std::string places_text(const std::vector<Place>& places) {
  std::vector<std::string> texts;
  for (const Place& place : places) {
    texts.push_back(fmt::format("{}:{}", visible(place.file), place.line));
  }
  return join(texts, ", ");
}

// The block of Wrangler's file, else what the name says; empty when neither tells.
std::string environment_of(const Migration& thing) {
  if (!thing.environment.empty()) return thing.environment;
  const auto name = parse_name(resource_type(thing.kind), thing.name);
  return name ? name->environment : std::string();
}

bool is_of_production(const Migration& thing) {
  const std::string environment = environment_of(thing);
  return environment.empty() || environment_segment(environment) == "prod";
}

std::string unknown_branch(const std::string& environment) {
  if (environment.empty() || environment_segment(environment) == "prod") return "main";
  return fmt::format("the one of {}", visible(environment));
}

// As it concerns this thing: what deploys staging is production there, and it needs no previews.
Policy policy_of(const Migration& thing, const Policy& policy) {
  if (is_of_production(thing)) return policy;
  Policy own = policy;
  own.production = policy.staging;
  own.preview.clear();
  return own;
}

std::string name_step(const Migration& thing, const Policy& policy) {
  const ResourceType type = resource_type(thing.kind);
  const auto parsed =
      parse_name(type, thing.name, {policy.customer, policy.project, policy.components});
  if (parsed) return {};
  return fmt::format(
      "Choose a name: {} does not follow {{customer}}-{{project}}-{{environment}}-{{component}} "
      "({}).",
      thing.name.empty() ? "what no file names" : shown(thing.name), parsed.error().message);
}

bool is_connected(const Migration& thing) { return thing.edge && thing.edge->is_connected; }

// What deploys it here goes last, when Cloudflare was seen to do it.
void add_removal(Migration& thing, const std::string& branch) {
  if (thing.deployed_by.empty()) return;
  thing.steps.push_back(fmt::format(
      "Verify one build of {} and one of a preview branch, then remove what deploys it here: {}.",
      branch, places_text(thing.deployed_by)));
}

void add_worker_steps(Migration& thing, const std::string& branch) {
  if (!is_connected(thing)) {
    thing.steps.push_back(fmt::format(
        "Connect the repository to the Worker: Settings, Builds; production branch {}.", branch));
    thing.steps.push_back(
        fmt::format("Set the deploy command of other branches to \"{}\": Workers cannot choose "
                    "branches by pattern.",
                    preview_gate));
  }
  add_removal(thing, branch);
  if (!thing.deployed_by.empty()) {
    thing.steps.emplace_back("Delete the Cloudflare token from the repository's secrets.");
  }
}

void add_pages_steps(Migration& thing, const std::string& branch) {
  if (!is_connected(thing)) {
    if (!thing.edge) {
      thing.steps.emplace_back(
          "Find out whether the project was made with Git integration: one made by direct upload "
          "cannot be converted.");
    }
    thing.steps.push_back(fmt::format(
        "{} a new project with Git integration, production branch {}, with the branch control that "
        "\"deploy-policy export --to pages\" prints.",
        thing.edge ? "It was made by direct upload, which cannot be converted: make"
                   : "If it cannot: make",
        branch));
    thing.steps.emplace_back(
        "Copy variables, secrets and bindings; move the custom domains; delete the old project "
        "when the new one serves them.");
  }
  add_removal(thing, branch);
}

void add_first_steps(Migration& thing, const std::string& branch) {
  thing.steps.push_back(
      fmt::format("Make it with Git integration from the beginning, production branch {}; no "
                  "workflow deploys it, and lint keeps it so.",
                  branch));
  thing.steps.push_back(
      thing.kind == "pages"
          ? "Set the branch control that \"deploy-policy export --to pages\" prints."
          : fmt::format("Set the deploy command of other branches to \"{}\".", preview_gate));
}

Json to_json(const EdgeState& state, const std::vector<EdgeCheck>& checks) {
  Json list = Json::array();
  for (const EdgeCheck& check : checks) {
    list.push(Json::object()
                  .set("what", check.what)
                  .set("is", check.is)
                  .set("should-be", check.should_be)
                  .set("good", check.is_good()));
  }
  return Json::object()
      .set("exists", state.exists)
      .set("connected", state.is_connected)
      .set("checks", std::move(list));
}

Json to_json(const Migration& thing) {
  Json places = Json::array();
  for (const Place& place : thing.deployed_by) {
    places.push(Json::object().set("file", place.file).set("line", place.line));
  }
  Json steps = Json::array();
  for (const std::string& step : thing.steps) steps.push(step);
  Json json = Json::object();
  if (thing.edge) json.set("cloudflare", to_json(*thing.edge, thing.checks));
  json.set("kind", thing.kind)
      .set("name", thing.name)
      .set("config", thing.config)
      .set("environment", thing.environment)
      .set("path", thing.path)
      .set("deployed-by", std::move(places))
      .set("steps", std::move(steps));
  return json;
}

std::string title_of(const Migration& thing) {
  const std::string kind = thing.kind == "pages" ? "Pages project" : "Worker";
  const std::string name = thing.name.empty() ? "that no file names" : visible(thing.name);
  const std::string config = thing.config.empty() ? "" : ", " + visible(thing.config);
  const std::string block = thing.environment.empty() ? "" : " env." + visible(thing.environment);
  return fmt::format("{} {}{}{} ({})", kind, name, config, block, thing.path);
}

TextTable table_of(const Migration& thing) {
  TextTable table{{"at Cloudflare", "is", "should be", ""}, {}};
  for (const EdgeCheck& check : thing.checks) {
    table.rows.push_back(
        {check.what, check.is, check.should_be, check.is_good() ? "good" : "differs"});
  }
  return table;
}

// Asks Cloudflare about each thing that has a name.
Result<> ask_cloudflare(ToolContext& context, CloudflareSettings settings, const Policy& policy,
                        std::vector<Migration>& things) {
  settings.on_wait = [&context](const std::string& text) { context.reporter.notice(text); };
  const auto transport = make_http_transport("deploy-policy/" + std::string(project_version()));
  CloudflareApi api(*transport, std::move(settings));
  for (Migration& thing : things) {
    if (thing.name.empty()) continue;
    PCA_TRY(thing.edge, api.state_of(Budget::of(2 * api.longest_call(), context.stop), thing.kind,
                                     thing.name, branch_of(thing, policy)));
  }
  return {};
}

// `note` comes before all.
void show(ToolContext& context, const std::vector<Migration>& things, const std::string& note) {
  Json list = Json::array();
  std::string text = note.empty() ? "" : note + "\n";
  std::string summary = note.empty() ? "" : markdown_cell(note) + "\n\n";
  summary += "| what | path | deployed by | steps |\n|---|---|---|---|\n";
  std::string tables;
  for (const Migration& thing : things) {
    list.push(to_json(thing));
    text += title_of(thing) + "\n";
    int number = 0;
    std::vector<std::string> cells;
    for (const std::string& step : thing.steps) {
      text += fmt::format("  {}. {}\n", ++number, step);
      cells.push_back(fmt::format("{}. {}", number, markdown_cell(step)));
    }
    summary += fmt::format("| {} | {} | {} | {} |\n", markdown_cell(title_of(thing)), thing.path,
                           markdown_cell(places_text(thing.deployed_by)), join(cells, "<br>"));
    if (thing.checks.empty()) continue;
    const TextTable table = table_of(thing);
    text += aligned_table(table);
    tables += fmt::format("\n{}\n\n{}", markdown_cell(title_of(thing)),
                          markdown_table(table, context.redactor));
  }
  if (things.empty()) {
    text += "Nothing here is deployed to Cloudflare: no Wrangler configuration, no workflow.\n";
  } else {
    context.reporter.summary(summary + tables);
  }
  text.pop_back();
  context.reporter.info(text);
  context.reporter.output(contract::migrations, list.dump());
  context.reporter.report(Json::object().set("migrations", std::move(list)));
}

}  // namespace

std::vector<Migration> find_migrations(const Repository& repository) {
  Things things(repository);
  DeploySearch search(repository);
  for (const RepositoryFile* workflow : repository.workflows()) {
    for (const EdgeDeploy& deploy : search.in_workflow(*workflow)) things.deployed(deploy);
  }
  return things.take();
}

std::string branch_of(const Migration& thing, const Policy& policy) {
  const bool is_staging = environment_segment(environment_of(thing)) == "staging";
  if (!is_staging && !is_of_production(thing)) return {};
  const auto& patterns = is_staging ? policy.staging : policy.production;
  return patterns.empty() ? std::string() : patterns.front().text();
}

void plan_migration(Migration& thing, const Policy& policy, const std::string& repository) {
  const std::string known_branch = branch_of(thing, policy);
  const std::string branch =
      known_branch.empty() ? unknown_branch(environment_of(thing)) : known_branch;
  if (std::string step = name_step(thing, policy); !step.empty()) thing.steps.push_back(step);
  if (thing.edge && thing.edge->exists) thing.path = "existing-" + thing.kind;
  const bool is_lost = thing.edge && !thing.edge->exists && thing.path != "new";
  if (is_lost) {
    thing.steps.push_back(fmt::format(
        "Check the name and the account: Cloudflare knows no {} {} there, though {} deploys it.",
        thing.kind == "pages" ? "Pages project" : "Worker", shown(thing.name),
        places_text(thing.deployed_by)));
  }
  if (thing.path == "new" || is_lost) {
    add_first_steps(thing, branch);
    if (is_lost) add_removal(thing, branch);
  } else {
    thing.kind == "pages" ? add_pages_steps(thing, branch) : add_worker_steps(thing, branch);
  }
  if (!thing.edge) return;
  if (known_branch.empty() && !is_of_production(thing)) return;  // nothing to compare with
  thing.checks = check_edge(thing.kind, *thing.edge, policy_of(thing, policy), repository);
  for (const EdgeCheck& check : thing.checks) {
    if (!check.is_good()) thing.steps.push_back(check.cure);
  }
}

Result<int> run_migrate(ToolContext& context, Inputs inputs, BadInputs& bad) {
  const Policy policy = read_policy(context, inputs, bad, inputs.text("root"));
  const Repository repository = read_repository(context, inputs, bad);
  CloudflareInputs asked = read_cloudflare(context, inputs, bad);
  if (!bad.empty()) return bad.to_error();
  std::vector<Migration> things = find_migrations(repository);
  Result<> answered;
  if (asked.settings) {
    answered = ask_cloudflare(context, *std::move(asked.settings), policy, things);
  }
  for (Migration& thing : things) plan_migration(thing, policy, asked.repository);
  show(context, things,
       answered ? "" : "Cloudflare did not tell all: the rest is what the repository says.");
  if (!answered) return answered.error();
  return 0;
}

}  // namespace pca::deploy_policy
