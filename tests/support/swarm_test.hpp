#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "net/engine.hpp"
#include "support/require.hpp"
#include "support/swarm.hpp"
#include "support/swarm_step.hpp"

namespace pca::test {

// A service of the image `tag` that runs `command`; what else stands in its deploy block.
inline std::string service(const std::string& name, const std::string& command,
                           const std::string& deploy = "", const std::string& more = "",
                           const std::string& tag = "v1") {
  return fmt::format(
      "  {}:\n    image: app:{}\n    command: [sh, -c, \"{}\"]\n    stop_grace_period: 200ms\n{}"
      "    deploy:\n      endpoint_mode: dnsrr\n      restart_policy: {{delay: 300ms}}\n      "
      "update_config: {{monitor: 1s}}\n{}",
      name, tag, command, more, deploy);
}

inline constexpr const char* serve =
    "trap 'exit 0' TERM; echo started; while :; do sleep 0.2; done";
inline constexpr const char* crash = "echo the last words; exit 3";

// One swarm for all tests: each has a stack of its own.
class SwarmTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { start_swarm(); }
  static void start_swarm(Swarm::Registry registry = Swarm::Registry::none) {
    if (Swarm::missing().empty()) swarm_ = std::make_unique<Swarm>(3, registry);
  }
  static void TearDownTestSuite() { swarm_.reset(); }

  void SetUp() override {
    PCA_REQUIRE(Swarm::missing());
    auto engine = Engine::connect(budget(), *parse_engine_endpoint("unix://" + swarm_->socket()));
    ASSERT_TRUE(engine) << engine.error().message;
    engine_ = *std::move(engine);
    step_ = std::make_unique<SwarmStep>(swarm_->socket(), stack());
  }
  void TearDown() override {
    if (!engine_) return;
    for (const auto& [name, entry] : services()) {
      (void)engine_->ask(budget(),
                         {.method = "DELETE", .path = "/services/" + entry.text_of("ID")});
    }
  }

  static Budget budget() { return Budget::of(Milliseconds{30'000}); }
  static std::string stack() {
    std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    return name.substr(0, 40);
  }
  static std::string named(const std::string& service) { return stack() + "_" + service; }

  [[nodiscard]] SwarmStep::Result deploy(const std::string& services,
                                         std::vector<std::string> more = {}) const {
    step_->write("services:\n" + services + more_yaml);
    const std::vector<std::string> usual{"--resolve-image",      "never", "--settle",  "1s",
                                         "--scheduling-timeout", "3s",    "--timeout", "200s"};
    more.insert(more.begin(), usual.begin(), usual.end());
    return step_->run("deploy", more);
  }

  // All of the stack, by name.
  [[nodiscard]] std::map<std::string, Json> services() const {
    const std::vector<std::pair<std::string, std::string>> terms{
        {"label", "com.docker.stack.namespace=" + stack()}};
    const auto list = engine_->json(budget(), {.path = "/services?" + engine_filter(terms)});
    std::map<std::string, Json> found;
    if (!list) return found;
    for (const Json& one : *list->as_array()) found[one.find("Spec")->text_of("Name")] = one;
    return found;
  }
  [[nodiscard]] std::size_t objects(const std::string& kind) const {
    const std::vector<std::pair<std::string, std::string>> terms{
        {"label", "com.docker.stack.namespace=" + stack()}};
    const auto list = engine_->json(budget(), {.path = "/" + kind + "?" + engine_filter(terms)});
    return list ? list->as_array()->size() : 0;
  }
  // What the swarm holds of the stack, but for what changes by itself.
  [[nodiscard]] std::string picture() const {
    std::string text;
    for (const auto& [name, one] : services()) text += name + " " + one.find("Spec")->dump() + "\n";
    return text + fmt::format("{} secrets, {} configs", objects("secrets"), objects("configs"));
  }

  static inline std::unique_ptr<Swarm> swarm_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<SwarmStep> step_;
  std::string more_yaml;
};

}  // namespace pca::test
