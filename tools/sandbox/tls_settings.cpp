#include "sandbox/tls_settings.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <fstream>
#include <sstream>

#include "base/system_error.hpp"
#include "sandbox/certificate_authority.hpp"

namespace pca::sandbox {

namespace {

Result<std::string> read_file(const char* input, const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) {
    return bad_input(fmt::format("{}: cannot read {}: {}. Name a file that exists and can be read.",
                                 input, path, errno_text(errno)));
  }
  return text.str();
}

Result<ServerCertificate> find_certificate(const TlsSettings& settings) {
  if (settings.certificate_file.empty()) return make_server_certificate(settings.names);
  ServerCertificate certificate;
  PCA_TRY(certificate.chain, read_file("certificate-file", settings.certificate_file));
  PCA_TRY(certificate.key, read_file("key-file", settings.key_file));
  return certificate;
}

}  // namespace

Result<> write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::trunc);
  file << text;
  file.flush();
  if (!file) return failed(fmt::format("cannot write {}: {}", path, errno_text(errno)));
  return {};
}

Result<TlsServer> open_tls(const TlsSettings& settings) {
  PCA_TRY(const ServerCertificate certificate, find_certificate(settings));
  PCA_TRY(TlsServer tls, TlsServer::from_pem(certificate.chain, certificate.key));
  if (!settings.ca_file.empty() && !certificate.ca.empty()) {
    PCA_CHECK(write_file(settings.ca_file, certificate.ca));
  }
  return tls;
}

}  // namespace pca::sandbox
