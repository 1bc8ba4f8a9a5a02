#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace pca {

// A private key's text after the repairs users need, ready for libssh2: OpenSSH, PEM or PKCS8.
struct RepairedKey {
  std::string text;                  // secret: the caller makes it a Secret at once
  std::vector<std::string> repairs;  // what was put right, to be told: "CRLF line ends"
  bool encrypted = false;
  std::string type;  // "ed25519", "rsa", "ecdsa", or empty when encrypted hides it
};

// Repairs: CRLF, missing last newline, literal \n, base64 of the whole text, byte order mark,
// surrounding quotes, indentation, trailing spaces, blank lines around, a body wrapped at another
// width. Refuses with the cure (bad_input): public key, truncated, two keys, PuTTY .ppk.
// Error texts never show key material.
[[nodiscard]] Result<RepairedKey> repair_key(std::string_view text);

// Whether `passphrase` opens the key, found without any connection. bad_input when it is missing
// or wrong. An OpenSSH-format, PEM or PKCS8 key.
[[nodiscard]] Result<> check_passphrase(const Secret& key, const Secret& passphrase);

// The key's public half, which tells keys apart and may be seen: the blob of RFC 4253 section 6.6
// of an OpenSSH-format key, the SubjectPublicKeyInfo of another. Both were checked as above.
[[nodiscard]] Result<std::string> public_half(const Secret& key, const Secret& passphrase);

}  // namespace pca
