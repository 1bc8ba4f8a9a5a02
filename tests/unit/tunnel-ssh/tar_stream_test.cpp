#include "tunnel-ssh/tar_stream.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "support/temp_folder.hpp"

namespace pca::tunnel_ssh {
namespace {

Budget soon() { return Budget::of(Milliseconds{30'000}); }

std::string read_all(TarStream& stream, std::size_t step, std::optional<Error>& error) {
  std::string all;
  std::string buffer(step, '\0');
  while (true) {
    const auto got = stream.read(buffer);
    if (!got) error = got.error();
    if (!got || *got == 0) return all;
    all.append(buffer, 0, *got);
  }
}

// A tree with everything that names and contents can be.
void fill(const test::TempFolder& folder) {
  folder.write("plain", "text");
  folder.write("empty", "");
  folder.write("block", std::string(512, 'x'));
  folder.write("with\nline end and \xFF", "odd");
  std::string deep = folder.path();
  for (int i = 0; i < 4; ++i) deep += "/" + std::string(60, static_cast<char>('a' + i));
  std::filesystem::create_directories(deep);
  std::ofstream(deep + "/" + std::string(200, 'n')) << "long name";
  std::filesystem::create_directory(folder.path("nothing"));
  std::filesystem::create_symlink("plain", folder.path("link"));
  std::filesystem::create_symlink(std::string(150, 't'), folder.path("long-link"));
  folder.write("run", "#!/bin/sh\n");
  std::filesystem::permissions(folder.path("run"), std::filesystem::perms::owner_all);
}

// Debian's tar is the judge.
TEST(TarStream, TarUnpacksTheSameTree) {
  const test::TempFolder from;
  const test::TempFolder to;
  fill(from);
  const auto tree = read_file_tree(soon(), from.path(), {});
  ASSERT_TRUE(tree) << tree.error().message;
  for (const std::size_t step : {std::size_t{7}, std::size_t{512}, std::size_t{100'000}}) {
    TarStream stream({}, "", *tree);
    std::optional<Error> error;
    const std::string archive = read_all(stream, step, error);
    EXPECT_FALSE(error);
    EXPECT_EQ(archive.size(), stream.size());
    to.write("archive.tar", archive);
    const std::string out = to.path(std::to_string(step));
    std::filesystem::create_directory(out);
    ASSERT_EQ(std::system(("tar -xf " + to.path("archive.tar") + " -C " + out).c_str()), 0);
    const auto unpacked = read_file_tree(soon(), out, {});
    ASSERT_TRUE(unpacked);
    ASSERT_EQ(unpacked->size(), tree->size());
    for (std::size_t i = 0; i < tree->size(); ++i) {
      EXPECT_EQ((*unpacked)[i].path, (*tree)[i].path);
      EXPECT_EQ((*unpacked)[i].digest, (*tree)[i].digest);
      EXPECT_EQ((*unpacked)[i].target, (*tree)[i].target);
      EXPECT_EQ((*unpacked)[i].is_executable, (*tree)[i].is_executable);
    }
  }
}

TEST(TarStream, AFileThatChangedIsAnErrorAndNotSent) {
  for (const char* now : {"other", "more than text", "", "gone"}) {
    const test::TempFolder folder;
    folder.write("plain", "text");
    const auto tree = read_file_tree(soon(), folder.path(), {});
    ASSERT_TRUE(tree);
    if (std::string_view(now) == "gone") {
      std::filesystem::remove(folder.path("plain"));
    } else {
      folder.write("plain", now);
    }
    TarStream stream({}, "", *tree);
    std::optional<Error> error;
    EXPECT_LT(read_all(stream, 100, error).size(), stream.size());
    ASSERT_TRUE(error);
    EXPECT_EQ(error->message, folder.path("plain") + " changed while it was being sent");
  }
}

TEST(FileTree, IsSortedWithFoldersBeforeTheirContent) {
  const test::TempFolder folder;
  std::filesystem::create_directory(folder.path("a"));
  folder.write("a/x", "1");
  folder.write("a-b", "2");
  const auto tree = read_file_tree(soon(), folder.path(), {});
  ASSERT_TRUE(tree);
  ASSERT_EQ(tree->size(), 3U);
  EXPECT_EQ((*tree)[0].path, "a");
  EXPECT_EQ((*tree)[1].path, "a/x");
  EXPECT_EQ((*tree)[2].path, "a-b");
}

TEST(FileTree, PatternsLeaveOut) {
  const test::TempFolder folder;
  std::filesystem::create_directories(folder.path("node_modules/x"));
  std::filesystem::create_directories(folder.path("src"));
  folder.write("node_modules/x/y.js", "1");
  folder.write("src/a.js", "2");
  folder.write("src/a.ts", "3");
  TreeFilter filter;
  filter.exclude = *PathPatterns::parse(std::vector<std::string>{"node_modules/"});
  filter.include = *PathPatterns::parse(std::vector<std::string>{"*.js"});
  const auto tree = read_file_tree(soon(), folder.path(), filter);
  ASSERT_TRUE(tree);
  ASSERT_EQ(tree->size(), 2U);
  EXPECT_EQ((*tree)[1].path, "src/a.js");
}

TEST(FileTree, ASocketOrPipeIsAnError) {
  const test::TempFolder folder;
  ASSERT_EQ(::mkfifo(folder.path("pipe").c_str(), 0600), 0);
  const auto tree = read_file_tree(soon(), folder.path(), {});
  ASSERT_FALSE(tree);
  EXPECT_EQ(tree.error().message, folder.path("pipe") + " is a socket, a pipe or a device");
}

}  // namespace
}  // namespace pca::tunnel_ssh
