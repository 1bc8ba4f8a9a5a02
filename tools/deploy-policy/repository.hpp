#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/budget.hpp"
#include "base/config_value.hpp"
#include "base/glob.hpp"

namespace pca::deploy_policy {

// A file of the repository that a rule may look at.
struct RepositoryFile {
  std::string path;  // relative, with slashes
  std::string text = {};
  ConfigValue root = {};     // parsed, where it is YAML, TOML or JSON
  std::string problem = {};  // why it could not be read or parsed, with its line
  int problem_line = 1;
  bool is_script = false;  // of any language; nothing was parsed
};

// The files of a folder that have to do with deploying: workflows, actions, package.json,
// Wrangler's configuration and shell scripts. Links are not followed, so nothing outside is read;
// node_modules and the like are left out. Not thread safe.
class Repository {
 public:
  // bad_input when `root` is no folder, or holds more than the limits allow.
  static Result<Repository> read(const Budget& budget, const std::string& root,
                                 const PathPatterns& exclude);
  // For tests: texts by path.
  static Repository of(const std::map<std::string, std::string>& texts);

  [[nodiscard]] const RepositoryFile* find(std::string_view path) const;
  // A script that a command names, whatever the file is called: read when it is first asked for.
  // nullptr for what is not there, is no text or may not be looked at.
  [[nodiscard]] const RepositoryFile* find_script(std::string_view path) const;
  // All that were read so far.
  [[nodiscard]] const std::map<std::string, RepositoryFile, std::less<>>& files() const {
    return files_;
  }
  [[nodiscard]] std::vector<const RepositoryFile*> workflows() const;
  [[nodiscard]] std::vector<const RepositoryFile*> actions() const;   // composite ones and others
  [[nodiscard]] std::vector<const RepositoryFile*> packages() const;  // package.json
  [[nodiscard]] std::vector<const RepositoryFile*> wrangler_files() const;

 private:
  void add(std::string path, std::string text);
  [[nodiscard]] bool may_read(const std::string& path) const;

  mutable std::map<std::string, RepositoryFile, std::less<>> files_;
  std::string root_;  // empty: there are no other files
  PathPatterns exclude_;
  Budget budget_ = Budget::of(Milliseconds{0});
};

// "a/../b/./c" as "b/c"; empty when it leads out of the repository.
[[nodiscard]] std::string normal_path(std::string_view path);
[[nodiscard]] std::string folder_of(std::string_view path);
[[nodiscard]] std::string file_name_of(std::string_view path);

}  // namespace pca::deploy_policy
