#include "swarm-deploy/stack_waves.hpp"

#include <gtest/gtest.h>

namespace pca::swarm_deploy {
namespace {

using Of = std::map<std::string, std::size_t>;

TEST(StackWavesTest, WhatDependsOnNothingGoesTogether) {
  EXPECT_EQ(make_waves({}).of, Of{});
  EXPECT_EQ(make_waves({{"a", {}}, {"b", {}}, {"c", {}}}).of, (Of{{"a", 0}, {"b", 0}, {"c", 0}}));
}

TEST(StackWavesTest, AServiceComesAfterAllThatItDependsOn) {
  const Waves waves = make_waves({{"web", {0, {"api", "cache"}}},
                                  {"api", {0, {"migrate"}}},
                                  {"migrate", {0, {"db"}}},
                                  {"db", {}},
                                  {"cache", {}},
                                  {"alone", {0, {"elsewhere"}}}});
  EXPECT_TRUE(waves.mistakes.empty());
  EXPECT_EQ(waves.of,
            (Of{{"alone", 0}, {"api", 2}, {"cache", 0}, {"db", 0}, {"migrate", 1}, {"web", 3}}));
}

// Twice in a list, as two files over each other make it.
TEST(StackWavesTest, ALongChainOfDependenciesThatStandTwiceIsQuick) {
  std::map<std::string, WaveOrder> services{{"s100", {}}};
  for (int i = 101; i < 160; ++i) {
    const std::string before = "s" + std::to_string(i - 1);
    services["s" + std::to_string(i)] = {0, {before, before}};
  }
  EXPECT_EQ(make_waves(services).of.at("s159"), 59U);
}

TEST(StackWavesTest, NumbersOrderWhatDependsOnNothing) {
  const Waves waves =
      make_waves({{"a", {}}, {"b", {10, {}}}, {"c", {10, {"a", "b"}}}, {"d", {-5, {}}}});
  EXPECT_TRUE(waves.mistakes.empty());
  EXPECT_EQ(waves.of, (Of{{"d", 0}, {"a", 1}, {"b", 2}, {"c", 3}}));
}

TEST(StackWavesTest, ACircleIsNamed) {
  const Waves waves =
      make_waves({{"a", {0, {"b"}}}, {"b", {0, {"c"}}}, {"c", {0, {"a"}}}, {"d", {0, {"a"}}}});
  ASSERT_EQ(waves.mistakes.size(), 1U);
  EXPECT_EQ(waves.mistakes.begin()->second, "a -> b -> c -> a depend on each other in a circle");
  EXPECT_EQ(make_waves({{"self", {0, {"self"}}}}).mistakes.at("self"),
            "self -> self depend on each other in a circle");
}

TEST(StackWavesTest, NothingDependsOnALaterWave) {
  const Waves waves = make_waves({{"a", {1, {"b"}}}, {"b", {2, {}}}});
  EXPECT_EQ(waves.mistakes.at("a"), "it is of wave 1 and depends on b, which is of wave 2");
}

}  // namespace
}  // namespace pca::swarm_deploy
