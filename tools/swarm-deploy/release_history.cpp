#include "swarm-deploy/release_history.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/digest.hpp"
#include "base/gzip.hpp"
#include "base/text.hpp"
#include "deploy/provenance.hpp"
#include "swarm-deploy/swarm_state.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr Milliseconds answer_limit{30'000};
constexpr std::string_view prefix = "private-cloud-actions.";  // of our labels
constexpr std::size_t longest_name = 64;                       // of a config
constexpr std::size_t name_digits = 8;                         // of a digest in it
constexpr std::size_t most_packed = 500'000;                   // Engines before 23.0 keep 500 KiB
constexpr std::size_t most_unpacked = std::size_t{64} * 1024 * 1024;
constexpr std::size_t releases_kept = 10;
constexpr int most_tries = 5;
constexpr std::int64_t written = -1;  // the version of what is to be read again
constexpr int best_compression = 9;

std::string update_path(const std::string& config, std::int64_t version) {
  return fmt::format("/configs/{}/update?version={}", percent_encoded(config), version);
}

Json state_record(const StackHistory& history) {
  Json record = Json::object();
  record.set("current", history.current);
  record.set("unfinished", history.unfinished);
  record.set("hold", history.hold ? history.hold->dump() : std::string());
  return record;
}

void take_state(StackHistory& history, const Json& config, const Json& record) {
  history.state = {config.text_of("ID"), version_of(config)};
  history.current = record.text_of("current");
  history.unfinished = record.text_of("unfinished");
  const std::string hold = record.text_of("hold");
  if (hold.empty()) return;
  auto json = parse_json(hold);
  // What cannot be read holds, too.
  history.hold = json && json->as_object() != nullptr ? *std::move(json) : Json::object();
}

// The members of `network` that make another one like it.
Json body_of_network(const Json& network) {
  Json body = Json::object();
  for (const char* key :
       {"Name", "Driver", "Labels", "Internal", "Attachable", "EnableIPv6", "Scope"}) {
    if (const Json* value = network.find(key)) body.set(key, *value);
  }
  Json options = Json::object();
  const Json* given = network.find("Options");
  if (given != nullptr && given->as_object() != nullptr) {
    for (const auto& [key, value] : *given->as_object()) {
      // The swarm gives each network its own.
      if (key != "com.docker.network.driver.overlay.vxlanid_list") options.set(key, value);
    }
  }
  return body.set("Options", std::move(options));
}

// `spec` with names of networks in place of IDs, which another network of that name has not.
Json with_names(const Json& spec, const std::map<std::string, std::string>& names) {
  const Json* task = spec.find("TaskTemplate");
  const Json* networks = task == nullptr ? nullptr : task->find("Networks");
  if (networks == nullptr || networks->as_array() == nullptr) return spec;
  Json list = Json::array();
  for (Json network : *networks->as_array()) {
    const auto known = names.find(network.text_of("Target"));
    if (known != names.end()) network.set("Target", known->second);
    list.push(std::move(network));
  }
  Json out = spec;
  Json new_task = *task;
  return out.set("TaskTemplate", new_task.set("Networks", std::move(list)));
}

Result<Json> ask_again(const Budget& budget, Engine& engine, const EngineRequest& request) {
  auto answer = engine.json(budget.at_most(answer_limit), request);
  if (answer || answer.error().kind != ErrorKind::unreachable || budget.is_over()) return answer;
  return engine.json(budget.at_most(answer_limit), request);
}

EngineRequest writing(const std::string& stack, const StackRecord& place, const char* kind,
                      const Json& record) {
  const bool is_new = place.config.empty();
  return {.method = "POST",
          .path = is_new ? "/configs/create" : update_path(place.config, place.version),
          .body = record_config(stack, kind, kind, record).dump()};
}

// Whether a record that was not written as asked for may be there all the same, or be another one.
bool may_be_another(const Error& error, const StackRecord& place) {
  return error.kind == ErrorKind::conflict || error.kind == ErrorKind::unreachable ||
         (error.kind == ErrorKind::failed && !place.config.empty());  // somebody removed it
}

// Once more when somebody else changed it meanwhile: `make` is called again, of what is there then.
Result<> write_record(const Budget& budget, Engine& engine, const std::string& stack,
                      StackHistory& history, StackRecord StackHistory::*which, const char* kind,
                      const std::function<Result<Json>()>& make) {
  for (int tries = 1;; ++tries) {
    if ((history.*which).version == written || tries > 1) {
      PCA_TRY(history, read_history(budget, engine, stack));
    }
    PCA_TRY(const Json record, make());
    StackRecord& place = history.*which;
    const auto answer =
        engine.json(budget.at_most(answer_limit), writing(stack, place, kind, record));
    if (answer) {
      place.version = written;
      return {};
    }
    // Somebody was faster, or it was written and the answer is lost.
    const bool may_pass = may_be_another(answer.error(), place);
    if (!may_pass || tries == most_tries || budget.is_over()) return answer.error();
  }
}

}  // namespace

const StackRelease* StackHistory::find(std::string_view id) const {
  const auto found = std::find_if(releases.begin(), releases.end(),
                                  [&](const StackRelease& release) { return release.id == id; });
  return found == releases.end() ? nullptr : &*found;
}

const StackRelease* StackHistory::previous() const {
  const StackRelease* unverified = nullptr;
  for (auto release = releases.rbegin(); release != releases.rend(); ++release) {
    if (release->id == current) continue;
    if (release->is_good()) return &*release;
    if (release->is_unverified() && unverified == nullptr) unverified = &*release;
  }
  return unverified;
}

std::vector<const StackRelease*> StackHistory::dispensable() const {
  const StackRelease* before = previous();
  std::vector<const StackRelease*> out;
  std::size_t good = 0;
  std::size_t others = 0;
  for (auto release = releases.rbegin(); release != releases.rend(); ++release) {
    std::size_t& count = release->is_good() ? good : others;
    const bool is_needed = release->id == current || &*release == before;
    if (++count > releases_kept && !is_needed) out.push_back(&*release);
  }
  return out;
}

bool StackHistory::is_like(const StackHistory& other) const {
  return state.config == other.state.config && state.version == other.state.version &&
         releases.size() == other.releases.size();
}

Result<StackRelease> rollback_target(const StackHistory& history, const std::string& stack,
                                     const std::string& to) {
  constexpr const char* see_list = "\"swarm-deploy list\" shows what is there.";
  const StackRelease* target = history.find(to);
  if (to.empty()) {
    const StackRelease* unfinished = history.find(history.unfinished);
    target = history.unfinished.empty() ? history.previous()
             : unfinished != nullptr && (unfinished->is_good() || unfinished->is_unverified())
                 ? unfinished
                 : history.find(history.current);
  }
  if (target != nullptr) return *target;
  if (!to.empty()) return failed(fmt::format("{}: there is no release {}", stack, to), see_list);
  return failed(fmt::format("{}: there is no earlier release that was healthy", stack), see_list);
}

std::string own_label(std::string_view key) { return std::string(prefix) + std::string(key); }

Json own_labels(const Json& spec) {
  Json found = Json::object();
  const Json* labels = spec.find("Labels");
  if (labels == nullptr || labels->as_object() == nullptr) return found;
  for (const auto& [key, value] : *labels->as_object()) {
    if (key.starts_with(prefix) && value.as_string() != nullptr)
      found.set(key.substr(prefix.size()), value);
  }
  return found;
}

std::string history_filter(const std::string& stack) {
  const std::vector<std::pair<std::string, std::string>> terms{
      {"label", fmt::format("{}={}", own_label("stack"), stack)}};
  return engine_filter(terms);
}

StackHistory parse_history(const Json& configs, const std::string& stack) {
  StackHistory history;
  if (configs.as_array() == nullptr) return history;
  for (const Json& config : *configs.as_array()) {
    const Json* spec = config.find("Spec");
    const std::string id = config.text_of("ID");
    if (spec == nullptr || id.empty()) continue;
    Json record = own_labels(*spec);
    if (record.text_of("stack") != stack) continue;
    const std::string kind = record.text_of("kind");
    const std::string release = record.text_of("release");
    // Labels can be put on every config, and its name says whose it is.
    if (spec->text_of("Name") !=
        record_name(stack, kind == "release" ? "release-" + release : kind))
      continue;
    if (kind == "state") take_state(history, config, record);
    if (kind == "lock") history.lock = record;
    if (kind == "preview") {
      history.preview_record = {id, version_of(config)};
      history.preview = record;
    }
    if (kind != "release" || !is_release_id(release)) continue;
    history.releases.push_back({.id = release,
                                .config = id,
                                .version = version_of(config),
                                .result = record.text_of("result"),
                                .commit = record.text_of("commit"),
                                .record = std::move(record),
                                .data = spec->text_of("Data")});
  }
  std::sort(history.releases.begin(), history.releases.end(),
            [](const StackRelease& a, const StackRelease& b) { return a.id < b.id; });
  return history;
}

Result<StackHistory> read_history(const Budget& budget, Engine& engine, const std::string& stack) {
  PCA_TRY(const Json configs,
          engine.json(budget.at_most(answer_limit), {.path = "/configs?" + history_filter(stack)}));
  return parse_history(configs, stack);
}

std::string record_name(const std::string& stack, const std::string& what) {
  const std::size_t room = longest_name - 1 - what.size();
  if (stack.size() <= room) return stack + "." + what;
  const std::string digest = to_hex(sha256(stack)).substr(0, name_digits);
  return fmt::format("{}-{}.{}", stack.substr(0, room - name_digits - 1), digest, what);
}

std::string record_prefix(const std::string& stack) {
  constexpr std::string_view longest = "release-20261124T093000Z-1a2b3c4";
  constexpr std::size_t room = longest_name - 1 - longest.size();
  return stack.size() <= room ? stack + "." : stack.substr(0, room - name_digits - 1);
}

Json record_config(const std::string& stack, const std::string& kind, const std::string& what,
                   const Json& record, const std::string& data) {
  Json labels = Json::object();
  labels.set(own_label("stack"), stack);
  labels.set(own_label("kind"), kind);
  for (const auto& [key, value] : *record.as_object()) {
    const std::string* text = value.as_string();
    if (text != nullptr && !text->empty()) labels.set(own_label(key), *text);
  }
  constexpr std::string_view nothing = "{}";  // the Engine wants some content
  Json body = Json::object();
  body.set("Name", record_name(stack, what));
  body.set("Labels", std::move(labels));
  body.set("Data", data.empty()
                       ? base64_encode(std::vector<std::uint8_t>(nothing.begin(), nothing.end()))
                       : data);
  return body;
}

Result<> change_state(const Budget& budget, Engine& engine, const std::string& stack,
                      StackHistory& history, const std::function<void(StackHistory&)>& change) {
  return write_record(budget, engine, stack, history, &StackHistory::state, "state",
                      [&]() -> Result<Json> {
                        change(history);
                        return state_record(history);
                      });
}

Result<bool> change_state_as_read(const Budget& budget, Engine& engine, const std::string& stack,
                                  StackHistory& history,
                                  const std::function<void(StackHistory&)>& change) {
  StackHistory wanted = history;
  change(wanted);
  const Json record = state_record(wanted);
  for (int tries = 1;; ++tries) {
    const auto answer =
        engine.json(budget.at_most(answer_limit), writing(stack, history.state, "state", record));
    if (answer) {
      history = std::move(wanted);
      history.state.version = written;
      return true;
    }
    const bool may_pass = may_be_another(answer.error(), history.state);
    if (!may_pass || tries == most_tries || budget.is_over()) return answer.error();
    PCA_TRY(StackHistory now, read_history(budget, engine, stack));
    const bool is_written = state_record(now).dump() == record.dump();  // only the answer was lost
    const bool is_as_read = now.is_like(history);
    history = std::move(now);
    if (is_written || !is_as_read) return is_written;
  }
}

Result<> keep_preview(const Budget& budget, Engine& engine, const std::string& stack,
                      StackHistory& history, const Json& preview, bool is_there) {
  return write_record(budget, engine, stack, history, &StackHistory::preview_record, "preview",
                      [&]() -> Result<Json> {
                        if (!is_there || !history.preview_record.config.empty()) return preview;
                        return conflict(fmt::format("{}: the preview was removed meanwhile", stack),
                                        "Run it again.");
                      });
}

Result<> keep_release(const Budget& budget, Engine& engine, const std::string& stack,
                      const StackRelease& release) {
  Json record = release.record;
  record.set("release", release.id).set("result", release.result).set("commit", release.commit);
  const Json body = record_config(stack, "release", "release-" + release.id, record, release.data);
  const EngineRequest request{.method = "POST", .path = "/configs/create", .body = body.dump()};
  // Of that name only this release can be there.
  const auto answer = ask_again(budget, engine, request);
  if (answer || answer.error().kind == ErrorKind::conflict) return {};
  return answer.error();
}

Result<> mark_release(const Budget& budget, Engine& engine, const std::string& stack,
                      const StackRelease& release, const std::string& result) {
  Json record = release.record;
  record.set("result", result);
  const Json body = record_config(stack, "release", "release-" + release.id, record, release.data);
  const auto answer = engine.json(budget.at_most(answer_limit),
                                  {.method = "POST",
                                   .path = update_path(release.config, release.version),
                                   .body = body.dump()});
  if (answer) return {};
  // Only the answer may be lost.
  PCA_TRY(const StackHistory now, read_history(budget, engine, stack));
  const StackRelease* there = now.find(release.id);
  if (there != nullptr && there->result == result) return {};
  return answer.error();
}

StackParts parts_of(const std::string& stack, const Json& services, const Json& networks,
                    const std::vector<StackNetwork>& wanted) {
  StackParts parts;
  std::map<std::string, std::string> names;
  std::set<std::string> own;
  if (networks.as_array() != nullptr) {
    for (const Json& network : *networks.as_array()) {
      const std::string name = network.text_of("Name");
      names[network.text_of("Id")] = name;
      if (!is_of_stack(network, stack)) continue;
      own.insert(name);
      const auto known = std::find_if(wanted.begin(), wanted.end(),
                                      [&](const StackNetwork& one) { return one.name == name; });
      parts.networks.push_back(known == wanted.end() ? body_of_network(network) : known->body);
    }
  }
  std::set<std::string> external;
  for (const auto& [name, service] : parse_services(services)) {
    for (const std::string& target : targets_of(service.spec)) {
      const auto known = names.find(target);
      if (known != names.end() && !own.contains(known->second)) external.insert(known->second);
    }
    parts.services.push_back(with_names(service.spec, names));
  }
  parts.external_networks.assign(external.begin(), external.end());
  return parts;
}

Result<StackParts> read_parts(const Budget& budget, Engine& engine, const std::string& stack,
                              const std::vector<StackNetwork>& wanted) {
  const std::vector<std::pair<std::string, std::string>> of_swarm{{"scope", "swarm"}};
  const std::vector<EngineRequest> requests{{.path = of_stack("/services", stack)},
                                            {.path = "/networks?" + engine_filter(of_swarm)}};
  auto answers = engine.json_all(budget.at_most(answer_limit), requests);
  for (auto& answer : answers) {
    if (!answer) return std::move(answer).error();
  }
  return parts_of(stack, *answers[0], *answers[1], wanted);
}

Result<std::string> pack(const StackParts& parts) {
  Json services = Json::array();
  for (const Json& service : parts.services) services.push(service);
  Json networks = Json::array();
  for (const Json& network : parts.networks) networks.push(network);
  Json all = Json::object();
  all.set("version", 1);
  all.set("services", std::move(services));
  all.set("networks", std::move(networks));
  Json external = Json::array();
  for (const std::string& name : parts.external_networks) external.push(name);
  all.set("external-networks", std::move(external));
  Json waves = Json::object();
  for (const auto& [name, wave] : parts.waves) waves.set(name, static_cast<std::int64_t>(wave));
  all.set("waves", std::move(waves));
  const std::string packed = gzip(all.dump(), best_compression);
  if (packed.size() > most_packed) {
    return failed(fmt::format("the specs of its services take {}, and a config of a swarm holds {}",
                              rounded_size(packed.size()), rounded_size(most_packed)));
  }
  return base64_encode(std::vector<std::uint8_t>(packed.begin(), packed.end()));
}

Result<StackParts> unpack(const std::string& data) {
  const auto broken = [] { return failed("its config in the swarm holds no specs of services"); };
  const auto packed = base64_decode(data);
  if (!packed) return broken();
  const auto text = gunzip(*packed, most_unpacked);
  if (!text) return broken();
  const auto json = parse_json(*text, {.bytes = most_unpacked});
  if (!json) return broken();
  StackParts parts;
  for (const auto& [key, list] :
       {std::pair{"services", &parts.services}, std::pair{"networks", &parts.networks}}) {
    const Json* all = json->find(key);
    if (all == nullptr || all->as_array() == nullptr) return broken();
    for (const Json& one : *all->as_array()) {
      if (one.text_of("Name").empty()) return broken();
      list->push_back(one);
    }
  }
  const Json* external = json->find("external-networks");
  if (external == nullptr || external->as_array() == nullptr) return broken();
  for (const Json& name : *external->as_array()) {
    if (name.as_string() == nullptr) return broken();
    parts.external_networks.push_back(*name.as_string());
  }
  // Older ones have none.
  if (const Json* waves = json->find("waves")) {
    if (waves->as_object() == nullptr) return broken();
    for (const auto& [name, value] : *waves->as_object()) {
      const std::int64_t* wave = value.as_int();
      if (wave == nullptr || *wave < 0) return broken();
      parts.waves[name] = static_cast<std::size_t>(*wave);
    }
  }
  return parts;
}

StackSpec spec_of(const std::string& stack, const StackParts& parts) {
  StackSpec spec;
  spec.name = stack;
  spec.external_networks = parts.external_networks;
  for (const Json& network : parts.networks) {
    spec.networks.push_back({network.text_of("Name"), network});
  }
  for (const Json& service : parts.services) {
    const std::string name = service.text_of("Name");
    const Json* task = service.find("TaskTemplate");
    const Json* container = task == nullptr ? nullptr : task->find("ContainerSpec");
    spec.services.push_back({.name = name,
                             .key = name,
                             .image = container == nullptr ? "" : container->text_of("Image"),
                             .spec = service,
                             .after = {}});
    if (const auto wave = parts.waves.find(name); wave != parts.waves.end())
      spec.services.back().wave = wave->second;
  }
  return spec;
}

}  // namespace pca::swarm_deploy
