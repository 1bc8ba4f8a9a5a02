#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/secret.hpp"
#include "sandbox/access_gate.hpp"
#include "sandbox/address.hpp"
#include "sandbox/faults.hpp"
#include "sandbox/tls_settings.hpp"
#include "sandbox/websocket.hpp"

namespace pca::sandbox {

// How the edge ends a connection whose origin has ended.
enum class EndStyle : std::uint8_t {
  fin,       // TLS goodbye and FIN, no close frame: what the origin's connector does
  fin_only,  // FIN alone
  close,     // a close frame with 1000 first
  reset,     // RST, after everything was delivered
};

// A destination that a client may name in Cf-Access-Jump-Destination, and where it leads.
struct BastionTarget {
  std::string destination;
  LoopbackAddress address;
};

struct ProxySettings {
  std::string user;  // empty = no authentication
  Secret password;
  std::string refuse;  // a status for every CONNECT, or empty
};

// Everything that decides how an edge behaves.
struct EdgeSettings {
  LoopbackAddress listen;
  TlsSettings tls;
  AccessPolicy access;

  std::optional<LoopbackAddress> origin;
  std::string origin_unix;  // ... or a socket in the file system
  std::vector<BastionTarget> bastion;

  FramingSettings framing;
  std::chrono::milliseconds ping_every{54000};  // 0 = never
  EndStyle end = EndStyle::fin;
  std::chrono::milliseconds round_trip{0};
  Faults faults;

  std::optional<ProxySettings> proxy;
  std::string record_file;
  std::function<void(std::string)> log;  // may be empty
};

}  // namespace pca::sandbox
