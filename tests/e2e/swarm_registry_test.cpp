// swarm-deploy with a registry that asks for a login: Debian's docker-registry, a swarm of three
// nodes that have none of its images.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "base/json.hpp"
#include "base/text.hpp"
#include "net/engine.hpp"
#include "support/swarm_test.hpp"

namespace pca {
namespace {

using namespace test;

constexpr const char* password = "open-sesame";

std::string every_node(const std::string& tag) {
  return fmt::format(
      "services:\n  web:\n    image: {}/app:{}\n    command: [sh, -c, \"trap 'exit 0' TERM; while "
      ":; do sleep 0.2; done\"]\n    stop_grace_period: 200ms\n    deploy: {{mode: global, "
      "endpoint_mode: dnsrr, update_config: {{monitor: 1s, parallelism: 3}}}}\n",
      Swarm::registry_address, tag);
}

class SwarmRegistry : public SwarmTest {
 protected:
  static void SetUpTestSuite() { start_swarm(Swarm::Registry::with_login); }

  void SetUp() override {
    SwarmTest::SetUp();
    if (step_) log_in(Swarm::registry_login);
  }

  void log_in(const std::string& lines) { step_->variables["INPUT_REGISTRY_AUTH"] = lines; }
  [[nodiscard]] SwarmStep::Result run(const std::string& command, const std::string& tag,
                                      std::vector<std::string> more = {}) const {
    step_->write(every_node(tag));
    if (command == "deploy") {
      more.insert(more.begin(),
                  {"--settle", "1s", "--timeout", "60s", "--scheduling-timeout", "10s"});
    }
    SwarmStep::Result result = step_->run(command, more);
    for (const std::string& text : {result.out, result.err, result.summary}) {
      EXPECT_EQ(text.find(password), std::string::npos) << text;
    }
    return result;
  }
  [[nodiscard]] std::string image() const {
    const auto service = engine_->json(budget(), {.path = "/services/" + named("web")});
    if (!service) return "";
    const std::string text = service->dump();
    const auto at = text.find("\"Image\":\"");
    return at == std::string::npos ? "" : text.substr(at + 9, text.find('"', at + 9) - at - 9);
  }
};

TEST_F(SwarmRegistry, EveryNodeGetsTheImageThatItsDigestNames) {
  const auto deployed = run("deploy", "v1");
  ASSERT_EQ(deployed.code, 0) << deployed.out << deployed.err;
  EXPECT_NE(deployed.out.find(named("web") + ": 3 of 3 tasks run"), std::string::npos)
      << deployed.out;
  const std::string first = image();
  EXPECT_TRUE(first.starts_with(fmt::format("{}/app:v1@sha256:", Swarm::registry_address)))
      << first;

  EXPECT_EQ(run("deploy", "v1").outputs.at("outcome"), "unchanged");
  const auto second = run("deploy", "v2");
  EXPECT_EQ(second.code, 0) << second.out << second.err;
  EXPECT_TRUE(image().starts_with(fmt::format("{}/app:v2@sha256:", Swarm::registry_address)));
  EXPECT_NE(image().substr(image().find('@')), first.substr(first.find('@')));
}

TEST_F(SwarmRegistry, WithoutALoginNothingIsWritten) {
  step_->variables.clear();
  const auto planned = run("plan", "v1");
  EXPECT_EQ(planned.code, 1) << planned.out << planned.err;
  EXPECT_NE(planned.err.find(
                fmt::format("if {} asks for a login, give registry-auth", Swarm::registry_address)),
            std::string::npos)
      << planned.err;
  EXPECT_EQ(run("deploy", "v1").code, 1);
  EXPECT_EQ(image(), "");
}

TEST_F(SwarmRegistry, APasswordThatIsWrongIsTold) {
  log_in(fmt::format("{} deploy wrong-sesame", Swarm::registry_address));
  const auto planned = run("plan", "v1");
  EXPECT_EQ(planned.code, 1) << planned.out << planned.err;
  EXPECT_NE(planned.err.find("what registry-auth says of"), std::string::npos) << planned.err;
  EXPECT_EQ(planned.err.find("wrong-sesame"), std::string::npos) << planned.err;
}

TEST_F(SwarmRegistry, NodesThatMayNotPullTakeTheDeployBack) {
  step_->variables.clear();
  const auto deployed = run("deploy", "v1", {"--resolve-image", "never"});
  EXPECT_EQ(deployed.code, 3) << deployed.out << deployed.err;
  EXPECT_EQ(deployed.outputs.at("failure-reason"), "image") << deployed.out;
  EXPECT_EQ(image(), "");
}

// The swarm itself keeps the login: the nodes pull with it.
TEST_F(SwarmRegistry, TheLoginServesAlsoWhereNoDigestIsAskedFor) {
  const auto deployed = run("deploy", "v2", {"--resolve-image", "never"});
  EXPECT_EQ(deployed.code, 0) << deployed.out << deployed.err;
  EXPECT_EQ(image(), fmt::format("{}/app:v2", Swarm::registry_address));
}

}  // namespace
}  // namespace pca
