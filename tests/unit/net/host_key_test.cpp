#include "net/host_key.hpp"

#include <gtest/gtest.h>

#include "base/digest.hpp"
#include "net/ssh_wire.hpp"

namespace pca {
namespace {

// A real key of `ssh-keygen -t ed25519`, the fingerprint it printed, and lines of `ssh-keygen -H`.
const std::string ed25519_text =
    "AAAAC3NzaC1lZDI1NTE5AAAAIP8wyITQfMmuqmDZalLhROBWTRhKF/iFewhzs+t1ZfGl";
const std::string ed25519_fingerprint = "SHA256:W8UlRCeFR22dnSpGPsG3+WQ5qhI8DVZLbURCtCXsFFs";
const std::string hashed_web = "|1|5C4zLJgJzqriL/6Yrjr7QAk24Gc=|Lxv0VnBljL09mT2/yQfWsHRbEx4=";
const std::string hashed_web_2222 = "|1|o7GLF/A5bUSW3C+uIdKqXNegY70=|0ErzaDdEg1ePwmNhIv4wS8jR1XM=";

HostKey ed25519() { return HostKey::from_blob(*base64_decode(ed25519_text)); }

// A made-up key: only its bytes matter here.
HostKey key(const std::string& type, const std::string& content) {
  std::string blob;
  append_wire_string(blob, type);
  append_wire_string(blob, content);
  return HostKey::from_blob(blob);
}
const HostKey rsa = key("ssh-rsa", "a");
const HostKey other_rsa = key("ssh-rsa", "b");
const HostKey ecdsa = key("ecdsa-sha2-nistp256", "c");

// "names type base64"
std::string line(const std::string& names, const HostKey& host_key) {
  return names + host_key.known_hosts_line("", 22) + "\n";
}

HostKeyPins pins(const std::string& known_hosts,
                 const std::vector<std::string>& fingerprints = {}) {
  auto parsed = HostKeyPins::parse(known_hosts, fingerprints);
  if (!parsed) {
    ADD_FAILURE() << parsed.error().message;
    return {};
  }
  return *std::move(parsed);
}

std::string mistake(const std::string& known_hosts,
                    const std::vector<std::string>& fingerprints = {}) {
  const auto parsed = HostKeyPins::parse(known_hosts, fingerprints);
  if (parsed) return "accepted";
  EXPECT_EQ(parsed.error().kind, ErrorKind::bad_input);
  return parsed.error().message;
}

TEST(HostKey, FingerprintAndLineAreThoseOfOpenSsh) {
  EXPECT_EQ(ed25519().type, "ssh-ed25519");
  EXPECT_EQ(ed25519().fingerprint(), ed25519_fingerprint);
  EXPECT_EQ(ed25519().known_hosts_line("Web.example.com", 22),
            "web.example.com ssh-ed25519 " + ed25519_text);
  EXPECT_EQ(ed25519().known_hosts_line("::1", 2222), "[::1]:2222 ssh-ed25519 " + ed25519_text);
  EXPECT_EQ(HostKey::from_blob("\x7F").type, "");
}

TEST(HostKeyPins, NothingGivenKnowsNobody) {
  const HostKeyPins none;
  EXPECT_FALSE(none.knows("web", 22));
  EXPECT_EQ(none.judge("web", 22, rsa), HostKeyVerdict::unknown);
  EXPECT_EQ(none.preferred_types("web", 22), "");
  EXPECT_TRUE(none.describe("web", 22).empty());
}

TEST(HostKeyPins, APlainLineVouchesForItsHostsOnly) {
  const HostKeyPins pinned = pins("# comment\n\n" + line("Web,10.0.0.5", rsa));
  EXPECT_EQ(pinned.judge("web", 22, rsa), HostKeyVerdict::trusted);
  EXPECT_EQ(pinned.judge("WEB", 22, rsa), HostKeyVerdict::trusted);
  EXPECT_EQ(pinned.judge("10.0.0.5", 22, rsa), HostKeyVerdict::trusted);
  EXPECT_EQ(pinned.judge("web", 22, other_rsa), HostKeyVerdict::mismatch);
  EXPECT_EQ(pinned.judge("web", 22, ecdsa), HostKeyVerdict::mismatch);
  EXPECT_EQ(pinned.judge("web2", 22, rsa), HostKeyVerdict::unknown);
  EXPECT_TRUE(pinned.knows("web", 22));
  EXPECT_FALSE(pinned.knows("web2", 22));
}

TEST(HostKeyPins, HashedNamesAreFound) {
  const HostKeyPins pinned = pins(hashed_web + " ssh-ed25519 " + ed25519_text + " comment\n" +
                                  hashed_web_2222 + line("", rsa));
  EXPECT_EQ(pinned.judge("web.example.com", 22, ed25519()), HostKeyVerdict::trusted);
  EXPECT_EQ(pinned.judge("web.example.com", 22, rsa), HostKeyVerdict::mismatch);
  EXPECT_EQ(pinned.judge("web.example.com", 2222, rsa), HostKeyVerdict::trusted);
  EXPECT_EQ(pinned.judge("web.example.org", 22, ed25519()), HostKeyVerdict::unknown);
}

TEST(HostKeyPins, APortIsPartOfTheName) {
  const HostKeyPins pinned = pins(line("[web]:2222", rsa) + line("[mail]:22", rsa));
  EXPECT_EQ(pinned.judge("web", 2222, rsa), HostKeyVerdict::trusted);
  EXPECT_EQ(pinned.judge("web", 2222, ecdsa), HostKeyVerdict::mismatch);
  EXPECT_EQ(pinned.judge("web", 22, rsa), HostKeyVerdict::unknown);
  EXPECT_EQ(pinned.judge("mail", 22, rsa), HostKeyVerdict::trusted);
}

TEST(HostKeyPins, ALineWithoutPortVouchesOnOtherPortsButContradictsNothingThere) {
  const HostKeyPins pinned = pins(line("web", rsa));
  EXPECT_EQ(pinned.judge("web", 2222, rsa), HostKeyVerdict::trusted);
  EXPECT_EQ(pinned.judge("web", 2222, ecdsa), HostKeyVerdict::unknown);
}

TEST(HostKeyPins, PatternsMatchLikeOpenSsh) {
  const HostKeyPins pinned = pins(line("*.Example.com,!db?.example.com,*-*-x", rsa));
  EXPECT_EQ(pinned.judge("web.example.com", 22, rsa), HostKeyVerdict::trusted);
  EXPECT_EQ(pinned.judge("a.b.example.com", 22, rsa), HostKeyVerdict::trusted);
  EXPECT_EQ(pinned.judge("example.com", 22, rsa), HostKeyVerdict::unknown);
  EXPECT_EQ(pinned.judge("db1.example.com", 22, rsa), HostKeyVerdict::unknown);
  EXPECT_EQ(pinned.judge("db12.example.com", 22, rsa), HostKeyVerdict::trusted);
  EXPECT_EQ(pinned.judge("a-b-c-x", 22, rsa), HostKeyVerdict::trusted);
  EXPECT_EQ(pinned.judge("a-b-c-y", 22, rsa), HostKeyVerdict::unknown);
}

TEST(HostKeyPins, APatternCannotBeMadeSlow) {
  const HostKeyPins pinned = pins(line(std::string(200, '*') + "a*a*a*a*a*a*a*a*b", rsa));
  EXPECT_EQ(pinned.judge(std::string(250, 'a'), 22, rsa), HostKeyVerdict::unknown);
}

TEST(HostKeyPins, RevokedBeatsEveryOtherLineAndFingerprint) {
  const HostKeyPins pinned =
      pins(line("web", rsa) + "@revoked " + line("*", rsa), {rsa.fingerprint()});
  EXPECT_EQ(pinned.judge("web", 22, rsa), HostKeyVerdict::revoked);
  EXPECT_EQ(pinned.judge("unheard.of", 2222, rsa), HostKeyVerdict::revoked);
  EXPECT_EQ(pins("@revoked " + line("*", rsa)).judge("web", 22, ecdsa), HostKeyVerdict::unknown);
}

TEST(HostKeyPins, ACertAuthorityForTheHostNamesTheLimitation) {
  const HostKeyPins pinned = pins(line("web.corp", rsa) + "@cert-authority " + line("*.corp", rsa));
  const auto refused = pinned.check_host("web.corp", 22);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::bad_input);
  EXPECT_EQ(refused.error().message,
            "known-hosts line 2: @cert-authority for web.corp cannot be used: certificates of "
            "hosts are not checked");
  EXPECT_TRUE(pinned.check_host("web.example.com", 22));
  EXPECT_EQ(pinned.judge("other.corp", 22, rsa), HostKeyVerdict::unknown);
}

TEST(HostKeyPins, FingerprintsHoldForEveryHost) {
  const HostKeyPins pinned = pins("", {ed25519_fingerprint, rsa.fingerprint() + "="});
  EXPECT_TRUE(pinned.knows("web", 22));
  EXPECT_TRUE(pinned.has_fingerprints());
  EXPECT_EQ(pinned.judge("web", 22, ed25519()), HostKeyVerdict::trusted);
  EXPECT_EQ(pinned.judge("mail", 2222, rsa), HostKeyVerdict::trusted);
  EXPECT_EQ(pinned.judge("web", 22, ecdsa), HostKeyVerdict::mismatch);
  EXPECT_EQ(pinned.preferred_types("web", 22), "");
}

TEST(HostKeyPins, PinnedTypesAreAskedFor) {
  const HostKeyPins pinned = pins(line("web", rsa) + line("web", ecdsa) + line("mail", ed25519()) +
                                  "@revoked " + line("web", key("ecdsa-sha2-nistp521", "d")));
  EXPECT_EQ(pinned.preferred_types("web", 22), "ecdsa-sha2-nistp256,rsa-sha2-512,rsa-sha2-256");
  EXPECT_EQ(pinned.preferred_types("mail", 22), "ssh-ed25519");
  EXPECT_EQ(pinned.preferred_types("mail", 2222), "ssh-ed25519");
  EXPECT_EQ(pinned.preferred_types("db", 22), "");
}

TEST(HostKeyPins, WhatIsPinnedIsDescribedForMessages) {
  const HostKeyPins pinned =
      pins("#\n" + line("web", ed25519()) + line("db", rsa), {rsa.fingerprint()});
  EXPECT_EQ(
      pinned.describe("web", 22),
      (std::vector<std::string>{"ssh-ed25519 " + ed25519_fingerprint + " (known-hosts line 2)",
                                rsa.fingerprint() + " (host-key)"}));
}

TEST(HostKeyPins, AHostMayBeCalledLikeAKeyType) {
  const auto pins = HostKeyPins::parse(line("ssh-gateway", ed25519()), {});
  ASSERT_TRUE(pins) << pins.error().message;
  EXPECT_EQ(pins->judge("ssh-gateway", 22, ed25519()), HostKeyVerdict::trusted);
}

TEST(HostKeyPins, EveryMistakeIsToldWithItsLine) {
  const std::string text = "web ssh-rsa\n" + line("good", rsa) + "@foo web ssh-rsa AAAA\n" +
                           "web ssh-ed25519 not*base64\n" + "web ssh-ed25519 " +
                           base64_encode(sha256("x")) + "\n" + "ssh-ed25519 " + ed25519_text +
                           "\n" + "web 1024 35 12345\n" + "|1|AAAA|BBBB ssh-ed25519 " +
                           ed25519_text + "\n" + line("web", key("\x1B[2J", "x"));
  EXPECT_EQ(mistake(text, {"SHA256:short", "MD5:ab:cd"}),
            "known-hosts line 1: it needs a host name, a key type and a key\n"
            "known-hosts line 3: unknown marker \"@foo\" (there are @revoked and @cert-authority)\n"
            "known-hosts line 4: its key is not base64, or is cut short\n"
            "known-hosts line 5: it says ssh-ed25519, but its key is damaged\n"
            "known-hosts line 6: it names no host: put the name (or [name]:port) before "
            "\"ssh-ed25519\"\n"
            "known-hosts line 7: it holds a key of the SSH-1 protocol, which proves nothing\n"
            "known-hosts line 8: its hashed host name is damaged\n"
            "known-hosts line 9: it says \\x1B[2J, but its key is of type \\x1B[2J\n"
            "host-key \"SHA256:short\": after SHA256: come 43 characters of base64, not 5 as here\n"
            "host-key \"MD5:ab:cd\": MD5 fingerprints prove nothing; `ssh-keygen -l` prints the "
            "SHA256 one");
  EXPECT_EQ(mistake("web ssh-ed25519 " + rsa.known_hosts_line("", 22).substr(9)),
            "known-hosts line 1: it says ssh-ed25519, but its key is of type ssh-rsa");
}

TEST(HostKeyPins, FingerprintsMustBeSha256) {
  EXPECT_EQ(mistake("", {"16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48"}),
            "host-key \"16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48\": MD5 fingerprints prove "
            "nothing; `ssh-keygen -l` prints the SHA256 one");
  EXPECT_EQ(mistake("", {"ssh-ed25519"}),
            "host-key \"ssh-ed25519\": a fingerprint is SHA256: and 43 characters, as `ssh-keygen "
            "-l` prints it");
}

TEST(HostKeyPins, SizesAreLimited) {
  EXPECT_EQ(mistake(std::string(1048577, '#')), "known-hosts is longer than 1MiB");
  EXPECT_EQ(mistake("web ssh-rsa " + std::string(16384, 'A')),
            "known-hosts line 1: it is longer than 16384 bytes");
  std::string many;
  for (int i = 0; i <= 10'000; ++i) many += line("w", rsa);
  EXPECT_EQ(mistake(many), "known-hosts has more than 10000 keys");
  std::string bad;
  for (int i = 0; i < 30; ++i) bad += "x\n";
  EXPECT_TRUE(mistake(bad).ends_with(
      "known-hosts line 20: it needs a host name, a key type and a key\nand 10 more"));
}

}  // namespace
}  // namespace pca
