#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sandbox/github_answer.hpp"

namespace pca::sandbox {

// The check runs that were written. Not thread safe.
class GithubChecks {
 public:
  explicit GithubChecks(std::string repository) : repository_(std::move(repository)) {}

  // `sha` is empty where there is no such commit.
  [[nodiscard]] Answer create(const Json& body, const std::string& sha, std::int64_t now);
  [[nodiscard]] Answer update(const std::string& id, const Json& body, std::int64_t now);
  [[nodiscard]] Answer show(const std::string& id) const;
  // Those of a commit, the latest of each name and external id.
  [[nodiscard]] std::vector<Json> of(const std::string& sha) const;

 private:
  [[nodiscard]] Json* find(const std::string& id);
  void apply(Json& run, const Json& body, std::int64_t now) const;

  std::string repository_;
  std::vector<Json> all_;  // oldest first; the id tells the place
};

}  // namespace pca::sandbox
