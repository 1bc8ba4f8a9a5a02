#include "base/digest.hpp"

#include <gtest/gtest.h>

#include <set>

namespace pca {
namespace {

std::string base64(std::string_view text) {
  return base64_encode({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

TEST(Digest, Sha256GivesThePublishedValues) {
  // FIPS 180-2, appendix B.1, and the empty text.
  EXPECT_EQ(to_hex(sha256("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Digest, Base64GivesThePublishedValues) {
  // RFC 4648, section 10.
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
}

TEST(Digest, Base64ReadsBackWhatItWrote) {
  std::string text;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(base64_decode(base64(text)), text);
    text += static_cast<char>(i * 7);
  }
}

TEST(Digest, Base64HandlesMoreThanOneGroup) {
  const std::string large(10'000'001, 'x');
  EXPECT_TRUE(base64_decode(base64(large)) == large);
}

TEST(Digest, Base64TakesLineBreaksAndNothingElse) {
  EXPECT_EQ(base64_decode("Zm9v\r\nYmFy\n"), "foobar");
  for (const char* text :
       {"Zm9v YmFy", "Zm9", "Zg=", "Z===", "=", "Zg==Zg==", "Zm-_", "Zm9vYmFy=", "Zg\t=="}) {
    EXPECT_FALSE(base64_decode(text)) << text;
  }
  EXPECT_EQ(base64_decode("Zm-_").error().message,
            "not base64: it holds a character outside the alphabet");
  EXPECT_EQ(base64_decode("Zm9").error().message, "not base64: it is cut short");
}

TEST(Digest, RandomTextsDiffer) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const std::string text = random_hex(16);
    EXPECT_EQ(text.size(), 32U);
    EXPECT_EQ(text.find_first_not_of("0123456789abcdef"), std::string::npos);
    EXPECT_TRUE(seen.insert(text).second);
  }
}

}  // namespace
}  // namespace pca
