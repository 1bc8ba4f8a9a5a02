#include "sandbox/github_state.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "sandbox/github_objects.hpp"

namespace pca::sandbox {

namespace {

constexpr int hourly_limit = 5000;
// Of the check runs of a file: an answer that nothing changed keeps its ETag.
constexpr std::int64_t time_of_file_checks = 1'767'225'600;
constexpr const char* refusal_text = "Resource not accessible by integration";

std::string http_date(std::int64_t seconds) {
  return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT",
                     fmt::gmtime(static_cast<std::time_t>(seconds)));
}

std::size_t code_points(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & '\xC0') != '\x80'; }));
}

bool is_full_sha(std::string_view text) {
  return text.size() == 40 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// A text or null of a request's body; nothing else is allowed there.
bool is_text_or_null(const Json* value) {
  return value == nullptr || value->is_null() || value->as_string() != nullptr;
}

bool may(const std::string& permission, bool is_read) {
  return permission == "write" || (is_read && permission == "read");
}

Answer refusal(const char* accepted) {
  Answer refused = github_error(403, refusal_text);
  refused.headers.emplace_back("X-Accepted-GitHub-Permissions", accepted);
  return refused;
}

// What `answer` says to the body, which has to be a JSON object.
template <typename Function>
Answer with_object(std::string_view text, const Function& answer) {
  const auto body =
      parse_json(text, {.bytes = std::size_t{4} * 1024 * 1024, .depth = 10, .values = 10'000});
  if (!body) return github_error(400, "Problems parsing JSON");
  if (body->as_object() == nullptr) return github_error(400, "Body should be a JSON object");
  return answer(*body);
}

}  // namespace

Answer GithubState::answer(const RequestHead& request, std::string_view body, std::int64_t now) {
  Answer made = route(request, body, now);
  if (request.method == "GET" && made.status == 200) {
    const std::string etag = fmt::format("W/\"{}\"", to_hex(sha256(made.body)));
    const std::string* known = request.find("If-None-Match");
    // One that changes nothing does not count.
    if (known != nullptr && *known == etag) return {304, {{"ETag", etag}}, ""};
    made.headers.emplace_back("ETag", etag);
  }
  ++requests_;
  made.headers.emplace_back("Date", http_date(now));
  made.headers.emplace_back("X-RateLimit-Limit", std::to_string(hourly_limit));
  made.headers.emplace_back("X-RateLimit-Remaining",
                            std::to_string(std::max<std::int64_t>(hourly_limit - requests_, 1)));
  made.headers.emplace_back("X-RateLimit-Reset", std::to_string(now + 3600));
  return made;
}

Answer GithubState::route(const RequestHead& request, std::string_view body, std::int64_t now) {
  if (request.find("User-Agent") == nullptr) {
    return github_error(403, "Request forbidden by administrative rules.");
  }
  const std::string* version = request.find("X-GitHub-Api-Version");
  if (version != nullptr && *version != "2022-11-28") {
    return github_error(400, "The API version is not supported");
  }
  const std::string* authorization = request.find("Authorization");
  const std::string bearer = "Bearer " + std::string(world_.token.expose());
  if (authorization == nullptr) return github_error(401, "Requires authentication");
  if (!world_.token.empty() && *authorization != bearer) {
    return github_error(401, "Bad credentials");
  }
  const std::string_view target = request.target;
  const std::string_view path = target.substr(0, target.find('?'));
  const GithubQuery query(path.size() == target.size() ? std::string_view()
                                                       : target.substr(path.size() + 1));
  Parts parts = split(path, '/');
  const std::vector<std::string> id{"", "repositories", "1"};
  if (parts.size() > 3 && std::equal(id.begin(), id.end(), parts.begin())) {
    parts.erase(parts.begin(), parts.begin() + 3);
  } else if (path.starts_with("/repos/" + world_.repository + "/")) {
    parts.erase(parts.begin(), parts.begin() + 4);
  } else {
    return github_error(404, "Not Found");
  }
  for (std::string& part : parts) part = percent_decoded(part);
  if (parts.front() == "check-runs") return route_checks(request, parts, body, now);
  return parts.front() == "deployments" ? route_deployments(request, parts, query, body, now)
                                        : route_commits(request, parts, query, body, now);
}

Answer GithubState::route_commits(const RequestHead& request, const Parts& parts,
                                  const GithubQuery& query, std::string_view body,
                                  std::int64_t now) {
  const bool is_read = request.method == "GET";
  if (parts.size() == 2 && parts[0] == "commits" && is_read) return commit(parts[1]);
  if (parts.size() == 3 && parts[0] == "commits" && parts[2] == "check-runs" && is_read) {
    return may(world_.checks, is_read) ? check_runs(parts[1], query)
                                       : github_error(403, refusal_text);
  }
  if (parts.size() == 3 && parts[0] == "commits" && parts[2] == "status" && is_read) {
    return may(world_.statuses, is_read) ? combined_status(parts[1], query)
                                         : github_error(403, refusal_text);
  }
  if (parts.size() == 2 && parts[0] == "statuses" && !parts[1].empty() &&
      request.method == "POST") {
    if (!may(world_.statuses, is_read)) return refusal("statuses=write");
    return with_object(body, [&](const Json& json) { return create_status(parts[1], json, now); });
  }
  return github_error(404, "Not Found");
}

Answer GithubState::route_checks(const RequestHead& request, const Parts& parts,
                                 std::string_view body, std::int64_t now) {
  const bool is_read = request.method == "GET";
  const bool is_create = parts.size() == 1 && request.method == "POST";
  const bool is_known = is_create || (parts.size() == 2 && (is_read || request.method == "PATCH"));
  if (!is_known) return github_error(404, "Not Found");
  if (!may(world_.checks, is_read)) {
    return is_read ? github_error(403, refusal_text) : refusal("checks=write");
  }
  if (is_read) return checks_.show(parts[1]);
  return with_object(body, [&](const Json& json) {
    return is_create ? checks_.create(json, resolve(json.text_of("head_sha")), now)
                     : checks_.update(parts[1], json, now);
  });
}

Answer GithubState::route_deployments(const RequestHead& request, const Parts& parts,
                                      const GithubQuery& query, std::string_view body,
                                      std::int64_t now) {
  const bool is_read = request.method == "GET";
  const bool is_of_statuses = parts.size() == 3 && parts[2] == "statuses";
  const bool is_known = parts.size() == 1 || (parts.size() == 2 && is_read) || is_of_statuses;
  if (!is_known || (!is_read && request.method != "POST")) return github_error(404, "Not Found");
  if (!may(world_.deployments, is_read)) {
    return is_read ? github_error(403, refusal_text) : refusal("deployments=write");
  }
  if (is_read) {
    return parts.size() == 1 ? deployments_.list(query)
           : is_of_statuses  ? deployments_.list_statuses(parts[1], query)
                             : deployments_.show(parts[1]);
  }
  return with_object(body, [&](const Json& json) {
    return is_of_statuses ? deployments_.create_status(parts[1], json, now)
                          : deployments_.create(json, commit_of(json.text_of("ref")), now);
  });
}

GithubCommit GithubState::commit_of(const std::string& ref) const {
  GithubCommit commit{resolve(ref), {}};
  if (const auto found = statuses_.find(commit.sha); found != statuses_.end()) {
    for (const Status& status : found->second) {
      commit.states[to_lower(status.context)] = status.state;
    }
  }
  return commit;
}

bool GithubState::has_commit(const std::string& sha) const {
  return is_full_sha(sha) &&
         (world_.commits.empty() ||
          std::find(world_.commits.begin(), world_.commits.end(), sha) != world_.commits.end());
}

std::string GithubState::resolve(const std::string& ref) const {
  if (const auto found = world_.refs.find(ref); found != world_.refs.end()) return found->second;
  if (has_commit(ref)) return ref;
  for (const std::string& sha : world_.commits) {
    if (ref.size() >= 4 && sha.starts_with(ref)) return sha;
  }
  return {};
}

Answer GithubState::commit(const std::string& ref) const {
  const std::string sha = resolve(ref);
  if (sha.empty()) return github_error(422, "No commit found for SHA: " + ref);
  return github_answer(200, github_commit(world_.repository, sha));
}

Answer GithubState::create_status(const std::string& sha, const Json& body, std::int64_t now) {
  if (!has_commit(sha)) return github_error(422, "No commit found for SHA: " + sha);
  Status status;
  status.state = body.text_of("state");
  status.context = body.text_of("context");
  if (status.context.empty()) status.context = "default";
  const std::vector<std::string> states{"error", "failure", "pending", "success"};
  if (std::find(states.begin(), states.end(), status.state) == states.end()) {
    return github_invalid("Status", "state", "state is not included in the list");
  }
  for (const char* key : {"description", "target_url", "context"}) {
    if (!is_text_or_null(body.find(key)))
      return github_invalid("Status", key, std::string(key) + " is invalid");
  }
  const std::string target = body.text_of("target_url");
  if (code_points(body.text_of("description")) > 140) {
    return github_invalid("Status", "description",
                          "description is too long (maximum is 140 characters)");
  }
  if (!target.empty() && !target.starts_with("http://") && !target.starts_with("https://")) {
    return github_invalid("Status", "target_url", "target_url must use http(s) scheme");
  }
  if (code_points(status.context) > 255) {
    return github_invalid("Status", "context", "context is too long (maximum is 255 characters)");
  }
  std::vector<Status>& all = statuses_[sha];
  const auto same = std::count_if(all.begin(), all.end(), [&](const Status& other) {
    return equals_ignoring_case(other.context, status.context);
  });
  if (same >= world_.most_statuses) {
    return github_invalid("Status", "",
                          "This SHA and context has reached the maximum number of statuses.");
  }
  if (const Json* given = body.find("description")) status.description = *given;
  if (const Json* given = body.find("target_url")) status.target_url = *given;
  status.id = ++last_id_;
  status.time = now;
  all.push_back(status);
  return github_answer(201, to_json(status, sha).set("creator", github_creator()));
}

Json GithubState::to_json(const Status& status, const std::string& sha) const {
  Json out = Json::object();
  out.set("url",
          fmt::format("https://api.github.com/repos/{}/statuses/{}", world_.repository, sha));
  out.set("avatar_url", "https://avatars.githubusercontent.com/u/1").set("id", status.id);
  out.set("node_id", fmt::format("SC_{}", status.id)).set("state", status.state);
  out.set("description", status.description).set("target_url", status.target_url);
  out.set("context", status.context);
  return out.set("created_at", github_time(status.time))
      .set("updated_at", github_time(status.time));
}

Answer GithubState::check_runs(const std::string& ref, const GithubQuery& query) const {
  const std::string sha = resolve(ref);
  if (sha.empty()) return github_error(422, "No commit found for SHA: " + ref);
  const Json of_file = world_.check_runs ? world_.check_runs() : Json::array();
  std::vector<Json> runs = *of_file.as_array();
  for (std::size_t i = 0; i < runs.size(); ++i) {
    runs[i] = github_check_run(world_.repository, static_cast<std::int64_t>(i + 1), sha,
                               time_of_file_checks, runs[i]);
  }
  const std::vector<Json> written = checks_.of(sha);
  runs.insert(runs.end(), written.begin(), written.end());
  if (const auto name = query.find("check_name")) {
    std::erase_if(runs, [&](const Json& run) { return run.text_of("name") != *name; });
  }
  const GithubQuery::Page wanted = query.page_of(runs.size());
  Json page = Json::array();
  for (std::size_t i = wanted.first; i < wanted.end; ++i) page.push(runs[i]);
  Json out = Json::object();
  out.set("total_count", static_cast<std::uint64_t>(runs.size()));
  return github_answer(200, out.set("check_runs", std::move(page)));
}

// The latest status of each context.
Answer GithubState::combined_status(const std::string& ref, const GithubQuery& query) const {
  const std::string sha = resolve(ref);
  if (sha.empty()) return github_error(404, "Not Found");
  std::vector<const Status*> latest;
  if (const auto found = statuses_.find(sha); found != statuses_.end()) {
    for (auto status = found->second.rbegin(); status != found->second.rend(); ++status) {
      const bool is_known = std::any_of(latest.begin(), latest.end(), [&](const Status* other) {
        return equals_ignoring_case(other->context, status->context);
      });
      if (!is_known) latest.push_back(&*status);
    }
  }
  const auto any = [&](std::string_view state) {
    return std::any_of(latest.begin(), latest.end(),
                       [&](const Status* status) { return status->state == state; });
  };
  const char* state = any("error") || any("failure")     ? "failure"
                      : latest.empty() || any("pending") ? "pending"
                                                         : "success";
  const GithubQuery::Page wanted = query.page_of(latest.size());
  Json page = Json::array();
  for (std::size_t i = wanted.first; i < wanted.end; ++i) page.push(to_json(*latest[i], sha));
  Json out = Json::object();
  out.set("state", state).set("statuses", page).set("sha", sha);
  out.set("total_count", static_cast<std::uint64_t>(latest.size()));
  const std::string url =
      fmt::format("https://api.github.com/repos/{}/commits/{}", world_.repository, sha);
  out.set("repository", github_repository(world_.repository)).set("commit_url", url);
  return github_answer(200, out.set("url", url + "/status"));
}

}  // namespace pca::sandbox
