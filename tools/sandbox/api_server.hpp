#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "base/json.hpp"
#include "sandbox/access_gate.hpp"
#include "sandbox/address.hpp"
#include "sandbox/faults.hpp"
#include "sandbox/tls_settings.hpp"

namespace pca::sandbox {

struct ApiSettings {
  LoopbackAddress listen;
  TlsSettings tls;
  Faults faults;
  std::string record_file;
};

// What one API says, without a socket. `now` is in seconds since 1970.
struct Api {
  struct Said {
    Answer answer;
    Json note = {};  // for the record: what became of the request; null: nothing to say
  };
  std::string name;  // in where() and the record
  std::function<Said(const RequestHead&, std::string_view body, std::int64_t now)> answer;
  // What a fault says instead, or nothing; `requests` counts this one too.
  std::function<std::optional<Answer>(const Faults&, const RequestHead&, std::uint64_t requests,
                                      std::int64_t now)>
      fault;
};

// A REST API on loopback, over TLS. A connection carries one request. One thread serves all.
class ApiServer {
 public:
  // Makes the certificate, writes the CA's, listens. Errors: bad_input, failed.
  static Result<std::unique_ptr<ApiServer>> start(ApiSettings settings, Api api);
  ~ApiServer();
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;

  // Where it can be reached: {"github": "127.0.0.1:PORT", "ca": "FILE"}.
  [[nodiscard]] Json where() const;
  // Serves until `stop` is requested, then ends all connections.
  void serve(const std::stop_token& stop);

 private:
  struct Impl;
  explicit ApiServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pca::sandbox
