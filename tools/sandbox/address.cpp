#include "sandbox/address.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include "base/text.hpp"

namespace pca::sandbox {

namespace {

bool is_loopback(const std::string& ip) {
  in_addr v4{};
  if (::inet_pton(AF_INET, ip.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24U) == 127;
  in6_addr v6{};
  return ::inet_pton(AF_INET6, ip.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

}  // namespace

std::string LoopbackAddress::text() const {
  const bool is_v6 = ip.find(':') != std::string::npos;
  return is_v6 ? fmt::format("[{}]:{}", ip, port) : fmt::format("{}:{}", ip, port);
}

Result<LoopbackAddress> parse_loopback(std::string_view text) {
  const auto refused = [&](std::string_view why) {
    return bad_input(fmt::format("\"{}\" {}", visible(text), why),
                     "Write 127.0.0.1:PORT, [::1]:PORT or localhost:PORT: the sandbox serves this "
                     "machine only.");
  };
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return refused("has no port");
  const auto port = parse_integer(text.substr(colon + 1), 0, 65535);
  if (!port) return refused("has no port from 0 to 65535");
  std::string ip(text.substr(0, colon));
  if (ip == "localhost") ip = "127.0.0.1";
  if (ip.size() > 2 && ip.front() == '[' && ip.back() == ']') ip = ip.substr(1, ip.size() - 2);
  if (!is_loopback(ip)) return refused("is no loopback address");
  return LoopbackAddress{std::move(ip), static_cast<std::uint16_t>(*port)};
}

}  // namespace pca::sandbox
