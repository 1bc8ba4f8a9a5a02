#include "tunnel-ssh/tar_upload.hpp"

#include <gtest/gtest.h>

#include "base/text.hpp"
#include "support/temp_folder.hpp"

namespace pca::tunnel_ssh {
namespace {

using test::TempFolder;

std::string sent_by(TarUpload& upload) {
  std::string text;
  std::vector<char> buffer(1000);
  while (true) {
    const auto count = upload.read(buffer);
    if (!count) ADD_FAILURE() << count.error().message;
    if (!count || *count == 0) return text;
    text.append(buffer.data(), *count);
  }
}

std::string read_all(TarStream& archive) {
  std::string text;
  std::vector<char> buffer(1000);
  for (auto count = archive.read(buffer); count && *count > 0; count = archive.read(buffer)) {
    text.append(buffer.data(), *count);
  }
  return text;
}

// What the host makes of it.
std::string joined_pieces(std::string_view text) {
  std::string all;
  while (true) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (line == "end") {
      EXPECT_EQ(text, "");
      return all;
    }
    const auto size = static_cast<std::size_t>(*parse_integer(line, 1, 1 << 30));
    all += text.substr(0, size);
    text.remove_prefix(size);
  }
}

class TarUploads : public ::testing::Test {
 protected:
  TarUploads() {
    folder_.write("big", std::string(3'000'000, 'b'));
    const auto tree = read_file_tree(Budget::of(Milliseconds{10'000}), folder_.path(), {});
    entries_ = *tree;
  }
  [[nodiscard]] TarStream archive() const { return {{{"list", "text"}}, "new/", entries_}; }

  TempFolder folder_;
  std::vector<TreeEntry> entries_;
};

TEST_F(TarUploads, AnArchiveIsOnePieceWhenItIsSentAsItIs) {
  TarStream sent = archive();
  TarStream same = archive();
  TarUpload upload(sent, 0, {});
  const std::string text = sent_by(upload);
  EXPECT_TRUE(upload.is_at_end());
  EXPECT_EQ(text.substr(0, text.find('\n')), std::to_string(same.size()));
  EXPECT_TRUE(joined_pieces(text) == read_all(same));
}

TEST_F(TarUploads, PiecesOfACompressedOneMakeAWhole) {
  TarStream sent = archive();
  TarStream same = archive();
  std::uint64_t progress = 0;
  TarUpload upload(sent, 1, [&](std::uint64_t done, std::uint64_t) { progress = done; });
  const auto unpacked = gunzip(joined_pieces(sent_by(upload)), std::size_t{1} << 30U);
  ASSERT_TRUE(unpacked);
  EXPECT_TRUE(*unpacked == read_all(same));
  EXPECT_EQ(progress, same.size());
}

TEST_F(TarUploads, OnlyWhatCanBeMadeSmallOnASlowWayIsCompressed) {
  constexpr Milliseconds far{50};
  EXPECT_EQ(compression_level(entries_, far), 1);
  EXPECT_EQ(compression_level(entries_, Milliseconds{1}), 0);
  std::string noise(3'000'000, '\0');
  std::uint32_t state = 1;
  for (char& c : noise) c = static_cast<char>((state = state * 1664525U + 1013904223U) >> 24U);
  folder_.write("big", noise);
  EXPECT_EQ(compression_level(entries_, far), 0);
  entries_.front().size = 1000;
  EXPECT_EQ(compression_level(entries_, Milliseconds{1}), 9);
}

TEST_F(TarUploads, AFileThatChangesMeanwhileEndsIt) {
  TarStream sent = archive();
  folder_.write("big", std::string(2'999'999, 'b'));
  TarUpload upload(sent, 1, {});
  std::vector<char> buffer(1000);
  auto count = upload.read(buffer);
  while (count && *count > 0) count = upload.read(buffer);
  ASSERT_FALSE(count);
  EXPECT_TRUE(count.error().message.ends_with("big changed while it was being sent"));
}

}  // namespace
}  // namespace pca::tunnel_ssh
