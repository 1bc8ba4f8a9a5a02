#include "proxmox-deploy/guest_record.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr std::string_view opening = "<!-- proxmox-deploy ";
constexpr std::string_view closing = " -->";
constexpr std::size_t tag_digits = 8;

// "-->" must not end the comment early, nor a comment in a reason be taken for the record.
std::string in_comment(const std::string& json) {
  std::string out;
  for (const char c : json) {
    if (c == '>') {
      out += "\\u003e";
    } else if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

// Begin and end of the block with the text's line end before it.
std::optional<std::pair<std::size_t, std::size_t>> find_block(std::string_view text) {
  const std::size_t begin = text.rfind(opening);
  if (begin == std::string_view::npos) return std::nullopt;
  const std::size_t end = text.find(closing, begin + opening.size());
  if (end == std::string_view::npos) return std::nullopt;
  return std::pair(begin, end + closing.size());
}

Json json_of(const ReleaseLine& line) {
  Json json = line.record.as_object() != nullptr ? line.record : Json::object();
  json.set("id", line.id).set("commit", line.commit).set("result", line.result);
  return json.set("vmid", line.vmid);
}

Json json_of(const GuestRecord& record) {
  Json json = Json::object();
  json.set("v", 1);
  const std::pair<const char*, const std::string*> texts[] = {
      {"app", &record.app},         {"identity", &record.identity},
      {"name", &record.name},       {"commit", &record.commit},
      {"release", &record.release}, {"spec", &record.spec},
      {"phase", &record.phase},     {"run", &record.run}};
  for (const auto& [key, value] : texts) {
    if (!value->empty()) json.set(key, *value);
  }
  if (!record.releases.empty()) {
    Json releases = Json::array();
    for (const ReleaseLine& line : record.releases) releases.push(json_of(line));
    json.set("releases", std::move(releases));
  }
  if (record.hold) json.set("hold", *record.hold);
  if (record.lock) json.set("lock", *record.lock);
  if (!record.fresh.empty()) json.set("fresh", join(record.fresh, " "));
  if (record.data_move) {
    Json keys = Json::array();
    for (const auto& [from, to] : record.data_move->keys) keys.push(from + ">" + to);
    Json move = Json::object();
    move.set("vmid", record.data_move->vmid).set("running", record.data_move->was_running);
    json.set("data-move", move.set("keys", std::move(keys)));
  }
  return json;
}

// Hostile: the names become parameters of calls.
bool is_mount_key(std::string_view text) {
  return text.starts_with("mp") && static_cast<bool>(parse_integer(text.substr(2), 0, last_mount));
}

std::optional<DataMove> parse_move(const Json& json) {
  const Json* keys = json.find("keys");
  const Json* running = json.find("running");
  const bool* was_running = running == nullptr ? nullptr : running->as_bool();
  if (keys == nullptr || keys->as_array() == nullptr) return std::nullopt;
  DataMove move{number_in(json, "vmid").value_or(0), {}, was_running == nullptr || *was_running};
  for (const Json& pair : *keys->as_array()) {
    const std::string text = pair.as_string() == nullptr ? std::string() : *pair.as_string();
    const std::size_t arrow = std::min(text.find('>'), text.size());
    std::string from = text.substr(0, arrow);
    std::string to = text.substr(std::min(arrow + 1, text.size()));
    if (!is_mount_key(from) || !is_mount_key(to)) return std::nullopt;
    move.keys.emplace_back(std::move(from), std::move(to));
  }
  return move;
}

ReleaseLine parse_line(const Json& json) {
  ReleaseLine line{.id = json.text_of("id"),
                   .commit = json.text_of("commit"),
                   .result = json.text_of("result"),
                   .vmid = number_in(json, "vmid").value_or(0)};
  Json rest = Json::object();
  for (const auto& [key, value] : *json.as_object()) {
    if (key != "id" && key != "commit" && key != "result" && key != "vmid") rest.set(key, value);
  }
  line.record = std::move(rest);
  return line;
}

}  // namespace

std::optional<GuestRecord> parse_record(std::string_view description) {
  const auto block = find_block(description);
  if (!block) return std::nullopt;
  const std::size_t begin = block->first + opening.size();
  const std::string_view text = description.substr(begin, block->second - closing.size() - begin);
  const auto json = parse_json(text, {.bytes = 2 * longest_record, .depth = 8, .values = 1000});
  if (!json || json->as_object() == nullptr) return std::nullopt;
  GuestRecord record{.app = json->text_of("app"),
                     .identity = json->text_of("identity"),
                     .name = json->text_of("name"),
                     .release = json->text_of("release"),
                     .commit = json->text_of("commit"),
                     .spec = json->text_of("spec"),
                     .phase = json->text_of("phase"),
                     .run = json->text_of("run")};
  const Json* releases = json->find("releases");
  if (releases != nullptr && releases->as_array() != nullptr) {
    for (const Json& one : *releases->as_array()) {
      if (one.as_object() != nullptr) record.releases.push_back(parse_line(one));
    }
  }
  // What cannot be read holds, too.
  const auto object_or_empty = [](const Json& value) {
    return value.as_object() != nullptr ? value : Json::object();
  };
  if (const Json* hold = json->find("hold")) record.hold = object_or_empty(*hold);
  if (const Json* lock = json->find("lock")) record.lock = object_or_empty(*lock);
  for (const std::string& key : split(json->text_of("fresh"), ' ')) {
    if (is_mount_key(key)) record.fresh.push_back(key);
  }
  // Whoever cannot read where the data are must not touch the guest.
  if (const Json* move = json->find("data-move")) {
    record.data_move = parse_move(*move);
    if (!record.data_move) return std::nullopt;
  }
  return record;
}

std::string text_without_record(std::string_view description) {
  const auto block = find_block(description);
  if (!block) return std::string(description);
  std::string text(description.substr(0, block->first));
  text += description.substr(block->second);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::string with_record(std::string_view text, const GuestRecord& record) {
  GuestRecord shorter = record;
  std::string block;
  while (true) {
    block = fmt::format("{}{}{}", opening, in_comment(json_of(shorter).dump()), closing);
    if (block.size() <= longest_record || shorter.releases.empty()) break;
    shorter.releases.erase(shorter.releases.begin());
  }
  std::string out = text_without_record(text);
  if (!out.empty()) out += "\n\n";
  return out + block;
}

std::string app_tag(std::string_view app) { return fmt::format("app-{}", app); }

std::string revision_tag(std::string_view commit, std::string_view spec) {
  return fmt::format("rev-{}", (commit.empty() ? spec : commit).substr(0, tag_digits));
}

Result<GuestRecord> check_own(const Guest& guest, const GuestConfig& config, std::string_view app) {
  const auto refuse = [&](const std::string& why) {
    return conflict(fmt::format("guest {} is left alone: {}", guest.text(), why),
                    "It was not made by proxmox-deploy for this application, or was changed since. "
                    "Look at it, and remove it by hand if it is to go.");
  };
  if (config.is_template) return refuse("it is a template");
  if (config.is_protected) return refuse("its protection is on");
  const bool has_tag =
      std::find(config.tags.begin(), config.tags.end(), app_tag(app)) != config.tags.end();
  const auto record = parse_record(config.description);
  if (!record) return refuse("its description has no record of proxmox-deploy's");
  if (record->app != app) {
    return refuse(fmt::format("its record is of the application {}", shown(record->app)));
  }
  // A guest that is not configured yet has neither.
  const bool is_half_made = record->phase == phase_new && record->identity.empty();
  if (!is_half_made && !has_tag) return refuse(fmt::format("it has no tag {}", app_tag(app)));
  if (!is_half_made && record->identity != config.identity) {
    return refuse(
        fmt::format("its {} is {} and not {}, which was recorded: another guest has its ID",
                    guest.type == "lxc" ? "MAC address" : "SMBIOS UUID", visible(config.identity),
                    visible(record->identity)));
  }
  if (record->name != config.name) {
    return refuse(
        fmt::format("its name is {} and not {}", shown(config.name), shown(record->name)));
  }
  return *record;
}

}  // namespace pca::proxmox_deploy
