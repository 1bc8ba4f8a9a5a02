#include "proxmox-deploy/app_state.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr std::size_t most_looked_into = 50;

bool knows(const GuestRecord& record, std::int64_t vmid) {
  return std::any_of(record.releases.begin(), record.releases.end(),
                     [&](const ReleaseLine& line) { return line.vmid == vmid; });
}

}  // namespace

bool is_name_of(std::string_view name, std::string_view app) {
  constexpr std::size_t digits = 7;
  if (name.size() != app.size() + 1 + digits || !name.starts_with(app)) return false;
  const std::string_view end = name.substr(app.size());
  return end.front() == '-' &&
         end.substr(1).find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_locked(const GuestRecord& record, UtcTime now) {
  if (!record.lock) return false;
  const auto until = parse_utc(record.lock->text_of("until"));
  return until && *until > now;
}

ApiResult<AppState> read_app_state(const Budget& budget, ProxmoxApi& api, const std::string& app) {
  AppState state;
  PCA_TRY(state.view, read_cluster(budget, api));
  const bool has_more_nodes = state.view.nodes.size() > 1;
  if (has_more_nodes) api.learn_nodes(budget);
  std::vector<OwnGuest> actives;
  std::vector<Guest> unknown;
  const auto look = [&](const Guest& guest) -> ApiResult<std::optional<OwnGuest>> {
    auto config = read_config(budget, api, guest);
    if (!config) {
      if (config.error().trouble == Trouble::gone) return std::optional<OwnGuest>();
      return std::move(config).error();
    }
    auto record = check_own(guest, *config, app);
    if (!record) {
      // One that is only called so is somebody's who knows nothing of this.
      if (guest.has_tag(app_tag(app))) state.left_alone.push_back(record.error().message);
      return std::optional<OwnGuest>();
    }
    Guest fresh = guest;
    fresh.name = config->name;
    return std::optional(OwnGuest{std::move(fresh), *std::move(config), *std::move(record)});
  };
  // By what the configuration says: the inventory may be from before a switch.
  const auto sort_in = [&](OwnGuest own) {
    const auto& tags = own.config.tags;
    if (std::find(tags.begin(), tags.end(), active_tag) != tags.end()) {
      actives.push_back(std::move(own));
    } else if (!own.record.phase.empty()) {
      state.half_made.push_back(std::move(own));
    } else {
      state.others.push_back(own.guest);
    }
  };
  // Two are active where a switch ended half-way: the newer release is the one that was meant.
  const auto choose_active = [&] {
    std::sort(actives.begin(), actives.end(), [](const OwnGuest& a, const OwnGuest& b) {
      return a.record.release > b.record.release;
    });
    if (!actives.empty()) state.active = actives.front();
  };
  for (const Guest& guest : state.view.guests) {
    if (guest.is_template) continue;
    const bool has_tag = guest.has_tag(app_tag(app));
    // The inventory knows no name of one that was made in the last ten seconds.
    if (!has_tag && !guest.name.empty() && !is_name_of(guest.name, app)) continue;
    if (!has_tag || !guest.has_tag(active_tag)) {
      unknown.push_back(guest);
      continue;
    }
    const std::size_t before = state.left_alone.size();
    PCA_TRY(auto own, look(guest));
    if (own) sort_in(*std::move(own));
    if (state.left_alone.size() > before) state.refused_active = state.left_alone.back();
  }
  choose_active();
  std::size_t looked = 0;
  for (const Guest& guest : unknown) {
    if (state.active && knows(state.active->record, guest.vmid)) {
      state.others.push_back(guest);
      continue;
    }
    if (++looked > most_looked_into) break;
    PCA_TRY(auto own, look(guest));
    if (!own) continue;
    sort_in(*std::move(own));
  }
  choose_active();
  for (std::size_t i = 1; i < actives.size(); ++i) {
    state.others.push_back(actives[i].guest);
    state.left_active.push_back(std::move(actives[i]));
  }
  return state;
}

const Json* lock_in_force(const AppState& state, UtcTime now) {
  const auto in = [&](const OwnGuest& own) {
    return is_locked(own.record, now) ? &*own.record.lock : nullptr;
  };
  if (state.active) {
    if (const Json* lock = in(*state.active)) return lock;
  }
  for (const OwnGuest& own : state.active ? state.left_active : state.half_made) {
    if (const Json* lock = in(own)) return lock;
  }
  return nullptr;
}

std::vector<Guest> beyond_keep(const std::vector<Guest>& others,
                               const std::vector<ReleaseLine>& releases, std::int64_t active,
                               std::size_t keep) {
  std::vector<Guest> old;
  for (const Guest& guest : others) {
    if (guest.vmid != active && !guest.is_template) old.push_back(guest);
  }
  const auto age = [&](const Guest& guest) {  // a greater one is newer
    for (std::size_t i = releases.size(); i > 0; --i) {
      if (releases[i - 1].vmid == guest.vmid) return i;
    }
    return std::size_t{0};
  };
  std::stable_sort(old.begin(), old.end(),
                   [&](const Guest& a, const Guest& b) { return age(a) < age(b); });
  if (old.size() <= keep) return {};
  old.resize(old.size() - keep);
  return old;
}

}  // namespace pca::proxmox_deploy
