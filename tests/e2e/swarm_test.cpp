// The swarm that the other tests stand on leaves nothing behind, however it ends.

#include "support/swarm.hpp"

#include <gtest/gtest.h>

#include <optional>

#include "support/comes_true.hpp"
#include "support/process.hpp"
#include "support/require.hpp"

namespace pca {
namespace {

using namespace test;

TEST(SwarmFixture, LeavesNothingWhenItEnds) {
  PCA_REQUIRE(Swarm::missing());
  std::string folder;
  {
    const Swarm swarm(3);
    folder = swarm.folder();
    EXPECT_NE(Swarm::left_of(folder), "");
    EXPECT_NE(swarm.log(3).find("API listen"), std::string::npos) << swarm.log(3);
  }
  EXPECT_EQ(Swarm::left_of(folder), "");
}

// As when the test's process is killed: the script is, and nobody holds its stdin any more.
TEST(SwarmFixture, LeavesNothingWhenItsTestIsKilled) {
  PCA_REQUIRE(Swarm::missing());
  const TempFolder temporary;
  const std::string folder = temporary.path("swarm");
  {
    ProcessSpec spec;
    spec.argv = {Swarm::script(), folder, "1"};
    spec.environment["PATH"] += ":/usr/sbin:/sbin";
    spec.keep_input_open = true;
    Process process(std::move(spec));
    ASSERT_TRUE(process.wait_for("ready\n", std::chrono::seconds(90)))
        << process.out() << process.err();
  }
  EXPECT_TRUE(comes_true([&] { return Swarm::left_of(folder).empty(); }, std::chrono::seconds(60)))
      << Swarm::left_of(folder);
}

TEST(SwarmFixture, LeavesNothingWhenItDoesNotStart) {
  PCA_REQUIRE(Swarm::missing());
  const TempFolder temporary;
  const std::string folder = temporary.path("swarm");
  ProcessSpec spec;
  // Without dockerd on the PATH no Engine comes up.
  spec.argv = {Swarm::script(), folder, "none"};
  spec.environment["PATH"] += ":/usr/sbin:/sbin";
  spec.keep_input_open = true;
  Process process(std::move(spec));
  EXPECT_TRUE(process.wait(std::chrono::seconds(60)).has_value());
  EXPECT_EQ(process.out().find("ready\n"), std::string::npos);
  EXPECT_EQ(Swarm::left_of(folder), "");
}

}  // namespace
}  // namespace pca
