#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "base/secret.hpp"
#include "sandbox/github_checks.hpp"
#include "sandbox/github_deployments.hpp"
#include "sandbox/http_head.hpp"

namespace pca::sandbox {

// What a GitHub of one repository is told at its start.
struct GithubWorld {
  std::string repository = "acme/shop";
  Secret token;                    // empty: any is let in
  std::string statuses = "write";  // what the token may: write, read or none
  std::string deployments = "write";
  std::string checks = "write";
  std::vector<std::string> commits;         // empty: there is every commit
  std::map<std::string, std::string> refs;  // branches and tags, and their commits
  int most_statuses = 1000;                 // of one commit and context
  std::set<std::string> behind;             // refs that the default branch is ahead of
  std::set<std::string> unmergeable;        // refs that it conflicts with
  std::function<Json()> check_runs;         // an array of those there are now, of every commit
};

// Commit statuses, check runs and deployments as docs.github.com/rest describes them, and what is
// wrong with a request in GitHub's own words. No sockets, no clock: `now` is in seconds since 1970.
// Not thread safe.
class GithubState {
 public:
  explicit GithubState(GithubWorld world)
      : world_(std::move(world)),
        deployments_(world_.repository, world_.behind, world_.unmergeable),
        checks_(world_.repository) {}

  [[nodiscard]] Answer answer(const RequestHead& request, std::string_view body, std::int64_t now);

 private:
  using Parts = std::vector<std::string>;  // of a path, behind the repository

  struct Status {
    std::int64_t id = 0;
    std::string state;
    std::string context;
    Json description;
    Json target_url;
    std::int64_t time = 0;
  };

  [[nodiscard]] Answer route(const RequestHead& request, std::string_view body, std::int64_t now);
  [[nodiscard]] Answer route_commits(const RequestHead& request, const Parts& parts,
                                     const GithubQuery& query, std::string_view body,
                                     std::int64_t now);
  [[nodiscard]] Answer route_checks(const RequestHead& request, const Parts& parts,
                                    std::string_view body, std::int64_t now);
  [[nodiscard]] Answer route_deployments(const RequestHead& request, const Parts& parts,
                                         const GithubQuery& query, std::string_view body,
                                         std::int64_t now);
  [[nodiscard]] Answer create_status(const std::string& sha, const Json& body, std::int64_t now);
  [[nodiscard]] Answer check_runs(const std::string& ref, const GithubQuery& query) const;
  [[nodiscard]] Answer combined_status(const std::string& ref, const GithubQuery& query) const;
  [[nodiscard]] GithubCommit commit_of(const std::string& ref) const;
  [[nodiscard]] Answer commit(const std::string& ref) const;
  [[nodiscard]] bool has_commit(const std::string& sha) const;
  // The commit of a branch, a tag, or the beginning of a SHA; empty when there is none.
  [[nodiscard]] std::string resolve(const std::string& ref) const;
  [[nodiscard]] Json to_json(const Status& status, const std::string& sha) const;

  GithubWorld world_;
  GithubDeployments deployments_;
  GithubChecks checks_;
  std::map<std::string, std::vector<Status>> statuses_;  // by commit, oldest first
  std::int64_t last_id_ = 0;
  std::int64_t requests_ = 0;
};

}  // namespace pca::sandbox
