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
constexpr std::size_t most_packed = 500'000;                   // Engines before 23.0 keep 500 KiB
constexpr std::size_t most_unpacked = std::size_t{64} * 1024 * 1024;
constexpr std::size_t releases_kept = 10;
constexpr int most_tries = 5;
constexpr std::int64_t written = -1;  // the version of what is to be read again
constexpr int best_compression = 9;

std::string label(std::string_view key) { return std::string(prefix) + std::string(key); }

// Our labels of a config, without the prefix.
Json record_of(const Json& spec) {
  Json record = Json::object();
  const Json* labels = spec.find("Labels");
  if (labels == nullptr || labels->as_object() == nullptr) return record;
  for (const auto& [key, value] : *labels->as_object()) {
    if (key.starts_with(prefix) && value.as_string() != nullptr)
      record.set(key.substr(prefix.size()), value);
  }
  return record;
}

std::int64_t version_of(const Json& config) {
  const Json* version = config.find("Version");
  const Json* index = version == nullptr ? nullptr : version->find("Index");
  return index == nullptr || index->as_int() == nullptr ? 0 : *index->as_int();
}

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
  history.config = config.text_of("ID");
  history.version = version_of(config);
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

bool is_of_stack(const Json& object, const std::string& stack) {
  const Json* labels = object.find("Labels");
  return labels != nullptr && labels->text_of(stack_label) == stack;
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

}  // namespace

const StackRelease* StackHistory::find(std::string_view id) const {
  const auto found = std::find_if(releases.begin(), releases.end(),
                                  [&](const StackRelease& release) { return release.id == id; });
  return found == releases.end() ? nullptr : &*found;
}

const StackRelease* StackHistory::previous() const {
  for (auto release = releases.rbegin(); release != releases.rend(); ++release) {
    if (release->id != current && release->is_good()) return &*release;
  }
  return nullptr;
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
  return config == other.config && version == other.version &&
         releases.size() == other.releases.size();
}

Result<StackRelease> rollback_target(const StackHistory& history, const std::string& stack,
                                     const std::string& to) {
  constexpr const char* see_list = "\"swarm-deploy list\" shows what is there.";
  const StackRelease* target = history.find(to);
  if (to.empty()) {
    const StackRelease* unfinished = history.find(history.unfinished);
    target = history.unfinished.empty()                       ? history.previous()
             : unfinished != nullptr && unfinished->is_good() ? unfinished
                                                              : history.find(history.current);
  }
  if (target != nullptr) return *target;
  if (!to.empty()) return failed(fmt::format("{}: there is no release {}", stack, to), see_list);
  return failed(fmt::format("{}: there is no earlier release that was healthy", stack), see_list);
}

std::string history_filter(const std::string& stack) {
  const std::vector<std::pair<std::string, std::string>> terms{
      {"label", fmt::format("{}={}", label("stack"), stack)}};
  return engine_filter(terms);
}

StackHistory parse_history(const Json& configs, const std::string& stack) {
  StackHistory history;
  if (configs.as_array() == nullptr) return history;
  for (const Json& config : *configs.as_array()) {
    const Json* spec = config.find("Spec");
    const std::string id = config.text_of("ID");
    if (spec == nullptr || id.empty()) continue;
    Json record = record_of(*spec);
    if (record.text_of("stack") != stack) continue;
    const std::string kind = record.text_of("kind");
    if (kind == "state") take_state(history, config, record);
    if (kind == "lock") history.lock = record;
    if (kind != "release" || !is_release_id(record.text_of("release"))) continue;
    history.releases.push_back({.id = record.text_of("release"),
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
  constexpr std::size_t digits = 8;
  const std::string digest = to_hex(sha256(stack)).substr(0, digits);
  return fmt::format("{}-{}.{}", stack.substr(0, room - digits - 1), digest, what);
}

Json record_config(const std::string& stack, const std::string& kind, const std::string& what,
                   const Json& record, const std::string& data) {
  Json labels = Json::object();
  labels.set(label("stack"), stack);
  labels.set(label("kind"), kind);
  for (const auto& [key, value] : *record.as_object()) {
    const std::string* text = value.as_string();
    if (text != nullptr && !text->empty()) labels.set(label(key), *text);
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
  for (int tries = 1;; ++tries) {
    if (history.version == written || tries > 1) {
      PCA_TRY(history, read_history(budget, engine, stack));
    }
    change(history);
    const Json body = record_config(stack, "state", "state", state_record(history));
    const bool is_new = history.config.empty();
    const auto answer = engine.json(budget.at_most(answer_limit),
                                    {.method = "POST",
                                     .path = is_new ? std::string("/configs/create")
                                                    : update_path(history.config, history.version),
                                     .body = body.dump()});
    if (answer) {
      history.version = written;
      return {};
    }
    // Somebody was faster, or it was written and the answer is lost.
    const ErrorKind kind = answer.error().kind;
    const bool may_pass = kind == ErrorKind::conflict || kind == ErrorKind::unreachable ||
                          (kind == ErrorKind::failed && !is_new);  // somebody removed it
    if (!may_pass || tries == most_tries || budget.is_over()) return answer.error();
  }
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
  }
  return spec;
}

}  // namespace pca::swarm_deploy
