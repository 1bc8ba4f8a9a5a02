#pragma once

#include <ctime>
#include <optional>
#include <string>

#include "sandbox/access_gate.hpp"
#include "sandbox/proxmox_errors.hpp"

namespace pca::sandbox::proxmox {

inline constexpr std::size_t most_body = std::size_t{512} * 1024;
inline constexpr std::size_t most_head = std::size_t{8} * 1024;
inline constexpr std::size_t most_headers = 64;
inline constexpr int most_requests = 100;  // of a connection

// What the server says before it looks at what is asked; nothing when it is well.
[[nodiscard]] std::optional<Failure> check_head(const RequestHead& head, std::size_t body_size);
// Whether a request wants the connection kept.
[[nodiscard]] bool wants_to_stay(const RequestHead& head);

// An answer's head and body as they go over the wire.
struct Reply {
  int status = 200;
  std::string reason = "OK";
  std::string body;
  bool is_json = true;
  bool is_protected = false;  // answered by the other daemon, whose own `Connection: close` stays
  bool keeps_open = false;
  bool may_pack = false;  // the client takes gzip, which it gets for what is longer than 1 KiB
  unsigned version = 11;  // of the request
};
[[nodiscard]] std::string reply_text(const Reply& reply, std::time_t now);

// The body of an answer: {"data": ...}.
[[nodiscard]] std::string success_body(const Json& data, std::int64_t total);
// With "message" where this version has one.
[[nodiscard]] std::string failure_body(const Failure& failure, bool has_message);

}  // namespace pca::sandbox::proxmox
