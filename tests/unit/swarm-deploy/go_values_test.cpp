#include "swarm-deploy/go_values.hpp"

#include <gtest/gtest.h>

namespace pca::swarm_deploy {
namespace {

using Words = std::vector<std::string>;

TEST(GoDuration, ReadsWhatGoReads) {
  EXPECT_EQ(*parse_go_duration("1m30s"), 90'000'000'000);
  EXPECT_EQ(*parse_go_duration("1.5h"), 5'400'000'000'000);
  EXPECT_EQ(*parse_go_duration("500ms"), 500'000'000);
  EXPECT_EQ(*parse_go_duration("-2us"), -2000);
  EXPECT_EQ(*parse_go_duration("0"), 0);
  for (const char* bad : {"", "5", "5x", "s", "1m30", "1 s", "--1s", "1e3s"}) {
    EXPECT_FALSE(parse_go_duration(bad)) << bad;
  }
}

TEST(GoDuration, IsWrittenAsGoWritesIt) {
  for (const char* text :
       {"0s", "1ns", "1.5ms", "10s", "1m0s", "1m30s", "2h0m0s", "1h0m0.5s", "-5s"}) {
    EXPECT_EQ(go_duration_text(*parse_go_duration(text)), text);
  }
}

TEST(GoMemory, ReadsUnits) {
  EXPECT_EQ(*parse_memory("50M"), 52'428'800);
  EXPECT_EQ(*parse_memory("1.5 GiB"), 1'610'612'736);
  EXPECT_EQ(*parse_memory("100"), 100);
  EXPECT_EQ(*parse_memory("7b"), 7);
  EXPECT_EQ(*parse_memory("2kb"), 2048);
  for (const char* bad : {"", "x", "5x", "5mbx", "-1m", "5bb", "m"})
    EXPECT_FALSE(parse_memory(bad)) << bad;
}

TEST(GoCpus, ReadsDecimals) {
  EXPECT_EQ(*parse_cpus("0.50"), 500'000'000);
  EXPECT_EQ(*parse_cpus(".25"), 250'000'000);
  EXPECT_EQ(*parse_cpus("2"), 2'000'000'000);
  for (const char* bad : {"", ".", "x", "-1", "0.0000000001", "1e3"})
    EXPECT_FALSE(parse_cpus(bad)) << bad;
}

TEST(GoCommand, IsSplitAsAShellDoes) {
  EXPECT_EQ(*split_command(R"(echo "a  b" 'c "d' e\ f)"), (Words{"echo", "a  b", "c \"d", "e f"}));
  EXPECT_EQ(*split_command("run # not this\nbut this"), (Words{"run", "but", "this"}));
  EXPECT_EQ(*split_command("a#b \"\""), (Words{"a#b", ""}));
  EXPECT_EQ(*split_command(" \n"), Words{});
  for (const char* bad : {"a \"b", "a 'b", "a \\"}) EXPECT_FALSE(split_command(bad)) << bad;
}

}  // namespace
}  // namespace pca::swarm_deploy
