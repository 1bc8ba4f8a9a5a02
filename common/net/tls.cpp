#include "net/tls.hpp"

#include <curl/curl.h>
#include <fmt/format.h>
#include <libssh2.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <optional>

#include "base/environment.hpp"
#include "base/isolation.hpp"
#include "base/text.hpp"

namespace pca {

namespace {

// Debian, Ubuntu, Alpine; Fedora, RHEL; RHEL 7; openSUSE; Alpine, macOS-like; FreeBSD.
constexpr std::array<const char*, 6> usual_files{
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt"};
constexpr const char* usual_directory = "/etc/ssl/certs";

bool is_readable(const std::string& path) { return ::access(path.c_str(), R_OK) == 0; }

// `directories`: one or several with colons between them, as OpenSSL takes them.
bool has_entries(const std::string& directories) {
  const std::vector<std::string> all = split(directories, ':');
  return std::any_of(all.begin(), all.end(), [](const std::string& directory) {
    std::error_code ignored;
    return std::filesystem::directory_iterator(directory, ignored) !=
           std::filesystem::directory_iterator();
  });
}

Error names_nothing_readable(const char* name, const std::string& value) {
  return permission_denied(
      fmt::format("{} is set to \"{}\", which cannot be read", name, value),
      fmt::format("Correct {}, or unset it to use the system's CA certificates.", name));
}

struct FreeOpenssl {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
template <typename T>
using Openssl = std::unique_ptr<T, FreeOpenssl>;

Openssl<BIO> reader_of(std::string_view text) {
  return Openssl<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// The first one in the text; null when there is none.
Openssl<X509> certificate_in(const std::string& text) {
  const auto reader = reader_of(text);
  Openssl<X509> found(PEM_read_bio_X509(reader.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  return found;
}

// OpenSSL would ask for a passphrase at the terminal.
int no_passphrase(char* /*into*/, int /*size*/, int /*writes*/, void* /*more*/) { return -1; }

}  // namespace

Result<std::string> parse_fingerprint(std::string_view text) {
  constexpr std::size_t digits = 64;
  const std::string_view given = text;
  text = trim(text);
  if (equals_ignoring_case(text.substr(0, 7), "sha256:")) text.remove_prefix(7);
  std::string hex;
  for (const char c : to_upper(text)) {
    if (c != ':') hex += c;
  }
  const bool is_hex = hex.find_first_not_of("0123456789ABCDEF") == std::string::npos;
  if (!is_hex || hex.size() != digits) {
    return bad_input(fmt::format("{} is no SHA-256 fingerprint of a certificate", shown(given)),
                     "Write 64 hexadecimal digits, with or without colons, as `openssl x509 -noout "
                     "-fingerprint -sha256` prints them.");
  }
  std::string out;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    if (i != 0) out += ':';
    out += hex.substr(i, 2);
  }
  return out;
}

Result<> check_ca(const TlsSettings& settings) {
  if (settings.ca.empty() || certificate_in(settings.ca)) return {};
  return bad_input("holds no PEM certificate",
                   "Give text that begins with -----BEGIN CERTIFICATE-----, or a file of it.");
}

Result<> check_certificate(const TlsSettings& settings) {
  if (settings.certificate.empty() || certificate_in(settings.certificate)) return {};
  return bad_input("holds no PEM certificate",
                   "Give text that begins with -----BEGIN CERTIFICATE-----, or a file of it.");
}

Result<> check_key(const TlsSettings& settings) {
  if (settings.key.empty()) return {};
  const auto reader = reader_of(settings.key.expose());
  const Openssl<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(reader.get(), nullptr, &no_passphrase, nullptr));
  ERR_clear_error();
  if (key == nullptr) {
    return bad_input("holds no PEM private key, or one with a passphrase",
                     "Give the text of the key file, beginning with -----BEGIN; `openssl pkey -in "
                     "key.pem -out plain.pem` takes a passphrase off.");
  }
  const auto certificate = certificate_in(settings.certificate);
  const bool fits = certificate == nullptr || X509_check_private_key(certificate.get(), key.get());
  ERR_clear_error();
  if (fits) return {};
  return bad_input("is not the key of the certificate", "Give the two that belong together.");
}

std::string TrustStore::describe() const {
  std::string text = file.empty() || directory.empty() ? file + directory
                                                       : fmt::format("{} and {}", file, directory);
  if (!unread.empty()) {
    text += fmt::format(" (without \"{}\" of SSL_CERT_DIR, which cannot be read)", unread);
  }
  return text;
}

Result<TrustStore> find_trust_store(const std::string& root) {
  const std::string directory = environment_variable("SSL_CERT_DIR");
  for (const char* name : {"SSL_CERT_FILE", "CURL_CA_BUNDLE"}) {
    const std::string file = environment_variable(name);
    if (file.empty()) continue;
    if (!is_readable(file)) return names_nothing_readable(name, file);
    // As OpenSSL and curl have it, a place that is missing harms nobody whom the other one serves.
    if (!has_entries(directory)) return TrustStore{file, {}, directory};
    return TrustStore{file, directory, {}};
  }
  if (!directory.empty()) {
    if (!has_entries(directory)) return names_nothing_readable("SSL_CERT_DIR", directory);
    return TrustStore{{}, directory, {}};
  }
  std::string tried;
  for (const char* place : usual_files) {
    if (is_readable(root + place)) return TrustStore{root + place, {}, {}};
    tried += fmt::format("{}, ", place);
  }
  if (has_entries(root + usual_directory)) return TrustStore{{}, root + usual_directory, {}};
  return permission_denied(
      fmt::format("no CA certificates found to verify TLS with (looked at {}{})", tried,
                  usual_directory),
      "Install the package ca-certificates, or set SSL_CERT_FILE to a PEM bundle.");
}

void early_init() {
  keep_host_modules_out();
  OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
  curl_global_init(CURL_GLOBAL_ALL);
  libssh2_init(0);
}

}  // namespace pca
