#include "sandbox/proxmox_api.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/text.hpp"
#include "sandbox/github_answer.hpp"

namespace pca::sandbox::proxmox {

namespace {

bool is_placeholder(std::string_view part) { return part.starts_with('{'); }

// What a placeholder of a path has to look like.
std::vector<ParameterRule> path_rules(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) {
    if (!is_placeholder(part)) continue;
    const std::string name = part.substr(1, part.size() - 2);
    std::string type = "string";
    if (name == "vmid") type = "vmid";
    if (name == "pos") type = "integer(0..)";
    if (name == "storage") type = "storage-id";
    if (name == "snapname") type = "configid";
    text += fmt::format("{}!:{} ", name, type);
  }
  return parse_rules(text);
}

}  // namespace

bool Route::is_on_node() const { return parts.size() > 1 && parts[0] == "nodes"; }

Api::Api(int major) {
  for (const auto& endpoints : {cluster_endpoints, task_endpoints, machine_endpoints,
                                container_endpoints, snapshot_endpoints, agent_endpoints,
                                storage_endpoints, pool_endpoints, firewall_endpoints}) {
    for (Endpoint& endpoint : endpoints()) {
      if (endpoint.since > major) continue;
      Route route;
      const auto blank = endpoint.operation.find(' ');
      route.parts = split(std::string_view(endpoint.operation).substr(blank + 2), '/');
      // "9:name" is of that version only.
      std::string rules;
      for (std::string word : split(endpoint.parameters, ' ')) {
        if (word.size() > 2 && word[1] == ':' && word[0] >= '8' && word[0] <= '9') {
          if (word[0] - '0' != major) continue;
          word = word.substr(2);
        }
        rules += word + ' ';
      }
      route.rules = parse_rules(rules);
      for (ParameterRule& rule : path_rules(route.parts)) route.rules.push_back(std::move(rule));
      route.endpoint = std::move(endpoint);
      routes_.push_back(std::move(route));
    }
  }
}

const Route* Api::find(std::string_view method, std::string_view path,
                       Parameters& parameters) const {
  if (path.starts_with('/')) path.remove_prefix(1);
  if (path.ends_with('/')) path.remove_suffix(1);
  const std::vector<std::string> given = split(path, '/');
  const Route* found = nullptr;
  for (const Route& route : routes_) {
    if (!route.endpoint.operation.starts_with(std::string(method) + " ")) continue;
    // A volume's name has slashes of its own.
    const bool takes_rest = route.parts.back() == "{volume}" && given.size() > route.parts.size();
    if (given.size() != route.parts.size() && !takes_rest) continue;
    const bool fits = std::equal(route.parts.begin(), route.parts.end(), given.begin(),
                                 [](const std::string& part, const std::string& text) {
                                   return is_placeholder(part) ? !text.empty() : part == text;
                                 });
    if (!fits) continue;
    found = &route;
    // What is written out wins over a placeholder.
    if (std::none_of(route.parts.begin(), route.parts.end(), is_placeholder)) break;
  }
  if (found == nullptr) return nullptr;
  for (std::size_t i = 0; i < found->parts.size(); ++i) {
    const std::string& part = found->parts[i];
    if (!is_placeholder(part)) continue;
    std::string value = given[i];
    for (std::size_t more = i + 1; part == "{volume}" && more < given.size(); ++more) {
      value += "/" + given[more];
    }
    parameters.emplace_back(part.substr(1, part.size() - 2), percent_decoded(value));
  }
  return found;
}

Outcome<> Api::answer(Cluster& cluster, const Route& route, Call& call,
                      const Parameters& said) const {
  for (const auto& [name, value] : said) {
    if (call.has(name) && route.endpoint.operation.find("{" + name + "}") != std::string::npos &&
        *call.find(name) != value) {
      return bad_parameter(name, "duplicate parameter (already defined in URI)");
    }
    if (route.endpoint.operation.find("{" + name + "}") == std::string::npos) {
      call.parameters.emplace_back(name, value);
    }
  }
  if (route.endpoint.permission != "world") {
    PCA_CHECK(cluster.permissions.check(call.user, route.endpoint.permission, call.parameters));
  }
  if (auto wrong = check_parameters(route.rules, call.parameters)) return *std::move(wrong);
  return route.endpoint.handler(cluster, call);
}

}  // namespace pca::sandbox::proxmox
