#include "commit-status/deployment_api.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace pca::commit_status {

namespace {

constexpr int page_size = 100;
constexpr int most_pages = 5;  // of one environment, to find a preview's among the others'

Error no_answer_of_github(const std::string& problem) {
  return failed(problem, "Check the API's URL: this is not what GitHub answers.");
}

Result<const Json::Array*> list_of(const GitHubAnswer& answer) {
  if (answer.body.as_array() != nullptr) return answer.body.as_array();
  return no_answer_of_github("GitHub's answer about deployments is no list");
}

}  // namespace

Result<Json> DeploymentApi::find(const Budget& budget, const Deployment& asked,
                                 const std::string& sha) {
  PCA_TRY(const GitHubAnswer answer,
          api_.get(budget, path(fmt::format("?sha={}&environment={}&task={}&per_page={}", sha,
                                            url_part(asked.environment), url_part(asked.task),
                                            page_size))));
  PCA_TRY(const Json::Array* all, list_of(answer));
  for (const Json& each : *all) {
    if (is_same(asked, read_deployment(each))) return each;
  }
  return Json();
}

Result<KnownDeployment> DeploymentApi::create(const Budget& budget, const Deployment& asked,
                                              const std::string& sha) {
  auto answer = api_.create(budget, path(""), to_json(asked),
                            [&](const Budget& left) { return find(left, asked, sha); });
  if (!answer) {
    Error error = answer.error();
    if (error.kind == ErrorKind::conflict && error.hint.empty()) {
      error.hint = error.message.find("status checks") == std::string::npos
                       ? "Merge what conflicts, or leave out auto-merge."
                       : "Wait until these statuses are successes, or leave out required-contexts.";
    }
    return error;
  }
  if (answer->status == 202) {
    return conflict(
        fmt::format("GitHub made no deployment: {}",
                    visible(cut_utf8(to_valid_utf8(answer->body.text_of("message")), 300))),
        "The merge's own run deploys it; or leave out auto-merge.");
  }
  KnownDeployment made = read_deployment(answer->body);
  if (made.id > 0) return made;
  return no_answer_of_github("GitHub's answer about a new deployment has no id");
}

Result<KnownDeployment> DeploymentApi::read(const Budget& budget, std::int64_t id) {
  PCA_TRY(const GitHubAnswer answer, api_.get(budget, path(fmt::format("/{}", id))));
  KnownDeployment known = read_deployment(answer.body);
  if (known.id == id) return known;
  return no_answer_of_github("GitHub's answer about a deployment has another id");
}

Result<DeploymentApi::Posted> DeploymentApi::post(const Budget& budget, std::int64_t id,
                                                  const DeploymentStatus& status) {
  PCA_TRY(const GitHubAnswer answer,
          api_.post(budget, path(fmt::format("/{}/statuses", id)), to_json(status)));
  Posted posted{0, answer.body.text_of("url")};
  if (const Json* number = answer.body.find("id");
      number != nullptr && number->as_int() != nullptr) {
    posted.id = *number->as_int();
  }
  return posted;
}

Result<DeploymentStatus> DeploymentApi::latest_status(const Budget& budget, std::int64_t id) {
  PCA_TRY(const GitHubAnswer answer,
          api_.get(budget, path(fmt::format("/{}/statuses?per_page=1", id))));
  PCA_TRY(const Json::Array* all, list_of(answer));
  if (all->empty()) return DeploymentStatus{};
  const Json& latest = all->front();
  return DeploymentStatus{.state = latest.text_of("state"),
                          .description = latest.text_of("description"),
                          .environment_url = latest.text_of("environment_url"),
                          .log_url = latest.text_of("log_url")};
}

Result<std::vector<KnownDeployment>> DeploymentApi::of_commit(const Budget& budget,
                                                              const std::string& sha) {
  PCA_TRY(const GitHubAnswer answer,
          api_.get(budget, path(fmt::format("?sha={}&per_page={}", sha, page_size))));
  PCA_TRY(const Json::Array* all, list_of(answer));
  std::vector<KnownDeployment> found;
  for (const Json& each : *all) {
    KnownDeployment known = read_deployment(each);
    if (known.id > 0) found.push_back(std::move(known));
  }
  return found;
}

Result<bool> DeploymentApi::has_any(const Budget& budget, const std::string& environment) {
  PCA_TRY(const GitHubAnswer answer,
          api_.get(budget, path(fmt::format("?environment={}&per_page=1", url_part(environment)))));
  PCA_TRY(const Json::Array* all, list_of(answer));
  return !all->empty();
}

Result<std::vector<KnownDeployment>> DeploymentApi::list(const Budget& budget,
                                                         const std::string& environment,
                                                         const std::string& slug) {
  std::vector<KnownDeployment> found;
  for (int page = 1; page <= most_pages && found.size() < page_size; ++page) {
    PCA_TRY(const GitHubAnswer answer,
            api_.get(budget, path(fmt::format("?environment={}&per_page={}&page={}",
                                              url_part(environment), page_size, page))));
    PCA_TRY(const Json::Array* all, list_of(answer));
    for (const Json& each : *all) {
      KnownDeployment known = read_deployment(each);
      if (known.id > 0 && known.slug == slug) found.push_back(std::move(known));
    }
    if (all->size() < page_size) return found;
  }
  has_seen_all_ = false;
  return found;
}

}  // namespace pca::commit_status
