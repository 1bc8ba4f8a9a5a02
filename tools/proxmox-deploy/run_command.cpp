#include "proxmox-deploy/run_command.hpp"

#include <fmt/format.h>

#include <cmath>

#include "base/text.hpp"
#include "cli/script_inputs.hpp"
#include "proxmox-deploy/api_inputs.hpp"
#include "proxmox-deploy/app_inputs.hpp"
#include "proxmox-deploy/contract.hpp"
#include "proxmox-deploy/one_guest.hpp"
#include "runner/markdown.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr Milliseconds reading_limit{30'000};  // for files among the inputs
constexpr std::size_t capture_limit = std::size_t{64} * 1024;

ScriptLimits guest_limits() {
  return {.bytes = longest_guest_script,
          .of_text =
              "in no command line and no file there; with its variables at most 45 KiB, "
              "which is what the agent takes",
          .of_file = "as long"};
}

std::string summary_of(const Guest& guest, int code, Clock::time_point start,
                       const std::string& printed) {
  return fmt::format(
      "### proxmox-deploy run: {}\n\n| guest | node | exit code | took |\n|---|---|---|---|\n"
      "| {} {} | {} | {} | {:.1f} s |\n\n{}",
      code == 0 ? "done" : "failed", guest.vmid, markdown_cell(guest.name),
      markdown_cell(guest.node), code, ms_since(start) / 1000,
      printed.empty() ? std::string() : markdown_code(printed) + "\n");
}

}  // namespace

std::vector<Option> guest_script_options(const std::string& group) {
  return script_options(group, guest_limits());
}

ShellScript read_guest_script(ToolContext& context, const Inputs& inputs, BadInputs& bad) {
  const ScriptSources sources{context.environment, context.redactor,
                              [&](const std::string& text) { context.reporter.info(text); }};
  ShellScript script = read_shell_script(Budget::of(reading_limit, context.stop), inputs, sources,
                                         bad, guest_limits());
  const WipedText prelude(prelude_of(script));
  const std::size_t bytes = prelude.text.size() + script.script.size() + 1;
  if (bytes > longest_guest_script) {
    bad.add("script",
            fmt::format("has {} with its variables, and the agent takes {}", rounded_size(bytes),
                        format_size(longest_guest_script)),
            "Send it as a file by \"proxmox-deploy push\", and run that.");
  }
  return script;
}

PushProgress show_progress(Reporter& reporter) {
  return [&reporter](const PushedFile& file, std::size_t bytes) {
    const bool is_done = bytes == file.content.size();
    const std::string text = fmt::format("{}: {} of {}", visible(file.destination),
                                         rounded_size(bytes), rounded_size(file.content.size()));
    is_done ? reporter.info(text) : reporter.progress(text);
  };
}

ApiResult<int> run_and_show(const Budget& budget, ToolContext& context, ProxmoxApi& api,
                            const Guest& guest, const ShellScript& script, bool waits_for_end,
                            Capture* out, Capture* err) {
  // Apart, so that no line of one lands in the middle of one of the other's.
  const auto shown_out = context.reporter.remote("");
  const auto shown_err = context.reporter.remote("");
  const auto sink = [](RemoteOutput& shown, Capture* capture) {
    return [&shown, capture](std::string_view piece) {
      shown.feed(piece);
      if (capture != nullptr) capture->feed(piece);
    };
  };
  return run_in_guest(budget, api, guest, script,
                      {.out = sink(*shown_out, out), .err = sink(*shown_err, err)}, waits_for_end);
}

CommandSpec run_command() {
  return {
      .name = "run",
      .summary = "Runs a script in a guest by its agent, and shows what it prints while it runs",
      .options =
          joined({{guest_option()},
                  guest_script_options("Script"),
                  {timeout_option("30m",
                                  "How long it may take, with at most 2 minutes of waiting for "
                                  "the guest's agent; then the script gets TERM, and KILL after "
                                  "2 s")},
                  api_options()}),
      .positionals = {"guest"},
      .words = "command",
      .outputs =
          {{contract::exit_code,
            "The script's; 128 and its number where a signal ended it; empty when nobody knows"},
           {contract::stdout_text, "What it printed, at most 64 KiB"},
           {contract::stderr_text, "What it printed of errors, at most 64 KiB"},
           {contract::vmid, "The guest's ID"},
           {contract::node, "The node it is on"},
           {contract::duration_ms, "How long it took"}},
      .examples = {{"One command", example_of("run shop-db --command 'systemctl restart shop'")}},
  };
}

CommandSpec push_command() {
  std::vector<Option> files = push_options("Files");
  files.front().required = true;
  return {
      .name = "push",
      .summary =
          "Writes files in a guest by its agent; each takes the place of the old one only "
          "when all of it is there",
      .options = joined({{guest_option()},
                         std::move(files),
                         {timeout_option("15m",
                                         "How long all of it may take, with at most 2 minutes of "
                                         "waiting for the guest's agent")},
                         api_options()}),
      .positionals = {"guest", "upload"},
      .outputs = {{contract::vmid, "The guest's ID"},
                  {contract::node, "The node it is on"},
                  {contract::changed, "How many files were written; the others were the same"}},
      .examples = {{"A configuration file",
                    example_of("push shop-db --upload 'app.conf -> /etc/app/app.conf'")}},
  };
}

Result<int> run_run(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const auto start = Clock::now();
  const ApiWay way = read_api_inputs(context, inputs, bad);
  const ShellScript script = read_guest_script(context, inputs, bad);
  if (!bad.empty()) return bad.to_error();
  const Budget budget = Budget::of(inputs.duration("timeout"), context.stop);
  PCA_TRY(const FoundGuest found, find_one_machine(budget, context, way, inputs.text("guest")));
  Capture out(capture_limit, context.redactor);
  Capture err(capture_limit, context.redactor);
  const auto code =
      run_and_show(budget, context, *found.api, found.guest, script, true, &out, &err);
  Reporter& reporter = context.reporter;
  reporter.output(contract::exit_code, code ? std::to_string(*code) : "");
  reporter.output(contract::stdout_text, out.text());
  reporter.output(contract::stderr_text, err.text());
  reporter.output(contract::duration_ms, fmt::format("{}", std::llround(ms_since(start))));
  if (!code) return code.error();
  reporter.summary(summary_of(found.guest, *code, start, out.text() + err.text()));
  if (*code != 0) {
    return failed(fmt::format("the script ended with {} in guest {}", *code, found.guest.text()),
                  "What it printed is above.");
  }
  reporter.info(fmt::format("{}: done", found.guest.text()));
  return 0;
}

Result<int> run_push(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const ApiWay way = read_api_inputs(context, inputs, bad);
  const auto files = read_pushed_files(Budget::of(reading_limit, context.stop), inputs, bad);
  if (!bad.empty()) return bad.to_error();
  const Budget budget = Budget::of(inputs.duration("timeout"), context.stop);
  PCA_TRY(const FoundGuest found, find_one_machine(budget, context, way, inputs.text("guest")));
  PCA_TRY(const int written,
          push_files(budget, *found.api, found.guest, files, show_progress(context.reporter)));
  context.reporter.output(contract::changed, std::to_string(written));
  context.reporter.info(
      fmt::format("{}: {} of {} files were written", found.guest.text(), written, files.size()));
  return 0;
}

}  // namespace pca::proxmox_deploy
