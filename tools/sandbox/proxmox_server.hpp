#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "sandbox/faults.hpp"
#include "sandbox/proxmox_faults.hpp"
#include "sandbox/proxmox_permissions.hpp"

namespace pca::sandbox {

struct ProxmoxSettings {
  std::uint16_t port = 0;  // on 127.0.0.1, 127.0.0.2, ...; 0: any free one
  std::size_t node_count = 3;
  std::string version = "9.2.11";
  int speed = 1;  // of the model's time
  std::uint16_t application_port = 0;
  std::string ca_file;
  std::string record_file;
  Faults faults;
  std::vector<proxmox::InjectedFault> injected;
  std::vector<proxmox::Token> tokens;  // besides those that there are; they may everything
};

// A Proxmox VE cluster: each node's API on a loopback address of its own. One thread serves all.
class ProxmoxServer {
 public:
  // Makes the certificates, writes the CA's, listens. Errors: failed.
  static Result<std::unique_ptr<ProxmoxServer>> start(ProxmoxSettings settings);
  ~ProxmoxServer();
  ProxmoxServer(const ProxmoxServer&) = delete;
  ProxmoxServer& operator=(const ProxmoxServer&) = delete;

  // {"proxmox": "127.0.0.1:PORT", "nodes": {"pve1": "127.0.0.1:PORT", ...}, "application": PORT,
  // "ca": "FILE"}.
  [[nodiscard]] Json where() const;
  void serve(const std::stop_token& stop);

 private:
  struct Impl;
  explicit ProxmoxServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pca::sandbox
