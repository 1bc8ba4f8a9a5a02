#pragma once

#include <string>

#include "base/budget.hpp"
#include "base/json.hpp"
#include "net/patient_caller.hpp"

namespace pca::commit_status {

struct CompassSettings : Patience {
  std::string root = {};     // https://SITE/gateway/api/compass/v1
  Secret authorization;      // "Basic ...", for no other server
  std::string ca_file = {};  // PEM bundle; default: find_trust_store()
};

// Atlassian Compass's REST API, as far as it takes events. Compass says only that it began to take
// one: whether it is shown, nobody is told. One request at a time.
class CompassApi {
 public:
  CompassApi(HttpTransport& transport, CompassSettings settings);

  // A report whose answer was lost is sent again as it is, which Compass knows by its numbers.
  // Errors: permission (401, 403), unreachable (no connection, 5xx, a rate limit that lasts longer
  // than may be waited), failed (all else), cancelled.
  [[nodiscard]] Result<> send(const Budget& budget, const Json& event);

  [[nodiscard]] int attempts() const { return attempts_; }  // requests sent so far
  [[nodiscard]] Milliseconds longest_call() const { return settings_.longest_call(); }

 private:
  HttpTransport& transport_;
  CompassSettings settings_;
  PatientCaller caller_;
  int attempts_ = 0;
};

// What an answer of Compass that is no success means, with what to do next.
[[nodiscard]] Error explain_compass_answer(const HttpResponse& response, const std::string& what);

}  // namespace pca::commit_status
