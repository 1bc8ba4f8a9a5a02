#pragma once

#include <memory>
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

// A CA that makes several certificates like that one.
class CertificateAuthority {
 public:
  static Result<CertificateAuthority> make();
  [[nodiscard]] Result<ServerCertificate> issue(const std::vector<std::string>& names) const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

// "AA:BB:..." of the first certificate in a PEM text, by SHA-256; empty where there is none.
[[nodiscard]] std::string fingerprint_of(const std::string& pem);

}  // namespace pca::sandbox
