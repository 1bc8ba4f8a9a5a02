#include "proxmox-deploy/guest_spec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "cli/input_file.hpp"
#include "net/host_address.hpp"
#include "proxmox-deploy/property_string.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr std::size_t name_digits = 7;
constexpr std::int64_t least_vmid = 100;
constexpr std::int64_t most_vmid = 999'999'999;
constexpr std::size_t longest_description = 3500;  // the record needs room beside it
constexpr Milliseconds file_limit{10'000};
constexpr std::uint64_t keys_limit = 64ULL << 10;

// What has an input of its own, or is this tool's.
using OwnKey = std::pair<std::string_view, std::string_view>;
constexpr std::array<OwnKey, 14> machine_keys{{
    {"name", "name"},
    {"tags", "tags"},
    {"description", "description"},
    {"cores", "cores"},
    {"memory", "memory"},
    {"ciuser", "ci-user"},
    {"cipassword", "ci-password"},
    {"sshkeys", "ssh-keys"},
    {"nameserver", "nameserver"},
    {"searchdomain", "search-domain"},
    {"ciupgrade", "ci-upgrade"},
    {"onboot", "on-boot"},
    {"smbios1", ""},
    {"digest", ""},
}};
// Besides them what is no configuration but says how the call makes a container.
constexpr std::array<OwnKey, 28> container_keys{{
    {"hostname", "name"},
    {"tags", "tags"},
    {"description", "description"},
    {"cores", "cores"},
    {"memory", "memory"},
    {"swap", "swap"},
    {"password", "root-password"},
    {"nameserver", "nameserver"},
    {"searchdomain", "search-domain"},
    {"onboot", "on-boot"},
    {"rootfs", "storage"},
    {"net[n]", "net"},
    {"mp[n]", "data"},
    {"unprivileged", "privileged"},
    {"storage", "storage"},
    {"pool", "pool"},
    {"ostemplate", "template"},
    {"ssh-public-keys", "ssh-keys"},
    {"unused[n]", "data"},
    {"vmid", "vmid-range"},
    {"digest", ""},
    {"force", ""},
    {"restore", ""},
    {"start", ""},
    {"template", ""},
    {"lock", ""},
    {"protection", ""},
    {"unique", ""},
}};

bool is_key(std::string_view text) {
  return !text.empty() && text.size() <= 40 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

// "+4G", "20G", "1.5T": what the API takes.
bool is_disk_size(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  if (!text.empty() && std::string_view("KMGT").find(text.back()) != std::string_view::npos) {
    text.remove_suffix(1);
  }
  const std::size_t dot = text.find('.');
  const auto is_number = [](std::string_view digits) {
    return !digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos;
  };
  if (dot == std::string_view::npos) return is_number(text);
  return is_number(text.substr(0, dot)) && is_number(text.substr(dot + 1));
}

bool is_disk(std::string_view text) {
  for (const std::string_view bus : {"scsi", "virtio", "sata", "ide", "efidisk", "tpmstate"}) {
    if (!text.starts_with(bus)) continue;
    return static_cast<bool>(parse_integer(text.substr(bus.size()), 0, 30));
  }
  return false;
}

bool is_cidr(std::string_view text, bool is_v6) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return false;
  const std::string address(text.substr(0, slash));
  const bool has_colon = address.find(':') != std::string::npos;
  return is_ip_address(address) && has_colon == is_v6 &&
         static_cast<bool>(parse_integer(text.substr(slash + 1), 0, is_v6 ? 128 : 32));
}

Result<> check_ip_config(std::string_view text) {
  const std::string cure = "Write ip=dhcp, or ip=10.0.0.5/24,gw=10.0.0.1; ip6 and gw6 likewise.";
  const PropertyString parts(text);
  if (parts.parts().empty()) return bad_input("is empty", cure);
  for (const auto& [key, value] : parts.parts()) {
    const bool is_good =
        (key == "ip" && (value == "dhcp" || is_cidr(value, false))) ||
        (key == "ip6" && (value == "dhcp" || value == "auto" || is_cidr(value, true))) ||
        ((key == "gw" || key == "gw6") && is_ip_address(value));
    if (!is_good) {
      return bad_input(fmt::format("{} is no address with its network",
                                   shown(key.empty() ? value : key + "=" + value)),
                       cure);
    }
  }
  return {};
}

// Of a node, a storage or a pool.
bool is_place_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._/").find(c) != std::string_view::npos;
  });
}

class SpecReader {
 public:
  SpecReader(Inputs& inputs, std::string app, BadInputs& bad) : inputs_(inputs), bad_(bad) {
    spec_.app = std::move(app);
  }

  GuestSpec read() {
    spec_.source = inputs_.text("template");
    read_place();
    read_clone();
    read_hardware();
    read_cloud_init();
    read_config(machine_keys);
    read_disks();
    read_tags();
    spec_.address = read_address_rules(inputs_);
    spec_.health = read_health_rules(inputs_, bad_);
    find_fixed_address("ip-config");
    return std::move(spec_);
  }

  GuestSpec read_container() {
    spec_.type = "lxc";
    read_archive();
    read_place();
    read_hardware();
    if (inputs_.has("swap")) add_mebibytes("swap", 0);
    read_root();
    read_nets();
    read_resolver();
    if (inputs_.has("ssh-keys")) add("ssh-public-keys", read_keys());
    read_password("root-password");
    constexpr std::size_t shortest_password = 5;
    if (spec_.password != nullptr && spec_.password->expose().size() < shortest_password) {
      bad_.add("root-password", "is shorter than Proxmox VE takes",
               "Choose one of 5 bytes at least.");
    }
    const bool is_privileged = inputs_.flag("privileged");
    add("unprivileged", is_privileged ? "0" : "1");
    read_config(container_keys);
    const bool has_features =
        std::any_of(spec_.config.begin(), spec_.config.end(),
                    [](const auto& parameter) { return parameter.first == "features"; });
    // As the web interface makes them: what systemd needs within.
    if (inputs_.flag("nesting") && !is_privileged && !has_features) add("features", "nesting=1");
    read_data();
    read_tags();
    spec_.address = read_address_rules(inputs_);
    spec_.health = read_health_rules(inputs_, bad_, false);
    find_fixed_address("net");
    return std::move(spec_);
  }

 private:
  void add(const char* key, std::string value) { spec_.config.emplace_back(key, std::move(value)); }

  void read_place() {
    for (const auto& [input, value] :
         {std::pair{"node", &spec_.node}, std::pair{"storage", &spec_.storage},
          std::pair{"pool", &spec_.pool}}) {
      *value = inputs_.text(input);
      if (value->empty() || is_place_name(*value)) continue;
      bad_.add(input, fmt::format("{} is no name of a {}", shown(*value), input),
               "Write it as the web interface shows it.");
    }
    if (spec_.node.find('.') != std::string::npos) {
      bad_.add("node", fmt::format("{} is a hostname, not a node's name", shown(spec_.node)),
               fmt::format("Write {}: nodes have names without a domain.",
                           visible(spec_.node.substr(0, spec_.node.find('.')))));
    }
    read_vmids();
  }

  void read_clone() {
    const std::string& clone = inputs_.text("clone");
    spec_.clone = clone == "linked" ? CloneKind::linked
                  : clone == "full" ? CloneKind::full
                                    : CloneKind::automatic;
    if (spec_.clone == CloneKind::linked && !spec_.storage.empty()) {
      bad_.add(
          "storage", "is given, but clone is linked",
          "A linked clone lies where its template is: leave storage out, or set clone to full.");
    }
  }

  void read_vmids() {
    const std::string& text = inputs_.text("vmid-range");
    const std::size_t dash = text.find('-');
    const auto first =
        parse_integer(trim(std::string_view(text).substr(0, dash)), least_vmid, most_vmid);
    const auto last =
        dash == std::string::npos
            ? Result<std::int64_t>(bad_input("no range"))
            : parse_integer(trim(std::string_view(text).substr(dash + 1)), least_vmid, most_vmid);
    if (!first || !last || *first > *last) {
      bad_.add("vmid-range", fmt::format("{} is no range of guests' IDs", shown(text)),
               "Write FIRST-LAST, as 10000-19999, from 100 to 999999999.");
      return;
    }
    spec_.first_vmid = *first;
    spec_.last_vmid = *last;
  }

  void add_mebibytes(const char* input, std::uint64_t least) {
    constexpr std::uint64_t mebibyte = 1ULL << 20;
    const std::uint64_t bytes = inputs_.size(input);
    if (bytes % mebibyte != 0 || bytes / mebibyte < least) {
      bad_.add(input, fmt::format("is no whole number of MiB, or less than {}MiB", least),
               "Write 2GiB, or 512MiB.");
    } else {
      add(input, std::to_string(bytes / mebibyte));
    }
  }

  void read_hardware() {
    if (inputs_.has("cores")) add("cores", std::to_string(inputs_.integer("cores")));
    if (inputs_.has("memory")) add_mebibytes("memory", 16);
    spec_.starts_on_boot = inputs_.flag("on-boot");
  }

  void read_cloud_init() {
    if (inputs_.has("ci-user")) add("ciuser", inputs_.text("ci-user"));
    if (inputs_.has("ssh-keys")) add("sshkeys", ssh_keys_value(read_keys()));
    int place = 0;
    for (const std::string& text : inputs_.list("ip-config")) {
      if (const auto good = check_ip_config(text); !good) bad_.add("ip-config", good.error());
      spec_.config.emplace_back(fmt::format("ipconfig{}", place++), text);
    }
    read_resolver();
    read_password("ci-password");
    spec_.upgrades = inputs_.flag("ci-upgrade");
  }

  void read_resolver() {
    if (inputs_.has("nameserver")) add("nameserver", join(inputs_.list("nameserver"), " "));
    for (const std::string& server : inputs_.list("nameserver")) {
      if (is_ip_address(server)) continue;
      bad_.add("nameserver", fmt::format("{} is no IP address", shown(server)), "Write 10.0.0.53.");
    }
    if (inputs_.has("search-domain")) add("searchdomain", inputs_.text("search-domain"));
  }

  void read_password(const char* input) {
    Secret password = inputs_.take_secret(input);
    if (!password.empty()) spec_.password = std::make_shared<const Secret>(std::move(password));
  }

  // --- of a container ---

  // "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"
  void read_archive() {
    spec_.source = inputs_.text("template");
    if (spec_.source.empty() || is_archive(spec_.source)) return;
    bad_.add("template",
             fmt::format("{} is no volume of a container template", shown(spec_.source)),
             "Write STORAGE:vztmpl/FILE, as \"proxmox-deploy image list\" shows it.");
  }

  // "8GiB" as "8": the API counts in GiB, of which there may be parts.
  std::string gibibytes(const char* input, std::uint64_t bytes) {
    constexpr std::uint64_t mebibyte = 1ULL << 20;
    if (bytes == 0 || bytes % mebibyte != 0) {
      bad_.add(input, "is no whole number of MiB", "Write 8GiB, or 512MiB.");
    }
    return fmt::format("{}", static_cast<double>(bytes / mebibyte) / 1024.0);
  }

  void read_root() {
    const std::string size = gibibytes("root-size", inputs_.size("root-size"));
    if (!spec_.storage.empty()) add("rootfs", fmt::format("{}:{}", spec_.storage, size));
  }

  void read_nets() {
    if (inputs_.list("net").empty()) add("net0", default_net);
    int place = 0;
    for (const std::string& text : inputs_.list("net")) {
      const PropertyString net(text);
      const bool is_good = !net.get("name").empty() && !net.get("bridge").empty();
      if (!is_good) {
        bad_.add("net", fmt::format("{} has no name or no bridge", shown(text)),
                 "Write name=eth0,bridge=vmbr0,ip=dhcp, or "
                 "name=eth0,bridge=vmbr0,ip=10.0.0.5/24,gw=10.0.0.1.");
      }
      spec_.config.emplace_back(fmt::format("net{}", place++), text);
    }
  }

  // "/var/lib/shop=local-zfs:8GiB"
  void read_data() {
    for (const std::string& line : inputs_.list("data")) {
      const std::size_t equals = line.find('=');
      const std::size_t colon = line.rfind(':');
      const bool is_whole = equals != std::string::npos && colon != std::string::npos &&
                            colon > equals + 1 && line.front() == '/' && equals > 1;
      const auto bytes = parse_size(is_whole ? line.substr(colon + 1) : "");
      std::string path = line.substr(0, is_whole ? equals : 0);
      const bool is_clean = path.find_first_of(", \n") == std::string::npos &&
                            path.find("/../") == std::string::npos && !path.ends_with("/..") &&
                            path.find("//") == std::string::npos && !path.ends_with('/');
      const std::string storage = is_whole ? line.substr(equals + 1, colon - equals - 1) : "";
      const bool is_double = std::any_of(spec_.data.begin(), spec_.data.end(),
                                         [&](const DataPath& one) { return one.path == path; });
      if (!is_whole || !bytes || !is_clean || is_double || !is_place_name(storage)) {
        bad_.add("data",
                 fmt::format("{} is {}", shown(line),
                             is_double ? "there twice" : "no path with its volume"),
                 "Write PATH=STORAGE:SIZE, as /var/lib/shop=local-zfs:8GiB; each path once.");
        continue;
      }
      spec_.data.push_back({std::move(path), storage, gibibytes("data", *bytes)});
    }
  }

  [[nodiscard]] std::string read_keys() {
    std::string text = inputs_.text("ssh-keys");
    if (text.find("ssh-") == std::string::npos && text.find("ecdsa-") == std::string::npos &&
        text.find("sk-") == std::string::npos) {
      auto content = read_input_file(Budget::of(file_limit), std::string(trim(text)), keys_limit);
      if (!content) {
        bad_.add("ssh-keys", content.error());
        return {};
      }
      text = *std::move(content);
    }
    for (const std::string& line : split_list(text)) {
      if (line.starts_with('#') || line.find("ssh-") != std::string::npos ||
          line.find("ecdsa-") != std::string::npos || line.starts_with("sk-")) {
        continue;
      }
      bad_.add("ssh-keys", fmt::format("{} is no public key", shown(line.substr(0, 20))),
               "Give lines as in authorized_keys: ssh-ed25519 AAAA... name.");
    }
    return text;
  }

  void read_config(std::span<const OwnKey> own_keys) {
    for (const std::string& line : inputs_.list("config")) {
      const std::size_t equals = line.find('=');
      const std::string key(trim(std::string_view(line).substr(0, equals)));
      if (equals == std::string::npos || !is_key(key)) {
        bad_.add(
            "config", fmt::format("{} is no KEY=VALUE", shown(line)),
            "Write a key of the guest's configuration, as cpu=host or net0=virtio,bridge=vmbr0.");
        continue;
      }
      const std::string stem = key.substr(0, key.find_last_not_of("0123456789") + 1);
      const auto own = std::find_if(own_keys.begin(), own_keys.end(), [&](const auto& one) {
        return one.first == key || one.first == stem + "[n]";
      });
      if (own != own_keys.end()) {
        bad_.add("config", fmt::format("{} is not set by config", key),
                 own->second.empty() ? std::string("How the guest is made and known again is "
                                                   "proxmox-deploy's own.")
                                     : fmt::format("Use the input {}.", own->second));
        continue;
      }
      spec_.config.emplace_back(key, std::string(trim(std::string_view(line).substr(equals + 1))));
    }
  }

  void read_disks() {
    for (const std::string& line : inputs_.list("disk-size")) {
      const std::size_t equals = line.find('=');
      const std::string disk(trim(std::string_view(line).substr(0, equals)));
      const std::string size(equals == std::string::npos
                                 ? std::string_view()
                                 : trim(std::string_view(line).substr(equals + 1)));
      if (!is_disk(disk) || !is_disk_size(size)) {
        bad_.add("disk-size", fmt::format("{} is no disk with its size", shown(line)),
                 "Write DISK=SIZE, as scsi0=20G for a size, or scsi0=+4G for so much more.");
        continue;
      }
      spec_.disks.emplace_back(disk, size);
    }
  }

  void read_tags() {
    for (const std::string& tag : inputs_.list("tags")) {
      const bool is_ours = tag.starts_with("app-") || tag.starts_with("rev-") || tag == "active";
      if (is_tag(tag) && !is_ours) {
        spec_.tags.push_back(tag);
        continue;
      }
      bad_.add("tags",
               fmt::format("{} is {}", shown(tag),
                           is_ours ? "a tag that says whose the guest is" : "no tag"),
               is_ours ? "Choose another one."
                       : "Write lower case letters, digits, _, -, + and ., one tag a line.");
    }
    spec_.description = inputs_.text("description");
    if (spec_.description.size() > longest_description) {
      bad_.add("description", fmt::format("has {} bytes", spec_.description.size()),
               fmt::format("Use at most {}.", longest_description));
    }
    if (spec_.description.find("<!-- proxmox-deploy ") != std::string::npos) {
      bad_.add("description", "holds a record of proxmox-deploy's", "Leave it out.");
    }
  }

  void find_fixed_address(const char* input) {
    spec_.fixed_address = read_fixed_address(inputs_, bad_);
    for (const std::string& text : inputs_.list(input)) {
      if (spec_.fixed_address.empty()) {
        spec_.fixed_address = static_address(text, spec_.address.version);
      }
    }
  }

  Inputs& inputs_;
  BadInputs& bad_;
  GuestSpec spec_;
};

}  // namespace

bool is_archive(std::string_view text) {
  const std::size_t colon = text.find(":vztmpl/");
  return colon != std::string_view::npos && colon > 0;
}

bool is_dns_label(std::string_view text, std::size_t most) {
  return !text.empty() && text.size() <= most && text.front() != '-' && text.back() != '-' &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

bool is_tag(std::string_view text) {
  const auto is_first = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !text.empty() && text.size() <= 64 && is_first(text.front()) &&
         std::all_of(text.begin(), text.end(),
                     [&](char c) { return is_first(c) || c == '-' || c == '+' || c == '.'; });
}

std::string GuestSpec::digest() const {
  Json all = Json::object();
  all.set("source", source).set("node", node).set("storage", storage).set("pool", pool);
  all.set("clone", static_cast<int>(clone)).set("description", description);
  all.set("on-boot", starts_on_boot).set("upgrades", upgrades);
  if (!provision.empty()) all.set("provision", provision);
  Json values = Json::array();
  for (const auto& [key, value] : config) values.push(key + "=" + value);
  for (const auto& [disk, size] : disks) values.push(disk + ":" + size);
  for (const std::string& tag : tags) values.push(tag);
  for (const DataPath& one : data) {
    values.push(fmt::format("{}={}:{}", one.path, one.storage, one.gibibytes));
  }
  if (is_container()) all.set("type", type);
  return to_hex(sha256(all.set("values", std::move(values)).dump())).substr(0, 16);
}

std::string GuestSpec::guest_name(const std::string& commit) const {
  return fmt::format("{}-{}", app, (commit.empty() ? digest() : commit).substr(0, name_digits));
}

std::string read_app(const Inputs& inputs, BadInputs& bad) {
  std::string app = inputs.text("name");
  if (!app.empty() && !is_dns_label(app, longest_app)) {
    bad.add("name", fmt::format("{} is no name of an application's guests", shown(app)),
            fmt::format("Write lower case letters, digits and -, at most {}: the revision is put "
                        "behind it, and both are a hostname.",
                        longest_app));
  }
  return app;
}

std::string read_fixed_address(const Inputs& inputs, BadInputs& bad) {
  std::string address = inputs.text("ip");
  if (!address.empty() && !is_ip_address(address)) {
    bad.add("ip", fmt::format("{} is no IP address", shown(address)),
            "Write the address that the guest will have, as 10.0.0.5.");
  }
  return address;
}

AddressRules read_address_rules(const Inputs& inputs) {
  const std::string& version = inputs.text("ip-version");
  return {version == "4"   ? IpVersion::v4
          : version == "6" ? IpVersion::v6
                           : IpVersion::any,
          inputs.text("ip-interface")};
}

HealthRules read_health_rules(const Inputs& inputs, BadInputs& bad, bool has_command) {
  HealthRules rules;
  rules.url = inputs.text("health-url");
  rules.port =
      static_cast<std::uint16_t>(inputs.has("health-port") ? inputs.integer("health-port") : 0);
  if (has_command) rules.command = inputs.text("health-command");
  rules.timeout = inputs.duration("health-timeout");
  rules.successes = static_cast<int>(inputs.integer("health-successes"));
  if (!rules.url.empty() && !is_web_address(health_url(rules.url, "10.0.0.1"))) {
    bad.add("health-url", fmt::format("{} is no http or https address", shown(rules.url)),
            "Write http://{ip}:8080/healthz; {ip} stands for the guest's address.");
  }
  if (inputs.flag("no-health") && rules.is_needed()) {
    bad.add("no-health", "is given together with a health check", "Leave one of them out.");
  }
  if (!inputs.flag("no-health") && !rules.is_needed() && !bad.names("health-url")) {
    bad.add("health-url",
            has_command ? "is missing, and so are health-port and health-command"
                        : "is missing, and so is health-port",
            "Say how a healthy guest is known, as http://{ip}:8080/healthz, or set no-health to "
            "true: then a guest that runs is good enough.");
  }
  return rules;
}

GuestSpec read_guest_spec(Inputs& inputs, std::string app, BadInputs& bad) {
  return SpecReader(inputs, std::move(app), bad).read();
}

GuestSpec read_container_spec(Inputs& inputs, std::string app, BadInputs& bad) {
  return SpecReader(inputs, std::move(app), bad).read_container();
}

Option app_option() {
  return {.name = "name",
          .help =
              "The application's name: lower case letters, digits and -; its guests are called "
              "so, with the revision behind it, and have the tag app-NAME",
          .placeholder = "NAME",
          .required = true,
          .group = "Guest"};
}

std::vector<Option> guest_options() {
  const std::string group = "Guest";
  const std::string cloud_init = "Cloud-init";
  return {
      {.name = "template",
       .help = "The template to clone: its ID, or its name",
       .placeholder = "ID|NAME",
       .required = true,
       .group = group},
      {.name = "node",
       .help = "The node to run on; default: the template's. Another one needs shared storage",
       .placeholder = "NODE",
       .group = group},
      {.name = "clone",
       .type = OptionType::choice,
       .default_value = "auto",
       .help = "linked shares the template's disks and is made in no time, full copies them; auto "
               "is full with storage, else linked",
       .choices = {"auto", "linked", "full"},
       .group = group},
      {.name = "storage",
       .help = "Where the disks of a full clone go; default: where the template's are",
       .placeholder = "STORAGE",
       .group = group},
      {.name = "pool",
       .help = "The pool that the guest belongs to",
       .placeholder = "POOL",
       .group = group},
      {.name = "vmid-range",
       .default_value = "10000-19999",
       .help = "IDs that new guests may have",
       .placeholder = "FIRST-LAST",
       .group = group},
      {.name = "cores",
       .type = OptionType::integer,
       .help = "CPU cores; default: as the template",
       .least = 1,
       .most = 8192,
       .group = group},
      {.name = "memory",
       .type = OptionType::size,
       .help = "Memory; default: as the template",
       .group = group},
      {.name = "disk-size",
       .type = OptionType::list,
       .help = "Disks to make larger, one a line: scsi0=20G, or scsi0=+4G for so much more",
       .placeholder = "DISK=SIZE",
       .group = group},
      {.name = "config",
       .type = OptionType::list,
       .help = "What else its configuration is to say, one a line: cpu=host",
       .placeholder = "KEY=VALUE",
       .group = group},
      {.name = "tags",
       .type = OptionType::list,
       .help = "More tags, one a line",
       .placeholder = "TAG",
       .group = group},
      {.name = "description",
       .type = OptionType::verbatim,
       .help = "Text for people in its description",
       .placeholder = "TEXT",
       .group = group},
      {.name = "on-boot",
       .type = OptionType::boolean,
       .default_value = "true",
       .help = "Start the active guest when its node starts",
       .group = group},
      {.name = "ci-user",
       .help = "User that cloud-init makes",
       .placeholder = "USER",
       .group = cloud_init},
      {.name = "ci-password",
       .type = OptionType::secret,
       .help = "Password of that user; the cluster keeps it. A new one alone makes no new guest",
       .group = cloud_init},
      {.name = "ssh-keys",
       .type = OptionType::verbatim,
       .help = "Public keys that may log in: lines as in authorized_keys, or the path of a file",
       .placeholder = "KEYS|PATH",
       .group = cloud_init},
      {.name = "ip-config",
       .type = OptionType::list,
       .help = "Addresses of net0, net1, ..., one a line: ip=dhcp, or "
               "ip=10.0.0.5/24,gw=10.0.0.1",
       .placeholder = "IPCONFIG",
       .group = cloud_init},
      {.name = "nameserver",
       .type = OptionType::list,
       .help = "DNS servers, one a line",
       .placeholder = "IP",
       .group = cloud_init},
      {.name = "search-domain",
       .help = "DNS search domain",
       .placeholder = "DOMAIN",
       .group = cloud_init},
      {.name = "ci-upgrade",
       .type = OptionType::boolean,
       .default_value = "false",
       .help = "Upgrade all packages at the first boot, which takes minutes",
       .group = cloud_init},
  };
}

std::vector<Option> container_options() {
  const std::string group = "Guest";
  std::vector<Option> all{
      {.name = "template",
       .help = "The archive it is made of: STORAGE:vztmpl/FILE, a container template or an OCI "
               "image (from Proxmox VE 9.1 on) that \"image oci-pull\" has fetched",
       .placeholder = "VOLUME",
       .required = true,
       .group = group},
      {.name = "node",
       .help = "The node to run on; default: that of the active container, else the first that has "
               "the storages. Data stay on their node",
       .placeholder = "NODE",
       .group = group},
      {.name = "storage",
       .help = "Where its root is",
       .placeholder = "STORAGE",
       .required = true,
       .group = group},
      {.name = "root-size",
       .type = OptionType::size,
       .default_value = "8GiB",
       .help = "How large its root is",
       .group = group},
      {.name = "data",
       .type = OptionType::list,
       .help = "Folders whose data go from each container to the next, which the old one is shut "
               "down for before the new one starts; one a line: /var/lib/shop=local-zfs:8GiB. The "
               "first deploy makes the volume; backups take it along",
       .placeholder = "PATH=STORAGE:SIZE",
       .group = group},
      {.name = "net",
       .type = OptionType::list,
       .help = std::string("net0, net1, ..., one a line; default: ") + default_net,
       .placeholder = "NET",
       .group = group},
      {.name = "swap", .type = OptionType::size, .help = "Swap; default: 512MiB", .group = group},
      {.name = "root-password",
       .type = OptionType::secret,
       .help = "Password of root. A new one alone makes no new container",
       .group = group},
      {.name = "nesting",
       .type = OptionType::boolean,
       .default_value = "true",
       .help = "Let systemd and containers within work, as the web interface does",
       .group = group},
      {.name = "privileged",
       .type = OptionType::boolean,
       .default_value = "false",
       .help = "root in it is root of the node: only for what works in no other way",
       .group = group},
  };
  const std::pair<const char*, const char*> shared[] = {
      {"pool", ""},
      {"vmid-range", ""},
      {"cores", "CPU cores; default: all of the node"},
      {"memory", "Memory; default: 512MiB"},
      {"nameserver", ""},
      {"search-domain", ""},
      {"ssh-keys", ""},
      {"config", "What else its configuration is to say, one a line: timezone=host"},
      {"tags", ""},
      {"description", ""},
      {"on-boot", ""}};
  for (Option& option : guest_options()) {
    const auto taken = std::find_if(std::begin(shared), std::end(shared),
                                    [&](const auto& one) { return option.name == one.first; });
    if (taken == std::end(shared)) continue;
    if (*taken->second != '\0') option.help = taken->second;
    option.group = group;
    all.push_back(std::move(option));
  }
  return all;
}

std::vector<Option> container_health_options() {
  std::vector<Option> all = health_options();
  std::erase_if(all, [](const Option& option) { return option.name == "health-command"; });
  return all;
}

std::vector<Option> address_options() {
  const std::string group = "Address";
  return {
      {.name = "ip",
       .help = "The address that the guest has, where neither ip-config nor the agent tells it",
       .placeholder = "IP",
       .group = group},
      {.name = "ip-version",
       .type = OptionType::choice,
       .default_value = "any",
       .help = "Which of its addresses counts; any is IPv4 where it has one",
       .choices = {"any", "4", "6"},
       .group = group},
      {.name = "ip-interface",
       .help = "Whose address counts, by its name in the guest; default: that of net0",
       .placeholder = "NAME",
       .group = group},
  };
}

std::vector<Option> health_options() {
  const std::string group = "Health";
  return {
      {.name = "health-url",
       .help = "Answers with 2xx when the guest is healthy, asked from here; {ip} stands for its "
               "address: http://{ip}:8080/healthz",
       .placeholder = "URL",
       .group = group},
      {.name = "health-port",
       .type = OptionType::integer,
       .help = "Takes TCP connections from here when the guest is healthy",
       .least = 1,
       .most = 65535,
       .group = group},
      {.name = "health-command",
       .help = "Ends with 0 when the guest is healthy: run in it by sh through the agent",
       .placeholder = "COMMAND",
       .group = group},
      {.name = "no-health",
       .type = OptionType::boolean,
       .default_value = "false",
       .help = "A guest that runs is good enough",
       .group = group},
      {.name = "health-timeout",
       .type = OptionType::duration,
       .default_value = "2m",
       .help = "How long it may take to be healthy, once it has its address",
       .group = group},
      {.name = "health-successes",
       .type = OptionType::integer,
       .default_value = "2",
       .help = "How many checks in a row must be good",
       .least = 1,
       .most = 100,
       .group = group},
  };
}

}  // namespace pca::proxmox_deploy
