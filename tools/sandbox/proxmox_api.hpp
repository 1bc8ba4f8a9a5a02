#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/proxmox_cluster.hpp"

namespace pca::sandbox::proxmox {

using Handler = Outcome<> (*)(Cluster&, Call&);

// Whether the root daemon answers it, or the one that listens; that one passes on what it does not.
enum class By : std::uint8_t { root, listener };

// One method of the API: what it is called, who may call it, and what it takes besides its path.
struct Endpoint {
  std::string operation;  // "POST /nodes/{node}/qemu/{vmid}/clone"
  By by;
  std::string permission;  // as Permissions::check(); "world": also without a token
  std::string parameters;  // as parse_rules()
  Handler handler;
  int since = 8;  // the first version that has it
};

// All that there are, by the file they are in.
[[nodiscard]] std::vector<Endpoint> cluster_endpoints();
[[nodiscard]] std::vector<Endpoint> task_endpoints();
[[nodiscard]] std::vector<Endpoint> machine_endpoints();
[[nodiscard]] std::vector<Endpoint> container_endpoints();
[[nodiscard]] std::vector<Endpoint> snapshot_endpoints();
[[nodiscard]] std::vector<Endpoint> agent_endpoints();
[[nodiscard]] std::vector<Endpoint> storage_endpoints();
[[nodiscard]] std::vector<Endpoint> pool_endpoints();
[[nodiscard]] std::vector<Endpoint> firewall_endpoints();

// What a parameter's own rules were read into, found by method and path.
struct Route {
  Endpoint endpoint;
  std::vector<std::string> parts;  // of the path; "{vmid}" stands for one
  std::vector<ParameterRule> rules;
  [[nodiscard]] bool is_on_node() const;
};

class Api {
 public:
  explicit Api(int major);
  // The endpoint, with what its path says in `parameters`; nullptr when there is none.
  [[nodiscard]] const Route* find(std::string_view method, std::string_view path,
                                  Parameters& parameters) const;
  [[nodiscard]] const std::vector<Route>& routes() const { return routes_; }
  // Who may, whether it is said well, and then what it does.
  [[nodiscard]] Outcome<> answer(Cluster& cluster, const Route& route, Call& call,
                                 const Parameters& said) const;

 private:
  std::vector<Route> routes_;
};

// Of a guest's configuration, as check_parameters() knows them; shared by what makes and changes.
extern const char* const machine_options;
extern const char* const container_options;

}  // namespace pca::sandbox::proxmox
