#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "base/result.hpp"
#include "sandbox/proxmox_timing.hpp"

namespace pca::sandbox::proxmox {

// What a call is answered with instead of data.
struct Failure {
  int status = 500;
  std::string message = {};                                      // the reason phrase
  std::vector<std::pair<std::string, std::string>> errors = {};  // by parameter
  Milliseconds patience{0};  // for so long it is tried again before this is said
  Milliseconds delay{0};     // then it is said so much later
  bool is_bare = false;      // the body is `plain`, and not JSON
  std::string plain = {};
  bool ends_line = true;  // the message in the body ends with a line end
};
template <typename T = Json>
using Outcome = Result<T, Failure>;

// 400 about one parameter. Most of the server's own texts end with a line end, some do not.
[[nodiscard]] Failure bad_parameter(const std::string& name, const std::string& why);
[[nodiscard]] Failure forbidden(const std::string& what);  // "/vms/201, VM.PowerMgmt"
[[nodiscard]] Failure not_implemented(const std::string& method, const std::string& path);
[[nodiscard]] Failure server_error(const std::string& message);

[[nodiscard]] Failure no_guest(const std::string& node, int vmid, bool is_container);
[[nodiscard]] Failure is_locked(bool is_container, const std::string& lock);
// After ten seconds.
[[nodiscard]] Failure lock_timeout(int vmid, bool is_container);
[[nodiscard]] Failure no_quorum();

}  // namespace pca::sandbox::proxmox
