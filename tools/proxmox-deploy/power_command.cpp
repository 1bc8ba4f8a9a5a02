#include "proxmox-deploy/power_command.hpp"

#include <fmt/format.h>

#include <array>

#include "base/text.hpp"
#include "proxmox-deploy/api_inputs.hpp"
#include "proxmox-deploy/app_inputs.hpp"
#include "proxmox-deploy/contract.hpp"
#include "proxmox-deploy/guest_actions.hpp"
#include "proxmox-deploy/guest_address.hpp"
#include "proxmox-deploy/guest_config.hpp"
#include "proxmox-deploy/guest_health.hpp"
#include "proxmox-deploy/guest_spec.hpp"
#include "proxmox-deploy/one_guest.hpp"
#include "proxmox-deploy/snapshots.hpp"
#include "runner/text_table.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr std::array<const char*, 7> verbs{"start", "stop",    "shutdown", "reboot",
                                           "reset", "suspend", "resume"};

ApiResult<> act(const Budget& budget, ProxmoxApi& api, Tasks& tasks, const Guest& guest,
                const std::string& verb, Milliseconds patience) {
  if (verb == "start") {
    PCA_CHECK(start_guest(budget, api, tasks, guest));
    return wait_for_status(budget, api, guest, "running");
  }
  if (verb == "stop") {
    PCA_CHECK(stop_guest(budget, api, tasks, guest));
    return wait_for_status(budget, api, guest, "stopped");
  }
  if (verb == "shutdown") {
    PCA_CHECK(shut_down_guest(budget, api, tasks, guest, patience));
    return wait_for_status(budget, api, guest, "stopped");
  }
  ApiRequest request{.method = "POST",
                     .path = guest_path(guest.node, guest.type, guest.vmid, "/status/" + verb),
                     .node = guest.node,
                     .find_done = find_task(
                         api, guest.node, (guest.type == "lxc" ? "vz" : "qm") + verb, guest.vmid)};
  if (verb == "reboot") {
    request.parameters.emplace_back(
        "timeout", std::to_string(std::chrono::ceil<std::chrono::seconds>(patience).count()));
  }
  auto end = tasks.run(budget, request);
  if (!end) return std::move(end).error();
  return {};
}

Result<int> done(ToolContext& context, const Tasks& tasks, const ApiResult<>& result,
                 const std::string& text) {
  show_logs(context, tasks);
  if (!result) return result.error();
  context.reporter.info(text);
  return 0;
}

}  // namespace

CommandSpec power_command() {
  return {
      .name = "power",
      .summary =
          "Starts, stops, shuts down, reboots, resets, suspends or resumes a guest, and "
          "waits until it has",
      .options = joined(
          {{{.name = "do",
             .type = OptionType::choice,
             .help = "What to do; stop pulls the plug, shutdown asks it to end and then does",
             .choices = {verbs.begin(), verbs.end()},
             .required = true,
             .group = "Guest"},
            guest_option(),
            {.name = "shutdown-timeout",
             .type = OptionType::duration,
             .default_value = "60s",
             .help = "How long shutdown and reboot wait for the guest; then shutdown stops it",
             .group = "Guest"}},
           {timeout_option("5m", "How long it may take")},
           api_options()}),
      .positionals = {"do", "guest"},
      .outputs = guest_outputs(),
      .examples = {{"As by its button", example_of("power shutdown shop-db")}},
  };
}

CommandSpec wait_command() {
  return {
      .name = "wait",
      .summary = "Waits until a guest runs, has an address and is healthy, as a deploy does",
      .options = joined({{guest_option()},
                         address_options(),
                         health_options(),
                         {timeout_option("5m", "How long to wait")},
                         api_options()}),
      .outputs = {{contract::vmid, "The guest's ID"},
                  {contract::node, "The node it is on"},
                  {contract::ip, "Its address"}},
      .examples = {{"Until it takes connections",
                    example_of("wait --guest shop-db --health-port 5432")}},
  };
}

CommandSpec snapshot_command() {
  return {
      .name = "snapshot",
      .summary = "Lists, makes and removes snapshots of a guest, and goes back to one",
      .options = joined({{{.name = "do",
                           .type = OptionType::choice,
                           .help = "What to do; rollback makes the guest what it was, and stops it",
                           .choices = {"list", "create", "delete", "rollback"},
                           .required = true,
                           .group = "Snapshot"},
                          guest_option(),
                          {.name = "snapshot",
                           .help = "The snapshot's name: a letter, then letters, digits, _ and -",
                           .placeholder = "NAME",
                           .group = "Snapshot"},
                          {.name = "description",
                           .help = "What it is for, with create",
                           .placeholder = "TEXT",
                           .group = "Snapshot"},
                          {.name = "start",
                           .type = OptionType::boolean,
                           .default_value = "true",
                           .help = "Start the guest again after a rollback",
                           .group = "Snapshot"}},
                         {timeout_option("10m", "How long it may take")},
                         api_options()}),
      .positionals = {"do", "guest"},
      .outputs = guest_outputs(),
      .examples = {{"Before something risky",
                    example_of("snapshot create shop-db --snapshot before-upgrade")},
                   {"And back", example_of("snapshot rollback shop-db --snapshot before-upgrade")}},
  };
}

Result<int> run_power(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const ApiWay way = read_api_inputs(context, inputs, bad);
  if (!bad.empty()) return bad.to_error();
  const Budget budget = Budget::of(inputs.duration("timeout"), context.stop);
  PCA_TRY(const FoundGuest found, find_one_guest(budget, context, way, inputs.text("guest")));
  Tasks tasks(*found.api);
  const std::string verb = inputs.text("do");
  const auto result =
      act(budget, *found.api, tasks, found.guest, verb, inputs.duration("shutdown-timeout"));
  return done(context, tasks, result, fmt::format("{}: {} is done", found.guest.text(), verb));
}

Result<int> run_wait(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const ApiWay way = read_api_inputs(context, inputs, bad);
  const HealthRules health = read_health_rules(inputs, bad);
  const AddressRules address = read_address_rules(inputs);
  std::string ip = read_fixed_address(inputs, bad);
  if (!bad.empty()) return bad.to_error();
  const Budget budget = Budget::of(inputs.duration("timeout"), context.stop);
  PCA_TRY(const FoundGuest found, find_one_guest(budget, context, way, inputs.text("guest")));
  PCA_CHECK(wait_for_status(budget, *found.api, found.guest, "running"));
  if (ip.empty() && health.needs_address()) {
    PCA_TRY(const GuestConfig config, read_config(budget, *found.api, found.guest));
    PCA_TRY(ip, wait_for_address(budget, *found.api, found.guest, config.macs(), address));
  }
  PCA_TRY(const std::string evidence,
          wait_until_healthy(budget, *found.api, found.guest, ip, health));
  context.reporter.output(contract::ip, ip);
  context.reporter.info(fmt::format("{}: {}{}", found.guest.text(), evidence,
                                    ip.empty() ? "" : " at " + visible(ip)));
  return 0;
}

Result<int> run_snapshot(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const ApiWay way = read_api_inputs(context, inputs, bad);
  const std::string verb = inputs.text("do");
  const std::string& name = inputs.text("snapshot");
  if (verb != "list" && !is_snapshot_name(name)) {
    bad.add("snapshot",
            name.empty() ? "is required" : fmt::format("{} is no name of a snapshot", shown(name)),
            "Write a letter, then letters, digits, _ and -, as before-upgrade; 2 to 40 in all.");
  }
  if (!bad.empty()) return bad.to_error();
  const Budget budget = Budget::of(inputs.duration("timeout"), context.stop);
  PCA_TRY(const FoundGuest found, find_one_guest(budget, context, way, inputs.text("guest")));
  Tasks tasks(*found.api);
  const Guest& guest = found.guest;
  if (verb == "list") {
    PCA_TRY(const auto all, read_snapshots(budget, *found.api, guest));
    TextTable table{{"snapshot", "made", "memory", "description"}, {}};
    for (const Snapshot& one : all) {
      table.rows.push_back({one.name, utc_text(UtcTime(std::chrono::seconds(one.time))),
                            one.has_memory ? "yes" : "no", one.description});
    }
    context.reporter.info(table.rows.empty() ? guest.text() + ": no snapshots"
                                             : aligned_table(table));
    return 0;
  }
  ApiResult<> result;
  if (verb == "create") {
    result = check_snapshots(budget, *found.api, guest);
    if (result) {
      result = make_snapshot(budget, *found.api, tasks, guest, name, inputs.text("description"));
    }
  } else if (verb == "delete") {
    result = delete_snapshot(budget, *found.api, tasks, guest, name);
  } else {
    result = roll_back_to(budget, *found.api, tasks, guest, name, inputs.flag("start"));
  }
  return done(context, tasks, result,
              fmt::format("{}: {} of snapshot {} is done", guest.text(), verb, name));
}

}  // namespace pca::proxmox_deploy
