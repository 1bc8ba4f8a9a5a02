#include "runner/capture.hpp"

#include <gtest/gtest.h>

namespace pca {
namespace {

TEST(Capture, KeepsWhatFits) {
  Capture capture(1024);
  capture.feed("one\n");
  capture.feed("two");
  EXPECT_EQ(capture.text(), "one\ntwo");
}

TEST(Capture, JustTheLimitIsNotCut) {
  Capture capture(1024);
  capture.feed(std::string(1024, 'x'));
  EXPECT_EQ(capture.text(), std::string(1024, 'x'));
}

TEST(Capture, OneByteMoreIsCutAndMarked) {
  Capture capture(1024);
  capture.feed(std::string(1025, 'x'));
  EXPECT_EQ(capture.text(), std::string(1024, 'x') + "\n[cut at 1KiB]");
}

TEST(Capture, IsCutBetweenCodePoints) {
  Capture capture(4);
  capture.feed("ab\xE2\x82");
  capture.feed(
      "\xAC"
      "cd");
  EXPECT_EQ(capture.text(), "ab\n[cut at 4B]");
}

TEST(Capture, BrokenUtf8AndNulBecomeReplacementCharacters) {
  Capture capture(64);
  capture.feed(std::string_view("a\0b\xFF", 4));
  EXPECT_EQ(capture.text(),
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD");
}

TEST(Capture, ReplacementCharactersCountToo) {
  Capture capture(4);
  capture.feed("\xFF\xFF");
  EXPECT_EQ(capture.text(), "\xEF\xBF\xBD\n[cut at 4B]");
}

TEST(Capture, AHugeOutputIsCutAtItsLimit) {
  Capture capture(65536);
  const std::string chunk(32768, 'x');
  for (int i = 0; i < 3200; ++i) capture.feed(chunk);
  EXPECT_EQ(capture.text(), std::string(65536, 'x') + "\n[cut at 64KiB]");
}

TEST(Capture, ASecretAcrossTheLimitLeavesNoPart) {
  Redactor redactor;
  const Secret secret = redactor.protect("hunter2-hunter2");
  Capture capture(16, redactor);
  capture.feed("0123456789hunter");
  EXPECT_EQ(capture.text(), "0123456789hunter");  // not a secret as long as nothing follows
  capture.feed("2-hunter2 and more");
  EXPECT_EQ(capture.text(), "0123456789*** an\n[cut at 16B]");
}

}  // namespace
}  // namespace pca
