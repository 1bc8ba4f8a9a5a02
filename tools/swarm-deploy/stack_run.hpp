#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runner/reporter.hpp"
#include "swarm-deploy/service_health.hpp"
#include "swarm-deploy/stack_plan.hpp"

namespace pca::swarm_deploy {

struct RunRules {
  bool wait = true;
  Milliseconds settle{5000};
  HealthRules health = {};
  bool roll_back = true;
  Milliseconds rollback_timeout{300'000};
  // Asked before each write: the error ends the run, and nothing is taken back.
  std::function<Result<>()> may_write = [] { return Result<>(); };
};

// The service that failed first.
struct FailedService {
  std::string name;
  std::string reason;  // "image", "crash", ... as FailureKind
  std::string text = {};
  std::string cure = {};
  std::string node = {};
  std::int64_t exit_code = 0;  // of the task's container
  std::string log = {};        // last lines of the task, as the host wrote them
};

struct StackRun {
  std::string outcome;  // of contract::outcome
  std::optional<Error> error;
  bool has_written = false;  // and it is not all taken back
  std::string release;       // what it was about
  std::string previous;      // what was current before
  std::optional<FailedService> failed;
  Json services;                                // as the Engine had them when all were well
  std::map<std::string, std::string> networks;  // IDs of those that were made, by name
  std::map<std::string, double> phases_ms;
  // What else the outputs, the report and the summary say, by name; empty values are nothing.
  std::vector<std::pair<std::string, std::string>> facts;
};

// Writes what the plan says, waits until all services are well, and removes what is to go; on a
// failure or a cancel everything that was written is taken back, and that is waited for too.
[[nodiscard]] StackRun execute_plan(const Budget& budget, Engine& engine, Reporter& reporter,
                                    const std::string& stack, const StackPlan& plan,
                                    const SwarmState& state, const RunRules& rules);

}  // namespace pca::swarm_deploy
