// The firewall of guests and of the cluster. Rules have no name, only a place, and a new one is
// first.
#include <fmt/format.h>

#include <algorithm>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "sandbox/proxmox_api.hpp"
#include "sandbox/proxmox_guests.hpp"

namespace pca::sandbox::proxmox {

namespace {

std::string rules_digest(const Guest& guest) {
  std::string text;
  for (const FirewallRule& rule : guest.rules) text += config_text(rule.fields) + "\n";
  return to_hex(sha1(text + config_text(guest.firewall)));
}

Outcome<void> check_digest(const Guest& guest, const Call& call) {
  if (!call.has("digest") || call.text("digest") == rules_digest(guest)) return {};
  return server_error("detected modified configuration - file changed by other user? Try again.");
}

Json rule_json(const Guest& guest, std::size_t place) {
  Json out = Json::object();
  for (const auto& [key, value] : guest.rules[place].fields) {
    if (key == "enable") {
      out.set(key, parse_integer(value, 0, 1).value_or(0));
    } else {
      out.set(key, value);
    }
  }
  return out.set("pos", static_cast<std::int64_t>(place)).set("digest", rules_digest(guest));
}

template <bool is_container>
Outcome<Guest*> guest_here(Cluster& cluster, const Call& call) {
  return cluster.guest_of(call, is_container);
}

template <bool is_container>
Outcome<> list_rules(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, guest_here<is_container>(cluster, call));
  Json out = Json::array();
  for (std::size_t place = 0; place < guest->rules.size(); ++place)
    out.push(rule_json(*guest, place));
  return out;
}

void read_rule(const Call& call, FirewallRule& rule) {
  for (const char* field : {"type", "action", "comment", "dest", "dport", "enable", "icmp-type",
                            "iface", "log", "macro", "proto", "source", "sport"}) {
    if (call.has(field)) rule.fields[field] = call.text(field);
  }
  for (const std::string& field : split(call.text("delete"), ',')) rule.fields.erase(field);
}

template <bool is_container>
Outcome<> add_rule(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, guest_here<is_container>(cluster, call));
  FirewallRule rule;
  rule.fields["enable"] = "0";
  read_rule(call, rule);
  // The real one looks at neither pos nor digest here.
  guest->rules.insert(guest->rules.begin(), std::move(rule));
  return Json();
}

Outcome<std::size_t> place_of(const Guest& guest, const Call& call) {
  const auto place = static_cast<std::size_t>(call.number("pos"));
  if (place < guest.rules.size()) return place;
  return bad_parameter("pos", fmt::format("no rule at position {}", place));
}

template <bool is_container>
Outcome<> get_rule(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, guest_here<is_container>(cluster, call));
  PCA_TRY(const std::size_t place, place_of(*guest, call));
  return rule_json(*guest, place);
}

template <bool is_container>
Outcome<> change_rule(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, guest_here<is_container>(cluster, call));
  PCA_CHECK(check_digest(*guest, call));
  PCA_TRY(const std::size_t place, place_of(*guest, call));
  if (!call.has("moveto")) {
    read_rule(call, guest->rules[place]);
    return Json();
  }
  // Before the one that is at `moveto` now.
  const FirewallRule moved = guest->rules[place];
  const auto to =
      std::min<std::size_t>(static_cast<std::size_t>(call.number("moveto")), guest->rules.size());
  guest->rules.insert(guest->rules.begin() + static_cast<std::ptrdiff_t>(to), moved);
  const std::size_t old_place = to <= place ? place + 1 : place;
  guest->rules.erase(guest->rules.begin() + static_cast<std::ptrdiff_t>(old_place));
  return Json();
}

template <bool is_container>
Outcome<> remove_rule(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, guest_here<is_container>(cluster, call));
  PCA_CHECK(check_digest(*guest, call));
  PCA_TRY(const std::size_t place, place_of(*guest, call));
  guest->rules.erase(guest->rules.begin() + static_cast<std::ptrdiff_t>(place));
  return Json();
}

Json options_json(const Config& options) {
  Json out = Json::object();
  for (const auto& [key, value] : options) {
    const auto number = parse_integer(value, 0, INT32_MAX);
    out.set(key, number ? Json(*number) : Json(value));
  }
  return out;
}

void change_options(const Call& call, Config& options) {
  for (const auto& [key, value] : call.parameters) {
    if (key != "node" && key != "vmid" && key != "delete" && key != "digest") options[key] = value;
  }
  for (const std::string& key : split(call.text("delete"), ',')) options.erase(key);
}

template <bool is_container>
Outcome<> get_options(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, guest_here<is_container>(cluster, call));
  return options_json(guest->firewall).set("digest", rules_digest(*guest));
}

template <bool is_container>
Outcome<> put_options(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, guest_here<is_container>(cluster, call));
  PCA_CHECK(check_digest(*guest, call));
  change_options(call, guest->firewall);
  return Json();
}

Outcome<> cluster_options(Cluster& cluster, Call& /*call*/) {
  return options_json(cluster.firewall).set("digest", to_hex(sha1(config_text(cluster.firewall))));
}

Outcome<> put_cluster_options(Cluster& cluster, Call& call) {
  change_options(call, cluster.firewall);
  return Json();
}

Outcome<> list_groups(Cluster& cluster, Call& /*call*/) {
  Json out = Json::array();
  for (const auto& [name, comment] : cluster.firewall_groups) {
    Json item = Json::object();
    item.set("group", name).set("digest", to_hex(sha1(name)));
    if (!comment.empty()) item.set("comment", comment);
    out.push(std::move(item));
  }
  return out;
}

Outcome<> create_group(Cluster& cluster, Call& call) {
  const std::string name = call.text("group");
  if (cluster.firewall_groups.contains(name)) {
    return bad_parameter("group", fmt::format("Security group '{}' already exists", name));
  }
  cluster.firewall_groups[name] = call.text("comment");
  return Json();
}

template <bool is_container>
void add(std::vector<Endpoint>& endpoints) {
  const std::string firewall =
      std::string(is_container ? "/nodes/{node}/lxc" : "/nodes/{node}/qemu") + "/{vmid}/firewall";
  const std::string audit = "/vms/{vmid} VM.Audit";
  const std::string change = "/vms/{vmid} VM.Config.Network";
  const std::string logs = "{emerg|alert|crit|err|warning|notice|info|debug|nolog} ";
  const std::string fields =
      "comment:string dest:string(512) digest:string(64) dport:string enable:integer(0..) "
      "icmp-type:string iface:string(2..20) macro:string(128) proto:string source:string(512) "
      "sport:string log:" +
      logs;
  endpoints.push_back(
      {"GET " + firewall + "/rules", By::listener, audit, "", list_rules<is_container>});
  endpoints.push_back(
      {"POST " + firewall + "/rules", By::root, change,
       fields + "action!:string(2..20) type!:{in|out|forward|group} pos:integer(0..)",
       add_rule<is_container>});
  endpoints.push_back(
      {"GET " + firewall + "/rules/{pos}", By::listener, audit, "", get_rule<is_container>});
  endpoints.push_back({"PUT " + firewall + "/rules/{pos}", By::root, change,
                       fields + "action:string(2..20) type:{in|out|forward|group} "
                                "moveto:integer(0..) delete:string",
                       change_rule<is_container>});
  endpoints.push_back({"DELETE " + firewall + "/rules/{pos}", By::root, change, "digest:string(64)",
                       remove_rule<is_container>});
  endpoints.push_back(
      {"GET " + firewall + "/options", By::listener, audit, "", get_options<is_container>});
  endpoints.push_back({"PUT " + firewall + "/options", By::root, change,
                       "delete:string dhcp:boolean digest:string(64) enable:boolean "
                       "ipfilter:boolean macfilter:boolean ndp:boolean radv:boolean "
                       "policy_in:{ACCEPT|REJECT|DROP} policy_out:{ACCEPT|REJECT|DROP} "
                       "log_level_in:" +
                           logs + "log_level_out:" + logs,
                       put_options<is_container>});
}

}  // namespace

std::vector<Endpoint> firewall_endpoints() {
  std::vector<Endpoint> endpoints;
  add<false>(endpoints);
  add<true>(endpoints);
  endpoints.push_back(
      {"GET /cluster/firewall/options", By::listener, "/ Sys.Audit", "", cluster_options});
  endpoints.push_back({"PUT /cluster/firewall/options", By::root, "/ Sys.Modify",
                       "delete:string digest:string(64) ebtables:boolean enable:integer(0..) "
                       "log_ratelimit:string policy_forward:{ACCEPT|DROP} "
                       "policy_in:{ACCEPT|REJECT|DROP} policy_out:{ACCEPT|REJECT|DROP}",
                       put_cluster_options});
  endpoints.push_back({"GET /cluster/firewall/groups", By::listener, "", "", list_groups});
  endpoints.push_back({"POST /cluster/firewall/groups", By::root, "/ Sys.Modify",
                       "group!:string(2..18) comment:string digest:string(64) rename:string(2..18)",
                       create_group});
  return endpoints;
}

}  // namespace pca::sandbox::proxmox
