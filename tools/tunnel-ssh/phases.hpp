#pragma once

#include <span>
#include <string>
#include <vector>

namespace pca::tunnel_ssh {

// A stretch of time on one host, in milliseconds since the tool's work began.
struct Phase {
  std::string name;
  double start_ms = 0;
  double ms = 0;
};
// For phases that are told together, when the last of them is over: one ended at the latest when
// the next began.
void one_after_the_other(std::vector<Phase>& phases);

struct HostPhases {
  std::string host;
  std::vector<Phase> phases;
};

// For the job summary: a Mermaid gantt of what took how long where, of the first 20 hosts that have
// phases. Empty when none has.
[[nodiscard]] std::string phases_gantt(std::span<const HostPhases> hosts);

}  // namespace pca::tunnel_ssh
