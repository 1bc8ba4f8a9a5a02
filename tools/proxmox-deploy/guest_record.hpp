#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "base/result.hpp"
#include "proxmox-deploy/guest_config.hpp"

namespace pca::proxmox_deploy {

// What this tool writes into the description of each guest that it makes: a line of JSON in an HTML
// comment, which the web interface does not show, below the text that people put there. It says
// whose the guest is; the active guest's says besides what was deployed, what holds the application
// and who works on it. All in it may be hostile.

// How far a guest is that was never switched to.
inline constexpr std::string_view phase_new = "new";
inline constexpr std::string_view phase_switching = "switching";  // of a first one: it is ready

// One release, from the oldest.
struct ReleaseLine {
  std::string id = {};
  std::string commit = {};
  std::string result = {};  // deployed, rolled-back
  std::int64_t vmid = 0;
  Json record = {};  // what else is kept: ended, actor, branch, run-url, reason, ...
};

// Where the data volumes of a container went, from before the first of them goes until the switch:
// whoever finds it later takes them back.
struct DataMove {
  std::int64_t vmid = 0;
  std::vector<std::pair<std::string, std::string>> keys = {};  // {"mp0", "mp1"}: ours, and there
  bool was_running = true;                                     // the one that they left
};

struct GuestRecord {
  // Whose it is. It counts only for the guest that has this identity (GuestConfig): a copy has
  // another.
  std::string app = {};
  std::string identity = {};
  std::string name = {};
  std::string release = {};
  std::string commit = {};
  std::string spec = {};   // digest of all that it was made of
  std::string phase = {};  // until it was switched to: phase_new, then phase_switching
  std::string run = {};    // who makes it, while it is new

  std::vector<ReleaseLine> releases = {};
  std::optional<Json> hold = {};
  std::optional<Json> lock = {};  // whose it is, and until when

  // Of a container: the mount points that were made with it, so that as long as nothing ever led
  // to it they hold nothing that anybody needs.
  std::vector<std::string> fresh = {};
  // Of the active one: its data are on their way to another.
  std::optional<DataMove> data_move = {};
};

constexpr std::size_t longest_record = 4096;  // of the block
constexpr std::size_t releases_kept = 10;

// The record of a description, if it has one that can be read.
[[nodiscard]] std::optional<GuestRecord> parse_record(std::string_view description);
// The description without the block.
[[nodiscard]] std::string text_without_record(std::string_view description);
// The text with the block behind it, in place of one that it has. What does not fit into 4 KiB goes
// from the oldest release on.
[[nodiscard]] std::string with_record(std::string_view text, const GuestRecord& record);

// The tags by which guests of an application are found.
[[nodiscard]] std::string app_tag(std::string_view app);
[[nodiscard]] std::string revision_tag(std::string_view commit, std::string_view spec);

// Whether this guest is one of the application's that this tool made, by all of: the owner's tag,
// its identity, its name, no template, not protected. The error (conflict) says what does
// not agree: nothing is done to it then.
[[nodiscard]] Result<GuestRecord> check_own(const Guest& guest, const GuestConfig& config,
                                            std::string_view app);

}  // namespace pca::proxmox_deploy
