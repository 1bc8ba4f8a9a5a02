#pragma once

#include <memory>
#include <string>

#include "support/process.hpp"
#include "support/sshd.hpp"
#include "support/temp_folder.hpp"

namespace pca::test {

// A Debian with its own systemd as PID 1 and its own sshd on loopback, as a VM has them, in
// namespaces (systemd_host.sh). What it writes is gone with the object, and all its processes.
class SystemdHost {
 public:
  // Boots; ready when sshd answers. Throws std::runtime_error when it does not.
  SystemdHost();
  ~SystemdHost();
  SystemdHost(const SystemdHost&) = delete;
  SystemdHost& operator=(const SystemdHost&) = delete;

  // Why this machine cannot have one; empty when it can.
  static std::string missing();

  [[nodiscard]] std::string address() const { return "root@127.0.0.1:" + port_; }
  [[nodiscard]] const std::string& key() const { return key_.private_text; }
  [[nodiscard]] std::string known_hosts() const { return "[127.0.0.1]:" + port_ + " " + host_key_; }
  // Whether something accepts connections at sshd's port.
  [[nodiscard]] bool is_reachable() const;

 private:
  TempFolder keys_;
  KeyPair key_;
  std::string port_;
  std::string host_key_;  // type and text
  std::unique_ptr<Process> script_;
};

}  // namespace pca::test
