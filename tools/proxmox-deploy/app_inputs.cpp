#include "proxmox-deploy/app_inputs.hpp"

#include <fmt/format.h>

#include "proxmox-deploy/api_inputs.hpp"
#include "proxmox-deploy/contract.hpp"
#include "proxmox-deploy/guest_spec.hpp"

namespace pca::proxmox_deploy {

std::vector<Option> joined(std::vector<std::vector<Option>> parts) {
  std::vector<Option> all;
  for (std::vector<Option>& part : parts) {
    for (Option& option : part) all.push_back(std::move(option));
  }
  return all;
}

std::vector<Output> joined_outputs(std::vector<Output> all, std::vector<Output> more) {
  for (Output& one : more) all.push_back(std::move(one));
  return all;
}

std::vector<Option> switch_options() {
  const std::string group = "Switch";
  return {
      {.name = "switch-hook",
       .help = "A command of this machine's sh that leads traffic to the new guest once it is "
               "healthy, before the tag active moves: it gets PROXMOX_IP, PROXMOX_VMID, "
               "PROXMOX_OLD_VMID, PROXMOX_NODE, PROXMOX_GUEST, PROXMOX_NAME and PROXMOX_SWITCH, "
               "which is forward, or back when the switch is taken back",
       .placeholder = "COMMAND",
       .group = group},
      {.name = "drain",
       .type = OptionType::duration,
       .default_value = "0s",
       .help = "How long the old guest runs on after the switch",
       .group = group},
      {.name = "shutdown-timeout",
       .type = OptionType::duration,
       .default_value = "60s",
       .help = "How long the old guest may take to shut down; then it is stopped",
       .group = group},
      {.name = "keep",
       .type = OptionType::integer,
       .default_value = "1",
       .help = "How many old guests are kept, shut down, to go back to",
       .least = 0,
       .most = 100,
       .group = group},
  };
}

std::vector<Option> waiting_options() {
  const std::string group = "Waiting";
  return {
      {.name = "lock-wait",
       .type = OptionType::duration,
       .default_value = "15m",
       .help = "How long to wait for another run of the same application",
       .group = group},
      timeout_option("15m", "How long all of it may take, once it has not to wait for another run"),
      {.name = "rollback-timeout",
       .type = OptionType::duration,
       .default_value = "5m",
       .help = "How long it may take to take back what was begun",
       .group = group},
  };
}

Option reason_option(std::string help) {
  return {.name = "reason",
          .help = fmt::format("{}; at most {} bytes", help, longest_reason),
          .placeholder = "TEXT",
          .group = "Release"};
}

std::string read_reason(const Inputs& inputs, BadInputs& bad) {
  const std::string& reason = inputs.text("reason");
  if (reason.size() > longest_reason) {
    bad.add("reason",
            fmt::format("has {} bytes, and at most {} are kept", reason.size(), longest_reason),
            "Write it shorter, with a link to the rest.");
  }
  return reason;
}

AppRunInputs read_app_run_inputs(ToolContext& context, const Inputs& inputs, BadInputs& bad) {
  AppRunInputs out;
  out.command = inputs.command();
  out.from = read_provenance(context);
  out.timeout = inputs.duration("timeout");
  out.lock_wait = inputs.duration("lock-wait");
  out.rollback_timeout = inputs.duration("rollback-timeout");
  out.rules.hook = inputs.text("switch-hook");
  out.rules.drain = inputs.duration("drain");
  out.rules.shutdown_timeout = inputs.duration("shutdown-timeout");
  out.rules.keep = static_cast<std::size_t>(inputs.integer("keep"));
  if (out.timeout <= Milliseconds{0}) {
    bad.add("timeout", "leaves no time for anything", "Write a duration such as 15m.");
  }
  return out;
}

std::vector<Output> run_outputs(bool can_be_held) {
  Output outcome{contract::outcome,
                 "What became of it",
                 {{"deployed", "The guest is healthy, and the active one"},
                  {"unchanged", "It was already"},
                  {"failed", "It failed, and nothing was written"},
                  {"rolled-back", "It failed, and what was active serves as before"},
                  {"unknown", "It failed, and somebody must look at the guests"}}};
  if (can_be_held) {
    outcome.values.insert(outcome.values.begin() + 2,
                          OutputValue{"held", "The application is on hold; nothing was written"});
    outcome.values.insert(outcome.values.begin(),
                          OutputValue{"planned", "It was a plan; nothing was written"});
  }
  return {std::move(outcome),
          {contract::release, "The release this was about"},
          {contract::previous, "The one that was current before"},
          {contract::vmid, "The ID of the guest"},
          {contract::node, "The node it is on"},
          {contract::ip, "Its address; empty where nothing needed it"},
          {contract::url, "What health-url is for this guest"},
          {contract::changed, "How many guests were made, switched or removed"},
          {contract::duration_ms, "How long it took"},
          {contract::report, "Path of a JSON file with everything the summary shows"}};
}

}  // namespace pca::proxmox_deploy
