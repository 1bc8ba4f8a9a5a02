#include "net/host_address.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <vector>

#include "base/text.hpp"

namespace pca {

namespace {

constexpr std::size_t longest_name = 253;  // RFC 1035, in text form
constexpr std::size_t longest_label = 63;  // RFC 1035 section 2.3.4

bool is_blank_or_control(char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7F; }

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.';
}

bool is_ipv4(const std::string& name) {
  in_addr address{};
  return ::inet_pton(AF_INET, name.c_str(), &address) == 1;
}

// What stands behind the % of an address.
bool is_interface(std::string_view text) {
  return !text.empty() && text.size() < IF_NAMESIZE &&
         std::all_of(text.begin(), text.end(), is_name_character);
}

// With a scope too: fe80::1%eth0.
bool is_ipv6(const std::string& name) {
  const std::size_t scope = name.find('%');
  if (scope != std::string::npos && !is_interface(std::string_view(name).substr(scope + 1))) {
    return false;
  }
  in6_addr address{};
  return ::inet_pton(AF_INET6, name.substr(0, scope).c_str(), &address) == 1;
}

Error wrong(std::string_view whole, const std::string& what, const std::string& cure) {
  return bad_input(fmt::format("{} {}", shown(whole), what), cure);
}

// What people write instead of a host, each with its own cure.
Result<> check_for_other_forms(std::string_view text) {
  const auto has = [&](std::string_view part) { return text.find(part) != std::string_view::npos; };
  if (text.empty()) return bad_input("an address is empty", "Write [user@]name[:port].");
  if (has("://")) {
    return wrong(text, "is a URL", "Write only [user@]name[:port], without the scheme.");
  }
  if (has(",")) return wrong(text, "holds a comma", "Write one host a line, or repeat the flag.");
  if (std::any_of(text.begin(), text.end(), is_blank_or_control)) {
    return wrong(text, "holds a blank or a control character",
                 "Write one host a line, or repeat the flag.");
  }
  if (visible(text) != text) {
    return wrong(text, "holds bytes that are no readable text", "Write it in UTF-8.");
  }
  if (has("/")) return wrong(text, "holds a slash", "Write only [user@]name[:port], no path.");
  return {};
}

Result<> check_user(std::string_view user, std::string_view whole) {
  // What stands behind the colon may be a password, so nothing is shown.
  const std::size_t scheme = user.find("://");
  const std::string_view name = scheme == std::string_view::npos ? user : user.substr(scheme + 3);
  if (name.find(':') != std::string_view::npos) {
    if (whole.find(',') != std::string_view::npos) {
      return bad_input("an address holds a comma", "Write one host a line, or repeat the flag.");
    }
    return bad_input("an address has a colon in front of its @, as if it held a password",
                     "Give the password as the input password, and only user@name here.");
  }
  if (user.empty()) return wrong(whole, "has no user in front of its @", "Write user@name.");
  if (user.front() == '-') {
    return wrong(whole, "has a user that begins with a dash", "Write user@name.");
  }
  return {};
}

Result<> check_label(std::string_view label, std::string_view whole) {
  if (label.empty()) return wrong(whole, "has an empty part between its dots", "Check the name.");
  if (label.size() > longest_label) {
    return wrong(whole, fmt::format("has a part of more than {} characters", longest_label),
                 "Check the name.");
  }
  if (label.front() == '-') {
    return wrong(whole, "has a part that begins with a dash", "Check the name.");
  }
  return {};
}

Result<> check_name(std::string_view name, std::string_view whole) {
  if (name.empty()) return wrong(whole, "has no host name", "Write [user@]name[:port].");
  if (name.size() > longest_name) {
    return wrong(whole, fmt::format("has a name of more than {} characters", longest_name),
                 "Check the name.");
  }
  if (!std::all_of(name.begin(), name.end(), is_name_character)) {
    return wrong(whole, "holds a character that no host name has",
                 "Use letters, digits, dots and dashes; write a name with other letters in its "
                 "xn-- form.");
  }
  std::vector<std::string> labels = split(name, '.');
  if (labels.size() > 1 && labels.back().empty()) labels.pop_back();  // "web1.example.com."
  for (const std::string& label : labels) PCA_CHECK(check_label(label, whole));
  // Old resolvers take "10.1" for 10.0.0.1; nobody means that.
  const std::string& last = labels.back();
  const bool is_number =
      std::all_of(last.begin(), last.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (is_number && !is_ipv4(std::string(name))) {
    return wrong(whole, "ends like an IPv4 address, but is none",
                 "Write four numbers from 0 to 255 with dots between them.");
  }
  return {};
}

Result<std::uint16_t> parse_port(std::string_view text, std::string_view whole) {
  const auto port = parse_integer(text, 1, 65535);
  if (!port) {
    return wrong(whole,
                 fmt::format("has the port {}, which is no number from 1 to 65535", shown(text)),
                 "Write name:port, such as web1:22.");
  }
  return static_cast<std::uint16_t>(*port);
}

// "[v6]" or "[v6]:port".
Result<> parse_bracketed(std::string_view rest, std::string_view whole, HostAddress& address) {
  const std::size_t end = rest.find(']');
  if (end == std::string_view::npos) {
    return wrong(whole, "has a [ without a ]", "Write [v6]:port, such as [2001:db8::1]:22.");
  }
  address.name = rest.substr(1, end - 1);
  if (!is_ipv6(address.name)) {
    return wrong(whole, "has no IPv6 address between its brackets",
                 "Brackets are only for IPv6, such as [2001:db8::1]:22.");
  }
  const std::string_view behind = rest.substr(end + 1);
  if (behind.empty()) return {};
  if (behind.front() != ':') {
    return wrong(whole, "has something other than :port behind its ]",
                 "Write [v6]:port, such as [2001:db8::1]:22.");
  }
  PCA_TRY(address.port, parse_port(behind.substr(1), whole));
  return {};
}

Result<> parse_plain(std::string_view rest, std::string_view whole, HostAddress& address) {
  const auto colons = std::count(rest.begin(), rest.end(), ':');
  if (colons > 1) {
    address.name = rest;
    if (is_ipv6(address.name)) return {};
    return wrong(whole, "has several colons, but is no IPv6 address",
                 "Write name:port, or [v6]:port with brackets.");
  }
  const std::size_t colon = rest.find(':');
  address.name = rest.substr(0, colon);
  PCA_CHECK(check_name(address.name, whole));
  if (colon != std::string_view::npos) {
    PCA_TRY(address.port, parse_port(rest.substr(colon + 1), whole));
  }
  return {};
}

}  // namespace

std::string HostAddress::text() const {
  std::string out = user.empty() ? "" : user + "@";
  const bool brackets = name.find(':') != std::string::npos && port != 22;
  out += brackets ? "[" + name + "]" : name;
  if (port != 22) out += fmt::format(":{}", port);
  return out;
}

Result<HostAddress> parse_host_address(std::string_view text, std::uint16_t port) {
  const std::string_view whole = trim(text);
  HostAddress address;
  address.port = port;
  std::string_view rest = whole;
  // The last @: directory users are called user@domain.
  if (const std::size_t at = whole.rfind('@'); at != std::string_view::npos) {
    const std::string_view user = whole.substr(0, at);
    PCA_CHECK(check_user(user, whole));
    address.user = user;
    rest.remove_prefix(at + 1);
  }
  PCA_CHECK(check_for_other_forms(whole));
  PCA_CHECK(rest.starts_with('[') ? parse_bracketed(rest, whole, address)
                                  : parse_plain(rest, whole, address));
  return address;
}

bool is_loopback(std::string_view name) {
  if (name == "localhost" || name.ends_with(".localhost")) return true;
  return name == "::1" || name == "[::1]" ||
         (name.starts_with("127.") && is_ipv4(std::string(name)));
}

bool is_ip_address(const std::string& name) { return is_ipv4(name) || is_ipv6(name); }

}  // namespace pca
