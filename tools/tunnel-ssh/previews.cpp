#include "tunnel-ssh/previews.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "deploy/release_records.hpp"
#include "tunnel-ssh/exec_inputs.hpp"
#include "tunnel-ssh/folder_hosts.hpp"
#include "tunnel-ssh/release_inputs.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr Milliseconds lock_poll{2000};

struct PreviewInputs : FolderPlace {
  Provenance provenance;
  ReapRules rules;
  Milliseconds age{};  // from which on a preview is old
  Milliseconds lock_wait{};
  bool dry_run = false;
};

PreviewInputs read_preview_inputs(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  PreviewInputs read;
  read.connection = read_connection_inputs(context, inputs, bad, Login::hosts);
  read.path = read_release_path(inputs, bad);
  read.become = read_become(inputs, bad);
  read.timeout = read_timeout(inputs);
  read.provenance = read_provenance(context);
  if (inputs.command() == "preview reap") {
    read.rules = read_reap_rules(context, inputs, read.provenance.repository, "tunnel-ssh", bad);
    read.age = inputs.duration("older-than");
    read.lock_wait = inputs.duration("lock-wait");
    read.dry_run = inputs.flag("dry-run");
  }
  return read;
}

Json preview_json(const Preview& preview) {
  Json json = label_of(preview);
  json.set("deployed", preview.deployed);
  json.set("expires", preview.expires);
  json.set("port", preview.port == 0 ? Json() : Json(int{preview.port}));
  return json;
}

Result<int> list(ToolContext& context, const PreviewInputs& inputs) {
  std::string summary = "### tunnel-ssh preview list\n";
  const auto work = [&](const Budget& budget, const HostFolder& on) -> Result<Json> {
    PCA_TRY(const Previews previews, on.folder.previews(budget, {}));
    TextTable table{{"preview", "branch", "commit", "port", "deployed", "expires"}, {}};
    Json all = Json::array();
    for (const Preview& preview : previews.all) {
      const bool is_expired = !preview.expires.empty() && preview.expires <= previews.now;
      table.rows.push_back({preview.slug, preview.branch, short_commit(preview.commit),
                            preview.port == 0 ? "" : std::to_string(preview.port), preview.deployed,
                            preview.expires + (is_expired ? " (expired)" : "")});
      all.push(preview_json(preview));
    }
    std::vector<std::string> notes;
    if (previews.all.empty()) notes.emplace_back("no previews");
    show(context, on.host, table, notes, summary);
    return all;
  };
  return for_each_folder(context, inputs, "preview list", work, [&] { return summary; });
}

Json record_of(const PreviewInputs& inputs, const Doomed& doomed) {
  Json record = Json::object();
  record.set("action", "reap");
  record.set("preview", doomed.preview.slug);
  record.set("branch", doomed.preview.branch);
  record.set("commit", doomed.preview.commit);
  record.set("actor", inputs.provenance.actor);
  record.set("run-url", inputs.provenance.run_url);
  record.set("reason", doomed.why);
  return record;
}

// A deploy to it may be under way.
Result<> wait_for_lock(ToolContext& context, const Budget& budget, const HostFolder& on,
                       const Json& owner, Milliseconds limit) {
  const Budget patience = budget.at_most(limit);
  for (bool is_told = false;; is_told = true) {
    PCA_TRY(const ReleaseState state, on.folder.lock(budget, owner));
    if (state.is_locked) return {};
    const std::string who = visible(describe_lock(state.lock));
    if (patience.is_over()) {
      PCA_CHECK(budget.check("waiting for the lock"));
      return conflict(fmt::format("{}: the preview is locked by {}", on.host, who),
                      "Wait for it, or end its lock with \"tunnel-ssh release unlock\" if it is "
                      "gone.");
    }
    if (!is_told) {
      context.reporter.info(fmt::format("{}: waiting for a deploy, by {}", on.host, who));
    }
    const auto next = std::min(patience.deadline(), Clock::now() + lock_poll);
    while (Clock::now() < next) {
      PCA_CHECK(on.session.wait(budget, {}, next, "waiting for the lock"));
    }
  }
}

// What became of it, for the report.
Result<Json> reap_one(ToolContext& context, const Budget& budget, const PreviewInputs& inputs,
                      const HostFolder& application, const Doomed& doomed) {
  const std::string path = inputs.path + "/previews/" + doomed.preview.slug;
  const Json record = record_of(inputs, doomed);
  const auto work = [&](const Budget& limit, const HostFolder& on) -> Result<Json> {
    PCA_TRY(const auto seen, on.folder.preview(limit));
    if (!seen) return Json("gone already");
    const auto locked = wait_for_lock(context, limit, on, record, inputs.lock_wait);
    PCA_TRY(const auto now, on.folder.preview(limit));
    if (!now) return Json("gone already");  // what cannot be locked may just have been reaped
    PCA_CHECK(locked);
    if (now->deployed != doomed.preview.deployed) return Json("deployed meanwhile, stays");
    PCA_TRY(const std::string said, on.folder.reap(limit, record));
    const auto output = context.reporter.remote(on.host + ": ");
    output->feed(said);
    output->finish();
    return Json("removed");
  };
  return in_folder(budget, application.session, inputs, path, application.host, work);
}

// What fails for one preview does not keep the others from going.
Result<Json> reap_on_host(ToolContext& context, const PreviewInputs& inputs, const Budget& budget,
                          const HostFolder& on, TextTable& table) {
  if (!inputs.dry_run) PCA_CHECK(on.folder.tidy_previews(budget));
  PCA_TRY(const Previews previews, on.folder.previews(budget, inputs.age));
  Json reaped = Json::array();
  std::vector<std::string> left;
  std::optional<Error> first;
  for (const Doomed& doomed : choose_doomed(previews, inputs.rules)) {
    const std::string& slug = doomed.preview.slug;
    std::string outcome = "would go";
    if (!inputs.dry_run) {
      const auto done = reap_one(context, budget, inputs, on, doomed);
      outcome = done ? *done->as_string() : done.error().message;
      if (!done) left.push_back(slug);
      if (!done && !first) first = done.error();
    }
    table.rows.push_back({on.host, slug, doomed.preview.branch, doomed.why, outcome});
    Json entry = preview_json(doomed.preview);
    entry.set("why", doomed.why);
    entry.set("outcome", outcome);
    reaped.push(std::move(entry));
  }
  if (!first) return reaped;
  first->message += fmt::format(" (left: {})", join(left, ", "));
  return *std::move(first);
}

Result<int> reap(ToolContext& context, const PreviewInputs& inputs) {
  TextTable table{{"host", "preview", "branch", "why", "outcome"}, {}};
  return for_each_folder(
      context, inputs, "preview reap",
      [&](const Budget& budget, const HostFolder& on) -> Result<Json> {
        const std::size_t before = table.rows.size();
        auto done = reap_on_host(context, inputs, budget, on, table);
        TextTable here{table.headings, {}};
        here.rows.assign(table.rows.begin() + static_cast<std::ptrdiff_t>(before),
                         table.rows.end());
        context.reporter.info(here.rows.empty() ? on.host + ": nothing to reap"
                                                : aligned_table(here));
        return done;
      },
      [&] {
        return "### tunnel-ssh preview reap\n\n" + (table.rows.empty()
                                                        ? std::string("Nothing to reap.\n")
                                                        : markdown_table(table, context.redactor));
      });
}

}  // namespace

Result<int> run_preview(ToolContext& context, Inputs inputs, BadInputs& bad) {
  const PreviewInputs preview = read_preview_inputs(context, inputs, bad);
  if (!bad.empty()) return bad.to_error();
  if (inputs.command() == "preview list") return list(context, preview);
  if (inputs.command() == "preview reap") return reap(context, preview);
  return tool_bug("no code for the command " + inputs.command());
}

}  // namespace pca::tunnel_ssh
