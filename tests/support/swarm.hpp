#pragma once

#include <memory>
#include <string>

#include "support/temp_folder.hpp"

namespace pca::test {

// A Docker Swarm of the distribution's real Engines (swarm.sh), in namespaces of its own, with the
// images app:v1 and app:v2 (a busybox) on each node. Ends with the object, and with the process
// whatever happens to it; nothing of it stays. Throws std::runtime_error when it does not start.
class Swarm {
 public:
  enum class Registry { none, with_login };
  // With a registry it has these images too; only `registry_login` may see them.
  explicit Swarm(int nodes = 1, Registry registry = Registry::none);
  ~Swarm();
  Swarm(const Swarm&) = delete;
  Swarm& operator=(const Swarm&) = delete;

  static constexpr const char* registry_address = "192.168.213.254:5000";
  static constexpr const char* registry_login = "192.168.213.254:5000 deploy open-sesame";

  // Why there can be none on this machine; empty when there can.
  static std::string missing();
  // What is left on this machine of the swarm of this folder: processes, control groups, files.
  static std::string left_of(const std::string& folder);
  static std::string script();

  [[nodiscard]] std::string folder() const;
  [[nodiscard]] std::string socket(int node = 1) const;  // node 1 is the manager
  [[nodiscard]] std::string log(int node = 1) const;
  // Each Engine also listens here, with TLS for both sides, in the network of its node. The folder
  // has ca.pem, and client.pem with client-key.pem.
  [[nodiscard]] static std::string tcp_address(int node = 1);
  [[nodiscard]] std::string tls_folder() const;
  // From now on an Engine that ends is started again, as by a service manager.
  void restart_engines() const;
  // The Engine's process, as this machine numbers it.
  [[nodiscard]] int engine_pid(int node = 1) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pca::test
