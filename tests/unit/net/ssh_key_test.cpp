#include "net/ssh_key.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <regex>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "runner/redactor.hpp"
#include "support/test_keys.hpp"

namespace pca {
namespace {

using namespace test;
using Repairs = std::vector<std::string>;

RepairedKey repaired(const std::string& text) {
  auto key = repair_key(text);
  if (!key) {
    ADD_FAILURE() << key.error().message;
    return {};
  }
  return *std::move(key);
}

std::string refusal(const std::string& text) {
  const auto key = repair_key(text);
  if (key) return "accepted";
  EXPECT_EQ(key.error().kind, ErrorKind::bad_input);
  EXPECT_NE(key.error().hint, "");
  // Key material must not be in it.
  const std::string told = key.error().message + key.error().hint;
  EXPECT_FALSE(std::regex_search(told, std::regex("[A-Za-z0-9+/=]{30,}"))) << told;
  return key.error().message;
}

std::string passphrase_problem(const std::string& key, const std::string& passphrase) {
  Redactor redactor;
  const auto checked = check_passphrase(redactor.protect(key), redactor.protect(passphrase));
  return checked ? "" : checked.error().message;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

std::string base64(const std::string& text) {
  return base64_encode({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

TEST(SshKey, AGoodKeyIsLeftAsItIs) {
  for (const std::string& text :
       {ed25519_openssh, ed25519_openssh_encrypted, ecdsa_pem, ecdsa_pem_encrypted, ecdsa_pem_des3,
        ed25519_pkcs8, ed25519_pkcs8_encrypted}) {
    const RepairedKey key = repaired(text);
    EXPECT_EQ(key.text, text);
    EXPECT_EQ(key.repairs, Repairs{});
  }
}

TEST(SshKey, TypeAndEncryptionAreFound) {
  EXPECT_EQ(repaired(ed25519_openssh).type, "ed25519");
  EXPECT_FALSE(repaired(ed25519_openssh).encrypted);
  EXPECT_EQ(repaired(ed25519_openssh_encrypted).type, "ed25519");
  EXPECT_TRUE(repaired(ed25519_openssh_encrypted).encrypted);
  EXPECT_EQ(repaired(ecdsa_pem).type, "ecdsa");
  EXPECT_FALSE(repaired(ecdsa_pem).encrypted);
  EXPECT_EQ(repaired(ecdsa_pem_encrypted).type, "ecdsa");
  EXPECT_TRUE(repaired(ecdsa_pem_encrypted).encrypted);
  EXPECT_EQ(repaired(ed25519_pkcs8).type, "ed25519");
  EXPECT_FALSE(repaired(ed25519_pkcs8).encrypted);
  EXPECT_EQ(repaired(ed25519_pkcs8_encrypted).type, "");
  EXPECT_TRUE(repaired(ed25519_pkcs8_encrypted).encrypted);
}

TEST(SshKey, WhatPastingDoesIsRepairedAndTold) {
  struct Case {
    std::string text;
    Repairs repairs;
  };
  const std::string& good = ecdsa_pem_encrypted;  // has header lines, too
  const std::string no_end = good.substr(0, good.size() - 1);
  const std::vector<Case> cases{
      {replaced(good, "\n", "\r\n"), {"CRLF line ends"}},
      {replaced(good, "\n", "\r"), {"CRLF line ends"}},
      {no_end, {"missing last newline"}},
      {replaced(good, "\n", "\\n"), {"literal \\n"}},
      {replaced(no_end, "\n", "\\n"), {"literal \\n", "missing last newline"}},
      {replaced(good, "\n", "\\r\\n"), {"literal \\n"}},
      {base64(good), {"base64 of the whole text"}},
      {base64(replaced(good, "\n", "\r\n")), {"base64 of the whole text", "CRLF line ends"}},
      {"\xEF\xBB\xBF" + good, {"byte order mark"}},
      {"\"" + no_end + "\"", {"surrounding quotes", "missing last newline"}},
      {"'" + good + "'\n", {"surrounding quotes"}},
      {replaced("    " + no_end, "\n", "\n    ") + "\n", {"blank lines around", "indentation"}},
      {replaced(good, "\n", "  \n"), {"trailing spaces"}},
      {"\n\n" + good + "\n\n", {"blank lines around"}},
      {replaced(good, "\n", " "), {"missing last newline", "body wrapped at another width"}},
      {"# my key\n" + good + "\nmore\n", {"text around the key"}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(join(c.repairs, ", "));
    const RepairedKey key = repaired(c.text);
    EXPECT_EQ(key.text, good);
    EXPECT_EQ(key.repairs, c.repairs);
    EXPECT_EQ(repaired(key.text).repairs, Repairs{});
  }
}

TEST(SshKey, ABodyOfAnyWidthIsWrappedAsUsual) {
  const std::size_t body = ed25519_openssh.find('\n') + 1;
  const std::size_t end = ed25519_openssh.find("-----END");
  const std::string digits = replaced(ed25519_openssh.substr(body, end - body), "\n", "");
  const std::string one_line =
      ed25519_openssh.substr(0, body) + digits + "\n" + ed25519_openssh.substr(end);
  EXPECT_EQ(repaired(one_line).text, ed25519_openssh);
  EXPECT_EQ(repaired(one_line).repairs, Repairs{"body wrapped at another width"});
}

TEST(SshKey, CurveParametersBesideAKeyAreDropped) {
  const std::string parameters =
      "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
  EXPECT_EQ(repaired(parameters + ecdsa_pem).text, ecdsa_pem);
  EXPECT_EQ(repaired(parameters + ecdsa_pem).repairs, Repairs{"text around the key"});
}

TEST(SshKey, WhatIsNoUsableKeyIsRefusedWithTheCure) {
  const std::string unusable = "the private key cannot be used: ";
  EXPECT_EQ(refusal(""), unusable + "it is empty");
  EXPECT_EQ(refusal(" \n"), unusable + "it is empty");
  EXPECT_EQ(refusal("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP8wyITQfMmuqmDZalLhROBWTRhKF x"),
            unusable + "it is a public key");
  EXPECT_EQ(refusal("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n"),
            unusable + "it is a public key");
  EXPECT_EQ(refusal("---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----"),
            unusable + "it is a public key");
  EXPECT_EQ(refusal("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"),
            unusable + "it holds no private key");
  EXPECT_EQ(refusal("hunter2"), unusable + "it has no -----BEGIN ... PRIVATE KEY----- line");
  EXPECT_EQ(refusal("PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n"),
            unusable + "it is in PuTTY's format");
  EXPECT_EQ(refusal(ed25519_openssh + ecdsa_pem), unusable + "there are 2 private keys in it");
  EXPECT_EQ(refusal(dsa_openssh), unusable + "DSA keys are no longer safe");
  EXPECT_EQ(refusal(secp256k1_pem), unusable + "SSH does not know its curve \"secp256k1\"");
  EXPECT_EQ(refusal(x25519_pkcs8), unusable + "it is neither RSA, ECDSA nor Ed25519");
  EXPECT_EQ(refusal(std::string(65537, 'a')), unusable + "it is longer than 64KiB");
  EXPECT_EQ(refusal(std::string("\xFF\xFE-\0-\0", 6)),
            unusable + "it holds NUL bytes, as UTF-16 text or a binary file does");
  EXPECT_EQ(refusal("-----BEGIN ODD PRIVATE KEY-----\nAAAA\n-----END ODD PRIVATE KEY-----\n"),
            unusable + "its kind \"ODD PRIVATE KEY\" is not known");
}

TEST(SshKey, PuttyKeysComeWithTheCommandToConvertThem) {
  const auto key = repair_key("PuTTY-User-Key-File-2: ssh-rsa\n");
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().hint, "Convert it: puttygen key.ppk -O private-openssh -o key");
}

TEST(SshKey, ACutKeyIsToldFromAGoodOne) {
  const std::string cut = "the private key is cut short or damaged: ";
  const std::string end = "-----END OPENSSH PRIVATE KEY-----\n";
  EXPECT_EQ(refusal(ed25519_openssh.substr(0, 200)), cut + "its -----END line is missing");
  EXPECT_EQ(refusal("-----BEGIN OPENSSH"), cut + "its first line is not complete");
  EXPECT_EQ(refusal(ed25519_openssh.substr(0, 36 + 71) + end), cut + "its body is not base64");
  EXPECT_EQ(refusal(ed25519_openssh.substr(0, 36 + 71 + 34) + "\n" + end),
            cut + "its end is missing");
  EXPECT_EQ(refusal(replaced(ed25519_openssh, "b3BlbnNzaC", "b3BlbnNzaD")),
            cut + "its body is something else");
  EXPECT_EQ(refusal(replaced(ecdsa_pem, "MHcCAQEE", "MHcCAQEF")),
            cut + "its content makes no sense");
  EXPECT_EQ(refusal("-----BEGIN RSA PRIVATE KEY-----\n-----END RSA PRIVATE KEY-----\n"),
            cut + "its body is not base64");
}

TEST(SshKey, APassphraseIsTriedOnEveryFormat) {
  const std::string missing = "the private key is encrypted, and there is no passphrase";
  const std::string wrong = "the passphrase does not open the private key";
  for (const std::string& key :
       {ed25519_openssh_encrypted, ecdsa_pem_encrypted, ecdsa_pem_des3, ed25519_pkcs8_encrypted}) {
    SCOPED_TRACE(key.substr(0, 40));
    EXPECT_EQ(passphrase_problem(key, "open sesame"), "");
    EXPECT_EQ(passphrase_problem(key, "open barley"), wrong);
    EXPECT_EQ(passphrase_problem(key, ""), missing);
  }
}

TEST(SshKey, AKeyThatIsNotEncryptedNeedsNoPassphrase) {
  for (const std::string& key : {ed25519_openssh, ecdsa_pem, ed25519_pkcs8}) {
    EXPECT_EQ(passphrase_problem(key, ""), "");
    EXPECT_EQ(passphrase_problem(key, "not needed"), "");
  }
}

TEST(SshKey, ADamagedSecretHalfIsFoundBeforeConnecting) {
  // The two equal numbers at the start of the secret half are told apart.
  const std::string damaged = replaced(ed25519_openssh, "AAAAIiXXV3il11d", "AAAAIiXXV3il12d");
  ASSERT_NE(damaged, ed25519_openssh);
  EXPECT_EQ(passphrase_problem(damaged, ""),
            "the private key is cut short or damaged: it cannot be read");
}

TEST(SshKey, ThePublicHalfIsToldOfEveryFormatAndDoesNotDependOnTheSpelling) {
  Redactor redactor;
  const auto half_of = [&](const std::string& key) {
    const auto half =
        public_half(redactor.protect(std::string(key)), redactor.protect("open sesame"));
    return half ? *half : half.error().message;
  };
  EXPECT_EQ(half_of(ed25519_openssh),
            *base64_decode("AAAAC3NzaC1lZDI1NTE5AAAAIKNBVAF905U6niRdRieSOfQgDIcHWfaVrCcY7vsXnjsI"));
  EXPECT_EQ(half_of(replaced(ed25519_openssh, "\n", "\r\n")), half_of(ed25519_openssh));
  for (const std::string& key : {ed25519_openssh_encrypted, ecdsa_pem, ecdsa_pem_encrypted,
                                 ecdsa_pem_des3, ed25519_pkcs8, ed25519_pkcs8_encrypted}) {
    EXPECT_GE(half_of(key).size(), 44U) << key;
    EXPECT_EQ(half_of(key).find("private key"), std::string::npos) << half_of(key);
  }
  EXPECT_NE(half_of(ecdsa_pem), half_of(ed25519_pkcs8));
}

}  // namespace
}  // namespace pca
