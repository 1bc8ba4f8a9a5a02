#include "sandbox/certificate_authority.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

namespace pca::sandbox {

namespace {

template <auto free_function>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    free_function(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Memory = std::unique_ptr<BIO, Free<BIO_free_all>>;
using Extension = std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION_free>>;
using Serial = std::unique_ptr<BIGNUM, Free<BN_free>>;

constexpr long hour = 3600;
constexpr long lifetime = 30L * 24 * hour;

Error cannot(const char* what) {
  const unsigned long code = ERR_get_error();
  const char* reason = ERR_reason_error_string(code);
  return failed(fmt::format("cannot {}: {}", what, reason == nullptr ? "unknown" : reason));
}

bool add_extension(X509* certificate, X509* issuer, int id, const std::string& value) {
  X509V3_CTX context{};
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

// A certificate with name, validity and key set; issuer, extensions and signature are left open.
Certificate start_certificate(const char* common_name, EVP_PKEY* key) {
  Certificate certificate(X509_new());
  const Serial serial(BN_new());
  if (!certificate || !serial || BN_rand(serial.get(), 127, BN_RAND_TOP_ANY, 0) != 1) return {};
  BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate.get()));
  X509_set_version(certificate.get(), X509_VERSION_3);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -hour);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), lifetime);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common_name), -1, -1, 0);
  return X509_set_pubkey(certificate.get(), key) == 1 ? std::move(certificate) : Certificate();
}

bool sign(X509* certificate, X509* issuer, EVP_PKEY* issuer_key) {
  return X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1 &&
         X509_sign(certificate, issuer_key, EVP_sha256()) != 0;
}

std::string subject_alternative_names(const std::vector<std::string>& names) {
  std::string text = "DNS:localhost,IP:127.0.0.1,IP:::1";
  for (const std::string& name : names) {
    unsigned char address[sizeof(in6_addr)];
    const bool is_address = ::inet_pton(AF_INET, name.c_str(), address) == 1 ||
                            ::inet_pton(AF_INET6, name.c_str(), address) == 1;
    text += fmt::format(",{}:{}", is_address ? "IP" : "DNS", name);
  }
  return text;
}

std::string drain(BIO* memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  return {data, static_cast<std::size_t>(size)};
}

std::string to_pem(X509* certificate) {
  const Memory memory(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(memory.get(), certificate);
  return drain(memory.get());
}

std::string to_pem(EVP_PKEY* key) {
  const Memory memory(BIO_new(BIO_s_mem()));
  PEM_write_bio_PKCS8PrivateKey(memory.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return drain(memory.get());
}

}  // namespace

struct CertificateAuthority::Impl {
  Key key;
  Certificate certificate;
};

Result<CertificateAuthority> CertificateAuthority::make() {
  auto impl = std::make_shared<Impl>();
  impl->key = Key(EVP_EC_gen("P-256"));
  if (!impl->key) return cannot("make a key");
  impl->certificate = start_certificate("private-cloud-sandbox CA", impl->key.get());
  X509* const ca = impl->certificate.get();
  if (ca == nullptr || !add_extension(ca, ca, NID_basic_constraints, "critical,CA:TRUE") ||
      !add_extension(ca, ca, NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !add_extension(ca, ca, NID_subject_key_identifier, "hash") ||
      !sign(ca, ca, impl->key.get())) {
    return cannot("make a CA certificate");
  }
  CertificateAuthority made;
  made.impl_ = std::move(impl);
  return made;
}

Result<ServerCertificate> CertificateAuthority::issue(const std::vector<std::string>& names) const {
  X509* const ca = impl_->certificate.get();
  const Key server_key(EVP_EC_gen("P-256"));
  if (!server_key) return cannot("make a key");
  const Certificate server = start_certificate("private-cloud-sandbox", server_key.get());
  if (!server || !add_extension(server.get(), ca, NID_basic_constraints, "CA:FALSE") ||
      !add_extension(server.get(), ca, NID_key_usage, "critical,digitalSignature") ||
      !add_extension(server.get(), ca, NID_ext_key_usage, "serverAuth") ||
      !add_extension(server.get(), ca, NID_authority_key_identifier, "keyid") ||
      !add_extension(server.get(), ca, NID_subject_alt_name, subject_alternative_names(names)) ||
      !sign(server.get(), ca, impl_->key.get())) {
    return cannot("make a server certificate");
  }
  const std::string ca_pem = to_pem(ca);
  return ServerCertificate{to_pem(server.get()) + ca_pem, to_pem(server_key.get()), ca_pem};
}

Result<ServerCertificate> make_server_certificate(const std::vector<std::string>& names) {
  PCA_TRY(const CertificateAuthority authority, CertificateAuthority::make());
  return authority.issue(names);
}

std::string fingerprint_of(const std::string& pem) {
  const Memory memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const Certificate certificate(PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr));
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (!certificate || X509_digest(certificate.get(), EVP_sha256(), digest, &size) != 1) return "";
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{}{:02X}", i == 0 ? "" : ":", digest[i]);
  return text;
}

}  // namespace pca::sandbox
