#include "tunnel-ssh/connection.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace pca::tunnel_ssh {

Budget connect_budget(const ConnectionSettings& settings, const std::stop_token& stop) {
  return Budget::of(connect_limit(settings), stop);
}

std::string gate_address(const ConnectionSettings& settings, const HostAddress& host) {
  const HostAddress& first = settings.jumps.empty() ? host : settings.jumps.front().address;
  return fmt::format("{}:{}", to_lower(first.name), first.port);
}

}  // namespace pca::tunnel_ssh
