#include "net/ssh_greeting.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "net/ssh_wire.hpp"

namespace pca {

namespace {

constexpr std::size_t most_lines = 1024;  // before the identification, as OpenSSH's client allows
constexpr std::size_t most_line_bytes = 65536;
constexpr std::size_t shown_text = 200;
constexpr std::size_t longest_packet = 65536;  // RFC 4253 section 6.1 asks for 35,000
constexpr std::size_t cookie_size = 16;
constexpr std::uint8_t kexinit = 20;

}  // namespace

Result<> SshGreeting::feed(std::string_view bytes) {
  if (stage_ == Stage::complete) return {};
  pending_ += bytes;
  if (stage_ == Stage::identification) PCA_CHECK(read_lines());
  if (stage_ == Stage::key_exchange) read_packets();
  if (stage_ == Stage::complete) pending_ = {};
  return {};
}

std::string SshGreeting::preceding_text() const {
  const std::string_view text = preceding_.empty() ? std::string_view(pending_) : preceding_;
  return visible(trim(cut_utf8(text, shown_text)));
}

Result<> SshGreeting::read_lines() {
  std::size_t end = 0;
  while (stage_ == Stage::identification && (end = pending_.find('\n')) != std::string::npos) {
    const std::string line(trim(std::string_view(pending_).substr(0, end)));
    pending_.erase(0, end + 1);
    line_bytes_ += end + 1;
    ++lines_;
    if (line.starts_with("SSH-")) {
      identification_ = line;
      stage_ = Stage::key_exchange;
    } else if (preceding_.size() < shown_text) {
      preceding_ += line + "\n";
    }
  }
  const std::size_t bytes = line_bytes_ + (stage_ == Stage::identification ? pending_.size() : 0);
  if (lines_ > most_lines || bytes > most_line_bytes) {
    return unreachable(
        fmt::format("the server does not identify itself as an SSH server; it sent {} bytes: {}",
                    bytes, preceding_text()),
        "Check host and port: this may be another service.");
  }
  if (stage_ == Stage::key_exchange && !identification_.starts_with("SSH-2.0-") &&
      !identification_.starts_with("SSH-1.99-")) {
    return unreachable(fmt::format("the server does not speak SSH-2; it says {}",
                                   visible(cut_utf8(identification_, shown_text))),
                       "Check host and port; a server as old as this has to be replaced.");
  }
  return {};
}

// Looks no further than the first SSH_MSG_KEXINIT; whatever is wrong with the packets is libssh2's
// to tell.
void SshGreeting::read_packets() {
  while (stage_ == Stage::key_exchange) {
    WireReader reader(pending_);
    const auto size = reader.number();
    if (!size) return;
    if (*size > longest_packet) {
      stage_ = Stage::complete;
      return;
    }
    const auto packet = reader.bytes(*size);
    if (!packet) return;
    read_lists(*packet);
    pending_.erase(0, pending_.size() - reader.rest().size());
  }
}

void SshGreeting::read_lists(std::string_view packet) {
  WireReader reader(packet);
  reader.byte();  // the length of the padding behind
  if (reader.byte() != kexinit) return;
  reader.bytes(cookie_size);
  for (auto& list : offered_) {
    if (const auto names = reader.string(); names && !names->empty()) list = split(*names, ',');
  }
  stage_ = Stage::complete;
}

}  // namespace pca
