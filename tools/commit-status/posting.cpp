#include "commit-status/posting.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/backoff.hpp"
#include "base/text.hpp"

namespace pca::commit_status {

namespace {

constexpr Milliseconds between_writes{1'000};
constexpr int page_size = 100;
constexpr int most_pages = 20;

bool is_same(const Status& a, const Status& b) {
  return equals_ignoring_case(a.context, b.context) && a.state == b.state &&
         a.description == b.description && a.target_url == b.target_url;
}

const Posted* find(const std::vector<Posted>& all, const std::string& context) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const Posted& posted) {
    return equals_ignoring_case(posted.status.context, context);
  });
  return found == all.end() ? nullptr : &*found;
}

// The latest status of each context. Stops early once all that are `wanted` were seen.
Result<std::vector<Posted>> read_statuses(const Budget& budget, GitHubApi& api,
                                          const std::string& path,
                                          const std::vector<Status>& wanted) {
  std::vector<Posted> all;
  for (int page = 1; page <= most_pages; ++page) {
    PCA_TRY(const GitHubAnswer answer,
            api.get(budget, fmt::format("{}?per_page={}&page={}", path, page_size, page)));
    const Json* statuses = answer.body.find("statuses");
    if (statuses == nullptr || statuses->as_array() == nullptr) {
      return failed("GitHub's answer about the commit has no statuses",
                    "Check the API's URL: this is not what GitHub answers.");
    }
    for (const Json& status : *statuses->as_array()) all.push_back(read_posted(status));
    const bool has_all = std::all_of(wanted.begin(), wanted.end(), [&](const Status& status) {
      return find(all, status.context) != nullptr;
    });
    if (has_all || statuses->as_array()->size() < page_size) break;
  }
  return all;
}

}  // namespace

Posted read_posted(const Json& json) {
  Posted posted;
  posted.status = {json.text_of("state"), json.text_of("context"), json.text_of("description"),
                   json.text_of("target_url")};
  posted.url = json.text_of("url");
  const Json* id = json.find("id");
  if (id != nullptr && id->as_int() != nullptr) posted.id = *id->as_int();
  return posted;
}

Result<> post_statuses(const Budget& budget, GitHubApi& api, const GitHubRepository& repository,
                       const std::string& sha, const std::vector<Status>& statuses,
                       bool skip_unchanged, std::vector<Posted>& done) {
  std::vector<Posted> known;
  if (skip_unchanged) {
    PCA_TRY(known,
            read_statuses(budget, api, repository.path("/commits/" + sha + "/status"), statuses));
  }
  bool is_first_write = true;
  auto left = static_cast<int>(statuses.size());
  for (const Status& status : statuses) {
    // After a cancel there is less time than that.
    const Milliseconds pause = std::min(between_writes, budget.left() / (2 * left--));
    const Posted* before = find(known, status.context);
    if (before != nullptr && is_same(before->status, status)) {
      done.push_back(*before);
      continue;
    }
    if (!is_first_write) PCA_CHECK(pause_for(budget, pause));
    is_first_write = false;
    PCA_TRY(const GitHubAnswer answer,
            api.post(budget, repository.path("/statuses/" + sha), to_json(status)));
    Posted posted = read_posted(answer.body);
    posted.status = status;
    posted.is_changed = true;
    done.push_back(std::move(posted));
  }
  return {};
}

}  // namespace pca::commit_status
