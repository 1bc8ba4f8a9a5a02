#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cli/tool_main.hpp"
#include "net/engine.hpp"
#include "swarm-deploy/stack_removal.hpp"

namespace pca::swarm_deploy {

// The named volumes of a stack are each node's own: no manager knows those of other nodes, and only
// a node's Engine can remove them. So all Engines that the inputs name are asked, also those of
// workers; what is on other nodes stays, and is told.
class NodeVolumes {
 public:
  // Borrows all of them. Of one endpoint `manager` is the Engine.
  NodeVolumes(ToolContext& context, Engine& manager, const std::vector<EngineEndpoint>& endpoints)
      : context_(context), manager_(manager), endpoints_(endpoints) {}

  // Those of a preview on the nodes that are reached: "shop_data on node1", each. Without a branch
  // in it whosever they are.
  [[nodiscard]] Result<std::vector<std::string>> find(const Budget& budget, const Preview& preview,
                                                      const StackThings& things);
  struct Removed {
    std::vector<std::string> volumes;  // as find() has them
    std::vector<std::string> left;     // hostnames of nodes that were not reached
    std::set<std::string> left_ids;
  };
  // Removes them once its tasks have ended. failed when one could not be.
  [[nodiscard]] Result<Removed> remove(const Budget& budget, const Preview& preview,
                                       const StackThings& things);

 private:
  struct Node {
    std::unique_ptr<Engine> own;  // nullptr: the manager
    Engine* engine = nullptr;
    std::string id;
  };
  void warn(const Preview& preview, const StackThings& things, const Removed& removed);
  [[nodiscard]] Result<> connect(const Budget& budget);
  [[nodiscard]] Result<> add(const Budget& budget, std::unique_ptr<Engine> own, Engine& engine);
  [[nodiscard]] static Result<std::vector<NamedObject>> find_on(const Budget& budget,
                                                                const Node& node,
                                                                const Preview& preview);

  ToolContext& context_;
  Engine& manager_;
  const std::vector<EngineEndpoint>& endpoints_;
  std::vector<Node> nodes_;
  std::set<std::string> connected_;  // names of endpoints
};

}  // namespace pca::swarm_deploy
