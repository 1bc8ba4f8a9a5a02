#include "swarm-deploy/compose_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <set>
#include <span>

#include "base/text.hpp"
#include "swarm-deploy/env_file.hpp"
#include "swarm-deploy/go_values.hpp"
#include "swarm-deploy/release_history.hpp"
#include "swarm-deploy/short_forms.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr std::string_view newest_version = "3.13";

// `translated`: the docker CLI refuses it, and the plain form says the same in keys that it knows.
enum class Standing : std::uint8_t { accepted, translated, ignored, deprecated, forbidden };

// A value as it is given on, or nothing when it says nothing (or was a mistake).
using Read = std::optional<Json>;

class Reader;
// One key of an object: how its value is read and what becomes of it.
struct Key {
  std::string_view name;
  Read (Reader::*read)(const std::string& path, const ConfigValue& value) = nullptr;
  Standing standing = Standing::accepted;
  std::string_view cure = {};  // what to do instead of a key that is not accepted
};
struct Shape {
  std::string_view what;  // "a service"
  std::span<const Key> keys;
  bool may_extend = true;  // keys that begin with "x-"
  bool is_open = false;    // further keys are dropped without a word, as the docker CLI does
};

// Nothing for what Go's "omitempty" leaves out.
Read unless_empty(Json value) {
  if (value.is_null()) return {};
  if (const bool* flag = value.as_bool(); flag != nullptr && !*flag) return {};
  if (const auto* text = value.as_string(); text != nullptr && text->empty()) return {};
  if (const auto* number = value.as_int(); number != nullptr && *number == 0) return {};
  if (const auto* number = value.as_double(); number != nullptr && *number == 0) return {};
  if (const auto* list = value.as_array(); list != nullptr && list->empty()) return {};
  if (const auto* map = value.as_object(); map != nullptr && map->empty()) return {};
  return value;
}

template <typename T>
Read unless_empty(std::optional<T> value) {
  return value ? unless_empty(Json(*std::move(value))) : Read();
}

Json sorted_by_key(Json map) {
  Json::Object members = *map.as_object();
  std::sort(members.begin(), members.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  return members;
}

std::string kind_of(const Json& scalar) {
  if (scalar.is_null()) return "empty";
  if (scalar.as_bool() != nullptr) return "true or false";
  if (scalar.as_int() != nullptr || scalar.as_double() != nullptr) return "a number";
  return "text";
}

std::string kind_of(const ConfigValue& value) {
  if (value.is_list()) return "a list";
  return value.is_map() ? "a map" : "empty";
}

class Reader {
 public:
  Reader(const std::string& file, const ComposeSources& sources) : file_(file), sources_(sources) {}

  ReadCompose read(const ConfigValue& root);

 private:
  // A scalar after interpolation. `was_template`: variables were replaced, so that it is text
  // which may stand for another kind of value.
  struct Scalar {
    Json value;
    bool was_template = false;
  };

  void mistake(const ConfigValue& at, std::string text, std::string cure = {}) {
    problems_.mistake(place_of(file_, at), std::move(text), std::move(cure));
  }
  void warning(const ConfigValue& at, std::string text, std::string cure = {}) {
    problems_.warning(place_of(file_, at), std::move(text), std::move(cure));
  }

  void difference(const ConfigValue& at, std::string text, std::string cure) {
    problems_.difference(place_of(file_, at), std::move(text), std::move(cure));
  }

  std::optional<Scalar> scalar(const std::string& path, const ConfigValue& value);
  std::optional<std::string> string_of(const std::string& path, const ConfigValue& value);
  std::optional<std::vector<std::string>> strings_of(const std::string& path,
                                                     const ConfigValue& value);
  std::optional<Json> integer_of(const std::string& path, const ConfigValue& value);
  Read object(const std::string& path, const ConfigValue& value, const Shape& shape);
  Read objects(const std::string& path, const ConfigValue& value, const Shape& shape);
  // A list of what `add` makes of its entries, each with its path: add(path, entry, list).
  template <typename Add>
  Read entries(const std::string& path, const ConfigValue& value, const Add& add);
  void read_key(const std::string& path, const ConfigValue::Member& member, const Shape& shape,
                std::vector<std::pair<const Key*, Json>>& found);
  void unknown_key(const std::string& path, const ConfigValue::Member& member, const Shape& shape);
  bool must_be_map(const std::string& path, const ConfigValue& value);
  bool must_be_list(const std::string& path, const ConfigValue& value);
  // A map, or a list of "key=value"; a key without value is null where that is allowed, else "".
  std::optional<Json> pairs(const std::string& path, const ConfigValue& value, bool allows_null);
  std::optional<Json> pair_value(const std::string& path, const ConfigValue& value,
                                 bool allows_null);
  Json plain(const std::string& path, const ConfigValue& value);  // of an extension
  std::string absolute(const std::string& path) const;
  bool is_volume_of_one_letter(std::string_view text) const;

  // Each is the reader of a Key.
  Read text(const std::string& path, const ConfigValue& value);
  Read texts(const std::string& path, const ConfigValue& value);
  Read ordered_texts(const std::string& path, const ConfigValue& value);
  Read text_or_texts(const std::string& path, const ConfigValue& value);
  Read text_or_number(const std::string& path, const ConfigValue& value);
  Read memory_or_bytes(const std::string& path, const ConfigValue& value);
  Read published(const std::string& path, const ConfigValue& value);
  Read dependencies(const std::string& path, const ConfigValue& value);
  Read variable_files(const std::string& path, const ConfigValue& value);
  Read texts_or_numbers(const std::string& path, const ConfigValue& value);
  Read flag(const std::string& path, const ConfigValue& value);
  Read flag_pointer(const std::string& path, const ConfigValue& value);
  Read integer(const std::string& path, const ConfigValue& value);
  Read constant(const std::string& path, const ConfigValue& value);
  Read count_pointer(const std::string& path, const ConfigValue& value);
  Read ratio(const std::string& path, const ConfigValue& value);
  Read duration(const std::string& path, const ConfigValue& value);
  Read duration_pointer(const std::string& path, const ConfigValue& value);
  Read memory(const std::string& path, const ConfigValue& value);
  Read labels(const std::string& path, const ConfigValue& value);
  Read options(const std::string& path, const ConfigValue& value);
  Read log_options(const std::string& path, const ConfigValue& value);
  Read command(const std::string& path, const ConfigValue& value);
  Read hosts(const std::string& path, const ConfigValue& value);
  Read environment(const std::string& path, const ConfigValue& value);
  Read arguments(const std::string& path, const ConfigValue& value);
  Read ports(const std::string& path, const ConfigValue& value);
  Read mounts(const std::string& path, const ConfigValue& value);
  Read references(const std::string& path, const ConfigValue& value);
  Read attachments(const std::string& path, const ConfigValue& value);
  Read limits_of_processes(const std::string& path, const ConfigValue& value);
  Read test(const std::string& path, const ConfigValue& value);
  Read order(const std::string& path, const ConfigValue& value);
  Read external(const std::string& path, const ConfigValue& value);
  Read build(const std::string& path, const ConfigValue& value);
  Read credential_spec(const std::string& path, const ConfigValue& value);
  Read healthcheck(const std::string& path, const ConfigValue& value);
  Read logging(const std::string& path, const ConfigValue& value);
  Read deploy(const std::string& path, const ConfigValue& value);
  Read update(const std::string& path, const ConfigValue& value);
  Read resources(const std::string& path, const ConfigValue& value);
  Read limits(const std::string& path, const ConfigValue& value);
  Read reservations(const std::string& path, const ConfigValue& value);
  Read generic_resources(const std::string& path, const ConfigValue& value);
  Read discrete_resource(const std::string& path, const ConfigValue& value);
  Read restart_policy(const std::string& path, const ConfigValue& value);
  Read placement(const std::string& path, const ConfigValue& value);
  Read preferences(const std::string& path, const ConfigValue& value);
  Read ipam(const std::string& path, const ConfigValue& value);
  Read subnets(const std::string& path, const ConfigValue& value);
  Read mount_bind(const std::string& path, const ConfigValue& value);
  Read mount_volume(const std::string& path, const ConfigValue& value);
  Read mount_tmpfs(const std::string& path, const ConfigValue& value);
  Read cluster_spec(const std::string& path, const ConfigValue& value);
  Read access_mode(const std::string& path, const ConfigValue& value);
  Read mounted_volume(const std::string& path, const ConfigValue& value);
  Read block_volume(const std::string& path, const ConfigValue& value);
  Read accessibility(const std::string& path, const ConfigValue& value);
  Read topologies(const std::string& path, const ConfigValue& value);
  Read capacity(const std::string& path, const ConfigValue& value);

  // The sections.
  using ReadEntry = Json (Reader::*)(const std::string& name, const std::string& path,
                                     const ConfigValue& value);
  Json section(std::string_view name, const ConfigValue& root, ReadEntry read_entry);
  Json service(const std::string& name, const std::string& path, const ConfigValue& value);
  Json network(const std::string& name, const std::string& path, const ConfigValue& value);
  Json volume(const std::string& name, const std::string& path, const ConfigValue& value);
  Json secret(const std::string& name, const std::string& path, const ConfigValue& value);
  Json config(const std::string& name, const std::string& path, const ConfigValue& value);
  void add_extensions(const ConfigValue& value, Json& entry);
  void name_external(const std::string& kind, const std::string& name, const ConfigValue& value,
                     Json& entry);
  Json file_object(const std::string& kind, const std::string& name, const ConfigValue& value,
                   Json entry);
  void resolve_environment(const std::string& path, const ConfigValue& value, Json& service);
  void resolve_mounts(const std::string& path, const ConfigValue& value, Json& service);
  void translate(const std::string& path, const ConfigValue& value, Json& service);
  void move_below(const std::string& path, const ConfigValue& value, Json& service,
                  std::string_view key, std::span<const std::string_view> target);
  std::string version(const ConfigValue& root);

  friend struct Keys;
  const std::string& file_;
  const ComposeSources& sources_;
  const ConfigValue* volumes_ = nullptr;  // the section of the file
  Problems problems_;
};

constexpr auto translated = Standing::translated;
constexpr auto ignored = Standing::ignored;
constexpr auto forbidden = Standing::forbidden;
constexpr std::string_view use_deploy = "Set it below deploy.resources.";
constexpr std::string_view no_compose_spec =
    "A swarm stack follows schema v3 of Docker, which has no such key.";

// Every key that is known, in the order in which `docker stack config` prints them.
struct Keys {
  using R = Reader;
  static constexpr std::array root{
      Key{"version"},
      Key{"services"},
      Key{"networks"},
      Key{"volumes"},
      Key{"secrets"},
      Key{"configs"},
      Key{"name", &R::text, translated},
      Key{"include", nullptr, forbidden, "List the files as the input files."},
  };
  static constexpr std::array service{
      Key{"build", &R::build, ignored, "Build and push the image in a step before."},
      Key{"cap_add", &R::texts},
      Key{"cap_drop", &R::texts},
      Key{"cgroupns_mode", &R::text, ignored},
      Key{"cgroup_parent", &R::text, ignored},
      Key{"command", &R::command},
      Key{"configs", &R::references},
      Key{"container_name", &R::text, Standing::deprecated,
          "A task's container has a name of its own."},
      Key{"credential_spec", &R::credential_spec},
      Key{"depends_on", &R::dependencies},
      Key{"deploy", &R::deploy},
      Key{"devices", &R::texts, ignored},
      Key{"dns", &R::text_or_texts},
      Key{"dns_search", &R::text_or_texts},
      Key{"domainname", &R::text, ignored},
      Key{"entrypoint", &R::command},
      Key{"environment", &R::environment},
      Key{"env_file", &R::variable_files},
      Key{"expose", &R::texts_or_numbers, Standing::deprecated,
          "Services of one network reach each other on any port."},
      Key{"external_links", &R::texts, ignored},
      Key{"extra_hosts", &R::hosts},
      Key{"hostname", &R::text},
      Key{"healthcheck", &R::healthcheck},
      Key{"image", &R::text},
      Key{"init", &R::flag_pointer},
      Key{"ipc", &R::text, ignored},
      Key{"isolation", &R::text},
      Key{"labels", &R::labels},
      Key{"links", &R::texts, ignored, "Services of one network reach each other by name."},
      Key{"logging", &R::logging},
      Key{"mac_address", &R::text, ignored},
      Key{"network_mode", &R::text, ignored, "Use networks."},
      Key{"networks", &R::attachments},
      Key{"pid", &R::text, ignored},
      Key{"ports", &R::ports},
      Key{"privileged", &R::flag_pointer, ignored},
      Key{"read_only", &R::flag_pointer},
      Key{"restart", &R::text},
      Key{"secrets", &R::references},
      Key{"security_opt", &R::texts, ignored},
      Key{"shm_size", &R::text_or_number, ignored},
      Key{"stdin_open", &R::flag_pointer},
      Key{"stop_grace_period", &R::duration_pointer},
      Key{"stop_signal", &R::text},
      Key{"sysctls", &R::labels},
      Key{"tmpfs", &R::text_or_texts, ignored, "Use volumes with type: tmpfs."},
      Key{"tty", &R::flag_pointer},
      Key{"ulimits", &R::limits_of_processes},
      Key{"user", &R::text},
      Key{"userns_mode", &R::text, ignored},
      Key{"volumes", &R::mounts},
      Key{"working_dir", &R::text},
      Key{"oom_score_adj", &R::constant},
      Key{"extends", nullptr, forbidden, "Write the service out, or merge several files."},
      Key{"volume_driver", nullptr, forbidden,
          "Define a volume at the top and set its driver there."},
      Key{"volumes_from", nullptr, forbidden,
          "Define a volume at the top and mount it in each service."},
      Key{"cpu_quota", nullptr, forbidden, use_deploy},
      Key{"cpu_shares", nullptr, forbidden, use_deploy},
      Key{"cpuset", nullptr, forbidden, use_deploy},
      Key{"memswap_limit", nullptr, forbidden, use_deploy},
      Key{"cpus", &R::text_or_number, translated},
      Key{"mem_limit", &R::memory_or_bytes, translated},
      Key{"mem_reservation", &R::memory_or_bytes, translated},
      Key{"pids_limit", &R::integer, translated},
      Key{"scale", &R::count_pointer, translated},
      Key{"profiles", &R::texts, translated},
      Key{"platform", &R::text, ignored,
          "Use deploy.placement.constraints, such as node.platform.arch==aarch64."},
      Key{"pull_policy", &R::text, ignored, "Each node pulls what it lacks."},
      Key{"gpus", nullptr, forbidden, "Use deploy.resources.reservations.generic_resources."},
      Key{"develop", nullptr, forbidden, no_compose_spec},
      Key{"provider", nullptr, forbidden, no_compose_spec},
      Key{"models", nullptr, forbidden, no_compose_spec},
      Key{"group_add", nullptr, forbidden, no_compose_spec},
  };
  static constexpr std::array build{
      Key{"context", &R::text},
      Key{"dockerfile", &R::text},
      Key{"args", &R::arguments},
      Key{"labels", &R::labels},
      Key{"cache_from", &R::text_or_texts},
      Key{"extra_hosts", &R::hosts},
      Key{"network", &R::text},
      Key{"target", &R::text},
  };
  static constexpr std::array dependency{
      Key{"condition", &R::text},
      Key{"required", &R::flag},
      Key{"restart", &R::flag, ignored, "A task keeps its network when another is replaced."},
  };
  static constexpr std::array variable_file{Key{"path", &R::text},
                                            Key{"required", &R::flag_pointer}};
  static constexpr std::array credential_spec{Key{"config", &R::text}, Key{"file", &R::text},
                                              Key{"registry", &R::text}};
  static constexpr std::array healthcheck{
      Key{"test", &R::test},
      Key{"timeout", &R::duration_pointer},
      Key{"interval", &R::duration_pointer},
      Key{"retries", &R::count_pointer},
      Key{"start_period", &R::duration_pointer},
      Key{"start_interval", &R::duration_pointer},
      Key{"disable", &R::flag},
  };
  static constexpr std::array logging{Key{"driver", &R::text}, Key{"options", &R::log_options}};
  static constexpr std::array reference{
      Key{"source", &R::text}, Key{"target", &R::text},        Key{"uid", &R::text},
      Key{"gid", &R::text},    Key{"mode", &R::count_pointer},
  };
  static constexpr std::array attachment{
      Key{"aliases", &R::texts}, Key{"driver_opts", &R::options},
      Key{"ipv4_address", &R::text, ignored, "A swarm gives each task its address."},
      Key{"ipv6_address", &R::text, ignored, "A swarm gives each task its address."}};
  static constexpr std::array port{
      Key{"mode", &R::text},
      Key{"target", &R::integer},
      Key{"published", &R::published},
      Key{"protocol", &R::text},
  };
  static constexpr std::array mount{
      Key{"type", &R::text},           Key{"source", &R::text},       Key{"target", &R::text},
      Key{"read_only", &R::flag},      Key{"consistency", &R::text},  Key{"bind", &R::mount_bind},
      Key{"volume", &R::mount_volume}, Key{"tmpfs", &R::mount_tmpfs},
  };
  static constexpr std::array mount_bind{Key{"propagation", &R::text}};
  static constexpr std::array mount_volume{Key{"nocopy", &R::flag}};
  static constexpr std::array mount_tmpfs{Key{"size", &R::constant}};
  static constexpr std::array ulimit{Key{"soft", &R::integer}, Key{"hard", &R::integer}};
  static constexpr std::array deploy{
      Key{"mode", &R::text},
      Key{"replicas", &R::count_pointer},
      Key{"labels", &R::labels},
      Key{"update_config", &R::update},
      Key{"rollback_config", &R::update},
      Key{"resources", &R::resources},
      Key{"restart_policy", &R::restart_policy},
      Key{"placement", &R::placement},
      Key{"endpoint_mode", &R::text},
  };
  static constexpr std::array update{
      Key{"parallelism", &R::count_pointer}, Key{"delay", &R::duration},
      Key{"failure_action", &R::text},       Key{"monitor", &R::duration},
      Key{"max_failure_ratio", &R::ratio},   Key{"order", &R::order},
  };
  static constexpr std::array resources{Key{"limits", &R::limits},
                                        Key{"reservations", &R::reservations}};
  static constexpr std::array limits{Key{"cpus", &R::text}, Key{"memory", &R::memory},
                                     Key{"pids", &R::constant}};
  static constexpr std::array reservations{Key{"cpus", &R::text}, Key{"memory", &R::memory},
                                           Key{"generic_resources", &R::generic_resources}};
  static constexpr std::array generic_resource{
      Key{"discrete_resource_spec", &R::discrete_resource}};
  static constexpr std::array discrete_resource{Key{"kind", &R::text}, Key{"value", &R::constant}};
  static constexpr std::array restart_policy{
      Key{"condition", &R::text},
      Key{"delay", &R::duration_pointer},
      Key{"max_attempts", &R::count_pointer},
      Key{"window", &R::duration_pointer},
  };
  static constexpr std::array placement{
      Key{"constraints", &R::ordered_texts},
      Key{"preferences", &R::preferences},
      Key{"max_replicas_per_node", &R::integer},
  };
  static constexpr std::array preference{Key{"spread", &R::text}};
  static constexpr std::array network{
      Key{"name", &R::text},       Key{"driver", &R::text},       Key{"driver_opts", &R::options},
      Key{"ipam", &R::ipam},       Key{"external", &R::external}, Key{"internal", &R::flag},
      Key{"attachable", &R::flag}, Key{"labels", &R::labels},
  };
  static constexpr std::array ipam{Key{"driver", &R::text}, Key{"config", &R::subnets}};
  static constexpr std::array subnet{Key{"subnet", &R::text}};
  static constexpr std::array volume{
      Key{"name", &R::text},           Key{"driver", &R::text},
      Key{"driver_opts", &R::options}, Key{"external", &R::external},
      Key{"labels", &R::labels},       Key{"x-cluster-spec", &R::cluster_spec},
  };
  static constexpr std::array cluster_spec{
      Key{"group", &R::text},
      Key{"access_mode", &R::access_mode},
      Key{"accessibility_requirements", &R::accessibility},
      Key{"capacity_range", &R::capacity},
      Key{"availability", &R::text},
  };
  static constexpr std::array access_mode{Key{"scope", &R::text}, Key{"sharing", &R::text},
                                          Key{"mount_volume", &R::mounted_volume},
                                          Key{"block_volume", &R::block_volume}};
  static constexpr std::array mounted_volume{Key{"fs_type", &R::text},
                                             Key{"mount_flags", &R::ordered_texts}};
  static constexpr std::array accessibility{Key{"requisite", &R::topologies},
                                            Key{"preferred", &R::topologies}};
  static constexpr std::array topology{Key{"segments", &R::labels}};
  static constexpr std::array capacity{Key{"required_bytes", &R::memory},
                                       Key{"limit_bytes", &R::memory}};
  static constexpr std::array secret{
      Key{"name", &R::text},
      Key{"file", &R::text},
      Key{"external", &R::external},
      Key{"labels", &R::labels},
      Key{"driver", &R::text},
      Key{"driver_opts", &R::options},
      Key{"template_driver", &R::text},
      Key{"environment", &R::text, translated},
  };
  static constexpr std::array config{
      Key{"name", &R::text},
      Key{"file", &R::text},
      Key{"external", &R::external},
      Key{"labels", &R::labels},
      Key{"template_driver", &R::text},
      Key{"content", &R::text, translated},
      Key{"environment", &R::text, translated},
  };
};

// --- values ---------------------------------------------------------------------------------

std::optional<Reader::Scalar> Reader::scalar(const std::string& path, const ConfigValue& value) {
  if (value.is_list() || value.is_map()) {
    mistake(value, fmt::format("{} is {}", path, kind_of(value)), "Write a single value.");
    return std::nullopt;
  }
  if (!value.is_text() || value.text.find('$') == std::string::npos) {
    return Scalar{go_scalar(value), false};
  }
  auto done = interpolate(value.text, sources_.variables);
  if (!done) {
    mistake(value, fmt::format("{}: {}", path, done.error().message), done.error().hint);
    return std::nullopt;
  }
  for (const std::string& text : done->swallowed) {
    warning(value,
            fmt::format("{}: what follows the name in {} is dropped, because it counts as the "
                        "variable's default",
                        path, shown(text)),
            "Write braces around the name.");
  }
  for (const std::string& text : done->misread) {
    difference(value,
               fmt::format("{}: docker stack deploy looks for '-' first and makes something else "
                           "of {}",
                           path, shown(text)),
               "Write it without a '-' behind the operator where both commands deploy it.");
  }
  for (const std::string& name : done->unset) {
    const std::string text = fmt::format("{}: the variable {} is not set", path, name);
    constexpr const char* cure =
        "Give it by vars or env-file, write a default as ${NAME:-text}, or say unset-variables: "
        "empty.";
    if (sources_.unset == UnsetVariables::error) mistake(value, text, cure);
    if (sources_.unset == UnsetVariables::warn) warning(value, text, cure);
  }
  return Scalar{done->text, done->text != value.text};
}

std::optional<std::string> Reader::string_of(const std::string& path, const ConfigValue& value) {
  const auto found = scalar(path, value);
  if (!found) return std::nullopt;
  if (const std::string* text = found->value.as_string()) return *text;
  mistake(value, fmt::format("{} is {} where text is wanted", path, kind_of(found->value)),
          found->value.is_null() ? "Write the text, or remove the key." : "Put it in quotes.");
  return std::nullopt;
}

bool Reader::must_be_map(const std::string& path, const ConfigValue& value) {
  if (value.is_map()) return true;
  mistake(value, fmt::format("{} is no map", path), "Write \"key: value\" lines below it.");
  return false;
}

bool Reader::must_be_list(const std::string& path, const ConfigValue& value) {
  if (value.is_list()) return true;
  mistake(value, fmt::format("{} is no list", path), "Write a line with \"- \" for each entry.");
  return false;
}

std::optional<std::vector<std::string>> Reader::strings_of(const std::string& path,
                                                           const ConfigValue& value) {
  if (!must_be_list(path, value)) return std::nullopt;
  std::vector<std::string> found;
  for (std::size_t i = 0; i < value.items.size(); ++i) {
    auto text = string_of(fmt::format("{}[{}]", path, i), value.items[i]);
    if (text) found.push_back(*std::move(text));
  }
  return found;
}

Json list_of(const std::vector<std::string>& texts) {
  Json list = Json::array();
  for (const std::string& text : texts) list.push(text);
  return list;
}

// A number as the docker CLI takes it: a whole one may also be written as 1.0.
std::optional<Json> whole(const Json& value) {
  if (value.as_int() != nullptr) return value;
  const double* number = value.as_double();
  if (number == nullptr || *number != static_cast<double>(static_cast<std::int64_t>(*number))) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(*number);
}

std::optional<Json> Reader::integer_of(const std::string& path, const ConfigValue& value) {
  const auto found = scalar(path, value);
  if (!found) return std::nullopt;
  if (auto number = whole(found->value)) return number;
  if (const std::string* text = found->value.as_string(); text != nullptr && found->was_template) {
    constexpr std::int64_t most = 1'000'000'000'000'000;
    if (const auto number = parse_integer(*text, -most, most)) return *number;
  }
  mistake(
      value, fmt::format("{} is no whole number", path),
      found->value.as_string() != nullptr ? "Write it without quotes." : "Write a whole number.");
  return std::nullopt;
}

std::optional<Json> Reader::pair_value(const std::string& path, const ConfigValue& value,
                                       bool allows_null) {
  const auto found = scalar(path, value);
  if (!found) return std::nullopt;
  const Json& it = found->value;
  if (it.is_null()) return allows_null ? Json() : Json("");
  if (it.as_string() != nullptr) return it;
  if (const auto* number = it.as_int()) return std::to_string(*number);
  if (const auto* number = it.as_double()) return go_float_text(*number);
  mistake(value, fmt::format("{} is {}", path, kind_of(it)), "Put it in quotes.");
  return std::nullopt;
}

std::optional<Json> Reader::pairs(const std::string& path, const ConfigValue& value,
                                  bool allows_null) {
  Json map = Json::object();
  if (value.is_map()) {
    for (const ConfigValue::Member& member : value.members) {
      if (member.key.empty()) {
        mistake(member.value, path + " has a key without a name", "Give it a name.");
      }
      auto found = pair_value(path + "." + member.key, member.value, allows_null);
      if (found) map.set(member.key, *std::move(found));
    }
    return sorted_by_key(std::move(map));
  }
  if (!value.is_list()) {
    mistake(value, fmt::format("{} is neither a map nor a list", path),
            "Write \"KEY: value\" lines below it.");
    return std::nullopt;
  }
  const auto entries = strings_of(path, value);
  for (const std::string& entry : *entries) {
    const std::size_t equals = entry.find('=');
    map.set(entry.substr(0, equals), equals == std::string::npos ? (allows_null ? Json() : Json(""))
                                                                 : Json(entry.substr(equals + 1)));
  }
  return sorted_by_key(std::move(map));
}

Json Reader::plain(const std::string& path, const ConfigValue& value) {
  if (value.is_map()) {
    Json map = Json::object();
    for (const ConfigValue::Member& member : value.members) {
      map.set(member.key, plain(path + "." + member.key, member.value));
    }
    return map;
  }
  if (value.is_list()) {
    Json list = Json::array();
    for (const ConfigValue& item : value.items) list.push(plain(path, item));
    return list;
  }
  const auto found = scalar(path, value);
  return found ? found->value : Json();
}

std::string Reader::absolute(const std::string& path) const {
  namespace fs = std::filesystem;
  std::string joined = fs::path(path).is_absolute()
                           ? path
                           : (fs::path(sources_.folder) / path).lexically_normal().string();
  if (joined.size() > 1 && joined.ends_with('/')) joined.pop_back();
  return joined;
}

// --- objects --------------------------------------------------------------------------------

void Reader::unknown_key(const std::string& path, const ConfigValue::Member& member,
                         const Shape& shape) {
  std::vector<std::string> names;
  for (const Key& key : shape.keys) {
    if (key.standing != Standing::forbidden) names.emplace_back(key.name);
  }
  const std::string near = nearest(member.key, names);
  problems_.mistake(
      place_of(file_, member),
      fmt::format("{}{}{}: no key of {}", path, path.empty() ? "" : ".", visible(member.key),
                  shape.what),
      near.empty() ? fmt::format("Remove it, or begin it with x- where it is for another tool.")
                   : fmt::format("Did you mean {}?", near));
}

void Reader::read_key(const std::string& path, const ConfigValue::Member& member,
                      const Shape& shape, std::vector<std::pair<const Key*, Json>>& found) {
  const auto key = std::find_if(shape.keys.begin(), shape.keys.end(),
                                [&](const Key& known) { return known.name == member.key; });
  const std::string at = path.empty() ? member.key : path + "." + member.key;
  if (key == shape.keys.end()) {
    if (!shape.is_open && !(shape.may_extend && member.key.starts_with("x-"))) {
      unknown_key(path, member, shape);
    }
    return;
  }
  switch (key->standing) {
    case Standing::forbidden:
      problems_.mistake(place_of(file_, member), at + ": a swarm stack cannot have this key",
                        std::string(key->cure));
      return;
    case Standing::ignored:
    case Standing::deprecated:
      problems_.warning(place_of(file_, member), at + ": a swarm ignores this key",
                        std::string(key->cure));
      break;
    case Standing::accepted:
    case Standing::translated:
      break;
  }
  if (Read value = (this->*key->read)(at, member.value))
    found.emplace_back(&*key, *std::move(value));
}

Read Reader::object(const std::string& path, const ConfigValue& value, const Shape& shape) {
  if (!must_be_map(path, value)) return {};
  std::vector<std::pair<const Key*, Json>> found;
  for (const ConfigValue::Member& member : value.members) read_key(path, member, shape, found);
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  Json out = Json::object();
  for (auto& [key, member] : found) out.set(std::string(key->name), std::move(member));
  return out;
}

template <typename Add>
Read Reader::entries(const std::string& path, const ConfigValue& value, const Add& add) {
  if (!must_be_list(path, value)) return {};
  Json list = Json::array();
  for (std::size_t i = 0; i < value.items.size(); ++i) {
    add(fmt::format("{}[{}]", path, i), value.items[i], list);
  }
  return unless_empty(std::move(list));
}

Read Reader::objects(const std::string& path, const ConfigValue& value, const Shape& shape) {
  return entries(path, value, [&](const std::string& at, const ConfigValue& item, Json& list) {
    if (auto found = object(at, item, shape)) list.push(*std::move(found));
  });
}

// --- readers of keys ------------------------------------------------------------------------

Read Reader::text(const std::string& path, const ConfigValue& value) {
  if (path.ends_with(".pid") && !value.is_text()) return {};  // may be null
  auto found = string_of(path, value);
  return unless_empty(std::move(found));
}

Read Reader::ordered_texts(const std::string& path, const ConfigValue& value) {
  auto found = strings_of(path, value);
  return found ? unless_empty(list_of(*found)) : Read();
}

Read Reader::texts(const std::string& path, const ConfigValue& value) {
  auto found = strings_of(path, value);
  if (!found) return {};
  std::set<std::string> seen;
  for (const std::string& text : *found) {
    if (!seen.insert(text).second) {
      mistake(value, fmt::format("{} holds {} twice", path, shown(text)), "Remove one of the two.");
    }
  }
  return unless_empty(list_of(*found));
}

Read Reader::text_or_texts(const std::string& path, const ConfigValue& value) {
  if (value.is_list()) return texts(path, value);
  auto found = string_of(path, value);
  return found ? Read(list_of({*std::move(found)})) : Read();
}

Read Reader::text_or_number(const std::string& path, const ConfigValue& value) {
  auto found = pair_value(path, value, false);
  return unless_empty(std::move(found));
}

Read Reader::memory_or_bytes(const std::string& path, const ConfigValue& value) {
  const auto found = scalar(path, value);
  if (found && found->value.as_int() != nullptr && *found->value.as_int() > 0) {
    return Json(std::to_string(*found->value.as_int()));
  }
  return memory(path, value);
}

// A number, or as the Compose specification has it a text of one.
Read Reader::published(const std::string& path, const ConfigValue& value) {
  const auto found = scalar(path, value);
  if (!found) return {};
  if (const std::string* text = found->value.as_string()) {
    if (const auto port = parse_integer(*text, 1, 65535)) return Json(*port);
    if (text->find('-') != std::string::npos) {
      mistake(value, fmt::format("{}: a swarm chooses no port of a range", path),
              "Write one port, or none for any.");
      return {};
    }
  }
  return integer(path, value);
}

// Names, or as the Compose specification has it a map whose conditions a deploy keeps anyway: it
// goes on once what comes before is well, and a job is when it has ended with success.
Read Reader::dependencies(const std::string& path, const ConfigValue& value) {
  if (!value.is_map()) return texts(path, value);
  constexpr std::array<std::string_view, 3> conditions{"service_started", "service_healthy",
                                                       "service_completed_successfully"};
  std::set<std::string> names;
  for (const ConfigValue::Member& member : value.members) {
    const std::string at = path + "." + member.key;
    const auto found =
        object(at, member.value, {"a dependency", Keys::dependency, false}).value_or(Json());
    const std::string condition = found.text_of("condition");
    if (!condition.empty() &&
        std::find(conditions.begin(), conditions.end(), condition) == conditions.end()) {
      mistake(*member.value.find("condition"),
              fmt::format("{}.condition is {}", at, shown(condition)),
              fmt::format("Write {}, {} or {}.", conditions[0], conditions[1], conditions[2]));
    }
    names.insert(member.key);
  }
  return unless_empty(list_of({names.begin(), names.end()}));
}

// Paths, or as the Compose specification has it maps of a path and whether the file has to be
// there.
Read Reader::variable_files(const std::string& path, const ConfigValue& value) {
  if (!value.is_list()) return text_or_texts(path, value);
  std::set<std::string> seen;
  return entries(path, value, [&](const std::string& at, const ConfigValue& item, Json& list) {
    std::optional<std::string> file;
    if (item.is_map()) {
      const Json entry =
          object(at, item, {"an env_file", Keys::variable_file, false}).value_or(Json::object());
      file = entry.text_of("path");
      if (file->empty()) mistake(item, at + ": path is missing", "Give path: FILE.");
      const Json* required = entry.find("required");
      const bool may_be_missing = required != nullptr && !*required->as_bool();
      if (may_be_missing && !std::filesystem::exists(absolute(*file))) return;
    } else {
      file = string_of(at, item);
    }
    if (!file || file->empty()) return;
    if (!seen.insert(*file).second) {
      mistake(item, fmt::format("{} holds {} twice", path, shown(*file)), "Remove one of the two.");
    }
    list.push(*file);
  });
}

Read Reader::texts_or_numbers(const std::string& path, const ConfigValue& value) {
  return entries(path, value, [&](const std::string& at, const ConfigValue& item, Json& list) {
    auto found = pair_value(at, item, false);
    if (found) list.push(*std::move(found));
  });
}

Read Reader::flag_pointer(const std::string& path, const ConfigValue& value) {
  const auto found = scalar(path, value);
  if (!found) return {};
  if (found->value.as_bool() != nullptr) return found->value;
  if (const std::string* text = found->value.as_string(); text != nullptr && found->was_template) {
    const std::string word = to_lower(*text);
    if (word == "y" || word == "yes" || word == "true" || word == "on") return Json(true);
    if (word == "n" || word == "no" || word == "false" || word == "off") return Json(false);
  }
  mistake(value, fmt::format("{} is neither true nor false", path), "Write true or false.");
  return {};
}

Read Reader::flag(const std::string& path, const ConfigValue& value) {
  auto found = flag_pointer(path, value);
  return unless_empty(std::move(found));
}

Read Reader::integer(const std::string& path, const ConfigValue& value) {
  return unless_empty(integer_of(path, value));
}

// An integer for which the docker CLI takes no variable.
Read Reader::constant(const std::string& path, const ConfigValue& value) {
  if (value.is_text() && value.text.find('$') != std::string::npos) {
    mistake(value, fmt::format("{}: no variable may stand here, as for docker stack deploy", path),
            "Write the number itself.");
    return {};
  }
  return integer(path, value);
}

Read Reader::count_pointer(const std::string& path, const ConfigValue& value) {
  auto found = integer_of(path, value);
  if (!found) return {};
  if (*found->as_int() >= 0) return found;
  mistake(value, fmt::format("{} is negative", path), "Write 0 or more.");
  return {};
}

Read Reader::ratio(const std::string& path, const ConfigValue& value) {
  const auto found = scalar(path, value);
  if (!found) return {};
  const Json& it = found->value;
  if (it.as_double() != nullptr || it.as_int() != nullptr) return unless_empty(it);
  if (const std::string* text = it.as_string(); text != nullptr && found->was_template) {
    ConfigValue plain_text = value;
    plain_text.text = *text;
    plain_text.is_quoted = false;
    const Json number = go_scalar(plain_text);
    if (number.as_double() != nullptr || number.as_int() != nullptr) return unless_empty(number);
  }
  mistake(value, fmt::format("{} is no number", path), "Write it as 0.3.");
  return {};
}

Read Reader::duration_pointer(const std::string& path, const ConfigValue& value) {
  const auto text = string_of(path, value);
  if (!text) return {};
  const auto found = parse_go_duration(*text);
  if (found) return Json(go_duration_text(*found));
  mistake(value, fmt::format("{}: {}", path, found.error().message), found.error().hint);
  return {};
}

Read Reader::duration(const std::string& path, const ConfigValue& value) {
  Read found = duration_pointer(path, value);
  return found && *found->as_string() == "0s" ? Read() : found;
}

Read Reader::memory(const std::string& path, const ConfigValue& value) {
  const auto text = string_of(path, value);
  if (!text) return {};
  const auto found = parse_memory(*text);
  if (!found) {
    mistake(value, fmt::format("{}: {}", path, found.error().message), found.error().hint);
    return {};
  }
  return *found == 0 ? Read() : Read(std::to_string(*found));
}

Read Reader::labels(const std::string& path, const ConfigValue& value) {
  auto found = pairs(path, value, false);
  if (found && found->as_object() != nullptr) {
    for (const auto& [key, text] : *found->as_object()) {
      if (!key.starts_with(own_label(""))) continue;
      mistake(value,
              fmt::format("{}: {} is a label of swarm-deploy's own records", path, shown(key)),
              "Give it another name.");
    }
  }
  return unless_empty(std::move(found));
}

Read Reader::arguments(const std::string& path, const ConfigValue& value) {
  return unless_empty(pairs(path, value, true));
}

Read Reader::options(const std::string& path, const ConfigValue& value) {
  if (!must_be_map(path, value)) return {};
  return labels(path, value);
}

Read Reader::log_options(const std::string& path, const ConfigValue& value) {
  return options(path, value);
}

Read Reader::command(const std::string& path, const ConfigValue& value) {
  if (value.is_list()) return ordered_texts(path, value);
  const auto text = string_of(path, value);
  if (!text) return {};
  auto words = split_command(*text);
  if (words) return unless_empty(list_of(*words));
  mistake(value, fmt::format("{}: {}", path, words.error().message), words.error().hint);
  return {};
}

// "name:address" or "name=address", an IPv6 address perhaps in brackets.
std::string host_line(const std::string& text) {
  const std::size_t equals = text.find('=');
  const std::size_t at = equals == std::string::npos ? text.find(':') : equals;
  if (at == std::string::npos) return {};
  std::string address = text.substr(at + 1);
  if (address.starts_with('[') && address.ends_with(']'))
    address = address.substr(1, address.size() - 2);
  return text.substr(0, at) + ":" + address;
}

Read Reader::hosts(const std::string& path, const ConfigValue& value) {
  std::vector<std::string> lines;
  if (value.is_list()) {
    const Read found = texts(path, value);
    if (!found) return {};
    for (const Json& text : *found->as_array()) {
      std::string line = host_line(*text.as_string());
      if (line.empty()) {
        warning(
            value,
            fmt::format("{}: {} names no address and is dropped", path, shown(*text.as_string())),
            "Write name:address.");
      } else {
        lines.push_back(std::move(line));
      }
    }
    return unless_empty(list_of(lines));
  }
  if (!must_be_map(path, value)) return {};
  for (const ConfigValue::Member& member : value.members) {
    const bool is_null = member.value.is_text() && go_scalar(member.value).is_null();
    if (is_null || member.value.kind == ConfigValue::Kind::null) continue;
    const auto found = string_of(path + "." + member.key, member.value);
    if (found) lines.push_back(host_line(member.key + ":" + *found));
  }
  std::sort(lines.begin(), lines.end());
  return unless_empty(list_of(lines));
}

// Values that come from elsewhere are looked up when the whole service is known.
Read Reader::environment(const std::string& path, const ConfigValue& value) {
  return arguments(path, value);
}

Read Reader::ports(const std::string& path, const ConfigValue& value) {
  std::set<std::string> seen;
  return entries(path, value, [&](const std::string& at, const ConfigValue& item, Json& list) {
    if (item.is_map()) {
      if (auto found = object(at, item, {"a port", Keys::port, false}))
        list.push(*std::move(found));
      return;
    }
    const auto found = pair_value(at, item, false);
    if (!found) return;
    const std::string& text = *found->as_string();
    if (!seen.insert(text).second) {
      mistake(item, fmt::format("{}: {} stands there twice", at, shown(text)),
              "Remove one of the two.");
    }
    auto port = expand_port(text);
    if (!port) {
      mistake(item, fmt::format("{}: {}", at, port.error().message), port.error().hint);
      return;
    }
    if (!port->ignored_address.empty()) {
      warning(item,
              fmt::format("{}: the address {} is ignored", at, visible(port->ignored_address)),
              "A swarm publishes a port on all addresses of its nodes.");
    }
    for (Json& one : port->ports) list.push(std::move(one));
  });
}

Read Reader::mount_bind(const std::string& path, const ConfigValue& value) {
  return object(path, value, {"a bind mount", Keys::mount_bind, false, true});
}
Read Reader::mount_volume(const std::string& path, const ConfigValue& value) {
  return object(path, value, {"a mount's volume", Keys::mount_volume, false, true});
}
Read Reader::mount_tmpfs(const std::string& path, const ConfigValue& value) {
  return object(path, value, {"a tmpfs", Keys::mount_tmpfs, false, true});
}

// "d:/data" where the file has a volume d.
bool Reader::is_volume_of_one_letter(std::string_view text) const {
  return text.size() > 2 && text[1] == ':' && text[2] == '/' && volumes_ != nullptr &&
         volumes_->find(text.substr(0, 1)) != nullptr;
}

Read Reader::mounts(const std::string& path, const ConfigValue& value) {
  return entries(path, value, [&](const std::string& at, const ConfigValue& item, Json& list) {
    if (item.is_map()) {
      if (item.find("type") == nullptr) {
        mistake(item, at + ": type is missing", "Write type: volume, bind or tmpfs.");
      }
      if (auto found = object(at, item, {"a mount", Keys::mount, false}))
        list.push(*std::move(found));
      return;
    }
    const auto text = string_of(at, item);
    if (!text) return;
    const bool is_volume = is_volume_of_one_letter(*text);
    if (is_volume) {
      difference(item,
                 fmt::format("{}: {} is the volume {}, and a drive of Windows for docker stack "
                             "deploy",
                             at, shown(*text), text->front()),
                 "Give the volume a longer name where both commands deploy it.");
    }
    auto mount = expand_mount(*text, !is_volume);
    if (mount) {
      list.push(*std::move(mount));
    } else {
      mistake(item, fmt::format("{}: {}", at, mount.error().message), mount.error().hint);
    }
  });
}

Read Reader::references(const std::string& path, const ConfigValue& value) {
  return entries(path, value, [&](const std::string& at, const ConfigValue& item, Json& list) {
    if (item.is_map()) {
      auto found = object(at, item, {"a reference", Keys::reference, false, true});
      if (found) list.push(*std::move(found));
    } else if (const auto source = string_of(at, item)) {
      list.push(Json::object().set("source", *source));
    }
  });
}

Read Reader::attachments(const std::string& path, const ConfigValue& value) {
  Json map = Json::object();
  if (value.is_list()) {
    const auto names = texts(path, value);
    if (!names) return {};
    for (const Json& name : *names->as_array()) map.set(*name.as_string(), Json());
    return unless_empty(sorted_by_key(std::move(map)));
  }
  if (!must_be_map(path, value)) return {};
  for (const ConfigValue::Member& member : value.members) {
    const bool is_null =
        !member.value.is_map() && go_scalar(member.value).is_null() && !member.value.is_list();
    if (is_null) {
      map.set(member.key, Json());
    } else if (auto found = object(path + "." + member.key, member.value,
                                   {"a service's network", Keys::attachment, false})) {
      map.set(member.key, *std::move(found));
    }
  }
  return unless_empty(sorted_by_key(std::move(map)));
}

Read Reader::limits_of_processes(const std::string& path, const ConfigValue& value) {
  if (!must_be_map(path, value)) return {};
  Json map = Json::object();
  for (const ConfigValue::Member& member : value.members) {
    const std::string at = path + "." + member.key;
    if (member.value.is_map()) {
      for (const char* part : {"soft", "hard"}) {
        if (member.value.find(part) == nullptr) {
          mistake(member.value, fmt::format("{}: {} is missing", at, part),
                  "Give both soft and hard.");
        }
      }
      auto found = object(at, member.value, {"a limit", Keys::ulimit, false});
      if (found) map.set(member.key, *std::move(found));
    } else if (auto found = integer_of(at, member.value)) {
      map.set(member.key, *found->as_int() == 0 ? Json::object() : *std::move(found));
    }
  }
  return unless_empty(sorted_by_key(std::move(map)));
}

Read Reader::test(const std::string& path, const ConfigValue& value) {
  if (value.is_list()) return ordered_texts(path, value);
  auto text = string_of(path, value);
  return text ? Read(list_of({"CMD-SHELL", *std::move(text)})) : Read();
}

Read Reader::order(const std::string& path, const ConfigValue& value) {
  auto found = string_of(path, value);
  if (!found || *found == "start-first" || *found == "stop-first") {
    return found ? Read(*std::move(found)) : Read();
  }
  mistake(value, fmt::format("{} is {}", path, shown(*found)), "Write start-first or stop-first.");
  return {};
}

Read Reader::external(const std::string& path, const ConfigValue& value) {
  if (!value.is_map()) return flag(path, value);
  const ConfigValue* name = value.find("name");
  const bool is_open = path.starts_with("secrets.") || path.starts_with("configs.");
  for (const ConfigValue::Member& member : value.members) {
    if (member.key != "name" && !is_open)
      unknown_key(path, member, {"an external object", {}, false});
  }
  Json named = Json::object();
  if (name != nullptr) {
    const auto text = string_of(path + ".name", *name);
    if (text) named.set("name", *text);
  }
  return named;
}

Read Reader::build(const std::string& path, const ConfigValue& value) {
  if (value.is_map()) {
    auto found = object(path, value, {"a build", Keys::build, true, true});
    return unless_empty(std::move(found));
  }
  auto context = string_of(path, value);
  return context ? Read(Json::object().set("context", *std::move(context))) : Read();
}

Read Reader::credential_spec(const std::string& path, const ConfigValue& value) {
  auto found = object(path, value, {"a credential_spec", Keys::credential_spec, false});
  return unless_empty(std::move(found));
}
Read Reader::healthcheck(const std::string& path, const ConfigValue& value) {
  auto found = object(path, value, {"a healthcheck", Keys::healthcheck, false});
  if (found && found->find("disable") != nullptr && found->find("test") != nullptr) {
    mistake(value, path + ": test and disable exclude each other", "Remove one of them.");
  }
  return found;
}
Read Reader::logging(const std::string& path, const ConfigValue& value) {
  return object(path, value, {"logging", Keys::logging, false});
}
Read Reader::update(const std::string& path, const ConfigValue& value) {
  return object(path, value, {"an update's settings", Keys::update, false});
}
Read Reader::limits(const std::string& path, const ConfigValue& value) {
  return object(path, value, {"limits", Keys::limits, false});
}
Read Reader::reservations(const std::string& path, const ConfigValue& value) {
  return object(path, value, {"reservations", Keys::reservations, false});
}
Read Reader::resources(const std::string& path, const ConfigValue& value) {
  auto found = object(path, value, {"resources", Keys::resources, false});
  return unless_empty(std::move(found));
}
Read Reader::restart_policy(const std::string& path, const ConfigValue& value) {
  return object(path, value, {"a restart policy", Keys::restart_policy, false});
}
Read Reader::placement(const std::string& path, const ConfigValue& value) {
  return unless_empty(object(path, value, {"a placement", Keys::placement, false}));
}
Read Reader::discrete_resource(const std::string& path, const ConfigValue& value) {
  return object(path, value, {"a generic resource", Keys::discrete_resource, false});
}

Read Reader::deploy(const std::string& path, const ConfigValue& value) {
  if (value.kind == ConfigValue::Kind::null) return {};
  auto found = object(path, value, {"deploy", Keys::deploy, false});
  if (!found) return {};
  const std::string mode = found->text_of("mode");
  if (!mode.empty() && mode != "replicated" && mode != "global" && mode != "replicated-job" &&
      mode != "global-job") {
    mistake(*value.find("mode"), fmt::format("{}.mode: {} is no mode", path, shown(mode)),
            "Write replicated, global, replicated-job or global-job.");
  }
  if (mode.starts_with("global") && found->find("replicas") != nullptr) {
    mistake(*value.find("replicas"), fmt::format("{}.replicas goes with no mode {}", path, mode),
            "Remove replicas, or write mode: replicated.");
  }
  return unless_empty(*std::move(found));
}

Read Reader::generic_resources(const std::string& path, const ConfigValue& value) {
  return objects(path, value, {"a generic resource", Keys::generic_resource, false});
}

Read Reader::preferences(const std::string& path, const ConfigValue& value) {
  return objects(path, value, {"a preference", Keys::preference, false});
}

Read Reader::subnets(const std::string& path, const ConfigValue& value) {
  return objects(path, value, {"a subnet's entry", Keys::subnet, false});
}

Read Reader::ipam(const std::string& path, const ConfigValue& value) {
  auto found = object(path, value, {"ipam", Keys::ipam, false});
  return unless_empty(std::move(found));
}

// A volume of a CSI driver. The docker CLI prints what it says and deploys only the mounts of it.
Read Reader::cluster_spec(const std::string& path, const ConfigValue& value) {
  return object(path, value, {"a cluster volume", Keys::cluster_spec, true, true});
}
Read Reader::access_mode(const std::string& path, const ConfigValue& value) {
  return object(path, value, {"an access mode", Keys::access_mode, true, true});
}
Read Reader::mounted_volume(const std::string& path, const ConfigValue& value) {
  return object(path, value, {"a mounted volume", Keys::mounted_volume, true, true});
}
Read Reader::block_volume(const std::string& path, const ConfigValue& value) {
  return object(path, value, {"a block volume", {}, true, true});
}
Read Reader::accessibility(const std::string& path, const ConfigValue& value) {
  return object(path, value, {"a volume's place", Keys::accessibility, true, true});
}
Read Reader::topologies(const std::string& path, const ConfigValue& value) {
  return objects(path, value, {"a place", Keys::topology, true, true});
}
Read Reader::capacity(const std::string& path, const ConfigValue& value) {
  return object(path, value, {"a capacity", Keys::capacity, true, true});
}

// --- sections -------------------------------------------------------------------------------

bool is_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

Json Reader::section(std::string_view name, const ConfigValue& root, ReadEntry read_entry) {
  const ConfigValue::Member* found = root.find_member(name);
  Json entries = Json::object();
  if (found == nullptr) return entries;
  if (!must_be_map(std::string(name), found->value)) return entries;
  for (const ConfigValue::Member& member : found->value.members) {
    const std::string path = fmt::format("{}.{}", name, member.key);
    if (!is_name(member.key)) {
      problems_.mistake(place_of(file_, member),
                        fmt::format("{}: {} is no name", name, shown(member.key)),
                        "Use letters, digits, '.', '_' and '-'.");
      continue;
    }
    entries.set(member.key, (this->*read_entry)(member.key, path, member.value));
  }
  return sorted_by_key(std::move(entries));
}

void Reader::resolve_environment(const std::string& path, const ConfigValue& value, Json& service) {
  Json resolved = Json::object();
  const auto take = [&](const std::string& name, const Json& given) {
    const auto known = sources_.variables.find(name);
    const bool is_open = given.is_null() || given.as_string()->empty();
    resolved.set(name, is_open && known != sources_.variables.end() ? Json(known->second) : given);
  };
  if (const Json* files = service.find("env_file")) {
    for (const Json& file : *files->as_array()) {
      const std::string name = absolute(*file.as_string());
      const ConfigValue& at = *value.find("env_file");
      const auto content = sources_.read_file(name);
      if (!content) {
        mistake(at, fmt::format("{}.env_file: {}", path, content.error().message),
                content.error().hint);
        continue;
      }
      const auto lines = parse_env_file(*content, sources_.variables);
      if (!lines) {
        mistake(at, fmt::format("{}.env_file: {}: {}", path, visible(name), lines.error().message),
                lines.error().hint);
        continue;
      }
      for (const auto& [key, text] : *lines) take(key, text);
    }
  }
  if (const Json* own = service.find("environment")) {
    for (const auto& [key, given] : *own->as_object()) take(key, given);
  }
  if (!resolved.as_object()->empty())
    service.set("environment", sorted_by_key(std::move(resolved)));
}

void Reader::resolve_mounts(const std::string& path, const ConfigValue& value, Json& service) {
  const Json* mounts = service.find("volumes");
  if (mounts == nullptr) return;
  Json list = Json::array();
  for (Json mount : *mounts->as_array()) {
    if (mount.text_of("type") == "bind") {
      std::string source = mount.text_of("source");
      if (source.empty()) {
        mistake(*value.find("volumes"), path + ".volumes: a bind mount has no source",
                "Give the path on the nodes as source.");
      }
      if (source.starts_with('~')) {
        const auto home = sources_.variables.find("HOME");
        if (home != sources_.variables.end()) source = home->second + source.substr(1);
      }
      const bool is_windows = source.size() > 2 && source[1] == ':';
      mount.set("source", is_windows || source.starts_with("\\\\") ? source : absolute(source));
    }
    list.push(std::move(mount));
  }
  service.set("volumes", std::move(list));
}

// What the Compose specification has at the service stands below deploy in a stack.
void Reader::translate(const std::string& path, const ConfigValue& value, Json& service) {
  constexpr std::array<std::string_view, 3> cpus{"resources", "limits", "cpus"};
  constexpr std::array<std::string_view, 3> memory{"resources", "limits", "memory"};
  constexpr std::array<std::string_view, 3> pids{"resources", "limits", "pids"};
  constexpr std::array<std::string_view, 3> reserved{"resources", "reservations", "memory"};
  constexpr std::array<std::string_view, 1> replicas{"replicas"};
  move_below(path, value, service, "cpus", cpus);
  move_below(path, value, service, "mem_limit", memory);
  move_below(path, value, service, "pids_limit", pids);
  move_below(path, value, service, "mem_reservation", reserved);
  move_below(path, value, service, "scale", replicas);
}

Json with_value_at(Json map, std::span<const std::string_view> path, const Json& value) {
  const std::string key(path.front());
  if (path.size() == 1) return map.set(key, value);
  const Json* below = map.find(key);
  Json inner = with_value_at(below == nullptr ? Json::object() : *below, path.subspan(1), value);
  return map.set(key, std::move(inner));
}

void Reader::move_below(const std::string& path, const ConfigValue& value, Json& service,
                        std::string_view key, std::span<const std::string_view> target) {
  const Json* given = service.find(key);
  if (given == nullptr) return;
  const Json deploy = service.find("deploy") == nullptr ? Json::object() : *service.find("deploy");
  const Json* there = &deploy;
  std::string name = "deploy";
  for (const std::string_view part : target) {
    if (there != nullptr) there = there->find(part);
    name += fmt::format(".{}", part);
  }
  if (there != nullptr && there->dump() != given->dump()) {
    mistake(*value.find(key), fmt::format("{}.{} and {} say different things", path, key, name),
            "Remove one of them.");
  }
  const Json moved = *given;
  service.set("deploy", with_value_at(deploy, target, moved));
  Json::Object members = *service.as_object();
  std::erase_if(members, [&](const auto& member) { return member.first == key; });
  service = std::move(members);
}

Json in_order_of(std::span<const Key> keys, const Json& map) {
  Json out = Json::object();
  for (const Key& key : keys) {
    if (const Json* found = map.find(key.name)) out.set(std::string(key.name), *found);
  }
  return out;
}

Json Reader::service(const std::string& /*name*/, const std::string& path,
                     const ConfigValue& value) {
  auto found = object(path, value, {"a service", Keys::service});
  if (!found) return Json::object();
  Json service = *std::move(found);
  resolve_environment(path, value, service);
  resolve_mounts(path, value, service);
  translate(path, value, service);
  service = in_order_of(Keys::service, service);
  add_extensions(value, service);
  return service;
}

void Reader::name_external(const std::string& kind, const std::string& name,
                           const ConfigValue& value, Json& entry) {
  const Json* external = entry.find("external");
  if (external == nullptr) return;
  const std::string other = external->text_of("name");
  if (!other.empty() && entry.find("name") != nullptr) {
    mistake(*value.find("external"),
            fmt::format("{}s.{}: external.name and name exclude each other", kind, name),
            "Write name and external: true.");
  }
  if (!other.empty()) {
    entry.set("name", other);
  } else if (entry.find("name") == nullptr) {
    entry.set("name", name);
  }
  entry.set("external", true);
  // Of what is not external the docker CLI prints no extensions.
  add_extensions(value, entry);
}

void Reader::add_extensions(const ConfigValue& value, Json& entry) {
  for (const ConfigValue::Member& member : value.members) {
    if (member.key.starts_with("x-") && entry.find(member.key) == nullptr)
      entry.set(member.key, plain(member.key, member.value));
  }
}

Json Reader::network(const std::string& name, const std::string& path, const ConfigValue& value) {
  if (value.kind == ConfigValue::Kind::null) return Json::object();
  Json entry = object(path, value, {"a network", Keys::network}).value_or(Json::object());
  name_external("network", name, value, entry);
  return entry;
}

Json Reader::volume(const std::string& name, const std::string& path, const ConfigValue& value) {
  if (value.kind == ConfigValue::Kind::null) return Json::object();
  Json entry = object(path, value, {"a volume", Keys::volume}).value_or(Json::object());
  if (entry.find("external") != nullptr) {
    for (const char* key : {"driver", "driver_opts", "labels"}) {
      if (entry.find(key) != nullptr) {
        mistake(*value.find(key), fmt::format("{}.{} goes with no external volume", path, key),
                "Remove it: an external volume is as it was made.");
      }
    }
  }
  name_external("volume", name, value, entry);
  return entry;
}

Json Reader::file_object(const std::string& kind, const std::string& name, const ConfigValue& value,
                         Json entry) {
  add_extensions(value, entry);
  if (entry.find("external") != nullptr) {
    name_external(kind, name, value, entry);
    return entry;
  }
  const std::string file = entry.text_of("file");
  if (entry.find("driver") != nullptr) {
    if (!file.empty()) {
      mistake(*value.find("file"),
              fmt::format("{}s.{}: driver and file exclude each other", kind, name),
              "Remove one of them.");
    }
    return entry;
  }
  int sources = value.find("file") == nullptr ? 0 : 1;
  for (const char* key : {"content", "environment"}) {
    if (value.find(key) != nullptr) ++sources;
  }
  const bool may_have_content = kind == "config";
  if (sources == 0) {
    mistake(value, fmt::format("{}s.{}: file is missing", kind, name),
            fmt::format("Give file: PATH, environment: VARIABLE{}, or external: true.",
                        may_have_content ? ", content: TEXT" : ""));
  } else if (sources > 1) {
    mistake(value,
            fmt::format("{}s.{}: has more than one of file, environment{}", kind, name,
                        may_have_content ? " and content" : ""),
            "Keep one of them.");
  }
  if (value.find("content") == nullptr && value.find("environment") == nullptr)
    entry.set("file", absolute(file));
  return entry;
}

Json with_extensions_last(Json entry) {
  // name, file, external ...: in the order of the output, whatever was added later.
  Json out = Json::object();
  for (const char* key : {"name", "content", "environment", "file", "driver", "driver_opts", "ipam",
                          "external", "internal", "attachable", "labels", "template_driver"}) {
    if (const Json* found = entry.find(key)) out.set(key, *found);
  }
  for (const auto& [key, value] : *entry.as_object()) {
    if (out.find(key) == nullptr) out.set(key, value);
  }
  return out;
}

Json Reader::secret(const std::string& name, const std::string& path, const ConfigValue& value) {
  Json entry = object(path, value, {"a secret", Keys::secret}).value_or(Json::object());
  return with_extensions_last(file_object("secret", name, value, std::move(entry)));
}

Json Reader::config(const std::string& name, const std::string& path, const ConfigValue& value) {
  Json entry = object(path, value, {"a config", Keys::config}).value_or(Json::object());
  return with_extensions_last(file_object("config", name, value, std::move(entry)));
}

std::string Reader::version(const ConfigValue& root) {
  const ConfigValue* given = root.find("version");
  if (given == nullptr) return std::string(newest_version);
  const auto text = string_of("version", *given);
  if (!text || text->empty() || *text == "3") return std::string(newest_version);
  if (const auto minor = parse_integer(text->starts_with("3.") ? text->substr(2) : "x", 0, 13)) {
    return *text;
  }
  mistake(*given, fmt::format("version: {} is no version of a stack", shown(*text)),
          "Write \"3.13\", or remove the line.");
  return std::string(newest_version);
}

ReadCompose Reader::read(const ConfigValue& root) {
  Json out = Json::object();
  volumes_ = root.find("volumes");
  if (root.is_map()) {
    for (const ConfigValue::Member& member : root.members) {
      std::vector<std::pair<const Key*, Json>> nothing;
      const auto key = std::find_if(Keys::root.begin(), Keys::root.end(),
                                    [&](const Key& known) { return known.name == member.key; });
      if (key == Keys::root.end() || key->standing != Standing::accepted) {
        read_key("", member, {"a stack", Keys::root}, nothing);
      }
    }
    if (const ConfigValue* name = root.find("name")) {
      if (auto text = string_of("name", *name)) out.set("name", *std::move(text));
    }
    out.set("version", version(root));
    out.set("services", section("services", root, &Reader::service));
    const std::array<std::pair<const char*, ReadEntry>, 4> others{{{"networks", &Reader::network},
                                                                   {"volumes", &Reader::volume},
                                                                   {"secrets", &Reader::secret},
                                                                   {"configs", &Reader::config}}};
    for (const auto& [name, read_entry] : others) {
      Json entries = section(name, root, read_entry);
      if (name == std::string_view("networks") || name == std::string_view("volumes")) {
        Json ordered = Json::object();
        for (const auto& [key, entry] : *entries.as_object()) {
          ordered.set(key, with_extensions_last(entry));
        }
        entries = std::move(ordered);
      }
      if (!entries.as_object()->empty()) out.set(name, std::move(entries));
    }
    for (const ConfigValue::Member& member : root.members) {
      if (member.key.starts_with("x-")) out.set(member.key, plain(member.key, member.value));
    }
  } else {
    mistake(root, "the file is no map", "Begin with \"services:\".");
  }
  problems_.sort();
  return {std::move(out), std::move(problems_)};
}

}  // namespace

ReadCompose read_compose(const std::string& file, const ConfigValue& root,
                         const ComposeSources& sources) {
  return Reader(file, sources).read(root);
}

}  // namespace pca::swarm_deploy
