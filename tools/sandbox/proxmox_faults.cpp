#include "sandbox/proxmox_faults.hpp"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>

#include "base/text.hpp"

namespace pca::sandbox::proxmox {

const std::vector<FaultKindHelp>& injected_fault_help() {
  static const std::vector<FaultKindHelp> kinds{
      {"task-fails", "a task ends with `text` instead of what it was to do"},
      {"task-fails-late", "it does it, and then says that it failed"},
      {"task-warns", "it does it, with a warning"},
      {"task-dies", "its process is gone: \"unexpected status\""},
      {"task-hangs", "it runs until somebody stops it"},
      {"request-fails", "a request is refused with `status` and `text`"},
      {"request-lost", "what it asks for is done, then the connection is reset"},
      {"request-dropped", "the connection is reset, and nothing is done"},
      {"request-hangs", "it is never answered"},
      {"id-taken", "somebody else makes a guest with the id that it asks for, just before"},
      {"id-taken-late", "the same just after it was taken on: its task fails"},
      {"node-dies",
       "the node that is named by `node`, or by the request's path, is lost as it comes"},
      {"quorum-lost", "the cluster has no quorum from this request on"},
      {"storage-held", "a clone gets no lock of its storage"},
      {"lock-held", "somebody else holds the guest's lock file while this fault is there"}};
  return kinds;
}

const InjectedFault* InjectedFaults::due(const std::string& kind, const std::string& subject,
                                         int guest) {
  const InjectedFault* found = nullptr;
  for (InjectedFault& fault : faults_) {
    const bool fits = fault.kind == kind && (fault.guest == 0 || fault.guest == guest) &&
                      ::fnmatch(fault.subject.c_str(), subject.c_str(), 0) == 0;
    if (!fits) continue;
    ++fault.seen;
    if (found == nullptr && (fault.nth == 0 || fault.nth == fault.seen)) found = &fault;
  }
  return found;
}

Result<InjectedFault> parse_injected_fault(const Json& json) {
  InjectedFault fault;
  fault.kind = json.text_of("kind");
  std::vector<std::string> names;
  for (const FaultKindHelp& known : injected_fault_help()) names.emplace_back(known.name);
  if (std::find(names.begin(), names.end(), fault.kind) == names.end()) {
    return bad_input(fmt::format("there is no kind of fault {}", shown(fault.kind)),
                     "They are: " + join(names, ", ") + ".");
  }
  fault.subject = json.text_of(fault.kind.starts_with("task-") ? "task" : "request");
  if (fault.subject.empty()) fault.subject = "*";
  const auto number = [&](const char* name, int otherwise) {
    const Json* value = json.find(name);
    return value == nullptr || value->as_int() == nullptr ? otherwise
                                                          : static_cast<int>(*value->as_int());
  };
  fault.node = json.text_of("node");
  fault.guest = number("guest", 0);
  fault.nth = number("nth", 0);
  fault.status = number("status", 500);
  fault.text = json.text_of("text");
  if (fault.text.empty()) fault.text = "something went wrong";
  return fault;
}

}  // namespace pca::sandbox::proxmox
