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

void check_node(DeployPlan& plan, const AppState& state, const std::string& input,
                const std::string& name) {
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
}

// A token that sees no storages says nothing of them.
bool has_storage(const AppState& state, const std::string& node, const std::string& name) {
  return state.view.storages.empty() ||
         std::any_of(state.view.storages.begin(), state.view.storages.end(),
                     [&](const ClusterStorage& storage) {
                       return storage.name == name && (storage.node == node || storage.is_shared);
                     });
}

void check_storage(DeployPlan& plan, const AppState& state, const std::string& input,
                   const std::string& name) {
  if (has_storage(state, plan.node, name)) return;
  std::set<std::string> names;
  for (const ClusterStorage& storage : state.view.storages) names.insert(storage.name);
  const std::vector<std::string> all(names.begin(), names.end());
  plan.mistakes.push_back(fmt::format("{}: {} is not on {}. The token sees {}.", input, shown(name),
                                      visible(plan.node), join(all, ", ")));
}

// --- of a container ---

std::string storage_of(const std::string& volume) { return volume.substr(0, volume.find(':')); }

// That of the active container, so that its data can follow; else the first that has what it needs.
std::string node_for_container(const GuestSpec& spec, const AppState& state) {
  if (!spec.node.empty()) return spec.node;
  if (state.active) return state.active->guest.node;
  std::string first;
  for (const ClusterNode& node : state.view.nodes) {
    if (!node.is_online) continue;
    if (first.empty()) first = node.name;
    if (has_storage(state, node.name, spec.storage) &&
        has_storage(state, node.name, storage_of(spec.source))) {
      return node.name;
    }
  }
  return first;
}

void check_container(DeployPlan& plan, const GuestSpec& spec, const AppState& state) {
  plan.node = node_for_container(spec, state);
  check_node(plan, state, "node", plan.node);
  check_storage(plan, state, "template", storage_of(spec.source));
  check_storage(plan, state, "storage", spec.storage);
  MountKeys wanted;
  for (std::size_t i = 0; i < spec.data.size(); ++i) {
    wanted.emplace_back(spec.data[i].path, fmt::format("mp{}", i));
  }
  if (state.active && state.active->record.data_move) {
    plan.mistakes.push_back(fmt::format(
        "data: those of guest {} are on their way to guest {}, because a run died. A deploy gives "
        "them back first.",
        state.active->guest.text(), state.active->record.data_move->vmid));
  }
  if (state.active) {
    auto moves = match_data(state.active->config, wanted);
    if (moves) {
      plan.moves = *std::move(moves);
    } else {
      plan.mistakes.push_back(
          fmt::format("data: {}. {}", moves.error().message, moves.error().hint));
    }
    const bool was_unprivileged = truth_in(state.active->config.values, "unprivileged");
    const bool is_unprivileged =
        std::find(spec.config.begin(), spec.config.end(),
                  std::pair<std::string, std::string>("unprivileged", "1")) != spec.config.end();
    if (!plan.moves.empty() && was_unprivileged != is_unprivileged) {
      plan.mistakes.push_back(fmt::format(
          "privileged: the data belong to the users of {} container, and this would be {} one. "
          "Set privileged to {}.",
          was_unprivileged ? "an unprivileged" : "a privileged",
          is_unprivileged ? "an unprivileged" : "a privileged",
          was_unprivileged ? "false" : "true"));
    }
    if (!plan.moves.empty() && state.active->guest.node != plan.node) {
      plan.mistakes.push_back(fmt::format(
          "node: the data are on {}, and go to no container of another node. Leave node out.",
          visible(state.active->guest.node)));
    }
  }
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const bool comes = std::any_of(plan.moves.begin(), plan.moves.end(),
                                   [&](const auto& one) { return one.second == wanted[i].second; });
    if (comes) continue;
    check_storage(plan, state, "data", spec.data[i].storage);
    plan.fresh.push_back(wanted[i].second);
  }
}

// --- of a VM ---

void check_place(DeployPlan& plan, const GuestSpec& spec, const AppState& state) {
  plan.node = spec.node.empty() ? plan.source.node : spec.node;
  if (!plan.source.node.empty()) check_node(plan, state, "template", plan.source.node);
  if (!spec.node.empty() && spec.node != plan.source.node)
    check_node(plan, state, "node", spec.node);
  if (!spec.storage.empty()) check_storage(plan, state, "storage", spec.storage);
  if (state.active && !state.active->config.data_volumes().empty()) {
    plan.mistakes.push_back(fmt::format(
        "name: the active guest {} is a container with data, which a VM cannot take over.",
        state.active->guest.text()));
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
      "+ guest {} ({}) on {}: {}", plan.vmids.empty() ? 0 : plan.vmids.front(), plan.guest_name,
      visible(plan.node),
      spec.is_container()
          ? "a container of " + visible(spec.source)
          : fmt::format("a {} clone of {}", plan.is_full ? "full" : "linked", plan.source.text())));
  for (const auto& [key, value] : spec.config) {
    const bool is_keys = key == "sshkeys" || key == "ssh-public-keys";
    lines.push_back(
        fmt::format("    {}: {}", key, is_keys ? std::string("public keys") : visible(value)));
  }
  if (spec.password != nullptr) {
    lines.push_back(
        fmt::format("    {}: a secret", spec.is_container() ? "password" : "cipassword"));
  }
  for (std::size_t i = 0; i < spec.data.size(); ++i) {
    const auto move = std::find_if(plan.moves.begin(), plan.moves.end(), [&](const auto& one) {
      return one.second == fmt::format("mp{}", i);
    });
    lines.push_back(
        fmt::format("    data at {}: {}", visible(spec.data[i].path),
                    move == plan.moves.end()
                        ? fmt::format("a new volume of {} GiB on {}", spec.data[i].gibibytes,
                                      visible(spec.data[i].storage))
                        : fmt::format("{} of guest {}", move->first, state.active->guest.text())));
  }
  for (const auto& [disk, size] : spec.disks) {
    lines.push_back(fmt::format("    {}: size {}", disk, size));
  }
  if (!spec.provision.empty()) lines.emplace_back("    set up by its agent");
  if (!plan.moves.empty()) {
    lines.push_back(fmt::format(
        "~ guest {}: shut down, so that its data can go to the new one before that starts",
        state.active->guest.text()));
  }
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
  if (spec.is_container()) {
    check_container(plan, spec, state);
  } else {
    find_source(plan, spec, state);
    check_place(plan, spec, state);
  }
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
