#include "tunnel-ssh/remote_tree.hpp"

#include <gtest/gtest.h>

namespace pca::tunnel_ssh {
namespace {

using namespace std::string_literals;

TEST(RemoteTree, FilesLinksAndFoldersAreRead) {
  const std::string digest(64, 'a');
  const auto tree = parse_remote_tree("bin/run//755 12 7 1.5 1.5\1"s + digest + "\0"s +
                                      "odd\1name//644 1 2 3 4\1"s + digest + "\0"s + "\0"s +
                                      "l\0../x y\0"s + "\0"s + "bin\0"s + "\0"s);
  ASSERT_TRUE(tree) << tree.error().message;
  ASSERT_EQ(tree->size(), 4U);
  EXPECT_EQ((*tree)[0].path, "bin/run");
  EXPECT_TRUE((*tree)[0].is_executable);
  EXPECT_EQ((*tree)[0].size, 12U);
  EXPECT_EQ((*tree)[0].digest, digest);
  EXPECT_EQ((*tree)[1].path, "odd\1name");
  EXPECT_EQ((*tree)[1].digest, "");
  EXPECT_FALSE((*tree)[1].is_executable);
  EXPECT_EQ((*tree)[2].target, "../x y");
  EXPECT_EQ((*tree)[3].kind, EntryKind::folder);
}

TEST(RemoteTree, AFolderThatIsNotThereHasNothing) {
  const auto tree = parse_remote_tree("");
  ASSERT_TRUE(tree);
  EXPECT_TRUE(tree->empty());
}

TEST(RemoteTree, NonsenseIsAnError) {
  for (const std::string& text : {"x"s, "x\0"s, "a//1 2 3\0"s, "a//1\0\0\0\0"s,
                                  "//755 1 2 3 4\0\0\0\0"s, "\0l\0"s, "\0\0\0more"s}) {
    EXPECT_FALSE(parse_remote_tree(text)) << text;
  }
}

}  // namespace
}  // namespace pca::tunnel_ssh
