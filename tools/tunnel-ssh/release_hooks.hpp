#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/budget.hpp"

namespace pca::tunnel_ssh {

// The moments of a deploy at which commands of the user's may run: before anything is made, when
// all is staged, right after the switch, when all hosts are healthy, after going back.
enum class Moment : std::uint8_t { check, stage, switched, healthy, rollback };
inline constexpr std::array<std::string_view, 5> moment_names{"check", "stage", "switch", "healthy",
                                                              "rollback"};

// Shell commands by Moment; an empty one is none.
struct Hooks {
  std::array<std::string, moment_names.size()> on_host;
  std::array<std::string, moment_names.size()> on_runner;
  Milliseconds limit{};  // for each

  [[nodiscard]] const std::string& host_at(Moment moment) const {
    return on_host[static_cast<std::size_t>(moment)];
  }
  [[nodiscard]] const std::string& runner_at(Moment moment) const {
    return on_runner[static_cast<std::size_t>(moment)];
  }
};
// "hook-stage".
[[nodiscard]] inline std::string hook_name(Moment moment) {
  return "hook-" + std::string(moment_names[static_cast<std::size_t>(moment)]);
}

}  // namespace pca::tunnel_ssh
