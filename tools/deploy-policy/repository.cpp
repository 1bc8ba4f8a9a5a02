#include "deploy-policy/repository.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <span>

#include "base/jsonc.hpp"
#include "base/text.hpp"
#include "base/toml.hpp"
#include "base/yaml.hpp"
#include "cli/input_file.hpp"

namespace pca::deploy_policy {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_entries = 500'000;  // looked at
constexpr std::size_t most_files = 20'000;     // read
constexpr std::uint64_t file_limit = 1024ULL * 1024;
constexpr std::string_view workflow_folder = ".github/workflows/";

bool is_yaml(std::string_view path) { return path.ends_with(".yml") || path.ends_with(".yaml"); }

bool is_workflow(std::string_view path) {
  return path.starts_with(workflow_folder) && is_yaml(path) &&
         path.find('/', workflow_folder.size()) == std::string_view::npos;
}

bool is_action(std::string_view path) {
  const std::string name = file_name_of(path);
  return name == "action.yml" || name == "action.yaml";
}

bool is_package(std::string_view path) { return file_name_of(path) == "package.json"; }

// Also "wrangler.staging.toml", which --config names.
bool is_wrangler(std::string_view path) {
  const std::string name = file_name_of(path);
  return name.starts_with("wrangler.") &&
         (name.ends_with(".toml") || name.ends_with(".json") || name.ends_with(".jsonc"));
}

bool is_parsed(std::string_view path) {
  return is_workflow(path) || is_action(path) || is_package(path) || is_wrangler(path);
}

bool is_wanted(std::string_view path) { return is_parsed(path) || path.ends_with(".sh"); }

bool is_left_out(std::string_view folder) {
  return folder == ".git" || folder == "node_modules" || folder == ".wrangler" ||
         folder == "vendor";
}

Result<ConfigValue, ConfigProblem> parse(std::string_view path, std::string_view text) {
  if (is_yaml(path)) return parse_yaml(text);
  if (path.ends_with(".toml")) return parse_toml(text);
  return parse_jsonc(text);
}

std::vector<const RepositoryFile*> chosen(
    const std::map<std::string, RepositoryFile, std::less<>>& files,
    bool (*is_chosen)(std::string_view)) {
  std::vector<const RepositoryFile*> found;
  for (const auto& [path, file] : files) {
    if (is_chosen(path)) found.push_back(&file);
  }
  return found;
}

}  // namespace

std::string normal_path(std::string_view path) {
  std::vector<std::string> parts;
  for (const std::string& part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(part);
    } else if (parts.empty()) {
      return {};
    } else {
      parts.pop_back();
    }
  }
  return join(parts, "/");
}

std::string folder_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string() : std::string(path.substr(0, slash));
}

std::string file_name_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

void Repository::add(std::string path, std::string text) {
  RepositoryFile file{path, std::move(text)};
  file.is_script = !is_parsed(path);
  if (!file.is_script) {
    auto root = parse(path, file.text);
    if (root) {
      file.root = *std::move(root);
    } else {
      file.problem = root.error().text;
      file.problem_line = root.error().line;
    }
  }
  files_.insert_or_assign(std::move(path), std::move(file));
}

Repository Repository::of(const std::map<std::string, std::string>& texts) {
  Repository repository;
  for (const auto& [path, text] : texts) repository.add(path, text);
  return repository;
}

Result<Repository> Repository::read(const Budget& budget, const std::string& root,
                                    const PathPatterns& exclude) {
  const std::string cure = "Name the folder of a repository.";
  std::error_code error;
  if (!fs::is_directory(root, error)) {
    return bad_input(fmt::format("{} is no folder", shown(root)), cure);
  }
  Repository repository;
  repository.root_ = root;
  repository.exclude_ = exclude;
  repository.budget_ = budget;
  std::size_t entries = 0;
  fs::recursive_directory_iterator entry(root, fs::directory_options::skip_permission_denied,
                                         error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    PCA_CHECK(budget.check("reading the repository"));
    if (++entries > most_entries) {
      return bad_input(fmt::format("{} holds more than {} files", shown(root), most_entries), cure);
    }
    const std::string path = entry->path().lexically_relative(root).generic_string();
    const fs::file_status status = entry->symlink_status(error);
    if (fs::is_directory(status)) {
      const bool skips = is_left_out(entry->path().filename().string()) ||
                         exclude.match(path, true).value_or(false);
      if (skips) entry.disable_recursion_pending();
      continue;
    }
    if (!fs::is_regular_file(status) || !is_wanted(path) || exclude.takes(path, false)) continue;
    if (repository.files_.size() >= most_files) {
      return bad_input(fmt::format("{} holds more than {} workflows, actions and packages",
                                   shown(root), most_files),
                       "Leave folders out by --exclude.");
    }
    auto text = read_input_file(budget, entry->path().string(), file_limit);
    if (text) {
      repository.add(path, *std::move(text));
    } else {
      repository.files_[path] = {path, {}, {}, text.error().message, 1};
    }
  }
  if (error)
    return bad_input(fmt::format("cannot read {}: {}", shown(root), error.message()), cure);
  return repository;
}

const RepositoryFile* Repository::find(std::string_view path) const {
  const auto found = files_.find(path);
  return found == files_.end() ? nullptr : &found->second;
}

// As the walk through the folders does it: no links, nothing that is left out.
bool Repository::may_read(const std::string& path) const {
  if (root_.empty() || path.empty() || files_.size() >= most_files) return false;
  if (exclude_.takes(path, false)) return false;
  fs::path so_far = root_;
  std::error_code error;
  const std::vector<std::string> names = split(path, '/');
  for (std::size_t i = 0; i + 1 < names.size(); ++i) {
    so_far /= names[i];
    if (is_left_out(names[i]) || !fs::is_directory(fs::symlink_status(so_far, error))) return false;
  }
  return fs::is_regular_file(fs::symlink_status(so_far / names.back(), error));
}

const RepositoryFile* Repository::find_script(std::string_view path) const {
  if (const RepositoryFile* known = find(path)) return known->is_script ? known : nullptr;
  const std::string name(path);
  if (!may_read(name)) return nullptr;
  auto text = read_input_file(budget_, root_ + "/" + name, file_limit);
  if (!text || text->find('\0') != std::string::npos) return nullptr;
  RepositoryFile file{.path = name, .text = *std::move(text), .is_script = true};
  return &files_.insert_or_assign(name, std::move(file)).first->second;
}

std::vector<const RepositoryFile*> Repository::workflows() const {
  return chosen(files_, is_workflow);
}
std::vector<const RepositoryFile*> Repository::actions() const { return chosen(files_, is_action); }
std::vector<const RepositoryFile*> Repository::packages() const {
  return chosen(files_, is_package);
}
std::vector<const RepositoryFile*> Repository::wrangler_files() const {
  return chosen(files_, is_wrangler);
}

}  // namespace pca::deploy_policy
