#include "proxmox-deploy/cluster_view.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "proxmox-deploy/property_string.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr std::int64_t least_vmid = 100;
constexpr std::int64_t most_vmid = 999'999'999;
constexpr std::size_t most_named = 10;  // in a message

// A node's name becomes part of paths.
bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 255 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  });
}

Result<Guest> find_among(const ClusterView& view, std::string_view text, bool only_templates) {
  const char* what = only_templates ? "template" : "guest";
  const auto vmid = parse_integer(text, least_vmid, most_vmid);
  std::vector<const Guest*> found;
  std::vector<std::string> others;
  for (const Guest& guest : view.guests) {
    if (vmid ? guest.vmid == *vmid : guest.name == text) found.push_back(&guest);
    if (guest.is_template == only_templates && !guest.name.empty()) {
      others.push_back(fmt::format("{} {}", guest.vmid, visible(guest.name)));
    }
  }
  if (found.size() > 1 && only_templates) {
    std::erase_if(found, [](const Guest* guest) { return !guest->is_template; });
  }
  if (found.size() > 1) {
    std::vector<std::string> ids;
    for (const Guest* guest : found) ids.push_back(std::to_string(guest->vmid));
    return failed(
        fmt::format("{} guests have the name {}: {}", found.size(), shown(text), join(ids, ", ")),
        "Name the one that is meant by its ID.");
  }
  if (found.size() == 1) return *found.front();
  if (others.size() > most_named) others.resize(most_named);
  const std::string there =
      others.empty() ? fmt::format("The token sees no {}: it needs VM.Audit to see any", what)
                     : fmt::format("There are: {}", join(others, ", "));
  return failed(fmt::format("there is no {} {}", what, shown(text)), there + ".");
}

}  // namespace

bool Guest::has_tag(std::string_view tag) const {
  return std::find(tags.begin(), tags.end(), tag) != tags.end();
}

std::string Guest::text() const {
  return fmt::format("{} ({}{}on {})", vmid, visible(name), name.empty() ? "" : " ", visible(node));
}

const Guest* ClusterView::find(std::int64_t vmid) const {
  const auto found = std::find_if(guests.begin(), guests.end(),
                                  [&](const Guest& guest) { return guest.vmid == vmid; });
  return found == guests.end() ? nullptr : &*found;
}

const ClusterNode* ClusterView::find_node(std::string_view name) const {
  const auto found = std::find_if(nodes.begin(), nodes.end(),
                                  [&](const ClusterNode& node) { return node.name == name; });
  return found == nodes.end() ? nullptr : &*found;
}

std::vector<std::string> ClusterView::node_names() const {
  std::vector<std::string> names;
  for (const ClusterNode& node : nodes) names.push_back(node.name);
  return names;
}

ClusterView parse_cluster(const Json& resources) {
  ClusterView view;
  if (resources.as_array() == nullptr) return view;
  for (const Json& one : *resources.as_array()) {
    const std::string type = one.text_of("type");
    std::string node = one.text_of("node");
    if (!is_name(node)) continue;
    if (type == "node") view.nodes.push_back({node, one.text_of("status") != "offline"});
    if (type == "storage") {
      view.storages.push_back(
          {one.text_of("storage"), node, truth_in(one, "shared"), one.text_of("content")});
    }
    const std::int64_t vmid = number_in(one, "vmid").value_or(0);
    if ((type != "qemu" && type != "lxc") || vmid < least_vmid || vmid > most_vmid) continue;
    view.guests.push_back({.vmid = vmid,
                           .type = type,
                           .node = std::move(node),
                           .name = one.text_of("name"),
                           .status = one.text_of("status"),
                           .tags = split_tags(one.text_of("tags")),
                           .pool = one.text_of("pool"),
                           .lock = one.text_of("lock"),
                           .ha_state = one.text_of("hastate"),
                           .is_template = truth_in(one, "template")});
  }
  std::sort(view.guests.begin(), view.guests.end(),
            [](const Guest& a, const Guest& b) { return a.vmid < b.vmid; });
  return view;
}

ApiResult<ClusterView> read_cluster(const Budget& budget, ProxmoxApi& api) {
  PCA_TRY(const Json resources, api.ask(budget, {.path = "/cluster/resources"}));
  return parse_cluster(resources);
}

Result<Guest> find_guest(const ClusterView& view, std::string_view text) {
  return find_among(view, text, false);
}

Result<Guest> find_template(const ClusterView& view, std::string_view text) {
  return find_among(view, text, true);
}

}  // namespace pca::proxmox_deploy
