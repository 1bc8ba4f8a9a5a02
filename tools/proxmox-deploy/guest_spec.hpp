#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/secret.hpp"
#include "cli/inputs.hpp"
#include "proxmox-deploy/api_form.hpp"
#include "proxmox-deploy/guest_address.hpp"
#include "proxmox-deploy/guest_health.hpp"

namespace pca::proxmox_deploy {

inline constexpr std::size_t longest_app = 55;  // of 63; the revision is put behind it
// Of a container whose `net` says nothing.
inline constexpr const char* default_net = "name=eth0,bridge=vmbr0,ip=dhcp";

enum class CloneKind : std::uint8_t { automatic, linked, full };

// A volume that goes from each container of an application to the next.
struct DataPath {
  std::string path;     // where containers have it: "/var/lib/shop"
  std::string storage;  // where the first one makes it, and how large
  std::string gibibytes;
};

// What a deploy's guest is to be, as the inputs say it.
struct GuestSpec {
  std::string app;
  std::string type = "qemu";  // or lxc
  std::string source;         // the template's ID or name; a container's: the volume of its archive
  std::string node;           // empty = the template's
  std::string storage;
  std::string pool;
  CloneKind clone = CloneKind::automatic;
  std::int64_t first_vmid = 10'000;
  std::int64_t last_vmid = 19'999;
  Parameters config;  // for its configuration, without tags, description and password
  std::shared_ptr<const Secret> password = {};
  bool upgrades = false;       // cloud-init all packages, at the first boot
  bool starts_on_boot = true;  // while it is the active one
  std::vector<std::pair<std::string, std::string>> disks;  // {"scsi0", "20G"}
  std::vector<std::string> tags;
  std::string description;
  AddressRules address;
  std::string fixed_address;  // where the inputs tell it; else the agent is asked
  HealthRules health;
  std::vector<DataPath> data;  // of a container: the first is mp0
  std::string provision;       // digest of what its agent does to it; empty = nothing

  // Of all that it is made of but the password: another digest is another guest.
  [[nodiscard]] std::string digest() const;
  [[nodiscard]] bool is_container() const { return type == "lxc"; }
  // "web-1a2b3c4": a name of its own for each revision.
  [[nodiscard]] std::string guest_name(const std::string& commit) const;
};

[[nodiscard]] Option app_option();
// But for its application.
[[nodiscard]] std::vector<Option> guest_options();
[[nodiscard]] std::vector<Option> health_options();
[[nodiscard]] std::vector<Option> address_options();

// Of a container, with no agent in it: no template but an archive, no cloud-init, no command.
[[nodiscard]] std::vector<Option> container_options();
[[nodiscard]] std::vector<Option> container_health_options();

// The input name; a mistake goes to `bad`.
[[nodiscard]] std::string read_app(const Inputs& inputs, BadInputs& bad);
[[nodiscard]] std::string read_fixed_address(const Inputs& inputs, BadInputs& bad);
[[nodiscard]] AddressRules read_address_rules(const Inputs& inputs);
// `has_command`: whether health-command is among the inputs.
[[nodiscard]] HealthRules read_health_rules(const Inputs& inputs, BadInputs& bad,
                                            bool has_command = true);
[[nodiscard]] GuestSpec read_guest_spec(Inputs& inputs, std::string app, BadInputs& bad);
[[nodiscard]] GuestSpec read_container_spec(Inputs& inputs, std::string app, BadInputs& bad);

// Whether it names a volume that containers are made of: "local:vztmpl/debian-12.tar.zst".
[[nodiscard]] bool is_archive(std::string_view text);
// Lower case letters, digits and -, neither first nor last a -, at most `most` bytes.
[[nodiscard]] bool is_dns_label(std::string_view text, std::size_t most = 63);
// As the API takes it: [a-z0-9_][a-z0-9_+.-]*.
[[nodiscard]] bool is_tag(std::string_view text);

}  // namespace pca::proxmox_deploy
