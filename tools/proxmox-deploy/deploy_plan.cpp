#include "proxmox-deploy/deploy_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "deploy/release_records.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr std::size_t most_tries = 16;

std::string revision_of(const std::string& commit, const std::string& spec) {
  return commit.empty() ? "configuration " + spec.substr(0, 7) : "revision " + short_commit(commit);
}

void find_source(DeployPlan& plan, const GuestSpec& spec, const AppState& state) {
  const auto source = find_template(state.view, spec.source);
  if (!source) {
    plan.mistakes.push_back(
        fmt::format("template: {}. {}", source.error().message, source.error().hint));
    return;
  }
  plan.source = *source;
  // The inventory can be late with a new guest, but not say of an old one that it is none.
  if (!source->is_template && source->status != "unknown" && !source->status.empty()) {
    plan.mistakes.push_back(fmt::format(
        "template: guest {} is no template. Make one of it (\"Convert to template\"), or name "
        "another.",
        source->text()));
  }
  if (source->type != "qemu") {
    plan.mistakes.push_back(
        fmt::format("template: {} is a container. Name a VM's template.", source->text()));
  }
}

void check_place(DeployPlan& plan, const GuestSpec& spec, const AppState& state) {
  plan.node = spec.node.empty() ? plan.source.node : spec.node;
  const auto check_node = [&](const std::string& input, const std::string& name) {
    const ClusterNode* node = state.view.find_node(name);
    if (node == nullptr) {
      const std::vector<std::string> names = state.view.node_names();
      const std::string near = nearest(name, names);
      plan.mistakes.push_back(fmt::format("{}: there is no node {}. The nodes are {}{}.", input,
                                          shown(name), join(names, ", "),
                                          near.empty() ? "" : "; did you mean " + near + "?"));
    } else if (!node->is_online) {
      plan.mistakes.push_back(fmt::format(
          "{}: the node {} is offline. Bring it back, or choose another.", input, visible(name)));
    }
  };
  if (!plan.source.node.empty()) check_node("template", plan.source.node);
  if (!spec.node.empty() && spec.node != plan.source.node) check_node("node", spec.node);
  if (!spec.storage.empty() && !state.view.storages.empty()) {
    std::set<std::string> names;
    bool is_there = false;
    for (const ClusterStorage& storage : state.view.storages) {
      names.insert(storage.name);
      is_there = is_there ||
                 (storage.name == spec.storage && (storage.node == plan.node || storage.is_shared));
    }
    if (!is_there) {
      const std::vector<std::string> all(names.begin(), names.end());
      plan.mistakes.push_back(fmt::format("storage: {} is not on {}. The token sees {}.",
                                          shown(spec.storage), visible(plan.node),
                                          join(all, ", ")));
    }
  }
  plan.is_full = spec.clone == CloneKind::full ||
                 (spec.clone == CloneKind::automatic && !spec.storage.empty());
}

std::vector<std::string> lines_of(const DeployPlan& plan, const GuestSpec& spec,
                                  const Provenance& from, const AppState& state,
                                  const PlanRules& rules) {
  std::vector<std::string> lines;
  if (plan.is_unchanged) {
    return {fmt::format("= guest {} is of {} already; its health is checked",
                        state.active->guest.text(), revision_of(from.commit, spec.digest()))};
  }
  for (const Guest& guest : plan.to_remove) {
    lines.push_back(fmt::format("- guest {}: a run that is gone left it half-made", guest.text()));
  }
  lines.push_back(fmt::format(
      "+ guest {} ({}) on {}: a {} clone of {}", plan.vmids.empty() ? 0 : plan.vmids.front(),
      plan.guest_name, visible(plan.node), plan.is_full ? "full" : "linked", plan.source.text()));
  for (const auto& [key, value] : spec.config) {
    lines.push_back(fmt::format("    {}: {}", key,
                                key == "sshkeys" ? std::string("public keys") : visible(value)));
  }
  if (spec.password != nullptr) lines.emplace_back("    cipassword: a secret");
  for (const auto& [disk, size] : spec.disks) {
    lines.push_back(fmt::format("    {}: size {}", disk, size));
  }
  if (!spec.provision.empty()) lines.emplace_back("    set up by its agent");
  if (state.active) {
    lines.push_back(fmt::format("~ guest {}: {}, then it is shut down{}",
                                state.active->guest.text(), rules.switch_text,
                                rules.keep == 0 ? " and removed" : " and kept"));
  } else {
    lines.push_back("~ the first guest of the application: " + rules.switch_text);
  }
  for (const Guest& guest : plan.too_old) {
    if (state.active && guest.vmid == state.active->guest.vmid) continue;
    lines.push_back(fmt::format("- guest {}: older than what is kept", guest.text()));
  }
  return lines;
}

}  // namespace

std::vector<std::int64_t> choose_vmids(const GuestSpec& spec, const std::string& commit,
                                       const ClusterView& view, std::size_t most) {
  std::vector<std::int64_t> out;
  const std::int64_t room = spec.last_vmid - spec.first_vmid + 1;
  const Sha256 hash = sha256(fmt::format("{}\n{}\n{}", spec.app, commit, spec.digest()));
  std::uint64_t seed = 0;
  for (std::size_t i = 0; i < 8; ++i) seed = (seed << 8U) | hash[i];
  std::set<std::int64_t> taken;
  for (const Guest& guest : view.guests) taken.insert(guest.vmid);
  const auto start = static_cast<std::int64_t>(seed % static_cast<std::uint64_t>(room));
  const std::int64_t looks = std::min<std::int64_t>(room, 100'000);
  for (std::int64_t i = 0; i < looks && out.size() < most; ++i) {
    const std::int64_t vmid = spec.first_vmid + (start + i) % room;
    if (!taken.contains(vmid)) out.push_back(vmid);
  }
  return out;
}

DeployPlan make_plan(const GuestSpec& spec, const Provenance& from, const AppState& state,
                     const PlanRules& rules, UtcTime now) {
  DeployPlan plan;
  const std::string digest = spec.digest();
  plan.guest_name = spec.guest_name(from.commit);
  find_source(plan, spec, state);
  check_place(plan, spec, state);
  plan.vmids = choose_vmids(spec, from.commit, state.view, most_tries);
  if (plan.vmids.empty()) {
    plan.mistakes.push_back(
        fmt::format("vmid-range: all IDs from {} to {} are taken. Give a wider "
                    "range.",
                    spec.first_vmid, spec.last_vmid));
  }
  plan.is_unchanged = !rules.always && state.active && state.active->record.commit == from.commit &&
                      state.active->record.spec == digest;
  for (const OwnGuest& own : state.half_made) {
    // Who has the lock of the active guest is the only one at work.
    if (state.active || !is_locked(own.record, now)) plan.to_remove.push_back(own.guest);
  }
  std::vector<Guest> others = state.others;
  std::vector<ReleaseLine> releases;
  if (state.active) {
    others.push_back(state.active->guest);
    releases = state.active->record.releases;
  }
  plan.too_old = beyond_keep(others, releases, 0, rules.keep);
  plan.lines = lines_of(plan, spec, from, state, rules);
  return plan;
}

}  // namespace pca::proxmox_deploy
