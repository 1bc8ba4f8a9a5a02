#include "commit-status/github_talk.hpp"

#include <fmt/format.h>

#include "base/build_info.hpp"

namespace pca::commit_status {

GitHubTalk::GitHubTalk(ToolContext& context, const Inputs& inputs, Target target)
    : context_(context),
      inputs_(inputs),
      target_(std::move(target)),
      transport_(make_http_transport("commit-status/" + std::string(project_version()))),
      api_(*transport_, take_settings()) {}

GitHubSettings GitHubTalk::take_settings() {
  GitHubSettings settings = std::move(target_.settings);
  root_ = settings.root;
  settings.on_wait = [this](const std::string& text) { context_.reporter.notice(text); };
  return settings;
}

Budget GitHubTalk::budget(int calls) const {
  return Budget::of(api_.longest_call() * calls, context_.stop);
}

Result<> GitHubTalk::write(const std::string& permission, Course& course,
                           const std::function<Result<>()>& action) {
  auto result = target_.has_token
                    ? action()
                    : Result<>(permission_denied("there is no token",
                                                 fmt::format("Give one with {}.", permission)));
  course.attempts = api_.attempts();
  course.is_refused = !target_.has_token || api_.last_status() == 401 || api_.last_status() == 403;
  return result;
}

Result<int> GitHubTalk::code_of(const Result<>& written, Course& course) {
  if (written) return 0;
  return judge(context_, inputs_, target_.read_only_reason, written.error(), course);
}

}  // namespace pca::commit_status
