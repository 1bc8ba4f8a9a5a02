#include "tunnel-ssh/forward_spec.hpp"

#include <fmt/format.h>
#include <sys/un.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "base/text.hpp"
#include "net/host_address.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr std::size_t longest_path = sizeof(sockaddr_un::sun_path) - 1;

std::string_view usage(ForwardKind kind) {
  switch (kind) {
    case ForwardKind::local:
    case ForwardKind::remote:
      return "Write [BIND:]PORT:HOST:PORT, [BIND:]PORT:/PATH, /PATH:HOST:PORT or /PATH:/PATH.";
    case ForwardKind::dynamic:
      return "Write [BIND:]PORT.";
  }
  return {};
}

Error wrong(ForwardKind kind, std::string_view text, std::string_view why) {
  return bad_input(fmt::format("{} {}", shown(text), why), std::string(usage(kind)));
}

// A name or an address of either family; what it leads to is found out by whoever connects.
bool is_host(const std::string& text) {
  const auto address = parse_host_address(text);
  return address && address->name == text;
}

// Parts between colons; "[...]" is one part, given without its brackets. Nothing when a bracket
// stands where none may.
std::optional<std::vector<std::string>> parts_of(std::string_view text) {
  std::vector<std::string> parts;
  for (;;) {
    if (text.starts_with('[')) {
      const std::size_t end = text.find(']');
      if (end == std::string_view::npos) return std::nullopt;
      parts.emplace_back(text.substr(1, end - 1));
      text.remove_prefix(end + 1);
      if (text.empty()) return parts;
      if (!text.starts_with(':')) return std::nullopt;
    } else {
      const std::size_t end = std::min(text.find(':'), text.size());
      parts.emplace_back(text.substr(0, end));
      text.remove_prefix(end);
      if (text.empty()) return parts;
    }
    text.remove_prefix(1);
  }
}

bool is_path(std::string_view text) { return text.starts_with('/'); }

// Takes an endpoint off the front: a path, "port" alone or "host:port".
class Parser {
 public:
  Parser(ForwardKind kind, std::string_view text, std::vector<std::string> parts)
      : kind_(kind), text_(text), parts_(std::move(parts)) {}

  // `own` is how many parts may belong to it.
  Result<Endpoint> listen(std::size_t own) {
    if (is_path(parts_.front())) return path();
    Endpoint endpoint;
    endpoint.host = "127.0.0.1";
    if (own == 2) {
      endpoint.host = parts_.front();
      parts_.erase(parts_.begin());
      if (endpoint.host == "localhost") endpoint.host = "127.0.0.1";
      if (endpoint.host.empty()) endpoint.host = "*";
      if (endpoint.host != "*") PCA_CHECK(check_host(endpoint.host));
    }
    PCA_TRY(endpoint.port, port(0));
    return endpoint;
  }

  Result<Endpoint> target() {
    if (parts_.empty()) return wrong(kind_, text_, "does not say where to connect to");
    if (is_path(parts_.front())) return path();
    Endpoint endpoint;
    endpoint.host = parts_.front();
    parts_.erase(parts_.begin());
    if (endpoint.host.empty()) return wrong(kind_, text_, "names no host to connect to");
    PCA_CHECK(check_host(endpoint.host));
    if (parts_.empty()) return wrong(kind_, text_, "names no port to connect to");
    PCA_TRY(endpoint.port, port(1));
    return endpoint;
  }

  [[nodiscard]] const std::vector<std::string>& rest() const { return parts_; }

 private:
  Result<Endpoint> path() {
    Endpoint endpoint;
    endpoint.path = parts_.front();
    parts_.erase(parts_.begin());
    if (visible(endpoint.path) != endpoint.path) {
      return wrong(kind_, text_, "has no readable text for the path of a socket");
    }
    if (endpoint.path.size() > longest_path) {
      return wrong(kind_, text_,
                   fmt::format("has a socket path of more than {} bytes", longest_path));
    }
    return endpoint;
  }

  [[nodiscard]] Result<> check_host(const std::string& host) const {
    if (is_host(host)) return {};
    return wrong(kind_, text_, fmt::format("has {} where a host belongs", shown(host)));
  }

  Result<std::uint16_t> port(std::int64_t least) {
    const auto number = parse_integer(parts_.front(), least, 65535);
    if (!number) {
      return wrong(
          kind_, text_,
          fmt::format("has {} where a port belongs ({} to 65535)", shown(parts_.front()), least));
    }
    parts_.erase(parts_.begin());
    return static_cast<std::uint16_t>(*number);
  }

  ForwardKind kind_;
  std::string_view text_;
  std::vector<std::string> parts_;
};

// How many parts the target takes, counted from the end.
std::size_t target_parts(const std::vector<std::string>& parts) {
  return is_path(parts.back()) ? 1 : 2;
}

}  // namespace

std::string Endpoint::text() const {
  if (is_unix()) return path;
  const bool is_v6 = host.find(':') != std::string::npos;
  return is_v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

std::string_view forward_kind_name(ForwardKind kind) {
  switch (kind) {
    case ForwardKind::local:
      return "local";
    case ForwardKind::remote:
      return "remote";
    case ForwardKind::dynamic:
      return "dynamic";
  }
  return {};
}

Result<ForwardSpec> parse_forward(ForwardKind kind, std::string_view text) {
  auto parts = parts_of(text);
  if (!parts) return wrong(kind, text, "has an IPv6 address without its closing bracket");
  const std::size_t behind = kind == ForwardKind::dynamic ? 0 : target_parts(*parts);
  if (parts->size() <= behind) return wrong(kind, text, "lacks a part");
  const std::size_t own = parts->size() - behind;
  if (own > (is_path(parts->front()) ? 1U : 2U)) return wrong(kind, text, "has too many parts");

  Parser parser(kind, text, *std::move(parts));
  ForwardSpec spec;
  spec.kind = kind;
  spec.text = text;
  PCA_TRY(spec.listen, parser.listen(own));
  if (kind == ForwardKind::dynamic) {
    if (spec.listen.is_unix()) return wrong(kind, text, "is no port");
    return spec;
  }
  PCA_TRY(spec.target, parser.target());
  return spec;
}

}  // namespace pca::tunnel_ssh
