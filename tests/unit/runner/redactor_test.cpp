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

// As base64 (76), openssl and PEM (64) print it.
std::string in_lines(std::string_view digits, std::size_t width, std::string_view line_end = "\n") {
  std::string out;
  for (; !digits.empty(); digits.remove_prefix(std::min(width, digits.size()))) {
    out += digits.substr(0, width);
    out += line_end;
  }
  return out;
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

TEST_F(RedactorTest, BlanksBase64ThatGoesOnOverLines) {
  const std::string token = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
  const std::string phrase =
      "correct horse battery staple, correct horse battery staple, and so on.";
  ASSERT_EQ(phrase.size(), 70U);
  protect(token);
  protect(phrase);
  for (const std::string& secret : {token, phrase}) {
    for (const std::size_t width : {std::size_t{76}, std::size_t{64}, std::size_t{20}}) {
      for (const char* line_end : {"\n", "\r\n", "\n  ", "\r\n\t", "\n                "}) {
        SCOPED_TRACE(std::to_string(width) + " " + line_end);
        for (const char* before : {"", "x", "xy"}) {
          const std::string digits = base64(std::string(before) + secret + "xyz");
          const std::string shown = redact(in_lines(digits, width, line_end));
          // Up to two digits are of both the secret and what is before or behind it.
          EXPECT_LT(shown.size(), 45U + 11 * std::string_view(line_end).size()) << shown;
          EXPECT_NE(shown.find("***"), std::string::npos);
        }
      }
    }
  }
  EXPECT_EQ(redact("a\n" + in_lines(base64(token), 76) + "b\n"), "a\n***g==\nb\n");
}

TEST_F(RedactorTest, BlanksBase64OfAShortSecretAcrossTheEndOfALine) {
  protect("correct horse");
  for (std::size_t before = 45; before <= 57; ++before) {
    const std::string text = std::string(before, '.') + "correct horse" + std::string(9, '.');
    const std::string shown = redact(in_lines(base64(text), 76));
    EXPECT_NE(shown.find("***"), std::string::npos) << shown;
  }
}

TEST_F(RedactorTest, OnlyTheEndOfALineIsTakenOutOfBase64) {
  protect("correct horse");
  const std::string digits = base64("correct horse ");
  for (const char* between : {" ", "\n\n", "\r", "\n                 ", "\n.", "\\n"}) {
    std::string text = digits;
    text.insert(8, between);
    EXPECT_EQ(redact(text), text);
  }
  EXPECT_EQ(redact("correct\n horse"), "correct\n horse");
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

// However it ends: the next line may be long in coming.
TEST_F(RedactorTest, AStreamShowsAWholeLineAtOnce) {
  protect("hunter2-hunter2-hunter2");
  const std::string digits = base64("hunter2-hunter2-hunter2");
  for (std::size_t begun = 0; begun < 8; ++begun) {
    const std::string line = "ready " + digits.substr(0, begun) + "\n";
    RedactingStream stream(redactor_);
    EXPECT_EQ(stream.feed(line), line);
  }
}

TEST_F(RedactorTest, AStreamHoldsBackBase64OverTheEndOfALine) {
  protect("correct horse");  // Y29ycmVjdCBob3Jz and what follows
  RedactingStream stream(redactor_);
  EXPECT_EQ(stream.feed("a Y29ycmVj"), "a ");
  EXPECT_EQ(stream.feed("\r"), "");
  EXPECT_EQ(stream.feed("\n "), "");
  EXPECT_EQ(stream.feed(" dCBob3"), "");
  EXPECT_EQ(stream.feed("\nJzZSBi\n"), "***SBi\n");
  EXPECT_EQ(stream.feed("Y29ycmVj\r"), "");
  EXPECT_EQ(stream.feed("."), "Y29ycmVj\r.");
  EXPECT_EQ(stream.feed("Y29ycmVj\n"), "");
  EXPECT_EQ(stream.feed("\n"), "Y29ycmVj\n\n");
  EXPECT_EQ(stream.feed("Y29ycmVj\n"), "");
  EXPECT_EQ(stream.finish(), "Y29ycmVj\n");
}

TEST_F(RedactorTest, AStreamHoldsBackNoMoreThanTheLongestSecretTakesUp) {
  protect(std::string(64, '\0'));  // AAAA... as base64: all of the text could be its beginning
  RedactingStream stream(redactor_);
  std::size_t fed = 0;
  std::size_t given = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::string chunk = i % 10 == 0 ? "B" : "AAAAAAAA\n                ";
    fed += chunk.size();
    given += stream.feed(chunk).size();
    ASSERT_LE(fed - given, 90U * 18);
  }
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
  protect("correct horse");
  const std::string digits = base64("correct horse.");
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::string text;
    while (text.size() < 200) {
      const unsigned choice = static_cast<unsigned>(random()) % 15;
      text += choice == 0    ? key.substr(0, random() % key.size())
              : choice == 1  ? "aabaab"
              : choice < 8   ? "a"
              : choice < 12  ? "b"
              : choice == 12 ? "\r"
              : choice == 13 ? in_lines(digits, random() % digits.size() + 1, "\r\n  ")
                             : in_lines(digits, random() % digits.size() + 1);
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
