#include "tunnel-ssh/phases.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

namespace pca::tunnel_ssh {

namespace {

constexpr std::size_t most_in_gantt = 20;  // hosts; Mermaid becomes unreadable beyond

// Mermaid reads ":" and ";" and "#" as its own.
std::string gantt_name(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '.' || c == '-' || c == ' ';
    out += is_plain ? c : '_';
  }
  return out;
}

}  // namespace

void one_after_the_other(std::vector<Phase>& phases) {
  for (std::size_t i = phases.size(); i > 1; --i) {
    Phase& phase = phases[i - 2];
    phase.start_ms = std::max(0.0, std::min(phase.start_ms, phases[i - 1].start_ms - phase.ms));
  }
}

std::string phases_gantt(std::span<const HostPhases> hosts) {
  std::string out;
  for (const HostPhases& host : hosts.first(std::min(hosts.size(), most_in_gantt))) {
    if (host.phases.empty()) continue;
    out += fmt::format("  section {}\n", gantt_name(host.host));
    for (const Phase& phase : host.phases) {
      const auto start = std::llround(phase.start_ms);
      const auto end = std::max(start + 1, std::llround(phase.start_ms + phase.ms));
      out += fmt::format("  {} :{}, {}\n", gantt_name(phase.name), start, end);
    }
  }
  if (out.empty()) return out;
  return "\n```mermaid\ngantt\n  dateFormat x\n  axisFormat %M:%S\n" + out + "```\n";
}

}  // namespace pca::tunnel_ssh
