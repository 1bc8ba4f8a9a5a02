// A deploy through SSH to a real swarm, disturbed at random moments: the tool is killed or
// cancelled, the connection is cut, an Engine is killed. The stack ends as before or as wanted, the
// exit code says which, and "rollback" finishes what was left in between.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <random>

#include "support/comes_true.hpp"
#include "support/swarm_test.hpp"
#include "support/tunnel_ssh.hpp"

namespace pca {
namespace {

using namespace test;

constexpr std::chrono::seconds patience{150};

class SwarmChaos : public SwarmTest {
 protected:
  static void SetUpTestSuite() {
    start_swarm();
    if (swarm_) swarm_->restart_engines();
  }

  void SetUp() override {
    SwarmTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    PCA_REQUIRE(Sshd::missing());
    host_ = std::make_unique<HostForTests>();
    for (const auto& [name, value] : StepForTests(*host_).inputs) step_->variables[name] = value;
  }

  // Two stacks to go between: services come and go, a config and a secret have another content.
  void choose(bool second) const {
    const std::string uses = "    configs: [c]\n    secrets: [s]\n    networks: [front]\n";
    step_->folder().write("content", second ? "another content" : "its content");
    step_->write(
        "services:\n" +
        service("web", serve, second ? "      replicas: 3\n" : "      replicas: 2\n", uses,
                second ? "v2" : "v1") +
        service(second ? "new" : "old", serve, "", uses) +
        "networks: {front: {}}\nconfigs: {c: {file: content}}\nsecrets: {s: {file: content}}\n");
  }
  [[nodiscard]] Process start() const {
    return step_->start("deploy", {"--resolve-image", "never", "--settle", "1s", "--timeout", "60s",
                                   "--prune", "--commit", std::string(40, 'a')});
  }
  [[nodiscard]] SwarmStep::Result deploy_whole() const {
    Process process = start();
    return step_->result_of(process, patience);
  }
  // An Engine may be on its way back.
  [[nodiscard]] std::string picture_now() const {
    EXPECT_TRUE(comes_true(
        [this] {
          const auto nodes = engine_->json(budget(), {.path = "/nodes"});
          return nodes && std::count_if(nodes->as_array()->begin(), nodes->as_array()->end(),
                                        [](const Json& node) {
                                          return node.find("Status")->text_of("State") == "ready";
                                        }) == 3;
        },
        std::chrono::seconds(60)))
        << swarm_->log(1);
    return picture();
  }
  [[nodiscard]] bool is_unfinished() const {
    return step_->run("status").out.find("did not come to its end") != std::string::npos;
  }
  [[nodiscard]] SwarmStep::Result finish() const {
    return step_->run("rollback", {"--settle", "1s", "--timeout", "60s"});
  }
  void disturb(unsigned how, Process& process) const {
    switch (how) {
      case 0:
        return process.send(SIGKILL);
      case 1:
        ::kill(swarm_->engine_pid(), SIGKILL);
        return;
      case 2:
        return host_->cut();
      case 3:
        return process.send(SIGTERM);
      default:
        ::kill(swarm_->engine_pid(2), SIGKILL);
    }
  }

  std::unique_ptr<HostForTests> host_;
};

// PCA_CHAOS_ROUNDS says how often; tests/full/chaos.sh does it more often.
TEST_F(SwarmChaos, TheStackEndsAsBeforeOrAsWanted) {
  const char* asked = std::getenv("PCA_CHAOS_ROUNDS");
  const unsigned rounds = asked == nullptr ? 3 : static_cast<unsigned>(std::stoi(asked));
  constexpr std::array<const char*, 5> names{"the tool is killed", "the manager's Engine is killed",
                                             "the connection is cut", "the tool is cancelled",
                                             "a worker's Engine is killed"};
  std::array<std::string, 2> pictures;
  std::chrono::milliseconds usual{};
  for (const bool second : {false, true, false}) {
    choose(second);
    const auto began = std::chrono::steady_clock::now();
    const auto done = deploy_whole();
    ASSERT_EQ(done.code, 0) << done.out << done.err;
    usual = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                  began);
    pictures.at(second ? 1 : 0) = picture();
  }
  std::mt19937 random(20261129);
  std::array<int, 3> ends{};  // as before, as wanted, finished by rollback
  for (unsigned round = 0; round < rounds; ++round) {
    const bool second = pictures[0] == picture();
    const std::string& before = pictures.at(second ? 0 : 1);
    const std::string& wanted = pictures.at(second ? 1 : 0);
    const unsigned how = round % names.size();
    const auto moment = std::chrono::milliseconds(random() % static_cast<unsigned>(usual.count()));
    SCOPED_TRACE(fmt::format("round {}: {} after {} of about {} ms", round, names.at(how),
                             moment.count(), usual.count()));
    choose(second);
    Process process = start();
    (void)process.wait_for("never said", moment);
    disturb(how, process);
    const auto done = step_->result_of(process, patience);
    const std::string said = done.out + done.err;
    std::string now = picture_now();
    if (how == 0) {
      (void)step_->run("unlock");
    } else if (done.code == 0) {
      EXPECT_EQ(now, wanted) << said;
    } else if (done.code != 4) {
      EXPECT_EQ(now, before) << done.code << said;
    }
    const bool is_left = is_unfinished();
    EXPECT_TRUE(is_left || now == before || now == wanted) << done.code << said;
    EXPECT_TRUE(!is_left || how == 0 || done.code == 4) << done.code << said;
    if (is_left) {
      // A node whose Engine has started again refuses tasks for a moment (it has no networks yet),
      // which takes the rollback itself back: then the next one has it.
      auto back = finish();
      for (int tries = 1; tries < 3 && back.code == 3; ++tries) back = finish();
      EXPECT_EQ(back.code, 0) << back.out << back.err << "\nafter " << said;
      now = picture_now();
      EXPECT_EQ(now, before) << back.out << back.err << "\nafter " << said;
    }
    ++ends.at(is_left ? 2 : now == before ? 0 : 1);
    if (HasFailure()) break;
  }
  RecordProperty("before_wanted_rollback", fmt::format("{} {} {}", ends[0], ends[1], ends[2]));
  choose(true);
  const auto last = deploy_whole();
  EXPECT_EQ(last.code, 0) << last.out << last.err;
  EXPECT_EQ(picture(), pictures[1]);
}

}  // namespace
}  // namespace pca
