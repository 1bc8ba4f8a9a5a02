#include "tunnel-ssh/socks.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace pca::tunnel_ssh {

namespace {

using namespace std::string_view_literals;

constexpr std::size_t longest_name = 255;
constexpr unsigned char connect_command = 1;

unsigned char byte_at(std::string_view text, std::size_t index) {
  return static_cast<unsigned char>(text[index]);
}

std::uint16_t port_at(std::string_view text, std::size_t index) {
  return static_cast<std::uint16_t>(byte_at(text, index) << 8U | byte_at(text, index + 1));
}

std::string address4(std::string_view four) {
  return fmt::format("{}.{}.{}.{}", byte_at(four, 0), byte_at(four, 1), byte_at(four, 2),
                     byte_at(four, 3));
}

std::string address6(std::string_view sixteen) {
  std::string out;
  for (std::size_t at = 0; at < 16; at += 2) {
    out += fmt::format("{}{:x}", at == 0 ? "" : ":", port_at(sixteen, at));
  }
  return out;
}

// RFC 1928 section 6, with an empty bound address: nobody needs it for CONNECT.
std::string reply5(char code) {
  return std::string("\x05"sv) + code + std::string("\0\x01\0\0\0\0\0\0"sv);
}

std::string reply4(char code) { return std::string("\0"sv) + code + std::string("\0\0\0\0\0\0"sv); }

constexpr char command_not_supported = 7;
constexpr char address_not_supported = 8;

bool is_host(std::string_view text) {
  const auto is_bad = [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == '\x7F'; };
  return !text.empty() && text.size() <= longest_name &&
         std::none_of(text.begin(), text.end(), is_bad);
}

SocksHandshake::Step fail(std::string reply) { return {std::move(reply), std::nullopt, true}; }

}  // namespace

SocksHandshake::Step SocksHandshake::feed(std::string_view bytes) {
  received_ += bytes;
  if (received_.empty()) return {};
  if (version_ == 0) version_ = byte_at(received_, 0);
  if (version_ == 4) return request4();
  if (version_ != 5) return fail({});
  if (greeted_) return request5();
  Step step = greet();
  if (greeted_ && !received_.empty()) {  // a client in a hurry
    Step next = request5();
    next.reply.insert(0, step.reply);
    return next;
  }
  return step;
}

SocksHandshake::Step SocksHandshake::greet() {
  if (received_.size() < 2) return {};
  const std::size_t methods = byte_at(received_, 1);
  if (received_.size() < 2 + methods) return {};
  const bool has_none =
      std::string_view(received_).substr(2, methods).find('\0') != std::string_view::npos;
  received_.erase(0, 2 + methods);
  if (!has_none) return fail("\x05\xFF");
  greeted_ = true;
  return {std::string("\x05\0"sv), std::nullopt, false};
}

SocksHandshake::Step SocksHandshake::request5() {
  if (received_.size() < 5) return {};
  if (byte_at(received_, 0) != 5) return fail({});
  const std::size_t kind = byte_at(received_, 3);
  std::size_t at = 4;
  std::size_t size = 0;
  if (kind == 1) size = 4;
  if (kind == 4) size = 16;
  if (kind == 3) size = byte_at(received_, at++);
  if (size == 0) return fail(reply5(address_not_supported));
  if (received_.size() < at + size + 2) return {};
  if (byte_at(received_, 1) != connect_command) return fail(reply5(command_not_supported));
  const std::string address = received_.substr(at, size);
  Target target;
  target.host = kind == 1 ? address4(address) : kind == 4 ? address6(address) : address;
  target.port = port_at(received_, at + size);
  if (!is_host(target.host)) return fail(refused());
  received_.erase(0, at + size + 2);
  return {{}, std::move(target), false};
}

SocksHandshake::Step SocksHandshake::request4() {
  constexpr std::size_t fixed = 8;  // version, command, port, address
  if (received_.size() < fixed + 1) return {};
  const std::size_t user_end = received_.find('\0', fixed);
  if (std::min(user_end, received_.size()) > fixed + longest_name) return fail({});
  if (user_end == std::string::npos) return {};
  const std::string address = received_.substr(4, 4);
  const bool has_name = address.starts_with("\0\0\0"sv) && address[3] != '\0';  // 4a
  std::size_t end = user_end;
  Target target{address4(address), port_at(received_, 2)};
  if (has_name) {
    end = received_.find('\0', user_end + 1);
    if (std::min(end, received_.size()) > user_end + 1 + longest_name) return fail({});
    if (end == std::string::npos) return {};
    target.host = received_.substr(user_end + 1, end - user_end - 1);
  }
  if (byte_at(received_, 1) != connect_command || !is_host(target.host)) return fail(refused());
  received_.erase(0, end + 1);
  return {{}, std::move(target), false};
}

std::string SocksHandshake::connected() const {
  return version_ == 4 ? reply4('\x5A') : reply5('\0');
}

std::string SocksHandshake::refused() const {
  return version_ == 4 ? reply4('\x5B') : reply5('\x05');
}

}  // namespace pca::tunnel_ssh
