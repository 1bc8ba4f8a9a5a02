#include "sandbox/github_objects.hpp"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "base/text.hpp"
#include "sandbox/github_answer.hpp"

namespace pca::sandbox {

namespace {

constexpr const char* api = "https://api.github.com";
constexpr const char* web = "https://github.com";
constexpr std::int64_t commit_time = 1'767'225'600;  // 2026-01-01
constexpr std::int64_t actions_app = 15368;

using Ends = std::initializer_list<std::pair<const char*, const char*>>;

// Members that are addresses below one of the object's own.
void set_urls(Json& object, const std::string& root, const Ends& ends) {
  for (const auto& [key, end] : ends) object.set(key, root + end);
}

// `page` is where people look at it; a bot has it elsewhere than its name says.
Json user(const std::string& login, std::int64_t id, const char* type, const std::string& page) {
  Json out = Json::object();
  out.set("login", login).set("id", id).set("node_id", fmt::format("U_{}", id));
  out.set("avatar_url", fmt::format("https://avatars.githubusercontent.com/u/{}?v=4", id));
  out.set("gravatar_id", "").set("html_url", page);
  std::string name;
  for (const char c : login) name += c == '[' ? "%5B" : c == ']' ? "%5D" : std::string(1, c);
  set_urls(out, fmt::format("{}/users/{}", api, name),
           {{"url", ""},
            {"followers_url", "/followers"},
            {"following_url", "/following{/other_user}"},
            {"gists_url", "/gists{/gist_id}"},
            {"starred_url", "/starred{/owner}{/repo}"},
            {"subscriptions_url", "/subscriptions"},
            {"organizations_url", "/orgs"},
            {"repos_url", "/repos"},
            {"events_url", "/events{/privacy}"},
            {"received_events_url", "/received_events"}});
  return out.set("type", type).set("site_admin", false);
}

Json owner_of(const std::string& repository) {
  const std::string login = repository.substr(0, repository.find('/'));
  return user(login, 1, "Organization", fmt::format("{}/{}", web, login));
}

Json app(std::int64_t id) {
  const bool is_actions = id == actions_app;
  const std::string slug = is_actions ? "github-actions" : fmt::format("app-{}", id);
  const std::string owner = is_actions ? "github" : "app-maker";
  Json permissions = Json::object();
  permissions.set("checks", "write").set("contents", "read").set("metadata", "read");
  Json out = Json::object();
  out.set("id", id).set("slug", slug).set("node_id", fmt::format("A_{}", id));
  out.set("owner", user(owner, 9919, "Organization", fmt::format("{}/{}", web, owner)));
  out.set("name", is_actions ? "GitHub Actions" : slug).set("description", "");
  out.set("external_url", fmt::format("https://{}.example.com", slug));
  out.set("html_url", fmt::format("{}/apps/{}", web, slug));
  out.set("created_at", github_time(commit_time)).set("updated_at", github_time(commit_time));
  return out.set("permissions", std::move(permissions)).set("events", Json::array());
}

// `over` wins, member by member.
Json overlaid(Json base, const Json& over) {
  if (base.as_object() == nullptr || over.as_object() == nullptr) return over;
  for (const auto& [key, value] : *over.as_object()) {
    const Json* below = base.find(key);
    Json merged = below == nullptr ? value : overlaid(*below, value);
    base.set(key, std::move(merged));
  }
  return base;
}

}  // namespace

Json github_creator() {
  return user("github-actions[bot]", 41'898'282, "Bot", fmt::format("{}/apps/github-actions", web));
}

Json github_repository(const std::string& full_name) {
  Json out = Json::object();
  out.set("id", 1).set("node_id", "R_1").set("name", full_name.substr(full_name.find('/') + 1));
  out.set("full_name", full_name).set("owner", owner_of(full_name)).set("private", false);
  out.set("html_url", fmt::format("{}/{}", web, full_name)).set("description", Json());
  out.set("fork", false);
  set_urls(out, fmt::format("{}/repos/{}", api, full_name),
           {{"url", ""},
            {"archive_url", "/{archive_format}{/ref}"},
            {"assignees_url", "/assignees{/user}"},
            {"blobs_url", "/git/blobs{/sha}"},
            {"branches_url", "/branches{/branch}"},
            {"collaborators_url", "/collaborators{/collaborator}"},
            {"comments_url", "/comments{/number}"},
            {"commits_url", "/commits{/sha}"},
            {"compare_url", "/compare/{base}...{head}"},
            {"contents_url", "/contents/{+path}"},
            {"contributors_url", "/contributors"},
            {"deployments_url", "/deployments"},
            {"downloads_url", "/downloads"},
            {"events_url", "/events"},
            {"forks_url", "/forks"},
            {"git_commits_url", "/git/commits{/sha}"},
            {"git_refs_url", "/git/refs{/sha}"},
            {"git_tags_url", "/git/tags{/sha}"},
            {"hooks_url", "/hooks"},
            {"issue_comment_url", "/issues/comments{/number}"},
            {"issue_events_url", "/issues/events{/number}"},
            {"issues_url", "/issues{/number}"},
            {"keys_url", "/keys{/key_id}"},
            {"labels_url", "/labels{/name}"},
            {"languages_url", "/languages"},
            {"merges_url", "/merges"},
            {"milestones_url", "/milestones{/number}"},
            {"notifications_url", "/notifications{?since,all,participating}"},
            {"pulls_url", "/pulls{/number}"},
            {"releases_url", "/releases{/id}"},
            {"stargazers_url", "/stargazers"},
            {"statuses_url", "/statuses/{sha}"},
            {"subscribers_url", "/subscribers"},
            {"subscription_url", "/subscription"},
            {"tags_url", "/tags"},
            {"teams_url", "/teams"},
            {"trees_url", "/git/trees{/sha}"}});
  return out;
}

Json github_commit(const std::string& repository, const std::string& sha) {
  const std::string root = fmt::format("{}/repos/{}", api, repository);
  Json author = Json::object();
  author.set("name", "Ada").set("email", "ada@example.com").set("date", github_time(commit_time));
  Json tree = Json::object();
  tree.set("sha", sha).set("url", fmt::format("{}/git/trees/{}", root, sha));
  Json verification = Json::object();
  verification.set("verified", false).set("reason", "unsigned").set("signature", Json());
  verification.set("payload", Json()).set("verified_at", Json());
  Json commit = Json::object();
  commit.set("author", author).set("committer", author).set("message", "Change a file");
  commit.set("tree", std::move(tree)).set("url", fmt::format("{}/git/commits/{}", root, sha));
  commit.set("comment_count", 0).set("verification", std::move(verification));
  Json out = Json::object();
  out.set("sha", sha).set("node_id", "C_" + sha).set("commit", std::move(commit));
  out.set("url", fmt::format("{}/commits/{}", root, sha));
  out.set("html_url", fmt::format("{}/{}/commit/{}", web, repository, sha));
  out.set("comments_url", fmt::format("{}/commits/{}/comments", root, sha));
  out.set("author", owner_of(repository)).set("committer", owner_of(repository));
  return out.set("parents", Json::array());
}

Json github_check_run(const std::string& repository, std::int64_t id, const std::string& sha,
                      std::int64_t now, const Json& known) {
  const std::string url = fmt::format("{}/repos/{}/check-runs/{}", api, repository, id);
  const Json* of_app = known.find("app");
  const Json* app_id = of_app == nullptr ? nullptr : of_app->find("id");
  const bool has_app = app_id != nullptr && app_id->as_int() != nullptr;
  Json output = Json::object();
  output.set("title", Json()).set("summary", Json()).set("text", Json());
  output.set("annotations_count", 0).set("annotations_url", url + "/annotations");
  Json run = Json::object();
  run.set("id", id).set("name", "").set("node_id", fmt::format("CR_{}", id)).set("head_sha", sha);
  run.set("external_id", "").set("url", url).set("details_url", Json());
  run.set("html_url", fmt::format("{}/{}/runs/{}", web, repository, id));
  run.set("status", "queued").set("conclusion", Json()).set("started_at", github_time(now));
  run.set("completed_at", Json()).set("output", std::move(output));
  run.set("check_suite", Json::object().set("id", 1)).set("pull_requests", Json::array());
  run.set("app", app(has_app ? *app_id->as_int() : actions_app));
  return overlaid(std::move(run), known);
}

}  // namespace pca::sandbox
