#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/proxmox_errors.hpp"
#include "sandbox/proxmox_faults.hpp"
#include "sandbox/proxmox_schedule.hpp"

namespace pca::sandbox::proxmox {

struct Cluster;
struct Call;

// What a worker does: `begin` at once, `finish` after its time. A failure of either ends it.
struct Work {
  std::string type = {};  // "qmstart"
  std::string id = {};    // "101"
  std::string node = {};
  int locks = 0;  // the guest whose lock file it holds meanwhile; 0: none
  int needs = 0;  // the guest without which it cannot go on; 0: the one that it locks
  std::string storage_lock = {};  // the same for a storage
  std::function<Outcome<void>()> begin = {};
  Milliseconds time{0};
  std::function<Outcome<void>()> finish = {};
  bool is_made_early = false;  // what it makes is there already, and goes if it cannot begin
  std::function<void()> abandon = {};  // when it was stopped, or let fail
  std::vector<std::string> log = {};
};

struct Task {
  std::string upid;
  std::string node;
  std::string type;
  std::string id;
  std::string user;  // "deploy@pve!ci"
  std::int64_t pid = 0;
  std::int64_t pstart = 0;
  std::int64_t started = 0;
  std::optional<std::int64_t> ended;
  std::string status;  // how it ended: "OK", "WARNINGS: 1", or what went wrong
  std::vector<std::string> log;
  Work work;
  std::optional<InjectedFault> fault;  // what it was told to do wrong
  std::uint64_t event = 0;
  Milliseconds waited{0};
};

class Tasks {
 public:
  // Starts a worker and gives its UPID.
  std::string start(Cluster& cluster, const std::string& user, Work work);
  void end(Cluster& cluster, Task& task, const std::string& status);
  // Ends it as one whose process is gone.
  void kill(Cluster& cluster, Task& task);
  [[nodiscard]] Task* find(const std::string& upid);
  [[nodiscard]] std::vector<Task*> newest_first(const std::string& node);  // empty: of all nodes

 private:
  void attempt(Cluster& cluster, const std::string& upid);
  void complete(Cluster& cluster, const std::string& upid);
  std::map<std::string, Task> tasks_;
  std::vector<std::string> order_;
};

// "UPID:node:pid:pstart:time:type:id:user:"; whether it reads like one.
[[nodiscard]] bool is_upid(std::string_view text);

// Starts it in the name of who calls; the answer is the UPID.
[[nodiscard]] Outcome<> start_task(Cluster& cluster, const Call& call, Work work);

}  // namespace pca::sandbox::proxmox
