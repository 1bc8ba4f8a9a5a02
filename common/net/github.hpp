#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/github_repository.hpp"
#include "base/json.hpp"
#include "net/patient_caller.hpp"

namespace pca {

// GitHub's REST API, of github.com and of GitHub Enterprise Server. What is asked for again and
// when follows docs.github.com/rest, "Rate limits" and "Best practices": a connection that failed,
// 408, 429, 500, 502, 503, 504, and a 403 that shows a rate limit. Never 400, 401, 404, 410, 422 or
// another 403: those get the same answer the next time.

// The root of an API: https, or http for loopback and where `allow_insecure`; no user, query or
// fragment. The result has no slash at its end.
[[nodiscard]] Result<std::string> check_github_root(std::string_view url, bool allow_insecure);

struct GitHubSettings : Patience {
  std::string root = "https://api.github.com";  // GITHUB_API_URL; https://HOST/api/v3 of a server
  Secret authorization;                         // "Bearer TOKEN", for no other server
  std::string ca_file;                          // PEM bundle; default: find_trust_store()
};

// An answer of 2xx, or that nothing changed. `body` is null where there was none.
struct GitHubAnswer {
  int status = 0;  // 304 for what a poll has already
  Json body;
  std::string etag;  // of this very answer; empty where the server names none
};

// One request at a time. Errors: permission (401, 403, 404), conflict (409), unreachable (no
// connection, 5xx, or a rate limit that lasts longer than may be waited), failed (all else),
// cancelled. Texts of answers are made visible and short.
class GitHubApi {
 public:
  GitHubApi(HttpTransport& transport, GitHubSettings settings);

  // `path` begins with a slash; its parts are encoded already.
  [[nodiscard]] Result<GitHubAnswer> get(const Budget& budget, const std::string& path);
  // As get(), for what is asked again and again: GitHub counts no request whose answer is still the
  // one of the poll before.
  [[nodiscard]] Result<GitHubAnswer> poll(const Budget& budget, const std::string& path);
  // For what may safely be done twice: a try whose answer was lost is repeated.
  [[nodiscard]] Result<GitHubAnswer> post(const Budget& budget, const std::string& path,
                                          const Json& body);

  // For what must not be done twice: before a try is repeated, `find` looks for what the one whose
  // answer was lost may have made, and gives that; or null, which is no error.
  using Find = std::function<Result<Json>(const Budget&)>;
  [[nodiscard]] Result<GitHubAnswer> create(const Budget& budget, const std::string& path,
                                            const Json& body, const Find& find);
  // The same for a change.
  [[nodiscard]] Result<GitHubAnswer> patch(const Budget& budget, const std::string& path,
                                           const Json& body, const Find& find);

  [[nodiscard]] int attempts() const { return attempts_; }  // requests sent so far
  // Until when a rate limit lasts; the past where there is none.
  [[nodiscard]] Clock::time_point rests_until() const { return caller_.rests_until(); }
  // Of the last answer; 0 where none came.
  [[nodiscard]] int last_status() const { return last_status_; }
  [[nodiscard]] Milliseconds longest_call() const { return settings_.longest_call(); }

 private:
  Result<GitHubAnswer> call(const Budget& budget, const HttpRequest& request,
                            const Find& find = {});
  Result<HttpResponse> send(const Budget& budget, const HttpRequest& request);
  [[nodiscard]] HttpRequest request_of(const std::string& method, const std::string& path) const;
  [[nodiscard]] HttpRequest write_of(const std::string& method, const std::string& path,
                                     const Json& body) const;

  HttpTransport& transport_;
  GitHubSettings settings_;
  PatientCaller caller_;
  // What the polls were answered last, by path.
  struct Polled {
    std::string etag;
    GitHubAnswer answer;
  };
  std::map<std::string, Polled> polled_;
  int attempts_ = 0;
  int last_status_ = 0;
};

// What an answer that is no success means, with what to do next.
[[nodiscard]] Error explain_github_answer(const HttpResponse& response, const std::string& what);

// "statuses=write" or "contents=read,issues=write; ..." of X-Accepted-GitHub-Permissions as the
// value for `permissions:` of a workflow, {statuses: write}; empty when it is none.
[[nodiscard]] std::string permissions_yaml(std::string_view accepted);

// One part of a path, percent-encoded, slashes too.
[[nodiscard]] std::string url_part(std::string_view text);

}  // namespace pca
