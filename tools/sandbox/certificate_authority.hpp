#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"

namespace pca::sandbox {

// What a TLS server shows and what its clients have to trust, all PEM.
struct ServerCertificate {
  std::string chain;  // the server's certificate, then its issuer's if that was made here
  std::string key;
  std::string ca;  // empty when the certificate was brought along
};

// A fresh CA and a certificate by it for localhost, 127.0.0.1, ::1 and `names` (DNS names, also
// wildcards, or numeric addresses). EC P-256, valid from an hour ago for 30 days. Errors: failed.
[[nodiscard]] Result<ServerCertificate> make_server_certificate(
    const std::vector<std::string>& names);

}  // namespace pca::sandbox
