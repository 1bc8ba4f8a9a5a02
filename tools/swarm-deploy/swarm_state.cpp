#include "swarm-deploy/swarm_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "base/text.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr Milliseconds answer_limit{30'000};  // a swarm without leader never answers

// The name of a secret or config is in its spec.
std::string name_of(const Json& object) {
  const Json* spec = object.find("Spec");
  return spec == nullptr ? object.text_of("Name") : spec->text_of("Name");
}

// Those of the stack, and those of these names.
void add_objects(std::map<std::string, SwarmObject>& to, const Json& list, const std::string& stack,
                 const std::set<std::string>& names) {
  if (list.as_array() == nullptr) return;
  for (const Json& object : *list.as_array()) {
    const std::string name = name_of(object);
    if (!is_of_stack(object, stack) && !names.contains(name)) continue;
    const std::string id =
        object.find("Spec") == nullptr ? object.text_of("Id") : object.text_of("ID");
    if (!name.empty() && !id.empty()) to[name] = {id, object};
  }
}

// The names of secrets or configs that services use.
std::set<std::string> referenced(const StackSpec& stack, const char* list, const char* key) {
  std::set<std::string> names;
  for (const StackService& service : stack.services) {
    const Json* found = member(service.spec, {"TaskTemplate", "ContainerSpec", list});
    if (found == nullptr || found->as_array() == nullptr) continue;
    for (const Json& reference : *found->as_array()) names.insert(reference.text_of(key));
  }
  return names;
}

// Whose name the stack's label need not tell of: of others, or with a name of its own.
std::set<std::string> networks_elsewhere(const StackSpec& stack) {
  std::set<std::string> names(stack.external_networks.begin(), stack.external_networks.end());
  for (const StackNetwork& network : stack.networks) {
    if (!network.name.starts_with(stack.name + "_")) names.insert(network.name);
  }
  return names;
}

// The same of secrets or configs; `used` are those that services refer to.
std::set<std::string> objects_elsewhere(const StackSpec& stack, const std::vector<StackObject>& own,
                                        std::set<std::string> used) {
  for (const StackObject& object : own) {
    used.erase(object.name);
    if (!object.name.starts_with(stack.name + "_")) used.insert(object.name);
  }
  return used;
}

// A swarm takes what names begin with.
std::string named(const std::string& path, const std::set<std::string>& names) {
  std::vector<std::pair<std::string, std::string>> terms;
  for (const std::string& name : names) terms.emplace_back("name", name);
  return path + "?" + engine_filter(terms);
}

// An image's reference in a path: its slashes separate nothing else.
std::string image_path(const std::string& image) {
  std::string out;
  for (const std::string& part : split(image, '/')) {
    if (!out.empty()) out += '/';
    out += percent_encoded(part);
  }
  return "/distribution/" + out + "/json";
}

EngineRequest image_request(const std::string& image, const RegistryLogins& logins) {
  return {.path = image_path(image), .secret_registry_auth = logins.of_image(image)};
}

// Whether the service in the swarm was made of the same image's name.
bool is_image_of(const StackService& wanted, const std::map<std::string, SwarmService>& there) {
  const auto found = there.find(wanted.name);
  const Json* labels = found == there.end() ? nullptr : found->second.spec.find("Labels");
  return labels != nullptr && labels->text_of(image_label) == wanted.image;
}

// All of a stack's, or those that are another than the swarm's services have.
std::set<std::string> images_to_resolve(const StackSpec& stack,
                                        const std::map<std::string, SwarmService>* but = nullptr) {
  std::set<std::string> images;
  for (const StackService& service : stack.services) {
    if (but != nullptr && is_image_of(service, *but)) continue;
    const auto image = full_image(service.image);
    if (image) images.insert(*image);  // one with its digest for the platforms that it is for
  }
  return images;
}

void add_ports(const Json& ports_of, const std::string& service,
               std::vector<PublishedPort>& ports) {
  for (const Json& port : list_at(ports_of, {"Ports"})) {
    const std::int64_t number = number_at(port, {"PublishedPort"});
    const std::string protocol = port.text_of("Protocol");
    if (number == 0) continue;
    ports.push_back({service, number, protocol.empty() ? "tcp" : protocol,
                     port.text_of("PublishMode") == "host"});
  }
}

bool publishes_ports(const StackSpec& stack) {
  Json specs = Json::array();
  for (const StackService& service : stack.services) specs.push(service.spec);
  return !published_ports(specs).empty();
}

Json only_of_stack(const Json& list, const std::string& stack) {
  Json own = Json::array();
  if (list.as_array() == nullptr) return own;
  for (const Json& object : *list.as_array()) {
    if (is_of_stack(object, stack)) own.push(object);
  }
  return own;
}

}  // namespace

bool PublishedPort::clashes_with(const PublishedPort& other) const {
  return number == other.number && protocol == other.protocol &&
         !(is_of_nodes && other.is_of_nodes);
}

const Json* member(const Json& value, std::initializer_list<std::string_view> path) {
  const Json* at = &value;
  for (const std::string_view key : path) {
    if (at != nullptr) at = at->find(key);
  }
  return at;
}

std::int64_t number_at(const Json& value, std::initializer_list<std::string_view> path) {
  const Json* found = member(value, path);
  return found == nullptr || found->as_int() == nullptr ? 0 : *found->as_int();
}

const Json::Array& list_at(const Json& value, std::initializer_list<std::string_view> path) {
  static const Json::Array none;
  const Json* found = member(value, path);
  return found == nullptr || found->as_array() == nullptr ? none : *found->as_array();
}

std::int64_t version_of(const Json& object) { return number_at(object, {"Version", "Index"}); }

bool is_of_stack(const Json& object, const std::string& stack) {
  const Json* spec = object.find("Spec");
  const Json* labels = (spec == nullptr ? object : *spec).find("Labels");
  return labels != nullptr && labels->text_of(stack_label) == stack;
}

bool is_global(const Json& spec) {
  const Json* mode = spec.find("Mode");
  return mode != nullptr && (mode->find("Global") != nullptr || mode->find("GlobalJob") != nullptr);
}

std::string of_stack(const std::string& path, const std::string& stack, bool up_to_date) {
  std::vector<std::pair<std::string, std::string>> terms{
      {"label", fmt::format("{}={}", stack_label, stack)}};
  if (up_to_date) terms.emplace_back("_up-to-date", "true");
  return path + "?" + engine_filter(terms);
}

std::vector<std::string> targets_of(const Json& spec) {
  std::vector<std::string> targets;
  for (const Json& network : list_at(spec, {"TaskTemplate", "Networks"}))
    targets.push_back(network.text_of("Target"));
  return targets;
}

std::vector<PublishedPort> published_ports(const Json& list) {
  std::vector<PublishedPort> ports;
  if (list.as_array() == nullptr) return ports;
  for (const Json& service : *list.as_array()) {
    const Json* spec = service.find("Spec");
    const std::string name = name_of(service);
    const Json* wanted = (spec == nullptr ? service : *spec).find("EndpointSpec");
    if (wanted != nullptr) add_ports(*wanted, name, ports);
    if (const Json* there = service.find("Endpoint")) add_ports(*there, name, ports);
  }
  return ports;
}

Result<ResolvedImage> parse_distribution(const Json& answer) {
  const Json* digest = member(answer, {"Descriptor", "digest"});
  if (digest == nullptr || digest->as_string() == nullptr ||
      !digest->as_string()->starts_with("sha256:") || digest->as_string()->size() != 71) {
    return failed("the registry's answer names no digest");
  }
  ResolvedImage image{*digest->as_string(), Json::array()};
  const Json* platforms = answer.find("Platforms");
  if (platforms != nullptr && platforms->as_array() != nullptr) {
    for (const Json& platform : *platforms->as_array()) {
      std::string architecture = platform.text_of("architecture");
      if (equals_ignoring_case(architecture, "arm")) architecture.clear();  // its variants differ
      Json entry = Json::object();
      if (!architecture.empty()) entry.set("Architecture", architecture);
      if (!platform.text_of("os").empty()) entry.set("OS", platform.text_of("os"));
      image.platforms.push(std::move(entry));
    }
  }
  return image;
}

std::map<std::string, SwarmService> parse_services(const Json& list) {
  std::map<std::string, SwarmService> services;
  if (list.as_array() == nullptr) return services;
  for (const Json& service : *list.as_array()) {
    const std::string name = name_of(service);
    const std::string id = service.text_of("ID");
    const Json* spec = service.find("Spec");
    if (name.empty() || id.empty() || spec == nullptr) continue;
    services[name] = {id, version_of(service), *spec,
                      number_at(service, {"ServiceStatus", "RunningTasks"}),
                      number_at(service, {"ServiceStatus", "DesiredTasks"})};
  }
  return services;
}

Result<SwarmState> read_swarm_state(const Budget& whole, Engine& engine, const StackSpec& stack,
                                    ResolveImages resolve, const RegistryLogins& logins) {
  const Budget budget = whole.at_most(answer_limit);
  std::vector<EngineRequest> requests;
  const auto ask = [&](std::string path) {
    requests.push_back({.path = std::move(path)});
    return requests.size() - 1;
  };
  // Who has the ports that it wants only the others can tell.
  const bool needs_all = publishes_ports(stack);
  const std::size_t services =
      ask(needs_all ? "/services?status=true" : of_stack("/services", stack.name) + "&status=true");
  const std::size_t tasks = ask(of_stack("/tasks", stack.name, true));

  SwarmState state;
  struct Objects {
    std::map<std::string, SwarmObject>* into;
    const char* path;
    std::set<std::string> elsewhere;  // names that the stack's label need not find
    std::size_t own = 0;
  };
  std::array<Objects, 3> kinds{
      Objects{&state.networks, "/networks", networks_elsewhere(stack)},
      Objects{&state.secrets, "/secrets",
              objects_elsewhere(stack, stack.secrets, referenced(stack, "Secrets", "SecretName"))},
      Objects{&state.configs, "/configs",
              objects_elsewhere(stack, stack.configs, referenced(stack, "Configs", "ConfigName"))}};
  // One list of a kind finds what is elsewhere, too. Configs come with all that is in them: of
  // those the list with the history has the names.
  const bool has_named_configs = !kinds[2].elsewhere.empty();
  for (Objects& kind : kinds) {
    const bool lists_all = !kind.elsewhere.empty() && kind.into != &state.configs;
    kind.own = ask(lists_all ? std::string(kind.path) : of_stack(kind.path, stack.name));
  }
  std::set<std::string> names = kinds[2].elsewhere;
  names.insert(record_prefix(stack.name));
  const std::size_t history =
      ask(has_named_configs ? named("/configs", names) : "/configs?" + history_filter(stack.name));
  const std::size_t of_images = requests.size();
  std::set<std::string> images;
  if (resolve == ResolveImages::always) images = images_to_resolve(stack);
  for (const std::string& image : images) requests.push_back(image_request(image, logins));

  state.look.at = Clock::now();
  std::vector<Result<Json>> answers = engine.json_all(budget, requests);
  for (std::size_t i = 0; i < of_images; ++i) {
    if (!answers[i]) return std::move(answers[i]).error().within("reading the stack");
  }
  if (needs_all) {
    state.ports = published_ports(*answers[services]);
    answers[services] = only_of_stack(*answers[services], stack.name);
  }
  state.minor_version = engine.minor_version();
  state.services = parse_services(*answers[services]);
  state.history = parse_history(*answers[history], stack.name);
  for (const Objects& kind : kinds) {
    add_objects(*kind.into, *answers[kind.own], stack.name, kind.elsewhere);
  }
  if (has_named_configs)
    add_objects(state.configs, *answers[history], stack.name, kinds[2].elsewhere);
  state.look.services = *std::move(answers[services]);
  state.look.tasks = *std::move(answers[tasks]);
  std::vector<Result<Json>> digests(
      std::make_move_iterator(answers.begin() + static_cast<std::ptrdiff_t>(of_images)),
      std::make_move_iterator(answers.end()));
  if (resolve == ResolveImages::changed) {  // which they are is known by now
    images = images_to_resolve(stack, &state.services);
    std::vector<EngineRequest> more;
    for (const std::string& image : images) more.push_back(image_request(image, logins));
    digests = engine.json_all(budget, more);
  }
  auto digest = digests.begin();
  for (const std::string& image : images) {
    Result<Json>& answer = *digest++;
    if (!answer && answer.error().kind == ErrorKind::cancelled) return std::move(answer).error();
    state.images.emplace(image, answer ? parse_distribution(*answer)
                                       : Result<ResolvedImage>(std::move(answer).error()));
  }
  return state;
}

}  // namespace pca::swarm_deploy
