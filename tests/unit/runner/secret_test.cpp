#include "base/secret.hpp"

#include <gtest/gtest.h>

#include "runner/redactor.hpp"

namespace pca {
namespace {

TEST(Secret, MovingLeavesNothingBehind) {
  Redactor redactor;
  Secret first = redactor.protect("correct horse battery staple");
  const Secret second = std::move(first);
  EXPECT_TRUE(first.empty());  // NOLINT: the point of this test
  EXPECT_EQ(second.expose(), "correct horse battery staple");
  EXPECT_EQ(second.size(), 28U);
}

TEST(Secret, WipeClearsTheWholeBuffer) {
  std::string text = "a secret that is too long for the object itself";
  const char* memory = text.data();
  const std::size_t size = text.size();
  wipe(text);
  EXPECT_TRUE(text.empty());
  // The buffer still belongs to `text`; every byte of it must be zero.
  EXPECT_EQ(std::string(memory, size), std::string(size, '\0'));
}

TEST(Secret, AShortSecretIsWipedOnMoveToo) {
  std::string text = "tiny";
  wipe(text);
  EXPECT_EQ(std::string(text.data(), 4), std::string(4, '\0'));
}

}  // namespace
}  // namespace pca
