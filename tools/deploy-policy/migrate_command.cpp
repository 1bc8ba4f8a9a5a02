#include "deploy-policy/migrate_command.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "deploy-policy/contract.hpp"
#include "deploy-policy/deploy_search.hpp"
#include "deploy-policy/lint.hpp"
#include "deploy-policy/lint_command.hpp"
#include "deploy-policy/policy_input.hpp"
#include "deploy-policy/resource_name.hpp"
#include "runner/markdown.hpp"

namespace pca::deploy_policy {

namespace {

bool is_of_pages(std::string_view what) { return what.find("pages") != std::string_view::npos; }

std::vector<Migration> things_of(const Repository& repository) {
  std::vector<Migration> things;
  for (const RepositoryFile* file : repository.wrangler_files()) {
    if (!file->root.is_map()) continue;
    const bool is_pages = file->root.find("pages_build_output_dir") != nullptr;
    things.push_back({.kind = is_pages ? "pages" : "worker",
                      .name = std::string(file->root.text_of("name")),
                      .config = file->path,
                      .path = "new"});
  }
  return things;
}

// The thing that is deployed from `folder`; else the only one of its kind; else a new one, which no
// file describes.
Migration& deployed_thing(std::vector<Migration>& things, const std::string& kind,
                          const std::string& folder) {
  std::vector<Migration*> of_kind;
  for (Migration& thing : things) {
    if (thing.kind != kind) continue;
    if (!thing.config.empty() && folder_of(thing.config) == folder) return thing;
    of_kind.push_back(&thing);
  }
  if (of_kind.size() == 1) return *of_kind.front();
  const auto unnamed = std::find_if(of_kind.begin(), of_kind.end(),
                                    [](const Migration* thing) { return thing->config.empty(); });
  if (unnamed != of_kind.end()) return **unnamed;
  things.push_back({.kind = kind});
  return things.back();
}

std::string places_text(const std::vector<Place>& places) {
  std::vector<std::string> texts;
  for (const Place& place : places) {
    texts.push_back(fmt::format("{}:{}", visible(place.file), place.line));
  }
  return join(texts, ", ");
}

std::string production_branch(const Policy& policy) {
  return policy.production.empty() ? "main" : policy.production.front().text();
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

void add_steps(Migration& thing, const Policy& policy) {
  const std::string branch = production_branch(policy);
  if (std::string step = name_step(thing, policy); !step.empty()) thing.steps.push_back(step);
  const std::string remove = fmt::format(
      "Verify one build of {} and one of a preview branch, then remove what deploys it here: {}.",
      branch, places_text(thing.deployed_by));
  if (thing.path == "existing-worker") {
    thing.steps.push_back(fmt::format(
        "Connect the repository to the Worker: Settings, Builds; production branch {}.", branch));
    thing.steps.emplace_back(
        "Set the deploy command of other branches to \"deploy-policy exec --class preview -- npx "
        "wrangler versions upload\": Workers cannot choose branches by pattern.");
    thing.steps.push_back(remove);
    thing.steps.emplace_back("Delete the Cloudflare token from the repository's secrets.");
  } else if (thing.path == "existing-pages") {
    thing.steps.emplace_back(
        "Find out whether the project was made with Git integration: one made by direct upload "
        "cannot be converted.");
    thing.steps.push_back(fmt::format(
        "If it cannot: make a new project with Git integration, production branch {}, with the "
        "branch control that \"deploy-policy export --to pages\" prints.",
        branch));
    thing.steps.emplace_back(
        "Copy variables, secrets and bindings; move the custom domains; delete the old project "
        "when "
        "the new one serves them.");
    thing.steps.push_back(remove);
  } else {
    thing.steps.push_back(
        fmt::format("Make it with Git integration from the beginning, production branch {}; no "
                    "workflow deploys "
                    "it, and lint keeps it so.",
                    branch));
    if (thing.kind == "pages") {
      thing.steps.emplace_back(
          "Set the branch control that \"deploy-policy export --to pages\" prints.");
    } else {
      thing.steps.emplace_back(
          "Set the deploy command of other branches to \"deploy-policy exec --class preview -- npx "
          "wrangler versions upload\".");
    }
  }
}

Json to_json(const Migration& thing) {
  Json places = Json::array();
  for (const Place& place : thing.deployed_by) {
    places.push(Json::object().set("file", place.file).set("line", place.line));
  }
  Json steps = Json::array();
  for (const std::string& step : thing.steps) steps.push(step);
  Json json = Json::object();
  json.set("kind", thing.kind)
      .set("name", thing.name)
      .set("config", thing.config)
      .set("path", thing.path)
      .set("deployed-by", std::move(places))
      .set("steps", std::move(steps));
  return json;
}

std::string title_of(const Migration& thing) {
  const std::string kind = thing.kind == "pages" ? "Pages project" : "Worker";
  const std::string name = thing.name.empty() ? "that no file names" : visible(thing.name);
  return fmt::format("{} {}{} ({})", kind, name,
                     thing.config.empty() ? "" : fmt::format(", {}", visible(thing.config)),
                     thing.path);
}

}  // namespace

std::vector<Migration> plan_migrations(const Repository& repository, const Policy& policy) {
  std::vector<Migration> things = things_of(repository);
  DeploySearch search(repository);
  for (const RepositoryFile* workflow : repository.workflows()) {
    for (const EdgeDeploy& deploy : search.in_workflow(*workflow)) {
      const std::string kind = is_of_pages(deploy.what) ? "pages" : "worker";
      Migration& thing = deployed_thing(things, kind, deploy.folder);
      thing.path = kind == "pages" ? "existing-pages" : "existing-worker";
      auto& places = thing.deployed_by;
      if (std::find(places.begin(), places.end(), deploy.at) == places.end()) {
        places.push_back(deploy.at);
      }
    }
  }
  for (Migration& thing : things) add_steps(thing, policy);
  return things;
}

Result<int> run_migrate(ToolContext& context, Inputs inputs, BadInputs& bad) {
  const Policy policy = read_policy(context, inputs, bad, inputs.text("root"));
  const Repository repository = read_repository(context, inputs, bad);
  if (!bad.empty()) return bad.to_error();
  const std::vector<Migration> things = plan_migrations(repository, policy);
  Json list = Json::array();
  std::string text;
  std::string summary = "| what | path | deployed by | steps |\n|---|---|---|---|\n";
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
  }
  if (things.empty()) {
    text = "Nothing here is deployed to Cloudflare: no Wrangler configuration, no workflow.\n";
  } else {
    context.reporter.summary(summary);
  }
  text.pop_back();
  context.reporter.info(text);
  context.reporter.output(contract::migrations, list.dump());
  context.reporter.report(Json::object().set("migrations", std::move(list)));
  return 0;
}

}  // namespace pca::deploy_policy
