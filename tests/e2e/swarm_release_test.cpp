// Releases of a stack on a real swarm: history, lock, rollback, status, wait, rm.

#include <gtest/gtest.h>

#include <csignal>

#include "support/comes_true.hpp"
#include "support/swarm_test.hpp"

namespace pca {
namespace {

using namespace test;

class SwarmReleases : public SwarmTest {
 protected:
  [[nodiscard]] SwarmStep::Result rollback(std::vector<std::string> more = {}) const {
    more.insert(more.end(), {"--settle", "1s", "--timeout", "200s"});
    return step_->run("rollback", more);
  }
  // Of the history: names of configs, without the stack in front.
  [[nodiscard]] std::vector<std::string> records() const {
    const auto list = engine_->json(budget(), {.path = "/configs"});
    std::vector<std::string> names;
    if (!list) return names;
    for (const Json& one : *list->as_array()) {
      const std::string name = one.find("Spec")->text_of("Name");
      if (name.starts_with(stack() + ".")) names.push_back(name.substr(stack().size() + 1));
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  [[nodiscard]] bool is_locked() const {
    const auto names = records();
    return std::count(names.begin(), names.end(), "lock") > 0;
  }
};

TEST_F(SwarmReleases, RollbackBringsBackTheWholeStack) {
  more_yaml = "configs:\n  c: {file: one}\nnetworks:\n  front: {}\n  side: {}\n";
  step_->folder().write("one", "one");
  const std::string uses = "    configs: [c]\n    networks: [front]\n";
  const std::string kept = service("every", serve, "      mode: global\n");
  const auto first = deploy(service("web", serve, "      replicas: 2\n", uses) + kept +
                            service("old", serve, "", "    networks: [side]\n"));
  ASSERT_EQ(first.code, 0) << first.out << first.err;
  const auto before = services();

  step_->folder().write("one", "another");
  const auto second = deploy(
      service("web", serve, "      replicas: 3\n", uses + "    environment: {A: b}\n", "v2") +
          kept + service("fresh", serve),
      {"--prune"});
  ASSERT_EQ(second.code, 0) << second.out << second.err;
  EXPECT_EQ(second.outputs.at("previous"), first.outputs.at("release"));
  ASSERT_EQ(services().count(named("old")), 0U);
  // Also what only the old one used comes back.
  const std::string side = named("side");
  ASSERT_TRUE(comes_true([&] {
    const auto gone = engine_->ask(budget(), {.method = "DELETE", .path = "/networks/" + side});
    return gone && gone->status == 404;
  }));
  ASSERT_TRUE(comes_true([&] { return objects("networks") == 2; }));  // its nodes gave it up

  const auto back = rollback();
  ASSERT_EQ(back.code, 0) << back.out << back.err;
  EXPECT_EQ(back.outputs.at("release"), first.outputs.at("release"));
  EXPECT_EQ(back.outputs.at("removed"), "1");
  EXPECT_EQ(back.outputs.at("created"), "1");
  const auto after = services();
  ASSERT_EQ(after.size(), before.size());
  for (const auto& [name, one] : before) {
    ASSERT_TRUE(after.contains(name));
    if (name == named("old")) continue;  // its network has another ID now
    EXPECT_EQ(after.at(name).find("Spec")->dump(), one.find("Spec")->dump()) << name;
  }
  EXPECT_EQ(after.at(named("every")).find("Version")->dump(),
            before.at(named("every")).find("Version")->dump())
      << "what is as it was is not written";
  EXPECT_FALSE(is_locked());
  const auto status = step_->run("status");
  EXPECT_EQ(status.code, 0) << status.out << status.err;
  EXPECT_EQ(status.outputs.at("release"), first.outputs.at("release"));
  EXPECT_NE(status.out.find(named("web")), std::string::npos);
}

// A stack made by somebody else is kept before it is changed.
TEST_F(SwarmReleases, AStackOfOthersCanBeGoneBackTo) {
  ASSERT_EQ(deploy(service("web", serve) + service("db", serve)).code, 0);
  for (const std::string& record : records()) {
    ASSERT_TRUE(
        engine_->ask(budget(), {.method = "DELETE", .path = "/configs/" + stack() + "." + record}));
  }
  ASSERT_TRUE(records().empty());
  const std::string before = picture();
  ASSERT_EQ(deploy(service("web", serve, "      replicas: 2\n"), {"--prune"}).code, 0);
  const auto back = rollback();
  EXPECT_EQ(back.code, 0) << back.out << back.err;
  EXPECT_EQ(picture(), before);
}

TEST_F(SwarmReleases, ARollbackThatFailsLeavesAllAsItWas) {
  // A one-shot that is well only once: its marker stays on its volume.
  const std::string once =
      "  once:\n    image: app:v1\n    command: [sh, -c, \"[ ! -e /m/done ] && : > /m/done && "
      "while "
      ":; do sleep 0.2; done\"]\n    stop_grace_period: 200ms\n    volumes: [marker:/m]\n    "
      "deploy:\n"
      "      endpoint_mode: dnsrr\n      placement: {constraints: [node.hostname == node1]}\n      "
      "restart_policy: {delay: 300ms}\n      update_config: {monitor: 1s}\n";
  more_yaml = "volumes:\n  marker: {}\n";
  ASSERT_EQ(deploy(once + service("web", serve)).code, 0);
  more_yaml.clear();
  ASSERT_EQ(deploy(service("web", serve, "      replicas: 2\n"), {"--prune"}).code, 0);
  const std::string before = picture();
  const auto back = rollback();
  EXPECT_EQ(back.code, 3) << back.out << back.err;
  EXPECT_EQ(back.outputs.at("outcome"), "rolled-back");
  EXPECT_EQ(picture(), before);
  EXPECT_FALSE(is_locked());
}

TEST_F(SwarmReleases, TwoDeploysAtOnceAreBothWell) {
  ASSERT_EQ(deploy(service("web", serve)).code, 0);
  const SwarmStep other(swarm_->socket(), stack());
  const std::vector<std::string> usual{"--resolve-image", "never", "--settle", "1s"};
  step_->write("services:\n" + service("web", serve, "      replicas: 2\n"));
  other.write("services:\n" + service("web", serve, "      replicas: 3\n"));
  Process first = step_->start("deploy", usual);
  Process second = other.start("deploy", usual);
  const auto one = step_->result_of(first);
  const auto two = other.result_of(second);
  EXPECT_EQ(one.code, 0) << one.out << one.err;
  EXPECT_EQ(two.code, 0) << two.out << two.err;
  const bool one_waited = one.out.find("waiting for another deploy") != std::string::npos;
  const bool two_waited = two.out.find("waiting for another deploy") != std::string::npos;
  EXPECT_NE(one_waited, two_waited) << one.out << two.out;
  EXPECT_EQ(services().at(named("web")).find("Spec")->find("Mode")->dump(),
            one_waited ? R"({"Replicated":{"Replicas":2}})" : R"({"Replicated":{"Replicas":3}})");
  EXPECT_FALSE(is_locked());
}

// Its lease of a minute is waited for.
TEST_F(SwarmReleases, AKilledDeployIsFinishedByRollback) {
  ASSERT_EQ(deploy(service("web", serve)).code, 0);
  const std::string before = picture();
  step_->write("services:\n" + service("web", serve, "      replicas: 3\n", "", "v2") +
               service("extra", serve));
  Process killed =
      step_->start("deploy", {"--resolve-image", "never", "--settle", "60s", "--timeout", "200s"});
  ASSERT_TRUE(killed.wait_for(named("extra") + ": ", std::chrono::seconds(30)))
      << killed.out() << killed.err();
  killed.send(SIGKILL);
  ASSERT_TRUE(killed.wait(std::chrono::seconds(20)));
  EXPECT_NE(picture(), before);
  EXPECT_TRUE(is_locked());
  const auto back = rollback();
  EXPECT_EQ(back.code, 0) << back.out << back.err;
  EXPECT_NE(back.out.find("waiting for another deploy"), std::string::npos) << back.out;
  EXPECT_EQ(picture(), before);
  EXPECT_FALSE(is_locked());
}

TEST_F(SwarmReleases, ACancelledDeployLeavesNoLock) {
  ASSERT_EQ(deploy(service("web", serve)).code, 0);
  step_->write("services:\n" + service("web", serve, "      replicas: 2\n"));
  Process process =
      step_->start("deploy", {"--resolve-image", "never", "--settle", "60s", "--timeout", "200s"});
  ASSERT_TRUE(process.wait_for(named("web") + ": ", std::chrono::seconds(30)));
  const auto sent = Clock::now();
  process.send(SIGTERM);
  const auto done = step_->result_of(process);
  EXPECT_EQ(done.code, 128 + SIGTERM) << done.out << done.err;
  EXPECT_LT(ms_since(sent), 7000);
  EXPECT_FALSE(is_locked());
  EXPECT_EQ(step_->run("status").out.find("did not come to its end"), std::string::npos);
}

TEST_F(SwarmReleases, AHoldRefuses) {
  const std::string a(40, 'a');
  const std::string b(40, 'b');
  ASSERT_EQ(deploy(service("web", serve), {"--commit", a}).code, 0);
  ASSERT_EQ(deploy(service("web", serve, "      replicas: 2\n"), {"--commit", b}).code, 0);
  ASSERT_EQ(rollback({"--reason", "it smells"}).code, 0);
  const auto held = deploy(service("web", serve, "      replicas: 2\n"), {"--commit", b});
  EXPECT_EQ(held.code, 7) << held.out << held.err;
  EXPECT_EQ(held.outputs.at("outcome"), "held");
  ASSERT_EQ(step_->run("unhold").code, 0);
  EXPECT_EQ(deploy(service("web", serve, "      replicas: 2\n"), {"--commit", b}).code, 0);
}

TEST_F(SwarmReleases, WaitWaitsForWhatIsThere) {
  step_->write("services:\n" + service("web", serve, "      replicas: 2\n"));
  const auto done = step_->run("deploy", {"--resolve-image", "never", "--wait=false"});
  ASSERT_EQ(done.code, 0) << done.out << done.err;
  const auto waited = step_->run("wait", {"--settle", "1s"});
  EXPECT_EQ(waited.code, 0) << waited.out << waited.err;
  EXPECT_NE(waited.out.find("2 of 2 tasks run"), std::string::npos) << waited.out;
  const auto status = step_->run("status");
  EXPECT_EQ(status.code, 0) << status.out << status.err;
  EXPECT_NE(status.out.find("2/2"), std::string::npos) << status.out;

  step_->write("services:\n" + service("web", crash));
  ASSERT_EQ(step_->run("deploy", {"--resolve-image", "never", "--wait=false"}).code, 0);
  const auto ill = step_->run("wait", {"--settle", "1s", "--timeout", "60s"});
  EXPECT_EQ(ill.code, 1) << ill.out << ill.err;
  EXPECT_EQ(ill.outputs.at("failed-service"), named("web"));
  const auto told = step_->run("status");
  EXPECT_EQ(told.code, 1) << told.out << told.err;
  EXPECT_NE(told.out.find("non-zero exit (3)"), std::string::npos) << told.out;
}

TEST_F(SwarmReleases, RmLeavesNothingAndTheNextDeployComesAtOnce) {
  more_yaml = "configs:\n  c: {file: one}\nsecrets:\n  s: {file: one}\nnetworks:\n  front: {}\n";
  step_->folder().write("one", "one");
  const std::string files = service("web", serve, "      replicas: 3\n",
                                    "    configs: [c]\n    secrets: [s]\n    networks: [front]\n");
  for (int round = 0; round < 2; ++round) {
    const auto made = deploy(files);
    ASSERT_EQ(made.code, 0) << made.out << made.err;
    const auto done = step_->run("rm");
    EXPECT_EQ(done.code, 0) << done.out << done.err;
    EXPECT_EQ(done.outputs.at("removed"), "4");
    EXPECT_TRUE(services().empty());
    for (const char* kind : {"networks", "secrets", "configs", "tasks"}) {
      EXPECT_EQ(objects(kind), 0U) << kind;
    }
    EXPECT_TRUE(records().empty());
  }
}

// Branches' stacks beside each other, with a volume on each of two nodes.
TEST_F(SwarmReleases, PreviewsComeAndGoWithTheirVolumes) {
  const auto volumes = [](int node, const std::string& of) -> std::size_t {
    const auto engine =
        Engine::connect(budget(), *parse_engine_endpoint("unix://" + swarm_->socket(node)));
    if (!engine) return 99;
    const std::vector<std::pair<std::string, std::string>> terms{
        {"label", "com.docker.stack.namespace=" + of}, {"label", "private-cloud-actions.preview"}};
    const auto list = (*engine)->json(budget(), {.path = "/volumes?" + engine_filter(terms)});
    const Json* found = list ? list->find("Volumes") : nullptr;
    return found == nullptr || found->as_array() == nullptr ? 0 : found->as_array()->size();
  };
  const auto on_node = [](const std::string& name, int node) {
    return service(
        name, serve,
        fmt::format("      placement: {{constraints: [node.hostname == node{}]}}\n", node),
        "    volumes: ['data:/d']\n");
  };
  SwarmStep step(swarm_->socket(), "");
  step.variables["GITHUB_REPOSITORY"] = "acme/shop";
  step.write("services:\n" + on_node("web", 1) + on_node("db", 2) +
             "volumes: {data: {}}\nnetworks: {default: {attachable: true}}\n");
  const auto up = [&](const std::string& branch, const std::string& commit) {
    return step.run("preview up",
                    {"--customer", "acme", "--project", "shop", "--branch", branch, "--commit",
                     commit, "--domain", "preview.example.com", "--route-service", "web",
                     "--resolve-image", "never", "--settle", "1s", "--timeout", "200s"});
  };
  const auto x = up("feature/x", std::string(40, 'a'));
  ASSERT_EQ(x.code, 0) << x.out << x.err;
  const auto y = up("feature/y", std::string(40, 'a'));
  ASSERT_EQ(y.code, 0) << y.out << y.err;
  const std::string stack = x.outputs.at("stack");
  EXPECT_EQ(volumes(1, stack), 1U);
  EXPECT_EQ(volumes(2, stack), 1U);
  const std::string path = "/services/" + stack + "_web";
  const auto before = engine_->json(budget(), {.path = path});
  ASSERT_TRUE(before);
  EXPECT_EQ(
      before->find("Spec")->find("Labels")->text_of("traefik.http.routers." + stack + ".rule"),
      "Host(`" + x.outputs.at("hostname") + "`)");
  const auto again = up("feature/x", std::string(40, 'b'));
  EXPECT_EQ(again.outputs.at("outcome"), "unchanged") << again.out << again.err;
  const auto after = engine_->json(budget(), {.path = path});
  ASSERT_TRUE(after);
  EXPECT_EQ(after->find("Version")->dump(), before->find("Version")->dump());

  // A manager cannot remove what another node has.
  const auto down = step.run("preview down", {"--branch", "feature/x"});
  EXPECT_EQ(down.code, 0) << down.out << down.err;
  EXPECT_NE(down.err.find("its volumes on node2 stay"), std::string::npos) << down.err;
  EXPECT_NE(down.out.find(stack + "_data on node1"), std::string::npos) << down.out;
  EXPECT_EQ(volumes(1, stack), 0U);
  EXPECT_EQ(volumes(2, stack), 1U);
  const auto left = step.run("preview list");
  EXPECT_NE(left.out.find("only volumes are left, on node2"), std::string::npos) << left.out;
  // What is left of it goes once that node's Engine is named.
  const std::string worker = "unix://" + swarm_->socket(2);
  const auto reap = step.run("preview reap", {"--live-branches", "main", "--engine", worker});
  EXPECT_EQ(reap.code, 0) << reap.out << reap.err;
  EXPECT_EQ(reap.outputs.at("removed"), "2");
  EXPECT_NE(reap.out.find(stack + "_data on node2"), std::string::npos) << reap.out;
  EXPECT_EQ(reap.err.find("stay"), std::string::npos) << reap.err;
  EXPECT_EQ(volumes(1, y.outputs.at("stack")), 0U);
  EXPECT_EQ(volumes(2, y.outputs.at("stack")), 0U);
  const auto listed = step.run("preview list");
  EXPECT_NE(listed.out.find("no previews"), std::string::npos) << listed.out;
  EXPECT_EQ(volumes(2, stack), 0U);
}

}  // namespace
}  // namespace pca
