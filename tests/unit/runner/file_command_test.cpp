#include "runner/file_command.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

namespace pca {
namespace {

namespace fs = std::filesystem;

// A file in a directory of its own, removed with it.
class FileCommand : public testing::Test {
 protected:
  FileCommand() {
    std::string pattern = (fs::temp_directory_path() / "file-command-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
    path_ = (directory_ / "file").string();
  }
  ~FileCommand() override { fs::remove_all(directory_); }

  void given(const std::string& text) const { std::ofstream(path_) << text; }
  [[nodiscard]] std::string content() const {
    std::ostringstream out;
    out << std::ifstream(path_).rdbuf();
    return out.str();
  }

  fs::path directory_;
  std::string path_;
};

constexpr std::size_t mebibyte = std::size_t{1024} * 1024;
const std::string cut_note = "\n\n_The rest was cut: a summary holds at most 1 MiB._\n";

TEST_F(FileCommand, ARecordIsAHeredocWithARandomDelimiter) {
  const std::string record = file_command_record("stdout", "a=b\nEOF\r\n<<x");
  std::smatch match;
  ASSERT_TRUE(std::regex_match(
      record, match, std::regex("stdout<<(ghadelimiter_[0-9a-f]{32})\na=b\nEOF\r\n<<x\n\\1\n")));
  EXPECT_NE(record, file_command_record("stdout", "a=b\nEOF\r\n<<x"));
}

TEST_F(FileCommand, AnEmptyValueIsOneEmptyLine) {
  EXPECT_TRUE(std::regex_match(file_command_record("x", ""), std::regex("x<<(\\S+)\n\n\\1\n")));
}

TEST_F(FileCommand, ANameCannotBreakOutOfItsLine) {
  const std::string record = file_command_record("a=b\nc<<d", "v");
  EXPECT_EQ(record.substr(0, record.find("<<")), "a_b_c__d");
}

TEST_F(FileCommand, AppendsBehindWhatIsThere) {
  given("old\n");
  ASSERT_TRUE(append_file_command(path_, "new\n"));
  EXPECT_EQ(content(), "old\nnew\n");
}

TEST_F(FileCommand, OutsideActionsThereIsNothingToDo) {
  EXPECT_TRUE(append_file_command("", "x"));
  EXPECT_TRUE(append_step_summary("", "x"));
}

TEST_F(FileCommand, AMissingFileIsAnErrorThatNamesIt) {
  const auto result = append_file_command(path_, "x");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message, "cannot open " + path_ + ": no such file or directory");
  EXPECT_EQ(result.error().hint,
            "The runner makes this file for each step; check that the variable naming it was not "
            "changed and that the file is writable.");
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(FileCommand, AFullDiskIsReported) {
  EXPECT_EQ(append_file_command("/dev/full", "x").error().message,
            "cannot write to /dev/full: no space left on device");
}

TEST_F(FileCommand, ASummaryNeverGrowsOverOneMebibyte) {
  given(std::string(mebibyte - 100, 'x'));
  // 3 bytes each: the cut must not fall inside one.
  std::string euros;
  for (int i = 0; i < 100; ++i) euros += "\xE2\x82\xAC";
  ASSERT_TRUE(append_step_summary(path_, euros));
  const std::string text = content();
  EXPECT_LE(text.size(), mebibyte);
  EXPECT_GT(text.size(), mebibyte - 3);
  const std::string added = text.substr(mebibyte - 100);
  EXPECT_TRUE(added.ends_with("\xE2\x82\xAC" + cut_note)) << added;

  ASSERT_TRUE(append_step_summary(path_, euros));
  EXPECT_EQ(content(), text);
}

TEST_F(FileCommand, ASummaryThatJustFitsIsWhole) {
  given("");
  ASSERT_TRUE(append_step_summary(path_, std::string(mebibyte, 'x')));
  EXPECT_EQ(content(), std::string(mebibyte, 'x'));
}

}  // namespace
}  // namespace pca
