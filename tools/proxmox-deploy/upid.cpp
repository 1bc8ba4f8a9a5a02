#include "proxmox-deploy/upid.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr std::size_t longest_upid = 512;
constexpr std::size_t parts_of_upid = 9;  // the last one is empty

bool is_hex(std::string_view text, std::size_t least, std::size_t most) {
  return text.size() >= least && text.size() <= most &&
         text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

// As a node, a type or an id is: it becomes part of a path.
bool is_word(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._@!+").find(c) != std::string_view::npos;
  });
}

// What a task is about: a guest, a file, or a volume that goes from one guest to another, as
// "100-mp0>101-mp0".
bool is_subject(std::string text) {
  std::replace(text.begin(), text.end(), '>', '-');
  return is_word(text);
}

}  // namespace

Result<Upid> parse_upid(std::string_view text) {
  const auto broken = [&] { return failed(fmt::format("{} is no task's ID", shown(text))); };
  if (text.size() > longest_upid) return broken();
  const std::vector<std::string> parts = split(text, ':');
  if (parts.size() != parts_of_upid || parts[0] != "UPID" || !parts.back().empty()) return broken();
  const bool is_good = !parts[1].empty() && is_word(parts[1]) && is_hex(parts[2], 8, 8) &&
                       is_hex(parts[3], 8, 9) && is_hex(parts[4], 8, 8) && !parts[5].empty() &&
                       is_word(parts[5]) && is_subject(parts[6]) && !parts[7].empty() &&
                       is_word(parts[7]);
  if (!is_good) return broken();
  constexpr int hexadecimal = 16;
  return Upid{std::string(text), parts[1], std::stoll(parts[4], nullptr, hexadecimal),
              parts[5],          parts[6], parts[7]};
}

}  // namespace pca::proxmox_deploy
