#include "tunnel-ssh/tar_upload.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <map>

#include "base/text.hpp"
#include "support/fake_ssh.hpp"
#include "support/noise.hpp"
#include "support/temp_folder.hpp"

namespace pca::tunnel_ssh {
namespace {

using test::TempFolder;

std::string sent_by(TarUpload& upload) {
  std::string text;
  std::vector<char> buffer(1000);
  while (true) {
    const auto got = upload.read(buffer);
    if (!got) ADD_FAILURE() << got.error().message;
    if (!got) return text;
    text.append(buffer.data(), got->bytes);
    if (got->end || got->bytes == 0) return text;
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

// What the host makes of it, with what came by each lane.
std::string joined_pieces(std::string_view text,
                          std::map<std::string, std::string_view> lanes = {}) {
  std::string all;
  lanes[""] = {};
  while (true) {
    const std::size_t end = text.find('\n');
    const std::vector<std::string> words = split(text.substr(0, end), ' ');
    text.remove_prefix(end + 1);
    if (words[0] == "end") {
      for (const auto& [lane, rest] : lanes) EXPECT_EQ(rest, "") << lane;
      EXPECT_EQ(text, "");
      return all;
    }
    if (words[0] == "lane") continue;
    const auto size = static_cast<std::size_t>(*parse_integer(words[0], 1, 1 << 30));
    std::string_view& from = words.size() == 1 ? text : lanes.at(words[1]);
    all += from.substr(0, size);
    from.remove_prefix(size);
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

  // Lanes whose other ends are scripts_ behind the first, which is the shell's.
  std::unique_ptr<UploadLanes> lanes(int count) {
    session_.on_exec = [this](const std::string&) { return &scripts_.emplace_back(); };
    auto shell = RemoteShell::start(Budget::of(Milliseconds{10'000}), session_, "", "host");
    shell_.emplace(*std::move(shell));
    return std::make_unique<UploadLanes>(*shell_, count);
  }

  TempFolder folder_;
  std::vector<TreeEntry> entries_;
  test::FakeSession session_;
  std::deque<test::ChannelScript> scripts_;
  std::optional<RemoteShell> shell_;
  std::unique_ptr<UploadLanes> no_lanes_ = lanes(0);
};

TEST_F(TarUploads, ASmallArchiveIsOnePiece) {
  TarStream sent = archive();
  TarStream same = archive();
  TarUpload upload(sent, *no_lanes_, 0, {});
  const std::string text = sent_by(upload);
  EXPECT_TRUE(upload.is_at_end());
  EXPECT_EQ(text.substr(0, text.find('\n')), std::to_string(same.size()));
  EXPECT_TRUE(joined_pieces(text) == read_all(same));
}

TEST_F(TarUploads, PiecesOfACompressedOneMakeAWhole) {
  TarStream sent = archive();
  TarStream same = archive();
  std::uint64_t progress = 0;
  TarUpload upload(sent, *no_lanes_, 1,
                   [&](std::uint64_t done, std::uint64_t) { progress = done; });
  const auto unpacked = gunzip(joined_pieces(sent_by(upload)), std::size_t{1} << 30U);
  ASSERT_TRUE(unpacked);
  EXPECT_TRUE(*unpacked == read_all(same));
  EXPECT_EQ(progress, same.size());
}

TEST_F(TarUploads, OnlyWhatCanBeMadeSmallOnASlowWayIsCompressed) {
  constexpr Milliseconds far{50};
  EXPECT_EQ(compression_level(entries_, far), 1);
  EXPECT_EQ(compression_level(entries_, Milliseconds{1}), 0);
  folder_.write("big", test::noise(3'000'000));
  EXPECT_EQ(compression_level(entries_, far), 0);
  entries_.front().size = 1000;
  EXPECT_EQ(compression_level(entries_, Milliseconds{1}), 9);
}

TEST_F(TarUploads, AFileThatChangesMeanwhileEndsIt) {
  TarStream sent = archive();
  folder_.write("big", std::string(2'999'999, 'b'));
  TarUpload upload(sent, *no_lanes_, 1, {});
  std::vector<char> buffer(1000);
  auto got = upload.read(buffer);
  while (got && !got->end) got = upload.read(buffer);
  ASSERT_FALSE(got);
  EXPECT_TRUE(got.error().message.ends_with("big changed while it was being sent"));
}

TEST_F(TarUploads, LanesShareThePiecesAndTheEndComesBehindThem) {
  TarStream sent = archive();
  TarStream same = archive();
  const auto lanes_in_use = lanes(2);
  test::ChannelScript& one = scripts_.at(scripts_.size() - 2);
  test::ChannelScript& other = scripts_.back();
  EXPECT_EQ(lanes_in_use->numbers(), "4 5");
  lanes_in_use->hear("/tmp/x");
  (void)lanes_in_use->step();
  EXPECT_EQ(one.received, "");
  lanes_in_use->hear("/y\n");
  (void)lanes_in_use->step();
  EXPECT_EQ(std::exchange(one.received, ""), "/tmp/x/y/lane4\n");
  EXPECT_EQ(std::exchange(other.received, ""), "/tmp/x/y/lane5\n");
  // The second is not ready yet, and the first takes no more than its window at a time.
  one.out = {"\n"};
  one.window = 500'000;
  (void)lanes_in_use->step();
  TarUpload upload(sent, *lanes_in_use, 0, {});
  const std::string text = sent_by(upload);
  EXPECT_EQ(text.substr(0, 20), "lane 4\n1048576 4\n104");
  EXPECT_FALSE(upload.is_at_end());
  EXPECT_FALSE(one.got_eof);
  one.window = std::string::npos;
  (void)lanes_in_use->step();
  EXPECT_TRUE(one.got_eof);
  EXPECT_EQ(sent_by(upload), "");  // the host may not have it yet
  one.exit = SshChannel::Exit{0, {}};
  (void)lanes_in_use->step();
  const std::string end = sent_by(upload);
  EXPECT_TRUE(upload.is_at_end());
  EXPECT_EQ(end, "end\n");
  EXPECT_EQ(one.received.size(), 1U << 20U);
  EXPECT_EQ(other.received, "");
  EXPECT_TRUE(joined_pieces(text + end, {{"4", one.received}}) == read_all(same));
}

TEST_F(TarUploads, ALaneThatEndsTooEarlyMakesTheRestWorthless) {
  for (const int code : {0, 1}) {
    TarStream sent = archive();
    const auto lanes_in_use = lanes(1);
    test::ChannelScript& one = scripts_.back();
    lanes_in_use->hear("/tmp\n");
    (void)lanes_in_use->step();
    one.out = {"\n"};
    (void)lanes_in_use->step();
    TarUpload upload(sent, *lanes_in_use, 0, {});
    std::vector<char> buffer(100);
    ASSERT_TRUE(upload.read(buffer));
    one.exit = SshChannel::Exit{code, {}};  // before it was told that there is no more
    (void)lanes_in_use->step();
    EXPECT_TRUE(sent_by(upload).ends_with("broken\n"));
    EXPECT_FALSE(upload.is_at_end());
  }
}

TEST_F(TarUploads, ALaneThatTheHostRefusesIsDoneWithout) {
  TarStream sent = archive();
  TarStream same = archive();
  const auto lanes_in_use = lanes(1);
  lanes_in_use->hear("/tmp\n");
  scripts_.back().read_error = failed("refused another channel");
  (void)lanes_in_use->step();
  EXPECT_FALSE(lanes_in_use->is_broken());
  TarUpload upload(sent, *lanes_in_use, 0, {});
  EXPECT_TRUE(joined_pieces(sent_by(upload)) == read_all(same));
}

TEST_F(TarUploads, LanesAreForMuchOverALongWay) {
  constexpr std::uint64_t much = std::uint64_t{64} << 20U;
  EXPECT_EQ(lanes_for(much, Milliseconds{1}), 0);
  EXPECT_EQ(lanes_for(much, Milliseconds{20}), 2);
  EXPECT_EQ(lanes_for(much, Milliseconds{50}), 5);
  EXPECT_EQ(lanes_for(much, Milliseconds{500}), 6);
  EXPECT_EQ(lanes_for(1'000'000, Milliseconds{500}), 0);
}

}  // namespace
}  // namespace pca::tunnel_ssh
