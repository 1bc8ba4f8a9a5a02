#include "deploy-policy/deploy_search.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "deploy-policy/edge_deploy.hpp"
#include "deploy-policy/shell_commands.hpp"

namespace pca::deploy_policy {

namespace {

constexpr int deepest = 10;
constexpr std::size_t most_found = 1000;
// Altogether: scripts that call each other twice, and those again, would never end.
constexpr std::size_t most_commands = 50'000;

std::string script_key(const RepositoryFile& package, const std::string& script) {
  return package.path + "#" + script;
}

// A folder as a workflow names it; nothing when only a run knows it.
std::string joined_folder(const std::string& base, std::string_view more, bool& is_known) {
  if (more.find('$') != std::string_view::npos) {
    is_known = false;
    return base;
  }
  if (more.empty()) return base;
  return normal_path(more.starts_with('/') ? std::string(more) : base + "/" + std::string(more));
}

std::string_view default_folder(const ConfigValue& owner) {
  const ConfigValue* defaults = owner.find("defaults");
  const ConfigValue* run = defaults == nullptr ? nullptr : defaults->find("run");
  return run == nullptr ? std::string_view() : run->text_of("working-directory");
}

bool is_shell_name(std::string_view shell) {
  return shell.empty() || shell.find("sh") != std::string_view::npos;
}

bool matches_script(const std::string& pattern, const std::string& name) {
  if (!pattern.ends_with('*')) return pattern == name;
  const std::string_view prefix(pattern.data(), pattern.size() - 1);
  return !prefix.empty() && name.starts_with(prefix);
}

// Whether its first line or its name says that another language is spoken in it.
bool is_for_no_shell(const RepositoryFile& script) {
  if (script.text.starts_with("#!")) {
    return script.text.substr(0, script.text.find('\n')).find("sh") == std::string::npos;
  }
  const std::string_view path = script.path;
  return path.ends_with(".js") || path.ends_with(".mjs") || path.ends_with(".cjs") ||
         path.ends_with(".ts") || path.ends_with(".py") || path.ends_with(".rb");
}

int line_of(const std::string& text, const std::string& phrase) {
  const std::size_t at = std::min(text.find(phrase), text.size());
  if (at == text.size()) return 1;
  return 1 + static_cast<int>(
                 std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
}

// Whether a workspace's filter may mean this package: by its name, its folder, or by a pattern.
bool is_package_named(const RepositoryFile& package, const std::string& filter) {
  if (filter.find_first_of("*.[{$^!") != std::string::npos) return true;
  const std::string folder = folder_of(package.path);
  return package.root.text_of("name") == filter || folder == filter ||
         folder.ends_with("/" + filter) || package.root.text_of("name").ends_with("/" + filter);
}

}  // namespace

bool DeploySearch::has_reached(const RepositoryFile& file) const {
  return reached_.contains(file.path);
}

bool DeploySearch::has_reached(const RepositoryFile& file, const std::string& script) const {
  return reached_.contains(script_key(file, script));
}

bool DeploySearch::gave_up() const { return commands_ > most_commands; }

void DeploySearch::found(const CommandMeaning& meaning, const Way& way) {
  if (meaning.deploys.empty()) return;
  ++deploys_found_;
  if (deploys_.size() >= most_found) return;
  EdgeDeploy deploy{
      meaning.deploys, way.via.front(), {way.via.begin() + 1, way.via.end()}, meaning.target};
  EdgeTarget& target = deploy.target;
  bool is_known = way.is_known;
  target.folder = joined_folder(way.folder, target.folder, is_known);
  if (!target.config.empty()) {
    target.config = joined_folder(target.folder, target.config, is_known);
  }
  const bool is_there = std::any_of(deploys_.begin(), deploys_.end(), [&](const EdgeDeploy& other) {
    return other.what == deploy.what && other.at == deploy.at && other.via == deploy.via &&
           other.target == deploy.target;
  });
  if (!is_there) deploys_.push_back(std::move(deploy));
}

std::vector<EdgeDeploy> DeploySearch::in_workflow(const RepositoryFile& workflow) {
  deploys_.clear();
  search_jobs(workflow, {});
  return std::move(deploys_);
}

std::vector<EdgeDeploy> DeploySearch::in_action(const RepositoryFile& action) {
  deploys_.clear();
  const ConfigValue* runs = action.root.find("runs");
  const ConfigValue* steps = runs == nullptr ? nullptr : runs->find("steps");
  if (steps != nullptr) search_steps(action, *steps, {}, {});
  return std::move(deploys_);
}

std::vector<EdgeDeploy> DeploySearch::in_script(const RepositoryFile& package,
                                                const std::string& script) {
  deploys_.clear();
  search_script(package, script, {});
  return std::move(deploys_);
}

void DeploySearch::search_jobs(const RepositoryFile& workflow, const Way& way) {
  if (way.depth > deepest || !open_.insert(workflow.path).second) return;
  const ConfigValue* jobs = workflow.root.find("jobs");
  const std::string_view of_workflow = default_folder(workflow.root);
  for (const ConfigValue::Member& job :
       jobs == nullptr ? std::vector<ConfigValue::Member>() : jobs->members) {
    Way inner = way;
    const std::string_view of_job = default_folder(job.value);
    const std::string folder =
        joined_folder({}, of_job.empty() ? of_workflow : of_job, inner.is_known);
    if (const ConfigValue* uses = job.value.find("uses"); uses != nullptr && uses->is_text()) {
      const RepositoryFile* called = repository_.find(normal_path(uses->text));
      if (called == nullptr || !uses->text.starts_with("./")) continue;
      inner.via.push_back({workflow.path, uses->line});
      ++inner.depth;
      reached_.insert(called->path);
      search_jobs(*called, inner);
    } else if (const ConfigValue* steps = job.value.find("steps"); steps != nullptr) {
      search_steps(workflow, *steps, folder, inner);
    }
  }
  open_.erase(workflow.path);
}

void DeploySearch::search_steps(const RepositoryFile& file, const ConfigValue& steps,
                                const std::string& folder, const Way& way) {
  for (const ConfigValue& step : steps.items) search_step(file, step, folder, way);
}

void DeploySearch::search_step(const RepositoryFile& file, const ConfigValue& step,
                               const std::string& folder, const Way& way) {
  Way inner = way;
  inner.folder = joined_folder(folder, step.text_of("working-directory"), inner.is_known);
  if (const ConfigValue* run = step.find("run"); run != nullptr && run->is_text()) {
    if (is_shell_name(step.text_of("shell"))) {
      search_shell(file, *run, inner);
    } else {
      inner.via.push_back({file.path, run->line});
      found(meaning_of_text(run->text), inner);
    }
  }
  if (step.find("uses") != nullptr) search_uses(file, step, way);
}

void DeploySearch::search_uses(const RepositoryFile& file, const ConfigValue& step,
                               const Way& way) {
  const ConfigValue& uses = *step.find("uses");
  if (!uses.is_text()) return;
  const ConfigValue* with = step.find("with");
  const ConfigValue none;
  const ConfigValue& inputs = with == nullptr ? none : *with;
  // What the job says of folders is for `run` alone.
  Way place = way;
  place.folder = joined_folder({}, inputs.text_of("workingDirectory"), place.is_known);
  Way inner = place;
  inner.via.push_back({file.path, uses.line});
  if (uses.text.starts_with("./")) {
    const std::string folder = normal_path(uses.text);
    for (const char* name : {"action.yml", "action.yaml"}) {
      const RepositoryFile* action =
          repository_.find(folder.empty() ? name : fmt::format("{}/{}", folder, name));
      if (action == nullptr || inner.depth > deepest || !open_.insert(action->path).second)
        continue;
      reached_.insert(action->path);
      ++inner.depth;
      const ConfigValue* runs = action->root.find("runs");
      const ConfigValue* steps = runs == nullptr ? nullptr : runs->find("steps");
      if (steps != nullptr) search_steps(*action, *steps, {}, inner);
      open_.erase(action->path);
    }
    return;
  }
  if (is_wrangler_action(uses.text)) {
    CommandMeaning meaning = meaning_of_action(inputs.text_of("command"));
    if (!meaning.deploys.empty()) {
      meaning.deploys = fmt::format("{} ({})", uses.text, meaning.deploys);
    }
    if (meaning.target.environment.empty()) {
      meaning.target.environment = inputs.text_of("environment");
    }
    found(meaning, inner);
    for (const char* text : {"preCommands", "postCommands"}) {
      if (const ConfigValue* commands = inputs.find(text)) search_shell(file, *commands, place);
    }
  } else if (is_pages_action(uses.text)) {
    const std::string_view project = inputs.text_of("projectName");
    CommandMeaning meaning{.deploys = uses.text, .target = {.kind = "pages"}};
    if (is_known_here(project)) meaning.target.name = project;
    found(meaning, inner);
  } else if (uses.text.starts_with("actions/github-script")) {
    found(meaning_of_text(inputs.text_of("script")), inner);
  }
}

void DeploySearch::search_shell(const RepositoryFile& file, const ConfigValue& text,
                                const Way& way) {
  if (text.is_text()) search_commands(text.text, file, &text, 0, way);
}

// `lines` knows the line of each command; without it all of them stand on `line`. With neither (0)
// the text is a file of its own.
void DeploySearch::search_commands(std::string_view text, const RepositoryFile& file,
                                   const ConfigValue* lines, int line, const Way& way) {
  if (way.depth > deepest) {
    ++cut_short_;
    return;
  }
  Way here = way;  // "cd" changes the folder of what comes behind it
  for (const ShellCommand& command : shell_commands(text)) {
    if (++commands_ > most_commands) return;
    if (command.words.size() > 1 && (command.words[0] == "cd" || command.words[0] == "pushd")) {
      here.folder = joined_folder(here.folder, command.words[1], here.is_known);
      continue;
    }
    int at = line;
    if (lines != nullptr) {
      at = lines->line_at(command.offset);
    } else if (line == 0) {
      at = 1 + static_cast<int>(std::count(
                   text.begin(), text.begin() + static_cast<std::ptrdiff_t>(command.offset), '\n'));
    }
    Way inner = here;
    inner.via.push_back({file.path, at});
    ++inner.depth;
    const CommandMeaning meaning = meaning_of(command.words);
    found(meaning, inner);
    call_scripts(meaning.scripts, inner);
    for (const std::string& nested : meaning.shell_texts) {
      Way same = here;
      ++same.depth;
      search_commands(nested, file, nullptr, at, same);
    }
    if (!meaning.shell_file.empty()) call_file(meaning.shell_file, false, inner);
    if (!meaning.program_file.empty()) call_file(meaning.program_file, true, inner);
  }
}

void DeploySearch::call_scripts(const std::vector<ScriptCall>& calls, const Way& way) {
  for (const ScriptCall& call : calls) {
    bool is_known = way.is_known;
    std::string folder = joined_folder(way.folder, call.folder, is_known);
    const bool is_any = call.any_package || !call.package.empty() || !is_known;
    const RepositoryFile* nearest_package = nullptr;
    while (!is_any) {
      nearest_package =
          repository_.find(folder.empty() ? "package.json" : folder + "/package.json");
      if (nearest_package != nullptr || folder.empty()) break;
      folder = folder_of(folder);
    }
    for (const RepositoryFile* package : repository_.packages()) {
      if (!is_any && package != nearest_package) continue;
      if (!call.package.empty() && !is_package_named(*package, call.package)) continue;
      const ConfigValue* scripts = package->root.find("scripts");
      if (scripts == nullptr) continue;
      for (const ConfigValue::Member& script : scripts->members) {
        const bool is_called = matches_script(call.script, script.key) ||
                               script.key == "pre" + call.script ||
                               script.key == "post" + call.script;
        if (is_called) search_script(*package, script.key, way);
      }
    }
  }
}

void DeploySearch::search_script(const RepositoryFile& package, const std::string& script,
                                 const Way& way) {
  const std::string key = script_key(package, script);
  reached_.insert(key);
  const ConfigValue* scripts = package.root.find("scripts");
  const ConfigValue* text = scripts == nullptr ? nullptr : scripts->find(script);
  if (text == nullptr || !text->is_text() || harmless_.contains(key)) return;
  if (!open_.insert(key).second) {
    ++cut_short_;
    return;
  }
  const std::size_t deploys = deploys_found_;
  const std::size_t cut_short = cut_short_;
  Way inner = way;
  inner.folder = folder_of(package.path);
  inner.is_known = true;
  search_commands(text->text, package, nullptr, text->line, inner);
  open_.erase(key);
  // Only what was looked at whole: a circle is cut where it began.
  if (deploys_found_ == deploys && cut_short_ == cut_short) harmless_.insert(key);
}

void DeploySearch::call_file(const std::string& path, bool is_program, const Way& way) {
  if (!is_known_here(path)) return;
  const std::string full = normal_path(way.folder.empty() ? path : way.folder + "/" + path);
  const RepositoryFile* script = repository_.find_script(full);
  if (script == nullptr) return;
  if (is_program || is_for_no_shell(*script)) {
    const CommandMeaning meaning = meaning_of_text(script->text);
    Way inner = way;
    inner.via.push_back({full, line_of(script->text, meaning.deploys)});
    found(meaning, inner);
    return;
  }
  if (!open_.insert(full).second) {
    ++cut_short_;
    return;
  }
  reached_.insert(full);
  search_commands(script->text, *script, nullptr, 0, way);
  open_.erase(full);
}

}  // namespace pca::deploy_policy
