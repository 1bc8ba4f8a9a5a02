#include "net/ssh_greeting.hpp"

#include <gtest/gtest.h>

#include "net/ssh_wire.hpp"

namespace pca {
namespace {

using List = SshGreeting::List;
using Names = std::vector<std::string>;

std::string packet(const std::string& payload) {
  std::string text;
  append_wire_number(text, payload.size() + 1 + 4);
  text += '\4';  // length of the padding
  return text + payload + std::string(4, '\0');
}

std::string kexinit(const std::vector<std::string>& lists) {
  std::string payload = "\x14" + std::string(16, 'c');
  for (const std::string& list : lists) append_wire_string(payload, list);
  return packet(payload);
}

const std::string whole = "Welcome!\r\n\r\nSSH-2.0-OpenSSH_9.2p1 Debian\r\n" +
                          kexinit({"curve25519-sha256,ecdh", "ssh-ed25519", "aes128-gcm",
                                   "aes256-gcm", "", "hmac", "none", "none", "", ""});

TEST(SshGreeting, TellsWhatTheServerOffersHoweverItArrives) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, whole.size()}) {
    SshGreeting greeting;
    for (std::size_t at = 0; at < whole.size(); at += piece) {
      EXPECT_FALSE(greeting.is_complete());
      ASSERT_TRUE(greeting.feed(whole.substr(at, piece)));
    }
    EXPECT_TRUE(greeting.is_complete());
    EXPECT_EQ(greeting.identification(), "SSH-2.0-OpenSSH_9.2p1 Debian");
    EXPECT_EQ(greeting.preceding_text(), "Welcome!");
    EXPECT_EQ(greeting.offered(List::kex), (Names{"curve25519-sha256", "ecdh"}));
    EXPECT_EQ(greeting.offered(List::host_key), Names{"ssh-ed25519"});
    EXPECT_EQ(greeting.offered(List::cipher_up), Names{"aes128-gcm"});
    EXPECT_EQ(greeting.offered(List::cipher_down), Names{"aes256-gcm"});
    EXPECT_EQ(greeting.offered(List::mac_up), Names{});
    EXPECT_EQ(greeting.offered(List::mac_down), Names{"hmac"});
  }
}

TEST(SshGreeting, OtherPacketsMayComeBeforeTheLists) {
  SshGreeting greeting;
  ASSERT_TRUE(greeting.feed("SSH-2.0-x\n" + packet("\2ignore me") + kexinit({"kex"})));
  EXPECT_TRUE(greeting.is_complete());
  EXPECT_EQ(greeting.offered(List::kex), Names{"kex"});
  EXPECT_EQ(greeting.offered(List::host_key), Names{});
}

TEST(SshGreeting, WhatComesBehindIsNotLookedAt) {
  SshGreeting greeting;
  ASSERT_TRUE(greeting.feed(whole));
  ASSERT_TRUE(greeting.feed(std::string(1U << 20U, '\n')));
  EXPECT_EQ(greeting.offered(List::host_key), Names{"ssh-ed25519"});
}

TEST(SshGreeting, AnAbsurdPacketIsLeftToLibssh2) {
  SshGreeting greeting;
  ASSERT_TRUE(greeting.feed("SSH-2.0-x\n\xFF\xFF\xFF\xFF"));
  EXPECT_TRUE(greeting.is_complete());
  EXPECT_EQ(greeting.offered(List::kex), Names{});
}

TEST(SshGreeting, GivesUpOnWhatIsNoSshServer) {
  SshGreeting lines;
  Result<> fed;
  int count = 0;
  for (; fed && count < 2000; ++count) fed = lines.feed("x\n");
  EXPECT_EQ(count, 1025);
  EXPECT_EQ(fed.error().kind, ErrorKind::unreachable);

  SshGreeting line;
  fed = {};
  for (count = 0; fed && count < 100; ++count) fed = line.feed(std::string(1024, 'x'));
  EXPECT_EQ(count, 65);
  EXPECT_TRUE(fed.error().message.starts_with(
      "the server does not identify itself as an SSH server; it sent 66560 bytes: xxx"));

  SshGreeting old;
  fed = old.feed("SSH-1.5-x\n");
  ASSERT_FALSE(fed);
  EXPECT_EQ(fed.error().message, "the server does not speak SSH-2; it says SSH-1.5-x");
  EXPECT_TRUE(SshGreeting().feed("SSH-1.99-x\n"));
}

TEST(SshGreeting, WhatWasSaidInsteadIsMadeVisibleAndCut) {
  SshGreeting greeting;
  ASSERT_TRUE(greeting.feed("\x1B[2J no newline"));
  EXPECT_EQ(greeting.preceding_text(), "\\x1B[2J no newline");
  ASSERT_TRUE(greeting.feed(std::string(300, 'y')));
  EXPECT_LE(greeting.preceding_text().size(), 204U);
}

}  // namespace
}  // namespace pca
