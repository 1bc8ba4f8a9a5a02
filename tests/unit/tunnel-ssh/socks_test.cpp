#include "tunnel-ssh/socks.hpp"

#include <gtest/gtest.h>

namespace pca::tunnel_ssh {
namespace {

using namespace std::string_literals;

const std::string hello5 = "\x05\x01\x00"s;
const std::string welcome5 = "\x05\x00"s;

// Feeds one byte at a time, as a slow client does; all replies together.
struct Talk {
  SocksHandshake socks;
  std::string replies;
  std::optional<SocksHandshake::Target> target;
  bool failed = false;

  explicit Talk(const std::string& bytes) {
    for (const char c : bytes) {
      const SocksHandshake::Step step = socks.feed({&c, 1});
      replies += step.reply;
      if (step.failed) failed = true;
      if (step.target) target = step.target;
      if (failed || target) break;
    }
  }
};

TEST(SocksTest, Version5ConnectsToAName) {
  const Talk talk(hello5 +
                  "\x05\x01\x00\x03\x02"
                  "db\x15\x38"s);
  ASSERT_TRUE(talk.target);
  EXPECT_EQ(talk.target->host, "db");
  EXPECT_EQ(talk.target->port, 5432);
  EXPECT_EQ(talk.replies, welcome5);
  EXPECT_EQ(talk.socks.connected(), "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"s);
  EXPECT_EQ(talk.socks.refused(), "\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"s);
}

TEST(SocksTest, Version5ConnectsToAddresses) {
  EXPECT_EQ(Talk(hello5 + "\x05\x01\x00\x01\x0A\x00\x00\x05\x00\x16"s).target->host, "10.0.0.5");
  EXPECT_EQ(Talk(hello5 + "\x05\x01\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x05\x00\x16"s)
                .target->host,
            "2001:db8:0:0:0:0:0:5");
}

TEST(SocksTest, AClientInAHurryIsServedAtOnce) {
  SocksHandshake socks;
  const auto step = socks.feed(hello5 +
                               "\x05\x01\x00\x03\x01"
                               "x\x00\x50GET /"s);
  EXPECT_EQ(step.reply, welcome5);
  EXPECT_EQ(step.target->host, "x");
  EXPECT_EQ(socks.early_data(), "GET /");
}

TEST(SocksTest, Version5WithoutTheMethodNoneIsRefused) {
  const Talk talk("\x05\x01\x02"s);
  EXPECT_TRUE(talk.failed);
  EXPECT_EQ(talk.replies, "\x05\xFF"s);
}

TEST(SocksTest, OnlyConnectIsSupported) {
  const Talk talk(hello5 + "\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50"s);
  EXPECT_TRUE(talk.failed);
  EXPECT_EQ(talk.replies, welcome5 + "\x05\x07\x00\x01\x00\x00\x00\x00\x00\x00"s);
}

TEST(SocksTest, UnknownAddressKindsAreRefused) {
  for (const char kind : {'\x02', '\x09', '\xff'}) {
    const Talk talk(hello5 + "\x05\x01\x00"s + kind + "\x01"s);
    EXPECT_TRUE(talk.failed);
    EXPECT_EQ(talk.replies, welcome5 + "\x05\x08\x00\x01\x00\x00\x00\x00\x00\x00"s);
  }
}

TEST(SocksTest, Version4ConnectsToAnAddress) {
  const Talk talk("\x04\x01\x00\x16\x0A\x00\x00\x05me\x00"s);
  EXPECT_EQ(talk.target->host, "10.0.0.5");
  EXPECT_EQ(talk.target->port, 22);
  EXPECT_EQ(talk.socks.connected(), "\x00\x5A\x00\x00\x00\x00\x00\x00"s);
}

TEST(SocksTest, Version4aConnectsToAName) {
  const Talk talk(
      "\x04\x01\x00\x50\x00\x00\x00\x01\x00"
      "db.internal\x00"s);
  EXPECT_EQ(talk.target->host, "db.internal");
  EXPECT_EQ(talk.socks.refused(), "\x00\x5B\x00\x00\x00\x00\x00\x00"s);
}

TEST(SocksTest, ATooLongNameEndsItHoweverItIsCut) {
  const std::string user = "\x04\x01\x00\x50\x0A\x00\x00\x05"s + std::string(300, 'x') + "\x00"s;
  const std::string name =
      "\x04\x01\x00\x50\x00\x00\x00\x01\x00"s + std::string(300, 'x') + "\x00"s;
  for (const std::string& request : {user, name}) {
    EXPECT_TRUE(Talk(request).failed);
    SocksHandshake at_once;
    EXPECT_TRUE(at_once.feed(request).failed);
  }
}

TEST(SocksTest, ANameThatIsNoneIsRefused) {
  for (const std::string& name : {"a\0b"s, "a b"s, "\x1B[m"s}) {
    const std::string length(1, static_cast<char>(name.size()));
    const Talk talk(hello5 + "\x05\x01\x00\x03"s + length + name + "\x00\x16"s);
    EXPECT_TRUE(talk.failed) << name;
    EXPECT_EQ(talk.replies, welcome5 + talk.socks.refused());
  }
}

TEST(SocksTest, OtherProtocolsAndEndlessNamesEnd) {
  EXPECT_TRUE(Talk("GET / HTTP/1.1\r\n").failed);
  EXPECT_TRUE(Talk("\x04\x01\x00\x50\x00\x00\x00\x01"s + std::string(1000, 'x')).failed);
  EXPECT_TRUE(Talk("\x04\x01\x00\x50\x00\x00\x00\x01\x00"s + std::string(1000, 'x')).failed);
}

}  // namespace
}  // namespace pca::tunnel_ssh
