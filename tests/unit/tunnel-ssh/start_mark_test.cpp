#include "tunnel-ssh/start_mark.hpp"

#include <gtest/gtest.h>

namespace pca::tunnel_ssh {
namespace {

constexpr const char* token = "abcabd";

TEST(StartMarkTest, PartsNoiseFromOutputHoweverTheChunksFall) {
  const std::string whole = "motd ab abcab\n$ abcabd started 42 bash\nout\nabcabd\n";
  for (std::size_t size = 1; size <= whole.size(); ++size) {
    StartMark mark(token);
    std::string noise, output;
    for (std::size_t at = 0; at < whole.size(); at += size) {
      const std::string chunk = whole.substr(at, size);
      const StartMark::Split split = mark.feed(chunk);
      noise += split.noise;
      output += split.output;
    }
    EXPECT_EQ(noise + mark.finish(), "motd ab abcab\n$ ");
    EXPECT_EQ(mark.line(), "started 42 bash");
    EXPECT_EQ(output, "out\nabcabd\n");
  }
}

TEST(StartMarkTest, WithoutAMarkAllIsNoise) {
  StartMark mark(token);
  EXPECT_EQ(mark.feed("nothing here abcab").noise, "nothing here ");
  EXPECT_FALSE(mark.found());
  EXPECT_EQ(mark.finish(), "abcab");
}

TEST(StartMarkTest, AnEndlessMarkLineIsCut) {
  StartMark mark(token);
  (void)mark.feed(token);
  for (int i = 0; i < 100; ++i) (void)mark.feed(std::string(1000, 'x'));
  EXPECT_FALSE(mark.found());
  EXPECT_EQ(mark.feed("\nout").output, "out");
  EXPECT_EQ(mark.line().size(), 256U);
}

TEST(StartLineTest, TakesOnlyAGroupThatMayBeSignalled) {
  EXPECT_EQ(parse_start_line("started 4711 bash").group, 4711);
  EXPECT_EQ(parse_start_line("started 4711 bash").shell, "bash");
  EXPECT_TRUE(parse_start_line("started bash").complete);
  for (const char* line : {"started 1 sh", "started 0 sh", "started -1 sh", "started 99999999 sh",
                           "started 42;reboot sh", "started bash", "started"}) {
    EXPECT_EQ(parse_start_line(line).group, 0) << line;
  }
  EXPECT_FALSE(parse_start_line("incomplete").complete);
  EXPECT_FALSE(parse_start_line("").complete);
}

TEST(StartLineTest, TakesOnlyAShellThatItKnows) {
  EXPECT_EQ(parse_start_line("started 22 bash").shell, "bash");
  EXPECT_EQ(parse_start_line("started 22 sh").shell, "sh");
  EXPECT_EQ(parse_start_line("started 22 ::error::hi").shell, "");
}

}  // namespace
}  // namespace pca::tunnel_ssh
