#include "net/engine_over_ssh.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "net/http_over_ssh.hpp"

namespace pca {

namespace {

std::vector<SshTarget> targets_of(const EngineEndpoint& endpoint) {
  if (endpoint.unix_socket.empty()) {
    return {{SshTarget::Kind::tcp, endpoint.host, endpoint.port}};
  }
  const std::string dial =
      fmt::format("docker -H {} system dial-stdio", shell_quote("unix://" + endpoint.unix_socket));
  return {{SshTarget::Kind::unix_socket, endpoint.unix_socket}, {SshTarget::Kind::command, dial}};
}

}  // namespace

EngineEndpoint engine_over_ssh(const EngineEndpoint& endpoint,
                               std::shared_ptr<const ConnectionSettings> settings,
                               const HostAddress& host, ConnectObserver observer) {
  EngineEndpoint through = endpoint;
  through.name = fmt::format("{} on {}", endpoint.name, host.text());
  through.is_here = false;
  through.connect_limit = connect_limit(*settings);
  auto way = std::make_shared<SshWay>(targets_of(endpoint), std::move(settings), host,
                                      std::move(observer));
  through.make_transport = [way, peer = through.name]() -> std::unique_ptr<HttpTransport> {
    return make_http_over_ssh(way, peer);
  };
  through.most_connections = [way] { return way->most_connections(); };
  return through;
}

}  // namespace pca
