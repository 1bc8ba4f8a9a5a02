#include "proxmox-deploy/guest_config.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "proxmox-deploy/property_string.hpp"

namespace pca::proxmox_deploy {

namespace {

// Whether all that is asked for is there. What the API keeps in another form than it is given
// (secrets, keys) is left out.
bool has_all(const GuestConfig& config, const Parameters& asked) {
  return std::all_of(asked.begin(), asked.end(), [&](const auto& parameter) {
    const auto& [name, value] = parameter;
    if (name == "cipassword" || name == "digest") return true;
    if (name == "description") return trim(config.description) == trim(value);
    if (name == "tags") return join_tags(config.tags) == join_tags(split_tags(value));
    if (name == "delete") return config.values.find(value) == nullptr;
    return trim(config.text(name)) == trim(value);
  });
}

}  // namespace

std::vector<std::string> GuestConfig::macs() const {
  std::vector<std::string> out;
  for (int i = 0; i < most_nets; ++i) {
    const std::string mac = mac_of_net(text(fmt::format("net{}", i)));
    if (!mac.empty()) out.push_back(mac);
  }
  return out;
}

std::vector<DataVolume> GuestConfig::data_volumes() const {
  std::vector<DataVolume> out;
  for (int i = 0; i <= last_mount; ++i) {
    std::string key = fmt::format("mp{}", i);
    const PropertyString mount(text(key));
    std::string volume = mount.get("").empty() ? mount.get("volume") : mount.get("");
    if (volume.starts_with('/') || volume.find(':') == std::string::npos) continue;
    out.push_back({std::move(key), mount.get("mp"), std::move(volume)});
  }
  return out;
}

GuestConfig parse_config(const Json& data, const std::string& type) {
  GuestConfig config;
  config.values = data;
  config.digest = data.text_of("digest");
  config.name = data.text_of(type == "lxc" ? "hostname" : "name");
  config.identity = to_lower(PropertyString(data.text_of("smbios1")).get("uuid"));
  if (type == "lxc") {
    const std::vector<std::string> macs = config.macs();
    config.identity = macs.empty() ? std::string() : macs.front();
  }
  config.description = data.text_of("description");
  config.tags = split_tags(data.text_of("tags"));
  config.lock = data.text_of("lock");
  config.is_template = truth_in(data, "template");
  config.is_protected = truth_in(data, "protection");
  // "1", "1,fstrim_cloned_disks=1" or "enabled=1".
  const PropertyString agent(text_in(data, "agent"));
  config.has_agent = agent.get("") == "1" || agent.get("enabled") == "1";
  return config;
}

ApiResult<GuestConfig> read_config(const Budget& budget, ProxmoxApi& api, const Guest& guest) {
  PCA_TRY(const Json data,
          api.ask(budget, {.path = guest_path(guest.node, guest.type, guest.vmid, "/config"),
                           .node = guest.node}));
  return parse_config(data, guest.type);
}

ApiResult<> write_config(const Budget& budget, ProxmoxApi& api, const Guest& guest,
                         Parameters parameters, const std::string& digest, bool has_secrets) {
  ApiRequest request{.method = "PUT",
                     .path = guest_path(guest.node, guest.type, guest.vmid, "/config"),
                     .parameters = parameters,
                     .node = guest.node,
                     .has_secrets = has_secrets};
  request.find_done = [&](const Budget& limit) -> ApiResult<std::optional<Json>> {
    PCA_TRY(const GuestConfig now, read_config(limit, api, guest));
    if (has_all(now, parameters)) return std::optional<Json>(Json());
    return std::optional<Json>();
  };
  if (!digest.empty()) request.parameters.emplace_back("digest", digest);
  auto done = api.ask_patiently(budget, request);
  if (!done) return std::move(done).error();
  return {};
}

}  // namespace pca::proxmox_deploy
