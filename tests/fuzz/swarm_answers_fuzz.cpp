// What an Engine answers is hostile: logs, tasks and services may be anything.

#include "base/json.hpp"
#include "base/utc_time.hpp"
#include "fuzz/fuzz.hpp"
#include "swarm-deploy/log_frames.hpp"
#include "swarm-deploy/release_history.hpp"
#include "swarm-deploy/service_health.hpp"
#include "swarm-deploy/stack_plan.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pca;
  using namespace pca::swarm_deploy;
  using namespace pca::fuzz;
  const std::string_view text = text_of(data, size);
  require(text_of_log(text).size() <= text.size(), "a log is no longer than its frames");
  (void)parse_utc(text);
  (void)unpack(std::string(text));
  const auto json = parse_json(text);
  if (!json) return 0;
  const StackHistory history = parse_history(*json, "shop");
  for (const StackRelease* release : history.dispensable()) {
    require(release->id != history.current, "the current release stays");
  }
  if (const auto target = rollback_target(history, "shop", "")) (void)unpack(target->data);
  const StackParts parts = parts_of("shop", *json, *json, {});
  const auto packed = pack(parts);
  if (packed) {
    const auto again = unpack(*packed);
    require(!again || again->services.size() == parts.services.size(),
            "what was packed comes back");
  }
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
