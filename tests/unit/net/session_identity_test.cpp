#include "net/session_identity.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "runner/redactor.hpp"
#include "support/test_keys.hpp"

namespace pca {
namespace {

const std::string public_key =
    "AAAAC3NzaC1lZDI1NTE5AAAAIKNBVAF905U6niRdRieSOfQgDIcHWfaVrCcY7vsXnjsI";

class SessionIdentityTest : public ::testing::Test {
 protected:
  SessionIdentityTest() {
    settings_.user = "deploy";
    settings_.key = redactor_.protect(test::ed25519_openssh);
  }
  std::string digest(const std::string& host = "web1") {
    const auto address = parse_host_address(host);
    EXPECT_TRUE(address) << host;
    const auto identity = session_identity(settings_, *address);
    if (!identity) ADD_FAILURE() << identity.error().message;
    return identity ? identity->digest() : std::string();
  }
  void pin(const std::string& lines, const std::vector<std::string>& fingerprints = {}) {
    auto pins = HostKeyPins::parse(lines, fingerprints);
    ASSERT_TRUE(pins) << pins.error().message;
    settings_.pins = *std::move(pins);
  }

  Redactor redactor_;
  ConnectionSettings settings_;
};

TEST_F(SessionIdentityTest, TheSameHostIsTheSameHoweverItIsWritten) {
  const std::string plain = digest("web1");
  EXPECT_EQ(plain.size(), 64U);
  EXPECT_EQ(digest("deploy@web1:22"), plain);
  EXPECT_EQ(digest("WEB1"), plain);
  EXPECT_NE(digest("root@web1"), plain);
  EXPECT_NE(digest("web1:2222"), plain);
  EXPECT_NE(digest("web2"), plain);
}

TEST_F(SessionIdentityTest, LimitsAndTriesDoNotCount) {
  const std::string plain = digest();
  settings_.connect_timeout = Milliseconds{1};
  settings_.retry.tries = 9;
  EXPECT_EQ(digest(), plain);
}

TEST_F(SessionIdentityTest, EveryOtherInputCounts) {
  const std::string plain = digest();
  std::vector<std::string> digests{plain};
  const auto expect_new = [&](const char* what) {
    const std::string changed = digest();
    EXPECT_EQ(std::count(digests.begin(), digests.end(), changed), 0) << what;
    digests.push_back(changed);
  };
  settings_.via = Via::access;
  expect_new("via");
  settings_.access.hostname = "ssh.example.com";
  expect_new("access-hostname");
  settings_.access.port = 8443;
  expect_new("access-port");
  settings_.access.client_id = "id.access";
  expect_new("access-client-id");
  settings_.access.token = redactor_.protect("a.b.c");
  expect_new("access-token");
  settings_.access.destination = "db:22";
  expect_new("access-destination");
  settings_.access.ca_file = "/ca.pem";
  expect_new("access-ca");
  settings_.access.connect_to = "127.0.0.1:1";
  expect_new("access-connect-to");
  settings_.key = redactor_.protect(test::ecdsa_pem);
  expect_new("key");
  settings_.password = redactor_.protect("open sesame");
  expect_new("password");
  settings_.certificate = "ssh-ed25519-cert-v01@openssh.com AAAA";
  expect_new("certificate");
  settings_.agent_socket = "/agent";
  expect_new("agent");
  settings_.policy = HostKeyPolicy::insecure;
  expect_new("host-key-policy");
  settings_.jumps.emplace_back().address = {{}, "jump", 22};
  expect_new("jump");
  settings_.jumps.back().key = redactor_.protect(test::ed25519_openssh);
  expect_new("jump-keys");
}

TEST_F(SessionIdentityTest, ThePinsCountInAnyOrderAndWithoutComments) {
  const std::string one = "web1 ssh-ed25519 " + public_key + "\n";
  const std::string other = "web2 ssh-ed25519 " + public_key + "\n";
  const std::string plain = digest();
  pin(one + other);
  const std::string pinned = digest();
  EXPECT_NE(pinned, plain);
  pin("# web\n\n" + other + one);
  EXPECT_EQ(digest(), pinned);
  pin(one);
  EXPECT_NE(digest(), pinned);
}

TEST_F(SessionIdentityTest, APasswordItselfLeavesNoTrace) {
  settings_.password = redactor_.protect("open sesame");
  const std::string one = digest();
  settings_.password = redactor_.protect("another one");
  EXPECT_EQ(digest(), one);
}

TEST_F(SessionIdentityTest, WhatDiffersIsNamedByItsInput) {
  const auto before = session_identity(settings_, {{}, "web1", 22});
  settings_.policy = HostKeyPolicy::insecure;
  settings_.via = Via::access;
  const auto after = session_identity(settings_, {{}, "web1", 22});
  ASSERT_TRUE(before && after);
  EXPECT_EQ(after->differences(*before), (std::vector<std::string>{"via", "host-key-policy"}));
}

TEST_F(SessionIdentityTest, TheLastJumpsSessionIsThatOfACallToIt) {
  settings_.jumps.emplace_back().address = {{}, "outer", 22};
  settings_.jumps.emplace_back().address = {{}, "inner", 22};
  const auto identity = last_jump_identity(settings_);
  ASSERT_TRUE(identity);
  settings_.jumps.pop_back();
  EXPECT_EQ(identity->digest(), digest("inner"));
}

}  // namespace
}  // namespace pca
