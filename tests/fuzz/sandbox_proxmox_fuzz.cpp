// The sandbox's Proxmox VE asked for anything. First byte 0: an upload, cut in any way, is
// understood alike; else each line is a call, "METHOD PATH?FORM", and whatever is called, the
// cluster stays whole.

#include <algorithm>
#include <string>

#include "base/text.hpp"
#include "fuzz/fuzz.hpp"
#include "sandbox/proxmox_api.hpp"
#include "sandbox/proxmox_control.hpp"
#include "sandbox/proxmox_guests.hpp"
#include "sandbox/proxmox_upload.hpp"

namespace pca::fuzz {
namespace {

using namespace sandbox::proxmox;

struct Taken {
  Parameters fields;
  bool has_file = false;
  std::uint64_t size = 0;
  std::string failure;
  bool operator==(const Taken&) const = default;
};

Taken take(std::string_view stream, std::size_t piece_size) {
  Upload upload("b", "/var/tmp/pveupload-0");
  Taken taken;
  while (!stream.empty() && taken.failure.empty()) {
    const std::string_view piece = stream.substr(0, piece_size);
    stream.remove_prefix(piece.size());
    const auto fed = upload.feed(piece);
    if (!fed) taken.failure = fed.error().message;
  }
  taken.has_file = upload.has_file();
  // What came of a file that is cut is not the same, nor of one that was refused.
  if (taken.has_file) taken.size = upload.size();
  if (taken.failure.empty()) taken.fields = upload.fields();
  return taken;
}

void check(Cluster& cluster) {
  for (const auto& [vmid, guest] : cluster.guests) {
    require(vmid == guest.vmid && vmid >= 100, "a guest is where its number says");
    require(cluster.find_node(guest.node) != nullptr, "a guest is on a node");
    require(guest.parent.empty() || guest.snapshots.contains(guest.parent),
            "a guest goes on from a snapshot that there is");
    for (const std::string& disk : disks_of(guest)) {
      require(!volume_of(guest.value(disk)).empty(), "a disk has a volume");
    }
  }
  for (const auto& [name, storage] : cluster.storages) {
    for (const Volume& volume : storage.volumes) {
      require(volume.id.starts_with(name + ":"), "a volume is named by its storage");
      require(volume.parent.empty() || volume.vmid != 0, "a linked clone is somebody's");
    }
  }
  require(!state_of(cluster).is_null(), "the state can be told");
}

void call_all(std::string_view text) {
  Cluster cluster("9.2.11", 3);
  cluster.schedule.advance(Time{1'000'000});
  populate(cluster);
  static const sandbox::proxmox::Api api(9);
  for (const std::string& line : split_lines(text.substr(0, 4096))) {
    const auto blank = line.find(' ');
    if (blank == std::string::npos || line.find("agent/exec") != std::string::npos) continue;
    const std::string target = line.substr(blank + 1);
    const auto question = target.find('?');
    Call call;
    call.method = line.substr(0, blank);
    call.path = target.substr(0, question);
    call.node = "pve1";
    call.user = "root@pam!admin";
    const auto* route = api.find(call.method, call.path, call.parameters);
    if (route == nullptr || call.parameters.size() > 100) continue;
    const Parameters said =
        parse_form(question == std::string::npos ? "" : target.substr(question + 1));
    const auto outcome = api.answer(cluster, *route, call, said);
    if (!outcome) require(outcome.error().status >= 400, "a failure has a status of one");
    cluster.schedule.advance(cluster.schedule.now() + Milliseconds{700});
    check(cluster);
  }
  cluster.schedule.advance(cluster.schedule.now() + Milliseconds{30'000});
  check(cluster);
}

}  // namespace
}  // namespace pca::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pca::fuzz;
  if (size < 2) return 0;
  const std::string text(text_of(data + 2, size - 2));
  if (data[0] != 0) {
    call_all(text);
    return 0;
  }
  const std::size_t piece_size = std::max<std::size_t>(data[1], 1);
  require(take(text, piece_size) == take(text, text.size() + 1),
          "the size of the pieces makes no difference");
  return 0;
}
