#include "cli/input_file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <thread>

namespace pca {
namespace {

class InputFileTest : public testing::Test {
 protected:
  InputFileTest() : path_(testing::TempDir() + "input-file-" + std::to_string(::getpid())) {}
  ~InputFileTest() override { std::filesystem::remove(path_); }

  std::string path_;
};

TEST_F(InputFileTest, AFileUpToTheLimitIsReadWhole) {
  std::string content(100'000, 'x');
  content[50'000] = '\0';
  std::ofstream(path_, std::ios::binary) << content;
  const auto whole = read_input_file(Budget::of(Milliseconds{5000}), path_, content.size());
  ASSERT_TRUE(whole) << whole.error().message;
  EXPECT_EQ(*whole, content);
  const auto cut = read_input_file(Budget::of(Milliseconds{5000}), path_, content.size() - 1);
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().message, "\"" + path_ + "\" holds more than 99999B");
}

TEST_F(InputFileTest, AnEndlessDeviceEndsAtTheLimit) {
  const auto content = read_input_file(Budget::of(Milliseconds{5000}), "/dev/zero", 1024);
  ASSERT_FALSE(content);
  EXPECT_EQ(content.error().message, "\"/dev/zero\" holds more than 1KiB");
}

TEST_F(InputFileTest, APipeIsReadUntilItsEnd) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  ASSERT_EQ(::write(ends[1], "from a pipe", 11), 11);
  ::close(ends[1]);
  const auto content =
      read_input_file(Budget::of(Milliseconds{5000}), "/dev/fd/" + std::to_string(ends[0]), 1024);
  ::close(ends[0]);
  ASSERT_TRUE(content) << content.error().message;
  EXPECT_EQ(*content, "from a pipe");
}

TEST_F(InputFileTest, ASilentPipeEndsWithTheBudget) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  const std::fstream writer(path_);
  const auto content = read_input_file(Budget::of(Milliseconds{20}), path_, 1024);
  ASSERT_FALSE(content);
  EXPECT_EQ(content.error().kind, ErrorKind::bad_input);
  EXPECT_EQ(content.error().message, "nothing came from \"" + path_ + "\" in time");
}

TEST_F(InputFileTest, ASilentPipeEndsOnCancel) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  const std::fstream writer(path_);
  std::stop_source source;
  std::thread canceller([&] { source.request_stop(); });
  const auto content =
      read_input_file(Budget::of(Milliseconds{60'000}, source.get_token()), path_, 1024);
  canceller.join();
  ASSERT_FALSE(content);
  EXPECT_EQ(content.error().kind, ErrorKind::cancelled);
}

}  // namespace
}  // namespace pca
