#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proxmox-deploy/cluster_view.hpp"
#include "proxmox-deploy/tasks.hpp"

namespace pca::proxmox_deploy {

struct Snapshot {
  std::string name;
  std::int64_t time = 0;  // seconds since 1970
  std::string description = {};
  bool has_memory = false;
};

// A letter, then letters, digits, _ and -; 2 to 40 bytes; not "current".
[[nodiscard]] bool is_snapshot_name(std::string_view text);

// From the oldest. Hostile JSON of /snapshot, without the entry that stands for now.
[[nodiscard]] std::vector<Snapshot> parse_snapshots(const Json& data);
[[nodiscard]] ApiResult<std::vector<Snapshot>> read_snapshots(const Budget& budget, ProxmoxApi& api,
                                                              const Guest& guest);
// Whether the guest's storage can have any. Errors: failed where it cannot, with the cure.
[[nodiscard]] ApiResult<> check_snapshots(const Budget& budget, ProxmoxApi& api,
                                          const Guest& guest);
[[nodiscard]] ApiResult<> make_snapshot(const Budget& budget, ProxmoxApi& api, Tasks& tasks,
                                        const Guest& guest, const std::string& name,
                                        const std::string& description);
// Also ok when it is gone.
[[nodiscard]] ApiResult<> delete_snapshot(const Budget& budget, ProxmoxApi& api, Tasks& tasks,
                                          const Guest& guest, const std::string& name);
// The guest becomes what it was; it is stopped by that, and started again where asked for.
[[nodiscard]] ApiResult<> roll_back_to(const Budget& budget, ProxmoxApi& api, Tasks& tasks,
                                       const Guest& guest, const std::string& name, bool starts);

}  // namespace pca::proxmox_deploy
