#pragma once

#include <optional>
#include <string>
#include <vector>

#include "deploy/provenance.hpp"
#include "proxmox-deploy/app_state.hpp"
#include "proxmox-deploy/data_volumes.hpp"
#include "proxmox-deploy/guest_spec.hpp"

namespace pca::proxmox_deploy {

// What a deploy is going to do. Made by a pure function.
struct DeployPlan {
  bool is_unchanged = false;  // the active guest is of this very revision (its health is open)
  Guest source;               // the template, of a VM
  std::string node;           // where the new guest will run
  bool is_full = false;
  std::vector<std::int64_t> vmids;  // to try, in this order
  MountKeys moves = {};             // data volumes of the active container, and where they go
  std::vector<std::string> fresh;   // mount points that are made with the new one
  std::string guest_name;
  std::vector<Guest> to_remove;       // half-made ones of runs that are gone
  std::vector<Guest> too_old;         // beyond keep, once it is switched
  std::vector<std::string> mistakes;  // what stands against it, all together
  std::vector<std::string> lines;     // for people

  [[nodiscard]] bool changes_nothing() const { return is_unchanged; }
};

struct PlanRules {
  std::size_t keep = 1;
  bool always = false;      // another guest, also where the active one is of this revision
  std::string switch_text;  // "the tag active moves"
};

[[nodiscard]] DeployPlan make_plan(const GuestSpec& spec, const Provenance& from,
                                   const AppState& state, const PlanRules& rules, UtcTime now);

// IDs of the range that nobody has, at most `most`: the first is made of app, commit and spec, so
// that the same deploy comes to the same ID again, others follow it.
[[nodiscard]] std::vector<std::int64_t> choose_vmids(const GuestSpec& spec,
                                                     const std::string& commit,
                                                     const ClusterView& view, std::size_t most);

}  // namespace pca::proxmox_deploy
