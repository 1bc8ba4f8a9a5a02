#include "base/secret.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <type_traits>

#include "runner/redactor.hpp"

namespace pca {
namespace {

// What must not compile.
template <typename T>
concept Streamable = requires(std::ostream& out, const T& value) {
  out << value;
};
template <typename T>
concept Appendable = requires(std::string& text, const T& value) {
  text += value;
};
template <typename T>
concept Comparable = requires(const T& one, const T& other) {
  one == other;
};

static_assert(Streamable<std::string> && !Streamable<Secret>);
static_assert(fmt::is_formattable<std::string>::value && !fmt::is_formattable<Secret>::value);
static_assert(Appendable<std::string> && !Appendable<Secret>);
static_assert(Comparable<std::string> && !Comparable<Secret>);  // it would stop at a difference
static_assert(!std::is_copy_constructible_v<Secret> && !std::is_copy_assignable_v<Secret>);
static_assert(std::is_nothrow_move_constructible_v<Secret> &&
              std::is_nothrow_move_assignable_v<Secret>);
// Only a Redactor makes one, so nobody has a secret that is not blanked.
static_assert(!std::is_constructible_v<Secret, std::string> &&
              !std::is_constructible_v<Secret, const char*> &&
              !std::is_convertible_v<std::string, Secret>);
static_assert(!std::is_convertible_v<Secret, std::string> &&
              !std::is_convertible_v<Secret, std::string_view>);
static_assert(!std::is_copy_constructible_v<WipedText> && !std::is_copy_assignable_v<WipedText>);

TEST(SecretTest, IsEmptyOnceItWasMoved) {
  Redactor redactor;
  Secret first = redactor.protect("correct horse");
  const Secret second = std::move(first);
  EXPECT_EQ(second.expose(), "correct horse");
  EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move)
}

}  // namespace
}  // namespace pca
