#include "swarm-deploy/node_volumes.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "swarm-deploy/stack_preview.hpp"
#include "swarm-deploy/stack_spec.hpp"
#include "swarm-deploy/swarm_state.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr Milliseconds answer_limit{30'000};
constexpr Milliseconds identity_limit{10'000};
constexpr Milliseconds in_use_limit{15'000};  // a container goes a moment after its task

void add_texts(const std::vector<NamedObject>& volumes, const std::string& node,
               std::vector<std::string>& texts) {
  for (const NamedObject& volume : volumes)
    texts.push_back(fmt::format("{} on {}", volume.name, node));
}

}  // namespace

Result<> NodeVolumes::add(const Budget& budget, std::unique_ptr<Engine> own, Engine& engine) {
  PCA_TRY(const Json info, engine.json(budget.at_most(identity_limit), {.path = "/info"}));
  const Json* swarm = info.find("Swarm");
  const std::string id = swarm == nullptr ? std::string() : swarm->text_of("NodeID");
  const bool is_known =
      std::any_of(nodes_.begin(), nodes_.end(), [&](const Node& node) { return node.id == id; });
  if (id.empty()) return failed("its Engine is of no swarm");
  if (!is_known) nodes_.push_back({std::move(own), &engine, id});
  return {};
}

Result<> NodeVolumes::connect(const Budget& budget) {
  if (endpoints_.size() == 1) return nodes_.empty() ? add(budget, nullptr, manager_) : Result<>();
  for (const EngineEndpoint& endpoint : endpoints_) {
    if (connected_.contains(endpoint.name)) continue;
    const auto added = [&]() -> Result<> {
      PCA_TRY(auto engine,
              Engine::connect(budget.at_most(endpoint.connect_limit + identity_limit), endpoint));
      Engine& it = *engine;
      return add(budget, std::move(engine), it);
    }();
    if (added) {
      connected_.insert(endpoint.name);
      continue;
    }
    if (added.error().kind == ErrorKind::cancelled) return added;
    context_.reporter.warning(Warning{
        "Volumes",
        fmt::format("{} cannot be asked for volumes: {}", endpoint.name, added.error().message)});
  }
  return {};
}

Result<std::vector<NamedObject>> NodeVolumes::find_on(const Budget& budget, const Node& node,
                                                      const Preview& preview) {
  const std::string& stack = preview.stack;
  PCA_TRY(const Json answer,
          node.engine->json(budget.at_most(answer_limit), {.path = of_stack("/volumes", stack)}));
  std::vector<NamedObject> volumes;
  for (const Json& volume : list_at(answer, {"Volumes"})) {
    const std::string volume_name = volume.text_of("Name");
    // What a stack of this name left that was no preview, or another branch's, is kept.
    const auto owner = preview_in(volume);
    if (volume_name.empty() || !is_of_stack(volume, stack) || !owner) continue;
    if (!preview.branch.empty() && !owner->is_of(preview.repository, preview.branch)) continue;
    volumes.push_back({"volumes", volume_name, volume_name});
  }
  return volumes;
}

Result<std::vector<std::string>> NodeVolumes::find(const Budget& budget, const Preview& preview,
                                                   const StackThings& things) {
  std::vector<std::string> found;
  PCA_CHECK(connect(budget));
  for (const Node& node : nodes_) {
    const auto known = things.node_names.find(node.id);
    if (known == things.node_names.end()) continue;  // of another swarm
    PCA_TRY(const auto volumes, find_on(budget, node, preview));
    add_texts(volumes, known->second, found);
  }
  return found;
}

Result<NodeVolumes::Removed> NodeVolumes::remove(const Budget& budget, const Preview& preview,
                                                 const StackThings& things) {
  Removed removed;
  PCA_CHECK(connect(budget));
  removed.left_ids = things.nodes;
  for (const Node& node : nodes_) {
    const auto known = things.node_names.find(node.id);
    if (known == things.node_names.end()) continue;  // of another swarm
    PCA_TRY(const auto volumes, find_on(budget, node, preview));
    if (auto gone = remove_objects(budget.at_most(in_use_limit), *node.engine, volumes); !gone)
      return std::move(gone).error().within("removing volumes on " + visible(known->second));
    add_texts(volumes, known->second, removed.volumes);
    removed.left_ids.erase(node.id);
  }
  for (const std::string& id : removed.left_ids) {
    const auto known = things.node_names.find(id);
    const bool is_named = known != things.node_names.end() && !known->second.empty();
    removed.left.push_back(visible(is_named ? known->second : id));
  }
  warn(preview, things, removed);
  return removed;
}

void NodeVolumes::warn(const Preview& preview, const StackThings& things, const Removed& removed) {
  if (!things.lost_nodes.empty()) {
    context_.reporter.warning(Warning{
        "Volumes",
        visible(fmt::format(
            "{}: the swarm has the nodes {} no more, so nobody looks for volumes there any longer",
            preview.stack, fmt::join(things.lost_nodes, ", ")))});
  }
  if (removed.left.empty()) return;
  context_.reporter.warning(Warning{
      "Volumes",
      fmt::format("{}: its volumes on {} stay, because only the Engines there can remove them. Its "
                  "record stays until they are gone: give those Engines in engine or host as well, "
                  "behind the managers, and run it again. By hand: docker volume rm $(docker "
                  "volume ls -q --filter label={}={})",
                  preview.stack, join(removed.left, ", "), stack_label, preview.stack)});
}

}  // namespace pca::swarm_deploy
