#pragma once

#include <string>
#include <vector>

#include "base/budget.hpp"
#include "deploy-policy/edge_state.hpp"
#include "net/patient_caller.hpp"

namespace pca::deploy_policy {

struct CloudflareSettings : Patience {
  std::string root = {};     // https://api.cloudflare.com/client/v4
  std::string account = {};  // its id
  Secret authorization;      // "Bearer TOKEN", for no other server
  std::string ca_file = {};  // PEM bundle; default: find_trust_store()
};

// Cloudflare's API, as far as it tells how a Worker or a Pages project is deployed; nothing is
// written. developers.cloudflare.com/api: Workers Builds, Pages projects. The Builds API takes
// tokens of a user only, and knows a Worker by its tag. One request at a time.
class CloudflareApi {
 public:
  CloudflareApi(HttpTransport& transport, CloudflareSettings settings);

  // Errors: permission (401, 403), unreachable (no connection, 5xx, a rate limit that lasts longer
  // than may be waited), failed (all else), cancelled.
  // `kind` is "worker" or "pages"; `branch` is the one that should deploy it.
  [[nodiscard]] Result<EdgeState> state_of(const Budget& budget, const std::string& kind,
                                           const std::string& name, const std::string& branch);

  [[nodiscard]] Milliseconds longest_call() const { return settings_.longest_call(); }

 private:
  // The answer's result; null where there is no such thing.
  Result<Json> get(const Budget& budget, const std::string& path);
  Result<std::string> tag_of_worker(const Budget& budget, const std::string& name);

  HttpTransport& transport_;
  CloudflareSettings settings_;
  PatientCaller caller_;
  Json workers_;  // of the account; null until asked for
};

// What an answer that is no success means, with what to do next.
[[nodiscard]] Error explain_cloudflare_answer(const HttpResponse& response,
                                              const std::string& what);

}  // namespace pca::deploy_policy
