#include "proxmox-deploy/provision.hpp"

#include <fmt/format.h>

#include "base/digest.hpp"
#include "cli/script_inputs.hpp"
#include "proxmox-deploy/agent_exec.hpp"
#include "proxmox-deploy/run_command.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr Milliseconds reading_limit{30'000};  // for files among the inputs

}  // namespace

std::string Provision::digest() const {
  if (empty()) return {};
  Json all = Json::array();
  for (const PushedFile& file : files) all.push(file.destination).push(file.digest).push(file.mode);
  if (script) {
    all.push(script->script).push(std::string(shell_word(script->shell))).push(script->errexit);
    all.push(script->cwd).push(script->umask);
    for (const EnvironmentLine& line : script->environment) all.push(line.name).push(line.value);
  }
  return to_hex(sha256(all.dump())).substr(0, 16);
}

std::vector<Option> provision_options(const std::string& group) {
  std::vector<Option> options = push_options(group);
  for (Option& option : guest_script_options(group)) options.push_back(std::move(option));
  return options;
}

Provision read_provision(ToolContext& context, const Inputs& inputs, bool is_required,
                         BadInputs& bad) {
  Provision provision;
  provision.files = read_pushed_files(Budget::of(reading_limit, context.stop), inputs, bad);
  if (has_script(inputs) || (is_required && inputs.list("upload").empty())) {
    provision.script = read_guest_script(context, inputs, bad);
  }
  return provision;
}

ApiResult<> provision_guest(const Budget& budget, ToolContext& context, ProxmoxApi& api,
                            const Guest& guest, const Provision& provision) {
  PCA_CHECK(wait_for_agent(budget, api, guest));
  if (!provision.files.empty()) {
    PCA_TRY(const int written,
            push_files(budget, api, guest, provision.files, show_progress(context.reporter)));
    context.reporter.info(
        fmt::format("{} of {} files were written", written, provision.files.size()));
  }
  if (!provision.script) return {};
  context.reporter.info(fmt::format("Running the script in guest {}", guest.text()));
  PCA_TRY(const int code, run_and_show(budget, context, api, guest, *provision.script, false));
  if (code == 0) return {};
  return {ApiFailure(failed(fmt::format("the script ended with {} in guest {}", code, guest.text()),
                            "What it printed is in the log."))};
}

}  // namespace pca::proxmox_deploy
