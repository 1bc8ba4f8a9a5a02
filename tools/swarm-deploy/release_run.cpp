#include "swarm-deploy/release_run.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "base/text.hpp"
#include "base/utc_time.hpp"
#include "deploy/release_records.hpp"
#include "swarm-deploy/run_report.hpp"
#include "swarm-deploy/stack_lock.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr Milliseconds record_limit{30'000};
constexpr Milliseconds cancelled_limit{1000};  // what is left of a cancelled step's 7 s
constexpr double fresh_ms = 2000;              // a plan older than that is made again
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
    PCA_CHECK(prepare_again(ms_since(asked) > fresh_ms));
    choose_name();
    if (is_held()) return held();
    if (!needs_lock()) return unchanged();
    if (auto begun = begin(); !begun) return ended("failed", begun.error());
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
    tell_plan(context_.reporter, prepared_.plan);
    return check_plan(prepared_.plan);
  }

  // Until the lock was ours somebody else may have written.
  Result<> prepare_again(bool has_waited) {
    PCA_TRY(StackHistory now, read_history(budget(), engine_, inputs_.stack));
    const bool is_like = now.is_like(history_);
    if (is_like && has_waited) return prepare();  // rm leaves no history
    if (is_like) {
      history_ = std::move(now);
      return {};
    }
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
    return told(execute_plan(budget(), engine_, context_.reporter, inputs_.stack, prepared_.plan,
                             prepared_.state, rules));
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

  // What a later rollback needs to know even when nobody comes to the end of this.
  Result<> begin() {
    const Budget limit = budget().at_most(record_limit);
    if (!is_rollback_ && history_.releases.empty() && !prepared_.state.services.empty()) {
      keep_baseline(limit);
      choose_name();
    }
    check_size();
    unfinished_before_ = history_.unfinished;
    // What is newer than the held commit ends the hold; the current one, deployed again, does not,
    // and neither is one ended that came meanwhile.
    if (!is_rollback_ && history_.hold && !is_current_commit()) ended_hold_ = history_.hold->dump();
    PCA_CHECK(change_state(limit, engine_, inputs_.stack, history_, [&](StackHistory& history) {
      if (!baseline_.empty()) history.current = baseline_;
      if (history.unfinished.empty()) history.unfinished = release_;
    }));
    previous_ = history_.current;
    return {};
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
      return is_rollback_ ? record_rollback(limit) : record_deploy(limit);
    }
    if (!is_rollback_ && (done.has_written || done.outcome == "rolled-back")) {
      PCA_CHECK(keep_release(limit, engine_, inputs_.stack, this_release(done.outcome)));
    }
    if (done.has_written) return {};  // and stays unfinished
    return change_state(limit, engine_, inputs_.stack, history_,
                        [&](StackHistory& history) { history.unfinished = unfinished_before_; });
  }

  Result<> record_deploy(const Budget& limit) {
    StackRelease release = this_release("deployed");
    PCA_TRY(const StackParts parts, read_parts(limit, engine_, inputs_.stack, prepared_.networks));
    PCA_TRY(release.data, pack(parts));
    PCA_CHECK(keep_release(limit, engine_, inputs_.stack, release));
    PCA_CHECK(change_state(limit, engine_, inputs_.stack, history_, [&](StackHistory& history) {
      history.current = release_;
      history.unfinished.clear();
      if (history.hold && history.hold->dump() == ended_hold_) history.hold.reset();
    }));
    remove_old(limit);
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
    if (target != nullptr && !target->is_good()) {
      PCA_CHECK(mark_release(limit, engine_, inputs_.stack, *target, "deployed"));
    }
    return change_state(limit, engine_, inputs_.stack, history_, [&](StackHistory& history) {
      history.current = release_;
      history.unfinished.clear();
      if (!hold.is_null()) history.hold = hold;
    });
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

  void remove_old(const Budget& limit) {
    auto now = read_history(limit, engine_, inputs_.stack);
    if (!now) return;  // the next deploy removes them
    std::vector<EngineRequest> requests;
    for (const StackRelease* release : now->dispensable()) {
      requests.push_back(
          {.method = "DELETE", .path = "/configs/" + percent_encoded(release->config)});
    }
    (void)engine_.ask_all(limit, requests);
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
    return ReleaseRun{std::move(prepared_.plan), std::move(done)};
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
  UtcTime started_;
};

}  // namespace

std::vector<Option> release_options() {
  const std::string waiting = "Waiting";
  return {
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
      {.name = "timeout",
       .type = OptionType::duration,
       .default_value = "10m",
       .help = "How long all of it may take, once it has not to wait for another deploy",
       .group = waiting},
      {.name = "settle",
       .type = OptionType::duration,
       .default_value = "5s",
       .help = "How long all services must stay well, once for all of them",
       .group = waiting},
      {.name = "max-task-failures",
       .type = OptionType::integer,
       .default_value = "3",
       .help = "A service has failed when so many of its new tasks have",
       .least = 1,
       .most = 100,
       .group = waiting},
      {.name = "scheduling-timeout",
       .type = OptionType::duration,
       .default_value = "30s",
       .help = "A service has failed when no node takes a task for so long",
       .group = waiting},
      {.name = "on-failure",
       .type = OptionType::choice,
       .default_value = "rollback",
       .help = "What becomes of the stack when a service fails: all services as they were before, "
               "or left as they are",
       .choices = {"rollback", "leave"},
       .group = waiting},
      {.name = "rollback-timeout",
       .type = OptionType::duration,
       .default_value = "5m",
       .help = "How long it may take until the stack is as it was before",
       .group = waiting},
  };
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
  out.rules.health = {inputs.integer("max-task-failures"), inputs.duration("scheduling-timeout")};
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
