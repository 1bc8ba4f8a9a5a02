#include "swarm-deploy/leftovers.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace pca::swarm_deploy {

namespace {

constexpr std::size_t generations_kept = 2;
constexpr std::size_t digest_digits = 12;  // behind the name of what rotates

// "shop_key" of "shop_key_0123456789ab"; empty for what has no such digest.
std::string rotated_name(const std::string& name) {
  if (name.size() <= digest_digits + 1) return {};
  const std::size_t at = name.size() - digest_digits - 1;
  const bool is_digest =
      std::all_of(name.begin() + static_cast<std::ptrdiff_t>(at) + 1, name.end(),
                  [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  return name[at] == '_' && is_digest ? name.substr(0, at) : std::string();
}

class Search {
 public:
  Search(const StackSpec& wanted, const SwarmState& state, const StackPlan& plan, bool prune)
      : wanted_(wanted), state_(state), prune_(prune) {
    std::set<std::string> removed;
    for (const ServicePlan& service : plan.services) {
      if (service.action == Action::remove) {
        removed.insert(service.name);
      } else {
        used_.merge(used_by(service.spec));
        used_.merge(used_by(service.before.spec));
      }
    }
    for (const auto& [name, service] : state.services) {
      if (!removed.contains(name)) used_.merge(used_by(service.spec));
    }
  }

  std::vector<NamedObject> run() {
    std::set<std::string> names;
    for (const StackNetwork& network : wanted_.networks) names.insert(network.name);
    for (const auto& [name, network] : state_.networks) {
      if (prune_ && !names.contains(name)) take("networks", name, network);
    }
    const std::vector<NamedObject> networks = std::exchange(found_, {});
    search("secrets", state_.secrets, wanted_.secrets);
    search("configs", state_.configs, wanted_.configs);
    keep_what_releases_need();
    found_.insert(found_.begin(), networks.begin(), networks.end());
    return std::move(found_);
  }

 private:
  void take(const char* kind, const std::string& name, const SwarmObject& object) {
    if (!is_of_stack(object.json, wanted_.name) || used_.contains(name) ||
        used_.contains(object.id))
      return;
    found_.push_back({kind, name, object.id});
  }

  void search(const char* kind, const std::map<std::string, SwarmObject>& there,
              const std::vector<StackObject>& wanted) {
    std::set<std::string> names;
    std::set<std::string> rotating;
    for (const StackObject& object : wanted) {
      names.insert(object.name);
      if (object.is_rotated) rotating.insert(rotated_name(object.name));
    }
    std::map<std::string, std::vector<std::pair<std::string, const SwarmObject*>>> generations;
    for (const auto& [name, object] : there) {
      if (names.contains(name)) continue;
      const std::string rotated = rotated_name(name);
      if (rotating.contains(rotated)) {
        generations[rotated].emplace_back(name, &object);
      } else if (prune_) {
        take(kind, name, object);
      }
    }
    for (auto& [rotated, old] : generations) {
      std::sort(old.begin(), old.end(), [](const auto& a, const auto& b) {
        return version_of(a.second->json) > version_of(b.second->json);
      });
      for (std::size_t i = generations_kept; i < old.size(); ++i)
        take(kind, old[i].first, *old[i].second);
    }
  }

  // One that cannot be read may need all of them.
  void keep_what_releases_need() {
    for (const StackRelease& release : state_.history.releases) {
      if (found_.empty()) return;
      if (release.data.empty()) continue;  // nobody can go back to it
      const auto parts = unpack(release.data);
      if (!parts) return found_.clear();
      std::set<std::string> used;
      for (const Json& service : parts->services) used.merge(used_by(service));
      std::erase_if(found_, [&](const NamedObject& object) {
        return used.contains(object.name) || used.contains(object.id);
      });
    }
  }

  const StackSpec& wanted_;
  const SwarmState& state_;
  const bool prune_;
  std::set<std::string> used_;
  std::vector<NamedObject> found_;
};

}  // namespace

std::vector<NamedObject> find_leftovers(const StackSpec& wanted, const SwarmState& state,
                                        const StackPlan& plan, bool prune) {
  return Search(wanted, state, plan, prune).run();
}

}  // namespace pca::swarm_deploy
