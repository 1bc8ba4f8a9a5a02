#include "swarm-deploy/release_run.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <set>

#include "base/text.hpp"
#include "base/utc_time.hpp"
#include "deploy/release_records.hpp"
#include "swarm-deploy/contract.hpp"
#include "swarm-deploy/run_report.hpp"
#include "swarm-deploy/stack_lock.hpp"
#include "swarm-deploy/swarm_previews.hpp"
#include "swarm-deploy/waiting_options.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr Milliseconds record_limit{30'000};
constexpr Milliseconds cancelled_limit{1000};  // what is left of a cancelled step's 7 s
constexpr double fresh_ms = 2000;              // a plan older than that is made again
constexpr int most_tries = 5;                  // of a beginning that another release comes before
constexpr std::size_t time_size = 16;          // of "20261124T093000Z"

UtcTime this_second() { return std::chrono::floor<std::chrono::seconds>(utc_now()); }

class Releasing {
 public:
  Releasing(ToolContext& context, Engine& engine, const ReleaseInputs& inputs,
            const Prepare& prepare)
      : context_(context),
        engine_(engine),
        inputs_(inputs),
        prepare_(prepare),
        is_rollback_(inputs.command == "rollback") {}

  Result<ReleaseRun> run() {
    PCA_CHECK(prepare());
    choose_name();
    if (is_held()) return held();
    if (!needs_lock()) return unchanged();
    const auto asked = Clock::now();
    auto lock =
        StackLock::take(Budget::of(inputs_.lock_wait + record_limit, context_.stop), engine_,
                        context_.reporter, inputs_.stack, owner(), inputs_.lock_wait);
    if (!lock) return ended("failed", lock.error());
    const bool has_waited = ms_since(asked) > fresh_ms;
    if (has_waited || writes_before_state()) PCA_CHECK(prepare_again(has_waited));
    for (int tries = 1;; ++tries) {
      choose_name();
      if (is_held()) return held();
      if (!needs_lock()) return unchanged();
      const auto begun = begin();
      if (!begun) return ended("failed", begun.error());
      if (*begun) break;
      if (tries == most_tries) return ended("failed", always_changing());
      PCA_CHECK(plan_again());
    }
    StackRun done = execute(**lock);
    if (const auto held = (*lock)->check(); held) {
      finish(done);
    } else if (done.outcome != "unknown") {
      lose(done, held.error());
    }
    if (const auto released = (*lock)->release(farewell()); !released) {
      warn(fmt::format("the lock of {} is left, and expires within a minute: {}", inputs_.stack,
                       released.error().message));
    }
    return told(std::move(done));
  }

 private:
  // --- before the first write ---

  Result<> prepare() {
    started_ = this_second();
    PCA_TRY(prepared_, prepare_(budget()));
    history_ = prepared_.state.history;
    previous_ = history_.current;
    PCA_CHECK(check_preview());
    tell_plan(context_.reporter, prepared_.plan);
    return check_plan(prepared_.plan);
  }

  // Nobody takes another branch's preview, nor one with a deploy of another kind.
  Result<> check_preview() {
    const std::string& stack = inputs_.stack;
    if (!inputs_.preview)
      return is_rollback_ ? Result<>() : check_no_preview(stack, prepared_.state);
    if (history_.preview) expires_ = history_.preview->text_of("expires");
    PCA_CHECK(check_owner(stack, inputs_.preview->preview, prepared_.state));
    return is_admitted() ? Result<>() : check_place();
  }

  // Whether nobody who comes now can take its place.
  [[nodiscard]] bool is_admitted() const {
    if (!prepared_.state.services.empty()) return true;
    const auto record = recorded();
    return record && !record->is_claim && !record->is_gone;
  }

  Result<> check_place() {
    PCA_TRY(const Previews there, read_previews(budget(), engine_));
    return check_cap(*inputs_.preview, there.all);
  }

  [[nodiscard]] std::optional<Preview> recorded() const {
    return history_.preview ? preview_of_record(*history_.preview) : std::nullopt;
  }

  // The first write of all is the state's, which finds out whether somebody else came between.
  [[nodiscard]] bool writes_before_state() const { return inputs_.preview || needs_baseline(); }

  // Until the lock was ours somebody else may have written.
  Result<> prepare_again(bool has_waited) {
    PCA_TRY(StackHistory now, read_history(budget(), engine_, inputs_.stack));
    const bool is_like = now.is_like(history_);
    if (is_like && has_waited) return prepare();  // rm leaves no history
    if (is_like) {
      history_ = std::move(now);
      return {};
    }
    return plan_again();
  }

  [[nodiscard]] Error always_changing() const {
    return conflict(fmt::format("{}: its history changes all the time", inputs_.stack),
                    "Look who deploys this stack too, then run it again.");
  }

  Result<> plan_again() {
    baseline_.clear();
    context_.reporter.info(
        fmt::format("{}: another release came between, so it is planned again", inputs_.stack));
    return prepare();
  }

  [[nodiscard]] bool needs_lock() const {
    if (!prepared_.plan.changes_nothing() || !history_.unfinished.empty()) return true;
    return is_rollback_ && prepared_.target != history_.current;
  }

  [[nodiscard]] bool is_held() const {
    if (is_rollback_ || !history_.hold) return false;
    if (is_current_commit()) return false;
    std::vector<std::string> commits;
    for (const StackRelease& release : history_.releases) commits.push_back(release.commit);
    return hold_refuses(*history_.hold, commits, inputs_.from);
  }

  [[nodiscard]] bool is_current_commit() const {
    const StackRelease* current = history_.find(history_.current);
    return current != nullptr && !current->commit.empty() && current->commit == inputs_.from.commit;
  }

  Result<ReleaseRun> held() {
    return ended("held", conflict(fmt::format("{}: {}", inputs_.stack,
                                              visible(describe_hold(*history_.hold))),
                                  "Deploy a newer commit, or end the hold with \"swarm-deploy "
                                  "unhold\"."));
  }

  Result<ReleaseRun> unchanged() {
    release_ = history_.current;
    RunRules rules = inputs_.rules;
    rules.settle = Milliseconds{0};
    StackRun done = execute_plan(budget(), engine_, context_.reporter, inputs_.stack,
                                 prepared_.plan, prepared_.state, rules);
    if (inputs_.preview && !done.error) {
      if (auto renewed = renew_preview(budget()); !renewed) {
        done.outcome = "failed";
        done.error = std::move(renewed).error();
      }
    }
    return told(std::move(done));
  }

  // Names are in the order of the releases, whatever the clocks of those who deploy say.
  void choose_name() {
    if (is_rollback_) {
      release_ = prepared_.target;
      return;
    }
    const std::string newest = history_.releases.empty() ? "" : history_.releases.back().id;
    if (!release_.empty() && release_ > newest) return;
    std::string content;
    for (const ServicePlan& service : prepared_.plan.services) content += service.spec.dump();
    release_ = make_release_id(inputs_.from.commit, content);
    std::tm time{};
    if (release_.substr(0, time_size) > newest.substr(0, std::min(newest.size(), time_size)) ||
        ::strptime(newest.c_str(), "%Y%m%dT%H%M%SZ", &time) == nullptr)
      return;
    const std::time_t later = ::timegm(&time) + 1;
    release_.replace(0, time_size, fmt::format("{:%Y%m%dT%H%M%SZ}", fmt::gmtime(later)));
  }

  [[nodiscard]] Json owner() const {
    Json json = Json::object();
    json.set("release", release_);
    json.set("action", inputs_.command);
    json.set("actor", inputs_.from.actor);
    json.set("run-url", inputs_.from.run_url);
    return json;
  }

  // --- the history ---

  // What others made, and no release says.
  [[nodiscard]] bool needs_baseline() const {
    return !is_rollback_ && history_.releases.empty() && !prepared_.state.services.empty();
  }

  // What a later rollback needs to know even when nobody comes to the end of this. False when
  // another release came between.
  Result<bool> begin() {
    const Budget limit = budget().at_most(record_limit);
    if (needs_baseline()) {
      keep_baseline(limit);
      choose_name();
    }
    check_size();
    PCA_CHECK(claim_preview(limit));
    unfinished_before_ = history_.unfinished;
    // What is newer than the held commit ends the hold; the current one, deployed again, does not,
    // and neither is one ended that came meanwhile.
    if (!is_rollback_ && history_.hold && !is_current_commit()) ended_hold_ = history_.hold->dump();
    PCA_TRY(const bool is_begun, change_state_as_read(limit, engine_, inputs_.stack, history_,
                                                      [&](StackHistory& history) {
                                                        if (!baseline_.empty())
                                                          history.current = baseline_;
                                                        if (history.unfinished.empty())
                                                          history.unfinished = release_;
                                                      }));
    previous_ = history_.current;
    return is_begun;
  }

  // From here on it can be taken down, whatever becomes of it. A new one has its place now, unless
  // others came before: those that come later count it.
  Result<> claim_preview(const Budget& limit) {
    if (!inputs_.preview) return {};
    const auto there = recorded();
    const bool is_new = !there || there->is_gone;
    const auto before = history_.preview;
    const bool is_admitted_before = is_admitted();
    if (is_new) {
      Preview unborn = inputs_.preview->preview;
      unborn.commit.clear();
      unborn.is_claim = prepared_.state.services.empty();
      PCA_CHECK(write_preview(limit, std::move(unborn), there.has_value()));
    }
    auto allowed = is_admitted_before ? Result<>() : check_place();
    if (allowed || !is_new) return allowed;
    Error error = std::move(allowed).error();
    if (const auto back = give_back_place(before); !back) {
      error.message += fmt::format(". Its record {} could not be taken back: {}",
                                   record_name(inputs_.stack, "preview"), back.error().message);
      error.hint += " \"swarm-deploy preview down\" removes what is left of it.";
    }
    return error;
  }

  // Nothing else was written yet.
  Result<> give_back_place(const std::optional<Json>& before) {
    const Budget limit = farewell();
    if (before) return keep_preview(limit, engine_, inputs_.stack, history_, *before, true);
    PCA_TRY(const StackHistory now, read_history(limit, engine_, inputs_.stack));
    if (now.preview_record.config.empty()) return {};
    return remove_objects(limit, engine_,
                          {{"configs", "the preview's record", now.preview_record.config}});
  }

  // It is deployed as it is: it lives on.
  Result<> renew_preview(const Budget& limit) {
    return write_preview(limit, inputs_.preview->preview, history_.preview.has_value());
  }

  // It is well, whatever becomes of its label.
  void prolong_preview(const Budget& limit) {
    const auto renewed = renew_preview(limit);
    if (renewed) return;
    warn(fmt::format("{}: nobody can see until when the preview lives: {}", inputs_.stack,
                     renewed.error().message));
  }

  Result<> write_preview(const Budget& limit, Preview preview, bool is_there) {
    // By the swarm's clock, as reap goes.
    PCA_TRY(const Json info, engine_.json(limit, {.path = "/info"}));
    const UtcTime now = std::chrono::floor<std::chrono::seconds>(
        parse_utc(info.text_of("SystemTime")).value_or(utc_now()));
    expires_ = utc_text(now + inputs_.preview->lifetime);
    preview.deployed = utc_text(now);
    preview.expires = expires_;
    if (const auto there = recorded()) preview.volume_nodes = there->volume_nodes;
    return keep_preview(limit, engine_, inputs_.stack, history_, record_of(preview), is_there);
  }

  // What others made is a release, too: it can be gone back to.
  void keep_baseline(const Budget& limit) {
    const auto kept = [&]() -> Result<> {
      PCA_TRY(const StackParts parts, read_parts(limit, engine_, inputs_.stack, {}));
      PCA_TRY(std::string data, pack(parts));
      StackRelease baseline{.id = make_release_id({}, data), .result = "deployed"};
      baseline.record = Json::object();
      baseline.record.set("action", "baseline");
      baseline.record.set("reason", "as it was found");
      baseline.record.set("started", utc_text(started_));
      baseline.record.set("ended", utc_text(started_));
      baseline.data = std::move(data);
      PCA_CHECK(keep_release(limit, engine_, inputs_.stack, baseline));
      baseline_ = baseline.id;
      history_.releases.push_back(std::move(baseline));
      return {};
    }();
    if (kept) {
      context_.reporter.info(
          fmt::format("{}: what is there is kept as the release {}", inputs_.stack, baseline_));
    } else {
      warn(fmt::format("what is there cannot be kept, so that no rollback comes back to it: {}",
                       kept.error().message));
    }
  }

  // Before anything is written it is known whether this release can be kept.
  void check_size() {
    if (is_rollback_) return;
    StackParts parts;
    for (const ServicePlan& service : prepared_.plan.services) {
      if (service.action != Action::remove) parts.services.push_back(service.spec);
    }
    const auto packed = pack(parts);
    if (packed) return;
    warn(fmt::format("the release {} cannot be kept, so that no rollback comes back to it: {}",
                     release_, packed.error().message));
  }

  StackRun execute(const StackLock& lock) {
    RunRules rules = inputs_.rules;
    if (inputs_.settles_by_monitor)
      rules.settle = std::max(rules.settle, prepared_.plan.longest_monitor());
    if (prepared_.plan.changes_nothing()) rules.settle = Milliseconds{0};
    rules.may_write = [&] { return lock.check(); };
    return execute_plan(budget(), engine_, context_.reporter, inputs_.stack, prepared_.plan,
                        prepared_.state, rules);
  }

  // Somebody else has the lock now, and may have written since.
  void lose(StackRun& done, const Error& error) {
    done.outcome = "unknown";
    done.error = outcome_unknown(error.message + ". Nothing is recorded of this run",
                                 "Look at what the other run makes of the stack.");
  }

  // A stack that is well stays so whatever becomes of its history.
  void finish(StackRun& done) {
    if (done.outcome == "unchanged") done.outcome = "deployed";  // somebody else's half is whole
    const auto recorded = record(done);
    if (recorded) return;
    warn(fmt::format("{}: the history does not say what became of {}: {}", inputs_.stack, release_,
                     recorded.error().message));
  }

  Result<> record(const StackRun& done) {
    const Budget limit = farewell();
    if (done.outcome == "deployed") {
      if (inputs_.preview) prolong_preview(limit);
      return is_rollback_ ? record_rollback(limit) : record_deploy(limit, done);
    }
    if (!is_rollback_ && (done.has_written || done.outcome == "rolled-back")) {
      PCA_CHECK(keep_release(limit, engine_, inputs_.stack, this_release(done.outcome)));
    }
    if (done.has_written) return {};  // and stays unfinished
    return change_state(limit, engine_, inputs_.stack, history_,
                        [&](StackHistory& history) { history.unfinished = unfinished_before_; });
  }

  // As the Engine has them now. All that it says of networks is known by then, but for those that
  // only services use which the files do not have.
  Result<StackParts> parts_now(const Budget& limit, const StackRun& done) {
    Json read;
    if (done.services.is_null()) {
      PCA_TRY(read, engine_.json(limit, {.path = of_stack("/services", inputs_.stack)}));
    }
    Json networks = Json::array();
    std::set<std::string> known;
    const auto add = [&](const std::string& name, const std::string& id, Json network) {
      known.insert({name, id});
      networks.push(std::move(network));
    };
    for (const auto& [name, network] : prepared_.state.networks)
      add(name, network.id, network.json);
    for (const StackNetwork& network : prepared_.plan.networks) {
      const auto made = done.networks.find(network.name);
      if (made == done.networks.end()) continue;
      Json json = network.body;
      add(network.name, made->second, json.set("Name", network.name).set("Id", made->second));
    }
    StackParts parts = parts_of(inputs_.stack, done.services.is_null() ? read : done.services,
                                networks, prepared_.networks);
    for (const ServicePlan& service : prepared_.plan.services) {  // gone since that look
      if (service.action != Action::remove) continue;
      std::erase_if(parts.services,
                    [&](const Json& one) { return one.text_of("Name") == service.name; });
    }
    std::set<std::string> targets;
    for (const Json& service : parts.services) {
      for (const std::string& target : targets_of(service)) targets.insert(target);
    }
    std::erase_if(parts.external_networks,
                  [&](const std::string& name) { return !targets.contains(name); });
    const bool is_known = std::all_of(targets.begin(), targets.end(),
                                      [&](const auto& target) { return known.contains(target); });
    if (is_known) return parts;
    return read_parts(limit, engine_, inputs_.stack, prepared_.networks);
  }

  Result<> record_deploy(const Budget& limit, const StackRun& done) {
    StackRelease release = this_release(inputs_.rules.wait ? "deployed" : "unverified");
    PCA_TRY(StackParts parts, parts_now(limit, done));
    for (const ServicePlan& service : prepared_.plan.services) {
      if (service.wave > 0 && service.action != Action::remove)
        parts.waves[service.name] = service.wave;
    }
    if (auto data = pack(parts)) {  // what is too large was told before
      release.data = *std::move(data);
      PCA_CHECK(keep_release(limit, engine_, inputs_.stack, release));
    }
    PCA_CHECK(change_state(limit, engine_, inputs_.stack, history_, [&](StackHistory& history) {
      history.current = release_;
      history.unfinished.clear();
      if (history.hold && history.hold->dump() == ended_hold_) history.hold.reset();
    }));
    remove_old(limit);
    remove_leftovers(limit);
    return {};
  }

  Result<> record_rollback(const Budget& limit) {
    const StackRelease* left = history_.find(history_.current);
    const bool is_another = release_ != history_.current;
    const Json hold = is_another && inputs_.sets_hold ? hold_record(left) : Json();
    if (is_another && left != nullptr) {
      PCA_CHECK(mark_release(limit, engine_, inputs_.stack, *left, "rolled-back"));
    }
    const StackRelease* target = history_.find(release_);
    if (target != nullptr && !target->is_good() && inputs_.rules.wait) {
      PCA_CHECK(mark_release(limit, engine_, inputs_.stack, *target, "deployed"));
    }
    const std::string commit = target == nullptr ? std::string() : target->commit;
    PCA_CHECK(change_state(limit, engine_, inputs_.stack, history_, [&](StackHistory& history) {
      history.current = release_;
      history.unfinished.clear();
      if (!hold.is_null()) history.hold = hold;
    }));
    if (!history_.preview) return {};
    Json label = *history_.preview;  // it lives no longer for it
    label.set("commit", commit).set("phase", "");
    return keep_preview(limit, engine_, inputs_.stack, history_, label, true);
  }

  [[nodiscard]] StackRelease this_release(const std::string& result) const {
    StackRelease release{.id = release_, .result = result, .commit = inputs_.from.commit};
    release.record = provenance();
    release.record.set("commit-time", inputs_.from.commit_time);
    release.record.set("revert-of", inputs_.from.revert_of);
    release.record.set("previous", history_.current);
    release.record.set("started", utc_text(started_));
    release.record.set("ended", utc_text(this_second()));
    return release;
  }

  [[nodiscard]] Json provenance() const {
    const Provenance& from = inputs_.from;
    Json record = Json::object();
    record.set("action", inputs_.command);
    record.set("branch", from.branch);
    record.set("repository", from.repository);
    record.set("actor", from.actor);
    record.set("run-url", from.run_url);
    record.set("reason", inputs_.reason);
    return record;
  }

  // The release that was left is what is not wanted again.
  [[nodiscard]] Json hold_record(const StackRelease* left) const {
    Json hold = provenance();
    hold.set("held", history_.current);
    hold.set("commit", left == nullptr ? std::string() : left->commit);
    hold.set("commit-time", left == nullptr ? std::string() : left->record.text_of("commit-time"));
    return hold;
  }

  // Of what was read when the state was written. What stays is removed by the next deploy.
  void remove_old(const Budget& limit) {
    std::vector<EngineRequest> requests;
    for (const StackRelease* release : history_.dispensable()) {
      requests.push_back(
          {.method = "DELETE", .path = "/configs/" + percent_encoded(release->config)});
    }
    (void)engine_.ask_all(limit, requests);
  }

  // All is well without: what stays is found again by the next deploy.
  void remove_leftovers(const Budget& limit) {
    const std::vector<NamedObject>& leftovers = prepared_.plan.leftovers;
    if (leftovers.empty()) return;
    context_.reporter.info(fmt::format(
        "Removing {} networks, secrets and configs that nothing needs any more", leftovers.size()));
    auto removed = remove_objects(limit, engine_, leftovers);
    if (removed) removed = wait_for_networks(limit, engine_, leftovers);
    if (removed) return;
    context_.reporter.warning(
        Warning{"Stack", fmt::format("{}; the next deploy that changes something tries it again",
                                     removed.error().message)});
  }

  // --- what becomes of it ---

  Result<ReleaseRun> ended(const std::string& outcome, Error error) {
    StackRun done;
    done.outcome = outcome;
    done.error = std::move(error);
    return told(std::move(done));
  }

  Result<ReleaseRun> told(StackRun done) {
    done.release = release_;
    done.previous = previous_;
    if (inputs_.preview) done.facts = preview_facts();
    return ReleaseRun{std::move(prepared_.plan), std::move(done)};
  }

  [[nodiscard]] std::vector<std::pair<std::string, std::string>> preview_facts() const {
    const PreviewPlan& plan = *inputs_.preview;
    return {{contract::preview, plan.preview.slug},
            {contract::stack, inputs_.stack},
            {contract::hostname, plan.hostname},
            {contract::url, plan.hostname.empty() ? std::string() : "https://" + plan.hostname},
            {contract::expires, expires_}};
  }

  // From when it begins to write, what it waited for another one does not count.
  [[nodiscard]] Budget budget() const { return Budget::of(inputs_.timeout, context_.stop); }
  // For what has to be done after a cancel, too.
  [[nodiscard]] Budget farewell() const {
    return Budget::of(context_.stop.stop_requested() ? cancelled_limit : record_limit);
  }
  void warn(const std::string& text) { context_.reporter.warning(Warning{"History", text}); }

  ToolContext& context_;
  Engine& engine_;
  const ReleaseInputs& inputs_;
  const Prepare& prepare_;
  const bool is_rollback_;
  PreparedRelease prepared_;
  StackHistory history_;
  std::string release_;
  std::string previous_;
  std::string baseline_;
  std::string unfinished_before_;
  std::string ended_hold_;
  std::string expires_;  // of the preview
  UtcTime started_;
};

}  // namespace

std::vector<Option> release_options() {
  const std::string waiting = "Waiting";
  std::vector<Option> options{
      {.name = "lock-wait",
       .type = OptionType::duration,
       .default_value = "15m",
       .help = "How long to wait for another deploy of the same stack",
       .group = waiting},
      {.name = "wait",
       .type = OptionType::boolean,
       .default_value = "true",
       .help = "Wait until all services run as asked for; false ends when they are written, and "
               "nothing is taken back",
       .group = waiting},
  };
  for (Option& option :
       waiting_options("How long all of it may take, once it has not to wait for another deploy")) {
    if (option.name == "settle") {
      option.help +=
          "; unless given, as long as the longest monitor of an update where that is longer";
    }
    options.push_back(std::move(option));
  }
  options.push_back(
      {.name = "on-failure",
       .type = OptionType::choice,
       .default_value = "rollback",
       .help = "What becomes of the stack when a service fails: all services as they were before, "
               "or left as they are",
       .choices = {"rollback", "leave"},
       .group = waiting});
  options.push_back({.name = "rollback-timeout",
                     .type = OptionType::duration,
                     .default_value = "5m",
                     .help = "How long it may take until the stack is as it was before",
                     .group = waiting});
  return options;
}

ReleaseInputs read_release_inputs(const ToolContext& context, const Inputs& inputs) {
  ReleaseInputs out;
  out.command = inputs.command();
  out.stack = inputs.text("stack");
  out.from = read_provenance(context);
  out.timeout = inputs.duration("timeout");
  out.lock_wait = inputs.duration("lock-wait");
  out.rules.wait = inputs.flag("wait");
  out.rules.settle = inputs.duration("settle");
  out.settles_by_monitor = !inputs.has("settle");
  out.rules.health = read_health_rules(inputs);
  out.rules.roll_back = inputs.text("on-failure") == "rollback";
  out.rules.rollback_timeout = inputs.duration("rollback-timeout");
  return out;
}

Result<ReleaseRun> run_release(ToolContext& context, Engine& engine, const ReleaseInputs& inputs,
                               const Prepare& prepare) {
  return Releasing(context, engine, inputs, prepare).run();
}

Result<int> tell_release(ToolContext& context, const ReleaseInputs& inputs, const ReleaseRun& done,
                         Clock::time_point start) {
  tell_run(context, inputs.command, inputs.stack, done.plan, done.run, start);
  if (done.run.error) return *done.run.error;
  context.reporter.info(
      fmt::format("{}: {}{}", inputs.stack, done.run.outcome,
                  done.run.release.empty() ? "" : ", release " + done.run.release));
  return 0;
}

}  // namespace pca::swarm_deploy
