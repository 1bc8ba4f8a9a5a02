#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "base/result.hpp"

namespace pca::sandbox::proxmox {

// Something that a test lets go wrong, once or always, for what fits.
struct InjectedFault {
  std::string kind;     // "task-fails", "request-fails", ...
  std::string subject;  // a task's type, or a method and a path, both with '*' and '?'
  int guest = 0;        // 0: any
  int nth = 0;          // of those that fit; 0: every one
  std::string text;     // what is said, where something is
  int status = 500;     // and with which status
  std::string node;     // which one dies; empty: the request's
  int seen = 0;
};

// What kinds there are, and what they do.
struct FaultKindHelp {
  const char* name;
  const char* meaning;
};
[[nodiscard]] const std::vector<FaultKindHelp>& injected_fault_help();

class InjectedFaults {
 public:
  void add(InjectedFault fault) { faults_.push_back(std::move(fault)); }
  void clear() { faults_.clear(); }
  // Whether one of `kind` is due now; counts what fits.
  [[nodiscard]] const InjectedFault* due(const std::string& kind, const std::string& subject,
                                         int guest);

 private:
  std::vector<InjectedFault> faults_;
};

// {"kind": "task-fails", "task": "qmstart", "guest": 101, "nth": 1, "text": "..."}; a request is
// "request": "POST /nodes/*/qemu/*/clone". The error says what is wrong.
[[nodiscard]] Result<InjectedFault> parse_injected_fault(const Json& json);

}  // namespace pca::sandbox::proxmox
