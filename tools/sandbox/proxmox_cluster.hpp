#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sandbox/proxmox_disks.hpp"
#include "sandbox/proxmox_errors.hpp"
#include "sandbox/proxmox_faults.hpp"
#include "sandbox/proxmox_parameters.hpp"
#include "sandbox/proxmox_permissions.hpp"
#include "sandbox/proxmox_schedule.hpp"
#include "sandbox/proxmox_tasks.hpp"

namespace pca::sandbox::proxmox {

using Config = std::map<std::string, std::string>;

struct Node {
  std::string name = {};
  std::string ip = {};
  std::string fingerprint = {};  // of its certificate
  bool is_alive = true;
  // A call that is passed on to it waits long the first time, and less once nobody answers ARP.
  bool is_known_lost = false;
  bool refuses = false;  // the machine is up, its API is not
};

// A file or a block device of a storage.
struct Volume {
  std::string node;  // empty: all nodes have it
  std::string id;    // "local-zfs:vm-101-disk-0"
  std::string content;
  std::string format;
  std::uint64_t size = 0;
  int vmid = 0;
  std::string parent;  // of a linked clone
  std::int64_t created = 0;
};

struct Storage {
  std::string name;
  std::string type;  // "dir", "zfspool", "rbd"
  std::set<std::string> content;
  bool is_shared = false;
  bool has_snapshots = true;
  std::uint64_t total = std::uint64_t{500} << 30U;
  std::vector<Volume> volumes;
  std::string busy_with;  // the task that holds its lock
};

struct Snapshot {
  std::string description;
  std::string parent;
  std::int64_t time = 0;
  bool has_memory = false;
  Config config;
};

// What runs in a guest and is asked whether it is well.
struct Application {
  int port = 0;                      // 0: the cluster's
  std::string state = "healthy";     // "unhealthy": 503; "silent": no answer; "closed": no port
  std::string version = "template";  // unless a tag says a revision
};

// Where connections to a guest's SSH port lead: to an sshd that somebody runs on this machine.
struct SshDoor {
  std::string to;  // "127.0.0.1:2222"; empty: nowhere
  int port = 22;   // of the guest
};

// How a guest's agent is.
struct Agent {
  std::string state = "answers";  // "dead"; "no-exec": that command is disabled
  std::string addresses = "all";  // "docker": of a bridge of containers only; "none"
};

struct FirewallRule {
  Config fields;
};

// What the statistics daemon last saw, which is what /cluster/resources tells.
struct Seen {
  bool is_known = false;
  std::string status;
  std::string name;
  bool is_template = false;
};

struct Guest {
  int vmid = 0;
  bool is_container = false;
  std::string node;
  Config config;
  Config pending;                  // set while it runs, and not in effect before it is restarted
  std::set<std::string> removals;  // the same for what is to be deleted
  std::map<std::string, Snapshot> snapshots;
  std::string parent;              // the snapshot that it goes on from
  std::string status = "stopped";  // "running", "paused"
  Config booted;                   // its configuration when it was started
  bool was_booted = false;
  Time started{0};
  Time ready{0};            // its agent and its application answer from then on
  std::uint64_t boot = 0;   // the event that makes it ready
  std::string lock_holder;  // the task that holds its lock file

  std::map<int, std::shared_ptr<GuestProcess>> commands;  // until somebody has asked how they ended
  Application application;
  SshDoor ssh;
  Agent agent;
  std::string revision;  // that its application tells
  std::vector<FirewallRule> rules;
  Config firewall;
  Seen seen;

  [[nodiscard]] bool is_template() const;
  [[nodiscard]] std::string value(const std::string& name) const;  // of its configuration, or empty
  [[nodiscard]] const char* kind() const { return is_container ? "lxc" : "qemu"; }
};

struct Pool {
  std::string comment;
  std::set<std::string> storages;
};

struct HaResource {
  std::string state = "started";
  std::string group;
  std::string comment;
  int max_restart = 1;
  int max_relocate = 1;
};

// A request, once the server knows who asks.
struct Call {
  std::string method;
  std::string path;         // behind /api2/json
  std::string node;         // that was asked
  std::string user;         // "deploy@pve!ci"
  Parameters parameters;    // those of the path too
  std::string upload_file;  // where an uploaded file lies meanwhile
  std::string file_hash;    // of what was uploaded, by the algorithm it names
  std::uint64_t file_size = 0;
  Milliseconds delay{0};   // an answer waits so long
  std::int64_t total = 0;  // stands beside the data, unless it is none

  [[nodiscard]] const std::string* find(std::string_view name) const;
  [[nodiscard]] std::string text(std::string_view name, std::string_view otherwise = "") const;
  [[nodiscard]] bool flag(std::string_view name, bool otherwise = false) const;
  [[nodiscard]] std::int64_t number(std::string_view name, std::int64_t otherwise = 0) const;
  [[nodiscard]] std::vector<std::string> all(std::string_view name) const;
  [[nodiscard]] bool has(std::string_view name) const { return find(name) != nullptr; }
};

// Opens and closes the health ports of guests. The server has the real one.
struct Applications {
  std::function<void(const Guest&, const std::string& ip, int port)> open = [](auto&&...) {};
  std::function<void(int vmid)> close = [](int) {};
};

// All that the API tells about and changes.
struct Cluster {
  Cluster(std::string release, std::size_t node_count);
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  std::string version;  // "9.2.11"
  int major = 9;
  std::vector<Node> nodes;
  std::map<int, Guest> guests;
  std::map<std::string, Storage> storages;
  std::map<std::string, Pool> pools;
  std::map<std::string, std::string> pool_of_guest;  // by "/vms/100"
  std::map<std::string, HaResource> ha;              // by "vm:100"
  Config firewall;
  std::map<std::string, std::string> firewall_groups;
  std::set<std::string> bridges{"vmbr0"};
  Permissions permissions;
  Schedule schedule;
  Tasks tasks;
  InjectedFaults faults;
  Applications applications;
  int application_port = 0;
  bool has_quorum_by_force = true;
  std::vector<std::string> leaked_uploads;  // "pve1:/var/tmp/pveupload-..."
  GuestDisks disks;
  int last_command = 1000;

  [[nodiscard]] Node* find_node(std::string_view name);
  [[nodiscard]] bool has_quorum() const;
  [[nodiscard]] std::int64_t seconds() const { return schedule.now().count() / 1000; }

  // The guest that a call's path names, where it says.
  [[nodiscard]] Outcome<Guest*> guest_of(const Call& call, bool is_container);
  [[nodiscard]] Outcome<Storage*> storage_of(const std::string& name);

  // What a node's death and return does to what is on it.
  void lose_node(Node& node, bool refuses);
  void return_node(Node& node);
};

// Fills a fresh cluster with what there is to deploy to.
void populate(Cluster& cluster);

// Reads the version's own answer apart: {"release":"9.2", ...}.
[[nodiscard]] Json version_of(const Cluster& cluster);

}  // namespace pca::sandbox::proxmox
