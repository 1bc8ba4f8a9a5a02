#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "deploy-policy/edge_deploy.hpp"
#include "deploy-policy/finding.hpp"
#include "deploy-policy/repository.hpp"

namespace pca::deploy_policy {

// Something that deploys to Cloudflare, and the way there from where the search began.
struct EdgeDeploy {
  std::string what;  // "wrangler deploy"
  Place at;
  std::vector<Place> via;
  EdgeTarget target;  // its paths are relative to the repository
};

// Finds what steps, scripts and actions of a repository deploy to Cloudflare, through npm scripts,
// shell scripts, composite actions and reusable workflows. Remembers what it came through.
class DeploySearch {
 public:
  explicit DeploySearch(const Repository& repository) : repository_(repository) {}

  [[nodiscard]] std::vector<EdgeDeploy> in_workflow(const RepositoryFile& workflow);
  [[nodiscard]] std::vector<EdgeDeploy> in_action(const RepositoryFile& action);
  // Of one script of a package.json.
  [[nodiscard]] std::vector<EdgeDeploy> in_script(const RepositoryFile& package,
                                                  const std::string& script);

  // Whether there was more to look at than any repository has: the rest was not looked at.
  [[nodiscard]] bool gave_up() const;

  // Whether a search came through it since the beginning.
  [[nodiscard]] bool has_reached(const RepositoryFile& file) const;
  [[nodiscard]] bool has_reached(const RepositoryFile& file, const std::string& script) const;

 private:
  // Where a text runs, and how the search came there.
  struct Way {
    std::string folder;      // relative to the repository
    bool is_known = true;    // whether `folder` is what a run would use
    std::vector<Place> via;  // the first is where the search began
    int depth = 0;
  };

  void search_jobs(const RepositoryFile& workflow, const Way& way);
  void search_steps(const RepositoryFile& file, const ConfigValue& steps, const std::string& folder,
                    const Way& way);
  void search_step(const RepositoryFile& file, const ConfigValue& step, const std::string& folder,
                   const Way& way);
  void search_uses(const RepositoryFile& file, const ConfigValue& step, const Way& way);
  void search_shell(const RepositoryFile& file, const ConfigValue& text, const Way& way);
  void search_commands(std::string_view text, const RepositoryFile& file, const ConfigValue* lines,
                       int line, const Way& way);
  void search_script(const RepositoryFile& package, const std::string& script, const Way& way);
  void call_scripts(const std::vector<ScriptCall>& calls, const Way& way);
  void call_file(const std::string& path, bool is_program, const Way& way);
  void found(const CommandMeaning& meaning, const Way& way);

  const Repository& repository_;
  std::set<std::string> reached_;  // paths, and "path#script"
  std::set<std::string> open_;     // what is being searched: no circle is walked twice
  std::vector<EdgeDeploy> deploys_;
  std::set<std::string> harmless_;  // scripts that were searched whole, and deploy nothing
  std::size_t commands_ = 0;
  std::size_t deploys_found_ = 0;
  std::size_t cut_short_ = 0;  // how often a search ended before it had seen all
};

}  // namespace pca::deploy_policy
