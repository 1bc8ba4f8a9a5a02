#include "tunnel-ssh/sync.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/text.hpp"
#include "runner/markdown.hpp"
#include "tunnel-ssh/contract.hpp"
#include "tunnel-ssh/remote_tree.hpp"
#include "tunnel-ssh/report_file.hpp"
#include "tunnel-ssh/sync_inputs.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr Milliseconds goodbye_limit{1000};
constexpr std::size_t most_lines = 200;  // of changes in the job summary

// One upload: what is to be where.
struct Target {
  std::string folder;  // of the host
  std::string only;    // entry there that is meant; empty = all of it
  FileTree tree;
  SyncRules rules;
};

struct TargetResult {
  std::string folder;
  SyncPlan plan;
  std::vector<std::string> changes;
};

std::string plural(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string in_words(const SyncPlan& plan) {
  return fmt::format("{} new, {} changed, {} deleted, {} as they were; {} sent",
                     plural(plan.added, "file"), plan.updated, plan.deleted(), plan.unchanged,
                     rounded_size(plan.bytes));
}

// A source that is a file becomes a tree with one entry in the folder it goes to.
Result<Target> read_target(const Budget& budget, const Upload& upload, const SyncRules& rules) {
  if (std::filesystem::is_directory(upload.source)) {
    PCA_TRY(auto tree, read_file_tree(budget, upload.source, rules.filter));
    return Target{upload.destination, {}, std::move(tree), rules};
  }
  const std::filesystem::path source(upload.source);
  const std::size_t slash = upload.destination.find_last_of('/');
  std::string name = upload.destination.substr(slash + 1);
  if (name.empty()) name = source.filename().native();
  PCA_TRY(auto tree, read_single_file(budget, upload.source, name));
  return Target{upload.destination.substr(0, slash + 1), name, std::move(tree), {}};
}

class Sync {
 public:
  Sync(ToolContext& context, const SyncInputs& inputs)
      : context_(context), inputs_(inputs), budget_(Budget::of(inputs.timeout, context.stop)) {}

  Result<std::vector<TargetResult>> run() {
    std::vector<Target> targets;
    for (const Upload& upload : inputs_.uploads) {
      PCA_TRY(targets.emplace_back(), read_target(budget_, upload, inputs_.rules));
    }
    const ConnectionSettings& connection = inputs_.connection;
    const HostAddress& host = connection.hosts.front();
    PCA_TRY(const auto session, connect_ssh(connect_budget(connection, context_.stop), connection,
                                            host, log_observer(context_.reporter, connection)));
    PCA_TRY(RemoteShell shell, RemoteShell::start(budget_, *session, inputs_.become, host.text()));
    std::vector<TargetResult> results;
    for (const Target& target : targets) {
      PCA_TRY(results.emplace_back(), bring_up_to_date(shell, target));
    }
    // Whatever becomes of the connection now: what was asked for is done. The shell ends with it.
    (void)session->close(Budget::of(goodbye_limit));
    return results;
  }

 private:
  Result<TargetResult> bring_up_to_date(RemoteShell& shell, const Target& target) {
    RemoteTree remote(shell, target.folder, target.only);
    PCA_TRY(const FileTree theirs, remote.look(budget_, target.tree));
    TargetResult result{target.folder, {}, {}};
    PCA_TRY(result.plan, plan_sync(target.tree, theirs, target.rules));
    result.changes = describe(result.plan, theirs);
    if (!inputs_.dry_run && !result.plan.is_empty()) {
      PCA_CHECK(remote.apply(budget_, result.plan, [&](std::uint64_t sent, std::uint64_t all) {
        context_.reporter.progress(fmt::format("{}: sent {} of {}", visible(target.folder),
                                               rounded_size(sent), rounded_size(all)));
      }));
    }
    context_.reporter.info(fmt::format("{}: {}", visible(target.folder), in_words(result.plan)));
    return result;
  }

  ToolContext& context_;
  const SyncInputs& inputs_;
  const Budget budget_;
};

Json report_json(const std::vector<TargetResult>& results, std::string_view outcome,
                 std::int64_t duration_ms) {
  Json uploads = Json::array();
  for (const TargetResult& result : results) {
    Json entry = Json::object();
    entry.set("destination", result.folder);
    entry.set("added", std::uint64_t{result.plan.added});
    entry.set("updated", std::uint64_t{result.plan.updated});
    entry.set("deleted", std::uint64_t{result.plan.deleted()});
    entry.set("unchanged", std::uint64_t{result.plan.unchanged});
    entry.set("bytes", result.plan.bytes);
    Json changes = Json::array();
    for (const std::string& change : result.changes) changes.push(change);
    entry.set("changes", std::move(changes));
    uploads.push(std::move(entry));
  }
  Json report = Json::object();
  report.set("command", "sync");
  report.set("outcome", outcome);
  report.set("duration-ms", duration_ms);
  report.set("uploads", std::move(uploads));
  return report;
}

// In an indented block nothing of a file's name is markup.
std::string summary_of(const std::vector<TargetResult>& results, std::string_view outcome) {
  std::string text = fmt::format(
      "### tunnel-ssh sync: {}\n\n| destination | new | changed | deleted | unchanged | sent |\n"
      "|---|---|---|---|---|---|\n",
      outcome);
  std::string changes;
  std::size_t count = 0;
  for (const TargetResult& result : results) {
    text += fmt::format("| {} | {} | {} | {} | {} | {} |\n", markdown_cell(result.folder),
                        result.plan.added, result.plan.updated, result.plan.deleted(),
                        result.plan.unchanged, rounded_size(result.plan.bytes));
    for (const std::string& change : result.changes) {
      if (++count <= most_lines) changes += "    " + change + "\n";
    }
  }
  if (count == 0) return text;
  if (count > most_lines) changes += fmt::format("    ... and {} more\n", count - most_lines);
  return text + "\n<details><summary>Changes</summary>\n\n" + changes + "\n</details>\n";
}

std::string_view outcome_of(const std::vector<TargetResult>& results, bool dry_run) {
  if (dry_run) return "planned";
  const bool changed = std::any_of(results.begin(), results.end(), [](const TargetResult& result) {
    return !result.plan.is_empty();
  });
  return changed ? "deployed" : "unchanged";
}

void tell(ToolContext& context, const std::vector<TargetResult>& results, bool dry_run,
          std::int64_t duration_ms) {
  Reporter& reporter = context.reporter;
  std::size_t changed = 0;
  for (const TargetResult& result : results) {
    changed += result.changes.size();
    if (!dry_run) continue;
    for (const std::string& change : result.changes) reporter.info(change);
  }
  const std::string_view outcome = outcome_of(results, dry_run);
  const Json report = report_json(results, outcome, duration_ms);
  reporter.output(contract::outcome, outcome);
  reporter.output(contract::changed, std::to_string(changed));
  reporter.output(contract::duration_ms, std::to_string(duration_ms));
  reporter.output(contract::report, write_report(context, report));
  reporter.report(report);
  reporter.summary(summary_of(results, outcome));
}

}  // namespace

Result<int> run_sync(ToolContext& context, Inputs inputs, BadInputs& bad) {
  const SyncInputs sync = read_sync_inputs(context, inputs, bad);
  if (!bad.empty()) return bad.to_error();

  const Clock::time_point began = Clock::now();
  auto results = Sync(context, sync).run();
  if (!results) {
    context.reporter.output(contract::outcome, results.error().kind == ErrorKind::outcome_unknown
                                                   ? "unknown"
                                                   : "failed");
    return std::move(results).error();
  }
  const auto took = std::chrono::duration_cast<Milliseconds>(Clock::now() - began);
  tell(context, *results, sync.dry_run, took.count());
  return 0;
}

}  // namespace pca::tunnel_ssh
