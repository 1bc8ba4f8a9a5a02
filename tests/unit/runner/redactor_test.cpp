#include "runner/redactor.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/digest.hpp"
#include "base/json.hpp"

namespace pca {
namespace {

// Throwaway text in the shape of a key.
const std::string key =
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ/+AAAAAAAAA\n"
    "QyNTUxOQAAACDexampleexampleexampleexample+exampleexamp\n"
    "ab=\n"
    "-----END OPENSSH PRIVATE KEY-----\n";

std::string base64(std::string_view text) {
  return base64_encode({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

class RedactorTest : public testing::Test {
 protected:
  void protect(std::string text) { secrets_.push_back(redactor_.protect(std::move(text))); }
  [[nodiscard]] std::string redact(std::string_view text) const { return redactor_.redact(text); }

  Redactor redactor_;
  std::vector<Secret> secrets_;
};

TEST_F(RedactorTest, BlanksTheTextWhereverItStands) {
  protect("s3cret");
  EXPECT_EQ(redact("s3cret"), "***");
  EXPECT_EQ(redact("a s3crets3cret b S3CRET s3cre"), "a ****** b S3CRET s3cre");
  EXPECT_EQ(redact(""), "");
}

TEST_F(RedactorTest, WithoutSecretsNothingChanges) { EXPECT_EQ(redact("text"), "text"); }

TEST_F(RedactorTest, BlanksEachLineOfAMultiLineSecret) {
  protect(key);
  EXPECT_EQ(redact("> QyNTUxOQAAACDexampleexampleexampleexample+exampleexamp <"), "> *** <");
  EXPECT_EQ(redact(key), "***");
  EXPECT_EQ(redact("-----BEGIN OPENSSH PRIVATE KEY-----"), "-----BEGIN OPENSSH PRIVATE KEY-----");
  EXPECT_EQ(redact("ab="), "ab=");
}

TEST_F(RedactorTest, AKeyPastedIntoOneLineIsNoShortSecret) {
  std::string line = key;
  std::replace(line.begin(), line.end(), '\n', ' ');
  protect(line);
  EXPECT_FALSE(redactor_.take_short_secret_notice());
  EXPECT_EQ(redactor_.take_new_masks().size(), 1U);
}

TEST_F(RedactorTest, BlanksLinesThatATerminalEndedOtherwise) {
  protect("first line\nsecond line\n");
  EXPECT_EQ(redact("first line\r\nsecond line\r\n"), "***\r\n***\r\n");
}

TEST_F(RedactorTest, BlanksBase64InEachAlignment) {
  protect("correct horse");
  for (const char* before : {"", "x", "xy", "xyz"}) {
    for (const char* after : {"", "1", "12"}) {
      const std::string encoded = base64(std::string(before) + "correct horse" + after);
      EXPECT_NE(redact(encoded).find("***"), std::string::npos) << encoded;
    }
  }
  EXPECT_EQ(redact(base64("correct horse bat")), "***SBiYXQ=");
}

TEST_F(RedactorTest, BlanksBase64InTheUrlAlphabet) {
  const std::string text = "\xFB\xEF\xBE\xFB\xFF\xFF";
  protect(text);
  ASSERT_EQ(base64(text), "+++++///");
  EXPECT_EQ(redact("token=+++++///."), "token=***.");
  EXPECT_EQ(redact("token=-----___."), "token=***.");
}

TEST_F(RedactorTest, BlanksPercentEncodingInBothCases) {
  protect("a/b+c?d");
  EXPECT_EQ(redact("https://x/a%2Fb%2Bc%3Fd/"), "https://x/***/");
  EXPECT_EQ(redact("https://x/a%2fb%2bc%3fd/"), "https://x/***/");
}

TEST_F(RedactorTest, BlanksJsonEscapes) {
  protect("say \"hi\"\\\n\x01/end");
  Json json;
  json.set("x", "say \"hi\"\\\n\x01/end");
  EXPECT_EQ(redact(json.dump()), R"({"x":"***"})");
  EXPECT_EQ(redact(R"(say \"hi\"\\\n\u0001\/end)"), "***");
}

TEST_F(RedactorTest, FormsThatOverlapShareOneMark) {
  protect("abcdefgh");
  protect("efghijkl");
  EXPECT_EQ(redact("-abcdefghijkl-"), "-***-");
  protect("abcd");
  EXPECT_EQ(redact("-abcdefghijkl-abcdx"), "-***-***x");
}

TEST_F(RedactorTest, ShortSecretsStayAndAreToldOnce) {
  protect("abc");
  EXPECT_EQ(redact("abc"), "abc");
  EXPECT_TRUE(redactor_.take_short_secret_notice());
  EXPECT_FALSE(redactor_.take_short_secret_notice());
  protect("x");
  EXPECT_FALSE(redactor_.take_short_secret_notice());
}

TEST_F(RedactorTest, AnEmptySecretIsNotTold) {
  protect("");
  protect(" \n");
  EXPECT_FALSE(redactor_.take_short_secret_notice());
  EXPECT_TRUE(redactor_.take_new_masks().empty());
}

TEST_F(RedactorTest, MasksAreTheLinesWorthMaskingOnce) {
  protect(key);
  EXPECT_EQ(redactor_.take_new_masks(),
            (std::vector<std::string>{"b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ/+AAAAAAAAA",
                                      "QyNTUxOQAAACDexampleexampleexampleexample+exampleexamp"}));
  EXPECT_TRUE(redactor_.take_new_masks().empty());
  protect("  token-with-blanks \r\n");
  EXPECT_EQ(redactor_.take_new_masks(), (std::vector<std::string>{"token-with-blanks"}));
}

TEST_F(RedactorTest, AMaskIsToldOnceHoweverOftenItsTextIsProtected) {
  const std::vector<std::string> lines{"b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ/+AAAAAAAAA",
                                       "QyNTUxOQAAACDexampleexampleexampleexample+exampleexamp"};
  protect(lines[0] + "\r\n" + lines[1] + "\r\n");
  protect(key);  // the same put right
  EXPECT_EQ(redactor_.take_new_masks(), lines);
  protect(key);
  protect("another-one\nanother-one");
  EXPECT_EQ(redactor_.take_new_masks(), std::vector<std::string>{"another-one"});
}

TEST_F(RedactorTest, AStreamHoldsBackOnlyWhatCouldBeginASecret) {
  protect("s3cret");
  RedactingStream stream(redactor_);
  EXPECT_EQ(stream.feed("a line\nab s3c"), "a line\nab ");
  EXPECT_EQ(stream.feed("re"), "");
  EXPECT_EQ(stream.feed("t. s"), "***. ");
  EXPECT_EQ(stream.feed("ad"), "sad");
  EXPECT_EQ(stream.feed("s3cr"), "");
  EXPECT_EQ(stream.finish(), "s3cr");
  EXPECT_EQ(stream.finish(), "");
}

TEST_F(RedactorTest, AStreamLearnsSecretsThatComeLater) {
  RedactingStream stream(redactor_);
  EXPECT_EQ(stream.feed("token "), "token ");
  protect("s3cret");
  EXPECT_EQ(stream.feed("s3cret\n"), "***\n");
}

TEST_F(RedactorTest, ChunkBordersChangeNothing) {
  protect("aabaab");
  protect("baabaaba");
  protect(key);
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::string text;
    while (text.size() < 200) {
      const unsigned choice = static_cast<unsigned>(random()) % 12;
      text += choice == 0   ? key.substr(0, random() % key.size())
              : choice == 1 ? "aabaab"
              : choice < 8  ? "a"
                            : "b";
    }
    RedactingStream stream(redactor_);
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t size = std::min<std::size_t>(random() % 20, text.size() - at);
      out += stream.feed(std::string_view(text).substr(at, size));
      at += size;
    }
    out += stream.finish();
    ASSERT_EQ(out, redact(text)) << text;
  }
}

}  // namespace
}  // namespace pca
