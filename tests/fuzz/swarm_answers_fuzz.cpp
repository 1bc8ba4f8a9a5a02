// What an Engine answers is hostile: logs, tasks and services may be anything.

#include "base/json.hpp"
#include "base/utc_time.hpp"
#include "fuzz/fuzz.hpp"
#include "swarm-deploy/log_frames.hpp"
#include "swarm-deploy/node_plan.hpp"
#include "swarm-deploy/release_history.hpp"
#include "swarm-deploy/service_health.hpp"
#include "swarm-deploy/stack_plan.hpp"
#include "swarm-deploy/stack_preview.hpp"
#include "swarm-deploy/swarm_state.hpp"

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
  for (const Preview& preview : parse_previews(*json, *json)) {
    require(is_stack_of(preview.stack, preview), "only a preview's stack is one");
  }
  for (const PublishedPort& port : published_ports(*json)) {
    require(port.number != 0 && port.clashes_with(port) != port.is_of_nodes, "a port is its own");
  }
  const StackParts parts = parts_of("shop", *json, *json, {});
  const auto packed = pack(parts);
  if (packed) {
    const auto again = unpack(*packed);
    require(!again || again->services.size() == parts.services.size(),
            "what was packed comes back");
  }
  if (const auto image = parse_distribution(*json)) {
    require(image->digest.size() == 71, "a digest is one");
    require(image->platforms.as_array() != nullptr, "platforms are a list");
  }
  const std::vector<Task> tasks = parse_tasks(*json);
  for (const auto& [name, service] : parse_services(*json)) {
    const Json canonical = canonical_spec(service.spec, {}, 41);
    require(differences(canonical, canonical).empty(), "a spec is like itself");
    HealthWatch watch(watched_service(name, service.id, service.spec), {});
    (void)watch.look(*json, tasks, 3, {});
  }
  const std::vector<SwarmNode> nodes = parse_nodes(*json);
  for (const SwarmNode& node : nodes) {
    const NodeChange change{.availability = "drain", .labels = {{"a", "b"}, {"c", std::nullopt}}};
    const Json changed = changed_spec(node.spec, change);
    require(is_empty(missing_of(change, changed)), "what is written is there");
    require(is_empty(missing_of(undo_of(change, node.spec),
                                changed_spec(changed, undo_of(change, node.spec)))),
            "what is undone is as before");
    const DrainPlan plan = plan_drain(nodes, {node.id}, *json, tasks);
    require(plan.problems.size() <= plan.services.size(), "a problem is one of a service");
  }
  HealthWatch watch({}, {});
  const ServiceHealth health = watch.look(*json, tasks, 3, {});
  require(!health.text.empty(), "it says how a service is");
  return 0;
}
