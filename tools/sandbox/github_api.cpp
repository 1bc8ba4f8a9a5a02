#include "sandbox/github_api.hpp"

#include <memory>
#include <utility>

namespace pca::sandbox {

namespace {

// A rate limit that began with the first request; all meet it until it ends.
std::optional<Answer> rate_limited(const Faults& faults, std::int64_t now, std::int64_t& reset) {
  const Fault* limit = faults.find(FaultKind::rate_limit);
  if (limit == nullptr) return std::nullopt;
  if (reset == 0) reset = now + static_cast<std::int64_t>(limit->argument);
  if (now >= reset) return std::nullopt;
  Answer answer = github_error(403, "API rate limit exceeded for installation ID 1.");
  answer.headers.emplace_back("X-RateLimit-Remaining", "0");
  answer.headers.emplace_back("X-RateLimit-Reset", std::to_string(reset));
  return answer;
}

std::optional<Answer> fault_of(const std::string& repository, const Faults& faults,
                               const RequestHead& request, std::uint64_t requests) {
  const bool is_first = requests == 1;
  if (faults.has(FaultKind::always_500)) return github_error(500, "Server Error");
  if (faults.has(FaultKind::refuse_502_twice) && requests <= 2) {
    return Answer{502, {{"Content-Type", "text/html"}}, "<html>Unicorn!</html>"};
  }
  if (const Fault* limit = faults.find(FaultKind::secondary_limit); limit != nullptr && is_first) {
    Answer answer = github_error(
        403,
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try "
        "again.");
    answer.headers.emplace_back("Retry-After", std::to_string(limit->argument));
    return answer;
  }
  if (faults.has(FaultKind::personal_token) && request.method != "GET") {
    return github_error(403, "Resource not accessible by personal access token");
  }
  if (faults.has(FaultKind::no_json)) {
    return Answer{200, {{"Content-Type", "text/html"}}, "<html>Sign in to the proxy</html>"};
  }
  const std::string named = "/repos/" + repository;
  if (faults.has(FaultKind::moved) && request.target.starts_with(named + "/")) {
    Answer answer = github_error(307, "Temporary Redirect");
    answer.headers.emplace_back("Location",
                                "/repositories/1" + request.target.substr(named.size()));
    return answer;
  }
  return std::nullopt;
}

}  // namespace

Api github_api(GithubWorld world) {
  const std::string repository = world.repository;
  const auto state = std::make_shared<GithubState>(std::move(world));
  return {
      .name = "github",
      .answer = [state](const RequestHead& request, std::string_view body,
                        std::int64_t now) { return Api::Said{state->answer(request, body, now)}; },
      .fault =
          [repository, reset = std::make_shared<std::int64_t>(0)](
              const Faults& faults, const RequestHead& request, std::uint64_t requests,
              std::int64_t now) {
            auto limited = rate_limited(faults, now, *reset);
            return limited ? limited : fault_of(repository, faults, request, requests);
          }};
}

}  // namespace pca::sandbox
