#include "sandbox/proxmox_control.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "sandbox/proxmox_guests.hpp"

namespace pca::sandbox::proxmox {

namespace {

Json object_of(const Config& config) {
  Json out = Json::object();
  for (const auto& [key, value] : config) out.set(key, value);
  return out;
}

// Without the number of its generation, which each rollback changes.
Json config_state(Config config) {
  config.erase("vmgenid");
  return object_of(config);
}

Json snapshot_state(Cluster& cluster, const Guest& guest, const std::string& name) {
  const Snapshot& snapshot = guest.snapshots.at(name);
  Json out = Json::object();
  out.set("config", config_state(snapshot.config)).set("parent", snapshot.parent);
  out.set("description", snapshot.description);
  return out.set("files", cluster.disks.digest(fmt::format("{}@{}", guest.vmid, name)));
}

Json guest_state(Cluster& cluster, const Guest& guest) {
  Json out = Json::object();
  out.set("kind", guest.kind()).set("node", guest.node).set("status", guest.status);
  out.set("config", config_state(guest.config)).set("pending", object_of(guest.pending));
  out.set("parent", guest.parent).set("files", cluster.disks.digest(std::to_string(guest.vmid)));
  Json snapshots = Json::object();
  for (const auto& [name, snapshot] : guest.snapshots) {
    snapshots.set(name, snapshot_state(cluster, guest, name));
  }
  out.set("snapshots", snapshots);
  Json application = Json::object();
  application.set("address", address_of(guest)).set("revision", guest.revision);
  application.set("port",
                  guest.application.port == 0 ? cluster.application_port : guest.application.port);
  out.set("application", application.set("state", guest.application.state));
  Json rules = Json::array();
  for (const FirewallRule& rule : guest.rules) rules.push(object_of(rule.fields));
  out.set("firewall-rules", rules).set("firewall-options", object_of(guest.firewall));
  const auto pool = cluster.pool_of_guest.find(fmt::format("/vms/{}", guest.vmid));
  return out.set("pool", pool == cluster.pool_of_guest.end() ? "" : pool->second);
}

Failure refused(const std::string& why) { return {.status = 400, .message = why}; }

int number_in(const Json& json, const char* name, int otherwise) {
  const Json* value = json.find(name);
  return value == nullptr || value->as_int() == nullptr ? otherwise
                                                        : static_cast<int>(*value->as_int());
}

bool flag_in(const Json& json, const char* name, bool otherwise) {
  const Json* value = json.find(name);
  return value == nullptr || value->as_bool() == nullptr ? otherwise : *value->as_bool();
}

void set_text(const Json& json, const char* name, std::string& into) {
  if (const Json* value = json.find(name); value != nullptr && value->as_string() != nullptr) {
    into = *value->as_string();
  }
}

// What its application and its agent shall be like.
void change_nature(const Json& json, Guest& guest) {
  if (const Json* application = json.find("application")) {
    guest.application.port = number_in(*application, "port", guest.application.port);
    set_text(*application, "state", guest.application.state);
  }
  if (const Json* ssh = json.find("ssh")) {
    set_text(*ssh, "to", guest.ssh.to);
    guest.ssh.port = number_in(*ssh, "port", guest.ssh.port);
  }
  if (const Json* agent = json.find("agent")) {
    set_text(*agent, "state", guest.agent.state);
    set_text(*agent, "addresses", guest.agent.addresses);
  }
}

// Makes a guest behind everybody's back, or changes one: whatever is said.
Outcome<> change_guest(Cluster& cluster, const Json& json) {
  const int vmid = number_in(json, "vmid", 0);
  if (vmid < 100) return refused("say which guest, by \"vmid\"");
  if (flag_in(json, "gone", false)) {
    if (cluster.guests.contains(vmid)) remove_guest(cluster, vmid, true);
    return Json();
  }
  const std::string node = json.text_of("node").empty() ? "pve1" : json.text_of("node");
  if (cluster.find_node(node) == nullptr) return refused("there is no node " + node);
  // Somebody else's guest now has that id.
  const bool is_new = flag_in(json, "replace", false) || !cluster.guests.contains(vmid);
  if (is_new) {
    if (cluster.guests.contains(vmid)) remove_guest(cluster, vmid, true);
    make_stranger(cluster, vmid, node);
  }
  Guest& guest = cluster.guests.at(vmid);
  guest.is_container = flag_in(json, "container", guest.is_container);
  if (const Json* config = json.find("config");
      config != nullptr && config->as_object() != nullptr) {
    for (const auto& [key, value] : *config->as_object()) {
      if (value.is_null()) {
        guest.config.erase(key);
      } else {
        guest.config[key] = value.as_string() != nullptr ? *value.as_string() : value.dump();
      }
    }
  }
  change_nature(json, guest);
  const std::string status = json.text_of("status");
  if (status == "running" && guest.status != "running") {
    run(cluster, guest);
    cluster.schedule.cancel(guest.boot);
    guest.ready = cluster.schedule.now();
  }
  if (status == "stopped") halt(cluster, guest);
  refresh_application(cluster, guest);
  return guest_state(cluster, guest);
}

Outcome<> change_node(Cluster& cluster, std::string_view name, const Json& json) {
  Node* node = cluster.find_node(name);
  if (node == nullptr) return refused(fmt::format("there is no node {}", shown(name)));
  if (flag_in(json, "alive", true)) {
    cluster.return_node(*node);
  } else {
    cluster.lose_node(*node, flag_in(json, "refuses", false));
  }
  return Json();
}

Outcome<> change_faults(Cluster& cluster, const Json& json) {
  const Json list = json.as_array() != nullptr ? json : Json::array().push(json);
  std::vector<InjectedFault> faults;
  for (const Json& item : *list.as_array()) {
    auto fault = parse_injected_fault(item);
    if (!fault) return refused(fault.error().message + " " + fault.error().hint);
    faults.push_back(*std::move(fault));
  }
  for (InjectedFault& fault : faults) cluster.faults.add(std::move(fault));
  return Json();
}

// {"id": "deploy@pve!ci", "secret": "...", "acl": [{"path": "/", "privileges": [...]}]}; a secret
// that is left out stays.
Outcome<> change_token(Cluster& cluster, const Json& json) {
  const std::string id = json.text_of("id");
  if (id.find('!') == std::string::npos) return refused("say which token, by \"id\"");
  if (!json.text_of("secret").empty()) {
    cluster.permissions.add({id, json.text_of("secret"), flag_in(json, "separate", true)});
  }
  const Json* acl = json.find("acl");
  if (acl == nullptr || acl->as_array() == nullptr) return Json();
  for (const std::string& who : {id, id.substr(0, id.find('!'))}) {
    std::vector<AclEntry> entries;
    for (const Json& item : *acl->as_array()) {
      AclEntry entry{item.text_of("path"), who, {}, flag_in(item, "propagate", true)};
      if (const auto role = Permissions::role(item.text_of("role"), cluster.major)) {
        entry.privileges = *role;
      }
      if (const Json* names = item.find("privileges");
          names != nullptr && names->as_array() != nullptr) {
        for (const Json& name : *names->as_array()) {
          if (name.as_string() != nullptr) entry.privileges.insert(*name.as_string());
        }
      }
      entries.push_back(std::move(entry));
    }
    cluster.permissions.grant(who, std::move(entries));
  }
  return Json();
}

// Each endpoint with its parameters and the permission it asks for, to be held against the schema.
Json endpoints(const Api& api) {
  Json out = Json::array();
  for (const Route& route : api.routes()) {
    Json item = Json::object();
    Json parameters = Json::object();
    for (const ParameterRule& rule : route.rules) {
      Json one = Json::object();
      one.set("type", rule.type).set("required", rule.required);
      if (!rule.choices.empty()) {
        Json choices = Json::array();
        for (const std::string& choice : rule.choices) choices.push(choice);
        one.set("choices", choices);
      }
      parameters.set(rule.name, one);
    }
    item.set("operation", route.endpoint.operation).set("parameters", parameters);
    item.set("protected", route.endpoint.by == By::root);
    out.push(item.set("permission", route.endpoint.permission));
  }
  return out;
}

Json durations() {
  Json out = Json::object();
  for (const Duration& duration : timing::all) {
    Json one = Json::object();
    one.set("ms", static_cast<std::int64_t>(duration.time.count()));
    out.set(duration.name, one.set("source", duration.source));
  }
  return out;
}

}  // namespace

Json state_of(Cluster& cluster) {
  Json out = Json::object();
  Json guests = Json::object();
  for (const auto& [vmid, guest] : cluster.guests) {
    guests.set(std::to_string(vmid), guest_state(cluster, guest));
  }
  Json storages = Json::object();
  for (const auto& [name, storage] : cluster.storages) {
    std::vector<std::string> volumes;
    for (const Volume& volume : storage.volumes) {
      volumes.push_back(fmt::format("{} {} {}", volume.node, volume.id, volume.size));
    }
    std::sort(volumes.begin(), volumes.end());
    Json list = Json::array();
    for (const std::string& volume : volumes) list.push(volume);
    storages.set(name, list);
  }
  Json pools = Json::object();
  for (const auto& [name, pool] : cluster.pools) pools.set(name, pool.comment);
  Json ha = Json::object();
  for (const auto& [sid, resource] : cluster.ha) ha.set(sid, resource.state);
  Json leaks = Json::array();
  for (const std::string& leak : cluster.leaked_uploads) leaks.push(leak);
  out.set("guests", guests).set("storages", storages).set("pools", pools).set("ha", ha);
  out.set("firewall", object_of(cluster.firewall));
  out.set("firewall-groups", object_of(cluster.firewall_groups));
  return out.set("leaked-uploads", leaks);
}

Outcome<> control(Cluster& cluster, const Api& api, std::string_view method, std::string_view path,
                  std::string_view body) {
  const std::string call = fmt::format("{} {}", method, path);
  if (call == "GET /sandbox/state") return state_of(cluster);
  if (call == "GET /sandbox/endpoints") return endpoints(api);
  if (call == "GET /sandbox/durations") return durations();
  if (call == "DELETE /sandbox/faults") return cluster.faults.clear(), Json();
  Json json;
  if (!body.empty()) {
    auto parsed = parse_json(body);
    if (!parsed) return refused(parsed.error().message);
    json = *std::move(parsed);
  }
  if (call == "POST /sandbox/faults") return change_faults(cluster, json);
  if (call == "POST /sandbox/guests") return change_guest(cluster, json);
  if (call == "POST /sandbox/tokens") return change_token(cluster, json);
  if (call == "POST /sandbox/quorum") {
    cluster.has_quorum_by_force = flag_in(json, "has", true);
    return Json();
  }
  constexpr std::string_view nodes = "POST /sandbox/nodes/";
  if (call.starts_with(nodes))
    return change_node(cluster, std::string_view(call).substr(nodes.size()), json);
  return Failure{.status = 404, .message = "there is no " + call};
}

}  // namespace pca::sandbox::proxmox
