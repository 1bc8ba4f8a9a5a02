#include "swarm-deploy/stack_preview.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr std::string_view port_mark = "{port}";
// Phases of a record.
constexpr const char* claimed = "claimed";
constexpr const char* only_volumes = "volumes";

using Labels = std::vector<std::pair<std::string, std::string>>;

void put_labels(Json& object, const Labels& labels) {
  const Json* there = object.find("Labels");
  Json all = there == nullptr || there->as_object() == nullptr ? Json::object() : *there;
  for (const auto& [key, value] : labels) all.set(key, value);
  object.set("Labels", std::move(all));
}

const Json::Array& mounts_of(const Json& spec) {
  return list_at(spec, {"TaskTemplate", "ContainerSpec", "Mounts"});
}

// A volume that the stack makes has the stack's label.
bool is_own_volume(const Json& mount) {
  const Json* options = mount.find("VolumeOptions");
  return mount.text_of("Type") == "volume" && options != nullptr &&
         options->find("Labels") != nullptr && !mount.text_of("Source").empty();
}

void label_volumes(Json& spec, const Labels& labels) {
  if (mounts_of(spec).empty()) return;
  Json list = Json::array();
  for (Json mount : mounts_of(spec)) {
    if (is_own_volume(mount)) {
      Json options = *mount.find("VolumeOptions");
      put_labels(options, labels);
      mount.set("VolumeOptions", std::move(options));
    }
    list.push(std::move(mount));
  }
  Json task = *spec.find("TaskTemplate");
  Json container = *task.find("ContainerSpec");
  container.set("Mounts", std::move(list));
  task.set("ContainerSpec", std::move(container));
  spec.set("TaskTemplate", std::move(task));
}

const Json::Object& labels_of(const Json& spec) {
  static const Json::Object none;
  const Json* labels = spec.find("Labels");
  return labels == nullptr || labels->as_object() == nullptr ? none : *labels->as_object();
}

bool names_hostname(const StackSpec& stack, const std::string& hostname) {
  for (const StackService& service : stack.services) {
    for (const auto& [key, value] : labels_of(service.spec)) {
      const std::string* text = value.as_string();
      if (text != nullptr && text->find(hostname) != std::string::npos) return true;
    }
  }
  return false;
}

StackService* find_service(StackSpec& stack, const RouteRules& rules, BadInputs& bad) {
  std::vector<std::string> keys;
  for (StackService& service : stack.services) {
    if (service.key == rules.service) return &service;
    keys.push_back(service.key);
  }
  if (!rules.service.empty()) {
    const std::string near = nearest(rules.service, keys);
    bad.add("route-service", fmt::format("the files have no service {}", shown(rules.service)),
            near.empty() ? fmt::format("Write one of: {}.", join(keys, ", "))
                         : fmt::format("Did you mean {}?", near));
    return nullptr;
  }
  if (keys.size() == 1) return &stack.services.front();
  if (keys.empty()) return nullptr;
  bad.add("route-service",
          fmt::format("is missing, and the files have several services: {}", join(keys, ", ")),
          "Name the one that answers at the hostname, name the hostname in labels of the files by "
          "${PREVIEW_HOSTNAME}, or say route: none.");
  return nullptr;
}

// "web" of "traefik.http.routers.web.rule": what Traefik knows by this name in all stacks together.
std::string name_in_traefik(std::string_view key) {
  const std::vector<std::string> parts = split(to_lower(key), '.');
  constexpr std::size_t least = 4;
  if (parts.size() < least || parts[0] != "traefik") return {};
  const bool is_named =
      (parts[1] == "http" || parts[1] == "tcp" || parts[1] == "udp") &&
      (parts[2] == "routers" || parts[2] == "services" || parts[2] == "middlewares");
  return is_named ? parts[3] : std::string();
}

void find_shared_routes(const StackService& service, const PreviewPlan& plan,
                        std::vector<std::string>& found) {
  const std::string& slug = plan.preview.slug;
  for (const auto& [key, value] : labels_of(service.spec)) {
    const std::string name = name_in_traefik(key);
    if (name.empty()) continue;
    const std::string what = fmt::format("services.{}.deploy.labels.{}", service.key, visible(key));
    const std::string text = value.as_string() == nullptr ? std::string() : *value.as_string();
    const bool is_own_rule =
        text.find(slug) != std::string::npos ||
        (!plan.hostname.empty() && text.find(plan.hostname) != std::string::npos);
    if (name.find(slug) == std::string::npos) {
      found.push_back(
          fmt::format("{}: Traefik knows the name {} from all stacks, and drops what two of them "
                      "define. Write - traefik....${{PREVIEW_STACK:-{}}}....=..., in a list",
                      what, shown(name), visible(name)));
    } else if (to_lower(key).ends_with(".rule") && !is_own_rule) {
      found.push_back(fmt::format(
          "{}: the rule {} takes what is another stack's. Write Host(`${{PREVIEW_HOSTNAME}}`)",
          what, shown(text)));
    }
  }
}

// By the stack's record, and by the labels of each of its services; nothing for what has none.
std::vector<std::optional<Preview>> owners_of(const std::string& stack, const SwarmState& state) {
  std::vector<std::optional<Preview>> owners;
  if (state.history.preview) owners.push_back(preview_of_record(*state.history.preview));
  for (const auto& [name, service] : state.services) {
    if (is_of_stack(service.spec, stack)) owners.push_back(preview_in(service.spec));
  }
  return owners;
}

}  // namespace

void label_stack(StackSpec& stack, const Preview& preview) {
  const Labels labels{{own_label("preview"), preview.slug},
                      {own_label("branch"), preview.branch},
                      {own_label("repository"), preview.repository}};
  for (StackNetwork& network : stack.networks) put_labels(network.body, labels);
  for (StackObject& secret : stack.secrets) put_labels(secret.body, labels);
  for (StackObject& config : stack.configs) put_labels(config.body, labels);
  for (StackService& service : stack.services) {
    put_labels(service.spec, labels);
    label_volumes(service.spec, labels);
  }
}

const std::vector<std::string>& traefik_labels() {
  static const std::vector<std::string> labels{
      "traefik.enable=true", "traefik.http.routers.{stack}.rule=Host(`{hostname}`)",
      "traefik.http.services.{stack}.loadbalancer.server.port={port}"};
  return labels;
}

Result<std::string> fill_label(std::string_view text, const LabelValues& values) {
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz";
  std::string out;
  while (!text.empty()) {
    const std::size_t open = text.find('{');
    out += text.substr(0, open);
    if (open == std::string_view::npos) break;
    text.remove_prefix(open);
    const std::size_t close = text.find('}');
    const std::string_view name = close == std::string_view::npos ? "" : text.substr(1, close - 1);
    if (name.empty() || name.find_first_not_of(letters) != std::string_view::npos) {
      out += text.front();
      text.remove_prefix(1);
      continue;
    }
    const auto known = std::find_if(values.begin(), values.end(),
                                    [&](const auto& one) { return one.first == name; });
    if (known == values.end()) {
      std::vector<std::string> names;
      for (const auto& [each, value] : values) names.push_back("{" + std::string(each) + "}");
      return bad_input(fmt::format("there is no {{{}}}", name),
                       fmt::format("Write one of: {}.", join(names, ", ")));
    }
    out += known->second;
    text.remove_prefix(close + 1);
  }
  return out;
}

void add_route(StackSpec& stack, const PreviewPlan& plan, const RouteRules& rules,
               bool is_asked_for, BadInputs& bad) {
  if (plan.hostname.empty()) return;
  if (!is_asked_for && names_hostname(stack, plan.hostname)) return;
  StackService* service = find_service(stack, rules, bad);
  if (service == nullptr) return;
  const LabelValues values{{"stack", stack.name},
                           {"slug", plan.preview.slug},
                           {"hostname", plan.hostname},
                           {"service", service->key},
                           {"port", std::to_string(rules.port)}};
  Labels labels;
  for (const std::string& line : rules.labels) {
    if (rules.port == 0 && line.find(port_mark) != std::string::npos) continue;
    const std::size_t equals = line.find('=');
    if (equals == 0 || equals == std::string::npos) {
      bad.add("route-labels", fmt::format("{} does not begin with a name and a =", shown(line)),
              "Write name=value, one a line.");
      continue;
    }
    const auto key = fill_label(std::string_view(line).substr(0, equals), values);
    const auto value = fill_label(std::string_view(line).substr(equals + 1), values);
    for (const auto* part : {&key, &value}) {
      if (*part) continue;
      bad.add("route-labels", fmt::format("{}: {}", shown(line), part->error().message),
              part->error().hint);
    }
    if (key && value) labels.emplace_back(*key, *value);
  }
  put_labels(service->spec, labels);
}

std::vector<std::string> shared_things(const StackSpec& stack, const PreviewPlan& plan) {
  std::vector<std::string> found;
  const auto check = [&](std::string_view kind, const std::string& name) {
    if (name.starts_with(stack.name + "_") || name.find(plan.preview.slug) != std::string::npos)
      return;
    const std::string text = fmt::format(
        "the {} {} has a name of its own, so this preview and other stacks would have it together. "
        "Leave its name out, or write ${{PREVIEW_STACK}} in it; what shall be shared is external: "
        "true",
        kind, shown(name));
    if (std::find(found.begin(), found.end(), text) == found.end()) found.push_back(text);
  };
  for (const StackNetwork& network : stack.networks) check("network", network.name);
  for (const StackObject& secret : stack.secrets) check("secret", secret.name);
  for (const StackObject& config : stack.configs) check("config", config.name);
  for (const StackService& service : stack.services) {
    for (const Json& mount : mounts_of(service.spec)) {
      if (is_own_volume(mount)) check("volume", mount.text_of("Source"));
    }
    find_shared_routes(service, plan, found);
  }
  return found;
}

std::optional<Preview> preview_in(const Json& labelled) {
  const Json* spec = labelled.find("Spec");
  Json label = own_labels(spec == nullptr ? labelled : *spec);
  const std::string slug = label.text_of("preview");
  if (!slug.empty()) label.set("slug", slug);
  return preview_of_record(label);
}

std::optional<Preview> preview_of_record(const Json& record) {
  auto preview = preview_of(record);
  if (!preview) return preview;
  preview->stack = record.text_of("stack");
  preview->is_claim = record.text_of("phase") == claimed;
  preview->is_gone = record.text_of("phase") == only_volumes;
  for (const std::string& node : split(record.text_of("volumes-on"), ' ')) {
    if (!node.empty()) preview->volume_nodes.push_back(node);
  }
  return preview;
}

Json record_of(const Preview& preview) {
  Json record = label_of(preview);
  record.set("deployed", preview.deployed).set("expires", preview.expires);
  record.set("phase", preview.is_gone ? only_volumes : preview.is_claim ? claimed : "");
  return record.set("volumes-on", join(preview.volume_nodes, " "));
}

bool is_stack_of(std::string_view stack, const Preview& preview) {
  return stack.ends_with("-preview-" + preview.slug);
}

std::vector<Preview> parse_previews(const Json& configs, const Json& services) {
  std::map<std::string, Preview> by_stack;
  const auto take = [&](Preview preview) {
    if (is_stack_of(preview.stack, preview)) by_stack.emplace(preview.stack, std::move(preview));
  };
  if (configs.as_array() != nullptr) {
    for (const Json& config : *configs.as_array()) {
      const Json* spec = config.find("Spec");
      const bool is_record = spec != nullptr && own_labels(*spec).text_of("kind") == "preview";
      auto preview = is_record ? preview_in(config) : std::nullopt;
      // Labels can be put on every config, and its name says whose it is.
      if (!preview || spec->text_of("Name") != record_name(preview->stack, "preview")) continue;
      preview->version = version_of(config);
      take(*std::move(preview));
    }
  }
  for (const auto& [name, service] : parse_services(services)) {
    auto preview = preview_in(service.spec);
    const Json* labels = service.spec.find("Labels");
    if (!preview || labels == nullptr) continue;
    preview->stack = labels->text_of(stack_label);
    const auto recorded = by_stack.find(preview->stack);
    if (recorded != by_stack.end()) recorded->second.is_gone = false;
    take(*std::move(preview));
  }
  std::vector<Preview> found;
  for (auto& [stack, preview] : by_stack) found.push_back(std::move(preview));
  sort_by_age(found);
  return found;
}

Result<> check_no_preview(const std::string& stack, const SwarmState& state) {
  for (const auto& owner : owners_of(stack, state)) {
    if (!owner) continue;
    return conflict(fmt::format("{}: it is the preview of branch {} of {}", stack,
                                shown(owner->branch), visible(owner->repository)),
                    "Deploy it by \"swarm-deploy preview up\", or take it down first.");
  }
  return {};
}

Result<> check_owner(const std::string& stack, const Preview& ours, const SwarmState& state) {
  for (const auto& owner : owners_of(stack, state)) {
    if (!owner) {
      return conflict(fmt::format("{}: a stack of this name is there, and is no preview", stack),
                      "Remove it with \"swarm-deploy rm\" if nobody needs it.");
    }
    if (owner->is_of(ours.repository, ours.branch)) continue;
    return conflict(fmt::format("{}: it is the preview of branch {} of {}", stack,
                                shown(owner->branch), visible(owner->repository)),
                    "Give this branch a stack of its own, or take that one down first.");
  }
  return {};
}

Result<> check_cap(const PreviewPlan& plan, const std::vector<Preview>& there) {
  const auto own = std::find_if(there.begin(), there.end(), [&](const Preview& preview) {
    return preview.stack == plan.preview.stack;
  });
  const bool is_there = own != there.end() && !own->is_gone;
  if (is_there && !own->is_claim) return {};
  std::vector<std::string> names;
  for (const Preview& preview : there) {
    const bool is_ours = plan.preview.repository.empty() || preview.repository.empty() ||
                         preview.repository == plan.preview.repository;
    const bool is_later = is_there && preview.is_claim && preview.version > own->version;
    if (!is_ours || preview.is_gone || is_later || preview.stack == plan.preview.stack) continue;
    names.push_back(fmt::format("{} ({})", visible(preview.branch), visible(preview.stack)));
  }
  if (names.size() < plan.cap) return {};
  constexpr std::size_t most_shown = 20;
  const std::size_t more = names.size() - std::min(names.size(), most_shown);
  names.resize(names.size() - more);
  return failed(fmt::format("{} has {} previews, and preview-cap allows {}: {}{}",
                            visible(plan.preview.repository), names.size() + more, plan.cap,
                            join(names, ", "), more == 0 ? "" : fmt::format(" and {} more", more)),
                "Take one down (\"swarm-deploy preview down\"), reap those that expired, or raise "
                "preview-cap.");
}

}  // namespace pca::swarm_deploy
