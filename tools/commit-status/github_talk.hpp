#pragma once

#include <functional>
#include <memory>
#include <string>

#include "commit-status/target.hpp"
#include "commit-status/trouble.hpp"
#include "net/http.hpp"

namespace pca::commit_status {

// One command's talk with GitHub about its target: a connection of its own, and waits that are
// told to the log. Borrows context and inputs. Not thread safe; not movable, because it holds on to
// itself.
class GitHubTalk {
 public:
  GitHubTalk(ToolContext& context, const Inputs& inputs, Target target);
  GitHubTalk(const GitHubTalk&) = delete;
  GitHubTalk& operator=(const GitHubTalk&) = delete;

  [[nodiscard]] const Target& target() const { return target_; }
  [[nodiscard]] const std::string& root() const { return root_; }  // of the API's URLs
  [[nodiscard]] GitHubApi& api() { return api_; }
  // Enough for so many calls, with their retries; ends with a cancel.
  [[nodiscard]] Budget budget(int calls) const;

  // Does what needs a token with `permission` ("checks: write"): an Error where there is none. How
  // it went goes to `course`.
  Result<> write(const std::string& permission, Course& course,
                 const std::function<Result<>()>& action);
  // The exit code that follows from what write() gave; see judge().
  [[nodiscard]] Result<int> code_of(const Result<>& written, Course& course);

 private:
  [[nodiscard]] GitHubSettings take_settings();

  ToolContext& context_;
  const Inputs& inputs_;
  Target target_;  // but its settings, which are the API's
  std::string root_;
  std::unique_ptr<HttpTransport> transport_;
  GitHubApi api_;
};

}  // namespace pca::commit_status
