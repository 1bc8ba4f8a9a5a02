#include "swarm-deploy/stack_waves.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/text.hpp"

namespace pca::swarm_deploy {

namespace {

class Ordering {
 public:
  explicit Ordering(const std::map<std::string, WaveOrder>& services) : services_(services) {}

  Waves run() {
    read_dependencies();
    while (!ready_.empty()) take_next();
    if (depths_.size() < services_.size()) name_circle();
    std::set<std::pair<std::int64_t, std::size_t>> steps;
    for (const auto& [name, order] : services_) steps.emplace(order.wave, depths_[name]);
    for (const auto& [name, order] : services_) {
      const auto step = steps.find({order.wave, depths_[name]});
      out_.of[name] = static_cast<std::size_t>(std::distance(steps.begin(), step));
    }
    return std::move(out_);
  }

 private:
  // Those of the same wave; the order of others is given by their numbers.
  void read_dependencies() {
    for (const auto& [name, order] : services_) {
      std::set<std::string>& before = before_[name];
      for (const std::string& other : order.after) {
        const auto found = services_.find(other);
        if (found == services_.end()) continue;
        if (found->second.wave > order.wave) {
          out_.mistakes.emplace(
              name, fmt::format("it is of wave {} and depends on {}, which is of wave {}",
                                order.wave, visible(other), found->second.wave));
        } else if (found->second.wave == order.wave) {
          if (before.insert(other).second) followers_[other].push_back(name);
        }
      }
      if (before.empty()) ready_.push_back(name);
    }
  }

  // Its depth is how many of its wave have to come before it, one after another.
  void take_next() {
    const std::string name = ready_.back();
    ready_.pop_back();
    const std::size_t depth = next_depths_[name];
    depths_[name] = depth;
    for (const std::string& follower : followers_[name]) {
      std::size_t& next = next_depths_[follower];
      next = std::max(next, depth + 1);
      std::set<std::string>& before = before_.at(follower);
      before.erase(name);
      if (before.empty()) ready_.push_back(follower);
    }
  }

  // From any that waits for ever, always on to one that it waits for, ends in a circle.
  void name_circle() {
    std::string name;
    for (const auto& [waiting, before] : before_) {
      if (!before.empty()) {
        name = waiting;
        break;
      }
    }
    std::vector<std::string> way;
    std::set<std::string> passed;
    while (passed.insert(name).second) {
      way.push_back(name);
      name = *before_.at(name).begin();
    }
    way.push_back(name);
    way.erase(way.begin(), std::find(way.begin(), way.end(), name));
    out_.mistakes.emplace(
        name, fmt::format("{} depend on each other in a circle", visible(join(way, " -> "))));
  }

  const std::map<std::string, WaveOrder>& services_;
  std::map<std::string, std::set<std::string>> before_;  // what still has to come before
  std::map<std::string, std::vector<std::string>> followers_;
  std::map<std::string, std::size_t> next_depths_;
  std::map<std::string, std::size_t> depths_;
  std::vector<std::string> ready_;
  Waves out_;
};

}  // namespace

Waves make_waves(const std::map<std::string, WaveOrder>& services) {
  return Ordering(services).run();
}

}  // namespace pca::swarm_deploy
