#include "deploy-policy/edge_deploy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <span>

#include "base/text.hpp"
#include "deploy-policy/shell_commands.hpp"

namespace pca::deploy_policy {

namespace {

using Words = std::span<const std::string>;

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool is_flag(std::string_view word) { return word.size() > 1 && word.front() == '-'; }

bool is_assignment(std::string_view word) {
  const std::size_t equals = word.find('=');
  if (equals == 0 || equals == std::string_view::npos) return false;
  return std::all_of(word.begin(), word.begin() + static_cast<std::ptrdiff_t>(equals), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

// "wrangler" of "./node_modules/.bin/wrangler", "wrangler@4", "wrangler.js"; a scoped package keeps
// its scope.
std::string program_of(std::string_view word) {
  std::string name(word);
  if (!name.starts_with('@')) {
    if (const std::size_t slash = name.rfind('/'); slash != std::string::npos) {
      name = name.substr(slash + 1);
    }
  }
  if (const std::size_t at = name.find('@', 1); at != std::string::npos) name.resize(at);
  for (const std::string_view end : {".js", ".mjs", ".cjs", ".cmd", ".exe"}) {
    if (name.ends_with(end)) name.resize(name.size() - end.size());
  }
  return name;
}

// The words that are no flags. `with_value`: flags whose next word is their value.
std::vector<std::string> positionals(Words words,
                                     std::initializer_list<std::string_view> with_value) {
  std::vector<std::string> found;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (!is_flag(words[i])) {
      found.push_back(words[i]);
    } else if (is_one_of(words[i], with_value)) {
      ++i;
    }
  }
  return found;
}

bool has_any(Words words, std::initializer_list<std::string_view> wanted) {
  return std::any_of(words.begin(), words.end(),
                     [&](const std::string& word) { return is_one_of(word, wanted); });
}

// The value of the flag among `names`, also as "--flag=value".
std::string flag_value(Words words, std::initializer_list<std::string_view> names) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    for (const std::string_view name : names) {
      if (words[i] == name && i + 1 < words.size()) return words[i + 1];
      if (words[i].starts_with(name) && words[i].substr(name.size()).starts_with('=')) {
        return words[i].substr(name.size() + 1);
      }
    }
  }
  return {};
}

// ------------------------------------------------------------------------- wrangler and others

bool is_dry_run(Words arguments) {
  if (has_any(arguments, {"--dry-run=true"})) return true;
  const auto flag = std::find(arguments.begin(), arguments.end(), "--dry-run");
  return flag != arguments.end() && (flag + 1 == arguments.end() || *(flag + 1) != "false");
}

std::string deploys_by_wrangler(Words arguments) {
  if (is_dry_run(arguments) || has_any(arguments, {"--help", "-h"})) return {};
  const std::vector<std::string> words = positionals(
      arguments,
      {"-c", "--config", "-e", "--env", "--cwd", "--env-file", "--name", "--project-name", "-x"});
  if (words.empty()) return {};
  const std::string& first = words[0];
  const std::string second = words.size() > 1 ? words[1] : "";
  if (is_one_of(first, {"deploy", "publish", "rollback"})) return "wrangler " + first;
  const bool deploys_by_second = (first == "pages" && is_one_of(second, {"deploy", "publish"})) ||
                                 (first == "versions" && is_one_of(second, {"deploy", "upload"})) ||
                                 (first == "triggers" && second == "deploy");
  if (deploys_by_second) return fmt::format("wrangler {} {}", first, second);
  if (first == "pages" && second == "deployment" && words.size() > 2 && words[2] == "create") {
    return "wrangler pages deployment create";
  }
  return {};
}

std::string deploys_by_opennext(Words arguments) {
  const std::vector<std::string> words = positionals(arguments, {"-c", "--config", "-e", "--env"});
  if (has_any(arguments, {"--dry-run", "--help"}) || words.empty()) return {};
  if (!is_one_of(words[0], {"deploy", "upload"})) return {};
  return "opennextjs-cloudflare " + words[0];
}

// ------------------------------------------------------------------------- Cloudflare's API

// "/workers/scripts/NAME" by PUT, its versions and deployments by POST; "/pages/projects/NAME/
// deployments" by POST, also to roll back. Not its secrets, schedules or settings.
bool is_deploying_request(std::string_view url, std::string_view method) {
  const bool writes = is_one_of(method, {"PUT", "POST", "PATCH"});
  // Of "$API/workers/scripts/x" only a run knows the beginning.
  const bool may_be_api =
      contains(url, "api.cloudflare.com") || contains(url, "/accounts/") || url.starts_with('$');
  if (!writes || !may_be_api) return false;
  if (contains(url, "/pages/projects/")) return contains(url, "/deployments");
  for (const std::string_view part : {"/workers/scripts/", "/workers/services/"}) {
    const std::size_t at = url.find(part);
    if (at == std::string_view::npos) continue;
    std::string_view rest = url.substr(at + part.size());
    rest = rest.substr(0, rest.find('?'));
    const std::size_t slash = rest.find('/');
    const std::string_view below = slash == std::string_view::npos ? "" : rest.substr(slash + 1);
    return below.empty() || below.starts_with("content") || below.starts_with("versions") ||
           below.starts_with("deployments") || below.starts_with("environments");
  }
  return contains(url, "/workers/dispatch/namespaces/") && contains(url, "/scripts/");
}

// Short flags of curl, each by itself: "-sSX POST" as "-s", "-S", "-X", "POST".
std::vector<std::string> without_joined_flags(Words arguments) {
  constexpr std::string_view with_value = "AbCcDdEeFHKmoPQrTtuUwXxYyz";
  std::vector<std::string> words;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (!is_flag(word) || word.starts_with("--")) {
      words.push_back(word);
      continue;
    }
    for (std::size_t j = 1; j < word.size(); ++j) {
      words.push_back({'-', word[j]});
      if (!contains(with_value, words.back().substr(1))) continue;
      if (j + 1 < word.size()) words.push_back(word.substr(j + 1));
      if (j + 1 == word.size() && i + 1 < arguments.size()) words.push_back(arguments[++i]);
      break;
    }
  }
  return words;
}

std::string method_of_curl(Words arguments) {
  const std::vector<std::string> words = without_joined_flags(arguments);
  if (const std::string given = flag_value(words, {"-X", "--request"}); !given.empty()) {
    return to_upper(given);
  }
  if (has_any(words, {"-G", "--get", "-I", "--head"})) return "GET";
  for (const std::string& word : words) {
    if (word == "-T" || word.starts_with("--upload-file")) return "PUT";
    const bool is_data = word == "-d" || word == "-F" || word.starts_with("--data") ||
                         word.starts_with("--form") || word.starts_with("--json");
    if (is_data) return "POST";
  }
  return "GET";
}

std::string method_of_request(std::string_view program, Words arguments) {
  if (program == "curl") return method_of_curl(arguments);
  if (program == "wget") {
    const std::string given = to_upper(flag_value(arguments, {"--method"}));
    return given.empty() && !flag_value(arguments, {"--post-data", "--post-file"}).empty() ? "POST"
                                                                                           : given;
  }
  for (const std::string& word : arguments) {  // http, xh
    if (is_one_of(to_upper(word), {"GET", "PUT", "POST", "PATCH", "DELETE"})) return to_upper(word);
  }
  return "GET";
}

std::string deploys_by_request(std::string_view program, Words arguments) {
  const std::string method = method_of_request(program, arguments);
  const bool deploys =
      std::any_of(arguments.begin(), arguments.end(),
                  [&](const std::string& word) { return is_deploying_request(word, method); });
  return deploys ? fmt::format("{} to Cloudflare's API", method) : std::string();
}

// What stands behind `part` in the first word that has it, up to a slash or a "?".
std::string name_in_url(Words words, std::string_view part) {
  for (const std::string& word : words) {
    const std::size_t at = word.find(part);
    if (at == std::string::npos) continue;
    const std::size_t start = at + part.size();
    return word.substr(start, std::min(word.find_first_of("/?", start), word.size()) - start);
  }
  return {};
}

// ------------------------------------------------------------------------- what it goes to

std::string if_known_here(std::string text) {
  return is_known_here(text) ? std::move(text) : std::string();
}

EdgeTarget target_of_wrangler(Words arguments, std::string_view deploys) {
  EdgeTarget target;
  target.kind = contains(deploys, " pages ") ? "pages" : "worker";
  target.name =
      if_known_here(target.kind == "pages" ? flag_value(arguments, {"--project-name", "--name"})
                                           : flag_value(arguments, {"--name"}));
  target.config = if_known_here(flag_value(arguments, {"-c", "--config"}));
  target.environment = flag_value(arguments, {"-e", "--env"});
  target.folder = flag_value(arguments, {"--cwd"});
  return target;
}

EdgeTarget target_of_request(Words arguments) {
  EdgeTarget target{.kind = "pages", .name = name_in_url(arguments, "/pages/projects/")};
  if (target.name.empty()) {
    target = {.kind = "worker", .name = name_in_url(arguments, "/workers/scripts/")};
  }
  target.name = if_known_here(target.name);
  return target;
}

// ------------------------------------------------------------------------- scripts of packages

// The shell's text of "npx -c 'wrangler deploy'": among the flags before a program.
std::string called_text(Words words) {
  for (std::size_t i = 0; i < words.size() && is_flag(words[i]) && words[i] != "--"; ++i) {
    if (is_one_of(words[i], {"-c", "--call"}) && i + 1 < words.size()) return words[i + 1];
    if (words[i].starts_with("--call=")) return words[i].substr(7);
    if (is_one_of(words[i], {"-p", "--package"})) ++i;
  }
  return {};
}

bool is_package_manager(std::string_view program) {
  return is_one_of(program, {"npm", "pnpm", "yarn", "bun"});
}

// What of a manager's own commands hides a script of the same name.
bool is_own_command(std::string_view manager, std::string_view word) {
  if (manager == "npm") return !is_one_of(word, {"start", "stop", "test", "restart", "t"});
  if (manager == "pnpm") {
    return is_one_of(word, {"deploy", "install", "i", "add", "remove", "publish", "audit", "store",
                            "pack", "init", "link", "update", "up", "setup", "config", "server"});
  }
  return is_one_of(word, {"install", "add", "remove", "publish", "init", "link", "upgrade", "pack",
                          "config", "cache", "set", "info", "why", "up", "create", "pm", "build"});
}

// Reads the command line of a package manager.
class ManagerCall {
 public:
  ManagerCall(std::string manager, Words arguments)
      : manager_(std::move(manager)), arguments_(arguments) {}

  // Adds the scripts that it calls. The words of a program that it runs instead come back.
  Words read(CommandMeaning& meaning) {
    skip_flags();
    if (at_ >= arguments_.size()) return {};
    const std::string& word = arguments_[at_];
    if (is_one_of(word, {"exec", "dlx", "x"})) {
      ++at_;
      if (const std::string text = called_text(arguments_.subspan(at_)); !text.empty()) {
        meaning.shell_texts.push_back(text);
        return {};
      }
      skip_flags();
      if (at_ < arguments_.size() && arguments_[at_] == "--") ++at_;
      return arguments_.subspan(at_);
    }
    if (manager_ == "yarn" && word == "workspace" && at_ + 1 < arguments_.size()) {
      call_.package = arguments_[at_ + 1];
      at_ += 2;
      return read(meaning);
    }
    if (manager_ == "yarn" && word == "workspaces") {
      const auto run = std::find(arguments_.begin(), arguments_.end(), "run");
      at_ = static_cast<std::size_t>(run - arguments_.begin());
      call_.any_package = true;
      if (at_ >= arguments_.size()) return {};
      return read(meaning);
    }
    const bool is_run = is_one_of(word, {"run", "run-script"});
    if (is_run) ++at_;
    skip_flags();
    if (at_ >= arguments_.size()) return {};
    const std::string& name = arguments_[at_];
    if (!is_run && is_own_command(manager_, name)) return {};
    call_.script = name == "t" ? "test" : name;
    if (manager_ == "npm") {
      read_flags_behind_script();
      meaning.scripts.push_back(call_);
      return {};
    }
    meaning.scripts.push_back(call_);
    // "yarn wrangler deploy" runs the program where there is no such script.
    return arguments_.subspan(at_);
  }

 private:
  [[nodiscard]] bool is_at_flag() const {
    return is_flag(arguments_[at_]) && arguments_[at_] != "--";
  }

  void skip_flags() {
    for (; at_ < arguments_.size() && is_at_flag(); ++at_) read_flag();
  }

  // npm's own may stand there too, up to "--"; the others hand them to the script.
  void read_flags_behind_script() {
    for (++at_; at_ < arguments_.size() && arguments_[at_] != "--"; ++at_) {
      if (is_at_flag()) read_flag();
    }
  }

  void read_flag() {
    const std::string& flag = arguments_[at_];
    const std::size_t equals = flag.find('=');
    const std::string name = flag.substr(0, equals);
    std::string* value = nullptr;
    if (is_one_of(name, {"--prefix", "-C", "--dir", "--cwd"})) value = &call_.folder;
    if (is_one_of(name, {"-w", "--workspace", "--filter", "-F"})) value = &call_.package;
    // pnpm's -w is the root of the workspace.
    if (manager_ == "pnpm" && is_one_of(name, {"-w", "--workspace-root"})) value = nullptr;
    if (is_one_of(name, {"-r", "--recursive", "--workspaces", "-ws"})) call_.any_package = true;
    if (value == nullptr) return;
    if (equals != std::string::npos) {
      *value = flag.substr(equals + 1);
    } else if (at_ + 1 < arguments_.size()) {
      *value = arguments_[++at_];
    }
  }

  std::string manager_;
  Words arguments_;
  std::size_t at_ = 0;
  ScriptCall call_;
};

ScriptCall of_any_package(std::string script) {
  ScriptCall call;
  call.script = std::move(script);
  call.any_package = true;
  return call;
}

// Programs that run scripts of packages: turbo, lerna, nx, npm-run-all, concurrently.
bool read_script_runner(std::string_view program, Words arguments, CommandMeaning& meaning) {
  if (is_one_of(program, {"run-s", "run-p", "npm-run-all"})) {
    for (const std::string& word : positionals(arguments, {"--max-parallel"})) {
      meaning.scripts.push_back({.script = word, .folder = {}, .package = {}});
    }
    return true;
  }
  if (is_one_of(program, {"turbo", "lerna", "nx"})) {
    std::vector<std::string> words =
        positionals(arguments, {"--filter", "-F", "--scope", "-t", "--target", "-p", "--projects"});
    if (const std::string target = flag_value(arguments, {"-t", "--target"}); !target.empty()) {
      words.push_back(target);
    }
    for (const std::string& word : words) {
      if (is_one_of(word, {"run", "run-many", "affected"})) continue;
      const std::size_t colon = word.find(':');  // nx: project:target
      meaning.scripts.push_back(of_any_package(
          program == "nx" && colon != std::string::npos ? word.substr(colon + 1) : word));
    }
    return true;
  }
  if (program == "concurrently") {
    for (const std::string& word : positionals(arguments, {"-n", "--names", "-c"})) {
      if (word.starts_with("npm:")) {
        meaning.scripts.push_back({.script = word.substr(4), .folder = {}, .package = {}});
      } else {
        meaning.shell_texts.push_back(word);
      }
    }
    return true;
  }
  return false;
}

// ------------------------------------------------------------------------- wrappers

bool is_npx(std::string_view program) { return is_one_of(program, {"npx", "bunx", "pnpx"}); }

// What stands before the program that it runs: its own words are dropped. False when the first word
// is no wrapper.
bool drop_wrapper(Words& words) {
  const std::string program = program_of(words.front());
  const auto drop = [&](std::size_t count) {
    words = words.subspan(std::min(count, words.size()));
  };
  const auto drop_flags = [&](std::initializer_list<std::string_view> with_value) {
    while (!words.empty() && is_flag(words.front())) {
      const bool has_value = is_one_of(words.front(), with_value);
      const bool is_end = words.front() == "--";
      drop(has_value ? 2 : 1);
      if (is_end) return;
    }
  };
  if (is_assignment(words.front())) {
    drop(1);
    return true;
  }
  if (is_one_of(program, {"env", "exec", "command", "nohup", "builtin", "cross-env", "sudo", "nice",
                          "xargs", "stdbuf"})) {
    drop(1);
    drop_flags({"-u", "-n", "-I", "-P", "-S", "-L", "-o", "-i"});
    return true;
  }
  if (program == "timeout") {
    drop(1);
    drop_flags({"-s", "-k", "--signal", "--kill-after"});
    drop(1);
    return true;
  }
  if (is_one_of(program, {"corepack", "dotenv"})) {
    drop(1);
    drop_flags({"-e", "-v", "-f", "--file"});
    return true;
  }
  if (is_npx(program)) {
    drop(1);
    drop_flags({"-p", "--package"});
    return true;
  }
  if (program == "node" && words.size() > 1 && contains(words[1], "wrangler")) {
    drop(1);
    return true;
  }
  return false;
}

// "doppler run -- wrangler deploy": what an unknown program runs stands behind "--".
Words behind_dashes(Words words) {
  const auto dashes = std::find(words.begin(), words.end(), "--");
  if (dashes == words.end()) return {};
  return words.subspan(static_cast<std::size_t>(dashes - words.begin()) + 1);
}

bool is_shell(std::string_view program) {
  return is_one_of(program, {"sh", "bash", "dash", "zsh", "ash", "ksh"});
}

bool is_interpreter(std::string_view program) {
  return is_one_of(program, {"node", "tsx", "ts-node", "zx", "python", "python3", "ruby"});
}

void read_shell(Words arguments, CommandMeaning& meaning) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (is_flag(word) && !word.starts_with("--") && word.ends_with('c') &&
        i + 1 < arguments.size()) {
      meaning.shell_texts.push_back(arguments[i + 1]);
      return;
    }
    if (word == "-o" || word == "-O") {
      ++i;
    } else if (!is_flag(word)) {
      meaning.shell_file = word;
      return;
    }
  }
}

void read_program(Words words, CommandMeaning& meaning) {
  const std::string program = program_of(words.front());
  const Words arguments = words.subspan(1);
  if (is_one_of(program, {"wrangler", "@cloudflare/wrangler"})) {
    meaning.deploys = deploys_by_wrangler(arguments);
    meaning.target = target_of_wrangler(arguments, meaning.deploys);
  } else if (is_one_of(program, {"opennextjs-cloudflare", "@opennextjs/cloudflare"})) {
    meaning.deploys = deploys_by_opennext(arguments);
    meaning.target = target_of_wrangler(arguments, meaning.deploys);
  } else if (is_one_of(program, {"curl", "wget", "http", "https", "xh"})) {
    meaning.deploys = deploys_by_request(program, arguments);
    meaning.target = target_of_request(arguments);
  } else if (is_shell(program)) {
    read_shell(arguments, meaning);
  } else if (is_one_of(program, {"eval", "source", "."})) {
    if (program == "eval") meaning.shell_texts.push_back(join(arguments, " "));
    if (program != "eval" && !arguments.empty()) meaning.shell_file = arguments.front();
  } else if (is_interpreter(program)) {
    const std::vector<std::string> files =
        positionals(arguments, {"-r", "--require", "--import", "--loader", "-W", "-X"});
    if (!files.empty()) meaning.program_file = files.front();
  } else if (words.front().ends_with(".sh") || contains(words.front(), "/")) {
    meaning.shell_file = words.front();
  }
}

// What forks of the official actions are called.
bool names_pages_of_cloudflare(std::string_view name) {
  const bool names_cloudflare =
      contains(name, "cloudflare") || contains(name, "cf-") || name.starts_with("cloudflare/");
  return contains(name, "pages") && names_cloudflare && !contains(name, "purge");
}

std::string action_name(std::string_view uses) { return to_lower(uses.substr(0, uses.find('@'))); }

}  // namespace

CommandMeaning meaning_of(const std::vector<std::string>& words) {
  CommandMeaning meaning;
  Words rest = words;
  // Each turn drops a word at least.
  while (!rest.empty()) {
    const std::string program = program_of(rest.front());
    if (is_npx(program)) {
      if (const std::string text = called_text(rest.subspan(1)); !text.empty()) {
        meaning.shell_texts.push_back(text);
        break;
      }
    }
    if (drop_wrapper(rest)) continue;
    if (is_package_manager(program)) {
      const Words further = ManagerCall(program, rest.subspan(1)).read(meaning);
      if (further.size() >= rest.size()) break;
      rest = further;
      continue;
    }
    if (read_script_runner(program, rest.subspan(1), meaning)) break;
    read_program(rest, meaning);
    const bool is_known = !meaning.deploys.empty() || program == "wrangler" || is_shell(program);
    if (is_known) break;
    rest = behind_dashes(rest);
  }
  return meaning;
}

bool is_wrangler_action(std::string_view uses) {
  return contains(action_name(uses), "wrangler-action");
}

bool is_pages_action(std::string_view uses) {
  const std::string name = action_name(uses);
  return name == "cloudflare/pages-action" || names_pages_of_cloudflare(name);
}

bool is_known_here(std::string_view text) { return text.find('$') == std::string_view::npos; }

CommandMeaning meaning_of_action(std::string_view command) {
  CommandMeaning meaning;
  meaning.target.kind = "worker";
  if (trim(command).empty()) {
    meaning.deploys = "wrangler deploy";
    return meaning;
  }
  for (const ShellCommand& line : shell_commands(command)) {
    Words words = line.words;
    if (program_of(words.front()) == "wrangler") words = words.subspan(1);
    if (!words.empty() && words.front().find("${{") != std::string::npos) {
      meaning.deploys = "wrangler with a command that only a run knows";
      return meaning;
    }
    meaning.deploys = deploys_by_wrangler(words);
    if (meaning.deploys.empty()) continue;
    meaning.target = target_of_wrangler(words, meaning.deploys);
    return meaning;
  }
  return {};
}

CommandMeaning meaning_of_text(std::string_view program) {
  CommandMeaning meaning;
  for (const std::string_view phrase :
       {"wrangler deploy", "wrangler publish", "wrangler pages deploy", "wrangler pages publish",
        "wrangler versions upload", "wrangler versions deploy", "wrangler rollback"}) {
    if (!contains(program, phrase)) continue;
    meaning.deploys = phrase;
    meaning.target.kind = contains(phrase, " pages ") ? "pages" : "worker";
    return meaning;
  }
  const bool names_place =
      contains(program, "/workers/scripts/") || contains(program, "/pages/projects/");
  const bool writes = contains(program, "PUT") || contains(program, "POST") ||
                      contains(program, ".put(") || contains(program, ".post(");
  if (contains(program, "api.cloudflare.com") && names_place && writes) {
    meaning.deploys = "a request to Cloudflare's API";
    meaning.target.kind = contains(program, "/pages/projects/") ? "pages" : "worker";
  }
  return meaning;
}

}  // namespace pca::deploy_policy
