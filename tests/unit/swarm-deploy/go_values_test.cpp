#include "swarm-deploy/go_values.hpp"

#include <gtest/gtest.h>

#include <limits>

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

TEST(GoFloat, IsWrittenAsGoWritesIt) {
  for (const auto& [value, text] : std::vector<std::pair<double, std::string>>{
           {0, "0"},
           {1.5, "1.5"},
           {0.1, "0.1"},
           {-2.25, "-2.25"},
           {1.0 / 3, "0.3333333333333333"},
           {123456, "123456"},
           {999999.5, "999999.5"},
           {1e6, "1e+06"},
           {1234567, "1.234567e+06"},
           {0.0001, "0.0001"},
           {0.00001, "1e-05"},
           {5e-324, "5e-324"},
           {1.7976931348623157e308, "1.7976931348623157e+308"},
           {std::numeric_limits<double>::infinity(), "+Inf"}}) {
    EXPECT_EQ(go_float_text(value), text);
  }
}

TEST(GoScalar, ReadsDecimals) {
  const auto number = [](const char* text) {
    ConfigValue value;
    value.kind = ConfigValue::Kind::text;
    value.text = text;
    return go_scalar(value);
  };
  EXPECT_EQ(*number("1.5").as_double(), 1.5);
  EXPECT_EQ(*number("+.5e3").as_double(), 500);
  EXPECT_EQ(*number("1e400").as_string(), "1e400");
  EXPECT_EQ(*number("1.5x").as_string(), "1.5x");
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
