#include "sandbox/github_deployments.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/text.hpp"
#include "sandbox/github_objects.hpp"

namespace pca::sandbox {

namespace {

constexpr std::string_view states[] = {"error",  "failure", "inactive", "in_progress",
                                       "queued", "pending", "success"};

std::size_t code_points(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & '\xC0') != '\x80'; }));
}

bool flag_of(const Json& body, const char* key, bool otherwise) {
  const Json* value = body.find(key);
  return value == nullptr || value->as_bool() == nullptr ? otherwise : *value->as_bool();
}

std::string text_or(const Json& body, const char* key, const char* otherwise) {
  const std::string text = body.text_of(key);
  return text.empty() ? otherwise : text;
}

bool is_web_address(const std::string& text) {
  return text.empty() || text.starts_with("https://") || text.starts_with("http://");
}

// Whether the commit's statuses are as the body wants them: all that there are, if it says nothing.
bool has_required_contexts(const Json& body, const GithubCommit& commit) {
  const Json* required = body.find("required_contexts");
  if (required == nullptr || required->as_array() == nullptr) {
    return std::all_of(commit.states.begin(), commit.states.end(),
                       [](const auto& each) { return each.second == "success"; });
  }
  return std::all_of(required->as_array()->begin(), required->as_array()->end(),
                     [&](const Json& context) {
                       const auto found = commit.states.find(
                           context.as_string() == nullptr ? std::string() : *context.as_string());
                       return found != commit.states.end() && found->second == "success";
                     });
}

Answer status_checks_failed(const std::string& ref) {
  Json error = Json::object();
  error.set("resource", "Deployment").set("field", "required_contexts").set("code", "invalid");
  Json body = Json::object();
  body.set("message", fmt::format("Conflict: Commit status checks failed for {}.", ref));
  body.set("errors", Json::array().push(error));
  return github_answer(409, body.set("documentation_url", "https://docs.github.com/rest"));
}

}  // namespace

std::string GithubDeployments::Deployment::state() const {
  return statuses.empty() ? std::string() : statuses.back().text_of("state");
}

bool GithubDeployments::Deployment::is(const char* flag) const {
  return flag_of(json, flag, false);
}

std::string GithubDeployments::url(const std::string& rest) const {
  return fmt::format("https://api.github.com/repos/{}/deployments{}", repository_, rest);
}

const GithubDeployments::Deployment* GithubDeployments::find(const std::string& id) const {
  const auto number = parse_integer(id, 1, static_cast<std::int64_t>(all_.size()));
  return number ? &all_[static_cast<std::size_t>(*number) - 1] : nullptr;
}

GithubDeployments::Deployment* GithubDeployments::find(const std::string& id) {
  return const_cast<Deployment*>(std::as_const(*this).find(id));
}

Answer GithubDeployments::create(const Json& body, const GithubCommit& commit, std::int64_t now) {
  const std::string ref = body.text_of("ref");
  if (ref.empty()) return github_invalid("Deployment", "ref", "ref can't be blank");
  if (commit.sha.empty()) return github_error(422, "No ref found for: " + ref);
  if (code_points(body.text_of("description")) > 140) {
    return github_invalid("Deployment", "description",
                          "description is too long (maximum is 140 characters)");
  }
  if (flag_of(body, "auto_merge", true) && unmergeable_.contains(ref)) {
    return github_error(409, fmt::format("Conflict merging main into {}.", ref));
  }
  if (flag_of(body, "auto_merge", true) && behind_.contains(ref)) {
    return github_answer(
        202,
        Json::object().set("message", fmt::format("Auto-merged main into {} on deployment.", ref)));
  }
  if (!has_required_contexts(body, commit)) return status_checks_failed(ref);
  const std::string environment = text_or(body, "environment", "production");
  const Json* payload = body.find("payload");
  const auto id = static_cast<std::int64_t>(all_.size()) + 1;
  Json json = Json::object();
  json.set("url", url(fmt::format("/{}", id)))
      .set("id", id)
      .set("node_id", fmt::format("DE_{}", id));
  json.set("sha", commit.sha).set("ref", ref).set("task", text_or(body, "task", "deploy"));
  json.set("payload", payload == nullptr ? Json::object() : *payload);
  json.set("original_environment", environment).set("environment", environment);
  json.set("description", body.text_of("description")).set("creator", github_creator());
  json.set("transient_environment", flag_of(body, "transient_environment", false));
  json.set("production_environment",
           flag_of(body, "production_environment", environment == "production"));
  json.set("created_at", github_time(now)).set("updated_at", github_time(now));
  json.set("statuses_url", url(fmt::format("/{}/statuses", id)));
  json.set("repository_url", "https://api.github.com/repos/" + repository_);
  all_.push_back({json, {}});
  return github_answer(201, json);
}

Answer GithubDeployments::list(const GithubQuery& query) const {
  std::vector<const Deployment*> wanted;
  for (auto deployment = all_.rbegin(); deployment != all_.rend(); ++deployment) {
    const bool is_wanted = [&] {
      for (const char* key : {"sha", "ref", "task", "environment"}) {
        const auto value = query.find(key);
        if (value && *value != deployment->json.text_of(key)) return false;
      }
      return true;
    }();
    if (is_wanted) wanted.push_back(&*deployment);
  }
  const GithubQuery::Page page = query.page_of(wanted.size());
  Json out = Json::array();
  for (std::size_t i = page.first; i < page.end; ++i) out.push(wanted[i]->json);
  return github_answer(200, out);
}

Answer GithubDeployments::show(const std::string& id) const {
  const Deployment* deployment = find(id);
  return deployment == nullptr ? github_error(404, "Not Found")
                               : github_answer(200, deployment->json);
}

void GithubDeployments::add_status(Deployment& deployment, const std::string& state,
                                   const Json& body, std::int64_t now) {
  const std::int64_t id = ++last_status_id_;
  const std::string rest =
      fmt::format("/{}/statuses/{}", *deployment.json.find("id")->as_int(), id);
  Json json = Json::object();
  json.set("url", url(rest)).set("id", id).set("node_id", fmt::format("DS_{}", id));
  json.set("state", state).set("description", body.text_of("description"));
  json.set("creator", github_creator());
  json.set("environment", deployment.json.text_of("environment"));
  json.set("target_url", body.text_of("log_url")).set("log_url", body.text_of("log_url"));
  json.set("environment_url", body.text_of("environment_url"));
  json.set("created_at", github_time(now)).set("updated_at", github_time(now));
  json.set("deployment_url", deployment.json.text_of("url"));
  deployment.statuses.push_back(
      json.set("repository_url", "https://api.github.com/repos/" + repository_));
}

Answer GithubDeployments::create_status(const std::string& id, const Json& body, std::int64_t now) {
  Deployment* deployment = find(id);
  if (deployment == nullptr) return github_error(404, "Not Found");
  const std::string state = body.text_of("state");
  if (std::find(std::begin(states), std::end(states), state) == std::end(states)) {
    return github_invalid("DeploymentStatus", "state", "state is not included in the list");
  }
  if (code_points(body.text_of("description")) > 140) {
    return github_invalid("DeploymentStatus", "description",
                          "description is too long (maximum is 140 characters)");
  }
  for (const char* key : {"log_url", "environment_url"}) {
    if (!is_web_address(body.text_of(key))) {
      return github_invalid("DeploymentStatus", key, std::string(key) + " must use http(s) scheme");
    }
  }
  add_status(*deployment, state, body, now);
  if (state == "success" && flag_of(body, "auto_inactive", true)) {
    for (Deployment& other : all_) {
      if (&other == deployment) break;
      if (other.state() == "success" && !other.is("transient_environment") &&
          !other.is("production_environment") &&
          other.json.text_of("environment") == deployment->json.text_of("environment")) {
        add_status(other, "inactive", Json::object(), now);
      }
    }
  }
  return github_answer(201, deployment->statuses.back());
}

Answer GithubDeployments::list_statuses(const std::string& id, const GithubQuery& query) const {
  const Deployment* deployment = find(id);
  if (deployment == nullptr) return github_error(404, "Not Found");
  const GithubQuery::Page page = query.page_of(deployment->statuses.size());
  Json out = Json::array();
  for (std::size_t i = page.first; i < page.end; ++i) {
    out.push(deployment->statuses[deployment->statuses.size() - 1 - i]);
  }
  return github_answer(200, out);
}

}  // namespace pca::sandbox
