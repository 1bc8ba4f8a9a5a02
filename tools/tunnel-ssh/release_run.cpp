#include "tunnel-ssh/release_run.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>

#include "base/text.hpp"
#include "deploy/release_records.hpp"
#include "deploy/runner_command.hpp"
#include "tunnel-ssh/batches.hpp"
#include "tunnel-ssh/connection.hpp"
#include "tunnel-ssh/health.hpp"
#include "tunnel-ssh/release_folder.hpp"
#include "tunnel-ssh/release_hooks.hpp"
#include "tunnel-ssh/rendezvous.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr Milliseconds revert_limit{5000};  // a cancelled job has little more
constexpr Milliseconds unlock_limit{5000};  // of a host that is slow, where nobody hurries us
// After a cancel, the rollback hook of the runner's included.
constexpr Milliseconds clean_up_limit{6000};
// Restart and health may take so much more than the health check alone, and the host waits so much
// longer again before it goes back by itself. In all less than a minute.
constexpr Milliseconds restart_allowance{30'000};
constexpr Milliseconds revert_slack{20'000};
constexpr Milliseconds confirm_limit{20'000};
constexpr Milliseconds lock_poll{2000};
constexpr const char* waiting_for_others = "waiting for the other hosts";

constexpr std::array<std::string_view, 7> outcomes{"unchanged", "planned",     "deployed", "held",
                                                   "failed",    "rolled-back", "unknown"};

std::ptrdiff_t gravity(const HostRelease& host) {
  return std::find(outcomes.begin(), outcomes.end(), host.outcome) - outcomes.begin();
}

// What all workers of a run share; read-only but for what is thread safe.
struct Shared {
  ToolContext& context;
  const ReleaseInputs& inputs;
  const std::optional<FileTree>& tree;  // of a deploy
  const Clock::time_point began;
  Rendezvous rendezvous;
  Turns turns;
  StartGate gate{starts_at_once};
  std::mutex mutex{};
  std::set<std::string> targets{};  // of a rollback; under the mutex
};

// Of all hosts together, with what it prints in the log.
Result<> run_runner_hook(const Budget& budget, ToolContext& context, const ReleaseInputs& inputs,
                         Moment moment, SshSession* session, const std::string& release,
                         const std::string& previous) {
  std::vector<std::string> hosts;
  for (const HostAddress& host : inputs.connection.hosts) hosts.push_back(host.text());
  Environment environment = context.environment;
  environment["RELEASE"] = release;
  environment["RELEASE_PREVIOUS"] = previous;
  environment["RELEASE_PATH"] = fmt::format("{}/releases/{}", inputs.path, release);
  environment["RELEASE_HOST"] = join(hosts, " ");
  environment["RELEASE_COMMIT"] = inputs.provenance.commit;
  if (inputs.preview) environment["RELEASE_PREVIEW"] = inputs.preview->preview.slug;
  const auto output = context.reporter.remote("runner: ");
  const Budget limit = budget.at_most(inputs.hooks.limit);
  const auto show = [&](std::string_view text) { output->feed(text); };
  Result<> ran = run_on_runner(limit, session, show, inputs.hooks.runner_at(moment), environment);
  output->finish();
  if (ran || ran.error().kind == ErrorKind::cancelled) return ran;
  return failed(fmt::format("runner-{} {}", hook_name(moment),
                            limit.is_over() ? "did not end in time" : ran.error().message));
}

// One host's way through the run, in a thread of its own.
class Worker {
 public:
  Worker(Shared& shared, std::size_t index, std::string release, HostRelease& result)
      : shared_(shared),
        index_(index),
        release_(std::move(release)),
        result_(result),
        host_(shared.inputs.connection.hosts[index]),
        budget_(Budget::of(shared.inputs.timeout, shared.context.stop)) {}

  void run() {
    Result<> ended = work_on_host();
    leave();
    if (!ended) fail(std::move(ended).error());
    if (session_) (void)session_->close(farewell());
  }
  [[nodiscard]] const std::string& release() const { return release_; }

 private:
  [[nodiscard]] bool is_deploy() const { return shared_.tree.has_value(); }

  Result<> work_on_host() {
    PCA_CHECK(phase("connect", [&] { return connect(); }));
    PCA_TRY(RemoteShell shell,
            RemoteShell::start(budget_, *session_, shared_.inputs.become, result_.host));
    ReleaseFolder folder(shell, shared_.inputs.path, shared_.inputs.timeout);
    Result<> done = work(folder);
    // Its end undoes what was not confirmed, and unlocks: the next deploy may come at once. It ends
    // by itself where this cannot be awaited.
    if (shell.is_busy()) {
      (void)shell.terminate(Budget::of(revert_limit));  // it would wait for the user's command
    } else {
      (void)shell.end(budget_.is_cancelled() ? farewell() : Budget::of(unlock_limit));
    }
    return done;
  }

  // The table of contents of a deploy.
  Result<> work(ReleaseFolder& folder) {
    PCA_CHECK(check_preview(folder));
    PCA_CHECK(phase("lock", [&] { return lock(folder); }));
    PCA_CHECK(compare());
    if (shared_.inputs.dry_run) return end("planned");
    PCA_TRY(const bool is_same, is_unchanged(folder));
    PCA_TRY(const bool is_there, meet(Meeting::compared, is_same));
    if (is_there) {
      if (is_deploy() && is_preview()) PCA_CHECK(folder.renew(budget_, *shared_.inputs.preview));
      return end("unchanged");
    }
    PCA_CHECK(agree());
    folder.describe(release_, state_.current, result_.host, shared_.inputs.provenance.commit);
    PCA_CHECK(claim(folder));
    constexpr const char* unswitched = "nothing was switched, because another host failed";
    PCA_CHECK(hook(folder, Moment::check, "", budget_));
    PCA_CHECK(all_or_none(Meeting::checked, Moment::check, unswitched));
    PCA_CHECK(phase("stage", [&] { return stage(folder); }));
    if (is_deploy()) PCA_CHECK(hook(folder, Moment::stage, "releases/" + release_, budget_));
    PCA_CHECK(all_or_none(Meeting::staged, Moment::stage, unswitched));
    return bring_to_life(folder);
  }

  // Runs a command of the user's on the host, and shows what it prints.
  Result<> command(ReleaseFolder& folder, const char* name, const std::string& place,
                   const std::string& code, const Budget& budget, Milliseconds limit) {
    if (code.empty()) return {};
    return phase(name, [&]() -> Result<> {
      PCA_TRY(const CommandCheck ran, folder.command(budget, place, code, limit));
      show(ran.said);
      if (ran.is_good) return {};
      std::vector<std::string> lines = split_list(ran.said);
      if (lines.size() > 3) lines.erase(lines.begin(), lines.end() - 3);
      return failed(fmt::format("{}: {} {}{}", result_.host, name,
                                ran.code == 124 ? std::string("did not end in time")
                                                : fmt::format("ended with exit code {}", ran.code),
                                lines.empty() ? "" : ": " + visible(join(lines, "; "))));
    });
  }
  Result<> hook(ReleaseFolder& folder, Moment moment, const std::string& place,
                const Budget& budget) {
    const Hooks& hooks = shared_.inputs.hooks;
    return command(folder, hook_name(moment).c_str(), place, hooks.host_at(moment), budget,
                   hooks.limit);
  }

  void show(const std::string& said) {
    const auto output = shared_.context.reporter.remote(result_.host + ": ");
    output->feed(said);
    output->finish();
  }

  // Waits until all hosts have come as far, and for the runner's hook of that moment.
  Result<> all_or_none(Meeting meeting, std::optional<Moment> moment, const char* otherwise) {
    PCA_TRY(bool are_all_good, meet(meeting, true));
    if (are_all_good && moment && !shared_.inputs.hooks.runner_at(*moment).empty()) {
      const Result<> ran = index_ == 0 ? hook_on_runner(*moment) : Result<>();
      const auto approved = static_cast<Meeting>(static_cast<std::size_t>(meeting) + 1);
      if (!ran) return ran;
      PCA_TRY(are_all_good, meet(approved, true));
    }
    if (are_all_good) return {};
    result_.follows_another = true;
    return failed(fmt::format("{}: {}", result_.host, otherwise));
  }

  Result<> hook_on_runner(Moment moment) {
    const std::string name = "runner-" + hook_name(moment);
    return phase(name.c_str(), [&] {
      return run_runner_hook(budget_, shared_.context, shared_.inputs, moment, session_.get(),
                             release_, state_.current);
    });
  }

  Result<> connect() {
    auto place = shared_.gate.enter(host_.text(), shared_.context.stop);
    if (!place) return cancelled("cancelled while waiting to connect");
    const ConnectionSettings& connection = shared_.inputs.connection;
    PCA_TRY(session_, connect_ssh(connect_budget(connection, shared_.context.stop), connection,
                                  host_, log_observer(shared_.context.reporter, connection)));
    return {};
  }

  // One host after the other, so that two runs never wait for each other's.
  Result<> lock(ReleaseFolder& folder) {
    if (shared_.inputs.dry_run) return look(folder);
    PCA_CHECK(shared_.turns.wait_for(index_, wait_on()));
    const Budget patience = budget_.at_most(shared_.inputs.lock_wait);
    for (bool is_told = false;; is_told = true) {
      PCA_TRY(state_, folder.lock(budget_, owner()));
      if (state_.is_locked) {
        shared_.turns.pass(index_);
        return {};
      }
      if (patience.is_over()) {
        PCA_CHECK(budget_.check("waiting for the lock"));
        return conflict(
            fmt::format("{}: locked by {}", result_.host, visible(describe_lock(state_.lock))),
            "Wait for it, or end its lock with \"tunnel-ssh release unlock\" if it is gone.");
      }
      if (!is_told) {
        shared_.context.reporter.info(fmt::format("{}: waiting for another deploy, by {}",
                                                  result_.host,
                                                  visible(describe_lock(state_.lock))));
      }
      const auto next = std::min(patience.deadline(), Clock::now() + lock_poll);
      while (Clock::now() < next) {
        PCA_CHECK(session_->wait(budget_, {}, next, "waiting for the lock"));
      }
    }
  }

  Result<> look(ReleaseFolder& folder) {
    PCA_TRY(state_, folder.look(budget_));
    return {};
  }

  [[nodiscard]] bool is_preview() const { return shared_.inputs.preview.has_value(); }

  // Nobody takes another branch's preview, and only a deploy makes one.
  Result<> check_preview(ReleaseFolder& folder) {
    if (!is_preview()) return {};
    const Preview& ours = shared_.inputs.preview->preview;
    PCA_TRY(const auto there, folder.preview(budget_));
    if (!there && !is_deploy()) return no_preview(result_.host, ours.slug);
    if (!there || !is_deploy() || there->is_of(ours.repository, ours.branch)) return {};
    return conflict(fmt::format("{}: preview {} is branch {} of {}", result_.host, ours.slug,
                                shown(there->branch), visible(there->repository)),
                    "Give this branch a slug of its own, or reap that preview first.");
  }

  // From here on it can be reaped, whatever becomes of it.
  Result<> claim(ReleaseFolder& folder) {
    if (!is_preview()) return {};
    PreviewPlan plan = *shared_.inputs.preview;
    if (is_deploy()) {
      const Switch how = how_to_switch();
      PCA_TRY(ports_.free, folder.claim(budget_, plan, &how));
    } else {
      PCA_TRY(const auto there, folder.preview(budget_));
      if (!there) return no_preview(result_.host, plan.preview.slug);
      plan.preview = *there;
      plan.preview.commit = commit_of(release_);
      PCA_TRY(ports_.free, folder.claim(budget_, plan, nullptr));
    }
    result_.port = ports_.free;
    return {};
  }

  // What this run means here; refuses what must not be.
  Result<> compare() {
    result_.previous = state_.current;
    if (!is_deploy()) return choose_target();
    if (is_refused() && !is_current_commit()) {
      result_.outcome = "held";
      return conflict(fmt::format("{}: {}", result_.host, visible(describe_hold(*state_.hold))),
                      "Deploy a newer commit, or end the hold with \"tunnel-ssh release unhold\".");
    }
    PCA_TRY(result_.difference,
            plan_sync(*shared_.tree, state_.tree,
                      {.filter = {}, .delete_others = true, .delete_limit = 1.0}));
    result_.changes = describe(result_.difference, state_.tree);
    return {};
  }

  // See actions/host-rollback.
  [[nodiscard]] bool is_refused() const {
    if (!state_.hold) return false;
    std::vector<std::string> commits;
    for (const HistoryEntry& entry : state_.history) commits.push_back(entry.commit);
    return hold_refuses(*state_.hold, commits, shared_.inputs.provenance);
  }
  [[nodiscard]] bool is_current_commit() const {
    const std::string commit = commit_of(state_.current);
    return !commit.empty() && commit == shared_.inputs.provenance.commit;
  }
  // By the history; empty when that does not know.
  [[nodiscard]] std::string commit_of(std::string_view release) const {
    for (auto entry = state_.history.rbegin(); entry != state_.history.rend(); ++entry) {
      if (entry->release == release && !entry->commit.empty()) return entry->commit;
    }
    return {};
  }

  Result<> choose_target() {
    if (release_.empty()) release_ = state_.rollback_target();
    if (release_.empty()) {
      return failed(result_.host + ": there is no earlier release that was healthy",
                    "\"tunnel-ssh release list\" shows what is there.");
    }
    const bool is_there = std::find(state_.releases.begin(), state_.releases.end(), release_) !=
                          state_.releases.end();
    const std::lock_guard lock(shared_.mutex);
    shared_.targets.insert(release_);
    if (is_there) return {};
    return failed(fmt::format("{}: there is no release {}", result_.host, release_),
                  "\"tunnel-ssh release list\" shows what is there.");
  }

  // Hosts with different histories must not come to run different releases.
  [[nodiscard]] Result<> agree() const {
    const std::lock_guard lock(shared_.mutex);
    if (shared_.targets.size() <= 1) return {};
    return failed(fmt::format("{}: the hosts have different earlier releases: {}", result_.host,
                              fmt::join(shared_.targets, ", ")),
                  "Say which one is meant with --to.");
  }

  Result<bool> is_unchanged(ReleaseFolder& folder) {
    if (state_.current.empty()) return false;
    if (!is_deploy()) return release_ == state_.current;
    if (!result_.difference.is_empty() || !state_.is_good(state_.current)) return false;
    const bool may_have_secrets = has_secrets(state_.current) || !shared_.inputs.secrets.empty();
    if (!may_have_secrets) return true;
    return folder.has_secrets(budget_, shared_.inputs.secrets);
  }

  // By the history: whether it was deployed with some.
  [[nodiscard]] bool has_secrets(std::string_view release) const {
    return std::any_of(
        state_.history.begin(), state_.history.end(), [&](const HistoryEntry& entry) {
          return entry.release == release && entry.json.find("secret-files") != nullptr;
        });
  }

  Result<> stage(ReleaseFolder& folder) {
    if (!is_deploy()) return {};
    NewRelease fresh{
        release_,       *shared_.tree, {}, {}, shared_.inputs.shared, shared_.inputs.secrets,
        state_.has_gzip};
    std::unordered_map<std::string_view, const TreeEntry*> there;
    for (const TreeEntry& entry : state_.tree) there.emplace(entry.path, &entry);
    for (const TreeEntry& entry : fresh.tree) {
      const auto found = there.find(entry.path);
      const bool is_linked = entry.kind == EntryKind::file && found != there.end() &&
                             found->second->kind == EntryKind::file &&
                             found->second->digest == entry.digest &&
                             found->second->is_executable == entry.is_executable;
      if (is_linked) {
        fresh.linked.push_back(entry.path);
      } else {
        fresh.uploads.push_back(entry);
      }
    }
    return folder.stage(budget_, fresh, [&](std::uint64_t sent, std::uint64_t all) {
      shared_.context.reporter.progress(
          fmt::format("{}: sent {} of {}", result_.host, rounded_size(sent), rounded_size(all)));
    });
  }

  Result<> bring_to_life(ReleaseFolder& folder) {
    Result<> alive = become_healthy(folder);
    if (!alive) {
      leave();
      return go_back(folder, std::move(alive).error());
    }
    auto confirmed = phase("confirm", [&] { return confirm(folder); });
    if (confirmed) {
      if (!ports_.live.empty()) end_old_instance(folder);
      prune(folder);
      return end("deployed");
    }
    if (confirmed.error().kind != ErrorKind::unreachable) return confirmed;
    return outcome_unknown(
        fmt::format("{}: the connection broke when {} was confirmed: {}", result_.host, release_,
                    confirmed.error().message),
        "The host runs it, or went back by itself: \"tunnel-ssh release list\" shows which.");
  }

  // Gives the error that made it necessary, or a graver one.
  Error go_back(ReleaseFolder& folder, Error why) {
    if (!result_.follows_another && why.kind == ErrorKind::failed) show_log(folder);
    const auto reverted = phase("revert", [&]() -> Result<> {
      const std::stop_token& stop = shared_.context.stop;
      auto said = stop.stop_requested()
                      ? folder.revert(Budget::of(revert_limit))
                      : folder.revert(Budget::of(restart_allowance + rollback_limit(), stop));
      // It was cancelled meanwhile: what is left is to see that the host does it.
      if (!said && said.error().kind == ErrorKind::cancelled) {
        said = folder.revert(Budget::of(revert_limit));
      }
      if (!said) return std::move(said).error();
      show(*said);
      return {};
    });
    if (!reverted) {
      result_.outcome = "unknown";
      return outcome_unknown(
          fmt::format("{}; and going back failed: {}", why.message, reverted.error().message),
          fmt::format("The host goes back to {} by itself within {}, unless that fails too.",
                      result_.previous.empty() ? "no release" : result_.previous,
                      format_duration(patience())));
    }
    result_.outcome = "rolled-back";
    if (why.kind == ErrorKind::cancelled) return why;
    return Error{ErrorKind::rolled_back, why.message, why.hint, false};
  }

  [[nodiscard]] Milliseconds patience() const {
    return shared_.inputs.health.timeout + restart_allowance + revert_slack;
  }
  // For the hook of a revert, which the host runs when nobody is there as well.
  [[nodiscard]] Milliseconds rollback_limit() const {
    const Hooks& hooks = shared_.inputs.hooks;
    return hooks.host_at(Moment::rollback).empty() ? Milliseconds{0} : hooks.limit;
  }

  Result<> become_healthy(ReleaseFolder& folder) {
    const ReleaseInputs& inputs = shared_.inputs;
    const Budget limit = budget_.at_most(inputs.health.timeout + restart_allowance);
    constexpr const char* ill = "another host was not healthy";
    if (is_blue_green()) {
      PCA_CHECK(start_beside(folder, limit));
      PCA_CHECK(all_or_none(Meeting::started, {}, ill));
    }
    PCA_CHECK(phase("switch", [&] { return folder.switch_to(limit, how_to_switch()); }));
    PCA_CHECK(hook(folder, Moment::switched, "current", limit));
    const auto restarted = Clock::now();
    if (!is_blue_green()) {
      PCA_CHECK(command(folder, "restart", "current", inputs.restart, limit, limit.left()));
    }
    PCA_CHECK(command(folder, "route-reload", "current", inputs.blue_green.route.reload, limit,
                      limit.left()));
    if (!inputs.hooks.runner_at(Moment::switched).empty()) {
      PCA_CHECK(all_or_none(Meeting::switched, Moment::switched, ill));
    }
    PCA_CHECK(wait_for_health(folder, "health", health_through_route(), limit));
    if (!is_blue_green() && !inputs.restart.empty() && inputs.health.is_needed()) {
      result_.gap_ms =
          std::chrono::duration<double, std::milli>(healthy_since_ - restarted).count();
      result_.health += fmt::format("; a gap of {:.1f} s at most", result_.gap_ms / 1000);
    }
    PCA_CHECK(all_or_none(Meeting::healthy, {}, ill));
    PCA_CHECK(hook(folder, Moment::healthy, "current", limit));
    return all_or_none(Meeting::settled, Moment::healthy, ill);
  }

  [[nodiscard]] Switch how_to_switch() const {
    const ReleaseInputs& inputs = shared_.inputs;
    return {.release = release_,
            .previous = state_.current,
            .secrets = inputs.secrets,
            .restart = is_blue_green() ? std::string() : inputs.restart,  // the old one still runs
            .rollback_hook = inputs.hooks.host_at(Moment::rollback),
            .patience = patience(),
            .hook_limit = inputs.hooks.limit,
            .record = record("revert", "rolled-back"),
            .port = ports_.free,
            .is_beside = is_blue_green(),
            .stop = inputs.blue_green.stop,
            .route = inputs.blue_green.route};
  }

  [[nodiscard]] bool is_blue_green() const { return !shared_.inputs.blue_green.ports.empty(); }

  // Starts an instance on the port that the current one has not, and waits until it is healthy.
  Result<> start_beside(ReleaseFolder& folder, const Budget& limit) {
    const BlueGreen& two = shared_.inputs.blue_green;
    PCA_TRY(ports_, folder.look_at_ports(limit, two.ports));
    result_.port = ports_.free;
    if (ports_.has_left_over) {
      const auto stopped = stop_on(folder, ports_.free, limit);  // unless it has ended by itself
      if (!stopped && stopped.error().kind != ErrorKind::failed) return stopped;
    }
    PCA_CHECK(await_silence(limit));
    PCA_CHECK(folder.arm_beside(limit, how_to_switch()));
    PCA_CHECK(command(folder, "restart", "releases/" + release_, shared_.inputs.restart, limit,
                      limit.left()));
    HealthCheck health = shared_.inputs.health;
    health.port = static_cast<std::uint16_t>(std::stoi(ports_.free));
    const bool is_its_own = health.url.find(port_mark) != std::string::npos;
    health.url = is_its_own ? with_value(health.url, port_mark, ports_.free) : std::string();
    return wait_for_health(folder, "start", health, limit);
  }

  // What is left to check when all is switched.
  [[nodiscard]] HealthCheck health_through_route() const {
    HealthCheck health = shared_.inputs.health;
    if (is_preview() && !ports_.free.empty()) {
      health.url = with_value(health.url, port_mark, ports_.free);
      if (health.port != 0) health.port = static_cast<std::uint16_t>(std::stoi(ports_.free));
    }
    if (!is_blue_green()) return health;
    health.command.clear();
    if (health.url.find(port_mark) != std::string::npos) health.url.clear();
    return health;
  }

  // The checks must not meet what somebody else has there.
  Result<> await_silence(const Budget& limit) {
    const Budget patience = limit.at_most(restart_allowance / 3);
    const auto port = static_cast<std::uint16_t>(std::stoi(ports_.free));
    for (;;) {
      const auto taken = session_->open_tcp(patience, "127.0.0.1", port);
      if (!taken && taken.error().kind == ErrorKind::failed) return {};
      if (patience.is_over()) break;
      if (!taken) return taken.error();
      const auto next = std::min(patience.deadline(), Clock::now() + Milliseconds{200});
      while (Clock::now() < next) PCA_CHECK(session_->wait(limit, {}, next, "waiting for a port"));
    }
    PCA_CHECK(limit.check("waiting for a port"));
    return failed(fmt::format("{}: port {} is taken", result_.host, ports_.free),
                  "It is one of ports, and nothing of this application is known there.");
  }

  Result<> stop_on(ReleaseFolder& folder, const std::string& port, const Budget& budget) {
    const std::string code = fmt::format("export PORT={0}\n({1}\n) && rm -f -- ports/{0}", port,
                                         shared_.inputs.blue_green.stop);
    return command(folder, "stop", "", code, budget, restart_allowance);
  }

  // Too late to go back for; what is left over is ended by the next deploy.
  void end_old_instance(ReleaseFolder& folder) {
    const auto drained = Clock::now() + shared_.inputs.blue_green.drain;
    Result<> ended;
    while (ended && Clock::now() < drained) {
      const auto waited = session_->wait(budget_, {}, drained, "draining the old instance");
      if (!waited) ended = waited.error();
    }
    if (ended) ended = stop_on(folder, ports_.live, budget_);
    if (!ended) {
      shared_.context.reporter.warning(
          fmt::format("{}: the old instance on port {} may still run: {}", result_.host,
                      ports_.live, ended.error().message));
    }
  }

  Result<> wait_for_health(ReleaseFolder& folder, const char* name, const HealthCheck& health,
                           const Budget& limit) {
    return phase(name, [&] { return wait_for_health(folder, health, limit); });
  }
  Result<> wait_for_health(ReleaseFolder& folder, const HealthCheck& health, const Budget& limit) {
    if (is_blue_green() && !health.is_needed()) return {};  // it was before the switch
    auto evidence = wait_until_healthy(
        limit, *session_,
        [&](const Budget& budget, const std::string& code, Milliseconds most) {
          return folder.command(budget, "releases/" + release_, code, most);
        },
        health);
    if (!evidence) {
      Error error = std::move(evidence).error();
      if (error.kind == ErrorKind::failed) error.message = result_.host + ": " + error.message;
      return error;
    }
    result_.health = std::move(evidence->text);
    healthy_since_ = evidence->since;
    return {};
  }

  void show_log(ReleaseFolder& folder) {
    if (shared_.inputs.log_command.empty()) return;
    auto shown = folder.command(budget_.at_most(Milliseconds{5000}), "releases/" + release_,
                                shared_.inputs.log_command, Milliseconds{3000});
    if (!shown) return;
    result_.last_log_lines = shown->said;
    show(shown->said);
  }

  // Not to be cancelled: whether the host keeps the release must be known.
  Result<> confirm(ReleaseFolder& folder) {
    std::optional<Json> hold;
    if (is_deploy()) {
      if (state_.hold) hold = Json();  // what is newer than the held commit ends the hold
    } else if (shared_.inputs.sets_hold && release_ != state_.current) {
      hold = hold_record();
    }
    return folder.confirm(Budget::of(confirm_limit),
                          record(is_deploy() ? "deploy" : "rollback", "deployed"), hold);
  }

  // What is left over is deleted by the next deploy.
  void prune(ReleaseFolder& folder) {
    if (!is_deploy()) return;
    ReleaseState after = state_;
    after.releases.push_back(release_);
    std::sort(after.releases.begin(), after.releases.end());
    const auto old = after.dispensable(shared_.inputs.keep, release_, state_.current);
    if (old.empty()) return;
    const auto pruned = phase("prune", [&] { return folder.clean(budget_, old, false); });
    if (pruned) return;
    shared_.context.reporter.warning(
        fmt::format("{}: old releases are left: {}", result_.host, pruned.error().message));
  }

  // The release that was left is what is not wanted again.
  [[nodiscard]] Json hold_record() const {
    Json hold = record("rollback", "held");
    std::string commit;
    for (const HistoryEntry& entry : state_.history) {
      if (entry.release != state_.current || entry.action != "deploy") continue;
      commit = entry.commit;
      if (const Json* time = entry.json.find("commit-time"); time != nullptr) {
        hold.set("commit-time", *time);
      }
    }
    hold.set("commit", commit);
    hold.set("held", state_.current);
    return hold;
  }

  Result<> end(std::string_view outcome) {
    result_.outcome = outcome;
    return {};
  }

  // For history.jsonl; the host adds the time.
  [[nodiscard]] Json record(std::string_view action, std::string_view result) const {
    const Provenance& from = shared_.inputs.provenance;
    Json json = Json::object();
    json.set("action", action);
    json.set("release", release_);
    json.set("previous", state_.current);
    json.set("result", result);
    json.set("commit", is_deploy() ? from.commit : std::string());
    json.set("commit-time", is_deploy() ? from.commit_time : std::string());
    if (is_deploy() && !from.revert_of.empty()) json.set("revert-of", from.revert_of);
    json.set("branch", from.branch);
    json.set("repository", from.repository);
    json.set("actor", from.actor);
    json.set("run-url", from.run_url);
    if (!shared_.inputs.reason.empty()) json.set("reason", shared_.inputs.reason);
    if (!result_.health.empty()) json.set("health", result_.health);
    if (!shared_.inputs.secrets.empty()) {
      json.set("secret-files", std::uint64_t{shared_.inputs.secrets.size()});
    }
    return json;
  }
  [[nodiscard]] Json owner() const {
    Json json = Json::object();
    json.set("release", release_);
    json.set("actor", shared_.inputs.provenance.actor);
    json.set("run-url", shared_.inputs.provenance.run_url);
    return json;
  }

  [[nodiscard]] WaitOn wait_on() const {
    return [this](int fd) -> Result<> {
      const std::array handle{PollHandle{fd, POLLIN}};
      for (;;) {
        PCA_TRY(const std::vector<short> ready,
                session_->wait(budget_, handle, budget_.deadline(), waiting_for_others));
        if (!ready.empty() && (ready[0] & POLLIN) != 0) return {};
      }
    };
  }

  Result<bool> meet(Meeting meeting, bool is_good) {
    next_meeting_ = static_cast<std::size_t>(meeting) + 1;
    return shared_.rendezvous.meet(meeting, is_good, wait_on());
  }

  // Nobody waits for a host that failed.
  void leave() {
    shared_.turns.pass(index_);
    if (next_meeting_ < meetings) shared_.rendezvous.leave(static_cast<Meeting>(next_meeting_));
    next_meeting_ = meetings;
  }

  void fail(Error error) {
    if (result_.outcome != "held" && result_.outcome != "unknown" &&
        result_.outcome != "rolled-back") {
      result_.outcome = error.kind == ErrorKind::outcome_unknown ? "unknown" : "failed";
    }
    result_.error = std::move(error);
  }

  template <typename Work>
  Result<> phase(const char* name, Work&& work) {
    const double start = ms_since(shared_.began);
    Result<> ended = work();
    result_.phases.push_back({name, start, ms_since(shared_.began) - start});
    return ended;
  }

  Shared& shared_;
  const std::size_t index_;
  std::string release_;
  HostRelease& result_;
  const HostAddress& host_;
  const Budget budget_;
  std::unique_ptr<SshSession> session_;
  ReleaseState state_;
  ReleaseFolder::Ports ports_;  // with blue-green
  Clock::time_point healthy_since_;
  std::size_t next_meeting_ = 0;
};

}  // namespace

std::string ReleaseRun::outcome() const {
  return std::max_element(
             hosts.begin(), hosts.end(),
             [](const HostRelease& a, const HostRelease& b) { return gravity(a) < gravity(b); })
      ->outcome;
}

std::optional<Error> ReleaseRun::error() const {
  const HostRelease* worst = nullptr;
  std::vector<std::string> names;
  for (const HostRelease& host : hosts) {
    if (!host.error) continue;
    names.push_back(host.host);
    const bool is_graver = worst == nullptr || gravity(host) > gravity(*worst);
    // Of equals the one that says the cause, not the one that had to go back with it.
    const bool is_cause = worst != nullptr && gravity(host) == gravity(*worst) &&
                          worst->follows_another && !host.follows_another;
    if (is_graver || is_cause) worst = &host;
  }
  if (worst == nullptr) return std::nullopt;
  Error error = *worst->error;
  if (hosts.size() > 1) {
    error.message = fmt::format("{} ({} of {} hosts: {})", error.message, names.size(),
                                hosts.size(), join(names, ", "));
  }
  return error;
}

ReleaseRun run_release_everywhere(ToolContext& context, const ReleaseInputs& inputs,
                                  const std::optional<FileTree>& tree, const std::string& id) {
  const std::size_t count = inputs.connection.hosts.size();
  std::atomic<Clock::time_point> cancelled_at{Clock::time_point::max()};
  const std::stop_callback on_cancel(context.stop, [&] { cancelled_at = Clock::now(); });
  Shared shared{context, inputs, tree, Clock::now(), Rendezvous(count), Turns(count)};
  ReleaseRun run{.release = id, .hosts = std::vector<HostRelease>(count)};
  if (inputs.preview) run.preview = inputs.preview->preview.slug;
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < count; ++i) {
      run.hosts[i].host = inputs.connection.hosts[i].text();
      threads.emplace_back([&, i] {
        Worker worker(shared, i, id, run.hosts[i]);
        worker.run();
        if (i == 0 && id.empty()) run.release = worker.release();
      });
    }
  }
  const auto went_back =
      std::find_if(run.hosts.begin(), run.hosts.end(),
                   [](const HostRelease& host) { return host.outcome == "rolled-back"; });
  if (went_back != run.hosts.end() && !inputs.hooks.runner_at(Moment::rollback).empty()) {
    // Also after a cancel, which has ended all else.
    const bool is_cancelled = context.stop.stop_requested();
    const Budget limit = is_cancelled ? Budget(cancelled_at.load() + clean_up_limit, {})
                                      : Budget::of(inputs.hooks.limit, context.stop);
    const auto ran = run_runner_hook(limit, context, inputs, Moment::rollback, nullptr, run.release,
                                     went_back->previous);
    if (!ran && went_back->error) {
      went_back->outcome = "unknown";
      went_back->error = outcome_unknown(
          fmt::format("{}; and {}", went_back->error->message, ran.error().message));
    }
  }
  run.duration_ms = ms_since(shared.began);
  return run;
}

}  // namespace pca::tunnel_ssh
