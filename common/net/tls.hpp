#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace pca {

// Where trusted CA certificates come from. At least one of the two is set.
struct TrustStore {
  std::string file;       // a PEM bundle
  std::string directory;  // hashed names (c_rehash); several with colons between them
  std::string unread;     // what SSL_CERT_DIR names and cannot be read
  [[nodiscard]] std::string describe() const;
};

// Finds the CA certificates of this machine: $SSL_CERT_FILE or $CURL_CA_BUNDLE, and $SSL_CERT_DIR
// besides; when none of them is set, the places the Linux distributions use. A set variable that
// names nothing readable is an error, never skipped, but for a folder beside a file, which
// describe() tells. `root` prefixes the usual places (tests). Kind permission, with the list of
// places and the package to install.
[[nodiscard]] Result<TrustStore> find_trust_store(const std::string& root = "");

// Whom a connection trusts in place of the machine's own store, and who it says it is. PEM texts.
struct TlsSettings {
  std::string ca;           // empty = find_trust_store()
  std::string certificate;  // with its chain behind it; empty = none
  Secret key;               // of the certificate, without a passphrase
  // SHA-256 of certificates, as parse_fingerprint() gives them: where there are any, only a server
  // that shows one of these is talked to, whoever signed it and whatever name it has.
  std::vector<std::string> fingerprints = {};
  // Neither certificate nor name is looked at. Never a default: whoever sets it warns.
  bool trusts_anybody = false;
};

// "AB:CD:...", 32 bytes in upper case, of a SHA-256 with or without colons, in either case, perhaps
// with "SHA256:" in front; bad_input otherwise.
[[nodiscard]] Result<std::string> parse_fingerprint(std::string_view text);

// Mistakes in the CA certificates; in the certificate; in the key or that it is another's.
// bad_input, and never any of the key's text.
[[nodiscard]] Result<> check_ca(const TlsSettings& settings);
[[nodiscard]] Result<> check_certificate(const TlsSettings& settings);
[[nodiscard]] Result<> check_key(const TlsSettings& settings);

// keep_host_modules_out() (base/isolation.hpp), and what libcurl, libssh2 and libssl need once.
void early_init();

}  // namespace pca
