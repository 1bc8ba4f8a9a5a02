#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "net/access_tunnel.hpp"

// The HTTP/1.1 side of reaching a Cloudflare Access edge, as text in and text out: the upgrade
// request, the answer, and what a refusal means. No I/O.
namespace pca {

// Errors: bad_input for what cannot stand in a request (line breaks, half a service token, ...).
[[nodiscard]] Result<> check_access_settings(const AccessSettings& settings);

// "ssh.example.com", with the port where it is not 443.
[[nodiscard]] std::string access_authority(const AccessSettings& settings);

// The request that asks for a WebSocket, in the order of headers that cloudflared uses. It holds
// the credentials: wipe() it. `key` is 16 random bytes in base64.
[[nodiscard]] std::string upgrade_request(const AccessSettings& settings, std::string_view key);

// The head of an HTTP/1.1 answer.
struct AnswerHead {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;       // names in lower case
  std::size_t size = 0;                                           // bytes of the text that it took
  [[nodiscard]] std::string header(std::string_view name) const;  // the first, or empty
};
// More than this before the empty line is an error.
constexpr std::size_t answer_head_limit = std::size_t{32} * 1024;

// Nothing while the head is not complete. Errors: unreachable, when it is not HTTP or too long.
[[nodiscard]] Result<std::optional<AnswerHead>> parse_answer_head(std::string_view text);

// What section 4.1 of RFC 6455 asks of a 101. Errors: unreachable.
[[nodiscard]] Result<> check_upgrade(const AnswerHead& answer, std::string_view key);

enum class AccessCredential : std::uint8_t { none, service_token, token };

// An answer that is not 101.
struct Refusal {
  std::string authority;  // of the edge, for the message
  AccessCredential sent = AccessCredential::none;
  int status = 0;
  std::string location;  // the whole header; only its host is ever shown
  std::string ray;       // CF-RAY
  std::string server;    // Server
  std::string body;      // the first few KiB
};

// The status in our words, with the likely cause and the cure. Kind permission for what a gate says
// (3xx and 4xx), unreachable for the rest; transient where another try may do.
[[nodiscard]] Error explain_refusal(const Refusal& refusal);

}  // namespace pca
