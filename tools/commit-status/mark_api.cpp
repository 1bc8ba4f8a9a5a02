#include "commit-status/mark_api.hpp"

#include <fmt/format.h>

namespace pca::commit_status {

namespace {

constexpr int page_size = 100;
constexpr int most_pages = 10;

Result<> read_pages(const Budget& budget, GitHubApi& api, const std::string& path, const char* key,
                    Mark (*parse)(const Json&), std::vector<Mark>& marks) {
  for (int page = 1; page <= most_pages; ++page) {
    PCA_TRY(const GitHubAnswer answer,
            api.poll(budget, fmt::format("{}?per_page={}&page={}", path, page_size, page)));
    const Json* all = answer.body.find(key);
    if (all == nullptr || all->as_array() == nullptr) {
      return failed(fmt::format("GitHub's answer about the commit has no {}", key),
                    "Check the API's URL: this is not what GitHub answers.");
    }
    for (const Json& each : *all->as_array()) marks.push_back(parse(each));
    if (all->as_array()->size() < page_size) return {};
  }
  return failed(fmt::format("the commit has {} {} or more, and no more are looked at",
                            page_size * most_pages, key),
                "See who makes so many: among those that nobody looked at, one may have failed.");
}

}  // namespace

Result<std::vector<Mark>> read_marks(const Budget& budget, GitHubApi& api,
                                     const GitHubRepository& repository, const std::string& sha,
                                     bool only_checks) {
  std::vector<Mark> marks;
  const std::string commit = "/commits/" + sha;
  PCA_CHECK(read_pages(budget, api, repository.path(commit + "/check-runs"), "check_runs",
                       read_check_mark, marks));
  if (!only_checks) {
    PCA_CHECK(read_pages(budget, api, repository.path(commit + "/status"), "statuses",
                         read_status_mark, marks));
  }
  return marks;
}

}  // namespace pca::commit_status
