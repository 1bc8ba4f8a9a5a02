#include "swarm-deploy/stack_spec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "swarm-deploy/go_values.hpp"
#include "swarm-deploy/stack_waves.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr std::size_t largest_object =
    std::size_t{500} * 1024;  // of a secret; a config's may be 1000 KiB
constexpr std::size_t longest_object_name = 64;
constexpr std::int64_t least_memory = std::int64_t{4} * 1024 * 1024;
constexpr std::int64_t least_cpu = 1'000'000;
constexpr std::int64_t readable_by_all = 0444;
constexpr std::int64_t most_waves = 1000;

const Json nothing;

// The member of an object, or null.
const Json& at(const Json& value, std::string_view key) {
  const Json* found = value.find(key);
  return found == nullptr ? nothing : *found;
}

// Sets what Go's "omitempty" does not leave out.
void put(Json& to, const char* key, Json value) {
  if (value.is_null()) return;
  if (const bool* flag = value.as_bool(); flag != nullptr && !*flag) return;
  if (const auto* text = value.as_string(); text != nullptr && text->empty()) return;
  if (const auto* number = value.as_int(); number != nullptr && *number == 0) return;
  if (const auto* list = value.as_array(); list != nullptr && list->empty()) return;
  if (const auto* map = value.as_object(); map != nullptr && map->empty()) return;
  to.set(key, std::move(value));
}

std::int64_t nanoseconds(const Json& duration) {
  return duration.as_string() == nullptr ? 0 : parse_go_duration(*duration.as_string()).value_or(0);
}

std::int64_t number(const Json& value) {
  if (const auto* whole = value.as_int()) return *whole;
  const auto* text = value.as_string();
  return text == nullptr ? 0 : parse_memory(*text).value_or(0);
}

std::vector<std::string> texts(const Json& list) {
  std::vector<std::string> out;
  if (list.as_array() == nullptr) return out;
  for (const Json& item : *list.as_array())
    out.push_back(item.as_string() == nullptr ? "" : *item.as_string());
  return out;
}

Json list_of(const std::vector<std::string>& items) {
  Json list = Json::array();
  for (const std::string& item : items) list.push(item);
  return list;
}

// "net_admin" as CAP_NET_ADMIN.
std::string capability(std::string_view text) {
  const std::string upper = to_upper(trim(text));
  return upper == "ALL" || upper.starts_with("CAP_") ? upper : "CAP_" + upper;
}

std::string base64_of(const std::string& content) {
  return base64_encode({reinterpret_cast<const std::uint8_t*>(content.data()), content.size()});
}

std::string short_digest(const std::string& content) {
  return to_hex(sha256(content)).substr(0, 12);
}

// An image of Docker's own registry without what goes without saying.
std::string familiar(std::string image) {
  for (const std::string_view host : {"docker.io/", "index.docker.io/"}) {
    if (image.starts_with(host)) image.erase(0, host.size());
  }
  constexpr std::string_view official = "library/";
  if (image.starts_with(official) && image.find('/', official.size()) == std::string::npos) {
    image.erase(0, official.size());
  }
  return image;
}

class Conversion {
 public:
  Conversion(const std::string& stack, const Compose& compose, const ReadFile& read_file,
             const Variables& variables, bool rotate)
      : stack_(stack),
        compose_(compose),
        config_(compose.config),
        read_file_(read_file),
        variables_(variables),
        rotate_(rotate) {}

  ConvertedStack run() {
    out_.spec.name = stack_;
    convert_objects("secrets", out_.spec.secrets);
    convert_objects("configs", out_.spec.configs);
    for (const auto& [key, service] : *at(config_, "services").as_object()) {
      convert_service(key, service);
    }
    convert_networks();
    check_published_ports();
    check_dependencies();
    order_services();
    out_.problems.sort();
    return std::move(out_);
  }

 private:
  using Path = std::vector<std::string>;

  void mistake(const Path& path, std::string text, std::string cure = {}) {
    out_.problems.mistake(compose_.place(path), std::move(text), std::move(cure));
  }

  [[nodiscard]] std::string scoped(const std::string& key) const { return stack_ + "_" + key; }

  [[nodiscard]] Json with_stack_label(const Json& labels) const {
    Json all = labels.is_null() ? Json::object() : labels;
    return all.set(stack_label, stack_);
  }

  // An object's own name, or its key with the stack's in front (and a digest of the content
  // behind).
  [[nodiscard]] std::string name_of(std::string_view section, const std::string& key) const {
    const auto rotated = rotated_.find({std::string(section), key});
    if (rotated != rotated_.end()) return rotated->second;
    const std::string own = at(at(config_, section), key).text_of("name");
    return own.empty() ? scoped(key) : own;
  }

  [[nodiscard]] bool is_external(std::string_view section, const std::string& key) const {
    const bool* flag = at(at(at(config_, section), key), "external").as_bool();
    return flag != nullptr && *flag;
  }

  bool must_be_defined(std::string_view section, const std::string& key, const Path& path,
                       std::string_view kind) {
    const Json& entries = at(config_, section);
    if (entries.find(key) != nullptr) return true;
    std::vector<std::string> names;
    if (entries.as_object() != nullptr) {
      for (const auto& [name, entry] : *entries.as_object()) names.push_back(name);
    }
    const std::string near = nearest(key, names);
    mistake(path, fmt::format("services.{}: the {} {} is not defined", path[1], kind, shown(key)),
            near.empty() ? fmt::format("Add it below {} at the top of the file.", section)
                         : fmt::format("Did you mean {}?", near));
    return false;
  }

  void convert_service(const std::string& key, const Json& service) {
    const Json& deploy = at(service, "deploy");
    StackService out;
    out.key = key;
    out.name = scoped(key);
    out.image = service.text_of("image");
    const Path path{"services", key};
    if (out.name.size() > 63) {
      mistake(path,
              fmt::format("services.{}: the name {} has more than 63 characters", key, out.name),
              "Shorten it or the stack's name.");
    }
    if (key.find('.') != std::string::npos || key.ends_with('-') || key.ends_with('_')) {
      mistake(path, fmt::format("services.{}: a swarm takes no such name", key),
              "Write letters, digits, - and _, a letter or digit last.");
    }
    auto image = full_image(out.image);
    if (!image)
      mistake({"services", key, "image"},
              fmt::format("services.{}.image: {}", key, image.error().message), image.error().hint);
    out.after = texts(at(service, "depends_on"));
    read_wave(service, out);

    Json spec = Json::object();
    spec.set("Name", out.name);
    Json labels = with_stack_label(at(deploy, "labels"));
    labels.set(image_label, out.image);
    spec.set("Labels", std::move(labels));
    Json task = Json::object();
    task.set("ContainerSpec", container(key, service, image ? *image : out.image));
    task.set("Resources", resources(key, at(deploy, "resources")));
    if (const Json* policy = deploy.find("restart_policy")) {
      task.set("RestartPolicy", restart_policy(*policy));
    } else if (Json restart = restart_of_container(key, service.text_of("restart"));
               !restart.is_null()) {
      task.set("RestartPolicy", std::move(restart));
    }
    task.set("Placement", placement(at(deploy, "placement")));
    put(task, "Networks", attachments(key, at(service, "networks")));
    if (const Json* logging = service.find("logging")) {
      Json driver = Json::object();
      put(driver, "Name", logging->text_of("driver"));
      put(driver, "Options", at(*logging, "options"));
      task.set("LogDriver", std::move(driver));
    }
    task.set("ForceUpdate", 0);
    spec.set("TaskTemplate", std::move(task));
    spec.set("Mode", mode(key, deploy));
    for (const auto& [from, to] : {std::pair{"update_config", "UpdateConfig"},
                                   std::pair{"rollback_config", "RollbackConfig"}}) {
      if (const Json* update = deploy.find(from)) spec.set(to, update_config(*update));
    }
    spec.set("EndpointSpec", endpoint(key, service, deploy));
    out.spec = std::move(spec);
    out_.spec.services.push_back(std::move(out));
  }

  Json container(const std::string& key, const Json& service, const std::string& image) {
    Json out = Json::object();
    put(out, "Image", image);
    out.set("Labels", with_stack_label(at(service, "labels")));
    put(out, "Command", at(service, "entrypoint"));
    put(out, "Args", at(service, "command"));
    put(out, "Hostname", at(service, "hostname"));
    put(out, "Env", environment(at(service, "environment")));
    put(out, "Dir", at(service, "working_dir"));
    put(out, "User", at(service, "user"));
    out.set("Privileges", privileges(key, at(service, "credential_spec")));
    if (const Json* init = service.find("init")) out.set("Init", *init);
    put(out, "StopSignal", at(service, "stop_signal"));
    put(out, "TTY", at(service, "tty"));
    put(out, "OpenStdin", at(service, "stdin_open"));
    put(out, "ReadOnly", at(service, "read_only"));
    put(out, "Mounts", mounts(key, at(service, "volumes")));
    if (service.find("stop_grace_period") != nullptr) {
      out.set("StopGracePeriod", nanoseconds(at(service, "stop_grace_period")));
    }
    if (const Json* check = service.find("healthcheck"))
      out.set("Healthcheck", healthcheck(key, *check));
    put(out, "Hosts", hosts(at(service, "extra_hosts")));
    put(out, "DNSConfig", dns(service));
    put(out, "Secrets", references(key, service, "secrets"));
    put(out, "Configs", references(key, service, "configs"));
    put(out, "Isolation", at(service, "isolation"));
    put(out, "Sysctls", at(service, "sysctls"));
    capabilities(service, out);
    put(out, "Ulimits", ulimits(at(service, "ulimits")));
    put(out, "OomScoreAdj", at(service, "oom_score_adj"));
    return out;
  }

  static Json environment(const Json& variables) {
    std::vector<std::string> lines;
    if (variables.as_object() != nullptr) {
      for (const auto& [name, value] : *variables.as_object()) {
        lines.push_back(value.is_null() ? name : name + "=" + *value.as_string());
      }
    }
    std::sort(lines.begin(), lines.end());
    return list_of(lines);
  }

  // The whole object is there even when it says nothing, as the docker CLI sends it.
  Json privileges(const std::string& key, const Json& spec) {
    Json credential;
    if (!spec.is_null()) {
      if (spec.as_object()->size() > 1) {
        mistake({"services", key, "credential_spec"},
                fmt::format("services.{}.credential_spec has more than one source", key),
                "Keep one of config, file and registry.");
      }
      credential = Json::object();
      for (const auto& [from, to] :
           {std::pair{"config", "Config"}, {"file", "File"}, {"registry", "Registry"}}) {
        credential.set(to, spec.text_of(from));
      }
      if (const std::string config = spec.text_of("config"); !config.empty()) {
        must_be_defined("configs", config, {"services", key, "credential_spec"}, "config");
        credential.set("Config", name_of("configs", config));
      }
    }
    Json out = Json::object();
    out.set("CredentialSpec", std::move(credential));
    out.set("SELinuxContext", Json());
    out.set("NoNewPrivileges", false);
    return out;
  }

  Json mounts(const std::string& key, const Json& volumes) {
    Json list = Json::array();
    if (volumes.as_array() == nullptr) return list;
    for (const Json& volume : *volumes.as_array()) list.push(mount(key, volume));
    return list;
  }

  Json mount(const std::string& key, const Json& volume) {
    const Path path{"services", key, "volumes"};
    std::string type = volume.text_of("type");
    const std::string source = volume.text_of("source");
    Json out = Json::object();
    put(out, "Type", type);
    put(out, "Source", source);
    put(out, "Target", volume.text_of("target"));
    put(out, "ReadOnly", at(volume, "read_only"));
    put(out, "Consistency", at(volume, "consistency"));
    if (type.empty()) type = "volume";
    const auto excludes = [&](std::initializer_list<const char*> options) {
      for (const char* option : options) {
        if (volume.find(option) == nullptr) continue;
        mistake(path,
                fmt::format("services.{}.volumes: a mount of type {} has options for {}", key, type,
                            option),
                "Remove them, or change its type.");
      }
    };
    if (type == "volume") {
      excludes({"tmpfs", "bind"});
      if (!source.empty()) named_volume(key, source, volume, out);
    } else if (type == "bind") {
      excludes({"volume", "tmpfs"});
      if (const Json* bind = volume.find("bind")) {
        Json options = Json::object();
        put(options, "Propagation", bind->text_of("propagation"));
        out.set("BindOptions", std::move(options));
      }
    } else if (type == "tmpfs") {
      excludes({"bind", "volume"});
      if (!source.empty()) {
        mistake(path, fmt::format("services.{}.volumes: a tmpfs has a source", key),
                "Remove source.");
      }
      if (const Json* tmpfs = volume.find("tmpfs")) {
        Json options = Json::object();
        put(options, "SizeBytes", at(*tmpfs, "size"));
        out.set("TmpfsOptions", std::move(options));
      }
    } else if (type == "cluster") {
      excludes({"bind", "volume", "tmpfs"});
      cluster_volume(key, source, out);
    } else {
      mistake(path, fmt::format("services.{}.volumes: {} is no type of a mount", key, shown(type)),
              "Write volume, bind, tmpfs or cluster.");
    }
    return out;
  }

  // A volume of a CSI driver, or any of a group of them.
  void cluster_volume(const std::string& key, const std::string& source, Json& out) {
    const Path path{"services", key, "volumes"};
    out.set("ClusterOptions", Json::object());
    if (source.empty()) {
      mistake(path, fmt::format("services.{}.volumes: a cluster volume has no source", key),
              "Name the volume, or write group:NAME.");
    } else if (!source.starts_with("group:") &&
               must_be_defined("volumes", source, path, "volume")) {
      out.set("Source", name_of("volumes", source));
    }
  }

  void named_volume(const std::string& key, const std::string& source, const Json& volume,
                    Json& out) {
    if (!must_be_defined("volumes", source, {"services", key, "volumes"}, "volume")) return;
    const Json& defined = at(at(config_, "volumes"), source);
    out.set("Source", name_of("volumes", source));
    Json options = Json::object();
    put(options, "NoCopy", at(at(volume, "volume"), "nocopy"));
    if (!is_external("volumes", source)) {
      options.set("Labels", with_stack_label(at(defined, "labels")));
      if (defined.find("driver") != nullptr || defined.find("driver_opts") != nullptr) {
        Json driver = Json::object();
        put(driver, "Name", defined.text_of("driver"));
        put(driver, "Options", at(defined, "driver_opts"));
        options.set("DriverConfig", std::move(driver));
      }
    }
    out.set("VolumeOptions", std::move(options));
  }

  Json healthcheck(const std::string& key, const Json& check) {
    Json out = Json::object();
    const bool is_off = check.find("disable") != nullptr;
    if (is_off && check.find("test") != nullptr) {
      mistake({"services", key, "healthcheck", "disable"},
              fmt::format("services.{}.healthcheck: test and disable exclude each other", key),
              "Write test: [NONE] in the later file.");
    }
    if (is_off) return out.set("Test", list_of({"NONE"}));
    put(out, "Test", at(check, "test"));
    put(out, "Interval", nanoseconds(at(check, "interval")));
    put(out, "Timeout", nanoseconds(at(check, "timeout")));
    put(out, "StartPeriod", nanoseconds(at(check, "start_period")));
    put(out, "StartInterval", nanoseconds(at(check, "start_interval")));
    put(out, "Retries", at(check, "retries"));
    return out;
  }

  static Json hosts(const Json& list) {
    std::vector<std::string> lines;
    for (const std::string& text : texts(list)) {
      const std::size_t colon = text.find(':');
      if (colon != std::string::npos)
        lines.push_back(text.substr(colon + 1) + " " + text.substr(0, colon));
    }
    return list_of(lines);
  }

  static Json dns(const Json& service) {
    Json out = Json::object();
    put(out, "Nameservers", at(service, "dns"));
    put(out, "Search", at(service, "dns_search"));
    return out;
  }

  Json references(const std::string& key, const Json& service, const char* section) {
    const bool is_secret = section == std::string_view("secrets");
    std::vector<std::pair<std::string, Json>> found;
    if (const Json* list = service.find(section)) {
      for (const Json& reference : *list->as_array()) {
        const std::string source = reference.text_of("source");
        if (!must_be_defined(section, source, {"services", key, section},
                             is_secret ? "secret" : "config")) {
          continue;
        }
        const auto text_or = [&](const char* name, const std::string& otherwise) {
          const std::string text = reference.text_of(name);
          return text.empty() ? otherwise : text;
        };
        Json file = Json::object();
        file.set("Name", text_or("target", source));
        file.set("UID", text_or("uid", "0"));
        file.set("GID", text_or("gid", "0"));
        const Json* mode = reference.find("mode");
        file.set("Mode", mode == nullptr ? Json(readable_by_all) : *mode);
        const std::string name = name_of(section, source);
        Json out = Json::object();
        out.set("File", std::move(file));
        out.set(is_secret ? "SecretID" : "ConfigID", name);
        out.set(is_secret ? "SecretName" : "ConfigName", name);
        found.emplace_back(name, std::move(out));
      }
    }
    const std::string runtime = is_secret ? "" : at(service, "credential_spec").text_of("config");
    if (!runtime.empty()) {
      const std::string name = name_of("configs", runtime);
      Json out = Json::object();
      out.set("Runtime", Json::object()).set("ConfigID", name).set("ConfigName", name);
      found.emplace_back(name, std::move(out));
    }
    std::stable_sort(found.begin(), found.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    Json list = Json::array();
    for (auto& [name, reference] : found) list.push(std::move(reference));
    return list;
  }

  // Added ones win over dropped ones, ALL over single ones.
  static void capabilities(const Json& service, Json& out) {
    std::set<std::string> added;
    std::set<std::string> dropped;
    for (const std::string& text : texts(at(service, "cap_add"))) added.insert(capability(text));
    for (const std::string& text : texts(at(service, "cap_drop"))) dropped.insert(capability(text));
    for (std::set<std::string>* set : {&added, &dropped}) {
      if (set->contains("ALL")) *set = {"ALL"};
    }
    for (const std::string& name : added) dropped.erase(name);
    put(out, "CapabilityAdd", list_of({added.begin(), added.end()}));
    put(out, "CapabilityDrop", list_of({dropped.begin(), dropped.end()}));
  }

  static Json ulimits(const Json& limits) {
    Json list = Json::array();
    if (limits.as_object() == nullptr) return list;
    for (const auto& [name, limit] : *limits.as_object()) {
      const bool is_single = limit.as_int() != nullptr;
      Json out = Json::object();
      out.set("Name", name);
      out.set("Hard", number(is_single ? limit : at(limit, "hard")));
      out.set("Soft", number(is_single ? limit : at(limit, "soft")));
      list.push(std::move(out));
    }
    return list;
  }

  Json resources(const std::string& key, const Json& given) {
    Json out = Json::object();
    for (const auto& [from, to] :
         {std::pair{"limits", "Limits"}, {"reservations", "Reservations"}}) {
      const Json* part = given.find(from);
      if (part == nullptr) continue;
      const Path path{"services", key, "deploy", "resources", from};
      Json amounts = Json::object();
      if (const std::string cpus = part->text_of("cpus"); !cpus.empty()) {
        const auto nano = parse_cpus(cpus);
        if (!nano)
          mistake(path,
                  fmt::format("services.{}.deploy.resources.{}.cpus: {}", key, from,
                              nano.error().message),
                  nano.error().hint);
        if (nano && *nano > 0 && *nano < least_cpu) {
          mistake(path,
                  fmt::format("services.{}.deploy.resources.{}.cpus is less than 0.001", key, from),
                  "That is the least a swarm gives.");
        }
        put(amounts, "NanoCPUs", nano.value_or(0));
      }
      const std::int64_t memory = number(at(*part, "memory"));
      if (memory > 0 && memory < least_memory) {
        mistake(path,
                fmt::format("services.{}.deploy.resources.{}.memory is less than 4 MiB", key, from),
                "That is the least a swarm gives.");
      }
      put(amounts, "MemoryBytes", memory);
      put(amounts, "Pids", at(*part, "pids"));
      put(amounts, "GenericResources", generic_resources(at(*part, "generic_resources")));
      out.set(to, std::move(amounts));
    }
    return out;
  }

  static Json generic_resources(const Json& given) {
    Json list = Json::array();
    if (given.as_array() == nullptr) return list;
    for (const Json& entry : *given.as_array()) {
      Json out = Json::object();
      if (const Json* discrete = entry.find("discrete_resource_spec")) {
        Json spec = Json::object();
        put(spec, "Kind", discrete->text_of("kind"));
        put(spec, "Value", at(*discrete, "value"));
        out.set("DiscreteResourceSpec", std::move(spec));
      }
      list.push(std::move(out));
    }
    return list;
  }

  static Json restart_policy(const Json& policy) {
    Json out = Json::object();
    put(out, "Condition", policy.text_of("condition"));
    for (const auto& [from, to] : {std::pair{"delay", "Delay"}, {"window", "Window"}}) {
      if (const Json* duration = policy.find(from)) out.set(to, nanoseconds(*duration));
    }
    if (const Json* attempts = policy.find("max_attempts")) out.set("MaxAttempts", *attempts);
    return out;
  }

  // The key of containers, "on-failure:3", which counts where deploy has no restart_policy.
  Json restart_of_container(const std::string& key, const std::string& text) {
    const std::size_t colon = text.find(':');
    const std::string name = text.substr(0, colon);
    const auto attempts = colon == std::string::npos
                              ? Result<std::int64_t>(0)
                              : parse_integer(text.substr(colon + 1), 0, 1'000'000);
    const bool is_known = name.empty() || name == "no" || name == "always" ||
                          name == "unless-stopped" || name == "on-failure";
    if (!is_known || !attempts) {
      mistake({"services", key, "restart"},
              fmt::format("services.{}.restart: {} is no restart policy", key, shown(text)),
              "Write no, always, unless-stopped, on-failure or on-failure:3.");
      return {};
    }
    if (name.empty() || name == "no") return {};
    if (name != "on-failure") return Json::object().set("Condition", "any");
    return Json::object().set("Condition", "on-failure").set("MaxAttempts", *attempts);
  }

  static Json placement(const Json& given) {
    Json out = Json::object();
    put(out, "Constraints", at(given, "constraints"));
    Json preferences = Json::array();
    if (const Json* list = given.find("preferences")) {
      for (const Json& preference : *list->as_array()) {
        Json spread = Json::object();
        spread.set("SpreadDescriptor", preference.text_of("spread"));
        preferences.push(Json::object().set("Spread", std::move(spread)));
      }
    }
    put(out, "Preferences", std::move(preferences));
    put(out, "MaxReplicas", at(given, "max_replicas_per_node"));
    return out;
  }

  Json attachments(const std::string& key, const Json& networks) {
    Json given = networks;
    if (given.is_null() || given.as_object()->empty())
      given = Json::object().set("default", Json());
    std::vector<std::pair<std::string, Json>> found;
    for (const auto& [name, network] : *given.as_object()) {
      if (name != "default" &&
          !must_be_defined("networks", name, {"services", key, "networks"}, "network")) {
        continue;
      }
      used_networks_.insert(name);
      Json out = Json::object();
      const std::string target = name_of("networks", name);
      out.set("Target", target);
      std::vector<std::string> aliases = texts(at(network, "aliases"));
      const bool is_own = target != "host" && target != "none" && target != "bridge" &&
                          target != "default" && !target.starts_with("container:");
      if (is_own) aliases.push_back(key);
      put(out, "Aliases", list_of(aliases));
      put(out, "DriverOpts", at(network, "driver_opts"));
      found.emplace_back(target, std::move(out));
    }
    std::stable_sort(found.begin(), found.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    Json list = Json::array();
    for (auto& [target, network] : found) list.push(std::move(network));
    return list;
  }

  Json mode(const std::string& key, const Json& deploy) {
    const std::string name = deploy.text_of("mode");
    Json counts = Json::object();
    const Json* replicas = deploy.find("replicas");
    if (replicas != nullptr && name.starts_with("global")) {
      mistake({"services", key, "deploy", "mode"},
              fmt::format("services.{}.deploy: mode {} goes with no replicas", key, name),
              "Remove one of them.");
    }
    if (name == "replicated-job") {
      if (replicas != nullptr)
        counts.set("MaxConcurrent", *replicas).set("TotalCompletions", *replicas);
      return Json::object().set("ReplicatedJob", std::move(counts));
    }
    if (name == "global") return Json::object().set("Global", std::move(counts));
    if (name == "global-job") return Json::object().set("GlobalJob", std::move(counts));
    if (replicas != nullptr) counts.set("Replicas", *replicas);
    return Json::object().set("Replicated", std::move(counts));
  }

  static Json update_config(const Json& given) {
    Json out = Json::object();
    const Json* parallelism = given.find("parallelism");
    out.set("Parallelism", parallelism == nullptr ? Json(1) : *parallelism);
    put(out, "Delay", nanoseconds(at(given, "delay")));
    put(out, "FailureAction", given.text_of("failure_action"));
    put(out, "Monitor", nanoseconds(at(given, "monitor")));
    const Json* ratio = given.find("max_failure_ratio");
    out.set("MaxFailureRatio", ratio == nullptr ? Json(0) : *ratio);
    out.set("Order", given.text_of("order"));
    return out;
  }

  Json endpoint(const std::string& key, const Json& service, const Json& deploy) {
    Json out = Json::object();
    const std::string mode = to_lower(deploy.text_of("endpoint_mode"));
    if (!mode.empty() && mode != "vip" && mode != "dnsrr") {
      mistake({"services", key, "deploy", "endpoint_mode"},
              fmt::format("services.{}.deploy.endpoint_mode: {} is none", key, shown(mode)),
              "Write vip or dnsrr.");
    }
    put(out, "Mode", mode);
    std::vector<std::pair<std::int64_t, Json>> ports;
    if (const Json* list = service.find("ports")) {
      for (const Json& port : *list->as_array()) {
        Json entry = Json::object();
        put(entry, "Protocol", port.text_of("protocol"));
        put(entry, "TargetPort", at(port, "target"));
        put(entry, "PublishedPort", at(port, "published"));
        put(entry, "PublishMode", port.text_of("mode"));
        ports.emplace_back(number(at(port, "published")), std::move(entry));
      }
    }
    std::stable_sort(ports.begin(), ports.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    Json list = Json::array();
    for (auto& [published, port] : ports) list.push(std::move(port));
    put(out, "Ports", std::move(list));
    return out;
  }

  void convert_networks() {
    for (const std::string& key : used_networks_) {
      const Json& given = at(at(config_, "networks"), key);
      if (is_external("networks", key)) {
        out_.spec.external_networks.push_back(given.text_of("name"));
        continue;
      }
      Json body = Json::object();
      const std::string name = name_of("networks", key);
      const std::string driver = given.text_of("driver");
      body.set("Name", name);
      body.set("CheckDuplicate", true);
      body.set("Driver", driver.empty() ? "overlay" : driver);
      put(body, "Internal", at(given, "internal"));
      put(body, "Attachable", at(given, "attachable"));
      if (const Json* ipam = given.find("ipam")) {
        Json out = Json::object();
        out.set("Driver", ipam->text_of("driver"));
        Json subnets = Json::array();
        if (const Json* list = ipam->find("config")) {
          for (const Json& entry : *list->as_array()) {
            Json subnet = Json::object();
            put(subnet, "Subnet", entry.text_of("subnet"));
            subnets.push(std::move(subnet));
          }
        }
        out.set("Config", std::move(subnets));
        body.set("IPAM", std::move(out));
      }
      put(body, "Options", at(given, "driver_opts"));
      body.set("Labels", with_stack_label(at(given, "labels")));
      out_.spec.networks.push_back({name, std::move(body)});
    }
  }

  // Of a config or secret, from where the file says.
  [[nodiscard]] Result<std::string> content_of(const Json& given) const {
    if (given.find("content") != nullptr) return given.text_of("content");
    const std::string variable = given.text_of("environment");
    if (given.find("environment") == nullptr) return read_file_(given.text_of("file"));
    const auto found = variables_.find(variable);
    if (found != variables_.end()) return found->second;
    return bad_input(fmt::format("the variable {} is not set", visible(variable)),
                     "Give it to the step as env, or by vars or env-file.");
  }

  void convert_objects(const char* section, std::vector<StackObject>& into) {
    const Json& entries = at(config_, section);
    if (entries.as_object() == nullptr) return;
    for (const auto& [key, given] : *entries.as_object()) {
      if (is_external(section, key)) continue;
      Json body = Json::object();
      body.set("Name", "");
      body.set("Labels", with_stack_label(at(given, "labels")));
      const std::string driver = given.text_of("driver");
      if (driver.empty()) {
        const auto content = content_of(given);
        if (!content) {
          mistake({section, key}, fmt::format("{}.{}: {}", section, key, content.error().message),
                  content.error().hint);
          continue;
        }
        if (content->empty()) {
          mistake({section, key}, fmt::format("{}.{}: it is empty", section, key),
                  "A swarm takes no empty one: look at where its content comes from.");
        }
        if (content->size() >= largest_object) {
          mistake({section, key},
                  fmt::format("{}.{}: it holds {}, and a swarm takes less than {}", section, key,
                              rounded_size(content->size()), format_size(largest_object)),
                  "Put large data into the image or a volume.");
        }
        put(body, "Data", base64_of(*content));
        if (rotate_ && given.text_of("name").empty()) {
          rotated_[{section, key}] = fmt::format("{}_{}", scoped(key), short_digest(*content));
        }
      } else {
        Json options = Json::object();
        put(options, "Name", driver);
        put(options, "Options", at(given, "driver_opts"));
        body.set("Driver", std::move(options));
      }
      if (const std::string templating = given.text_of("template_driver"); !templating.empty()) {
        body.set("Templating", Json::object().set("Name", templating));
      }
      const std::string name = name_of(section, key);
      body.set("Name", name);
      if (name.size() > longest_object_name) {
        mistake({section, key},
                fmt::format("{}.{}: the name {} has more than {} characters", section, key, name,
                            longest_object_name),
                "Shorten it or the stack's name.");
      }
      into.push_back({name, std::move(body), rotated_.contains({section, key})});
    }
  }

  // Two services of the stack that publish the same port through the routing mesh.
  void check_published_ports() {
    std::map<std::pair<std::int64_t, std::string>, std::string> taken;
    for (const StackService& service : out_.spec.services) {
      const Json& ports = at(at(service.spec, "EndpointSpec"), "Ports");
      if (ports.as_array() == nullptr) continue;
      for (const Json& port : *ports.as_array()) {
        const std::int64_t published = number(at(port, "PublishedPort"));
        const std::string protocol = port.text_of("Protocol");
        if (published == 0 || port.text_of("PublishMode") == "host") continue;
        const auto [other, is_new] =
            taken.emplace(std::pair{published, protocol.empty() ? "tcp" : protocol}, service.key);
        if (is_new) continue;
        mistake({"services", service.key, "ports"},
                fmt::format("services.{}.ports: port {} is published by {} too", service.key,
                            published, other->second == service.key ? "itself" : other->second),
                "Publish another port.");
      }
    }
  }

  // The extension that says when a service's turn comes.
  void read_wave(const Json& service, StackService& out) {
    const Json* own = service.find("x-deploy");
    if (own == nullptr) return;
    const Path path{"services", out.key, "x-deploy"};
    const std::string where = fmt::format("services.{}.x-deploy", out.key);
    if (own->as_object() == nullptr) {
      return mistake(path, where + " is no map", "Write \"wave: 2\" below it.");
    }
    for (const auto& [key, value] : *own->as_object()) {
      const std::int64_t* number = value.as_int();
      if (key != "wave") {
        mistake(path, fmt::format("{}.{}: no key of x-deploy", where, visible(key)),
                "Did you mean wave?");
      } else if (number == nullptr || *number < -most_waves || *number > most_waves) {
        mistake(
            path, where + ".wave is no whole number",
            fmt::format("Write one from {} to {}; 0 is the usual one.", -most_waves, most_waves));
      } else {
        out.given_wave = *number;
      }
    }
  }

  void order_services() {
    std::map<std::string, WaveOrder> orders;
    for (const StackService& service : out_.spec.services)
      orders[service.key] = {service.given_wave, service.after};
    const Waves waves = make_waves(orders);
    for (const auto& [key, problem] : waves.mistakes) {
      mistake({"services", key, "depends_on"},
              fmt::format("services.{}.depends_on: {}", key, problem),
              "Remove one of the dependencies, or change the wave.");
    }
    for (StackService& service : out_.spec.services) service.wave = waves.of.at(service.key);
  }

  void check_dependencies() {
    std::vector<std::string> keys;
    for (const StackService& service : out_.spec.services) keys.push_back(service.key);
    for (const StackService& service : out_.spec.services) {
      for (const std::string& other : service.after) {
        if (std::find(keys.begin(), keys.end(), other) != keys.end()) continue;
        const std::string near = nearest(other, keys);
        out_.problems.warning(
            compose_.place(Path{"services", service.key, "depends_on"}),
            fmt::format("services.{}.depends_on: there is no service {}", service.key,
                        shown(other)),
            near.empty() ? "Name a service of this stack." : fmt::format("Did you mean {}?", near));
      }
    }
  }

  const std::string& stack_;
  const Compose& compose_;
  const Json& config_;
  const ReadFile& read_file_;
  const Variables& variables_;
  bool rotate_;
  std::map<std::pair<std::string, std::string>, std::string> rotated_;  // by section and key
  std::set<std::string> used_networks_;
  ConvertedStack out_;
};

}  // namespace

ConvertedStack convert_stack(const std::string& name, const Compose& compose,
                             const ReadFile& read_file, const Variables& variables, bool rotate) {
  return Conversion(name, compose, read_file, variables, rotate).run();
}

Result<std::string> full_image(const std::string& image) {
  const auto problem = [&](std::string_view why) {
    return bad_input(image.empty() ? std::string("the image is missing")
                                   : fmt::format("{} is no image: {}", shown(image), why),
                     "Write it as name:tag, registry.example/team/name:tag or name@sha256:....");
  };
  if (image.empty()) return problem("");
  const std::size_t at = image.find('@');
  const std::string rest = familiar(image.substr(0, at));
  if (at != std::string::npos) {
    const std::string digest = image.substr(at + 1);
    const bool is_good = digest.starts_with("sha256:") && digest.size() == 71 &&
                         digest.find_first_not_of("0123456789abcdef", 7) == std::string::npos;
    if (!is_good) return problem("behind @ stands no sha256 digest");
  }
  const std::size_t slash = rest.rfind('/');
  const std::size_t colon = rest.find(':', slash == std::string::npos ? 0 : slash);
  const std::string name = rest.substr(0, colon);
  constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyz0123456789._-/";
  const std::size_t host_end = name.find('/');
  const std::string host = host_end == std::string::npos ? std::string() : name.substr(0, host_end);
  const bool has_host = host.find_first_of(".:") != std::string::npos || host == "localhost";
  const std::string path = has_host ? name.substr(host_end + 1) : name;
  if (path.find_first_not_of(allowed) != std::string::npos || path.empty() || path.front() == '/' ||
      path.back() == '/' || path.find("//") != std::string::npos) {
    return problem("a name has lower case letters, digits, '.', '_', '-' and '/'");
  }
  if (colon != std::string::npos) {
    const std::string tag = rest.substr(colon + 1);
    constexpr std::string_view in_tags =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    if (tag.empty() || tag.size() > 128 || tag.find_first_not_of(in_tags) != std::string::npos) {
      return problem("its tag is none");
    }
  }
  if (at != std::string::npos) return rest + image.substr(at);
  return colon == std::string::npos ? rest + ":latest" : rest;
}

}  // namespace pca::swarm_deploy
