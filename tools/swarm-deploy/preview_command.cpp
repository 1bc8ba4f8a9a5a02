#include "swarm-deploy/preview_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.hpp"
#include "cli/report_file.hpp"
#include "deploy/provenance.hpp"
#include "deploy/release_records.hpp"
#include "swarm-deploy/contract.hpp"
#include "swarm-deploy/engine_inputs.hpp"
#include "swarm-deploy/node_volumes.hpp"
#include "swarm-deploy/stack_inputs.hpp"
#include "swarm-deploy/stack_removal.hpp"
#include "swarm-deploy/swarm_previews.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr Milliseconds reading_limit{30'000};

struct ReapInputs {
  std::string command;
  ManagerInputs manager;
  std::string branch;  // of preview down
  ReapRules rules;
  Milliseconds age{};
  Milliseconds lock_wait{};
  Milliseconds timeout{};
  bool dry_run = false;
};

// Several repositories may have branches of one name.
void require_repository(const std::string& input, const std::string& repository, BadInputs& bad) {
  if (!repository.empty()) return;
  bad.add(input, "nothing says of which repository, and others have previews in the swarm as well",
          "Set GITHUB_REPOSITORY, or name previews by their slugs or stacks.");
}

ReapInputs read_reap_inputs(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  ReapInputs read;
  read.command = inputs.command();
  read.manager.engines = read_engine_inputs(context, inputs, bad);
  read.lock_wait = inputs.duration("lock-wait");
  read.timeout = inputs.duration("timeout");
  read.dry_run = inputs.flag("dry-run");
  const Provenance from = read_provenance(context);
  if (read.command == "preview reap") {
    read.rules = read_reap_rules(context, inputs, from.repository, "swarm-deploy", bad);
    read.rules.is_shared_place = true;
    read.rules.remains = true;
    read.age = inputs.duration("older-than");
    for (const char* name : {"branch", "live-branches", "older-than", "cap"}) {
      if (inputs.has(name)) require_repository(name, from.repository, bad);
    }
    return read;
  }
  read.rules.repository = from.repository;
  read.manager.stack = read_stack_name(inputs, bad);
  read.branch = inputs.has("branch") ? inputs.text("branch") : from.branch;
  require_own_branch(context, from.repository, read.branch, bad);
  if (read.branch.empty() && read.manager.stack.empty()) {
    bad.add("branch", "nothing says whose preview it is", "Give branch, or stack.");
  } else if (read.manager.stack.empty()) {
    require_repository("branch", from.repository, bad);
  }
  return read;
}

// The one that is named, or all of the branch: of a repository with several projects it may have
// several.
Result<std::vector<Doomed>> choose_down(const Budget& budget, Engine& engine,
                                        const ReapInputs& inputs) {
  const std::string& stack = inputs.manager.stack;
  if (stack.empty()) {
    PCA_TRY(const Previews previews, read_previews(budget, engine));
    ReapRules rules = inputs.rules;
    rules.branches = {inputs.branch};
    return choose_doomed(previews, rules);
  }
  PCA_TRY(const StackThings things, read_stack_things(budget, engine, stack));
  // Of what is gone volumes may be left, on nodes that were not reached.
  if (things.is_nothing()) {
    return std::vector<Doomed>{
        {{.repository = inputs.rules.repository, .branch = inputs.branch, .stack = stack},
         "asked for"}};
  }
  if (!things.preview) {
    return conflict(fmt::format("{}: it is no preview", stack),
                    "\"swarm-deploy rm\" removes other stacks.");
  }
  const Preview& there = *things.preview;
  const bool is_ours = inputs.branch.empty() || there.is_of(inputs.rules.repository, inputs.branch);
  if (is_ours) return std::vector<Doomed>{{there, "asked for"}};
  return conflict(fmt::format("{}: it is the preview of branch {} of {}, not of {}", stack,
                              shown(there.branch), visible(there.repository), shown(inputs.branch)),
                  "Give that branch as branch if it is meant.");
}

// What became of each of them.
struct Reaped {
  Doomed doomed;
  std::string outcome;
  std::vector<std::string> volumes;
  std::optional<Error> error = {};
};

// What a run that is none would find.
Reaped look_at_one(const Budget& budget, Engine& engine, NodeVolumes& volumes,
                   const Doomed& doomed) {
  Reaped out{doomed, "would go", {}};
  const auto look = [&]() -> Result<> {
    PCA_TRY(const StackThings things, read_stack_things(budget, engine, doomed.preview.stack));
    PCA_TRY(out.volumes, volumes.find(budget, doomed.preview, things));
    if (things.is_nothing() && out.volumes.empty()) out.outcome = "nothing is there";
    return {};
  };
  if (const auto done = look(); !done) {
    out.outcome = "failed: " + done.error().message;
    out.error = done.error();
  }
  return out;
}

Reaped reap_one(ToolContext& context, Engine& engine, NodeVolumes& volumes,
                const ReapInputs& inputs, const Doomed& doomed) {
  if (inputs.dry_run)
    return look_at_one(Budget::of(inputs.timeout, context.stop), engine, volumes, doomed);
  Reaped out{doomed, "removed", {}};
  const bool is_down = inputs.command == "preview down";
  const RemovalRules rules{
      .action = inputs.command,
      .lock_wait = inputs.lock_wait,
      .timeout = inputs.timeout,
      .is_wanted =
          [&](const StackThings& things) {
            if (things.is_nothing()) {
              out.outcome = "gone already";
            } else if (!things.preview) {
              out.outcome = "no preview any more, stays";
            } else if (!things.preview->is_of(doomed.preview.repository, doomed.preview.branch)) {
              out.outcome = "another branch's by now, stays";
            } else if (!is_down && things.preview->deployed != doomed.preview.deployed) {
              out.outcome = "deployed meanwhile, stays";
            }
            return out.outcome == "removed" || (is_down && things.is_nothing());
          },
      .last = [&](const Budget& budget,
                  const StackThings& things) -> Result<std::set<std::string>> {
        PCA_TRY(auto gone, volumes.remove(budget, doomed.preview, things));
        out.volumes = std::move(gone.volumes);
        if (!gone.left.empty()) out.outcome = "gone but for volumes on " + join(gone.left, ", ");
        return std::move(gone.left_ids);
      }};
  const auto done = remove_stack(context, engine, doomed.preview.stack, rules);
  if (!done) {
    out.outcome = "failed: " + done.error().message;
    out.error = done.error();
  }
  return out;
}

Json preview_json(const Preview& preview) {
  Json json = label_of(preview);
  json.set("stack", preview.stack);
  json.set("deployed", preview.deployed);
  json.set("expires", preview.expires);
  return json;
}

void tell(ToolContext& context, const ReapInputs& inputs, const std::vector<Reaped>& reaped,
          Clock::time_point start) {
  TextTable table{{"stack", "branch", "why", "outcome", "volumes"}, {}};
  Json list = Json::array();
  std::size_t removed = 0;
  for (const Reaped& one : reaped) {
    const Preview& preview = one.doomed.preview;
    if (one.outcome == "removed") ++removed;
    table.rows.push_back(
        {preview.stack, preview.branch, one.doomed.why, one.outcome, join(one.volumes, ", ")});
    Json volumes = Json::array();
    for (const std::string& volume : one.volumes) volumes.push(volume);
    Json entry = preview_json(preview);
    entry.set("why", one.doomed.why);
    entry.set("outcome", one.outcome);
    entry.set("volumes", std::move(volumes));
    list.push(std::move(entry));
  }
  context.reporter.info(table.rows.empty() ? "nothing to remove" : aligned_table(table));
  Json report = Json::object();
  report.set("command", inputs.command);
  report.set("dry-run", inputs.dry_run);
  report.set("previews", std::move(list));
  report.set("duration-ms", std::round(ms_since(start)));
  context.reporter.output(contract::removed, std::to_string(removed));
  context.reporter.output(contract::duration_ms, std::to_string(std::llround(ms_since(start))));
  context.reporter.output(contract::report, write_report(context, report));
  context.reporter.report(report);
  context.reporter.summary(fmt::format("### swarm-deploy {}\n\n{}", inputs.command,
                                       table.rows.empty()
                                           ? std::string("Nothing to remove.\n")
                                           : markdown_table(table, context.redactor)));
}

// What fails for one preview does not keep the others from going.
Result<int> reap(ToolContext& context, const ReapInputs& inputs) {
  const auto start = Clock::now();
  PCA_TRY(const auto engine, connect_manager(context, inputs.manager));
  const Budget reading = Budget::of(reading_limit, context.stop);
  std::vector<Doomed> doomed;
  if (inputs.command == "preview down") {
    PCA_TRY(doomed, choose_down(reading, *engine, inputs));
  } else {
    PCA_TRY(const Previews previews, read_previews(reading, *engine, inputs.age));
    doomed = choose_doomed(previews, inputs.rules);
  }
  NodeVolumes volumes(context, *engine, inputs.manager.engines);
  std::vector<Reaped> reaped;
  std::vector<std::string> left;
  std::optional<Error> first;
  for (const Doomed& one : doomed) {
    reaped.push_back(context.stop.stop_requested()
                         ? Reaped{one, "not tried", {}, cancelled("removing previews")}
                         : reap_one(context, *engine, volumes, inputs, one));
    if (!reaped.back().error) continue;
    left.push_back(one.preview.stack);
    const bool is_cancelled = reaped.back().error->kind == ErrorKind::cancelled;
    if (!first || is_cancelled) first = reaped.back().error;
  }
  tell(context, inputs, reaped, start);
  if (!first) return 0;
  if (doomed.size() > 1) first->message += fmt::format(" (left: {})", join(left, ", "));
  return *std::move(first);
}

// Hostnames of the nodes where each preview's volumes may be left, where they are known.
Result<> name_nodes(const Budget& budget, Engine& engine, std::vector<Preview>& previews) {
  const bool has_any = std::any_of(previews.begin(), previews.end(),
                                   [](const Preview& one) { return !one.volume_nodes.empty(); });
  if (!has_any) return {};
  PCA_TRY(const Json nodes, engine.json(budget, {.path = "/nodes"}));
  const auto names = names_of_nodes(nodes);
  for (Preview& preview : previews) {
    for (std::string& node : preview.volume_nodes) {
      const auto known = names.find(node);
      if (known != names.end() && !known->second.empty()) node = known->second;
    }
  }
  return {};
}

std::string state_of(const Preview& preview) {
  if (preview.is_gone) return "only volumes are left, on " + join(preview.volume_nodes, ", ");
  return preview.is_claim ? "not healthy yet" : "";
}

Result<int> list(ToolContext& context, const ManagerInputs& inputs) {
  PCA_TRY(const auto engine, connect_manager(context, inputs));
  const Budget reading = Budget::of(reading_limit, context.stop);
  PCA_TRY(Previews previews, read_previews(reading, *engine));
  PCA_CHECK(name_nodes(reading, *engine, previews.all));
  TextTable table{
      {"preview", "stack", "branch", "repository", "commit", "deployed", "expires", "state"}, {}};
  Json all = Json::array();
  for (const Preview& preview : previews.all) {
    const bool is_expired = !preview.expires.empty() && preview.expires <= previews.now;
    table.rows.push_back({preview.slug, preview.stack, preview.branch, preview.repository,
                          short_commit(preview.commit), preview.deployed,
                          preview.expires + (is_expired ? " (expired)" : ""), state_of(preview)});
    Json volumes_on = Json::array();
    for (const std::string& node : preview.volume_nodes) volumes_on.push(node);
    all.push(preview_json(preview)
                 .set("only-volumes", preview.is_gone)
                 .set("volumes-on", std::move(volumes_on)));
  }
  Json report = Json::object();
  report.set("command", "preview list");
  report.set("previews", std::move(all));
  context.reporter.info(table.rows.empty() ? "no previews" : aligned_table(table));
  context.reporter.output(contract::report, write_report(context, report));
  context.reporter.report(report);
  context.reporter.summary("### swarm-deploy preview list\n\n" +
                           (table.rows.empty() ? std::string("No previews.\n")
                                               : markdown_table(table, context.redactor)));
  return 0;
}

}  // namespace

Result<int> run_preview(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  if (inputs.command() == "preview list") {
    const ManagerInputs manager{{}, read_engine_inputs(context, inputs, bad)};
    if (!bad.empty()) return bad.to_error();
    return list(context, manager);
  }
  const ReapInputs read = read_reap_inputs(context, inputs, bad);
  if (!bad.empty()) return bad.to_error();
  return reap(context, read);
}

}  // namespace pca::swarm_deploy
