#include "proxmox-deploy/deploy_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/backoff.hpp"
#include "base/percent.hpp"
#include "base/text.hpp"
#include "proxmox-deploy/property_string.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr Milliseconds rival_look{250};

class Deploying {
 public:
  Deploying(ToolContext& context, ProxmoxApi& api, const DeployInputs& inputs)
      : context_(context),
        api_(api),
        inputs_(inputs),
        spec_(inputs.spec),
        run_(context, api, inputs.run) {}

  GuestRun run() {
    GuestRun& out = run_.result();
    if (const auto done = forward(); !done) take_back(done.error());
    out.logs = run_.tasks().logs();
    return std::move(out);
  }

 private:
  ApiResult<> forward() {
    constexpr int most_tries = 20;
    for (int tries = 1;; ++tries) {
      PCA_TRY(const bool goes_on, prepare());
      if (!goes_on) return {};
      run_.begin_budget();
      release_ = make_release_id(inputs_.run.from.commit, spec_.digest());
      run_.result().release = release_;
      auto locked = run_.lock(state_, release_);
      if (locked) break;
      // Somebody else was faster: he is waited for.
      if (locked.error().trouble != Trouble::changed || tries == most_tries) return locked;
    }
    has_written_ = state_.active.has_value();
    return deploy();
  }

  // Whether there is something to do.
  ApiResult<bool> prepare() {
    if (inputs_.is_plan) {
      PCA_TRY(state_, read_app_state(run_.budget(), api_, spec_.app));
    } else {
      PCA_TRY(state_, run_.read_unlocked());
    }
    GuestRun& out = run_.result();
    out.warnings = state_.left_alone;
    // Beside it a second guest would be active, without its lock, hold and history.
    if (!state_.active && !state_.refused_active.empty()) {
      return {ApiFailure(
          conflict(state_.refused_active + ", and it has the tag active",
                   "Undo what was changed about it, or take the tags of this application away."))};
    }
    make_the_plan();
    if (state_.active) out.previous = state_.active->record.release;
    for (const std::string& line : plan_.lines) context_.reporter.info(line);
    if (!plan_.mistakes.empty()) {
      return {
          ApiFailure(failed(fmt::format("the cluster cannot take this deploy; nothing was "
                                        "written:\n  {}",
                                        join(plan_.mistakes, "\n  "))))};
    }
    if (inputs_.is_plan) {
      out.outcome = "planned";
      return false;
    }
    if (plan_.is_unchanged) {
      PCA_TRY(const bool is_well, is_active_well());
      if (is_well) return false;
    }
    if (const auto held = run_.check_hold(state_); !held) {
      out.outcome = "held";
      return {ApiFailure(held.error())};
    }
    if (plan_.is_unchanged) make_the_plan(true);
    return true;
  }

  void make_the_plan(bool always = false) {
    plan_ = make_plan(
        spec_, inputs_.run.from, state_,
        {.keep = inputs_.run.rules.keep, .always = always, .switch_text = "the tag active moves"},
        api_.now());
    run_.result().plan = plan_.lines;
  }

  // Of the same revision already: whether it needs nothing but to be left alone.
  ApiResult<bool> is_active_well() {
    const OwnGuest& active = *state_.active;
    PCA_TRY(const std::string status, status_of(run_.budget(), api_, active.guest));
    GuestRun& out = run_.result();
    if (status == "running") {
      const auto up = run_.bring_up(
          active.guest, {active.config.macs(), spec_.fixed_address, active.config.has_agent, true});
      if (up) {
        out.guest = active.guest;
        out.release = active.record.release;
        out.previous = active.record.release;
        out.outcome = "unchanged";
        return true;
      }
      if (run_.budget().is_cancelled()) return up.error();
      context_.reporter.info(fmt::format("{}; another one is made", up.error().message));
    } else {
      context_.reporter.info(
          fmt::format("Guest {} is {}; another one is made", active.guest.text(), visible(status)));
    }
    out.ip.clear();
    return false;
  }

  ApiResult<> deploy() {
    GuestRun& out = run_.result();
    for (const Guest& guest : plan_.to_remove) {
      context_.reporter.info(
          fmt::format("Removing guest {}, which another run left half-made", guest.text()));
      PCA_CHECK(delete_own_guest(run_.budget(), api_, run_.tasks(), guest, spec_.app));
    }
    PCA_CHECK(run_.in_phase(spec_.is_container() ? "create" : "clone", [&] { return make(); }));
    PCA_CHECK(run_.in_phase("configure", [&] { return configure(); }));
    // Without an active guest there is no lock but what this one says.
    if (!state_.active) {
      api_.set_heartbeat(lock_renewal, [this] { (void)renew_claim().has_value(); });
    }
    if (!spec_.disks.empty()) PCA_CHECK(run_.in_phase("resize", [&] { return resize(); }));
    PCA_CHECK(run_.bring_data(state_, made_->guest, plan_.moves));
    // A VM's net0 that the inputs replace has another address by now.
    const bool knows_macs = spec_.is_container() || !sets("net0");
    AppRun::WayUp way{knows_macs ? made_->config.macs() : std::vector<std::string>(),
                      spec_.fixed_address, has_agent()};
    if (!inputs_.provision.empty()) {
      way.provision = [&] {
        return provision_guest(run_.budget(), context_, api_, made_->guest, inputs_.provision);
      };
    }
    PCA_CHECK(run_.bring_up(made_->guest, way));
    if (!state_.active) {
      PCA_CHECK(in_turn());
    }
    PCA_CHECK(run_.in_phase("switch", [&] { return switch_over(); }));
    out.outcome = "deployed";
    out.changed += state_.active ? 2 : 1;
    out.guest = made_->guest;
    run_.retire(state_, plan_.too_old);
    return {};
  }

  // --- the new guest ---

  // `lease`: how long it says that somebody works on it.
  [[nodiscard]] GuestRecord new_record(Milliseconds lease) const {
    GuestRecord record{.app = spec_.app,
                       .name = plan_.guest_name,
                       .release = release_,
                       .commit = inputs_.run.from.commit,
                       .spec = spec_.digest(),
                       .phase = std::string(phase_new),
                       .run = run_.token(),
                       .fresh = plan_.fresh};
    record.lock =
        lock_until(lock_owner(inputs_.run.from, inputs_.run.command, record.release, run_.token()),
                   api_.now(), lease);
    return record;
  }

  ApiResult<> make() {
    std::optional<ApiFailure> taken;
    for (const std::int64_t vmid : plan_.vmids) {
      made_ = OwnGuest{
          {.vmid = vmid, .type = spec_.type, .node = plan_.node, .name = plan_.guest_name}, {}, {}};
      context_.reporter.info(
          spec_.is_container()
              ? fmt::format("Making container {} of {}", made_->guest.text(), visible(spec_.source))
              : fmt::format("Cloning {} to guest {}", plan_.source.text(), made_->guest.text()));
      may_be_there_ = true;
      has_written_ = true;
      auto end = run_.tasks().run(run_.budget(),
                                  spec_.is_container() ? create_request(vmid) : clone_request(vmid),
                                  [&](const Upid& task) { making_task_ = task; });
      if (end) {
        making_task_.reset();
        return wait_until_made();
      }
      // One that time or a cancel cut off goes on by itself.
      if (!run_.budget().is_over()) making_task_.reset();
      if (end.error().trouble != Trouble::id_taken) return std::move(end).error();
      // Whose it is, it is not ours.
      may_be_there_ = false;
      made_.reset();
      taken = end.error();
      context_.reporter.info(
          fmt::format("The ID {} was taken in between; trying the next one", vmid));
    }
    return *taken;
  }

  [[nodiscard]] ApiRequest clone_request(std::int64_t vmid) {
    ApiRequest request{.method = "POST",
                       .path = guest_path(plan_.source.node, "qemu", plan_.source.vmid, "/clone"),
                       .node = plan_.source.node};
    Parameters& parameters = request.parameters;
    parameters = {
        {"newid", std::to_string(vmid)},
        {"name", plan_.guest_name},
        {"description", with_record(spec_.description, new_record(run_.budget().left()))}};
    if (plan_.is_full || spec_.clone == CloneKind::linked) {
      parameters.emplace_back("full", api_boolean(plan_.is_full));
    }
    if (plan_.node != plan_.source.node) parameters.emplace_back("target", plan_.node);
    if (plan_.is_full && !spec_.storage.empty()) parameters.emplace_back("storage", spec_.storage);
    if (!spec_.pool.empty()) parameters.emplace_back("pool", spec_.pool);
    // Its task is named after the template, as those of all other clones of it.
    request.find_done = find_what_we_made();
    return request;
  }

  // All that a container is to be is said in the call that makes it.
  [[nodiscard]] ApiRequest create_request(std::int64_t vmid) {
    ApiRequest request{.method = "POST",
                       .path = fmt::format("/nodes/{}/lxc", percent_encoded(plan_.node)),
                       .node = plan_.node,
                       .has_secrets = spec_.password != nullptr,
                       .find_done = find_what_we_made()};
    Parameters& parameters = request.parameters;
    parameters = {
        {"vmid", std::to_string(vmid)},
        {"ostemplate", spec_.source},
        {"hostname", plan_.guest_name},
        {"tags", join_tags(tags_of_new())},
        {"description", with_record(spec_.description, new_record(run_.budget().left()))}};
    parameters.insert(parameters.end(), spec_.config.begin(), spec_.config.end());
    for (std::size_t i = 0; i < spec_.data.size(); ++i) {
      const std::string key = fmt::format("mp{}", i);
      const DataPath& data = spec_.data[i];
      if (std::find(plan_.fresh.begin(), plan_.fresh.end(), key) == plan_.fresh.end()) continue;
      parameters.emplace_back(
          key, fmt::format("{}:{},mp={},backup=1", data.storage, data.gibibytes, data.path));
    }
    if (!spec_.pool.empty()) parameters.emplace_back("pool", spec_.pool);
    if (spec_.password != nullptr) {
      parameters.emplace_back("password", std::string(spec_.password->expose()));
    }
    return request;
  }

  [[nodiscard]] std::vector<std::string> tags_of_new() const {
    std::vector<std::string> tags = spec_.tags;
    tags.push_back(app_tag(spec_.app));
    tags.push_back(revision_tag(inputs_.run.from.commit, spec_.digest()));
    return tags;
  }

  // For ApiRequest::find_done of the call that makes the guest.
  [[nodiscard]] std::function<ApiResult<std::optional<Json>>(const Budget&)> find_what_we_made() {
    return [this](const Budget& budget) -> ApiResult<std::optional<Json>> {
      PCA_TRY(const bool is_there, is_made_by_us(budget));
      if (is_there) return std::optional<Json>(Json());
      return std::optional<Json>();
    };
  }

  // While it is being made, a clone is on the template's node, and a guest says nothing but that:
  // then the end is waited for.
  ApiResult<bool> is_made_by_us(const Budget& budget) {
    for (int look = 0;; ++look) {
      PCA_TRY(const auto config, find_made(budget));
      if (!config) return false;
      const auto record = parse_record(config->description);
      if (record) return record->app == spec_.app && record->run == run_.token();
      if (config->lock != "clone" && config->lock != "create") return false;
      if (const auto waited = pause_for(budget, look_pause(look)); !waited) {
        return {ApiFailure(waited.error())};
      }
    }
  }

  ApiResult<std::optional<GuestConfig>> find_made(const Budget& budget) {
    for (const std::string& node : std::set{made_->guest.node, plan_.source.node}) {
      if (node.empty()) continue;  // a container has no template
      Guest guest = made_->guest;
      guest.node = node;
      auto config = read_config(budget, api_, guest);
      if (config) return std::optional(*std::move(config));
      // A token with rights on a pool only may not ask for what is not there.
      const Trouble trouble = config.error().trouble;
      if (trouble != Trouble::gone && trouble != Trouble::right) return std::move(config).error();
    }
    return std::optional<GuestConfig>();
  }

  // It has its own UUID and MAC addresses from here on.
  ApiResult<> wait_until_made() {
    for (int look = 0;; ++look) {
      PCA_TRY(made_->config, read_config(run_.budget(), api_, made_->guest));
      if (made_->config.lock.empty()) break;
      if (const auto waited = pause_for(run_.budget(), look_pause(look)); !waited) {
        return {ApiFailure(run_.budget().check("waiting for the new guest").error())};
      }
    }
    if (spec_.is_container()) return {};
    const bool needs_agent = (spec_.fixed_address.empty() && spec_.health.needs_address()) ||
                             !spec_.health.command.empty() || !inputs_.provision.empty();
    if (needs_agent && !has_agent()) {
      return {ApiFailure(
          failed(fmt::format("template {} has no QEMU guest agent configured, which would tell the "
                             "guest's address, and set it up",
                             plan_.source.text()),
                 "Set agent=1 on the template and install qemu-guest-agent in it; or say the "
                 "address by ip-config or ip, and give neither health-command nor script nor "
                 "upload."),
          Trouble::agent_off)};
    }
    return {};
  }

  // Whether the inputs say it in place of the template.
  [[nodiscard]] bool sets(std::string_view key) const {
    return std::any_of(spec_.config.begin(), spec_.config.end(),
                       [&](const auto& parameter) { return parameter.first == key; });
  }
  [[nodiscard]] bool has_agent() const { return sets("agent") || made_->config.has_agent; }

  // By a drive of the template, or by what the inputs say.
  [[nodiscard]] bool has_cloud_init() const {
    const auto speaks_of_it = [](std::string_view text) {
      return text.find("cloudinit") != std::string_view::npos;
    };
    const Json::Object none;
    const Json::Object* values = made_->config.values.as_object();
    for (const auto& [key, value] : values == nullptr ? none : *values) {
      if (value.as_string() != nullptr && speaks_of_it(*value.as_string())) return true;
    }
    return std::any_of(spec_.config.begin(), spec_.config.end(), [&](const auto& parameter) {
      return parameter.first == "ciuser" || parameter.first == "sshkeys" ||
             parameter.first.starts_with("ipconfig") || speaks_of_it(parameter.second);
    });
  }

  ApiResult<> configure() {
    GuestRecord record = new_record(lock_lease);
    record.identity = made_->config.identity;
    const std::vector<std::string> tags = tags_of_new();
    if (spec_.is_container()) {
      made_->record = record;
      made_->config.description = with_record(spec_.description, record);
      return write_config(run_.budget(), api_, made_->guest,
                          {{"description", made_->config.description}},
                          std::exchange(made_->config.digest, {}));
    }
    Parameters parameters = spec_.config;
    if (spec_.password != nullptr) {
      parameters.emplace_back("cipassword", std::string(spec_.password->expose()));
    }
    // The API's own default upgrades all packages at the first boot.
    if (has_cloud_init()) parameters.emplace_back("ciupgrade", api_boolean(spec_.upgrades));
    parameters.emplace_back("tags", join_tags(tags));
    parameters.emplace_back("description", with_record(spec_.description, record));
    made_->record = record;
    made_->config.tags = tags;
    made_->config.description = parameters.back().second;
    // Found again by all that it is known by; what it had is not wanted of a template's copy.
    for (const char* copied : {"onboot", "protection"}) {
      if (truth_in(made_->config.values, copied)) parameters.emplace_back(copied, "0");
    }
    const std::string digest = std::exchange(made_->config.digest, {});
    if (!allocates()) {
      return write_config(run_.budget(), api_, made_->guest, std::move(parameters), digest,
                          spec_.password != nullptr);
    }
    // As a task, because a disk may take longer than the API waits.
    ApiRequest request{
        .method = "POST",
        .path = guest_path(made_->guest.node, "qemu", made_->guest.vmid, "/config"),
        .parameters = std::move(parameters),
        .node = made_->guest.node,
        .has_secrets = spec_.password != nullptr,
        .find_done = find_task(api_, made_->guest.node, "qmconfig", made_->guest.vmid)};
    request.parameters.emplace_back("digest", digest);
    PCA_TRY(const TaskEnd end, run_.tasks().run(run_.budget(), request));
    note_warnings(end);
    return {};
  }

  [[nodiscard]] bool allocates() const {
    return std::any_of(spec_.config.begin(), spec_.config.end(), [](const auto& parameter) {
      return PropertyString(parameter.second).get("").find(':') != std::string::npos;
    });
  }

  ApiResult<> resize() {
    for (const auto& [disk, size] : spec_.disks) {
      const ApiRequest request{
          .method = "PUT",
          .path = guest_path(made_->guest.node, "qemu", made_->guest.vmid, "/resize"),
          .parameters = {{"disk", disk}, {"size", size}},
          .node = made_->guest.node,
          .find_done = find_task(api_, made_->guest.node, "resize", made_->guest.vmid)};
      PCA_TRY(const TaskEnd end, run_.tasks().run(run_.budget(), request));
      note_warnings(end);
    }
    return {};
  }

  void note_warnings(const TaskEnd& end) {
    if (!end.warnings.empty()) {
      run_.result().warnings.push_back("a task ended with " + end.warnings + "; see its log");
    }
  }

  ApiResult<> renew_claim() {
    made_->record.lock = lock_until(*made_->record.lock, api_.now());
    return write_record();
  }

  ApiResult<> write_record() {
    made_->config.description = with_record(spec_.description, made_->record);
    return write_config(run_.budget(), api_, made_->guest,
                        {{"description", made_->config.description}}, {});
  }

  // --- the switch ---

  // Of first deploys that run at once one goes on. Each says that it is ready before it looks at
  // the others, so that of any two at least one sees the other; then the one with the higher ID
  // yields, and the one with the lower waits until it has, or is through already.
  ApiResult<> in_turn() {
    made_->record.phase = phase_switching;
    PCA_CHECK(renew_claim());
    while (true) {
      PCA_TRY(const AppState now, read_app_state(run_.budget(), api_, spec_.app));
      const OwnGuest* winner = now.active ? &*now.active : nullptr;
      bool has_rivals = false;
      for (const OwnGuest& own : now.half_made) {
        const bool is_ready = own.record.phase == phase_switching &&
                              own.record.run != run_.token() && is_locked(own.record, api_.now());
        if (!is_ready) continue;
        has_rivals = true;
        if (winner == nullptr && own.guest.vmid < made_->guest.vmid) winner = &own;
      }
      if (winner != nullptr) {
        return {ApiFailure(conflict(fmt::format("{}: another run makes its first guest as well, {}",
                                                spec_.app, winner->guest.text()),
                                    "That one goes on. Run this one again once it has ended."))};
      }
      if (!has_rivals) break;
      if (const auto waited = pause_for(run_.budget(), rival_look); !waited) {
        return {ApiFailure(waited.error())};
      }
    }
    api_.set_heartbeat({}, {});
    return {};
  }

  ApiResult<> switch_over() {
    GuestRecord record = made_->record;
    record.phase.clear();
    record.run.clear();
    record.lock.reset();
    record.fresh.clear();
    if (state_.active) record.releases = state_.active->record.releases;
    ReleaseLine line{.id = record.release,
                     .commit = record.commit,
                     .result = "deployed",
                     .vmid = made_->guest.vmid,
                     .record = run_.provenance()};
    line.record.set("ended", utc_text(std::chrono::floor<std::chrono::seconds>(api_.now())));
    record.releases.push_back(std::move(line));
    while (record.releases.size() > releases_kept) record.releases.erase(record.releases.begin());
    // From the hook on its own volumes hold what people write.
    if (!made_->record.fresh.empty() && !inputs_.run.rules.hook.empty()) {
      made_->record.fresh.clear();
      PCA_CHECK(write_record());
    }
    return run_.switch_to(*made_, std::move(record), state_);
  }

  // --- and back ---

  void take_back(const ApiFailure& error) {
    GuestRun& out = run_.result();
    if (!state_.active) api_.set_heartbeat({}, {});
    if (out.outcome == "held" || (!has_written_ && out.outcome.empty())) {
      if (out.outcome.empty()) out.outcome = "failed";
      out.error = error;
      return;
    }
    context_.reporter.info(fmt::format("{}: it failed; what was begun is taken back", spec_.app));
    // One that had to yield did not fail, and others wait until it is gone.
    const bool keeps = inputs_.keeps_failed && error.kind != ErrorKind::cancelled &&
                       error.kind != ErrorKind::conflict && may_be_there_;
    ApiResult<> removed;
    ApiResult<> before = run_.take_back();
    // As long as it has the data it stays: the next run gives them back.
    const bool may_have_data = !before && !plan_.moves.empty();
    if (!keeps && may_be_there_ && !may_have_data) {
      removed = run_.in_phase("take back", [&] { return remove_made(); });
    }
    if (keeps) {
      out.guest = made_->guest;
      out.warnings.push_back(fmt::format("guest {} failed and is kept; the next deploy removes it",
                                         made_->guest.text()));
    }
    run_.fail(error, before ? removed : before, true);
  }

  // Only what this very run made: its token is in the record.
  ApiResult<> remove_made() {
    const Budget limit = run_.farewell();
    if (making_task_) {
      PCA_CHECK(run_.tasks().stop(limit, *making_task_));
      (void)run_.tasks().wait(limit, *making_task_).has_value();
      making_task_.reset();
    }
    PCA_TRY(const bool is_there, is_made_by_us(limit));
    if (!is_there) return {};
    if (!spec_.is_container()) return delete_guest(limit, api_, run_.tasks(), made_->guest);
    PCA_TRY(const GuestConfig config, read_config(limit, api_, made_->guest));
    const auto record = parse_record(config.description);
    const auto empty = check_without_data(made_->guest, config, record.value_or(GuestRecord()));
    if (!empty) return {ApiFailure(empty.error())};
    return delete_guest(limit, api_, run_.tasks(), made_->guest);
  }

  ToolContext& context_;
  ProxmoxApi& api_;
  const DeployInputs& inputs_;
  const GuestSpec& spec_;
  AppRun run_;
  AppState state_;
  DeployPlan plan_;
  std::string release_;
  std::optional<OwnGuest> made_;
  std::optional<Upid> making_task_;  // while it may run
  bool may_be_there_ = false;        // the new guest
  bool has_written_ = false;
};

}  // namespace

GuestRun run_deployment(ToolContext& context, ProxmoxApi& api, const DeployInputs& inputs) {
  return Deploying(context, api, inputs).run();
}

}  // namespace pca::proxmox_deploy
