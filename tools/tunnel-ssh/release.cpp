#include "tunnel-ssh/release.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.hpp"
#include "cli/report_file.hpp"
#include "deploy/commit_facts.hpp"
#include "deploy/release_records.hpp"
#include "runner/markdown.hpp"
#include "tunnel-ssh/contract.hpp"
#include "tunnel-ssh/phases.hpp"
#include "tunnel-ssh/release_folder.hpp"
#include "tunnel-ssh/release_inputs.hpp"
#include "tunnel-ssh/release_manifest.hpp"
#include "tunnel-ssh/release_run.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr std::size_t most_lines = 200;  // of changes in the job summary

Json report_json(std::string_view command, const ReleaseRun& run) {
  Json hosts = Json::array();
  for (const HostRelease& host : run.hosts) {
    Json entry = Json::object();
    entry.set("host", host.host);
    entry.set("outcome", host.outcome);
    entry.set("previous", host.previous);
    if (!host.port.empty()) entry.set("port", host.port);
    entry.set("added", std::uint64_t{host.difference.added});
    entry.set("updated", std::uint64_t{host.difference.updated});
    entry.set("deleted", std::uint64_t{host.difference.deleted()});
    entry.set("unchanged", std::uint64_t{host.difference.unchanged});
    entry.set("bytes", host.difference.bytes);
    entry.set("health", host.health);
    if (host.gap_ms >= 0) entry.set("gap-ms", std::round(host.gap_ms));
    entry.set("error", host.error ? Json(host.error->message) : Json());
    entry.set("hint", host.error ? Json(host.error->hint) : Json());
    entry.set("last-log-lines", host.last_log_lines);
    Json changes = Json::array();
    for (const std::string& change : host.changes) changes.push(change);
    entry.set("changes", std::move(changes));
    Json phases = Json::object();
    for (const Phase& phase : host.phases) phases.set(phase.name, std::round(phase.ms));
    entry.set("phases-ms", std::move(phases));
    hosts.push(std::move(entry));
  }
  Json report = Json::object();
  report.set("command", command);
  report.set("outcome", run.outcome());
  report.set("release", run.release);
  if (!run.preview.empty()) report.set("preview", run.preview);
  report.set("duration-ms", std::round(run.duration_ms));
  report.set("hosts", std::move(hosts));
  return report;
}

std::string summary_of(std::string_view command, const ReleaseRun& run, const Redactor& redactor) {
  const auto cell = [&](std::string_view text) { return markdown_cell(redactor.redact(text)); };
  std::string text = fmt::format(
      "### tunnel-ssh {}: {}\n\nRelease `{}`{}\n\n"
      "| host | outcome | before | new | changed | deleted | sent | port | health | error |\n"
      "|---|---|---|---:|---:|---:|---:|---:|---|---|\n",
      command, run.outcome(), run.release,
      run.preview.empty() ? std::string() : fmt::format(", preview `{}`", run.preview));
  for (const HostRelease& host : run.hosts) {
    text += fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n", cell(host.host),
                        host.outcome, cell(host.previous), host.difference.added,
                        host.difference.updated, host.difference.deleted(),
                        rounded_size(host.difference.bytes), host.port, cell(host.health),
                        cell(host.error ? host.error->message : std::string()));
  }
  std::vector<HostPhases> phases;
  for (const HostRelease& host : run.hosts) {
    phases.push_back({host.host, host.phases});
    if (host.last_log_lines.empty()) continue;
    text += fmt::format("\n<details><summary>Last log lines of {}</summary>\n\n{}\n</details>\n",
                        cell(host.host), markdown_code(redactor.redact(host.last_log_lines)));
  }
  text += phases_gantt(phases);
  const std::vector<std::string>& changes = run.hosts.front().changes;
  if (changes.empty()) return text;
  text +=
      fmt::format("\n<details><summary>Changes on {}</summary>\n\n", cell(run.hosts.front().host));
  for (std::size_t i = 0; i < std::min(changes.size(), most_lines); ++i) {
    text += "    " + redactor.redact(changes[i]) + "\n";  // in a code block nothing is markup
  }
  if (changes.size() > most_lines) {
    text += fmt::format("    ... and {} more\n", changes.size() - most_lines);
  }
  return text + "\n</details>\n";
}

std::size_t most_changes(const ReleaseRun& run) {
  std::size_t most = 0;
  for (const HostRelease& host : run.hosts) most = std::max(most, host.changes.size());
  return most;
}

// A line a host, for the log.
std::string table_of(const ReleaseRun& run) {
  std::string text;
  for (const HostRelease& host : run.hosts) {
    text += fmt::format("{}: {}", host.host, host.outcome);
    if (!host.health.empty()) text += ", " + host.health;
    if (host.error) text += ": " + visible(host.error->message);
    text += '\n';
  }
  if (!text.empty()) text.pop_back();
  return text;
}

Result<int> tell(ToolContext& context, std::string_view command, const ReleaseRun& run) {
  Reporter& reporter = context.reporter;
  const Json report = report_json(command, run);
  reporter.info(table_of(run));
  reporter.output(contract::outcome, run.outcome());
  reporter.output(contract::release, run.release);
  reporter.output(contract::previous, run.hosts.front().previous);
  reporter.output(contract::preview, run.preview);
  reporter.output(contract::port, run.hosts.front().port);
  reporter.output(contract::changed, std::to_string(most_changes(run)));
  reporter.output(contract::duration_ms, std::to_string(std::llround(run.duration_ms)));
  reporter.output(contract::report, write_report(context, report));
  reporter.report(report);
  reporter.summary(summary_of(command, run, context.redactor));
  auto error = run.error();
  if (context.stop.stop_requested() && (!error || error->kind != ErrorKind::outcome_unknown)) {
    return cancelled(error ? error->message : "cancelled");
  }
  if (error) return *std::move(error);
  return 0;
}

// Holds go by the time of a commit.
void learn_of_commit(const Budget& budget, const ToolContext& context, ReleaseInputs& inputs) {
  Provenance& from = inputs.provenance;
  const CommitFacts facts =
      find_commit_facts(budget, context.environment, inputs.source, from.commit);
  if (from.commit_time.empty()) from.commit_time = facts.time;
  from.revert_of = facts.revert_of;
}

Result<int> deploy(ToolContext& context, ReleaseInputs& inputs) {
  const Budget budget = Budget::of(inputs.timeout, context.stop);
  learn_of_commit(budget, context, inputs);
  PCA_TRY(const auto tree, read_file_tree(budget, inputs.source, inputs.filter));
  PCA_CHECK(check_places(tree, inputs));
  const ReleaseRun run = run_release_everywhere(
      context, inputs, tree, make_release_id(inputs.provenance.commit, write_manifest(tree)));
  if (inputs.dry_run) {
    for (const std::string& change : run.hosts.front().changes) context.reporter.info(change);
  }
  return tell(context, "release deploy", run);
}

Result<int> rollback(ToolContext& context, const ReleaseInputs& inputs) {
  return tell(context, "release rollback",
              run_release_everywhere(context, inputs, std::nullopt, inputs.to));
}

// All other commands: one host after the other.
Result<int> for_each_host(ToolContext& context, const ReleaseInputs& inputs,
                          std::string_view command, const OnFolder& work,
                          const std::function<std::string()>& summary = {}) {
  if (!inputs.preview) return for_each_folder(context, inputs, command, work, summary);
  const std::string& slug = inputs.preview->preview.slug;
  return for_each_folder(
      context, inputs, command,
      [&](const Budget& budget, const HostFolder& on) -> Result<Json> {
        PCA_TRY(const auto there, on.folder.preview(budget));
        if (there) return work(budget, on);
        return no_preview(on.host, slug);
      },
      summary);
}

std::string state_of(const ReleaseState& state, const std::string& release) {
  if (release == state.current) return "current";
  return state.is_good(release) ? "good" : "bad";
}

// When a release became what it is, and by whom.
TextTable list_table(const ReleaseState& state) {
  TextTable table{{"release", "state", "deployed", "commit", "branch", "by"}, {}};
  for (const std::string& release : state.releases) {
    const HistoryEntry* made = state.entry_of(release);
    table.rows.push_back({release, state_of(state, release), made == nullptr ? "" : made->time,
                          made == nullptr ? "" : short_commit(made->commit),
                          made == nullptr ? "" : made->json.text_of("branch"),
                          made == nullptr ? "" : made->json.text_of("actor")});
  }
  return table;
}

Result<int> list(ToolContext& context, const ReleaseInputs& inputs) {
  std::string summary = "### tunnel-ssh release list\n";
  const auto work = [&](const Budget& budget, const HostFolder& on) -> Result<Json> {
    PCA_TRY(const ReleaseState state, on.folder.look(budget));
    const TextTable table = list_table(state);
    std::vector<std::string> notes;
    if (table.rows.empty()) notes.emplace_back("no releases");
    if (state.hold) notes.push_back(describe_hold(*state.hold));
    if (!state.lock.empty()) notes.push_back("locked by " + describe_lock(state.lock));
    show(context, on.host, table, notes, summary);
    Json releases = Json::array();
    for (const std::string& release : state.releases) {
      Json entry = Json::object();
      entry.set("release", release);
      entry.set("state", state_of(state, release));
      if (const HistoryEntry* made = state.entry_of(release)) entry.set("history", made->json);
      releases.push(std::move(entry));
    }
    Json answer = Json::object();
    answer.set("current", state.current);
    answer.set("releases", std::move(releases));
    answer.set("hold", state.hold.value_or(Json()));
    return answer;
  };
  return for_each_host(context, inputs, "release list", work, [&] { return summary; });
}

Result<int> log(ToolContext& context, const ReleaseInputs& inputs) {
  std::string summary = "### tunnel-ssh release log\n";
  const auto work = [&](const Budget& budget, const HostFolder& on) -> Result<Json> {
    PCA_TRY(const ReleaseState state, on.folder.look(budget));
    TextTable table{{"time", "action", "release", "result", "commit", "by", "why"}, {}};
    Json entries = Json::array();
    for (const HistoryEntry& entry : state.history) {
      table.rows.push_back({entry.time, entry.action, entry.release, entry.result,
                            short_commit(entry.commit), entry.json.text_of("actor"),
                            reason_of(entry.json)});
      entries.push(entry.json);
    }
    show(context, on.host, table, {}, summary);
    return entries;
  };
  return for_each_host(context, inputs, "release log", work, [&] { return summary; });
}

Json record_of(std::string_view action, const ReleaseInputs& inputs) {
  Json record = Json::object();
  record.set("action", action);
  record.set("actor", inputs.provenance.actor);
  record.set("run-url", inputs.provenance.run_url);
  record.set("reason", inputs.reason);
  return record;
}

Result<int> set_hold(ToolContext& context, const ReleaseInputs& inputs, bool is_on) {
  const char* action = is_on ? "hold" : "unhold";
  const Json record = record_of(action, inputs);
  return for_each_host(context, inputs, fmt::format("release {}", action),
                       [&](const Budget& budget, const HostFolder& on) -> Result<Json> {
                         PCA_CHECK(on.folder.record(budget, record, is_on ? record : Json()));
                         context.reporter.info(on.host + (is_on ? ": " + describe_hold(record)
                                                                : ": no longer on hold"));
                         return Json(true);
                       });
}

Result<int> unlock(ToolContext& context, const ReleaseInputs& inputs) {
  return for_each_host(context, inputs, "release unlock",
                       [&](const Budget& budget, const HostFolder& on) -> Result<Json> {
                         PCA_CHECK(on.folder.clean(budget, {}, true));
                         PCA_CHECK(on.folder.record(budget, record_of("unlock", inputs), {}));
                         context.reporter.info(on.host + ": unlocked");
                         return Json(true);
                       });
}

Result<int> prune(ToolContext& context, const ReleaseInputs& inputs) {
  return for_each_host(
      context, inputs, "release prune",
      [&](const Budget& budget, const HostFolder& on) -> Result<Json> {
        PCA_TRY(const ReleaseState state, on.folder.lock(budget, record_of("prune", inputs)));
        if (!state.is_locked) {
          return conflict(on.host + ": locked by " + describe_lock(state.lock), "Wait for it.");
        }
        const auto old = state.dispensable(inputs.keep, state.current, state.rollback_target());
        PCA_CHECK(on.folder.clean(budget, old, false));
        Json deleted = Json::array();
        for (const std::string& release : old) {
          context.reporter.info(fmt::format("{}: deleted {}", on.host, release));
          deleted.push(release);
        }
        if (old.empty()) context.reporter.info(on.host + ": nothing to delete");
        return deleted;
      });
}

}  // namespace

Result<int> run_release(ToolContext& context, Inputs inputs, BadInputs& bad) {
  ReleaseInputs release = read_release_inputs(context, inputs, bad);
  if (!bad.empty()) return bad.to_error();
  const std::string& command = inputs.command();
  if (command == "release deploy") return deploy(context, release);
  if (command == "release rollback") return rollback(context, release);
  if (command == "release list") return list(context, release);
  if (command == "release log") return log(context, release);
  if (command == "release hold") return set_hold(context, release, true);
  if (command == "release unhold") return set_hold(context, release, false);
  if (command == "release unlock") return unlock(context, release);
  if (command == "release prune") return prune(context, release);
  return tool_bug("no code for the command " + command);
}

}  // namespace pca::tunnel_ssh
