#include "tunnel-ssh/sync.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <future>

#include "base/text.hpp"
#include "cli/report_file.hpp"
#include "runner/markdown.hpp"
#include "tunnel-ssh/connection.hpp"
#include "tunnel-ssh/contract.hpp"
#include "tunnel-ssh/host_files.hpp"
#include "tunnel-ssh/local_tree.hpp"
#include "tunnel-ssh/results.hpp"
#include "tunnel-ssh/sync_inputs.hpp"

namespace pca::tunnel_ssh {

namespace {

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

// What became of one host.
struct SyncedHost {
  HostResult result;
  std::vector<TargetResult> targets;  // done, before an error if there was one
};

std::string plural(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string in_words(const SyncPlan& plan, std::string_view done) {
  return fmt::format("{} new, {} changed, {} deleted, {} as they were; {} {}",
                     plural(plan.added, "file"), plan.updated, plan.deleted(), plan.unchanged,
                     rounded_size(plan.bytes), done);
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

using Targets = Result<std::vector<Target>>;

// Brings all hosts up to date; workers share it. Our files are read once, while the first
// connections are made. All members but hosts_ are set before the first worker starts, and each
// worker writes only its own entry there.
class Sync {
 public:
  Sync(ToolContext& context, const SyncInputs& inputs)
      : context_(context),
        inputs_(inputs),
        budget_(Budget::of(inputs.timeout, context.stop)),
        hosts_(inputs.connection.hosts.size()) {
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
      hosts_[i].result.host = inputs.connection.hosts[i].text();
    }
  }

  const std::vector<SyncedHost>& run() {
    targets_ = std::async(std::launch::async, [this] { return read_targets(); }).share();
    const Rollout& rollout = inputs_.rollout;
    const auto batches = make_batches(hosts_.size(), rollout.canary, rollout.batch);
    const BatchesEnd end = run_batches(
        batches, rollout.parallel, [this](std::size_t index) { return run_on(index); },
        context_.stop);
    if (end == BatchesEnd::stopped) {
      for (SyncedHost& host : hosts_) cancel_unstarted({&host.result, 1});
    }
    return hosts_;
  }

  [[nodiscard]] double elapsed_ms() const { return ms_since(began_); }

 private:
  [[nodiscard]] bool is_only_host() const { return hosts_.size() == 1; }

  [[nodiscard]] Targets read_targets() const {
    std::vector<Target> targets;
    for (const Upload& upload : inputs_.uploads) {
      PCA_TRY(targets.emplace_back(), read_target(budget_, upload, inputs_.rules));
    }
    return targets;
  }

  bool run_on(std::size_t index) {
    SyncedHost& host = hosts_[index];
    HostResult& result = host.result;
    const double start = elapsed_ms();
    const Result<> done = bring_up_to_date(inputs_.connection.hosts[index], host);
    result.phases.push_back({"sync", start, elapsed_ms() - start});
    if (done) {
      result.outcome = Outcome::succeeded;
      return true;
    }
    result.outcome = outcome_of(done.error(), false);
    result.error = done.error();
    if (!is_only_host()) {  // why stands at the end, once for all that share it
      context_.reporter.info(fmt::format("{}: {}", result.host, outcome_name(result.outcome)));
    }
    return false;
  }

  Result<> bring_up_to_date(const HostAddress& address, SyncedHost& host) {
    const ConnectionSettings& connection = inputs_.connection;
    auto place = gate_.enter(gate_address(connection, address), context_.stop);
    if (!place) return cancelled("cancelled before it was started");
    PCA_TRY(const auto session, connect_ssh(connect_budget(connection, context_.stop), connection,
                                            address, log_observer(context_.reporter, connection)));
    place.reset();  // it counts starts: sshd drops connections that have not logged in yet
    const Targets& targets = targets_.get();
    if (!targets) return targets.error();
    PCA_TRY(
        const std::unique_ptr<HostFiles> files,
        HostFiles::start(budget_, *session, inputs_.become, host.result.host, context_.reporter));
    for (const Target& target : *targets) {
      PCA_TRY(host.targets.emplace_back(), bring_up_to_date(*files, target, host.result.host));
    }
    for (const Download& download : inputs_.downloads) {
      PCA_TRY(host.targets.emplace_back(), fetch(*files, download));
    }
    // Whatever becomes of the connection now: what was asked for is done. The shell ends with it.
    (void)session->close(farewell());
    return {};
  }

  Result<TargetResult> bring_up_to_date(HostFiles& files, const Target& target,
                                        const std::string& host) {
    const std::string who =
        visible(is_only_host() ? target.folder : fmt::format("{}: {}", host, target.folder));
    PCA_TRY(const LookedAt remote, files.look(budget_, target.folder, target.only, target.tree));
    TargetResult result{target.folder, {}, {}};
    PCA_TRY(result.plan, plan_sync(target.tree, remote.found, target.rules));
    result.changes = describe(result.plan, remote.found);
    if (!inputs_.dry_run && !result.plan.is_empty()) {
      PCA_CHECK(
          remote.tree->apply(budget_, result.plan, [&](std::uint64_t sent, std::uint64_t all) {
            context_.reporter.progress(
                fmt::format("{}: sent {} of {}", who, rounded_size(sent), rounded_size(all)));
          }));
    }
    context_.reporter.info(fmt::format("{}: {}", who, in_words(result.plan, "sent")));
    return result;
  }

  Result<TargetResult> fetch(HostFiles& files, const Download& download) {
    const std::string& root = download.destination;
    FileTree ours;
    if (std::filesystem::exists(root)) {
      PCA_TRY(ours, read_file_tree(budget_, root, {}));
    }
    PCA_TRY(LookedAt remote, files.look(budget_, download.source, {}, ours));
    if (!remote.tree->is_there()) {
      return failed(fmt::format("there is no {} on the host", visible(download.source)));
    }
    const FileTree theirs = filtered(std::move(remote.found), inputs_.rules.filter);
    TargetResult result{root, {}, {}};
    PCA_TRY(result.plan, plan_sync(theirs, ours, inputs_.rules));
    result.changes = describe(result.plan, ours);
    if (!inputs_.dry_run && !result.plan.is_empty()) {
      LocalTree local(root, result.plan);
      PCA_CHECK(local.begin());
      PCA_CHECK(remote.tree->fetch(budget_, local.wanted(), [&](std::string_view bytes) {
        context_.reporter.progress(
            fmt::format("{}: fetched {}", visible(root), rounded_size(local.bytes())));
        return local.take(bytes);
      }));
      PCA_CHECK(local.apply());
      result.plan.bytes = local.bytes();
    }
    context_.reporter.info(fmt::format("{}: {}", visible(root), in_words(result.plan, "fetched")));
    return result;
  }

  ToolContext& context_;
  const SyncInputs& inputs_;
  const Clock::time_point began_ = Clock::now();
  const Budget budget_;
  StartGate gate_{starts_at_once};
  std::vector<SyncedHost> hosts_;
  std::shared_future<Targets> targets_;
};

Json target_json(const TargetResult& result) {
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
  return entry;
}

Json report_json(const std::vector<SyncedHost>& hosts, std::string_view outcome,
                 double duration_ms) {
  Json list = Json::array();
  for (const SyncedHost& host : hosts) {
    const std::optional<Error>& error = host.result.error;
    Json entry = Json::object();
    entry.set("host", host.result.host);
    entry.set("outcome", outcome_name(host.result.outcome));
    entry.set("error", error ? Json(error->message) : Json());
    entry.set("hint", error && !error->hint.empty() ? Json(error->hint) : Json());
    entry.set("ms", std::round(host.result.ms()));
    Json uploads = Json::array();
    for (const TargetResult& target : host.targets) uploads.push(target_json(target));
    entry.set("uploads", std::move(uploads));
    list.push(std::move(entry));
  }
  Json report = Json::object();
  report.set("command", "sync");
  report.set("outcome", outcome);
  report.set("duration-ms", std::round(duration_ms));
  report.set("hosts", std::move(list));
  return report;
}

// What a change's line begins with where there are several hosts.
std::string before(const std::vector<SyncedHost>& hosts, const SyncedHost& host) {
  return hosts.size() == 1 ? std::string() : host.result.host + ": ";
}

// In an indented block nothing of a file's name is markup.
std::string summary_of(const std::vector<SyncedHost>& hosts, std::string_view outcome,
                       const Redactor& redactor) {
  // Redacted first: afterwards a secret is spelled in a way that nobody recognises but a browser.
  const auto safe_cell = [&](std::string_view text) {
    return markdown_cell(redactor.redact(text));
  };
  std::string text = fmt::format(
      "### tunnel-ssh sync: {}\n\n| host | destination | new | changed | deleted | unchanged | "
      "sent "
      "|\n|---|---|---|---|---|---|---|\n",
      outcome);
  std::string changes;
  std::size_t count = 0;
  for (const SyncedHost& host : hosts) {
    const std::string name = safe_cell(host.result.host);
    for (const TargetResult& target : host.targets) {
      const SyncPlan& plan = target.plan;
      text += fmt::format("| {} | {} | {} | {} | {} | {} | {} |\n", name, safe_cell(target.folder),
                          plan.added, plan.updated, plan.deleted(), plan.unchanged,
                          rounded_size(plan.bytes));
      for (const std::string& change : target.changes) {
        if (++count <= most_lines) changes += "    " + before(hosts, host) + change + "\n";
      }
    }
    if (host.result.outcome == Outcome::succeeded) continue;
    text += fmt::format("| {} | **{}** {} | | | | | |\n", name, outcome_name(host.result.outcome),
                        safe_cell(host.result.error ? host.result.error->message : ""));
  }
  if (count == 0) return text;
  if (count > most_lines) changes += fmt::format("    ... and {} more\n", count - most_lines);
  return text + "\n<details><summary>Changes</summary>\n\n" + changes + "\n</details>\n";
}

std::string_view outcome_of_all(const std::vector<HostResult>& results, std::size_t changed,
                                bool dry_run) {
  const Outcome worst = overall_outcome(results);
  if (worst == Outcome::unknown) return "unknown";
  if (worst != Outcome::succeeded) return "failed";
  if (dry_run) return "planned";
  return changed > 0 ? "deployed" : "unchanged";
}

void tell_changes(Reporter& reporter, const std::vector<SyncedHost>& hosts) {
  for (const SyncedHost& host : hosts) {
    for (const TargetResult& target : host.targets) {
      for (const std::string& change : target.changes) reporter.info(before(hosts, host) + change);
    }
  }
}

}  // namespace

Result<int> run_sync(ToolContext& context, Inputs inputs, BadInputs& bad) {
  const SyncInputs sync = read_sync_inputs(context, inputs, bad);
  if (!bad.empty()) return bad.to_error();

  Sync run(context, sync);
  const std::vector<SyncedHost>& hosts = run.run();
  const double duration_ms = run.elapsed_ms();
  std::vector<HostResult> results;
  std::size_t changed = 0;
  for (const SyncedHost& host : hosts) {
    results.push_back(host.result);
    for (const TargetResult& target : host.targets) changed += target.changes.size();
  }
  Reporter& reporter = context.reporter;
  if (sync.dry_run) tell_changes(reporter, hosts);
  if (hosts.size() > 1) reporter.info(results_table(results));
  const std::string_view outcome = outcome_of_all(results, changed, sync.dry_run);
  const Json report = report_json(hosts, outcome, duration_ms);
  reporter.output(contract::outcome, outcome);
  reporter.output(contract::changed, std::to_string(changed));
  reporter.output(contract::failed_hosts, join(failed_hosts(results), "\n"));
  reporter.output(contract::duration_ms, std::to_string(std::llround(duration_ms)));
  reporter.output(contract::report, write_report(context, report));
  reporter.report(report);
  reporter.summary(summary_of(hosts, outcome, context.redactor));
  if (auto error = overall_error(results)) return *std::move(error);
  if (context.stop.stop_requested()) return cancelled("cancelled");
  return 0;
}

}  // namespace pca::tunnel_ssh
