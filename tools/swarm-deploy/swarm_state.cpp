#include "swarm-deploy/swarm_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr Milliseconds answer_limit{30'000};  // a swarm without leader never answers

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

// The name of a secret or config is in its spec.
std::string name_of(const Json& object) {
  const Json* spec = object.find("Spec");
  return spec == nullptr ? object.text_of("Name") : spec->text_of("Name");
}

void add_objects(std::map<std::string, SwarmObject>& to, const Json& list,
                 const std::set<std::string>* only = nullptr) {
  if (list.as_array() == nullptr) return;
  for (const Json& object : *list.as_array()) {
    const std::string name = name_of(object);
    if (only != nullptr && !only->contains(name)) continue;  // the filter takes parts of names
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

std::set<std::string> images_to_resolve(const StackSpec& stack) {
  std::set<std::string> images;
  for (const StackService& service : stack.services) {
    const auto image = full_image(service.image);
    if (image && image->find('@') == std::string::npos) images.insert(*image);
  }
  return images;
}

}  // namespace

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
  const Json* networks = member(spec, {"TaskTemplate", "Networks"});
  if (networks == nullptr || networks->as_array() == nullptr) return targets;
  for (const Json& network : *networks->as_array()) targets.push_back(network.text_of("Target"));
  return targets;
}

std::map<std::string, SwarmService> parse_services(const Json& list) {
  std::map<std::string, SwarmService> services;
  if (list.as_array() == nullptr) return services;
  for (const Json& service : *list.as_array()) {
    const std::string name = name_of(service);
    const std::string id = service.text_of("ID");
    const Json* spec = service.find("Spec");
    if (name.empty() || id.empty() || spec == nullptr) continue;
    services[name] = {id, number_at(service, {"Version", "Index"}), *spec,
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
  const std::size_t services = ask(of_stack("/services", stack.name) + "&status=true");
  const std::size_t tasks = ask(of_stack("/tasks", stack.name, true));
  const std::size_t history = ask("/configs?" + history_filter(stack.name));
  const bool needs_nodes = std::any_of(stack.services.begin(), stack.services.end(),
                                       [](const auto& one) { return is_global(one.spec); });
  const std::size_t nodes = needs_nodes ? ask("/nodes") : requests.size();

  SwarmState state;
  struct Objects {
    std::map<std::string, SwarmObject>* into;
    const char* path;
    std::set<std::string> elsewhere;  // names that the stack's label need not find
    std::size_t own = 0;
    std::size_t named = 0;
  };
  std::array<Objects, 3> kinds{
      Objects{&state.networks, "/networks", networks_elsewhere(stack)},
      Objects{&state.secrets, "/secrets",
              objects_elsewhere(stack, stack.secrets, referenced(stack, "Secrets", "SecretName"))},
      Objects{&state.configs, "/configs",
              objects_elsewhere(stack, stack.configs, referenced(stack, "Configs", "ConfigName"))}};
  for (Objects& kind : kinds) {
    kind.own = ask(of_stack(kind.path, stack.name));
    if (!kind.elsewhere.empty()) kind.named = ask(named(kind.path, kind.elsewhere));
  }
  const std::size_t of_images = requests.size();
  std::vector<std::string> images;
  if (resolve != ResolveImages::never) {
    for (const std::string& image : images_to_resolve(stack)) {
      images.push_back(image);
      requests.push_back(
          {.path = image_path(image), .secret_registry_auth = logins.of_image(image)});
    }
  }

  state.look.at = Clock::now();
  std::vector<Result<Json>> answers = engine.json_all(budget, requests);
  for (std::size_t i = 0; i < of_images; ++i) {
    if (!answers[i]) return std::move(answers[i]).error().within("reading the stack");
  }
  state.minor_version = engine.minor_version();
  state.services = parse_services(*answers[services]);
  state.history = parse_history(*answers[history], stack.name);
  for (const Objects& kind : kinds) {
    add_objects(*kind.into, *answers[kind.own]);
    if (!kind.elsewhere.empty()) add_objects(*kind.into, *answers[kind.named], &kind.elsewhere);
  }
  state.look.services = *std::move(answers[services]);
  state.look.tasks = *std::move(answers[tasks]);
  if (needs_nodes) state.look.nodes = *std::move(answers[nodes]);
  for (std::size_t i = 0; i < images.size(); ++i) {
    Result<Json>& answer = answers[of_images + i];
    if (!answer && answer.error().kind == ErrorKind::cancelled) return std::move(answer).error();
    state.images.emplace(images[i], answer ? parse_distribution(*answer)
                                           : Result<ResolvedImage>(std::move(answer).error()));
  }
  return state;
}

}  // namespace pca::swarm_deploy
