#include "proxmox-deploy/agent_exec.hpp"

#include <fmt/format.h>

#include <iterator>

#include "base/backoff.hpp"
#include "base/text.hpp"
#include "proxmox-deploy/tasks.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr std::size_t longest_words = 300;
constexpr Milliseconds agent_pause{1'000};  // one that is away takes three seconds to say so

// What the agent says of a command whose end it has told: from QEMU 8.2 on, and before.
bool is_forgotten(const Error& error) {
  return error.message.find("does not exist") != std::string::npos ||
         error.message.find("Invalid parameter 'pid'") != std::string::npos;
}

}  // namespace

std::vector<std::string> shell_words(std::string_view code, std::vector<std::string> arguments) {
  std::vector<std::string> words{"/bin/sh", "-c", std::string(code), "sh"};
  std::move(arguments.begin(), arguments.end(), std::back_inserter(words));
  return words;
}

std::string last_line(std::string_view text) {
  const auto lines = split_list(text);
  return lines.empty() ? std::string()
                       : visible(cut_utf8(to_valid_utf8(lines.back()), longest_words));
}

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

ApiResult<> wait_for_agent(const Budget& budget, ProxmoxApi& api, const Guest& guest,
                           const std::function<void(const Error&)>& on_first_wait) {
  std::optional<ApiFailure> why;  // it does not answer, as far as it could say so
  while (true) {
    const auto answer =
        api.ask(budget, {.method = "POST",
                         .path = guest_path(guest.node, guest.type, guest.vmid, "/agent/ping"),
                         .node = guest.node});
    if (answer) return {};
    const ApiFailure& error = answer.error();
    const bool may_come = error.trouble == Trouble::agent_away ||
                          error.kind == ErrorKind::outcome_unknown ||
                          error.kind == ErrorKind::unreachable;
    if (!may_come) return error;
    if (!why && on_first_wait) on_first_wait(error);
    if (!why || !budget.is_over()) why = error;
    if (!pause_for(budget, agent_pause)) {
      Error over =
          budget.check(fmt::format("waiting for the agent of guest {}", guest.text())).error();
      if (!budget.is_cancelled()) over.message += ": " + why->message;
      over.hint = why->hint;
      return {ApiFailure(std::move(over))};
    }
  }
}

ApiResult<std::int64_t> agent_start(const Budget& budget, ProxmoxApi& api, const Guest& guest,
                                    const AgentProgram& program) {
  ApiRequest start{.method = "POST",
                   .path = guest_path(guest.node, guest.type, guest.vmid, "/agent/exec"),
                   .node = guest.node,
                   .has_secrets = program.has_secrets};
  for (const std::string& word : program.words) start.parameters.emplace_back("command", word);
  if (!program.input.empty()) start.parameters.emplace_back("input-data", program.input);
  const auto started = api.ask(budget, start);
  if (program.has_secrets && !program.input.empty()) wipe(start.parameters.back().second);
  if (!started) {
    // It was handed to the guest, which was too busy to answer in time.
    const Error& error = started.error();
    const bool may_run = error.message.find("guest-exec") != std::string::npos &&
                         error.message.find("timeout") != std::string::npos;
    if (!may_run) return started.error();
    return {ApiFailure(outcome_unknown(error.message, "Look into the guest."))};
  }
  const auto number = number_in(*started, "pid");
  if (number) return *number;
  return {ApiFailure(
      failed(fmt::format("the agent of guest {} gave no number of a process", guest.text())))};
}

ApiResult<std::optional<AgentExit>> agent_look(const Budget& budget, ProxmoxApi& api,
                                               const Guest& guest, std::int64_t number) {
  const ApiRequest look{
      .path = guest_path(guest.node, guest.type, guest.vmid, "/agent/exec-status"),
      .parameters = {{"pid", std::to_string(number)}},
      .node = guest.node};
  PCA_TRY(const Json status, api.ask(budget, look));
  return parse_exec_status(status);
}

ApiResult<AgentExit> agent_exec(const Budget& budget, ProxmoxApi& api, const Guest& guest,
                                const AgentProgram& program) {
  PCA_TRY(const std::int64_t number, agent_start(budget, api, guest, program));
  for (int looks = 0;; ++looks) {
    if (const auto waited = pause_for(budget, look_pause(looks)); !waited) {
      return {ApiFailure(
          budget.check(fmt::format("waiting for a command in guest {}", guest.text())).error())};
    }
    auto end = agent_look(budget, api, guest, number);
    if (!end && is_forgotten(end.error())) {
      return {ApiFailure(outcome_unknown(fmt::format(
          "nobody heard how a command in guest {} ended: {}", guest.text(), end.error().message)))};
    }
    if (!end) return std::move(end).error();
    if (*end) return **std::move(end);
  }
}

}  // namespace pca::proxmox_deploy
