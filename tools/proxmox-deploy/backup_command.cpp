#include "proxmox-deploy/backup_command.hpp"

#include <fmt/format.h>

#include "base/percent.hpp"
#include "base/text.hpp"
#include "proxmox-deploy/api_inputs.hpp"
#include "proxmox-deploy/app_inputs.hpp"
#include "proxmox-deploy/contract.hpp"
#include "proxmox-deploy/image_store.hpp"
#include "proxmox-deploy/one_guest.hpp"
#include "proxmox-deploy/tasks.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr std::size_t longest_notes = 1024;

std::string notes_for_api(std::string notes) {
  // What vzdump itself would take for a variable or a line end.
  std::string out;
  for (const char c : notes) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

CommandSpec backup_command() {
  const std::string group = "Backup";
  return {
      .name = "backup",
      .summary =
          "Backs a guest up to a storage while it runs, waits until that is done, and says what "
          "the backup is called",
      .options = joined(
          {{guest_option(),
            {.name = "storage",
             .help = "The storage that keeps backups",
             .placeholder = "STORAGE",
             .required = true,
             .group = group},
            {.name = "mode",
             .type = OptionType::choice,
             .default_value = "snapshot",
             .help = "snapshot lets it run on; suspend holds it meanwhile, stop shuts it down and "
                     "starts it again",
             .choices = {"snapshot", "suspend", "stop"},
             .group = group},
            {.name = "compress",
             .type = OptionType::choice,
             .default_value = "zstd",
             .help = "How it is compressed",
             .choices = {"zstd", "gzip", "lzo", "none"},
             .group = group},
            {.name = "notes",
             .type = OptionType::verbatim,
             .help = "What it is for; {{guestname}}, {{node}} and {{vmid}} stand for these",
             .placeholder = "TEXT",
             .group = group},
            {.name = "protect",
             .type = OptionType::boolean,
             .default_value = "false",
             .help = "Keep it from being pruned",
             .group = group},
            {.name = "keep",
             .type = OptionType::integer,
             .help = "How many of the guest's backups stay, this one included; needs "
                     "Datastore.Allocate. Default: as the storage says",
             .least = 1,
             .most = 1000,
             .group = group}},
           {timeout_option("2h", "How long it may take; then, and at a cancel, it is stopped")},
           api_options()}),
      .positionals = {"guest"},
      .outputs = joined_outputs(
          guest_outputs(), {{contract::volid, "What the backup is called: STORAGE:backup/NAME"}}),
      .examples = {{"Before an upgrade",
                    example_of("backup shop-db --storage local --notes 'before 2.0'")}},
  };
}

Result<int> run_backup(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const ApiWay way = read_api_inputs(context, inputs, bad);
  const std::string& storage = inputs.text("storage");
  const std::string notes = notes_for_api(inputs.text("notes"));
  if (notes.size() > longest_notes) {
    bad.add("notes", fmt::format("has {} bytes", notes.size()),
            fmt::format("Use at most {}.", longest_notes));
  }
  if (inputs.flag("protect") && inputs.has("keep")) {
    bad.add("keep", "is given together with protect", "Leave one of them out.");
  }
  if (!bad.empty()) return bad.to_error();
  const Budget budget = Budget::of(inputs.duration("timeout"), context.stop);
  PCA_TRY(const FoundGuest found, find_one_guest(budget, context, way, inputs.text("guest")));
  const Guest& guest = found.guest;
  const std::string compress = inputs.text("compress");
  ApiRequest request{.method = "POST",
                     .path = fmt::format("/nodes/{}/vzdump", percent_encoded(guest.node)),
                     .parameters = {{"vmid", std::to_string(guest.vmid)},
                                    {"storage", storage},
                                    {"mode", inputs.text("mode")},
                                    {"compress", compress == "none" ? "0" : compress}},
                     .node = guest.node,
                     .find_done = find_task(*found.api, guest.node, "vzdump", guest.vmid)};
  if (!notes.empty()) request.parameters.emplace_back("notes-template", notes);
  if (inputs.flag("protect")) request.parameters.emplace_back("protected", "1");
  if (inputs.has("keep")) {
    request.parameters.emplace_back("prune-backups",
                                    fmt::format("keep-last={}", inputs.integer("keep")));
  }
  context.reporter.info(fmt::format("Backing guest {} up to {}", guest.text(), visible(storage)));
  Tasks tasks(*found.api);
  const auto done = tasks.run_or_stop(budget, request);
  show_logs(context, tasks);
  if (!done) return done.error();
  PCA_TRY(const auto backup, newest_backup(budget, *found.api, {guest.node, storage}, guest.vmid));
  if (!backup) {
    return failed(fmt::format("the task ended well, but storage {} shows no backup of guest {}",
                              visible(storage), guest.text()),
                  "Give the token Datastore.Audit or Datastore.AllocateSpace on the storage.");
  }
  context.reporter.output(contract::volid, backup->volid);
  context.reporter.info(fmt::format("{}: {} ({})", guest.text(), visible(backup->volid),
                                    rounded_size(static_cast<std::uint64_t>(backup->size))));
  return 0;
}

}  // namespace pca::proxmox_deploy
