#include "base/digest.hpp"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <new>
#include <stdexcept>
#include <vector>

namespace pca {

namespace {

constexpr std::string_view base64_alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const std::uint8_t* bytes_of(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

// libcrypto fails here only when it cannot allocate; a wrong digest must never look like a right
// one.
void demand(int done) {
  if (done != 1) throw std::bad_alloc();
}

}  // namespace

Sha256 sha256(std::string_view data) {
  Sha256 out{};
  demand(EVP_Digest(data.data(), data.size(), out.data(), nullptr, EVP_sha256(), nullptr));
  return out;
}

namespace {

EVP_MD_CTX* context_of(void* context) { return static_cast<EVP_MD_CTX*>(context); }

void start(void* context) { demand(EVP_DigestInit_ex(context_of(context), EVP_sha256(), nullptr)); }

}  // namespace

Sha256Stream::Sha256Stream() : context_(EVP_MD_CTX_new()) { start(context_); }

Sha256Stream::~Sha256Stream() { EVP_MD_CTX_free(context_of(context_)); }

void Sha256Stream::feed(std::string_view data) {
  demand(EVP_DigestUpdate(context_of(context_), data.data(), data.size()));
}

Sha256 Sha256Stream::finish() {
  Sha256 out{};
  demand(EVP_DigestFinal_ex(context_of(context_), out.data(), nullptr));
  start(context_);
  return out;
}

Sha1 sha1(std::string_view data) {
  Sha1 out{};
  demand(EVP_Digest(data.data(), data.size(), out.data(), nullptr, EVP_sha1(), nullptr));
  return out;
}

std::string to_hex(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    out += digits[byte >> 4U];
    out += digits[byte & 15U];
  }
  return out;
}

std::string base64_encode(std::span<const std::uint8_t> bytes) {
  constexpr std::size_t group = std::size_t{3} << 20U;  // EVP_EncodeBlock counts in int
  std::string out;
  while (!bytes.empty()) {
    const auto part = bytes.first(std::min(group, bytes.size()));
    const std::size_t start = out.size();
    out.resize(start + (part.size() + 2) / 3 * 4 + 1);  // libcrypto adds a NUL
    EVP_EncodeBlock(reinterpret_cast<std::uint8_t*>(out.data() + start), part.data(),
                    static_cast<int>(part.size()));
    out.pop_back();
    bytes = bytes.subspan(part.size());
  }
  return out;
}

Result<std::string> base64_decode(std::string_view text) {
  std::string compact;
  compact.reserve(text.size());
  for (const char c : text) {
    if (c != '\n' && c != '\r') compact += c;
  }
  const std::size_t padding = compact.ends_with("==") ? 2 : compact.ends_with('=') ? 1 : 0;
  const std::string_view digits = std::string_view(compact).substr(0, compact.size() - padding);
  if (digits.find_first_not_of(base64_alphabet) != std::string_view::npos) {
    return bad_input("not base64: it holds a character outside the alphabet");
  }
  if (compact.size() % 4 != 0) return bad_input("not base64: it is cut short");

  constexpr std::size_t group = std::size_t{4} << 20U;  // EVP_DecodeBlock counts in int
  std::string out;
  for (std::string_view rest = compact; !rest.empty();) {
    const std::string_view part = rest.substr(0, group);
    const std::size_t start = out.size();
    out.resize(start + part.size() / 4 * 3);
    EVP_DecodeBlock(reinterpret_cast<std::uint8_t*>(out.data() + start), bytes_of(part),
                    static_cast<int>(part.size()));
    rest.remove_prefix(part.size());
  }
  out.resize(out.size() - padding);
  return out;
}

void fill_random(std::span<std::uint8_t> out) {
  // Without entropy there is no safe token or mask, and no way to go on.
  if (RAND_bytes(out.data(), static_cast<int>(out.size())) != 1) {
    throw std::runtime_error("this machine gives no random bytes");
  }
}

std::string random_hex(std::size_t bytes) {
  std::vector<std::uint8_t> buffer(bytes);
  fill_random(buffer);
  return to_hex(buffer);
}

}  // namespace pca
