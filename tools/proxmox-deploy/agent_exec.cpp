#include "proxmox-deploy/agent_exec.hpp"

#include <fmt/format.h>

#include "base/backoff.hpp"
#include "proxmox-deploy/tasks.hpp"

namespace pca::proxmox_deploy {

std::optional<AgentExit> parse_exec_status(const Json& status) {
  const Json* result = status.find("result");
  const Json& from = result == nullptr ? status : *result;
  if (!truth_in(from, "exited")) return std::nullopt;
  AgentExit end{.code = static_cast<int>(number_in(from, "exitcode").value_or(0)),
                .out = from.text_of("out-data"),
                .err = from.text_of("err-data"),
                .is_cut = truth_in(from, "out-truncated") || truth_in(from, "err-truncated")};
  constexpr int by_signal = 128;
  if (const auto signal = number_in(from, "signal"); signal && *signal > 0) {
    end.code = by_signal + static_cast<int>(*signal);
  }
  return end;
}

ApiResult<AgentExit> agent_exec(const Budget& budget, ProxmoxApi& api, const Guest& guest,
                                const std::vector<std::string>& words, const std::string& input) {
  ApiRequest start{.method = "POST",
                   .path = guest_path(guest.node, guest.type, guest.vmid, "/agent/exec"),
                   .node = guest.node};
  for (const std::string& word : words) start.parameters.emplace_back("command", word);
  if (!input.empty()) start.parameters.emplace_back("input-data", input);
  PCA_TRY(const Json started, api.ask(budget, start));
  const auto pid = number_in(started, "pid");
  if (!pid) {
    return {ApiFailure(
        failed(fmt::format("the agent of guest {} gave no number of a process", guest.text())))};
  }
  const ApiRequest look{
      .path = guest_path(guest.node, guest.type, guest.vmid, "/agent/exec-status"),
      .parameters = {{"pid", std::to_string(*pid)}},
      .node = guest.node};
  for (int looks = 0;; ++looks) {
    if (const auto waited = pause_for(budget, look_pause(looks)); !waited) {
      return {ApiFailure(
          budget.check(fmt::format("waiting for a command in guest {}", guest.text())).error())};
    }
    // Its end is told once: an answer that was lost cannot be had again.
    PCA_TRY(const Json status, api.ask(budget, look));
    if (auto end = parse_exec_status(status)) return *std::move(end);
  }
}

}  // namespace pca::proxmox_deploy
