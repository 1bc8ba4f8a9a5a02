#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace pca::sandbox {

using Headers = std::vector<std::pair<std::string, std::string>>;

// An HTTP request as far as the edge looks at it.
struct RequestHead {
  std::string method;
  std::string target;
  unsigned version = 11;
  Headers headers;
  // The value of the first header of that name (in any case), or nullptr.
  [[nodiscard]] const std::string* find(std::string_view name) const;
  [[nodiscard]] bool has_token(std::string_view name, std::string_view token) const;
};

// An HTTP response; `text()` is what goes over the wire.
struct Answer {
  int status = 0;
  Headers headers;
  std::string body;
  [[nodiscard]] std::string text() const;
};

// Who may pass, and what the others get to hear.
struct AccessPolicy {
  bool is_open = false;  // no token is asked for
  std::string client_id;
  Secret client_secret;
  Secret token;              // a JWT that is let in too; empty = none
  std::string deny = "302";  // the refusal for a missing or wrong token
  std::string refuse;        // the refusal for everyone, or empty
};

// The names that `deny` and `refuse` take besides a bare status of 3 digits, for messages.
[[nodiscard]] std::vector<std::string> refusal_names();
[[nodiscard]] bool is_refusal(std::string_view name);

// A refusal as Cloudflare words it: with Server and CF-RAY, a redirect with the login page's query.
[[nodiscard]] Answer make_refusal(std::string_view name, const RequestHead& request);
// The 101 that `key` asks for.
[[nodiscard]] Answer make_upgrade(std::string_view key);

// What the edge says to `request` instead of an upgrade; nothing when it may pass.
[[nodiscard]] std::optional<Answer> refuse(const AccessPolicy& policy, const RequestHead& request);

}  // namespace pca::sandbox
