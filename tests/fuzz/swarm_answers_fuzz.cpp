// What an Engine answers is hostile: logs, tasks and services may be anything.

#include "base/json.hpp"
#include "fuzz/fuzz.hpp"
#include "swarm-deploy/log_frames.hpp"
#include "swarm-deploy/service_health.hpp"
#include "swarm-deploy/stack_plan.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pca;
  using namespace pca::swarm_deploy;
  using namespace pca::fuzz;
  const std::string_view text = text_of(data, size);
  require(text_of_log(text).size() <= text.size(), "a log is no longer than its frames");
  const auto json = parse_json(text);
  if (!json) return 0;
  const std::vector<Task> tasks = parse_tasks(*json);
  for (const auto& [name, service] : parse_services(*json)) {
    const Json canonical = canonical_spec(service.spec, {}, 41);
    require(differences(canonical, canonical).empty(), "a spec is like itself");
    HealthWatch watch(watched_service(name, service.id, service.spec), {});
    (void)watch.look(*json, tasks, 3, {});
  }
  HealthWatch watch({}, {});
  const ServiceHealth health = watch.look(*json, tasks, 3, {});
  require(!health.text.empty(), "it says how a service is");
  return 0;
}
