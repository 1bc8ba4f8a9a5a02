#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace pca::sandbox {

// Who may be told to let something go wrong.
enum class FaultServer : std::uint8_t {
  edge = 1,
  github = 2,
  compass = 4,
  proxmox = 8,
  apis = 14,
  every = 15
};

// What can be made to go wrong, by name.
enum class FaultKind : std::uint8_t {
  silent_tcp,
  silent_tls,
  silent_upgrade,
  reset_on_connect,
  reset_twice,
  refuse_502_twice,
  refuse_530_twice,
  slow_headers,
  huge_headers,
  bad_accept,
  junk_after_upgrade,
  glued_upgrade,
  close_early,
  half_frame,
  drop_after,
  reset_after,
  stall_after,
  ping_flood,
  ping_between_frames,
  big_frame,
  text_down,
  masked_down,
  slow_answer,
  always_500,
  rate_limit,
  secondary_limit,
  lost_answer,
  no_json,
  moved,
  personal_token,
  too_many_requests,
  answer_500_twice,
};

struct Fault {
  FaultKind kind;
  std::uint64_t argument = 0;  // bytes, milliseconds or a count, as the fault takes it
};

// One line of the help: the fault as the user writes it, and what it does.
struct FaultHelp {
  std::string spelling;  // "drop-after:BYTES", "slow-headers[:100ms]"
  std::string meaning;
};
[[nodiscard]] std::vector<FaultHelp> fault_help(FaultServer server);

// "NAME" or "NAME:ARGUMENT", of those that `server` knows. Errors: bad_input with the nearest name
// or the missing argument.
[[nodiscard]] Result<Fault> parse_fault(std::string_view text, FaultServer server);

// The faults of one server.
class Faults {
 public:
  Faults() = default;
  explicit Faults(std::vector<Fault> faults) : faults_(std::move(faults)) {}
  [[nodiscard]] const Fault* find(FaultKind kind) const;
  [[nodiscard]] bool has(FaultKind kind) const { return find(kind) != nullptr; }

 private:
  std::vector<Fault> faults_;
};

}  // namespace pca::sandbox
