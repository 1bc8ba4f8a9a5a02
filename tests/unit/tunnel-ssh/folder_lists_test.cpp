#include "tunnel-ssh/folder_lists.hpp"

#include <gtest/gtest.h>

#include "base/digest.hpp"
#include "base/text.hpp"

namespace pca::tunnel_ssh {
namespace {

const std::string nul(1, '\0');

std::string digest(char c) { return std::string(64, c); }
TreeEntry file(const std::string& path, char content, bool is_executable = false) {
  return {.path = path, .is_executable = is_executable, .digest = digest(content)};
}
TreeEntry folder(const std::string& path) { return {.path = path, .kind = EntryKind::folder}; }
TreeEntry link_to(const std::string& path, const std::string& target) {
  return {.path = path, .kind = EntryKind::link, .target = target};
}

// A list as the host writes it, of "|" for NUL and "=" for a byte 1.
std::string list(std::string text) {
  for (char& c : text) c = c == '|' ? '\0' : c == '=' ? '\1' : c;
  return text;
}

std::string picture(const FileTree& tree) {
  std::string text;
  for (const TreeEntry& entry : tree) {
    text += entry.path + " " + "fdl"[static_cast<int>(entry.kind)] + " " +
            entry.digest.substr(0, 1) + std::to_string(entry.digest.size()) + entry.target +
            (entry.is_executable ? " x" : "") + "\n";
  }
  return text;
}

TEST(FolderLists, EachFolderHasADigestOfItsList) {
  const std::string text = folder_digests({folder("a"), file("a/x", '1', true), link_to("l", "a")});
  const auto digest_of = [](const std::string& of) {
    return to_hex(sha256(of)).substr(0, folder_digest_size);
  };
  EXPECT_EQ(text, ".//" + digest_of(list(".//\n.//a//d\n.//l//la=\n")) + nul + "./a//" +
                      digest_of(list("./a//\n./a//./x=1111111111111111\n")) + nul);
}

TEST(FolderLists, ALineEndInANameIsNoEndOfARecord) {
  EXPECT_EQ(folder_digests({link_to("a\nb", "c")}),
            ".//" + to_hex(sha256(".//\n.//a" + nul + "b//lc\1\n")).substr(0, 20) + nul);
}

TEST(FolderLists, AnEmptyTreeHasARootOnly) {
  EXPECT_EQ(folder_digests({}), ".//" + to_hex(sha256(".//\n")).substr(0, 20) + nul);
}

TEST(FolderLists, WhatIsNotListedIsLikeOurs) {
  const FileTree ours{folder("a"), folder("a/b"), file("a/b/x", '1'), file("y", '2')};
  const auto theirs = tree_from_lists("", ours);
  ASSERT_TRUE(theirs);
  EXPECT_EQ(picture(*theirs), picture(ours));
}

TEST(FolderLists, AFolderThatIsNotThereHasNothing) {
  const FileTree ours{folder("a"), folder("a/b"), file("a/b/x", '1'), file("y", '2')};
  const auto theirs = tree_from_lists(list(".//|.//y=2222222222222222|"), ours);
  ASSERT_TRUE(theirs);
  EXPECT_EQ(picture(*theirs), "y f 264\n");
}

TEST(FolderLists, ListedFoldersAreTheirs) {
  const FileTree ours{folder("a"), file("a/same", '1'), file("a/x", '2'), folder("b"),
                      file("b/z", '3')};
  const auto theirs = tree_from_lists(
      list("./a//|./a//./same=1111111111111111|./a//sub//d|./a//x=9999999999999999|./a/sub//|"
           "./a/sub//l//l//etc/x=|"),
      ours);
  ASSERT_TRUE(theirs);
  EXPECT_EQ(picture(*theirs),
            "a d 0\na/same f 164 x\na/sub d 0\na/sub/l l 0//etc/x\na/x f 916\nb d 0\nb/z f 364\n");
}

TEST(FolderLists, ADigestThatIsNoneIsUnlikeAll) {
  const auto theirs = tree_from_lists(list(".//|.//x=|"), {file("x", '1')});
  ASSERT_TRUE(theirs);
  EXPECT_EQ(theirs->front().digest, "");
}

TEST(FolderLists, WhatNoFileSystemHasIsRefused) {
  for (const char* text :
       {".//x=1111111111111111|",        // without its folder
        ".//|.//x=1111111111111111",     // cut short
        ".//|./a//x=1111111111111111|",  // of another folder
        ".//|.//x|",                     // nothing about it
        ".//|.//x//|",
        ".//|.//x//?|",                 // no such kind
        ".//|.//x=11111111111111111|",  // a digest too long
        ".//|.//=1111111111111111|",    // no name
        ".//|.//..//d|",
        ".//|.//.//d|",                   // other names for folders
        ".//|.//a/b=1111111111111111|",   // a name with a slash
        ".//|.//../b=1111111111111111|",  //
        ".//|.//x//lq=|./x//|",           // content of a link, of nothing, two things of a name
        "./x//|",
        ".//|.//x//lq=|.//x//d|",
        ".//|.//a//dx|",  // a folder with a value
        "..//|",
        "/etc//|",
        "./../x//|",  // folders outside
        ".///|",
        "./a/.//|",
        "./a/./b//|",  //
        "|",
        "a//|",
        "x|",
        ".//|.//|"}) {  // none at all, or twice
    const auto theirs = tree_from_lists(list(text), {});
    ASSERT_FALSE(theirs) << text;
    EXPECT_EQ(theirs.error().message, "the host's list of files cannot be read");
  }
}

}  // namespace
}  // namespace pca::tunnel_ssh
