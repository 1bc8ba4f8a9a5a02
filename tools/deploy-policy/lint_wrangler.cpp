// The rules about Wrangler's configuration: names, each environment resolved.

#include <fmt/format.h>

#include <optional>

#include "base/text.hpp"
#include "deploy-policy/lint.hpp"
#include "deploy/resource_name.hpp"

namespace pca::deploy_policy {

namespace {

constexpr std::size_t little_room = 20;  // for a preview alias

// A name somewhere in the configuration.
struct NamedThing {
  ResourceType type;
  std::string key;  // "d1_databases.database_name"
  const ConfigValue* name;
};

// What has a name in a configuration, or in one environment of it.
std::vector<NamedThing> named_things(const ConfigValue& owner) {
  struct ListKey {
    ResourceType type;
    std::string_view list;
    std::string_view key;
  };
  constexpr ListKey lists[] = {{ResourceType::d1, "d1_databases", "database_name"},
                               {ResourceType::r2, "r2_buckets", "bucket_name"},
                               {ResourceType::r2, "r2_buckets", "preview_bucket_name"}};
  std::vector<NamedThing> things;
  const auto add = [&](const ConfigValue* list, const ListKey& row) {
    if (list == nullptr) return;
    for (const ConfigValue& item : list->items) {
      const ConfigValue* name = item.find(row.key);
      if (name == nullptr || !name->is_text()) continue;
      things.push_back({row.type, fmt::format("{}.{}", row.list, row.key), name});
    }
  };
  for (const ListKey& row : lists) add(owner.find(row.list), row);
  if (const ConfigValue* queues = owner.find("queues")) {
    for (const std::string_view key : {"producers", "consumers"}) {
      add(queues->find(key), {ResourceType::queue, "queues", "queue"});
    }
    add(queues->find("consumers"), {ResourceType::queue, "queues", "dead_letter_queue"});
  }
  return things;
}

// Checks one file.
class ConfigCheck {
 public:
  ConfigCheck(const RepositoryFile& file, const NameRules& rules, std::vector<Finding>& into)
      : file_(file), rules_(rules), into_(into) {}

  void run() {
    const ConfigValue& root = file_.root;
    is_pages_ = root.find("pages_build_output_dir") != nullptr;
    const ConfigValue* name = root.find("name");
    if (name != nullptr && name->is_text()) {
      own_name_ = name->text;
      own_parts_ = check(kind(), "name", *name, {});
    }
    check_things(root, {});
    const ConfigValue* environments = root.find("env");
    if (environments == nullptr) return;
    for (const ConfigValue::Member& block : environments->members) check_block(block);
  }

 private:
  [[nodiscard]] ResourceType kind() const {
    return is_pages_ ? ResourceType::pages : ResourceType::worker;
  }

  void add(std::string_view rule, int line, std::string message, std::string cure,
           std::string fix = {}) {
    into_.push_back({.rule = std::string(rule),
                     .at = {file_.path, line},
                     .message = std::move(message),
                     .cure = std::move(cure),
                     .fix = std::move(fix)});
  }

  // The parts of a good name. `environment`: what its third segment has to be; empty for any.
  std::optional<ResourceName> check(ResourceType type, const std::string& key,
                                    const ConfigValue& name, std::string_view environment) {
    const auto parts = parse_name(type, name.text, rules_);
    if (!parts) {
      add("resource-name", name.line,
          fmt::format(
              "{} {} does not follow {{customer}}-{{project}}-{{environment}}-{{component}}: {}",
              key, shown(name.text), parts.error().message),
          parts.error().hint);
      return std::nullopt;
    }
    if (!environment.empty() && parts->environment != environment) {
      ResourceName right = *parts;
      right.environment = environment;
      add("resource-name", name.line,
          fmt::format("{} {} is of the environment {}, and stands in the one for {}", key,
                      shown(name.text), parts->environment, environment),
          fmt::format("Write \"{}\".", right.text()), fmt::format("\"{}\"", right.text()));
    }
    if (type == ResourceType::worker) check_room(name);
    return *parts;
  }

  void check_room(const ConfigValue& name) {
    const std::size_t room = room_behind(ResourceType::worker, name.text);
    if (room >= little_room) return;
    add("preview-alias-room", name.line,
        fmt::format("{} leaves {} characters for the alias of a preview, whose label has 63 "
                    "altogether: aliases of long branches are cut or missing",
                    shown(name.text), room),
        fmt::format("Shorten a segment until {} are left.", little_room));
  }

  void check_things(const ConfigValue& owner, std::string_view environment) {
    for (const NamedThing& thing : named_things(owner)) {
      check(thing.type, thing.key, *thing.name, environment);
    }
  }

  void check_block(const ConfigValue::Member& block) {
    const std::string_view environment = environment_segment(block.key);
    // Pages has no other blocks than production and preview, and one name for both.
    if (is_pages_) {
      check_things(block.value, environment == "preview" ? std::string_view() : environment);
      return;
    }
    if (environment.empty() || environment == "preview") {
      add("wrangler-env-name", block.line,
          fmt::format("env.{} is no environment of the convention", visible(block.key)),
          "Call it production, staging or development.");
    } else if (const ConfigValue* name = block.value.find("name");
               name != nullptr && name->is_text()) {
      check(ResourceType::worker, fmt::format("env.{}.name", block.key), *name, environment);
    } else {
      add_missing_name(block, environment);
    }
    check_things(block.value, environment == "preview" ? std::string_view() : environment);
  }

  void add_missing_name(const ConfigValue::Member& block, std::string_view environment) {
    ResourceName right = own_parts_.value_or(
        ResourceName{"customer", "project", std::string(environment), "component"});
    right.environment = environment;
    const bool is_toml = file_.path.ends_with(".toml");
    const std::string fix = is_toml ? fmt::format("name = \"{}\"", right.text())
                                    : fmt::format("\"name\": \"{}\",", right.text());
    add("wrangler-env-name", block.line,
        fmt::format("env.{0} has no name, so \"wrangler deploy --env {0}\" calls the Worker {1}",
                    visible(block.key), shown(fmt::format("{}-{}", own_name_, block.key))),
        fmt::format("Write \"{}\" into it.", right.text()), fix);
  }

  const RepositoryFile& file_;
  const NameRules& rules_;
  std::vector<Finding>& into_;
  bool is_pages_ = false;
  std::string own_name_;
  std::optional<ResourceName> own_parts_;
};

}  // namespace

std::vector<Finding> lint_wrangler(const Repository& repository, const Policy& policy) {
  const NameRules rules{policy.customer, policy.project, policy.components};
  std::vector<Finding> findings;
  for (const RepositoryFile* file : repository.wrangler_files()) {
    if (file->root.is_map()) ConfigCheck(*file, rules, findings).run();
  }
  return findings;
}

}  // namespace pca::deploy_policy
