#include "swarm-deploy/short_forms.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "base/text.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr int most_ports_of_one = 2000;

Error no_port(std::string_view text, std::string_view why) {
  return bad_input(fmt::format("{} is no port: {}", shown(text), why),
                   "Write it as \"8080:80\", \"8080:80/udp\" or \"3000-3005:3000-3005\".");
}

struct PortRange {
  int from = 0;
  int to = 0;
  [[nodiscard]] int size() const { return to - from + 1; }
};

std::optional<PortRange> parse_range(std::string_view text) {
  const std::size_t dash = text.find('-');
  const auto from = parse_integer(text.substr(0, dash), 0, 65535);
  const auto to =
      dash == std::string_view::npos ? from : parse_integer(text.substr(dash + 1), 0, 65535);
  if (!from || !to || *to < *from) return std::nullopt;
  return PortRange{static_cast<int>(*from), static_cast<int>(*to)};
}

bool is_address(std::string address) {
  if (address.starts_with('[') && address.ends_with(']'))
    address = address.substr(1, address.size() - 2);
  in6_addr parsed{};
  return ::inet_pton(AF_INET, address.c_str(), &parsed) == 1 ||
         ::inet_pton(AF_INET6, address.c_str(), &parsed) == 1;
}

Json port_entry(int target, int published, const std::string& protocol) {
  Json entry = Json::object();
  entry.set("mode", "ingress");
  if (target != 0) entry.set("target", target);
  if (published != 0) entry.set("published", published);
  entry.set("protocol", protocol);
  return entry;
}

constexpr std::array<std::string_view, 6> propagations{"rprivate", "private", "rshared",
                                                       "shared",   "rslave",  "slave"};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// By ":", but not behind the letter of a Windows drive, which the first part may be.
std::vector<std::string> split_mount(std::string_view text, bool may_be_drive) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    std::string& part = parts.back();
    const bool is_drive =
        part.size() == 1 && is_letter(part[0]) && (may_be_drive || parts.size() > 1);
    if (c == ':' && !is_drive) {
      parts.emplace_back();
    } else {
      part += c;
    }
  }
  return parts;
}

bool is_path(std::string_view source) {
  if (source.starts_with('.') || source.starts_with('/') || source.starts_with('~')) return true;
  return source.starts_with("\\\\") ||
         (source.size() > 1 && is_letter(source[0]) && source[1] == ':');
}

}  // namespace

Result<ExpandedPort> expand_port(std::string_view text) {
  const std::size_t slash = std::min(text.find('/'), text.size());
  const std::string protocol =
      slash == text.size() ? std::string("tcp") : to_lower(text.substr(slash + 1));
  if (protocol != "tcp" && protocol != "udp" && protocol != "sctp") {
    return no_port(text, fmt::format("{} is no protocol", shown(protocol)));
  }
  std::string_view rest = text.substr(0, slash);
  const std::size_t last = rest.rfind(':');
  const std::string_view container = last == std::string_view::npos ? rest : rest.substr(last + 1);
  rest = last == std::string_view::npos ? std::string_view() : rest.substr(0, last);
  const std::size_t before = rest.rfind(':');
  const std::string_view host = before == std::string_view::npos ? rest : rest.substr(before + 1);
  ExpandedPort out;
  if (before != std::string_view::npos) out.ignored_address = rest.substr(0, before);
  if (!out.ignored_address.empty() && !is_address(out.ignored_address)) {
    return no_port(text, fmt::format("{} is no address", shown(out.ignored_address)));
  }
  const auto target = parse_range(container);
  if (!target) return no_port(text, "ports are 0 to 65535");
  auto published = host.empty() ? std::optional(PortRange{}) : parse_range(host);
  if (!published) return no_port(text, "ports are 0 to 65535");
  if (target->size() > most_ports_of_one || published->size() > most_ports_of_one) {
    return no_port(text, fmt::format("it means more than {} ports", most_ports_of_one));
  }
  if (!host.empty() && target->size() > 1 && published->size() != target->size()) {
    return no_port(text, "the two ranges differ in length");
  }
  // The docker CLI puts them into the order of their texts.
  std::map<std::string, int> targets;
  for (int port = target->from; port <= target->to; ++port) targets[std::to_string(port)] = port;
  for (const auto& [name, port] : targets) {
    if (host.empty()) {
      out.ports.push_back(port_entry(port, 0, protocol));
    } else if (target->size() > 1) {
      out.ports.push_back(port_entry(port, published->from + port - target->from, protocol));
    } else {
      for (int other = published->from; other <= published->to; ++other) {
        out.ports.push_back(port_entry(port, other, protocol));
      }
    }
  }
  return out;
}

Result<Json> expand_mount(std::string_view text, bool may_be_drive) {
  const auto problem = [&](std::string_view why) {
    return bad_input(fmt::format("{} is no mount: {}", shown(text), why),
                     "Write it as name:/path or /path/on/the/node:/path:ro.");
  };
  if (text.empty()) return problem("it is empty");
  Json mount = Json::object();
  if (text.size() <= 2) return mount.set("type", "volume").set("target", text);
  const std::vector<std::string> parts = split_mount(text, may_be_drive);
  if (std::any_of(parts.begin(), parts.end(),
                  [](const std::string& part) { return part.empty(); })) {
    return problem("nothing stands between two colons");
  }
  if (parts.size() > 3) return problem("it has more than three parts");
  if (parts.size() == 1) return mount.set("type", "volume").set("target", parts[0]);
  mount.set("type", is_path(parts[0]) ? "bind" : "volume")
      .set("source", parts[0])
      .set("target", parts[1]);
  if (parts.size() == 2) return mount;
  bool is_read_only = false;
  for (const std::string& option : split(parts[2], ',')) {
    if (option == "ro" || option == "rw") is_read_only = option == "ro";
    if (option == "nocopy") mount.set("volume", Json::object().set("nocopy", true));
    if (std::find(propagations.begin(), propagations.end(), option) != propagations.end()) {
      mount.set("bind", Json::object().set("propagation", option));
    }
  }
  if (is_read_only) mount.set("read_only", true);
  return mount;
}

}  // namespace pca::swarm_deploy
