#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "base/result.hpp"

namespace pca::commit_status {

// One deploy of a commit to an environment, as GitHub is asked to keep it. A value type.
struct Deployment {
  std::string ref = {};  // a commit, or what names one
  std::string environment = {};
  std::string slug = {};   // of a preview; the previews share one environment
  std::string task = {};   // "deploy", "rollback"
  std::string nonce = {};  // the same deploy has the same one, also when it is run again
  std::string description = {};
  std::string rolls_back = {};  // the commit that this deploy replaces by an older one
  Json payload = Json::object();
  bool is_transient = false;
  bool is_production = false;
  bool auto_merge = false;
  std::vector<std::string> required_contexts = {};
};
[[nodiscard]] Json to_json(const Deployment& deployment);  // the body of a request

// What GitHub says of a deployment that there is.
struct KnownDeployment {
  std::int64_t id = 0;
  std::string url = {};
  std::string sha = {};
  std::string environment = {};
  std::string task = {};
  std::string nonce = {};
  std::string slug = {};
};
[[nodiscard]] KnownDeployment read_deployment(const Json& json);
// Whether it is the one that is asked for: an earlier run of the same deploy made it.
[[nodiscard]] bool is_same(const Deployment& asked, const KnownDeployment& known);

struct DeploymentStatus {
  std::string state = {};  // in_progress, queued, pending, success, failure, error, inactive
  std::string description = {};
  std::string environment_url = {};
  std::string log_url = {};
  bool auto_inactive = true;  // a success makes older ones of the environment inactive
};
[[nodiscard]] Json to_json(const DeploymentStatus& status);

// GitHub's state for one of its own or for a job's status: cancelled is error.
[[nodiscard]] std::string deployment_state(std::string_view text);

// A JSON object that leaves the tool's own names alone.
[[nodiscard]] Result<Json> parse_payload(std::string_view text);
[[nodiscard]] Result<> check_environment(std::string_view text);
[[nodiscard]] Result<> check_slug(std::string_view text);
[[nodiscard]] Result<> check_nonce(std::string_view text);

}  // namespace pca::commit_status
