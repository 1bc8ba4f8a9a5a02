#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/secret.hpp"
#include "net/byte_stream.hpp"

namespace pca {

// How to reach a host behind a Cloudflare Access edge; what `cloudflared access ssh` takes.
struct AccessSettings {
  std::string hostname;  // the Access hostname, without scheme
  std::uint16_t port = 443;
  std::string path = "/";
  std::string client_id;  // service token, together with client_secret ...
  Secret client_secret;
  Secret token;             // ... or a JWT instead
  std::string destination;  // Cf-Access-Jump-Destination for a bastion ingress: host:port
  std::string ca_file;      // PEM bundle of a private edge; default: find_trust_store()
  std::string user_agent;   // "private-cloud-actions/1.2.3"
  // Connect to this address instead of what DNS says (host:port, as in curl's --connect-to); the
  // name in SNI, Host header and certificate check stays `hostname`. For tests and split DNS.
  std::string connect_to;
};

// What the edge said about a connection, for `check` and for messages.
struct AccessFacts {
  std::string ray;    // CF-RAY
  std::string proxy;  // the proxy that was used, without credentials; empty = none
  double dns_ms = 0, connect_ms = 0, tls_ms = 0, upgrade_ms = 0;
};

// Opens a WebSocket through the edge: one HTTP/1.1 upgrade over TLS, binary messages of at most
// 16,384 bytes (the origin drops the rest of longer ones), pongs between frames, HTTPS_PROXY and
// NO_PROXY honoured, but for loopback. One try; the caller retries transient errors (502, 530, DNS,
// refused, reset, timed out). Errors: bad_input for settings that no request can carry; permission
// for what a gate says (302, 401, 403, other 3xx and 4xx) and for certificates; unreachable for the
// rest; a refusal with status, Location's host, CF-RAY, the likely cause and the cure.
[[nodiscard]] Result<std::unique_ptr<ByteStream>> connect_access(const Budget& budget,
                                                                 const AccessSettings& settings,
                                                                 AccessFacts* facts = nullptr);

}  // namespace pca
