#pragma once

#include <boost/asio/io_context.hpp>
#include <map>
#include <memory>
#include <string>

#include "sandbox/proxmox_cluster.hpp"

namespace pca::sandbox::proxmox {

// The ports of guests, for real: health by plain HTTP on loopback addresses, and SSH where a guest
// has it. /healthz says whether a guest's application is well, /version which revision it is.
class GuestPorts {
 public:
  GuestPorts(boost::asio::io_context& loop, Cluster& cluster);
  ~GuestPorts();
  GuestPorts(const GuestPorts&) = delete;
  GuestPorts& operator=(const GuestPorts&) = delete;

  // While somebody else has the address, it is tried again and again.
  void open(const Guest& guest, const std::string& ip, int port);
  void close(int vmid);

 private:
  struct Port;
  boost::asio::io_context& loop_;
  Cluster& cluster_;
  std::multimap<int, std::shared_ptr<Port>> ports_;
};

// A port that nothing listens on now. 0: there is none.
[[nodiscard]] int free_port(boost::asio::io_context& loop);

}  // namespace pca::sandbox::proxmox
