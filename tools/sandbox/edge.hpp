#pragma once

#include <memory>
#include <optional>
#include <stop_token>

#include "base/json.hpp"
#include "sandbox/edge_settings.hpp"

namespace pca::sandbox {

// A Cloudflare Access edge on loopback, together with the origin's connector behind it: TLS, the
// gate, and a WebSocket for each TCP connection to the origin. One thread serves everything.
class Edge {
 public:
  // Makes the certificate, writes the CA's, listens. Errors: bad_input, failed.
  static Result<std::unique_ptr<Edge>> start(EdgeSettings settings);
  ~Edge();
  Edge(const Edge&) = delete;
  Edge& operator=(const Edge&) = delete;

  // Where it can be reached: {"edge": "127.0.0.1:PORT", "proxy": the same or null, "ca": "FILE"}.
  [[nodiscard]] Json where() const;
  // Serves until `stop` is requested, then ends all connections.
  void serve(const std::stop_token& stop);

 private:
  struct Impl;
  explicit Edge(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pca::sandbox
