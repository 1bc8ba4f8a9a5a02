#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace pca::test {

// A private key that a user may have: how ssh-keygen makes it, and what it is to be known as.
struct KeyCase {
  const char* name;
  std::vector<std::string> arguments;
  std::string passphrase;
  const char* type;
};
inline void PrintTo(const KeyCase& key, std::ostream* out) { *out << key.name; }

// Every type, each in every spelling and with and without a passphrase.
inline std::vector<KeyCase> key_cases() {
  return {
      {"Ed25519", {"-t", "ed25519"}, "", "ed25519"},
      {"Ed25519Passphrase", {"-t", "ed25519", "-a", "4"}, "open sesame", "ed25519"},
      {"Ed25519Gcm",
       {"-t", "ed25519", "-a", "4", "-Z", "aes256-gcm@openssh.com"},
       "open sesame",
       "ed25519"},
      {"Ed25519Cbc", {"-t", "ed25519", "-a", "4", "-Z", "aes256-cbc"}, "open sesame", "ed25519"},
      {"Ecdsa256", {"-t", "ecdsa", "-b", "256"}, "", "ecdsa"},
      {"Ecdsa384", {"-t", "ecdsa", "-b", "384"}, "", "ecdsa"},
      {"Ecdsa521", {"-t", "ecdsa", "-b", "521"}, "", "ecdsa"},
      {"Ecdsa256Passphrase", {"-t", "ecdsa", "-a", "4"}, "open sesame", "ecdsa"},
      {"Ecdsa256Pem", {"-t", "ecdsa", "-m", "PEM"}, "", "ecdsa"},
      {"Ecdsa521Pem", {"-t", "ecdsa", "-b", "521", "-m", "PEM"}, "", "ecdsa"},
      {"Ecdsa256PemPassphrase", {"-t", "ecdsa", "-m", "PEM"}, "open sesame", "ecdsa"},
      {"Ecdsa384Pkcs8", {"-t", "ecdsa", "-b", "384", "-m", "PKCS8"}, "", "ecdsa"},
      {"Ecdsa256Pkcs8Passphrase", {"-t", "ecdsa", "-m", "PKCS8"}, "open sesame", "ecdsa"},
      {"Rsa", {"-t", "rsa", "-b", "2048"}, "", "rsa"},
      {"Rsa4096", {"-t", "rsa", "-b", "4096"}, "", "rsa"},
      {"RsaPassphrase", {"-t", "rsa", "-b", "2048", "-a", "4"}, "open sesame", "rsa"},
      {"RsaPem", {"-t", "rsa", "-b", "2048", "-m", "PEM"}, "", "rsa"},
      {"RsaPemPassphrase", {"-t", "rsa", "-b", "2048", "-m", "PEM"}, "open sesame", "rsa"},
      {"RsaPkcs8", {"-t", "rsa", "-b", "2048", "-m", "PKCS8"}, "", "rsa"},
      {"RsaPkcs8Passphrase", {"-t", "rsa", "-b", "2048", "-m", "PKCS8"}, "open sesame", "rsa"}};
}

}  // namespace pca::test
