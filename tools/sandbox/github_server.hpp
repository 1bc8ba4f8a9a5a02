#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "sandbox/address.hpp"
#include "sandbox/faults.hpp"
#include "sandbox/github_state.hpp"
#include "sandbox/tls_settings.hpp"

namespace pca::sandbox {

struct GithubSettings {
  LoopbackAddress listen;
  TlsSettings tls;
  GithubWorld world;
  Faults faults;
  std::string record_file;
};

// GitHub's REST API on loopback, over TLS. A connection carries one request. One thread serves all.
class GithubServer {
 public:
  // Makes the certificate, writes the CA's, listens. Errors: bad_input, failed.
  static Result<std::unique_ptr<GithubServer>> start(GithubSettings settings);
  ~GithubServer();
  GithubServer(const GithubServer&) = delete;
  GithubServer& operator=(const GithubServer&) = delete;

  // Where it can be reached: {"github": "127.0.0.1:PORT", "ca": "FILE"}.
  [[nodiscard]] Json where() const;
  // Serves until `stop` is requested, then ends all connections.
  void serve(const std::stop_token& stop);

 private:
  struct Impl;
  explicit GithubServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pca::sandbox
