#pragma once

#include <string>
#include <vector>

#include "sandbox/tls_stream.hpp"

namespace pca::sandbox {

// What a server of the sandbox shows to its clients, and where these find whom to trust.
struct TlsSettings {
  std::vector<std::string> names;  // in the certificate besides localhost
  std::string certificate_file;    // PEM; with key_file instead of a certificate of its own CA
  std::string key_file;
  std::string ca_file;  // where the CA's certificate is written
};

// Reads or makes the certificate, and writes the CA's. Errors: bad_input, failed.
[[nodiscard]] Result<TlsServer> open_tls(const TlsSettings& settings);

// Writes a file whole. Errors: failed.
[[nodiscard]] Result<> write_file(const std::string& path, const std::string& text);

}  // namespace pca::sandbox
