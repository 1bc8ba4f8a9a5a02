// Configurations of guests: how they are written, told, and changed.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "sandbox/github_answer.hpp"
#include "sandbox/proxmox_guests.hpp"

namespace pca::sandbox::proxmox {

namespace {

// "scsi" of "scsi0".
std::string stem_of(std::string_view key) {
  const auto end = key.find_last_not_of("0123456789");
  return std::string(key.substr(0, end == std::string_view::npos ? 0 : end + 1));
}

bool is_one_of(std::string_view word, std::string_view words) {
  const auto all = split(words, ' ');
  return std::find(all.begin(), all.end(), word) != all.end();
}

constexpr const char* numbers =
    "acpi autostart balloon ciupgrade cores cpulimit cpuunits freeze kvm localtime memory-of-lxc "
    "numa onboot protection reboot shares smp sockets swap tablet tdf template tty unprivileged "
    "vcpus console debug keephugepages migrate_downtime migrate_speed allow-ksm";

// What takes effect while the guest runs; everything else waits for its next start.
constexpr const char* at_once =
    "name hostname description tags onboot startup protection ciuser cipassword sshkeys citype "
    "cicustom ciupgrade nameserver searchdomain hookscript lock template meta";

bool applies_at_once(std::string_view key) {
  const std::string stem = stem_of(key);
  return is_one_of(key, at_once) ||
         is_one_of(stem, "net scsi virtio sata ide ipconfig unused mp rootfs");
}

// The privilege that changing an option takes.
std::string privilege_for(const std::string& key, bool is_container) {
  const std::string stem = stem_of(key);
  if (is_one_of(key, "cores cpu cpulimit cpuunits numa smp sockets vcpus affinity")) {
    return "VM.Config.CPU";
  }
  if (is_one_of(key, "balloon memory shares swap hugepages keephugepages allow-ksm")) {
    return "VM.Config.Memory";
  }
  if (is_one_of(key, "cicustom cipassword citype ciuser ciupgrade sshkeys")) {
    return "VM.Config.Cloudinit";
  }
  if (is_one_of(key, "nameserver searchdomain")) {
    return is_container ? "VM.Config.Network" : "VM.Config.Cloudinit";
  }
  if (key == "hostname" || stem == "net" || stem == "ipconfig") return "VM.Config.Network";
  if (is_disk(key, is_container) || is_one_of(key, "boot bootdisk vmstatestorage") ||
      stem == "unused") {
    return "VM.Config.Disk";
  }
  if (is_one_of(key, "acpi hotplug kvm machine scsihw smbios1 tablet vga watchdog audio0 rng0") ||
      stem == "serial" || stem == "usb" || stem == "hostpci") {
    return "VM.Config.HWType";
  }
  return "VM.Config.Options";
}

bool is_ssh_key(const std::string& line) {
  std::vector<std::string> words;
  for (const std::string& word : split(line, ' ')) {
    if (!word.empty()) words.push_back(word);
  }
  if (words.size() < 2) return false;
  const auto decoded = base64_decode(words[1]);
  if (!decoded || decoded->size() < 4 + words[0].size()) return false;
  if (decoded->substr(4, words[0].size()) != words[0]) return false;
  return words[0] != "ssh-ed25519" || decoded->size() == 51;
}

Outcome<void> check_ssh_keys(const std::string& text) {
  for (const std::string& line : split_lines(percent_decoded(text))) {
    if (!trim(line).empty() && !is_ssh_key(line)) {
      return server_error("SSH public key validation error");
    }
  }
  return {};
}

// "b;A, a" becomes "a;b".
std::string sorted_tags(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == ',' || c == ' '; }, ';');
  std::set<std::string> tags;
  for (const std::string& tag : split(text, ';')) {
    if (!tag.empty()) tags.insert(to_lower(tag));
  }
  return join(std::vector<std::string>(tags.begin(), tags.end()), ";");
}

// "virtio,bridge=vmbr0" gets an address of its own; a container's card is told apart by "hwaddr".
Outcome<std::string> network_card(Cluster& cluster, const Call& call, const std::string& text,
                                  bool is_container) {
  Parameters parts = parse_property(text, "model");
  if (const std::string bridge = value_in(parts, "bridge"); !bridge.empty()) {
    PCA_CHECK(
        cluster.permissions.require(call.user, "/sdn/zones/localnetwork/" + bridge, "SDN.Use"));
  }
  if (is_container) {
    if (value_in(parts, "hwaddr").empty()) parts.emplace_back("hwaddr", new_mac());
    if (value_in(parts, "type").empty()) parts.emplace_back("type", "veth");
    return property_text(parts);
  }
  if (!parts.empty() && parts.front().first == "model") {
    parts.front() = {parts.front().second, new_mac()};
  }
  return property_text(parts);
}

// "STORE:8,ssd=1" allocates, "STORE:cloudinit" too, and "STORE:vm-100-disk-1" takes what is there.
Outcome<std::string> disk_value(Cluster& cluster, const Call& call, Guest& guest,
                                const std::string& key, const std::string& text) {
  Parameters parts = parse_property(text, "file");
  const std::string file = value_in(parts, "file");
  const auto colon = file.find(':');
  if (file == "none" || file == "cdrom" || colon == std::string::npos) return text;
  const std::string storage = file.substr(0, colon);
  const std::string what = file.substr(colon + 1);
  PCA_TRY(Storage * found, cluster.storage_of(storage));
  const bool is_cloud_init = what == "cloudinit";
  const bool allocates =
      !what.empty() && what.find_first_not_of("0123456789.") == std::string::npos;
  if (!is_cloud_init && !allocates) {
    if (find_volume(cluster, file, guest.node) != nullptr) return text;
    return server_error(fmt::format("volume '{}' does not exist", file));
  }
  PCA_CHECK(
      cluster.permissions.require(call.user, "/storage/" + storage, "Datastore.AllocateSpace"));
  if (!found->content.contains(guest.is_container ? "rootdir" : "images")) {
    return server_error(fmt::format("storage '{}' does not support content-type '{}'", storage,
                                    guest.is_container ? "rootdir" : "images"));
  }
  std::uint64_t size = is_cloud_init ? std::uint64_t{4} << 20U : bytes_of(what + "G");
  if (const std::string source = value_in(parts, "import-from"); !source.empty()) {
    if (source.starts_with('/')) return bad_parameter(key, "Only root can use abs path.");
    const Volume* image = find_volume(cluster, source, guest.node);
    if (image == nullptr) return server_error(fmt::format("volume '{}' does not exist", source));
    size = image->size;
  }
  PCA_TRY(const std::string volume, make_volume(cluster, storage, guest, size, "", is_cloud_init));
  std::erase_if(parts, [](const auto& part) {
    return part.first == "file" || part.first == "size" || part.first == "import-from";
  });
  parts.insert(parts.begin(), {"file", volume});
  if (is_cloud_init) parts.emplace_back("media", "cdrom");
  parts.emplace_back("size", size_text(size));
  return property_text(parts, "file");
}

// What one option becomes, with the checks that are its own.
Outcome<std::string> option_value(Cluster& cluster, const Call& call, Guest& guest,
                                  const std::string& key, const std::string& text) {
  if (key == "tags") return sorted_tags(text);
  if (key == "sshkeys") {
    PCA_CHECK(check_ssh_keys(text));
    return text;
  }
  if (stem_of(key) == "net") return network_card(cluster, call, text, guest.is_container);
  if (is_disk(key, guest.is_container)) return disk_value(cluster, call, guest, key, text);
  return text;
}

Outcome<void> remove_option(Cluster& cluster, const Call& call, Guest& guest,
                            const std::string& key) {
  PCA_CHECK(cluster.permissions.require(call.user, fmt::format("/vms/{}", guest.vmid),
                                        privilege_for(key, guest.is_container)));
  const std::string old = guest.value(key);
  if (guest.status != "stopped" && !applies_at_once(key)) {
    if (!old.empty()) guest.removals.insert(key);
    guest.pending.erase(key);
    return {};
  }
  guest.config.erase(key);
  if (old.empty()) return {};
  if (stem_of(key) == "unused") {
    remove_volume(cluster, volume_of(old), guest.node);
  } else if (is_disk(key, guest.is_container) && old.find("cloudinit") == std::string::npos) {
    int number = 0;
    while (guest.config.contains(fmt::format("unused{}", number))) ++number;
    guest.config[fmt::format("unused{}", number)] = volume_of(old);
  } else if (is_disk(key, guest.is_container)) {
    remove_volume(cluster, volume_of(old), guest.node);
  }
  return {};
}

}  // namespace

bool is_disk(std::string_view key, bool is_container) {
  const std::string stem = stem_of(key);
  if (is_container) return key == "rootfs" || (stem == "mp" && key != "mp");
  return is_one_of(key, "efidisk0 tpmstate0") ||
         (is_one_of(stem, "scsi virtio sata ide") && stem != key);
}

std::vector<std::string> disks_of(const Guest& guest) {
  std::vector<std::string> found;
  for (const auto& [key, value] : guest.config) {
    const bool is_volume = volume_of(value).find(':') != std::string::npos;
    if (is_disk(key, guest.is_container) && is_volume) found.push_back(key);
  }
  return found;
}

std::string volume_of(const std::string& disk) { return disk.substr(0, disk.find(',')); }

std::uint64_t disk_size(const Guest& guest) {
  for (const std::string& key : disks_of(guest)) {
    const Parameters parts = parse_property(guest.value(key), "file");
    if (value_in(parts, "media") != "cdrom") return bytes_of(value_in(parts, "size"));
  }
  return 0;
}

std::uint64_t bytes_of(std::string_view size) {
  if (size.empty()) return 0;
  std::uint64_t unit = 1;
  switch (size.back()) {
    case 'K':
      unit = std::uint64_t{1} << 10U;
      break;
    case 'M':
      unit = std::uint64_t{1} << 20U;
      break;
    case 'G':
      unit = std::uint64_t{1} << 30U;
      break;
    case 'T':
      unit = std::uint64_t{1} << 40U;
      break;
    default:
      break;
  }
  const std::string digits(unit == 1 ? size : size.substr(0, size.size() - 1));
  constexpr double most = 1e18;
  return static_cast<std::uint64_t>(
      std::clamp(std::strtod(digits.c_str(), nullptr) * static_cast<double>(unit), 0.0, most));
}

std::string size_text(std::uint64_t bytes) {
  for (const auto& [shift, unit] : {std::pair(40U, 'T'), {30U, 'G'}, {20U, 'M'}, {10U, 'K'}}) {
    if (bytes != 0 && bytes % (std::uint64_t{1} << shift) == 0) {
      return fmt::format("{}{}", bytes >> shift, unit);
    }
  }
  return std::to_string(bytes);
}

std::string config_text(const Config& config) {
  std::string text;
  for (const auto& [key, value] : config) text += fmt::format("{}: {}\n", key, value);
  return text;
}

std::string digest_of(const Guest& guest) {
  std::string text = config_text(guest.config) + "[PENDING]\n" + config_text(guest.pending);
  for (const auto& [name, snapshot] : guest.snapshots) {
    text += fmt::format("[{}]\n{}", name, config_text(snapshot.config));
  }
  return to_hex(sha1(text));
}

Json config_json(const Config& config, bool is_container) {
  Json out = Json::object();
  for (const auto& [key, value] : config) {
    const bool is_number =
        is_one_of(key, numbers) || (is_container && (key == "memory" || key == "swap"));
    const auto number = parse_integer(value, INT64_MIN, INT64_MAX);
    if (key == "cipassword") {
      out.set(key, "**********");
    } else if (is_number && number) {
      out.set(key, *number);
    } else {
      out.set(key, value);
    }
  }
  return out;
}

Json pending_json(const Guest& guest) {
  Json out = Json::array();
  Config all = guest.config;
  all["digest"] = digest_of(guest);
  for (const auto& [key, value] : guest.pending) all.try_emplace(key, "");
  const Json told = config_json(all, guest.is_container);
  const Json later = config_json(guest.pending, guest.is_container);
  for (const auto& [key, value] : all) {
    Json item = Json::object();
    item.set("key", key);
    if (key == "digest" || guest.config.contains(key)) item.set("value", *told.find(key));
    if (const Json* next = later.find(key)) item.set("pending", *next);
    if (guest.removals.contains(key)) item.set("delete", 1);
    out.push(std::move(item));
  }
  return out;
}

Outcome<void> change_config(Cluster& cluster, const Call& call, Guest& guest) {
  const std::string digest = call.text("digest");
  if (!digest.empty() && digest != digest_of(guest)) {
    return server_error("checksum mismatch (file change by other user?)");
  }
  static const std::set<std::string, std::less<>> not_options{"node",
                                                              "vmid",
                                                              "digest",
                                                              "delete",
                                                              "revert",
                                                              "skiplock",
                                                              "force",
                                                              "background_delay",
                                                              "pool",
                                                              "start",
                                                              "storage",
                                                              "ostemplate",
                                                              "unique",
                                                              "bwlimit",
                                                              "restore",
                                                              "password",
                                                              "ssh-public-keys",
                                                              "archive",
                                                              "ignore-unpack-errors",
                                                              "import-working-storage",
                                                              "live-restore",
                                                              "ha-managed"};
  const std::string path = fmt::format("/vms/{}", guest.vmid);
  for (const auto& [key, value] : call.parameters) {
    if (not_options.contains(key)) continue;
    if (is_one_of(key, "args hookscript") || key.starts_with("hostpci")) {
      return server_error(fmt::format("only root can set '{}' config", key));
    }
    if (guest.is_container && key == "features" && value != "nesting=1" && value != "nesting=0") {
      return forbidden("changing feature flags (except nesting) is only allowed for root@pam");
    }
    // Who makes a guest need not have the right to change it.
    if (call.text("vmid").empty() || cluster.guests.contains(guest.vmid)) {
      PCA_CHECK(
          cluster.permissions.require(call.user, path, privilege_for(key, guest.is_container)));
    }
  }
  for (std::string key : split(call.text("revert"), ',')) {
    guest.pending.erase(key);
    guest.removals.erase(key);
  }
  for (const std::string& key : split(call.text("delete"), ',')) {
    if (!key.empty()) PCA_CHECK(remove_option(cluster, call, guest, key));
  }
  for (const auto& [key, value] : call.parameters) {
    if (not_options.contains(key)) continue;
    PCA_TRY(const std::string text, option_value(cluster, call, guest, key, value));
    guest.removals.erase(key);
    if (guest.status == "stopped" || applies_at_once(key)) {
      if (text.empty() && key == "tags") {
        guest.config.erase(key);
      } else {
        guest.config[key] = text;
      }
      guest.pending.erase(key);
    } else if (guest.value(key) == text) {
      guest.pending.erase(key);
    } else {
      guest.pending[key] = text;
    }
  }
  return {};
}

}  // namespace pca::sandbox::proxmox
