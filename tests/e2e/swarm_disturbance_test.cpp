// swarm-deploy on a real swarm that others, too, use and that loses nodes and managers.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/types.h>

#include <csignal>
#include <filesystem>

#include "net/file_descriptor.hpp"
#include "support/comes_true.hpp"
#include "support/swarm_test.hpp"
#include "support/tunnel_ssh.hpp"

namespace pca {
namespace {

using namespace test;

// Well after so many seconds.
std::string slow_service(const std::string& name, int seconds, const std::string& deploy = "",
                         const std::string& more = "") {
  return service(
      name,
      fmt::format("trap 'exit 0' TERM; sleep {}; echo > /tmp/well; while :; do sleep 0.2; done",
                  seconds),
      deploy,
      "    healthcheck: {test: [CMD, test, -f, /tmp/well], interval: 300ms, retries: 100}\n" +
          more);
}

class SwarmDisturbed : public SwarmTest {
 protected:
  [[nodiscard]] Process start(const std::string& services,
                              std::vector<std::string> more = {}) const {
    step_->write("services:\n" + services + more_yaml);
    const std::vector<std::string> usual{"--resolve-image", "never", "--settle", "1s"};
    more.insert(more.begin(), usual.begin(), usual.end());
    return step_->start("deploy", more);
  }
  // As "docker service update" writes.
  void update(const std::string& name, const std::function<void(Json&)>& change) const {
    const Json service = services().at(named(name));
    Json spec = *service.find("Spec");
    change(spec);
    const auto done = engine_->json(
        budget(), {.method = "POST",
                   .path = fmt::format("/services/{}/update?version={}", service.text_of("ID"),
                                       *service.find("Version")->find("Index")->as_int()),
                   .body = spec.dump()});
    ASSERT_TRUE(done) << done.error().message;
  }
  void remove(const std::string& name) const {
    ASSERT_TRUE(engine_->ask(budget(), {.method = "DELETE", .path = "/services/" + named(name)}));
  }
  [[nodiscard]] std::string label(const std::string& name, const std::string& key) const {
    return services().at(named(name)).find("Spec")->find("Labels")->text_of(key);
  }
};

// ---- ports

TEST_F(SwarmDisturbed, APortOfTheSwarmThatAnotherServiceHasIsTold) {
  const std::string none = "      replicas: 0\n";  // the port is taken all the same
  const auto with_port = [&](const std::string& name) {
    std::string text = service(name, serve, none, "    ports: ['8099:80']\n");
    return text.replace(text.find("      endpoint_mode: dnsrr\n"), 27, "");
  };
  const SwarmStep other(swarm_->socket(), stack() + "2");
  other.write("services:\n" + with_port("theirs"));
  const auto theirs = other.run("deploy", {"--resolve-image", "never", "--settle", "0s"});
  ASSERT_EQ(theirs.code, 0) << theirs.out << theirs.err;
  const auto done = deploy(service("db", serve) + with_port("web"));
  EXPECT_EQ(done.code, 1) << done.out << done.err;
  EXPECT_NE(done.err.find(fmt::format("the port 8099/tcp of {} is published by the service "
                                      "{}2_theirs already: publish the container's port alone",
                                      named("web"), stack())),
            std::string::npos)
      << done.err;
  EXPECT_TRUE(services().empty());
  EXPECT_EQ(other.run("rm").code, 0);
}

TEST_F(SwarmDisturbed, APortOfTheNodesThatAnotherServiceHasIsTold) {
  const auto with_port = [](const std::string& name) {
    return service(name, serve, "      mode: global\n",
                   "    ports: [{target: 80, published: 8098, mode: host}]\n");
  };
  ASSERT_EQ(deploy(with_port("theirs")).code, 0);
  const auto done = deploy(with_port("theirs") + with_port("web"));
  EXPECT_EQ(done.code, 3) << done.out << done.err;
  EXPECT_EQ(done.outputs.at("failed-service"), named("web"));
  EXPECT_EQ(done.outputs.at("failure-reason"), "port");
  EXPECT_NE(done.err.find("host-mode port already in use"), std::string::npos) << done.err;
  EXPECT_NE(done.err.find("publish another one"), std::string::npos) << done.err;
  EXPECT_EQ(services().size(), 1U);
}

// ---- somebody else writes between our read and our write

TEST_F(SwarmDisturbed, AServiceThatOnlyHasANewVersionIsWrittenAllTheSame) {
  ASSERT_EQ(deploy(slow_service("db", 0) + service("web", serve)).code, 0);
  Process process = start(slow_service("db", 3, "      labels: {v: '2'}\n") +
                          service("web", serve, "      labels: {v: '2'}\n      replicas: 2\n",
                                  "    depends_on: [db]\n"));
  ASSERT_TRUE(process.wait_for(named("db") + ": ", std::chrono::seconds(30)));
  update("web", [](Json&) {});
  const auto done = step_->result_of(process);
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(label("web", "v"), "2");
}

TEST_F(SwarmDisturbed, AServiceThatSomebodyElseChangedIsLeftToThem) {
  ASSERT_EQ(deploy(slow_service("db", 0) + service("web", serve)).code, 0);
  const std::string db = services().at(named("db")).find("Spec")->dump();
  Process process = start(slow_service("db", 3, "      labels: {v: '2'}\n") +
                          service("web", serve, "      labels: {v: '2'}\n      replicas: 2\n",
                                  "    depends_on: [db]\n"));
  ASSERT_TRUE(process.wait_for(named("db") + ": ", std::chrono::seconds(30)));
  update("web", [](Json& spec) {
    Json labels = *spec.find("Labels");
    spec.set("Labels", labels.set("v", "theirs"));
  });
  const auto done = step_->result_of(process);
  EXPECT_EQ(done.code, 3) << done.out << done.err;
  EXPECT_NE(done.err.find(named("web") + " could not be updated: somebody else changed it"),
            std::string::npos)
      << done.err;
  EXPECT_EQ(label("web", "v"), "theirs");
  EXPECT_EQ(services().at(named("db")).find("Spec")->dump(), db);
}

// ---- what cannot be brought back

TEST_F(SwarmDisturbed, WhatCannotBeBroughtBackIsUnknownAndRollbackFinishesIt) {
  ASSERT_EQ(deploy(service("web", serve) + service("db", serve)).code, 0);
  const std::string before = picture();
  Process process = start(slow_service("web", 60) + service("db", serve, "      replicas: 2\n"));
  ASSERT_TRUE(process.wait_for(named("db") + ": 2 of 2 tasks run", std::chrono::seconds(30)))
      << process.out() << process.err();
  remove("web");
  const auto done = step_->result_of(process);
  EXPECT_EQ(done.code, 4) << done.out << done.err;
  EXPECT_EQ(done.outputs.at("outcome"), "unknown");
  EXPECT_NE(done.err.find("the stack could not be brought back"), std::string::npos) << done.err;
  EXPECT_NE(done.err.find(named("web")), std::string::npos) << done.err;
  EXPECT_NE(done.err.find("swarm-deploy rollback --stack " + stack()), std::string::npos)
      << done.err;
  EXPECT_EQ(step_->run("status").out.find("locked by"), std::string::npos);
  const auto back = step_->run("rollback", {"--settle", "1s"});
  EXPECT_EQ(back.code, 0) << back.out << back.err;
  EXPECT_EQ(picture(), before);
}

// ---- volumes

TEST_F(SwarmDisturbed, AVolumeStaysOverDeployRollbackAndRm) {
  const auto files = [](const std::string& command) {
    return service("web", command + "; " + serve,
                   "      placement: {constraints: [node.hostname == node1]}\n",
                   "    volumes: [data:/d]\n");
  };
  const std::string reads = "[ -e /d/kept ] || exit 3";
  more_yaml = "volumes:\n  data: {}\n";
  ASSERT_EQ(deploy(files("echo kept > /d/kept")).code, 0);
  const auto second = deploy(files(reads));
  EXPECT_EQ(second.code, 0) << second.out << second.err;
  ASSERT_EQ(step_->run("rollback", {"--settle", "1s"}).code, 0);
  ASSERT_EQ(step_->run("rm").code, 0);
  const auto volume = engine_->ask(budget(), {.path = "/volumes/" + named("data")});
  ASSERT_TRUE(volume);
  EXPECT_EQ(volume->status, 200) << volume->body;
  const auto again = deploy(files(reads));
  EXPECT_EQ(again.code, 0) << again.out << again.err;
}

// ---- a node less; the last test of this swarm

// Whether a swarm's own update comes to an end then hangs on when it finds that the node is down,
// and no test can choose that: it is told and taken back, or done. service_health_test.cpp has
// both.
TEST_F(SwarmDisturbed, ZAWorkerThatIsLostInMidDeployLeavesTheOldOrTheNewAndTheNextDeployGoesOn) {
  const auto files = [](const std::string& tag) {
    return slow_service("web", 4, "      replicas: 3\n      labels: {v: '" + tag + "'}\n",
                        "    environment: {V: '" + tag + "'}\n") +
           service("every", serve, "      mode: global\n", "    environment: {V: '" + tag + "'}\n");
  };
  ASSERT_EQ(deploy(files("1")).code, 0);
  const std::string before = picture();
  // Without an answer from now on, so that none of its tasks is renewed before it is lost.
  ASSERT_EQ(::kill(swarm_->engine_pid(3), SIGSTOP), 0);
  Process process = start(files("2"), {"--scheduling-timeout", "10s"});
  ASSERT_TRUE(process.wait_for("updating", std::chrono::seconds(30)))
      << process.out() << process.err();
  ASSERT_EQ(::kill(swarm_->engine_pid(3), SIGKILL), 0);
  const auto done = step_->result_of(process);
  if (done.code == 0) {
    EXPECT_EQ(label("web", "v"), "2");
  } else {
    EXPECT_EQ(done.code, 3) << done.out << done.err;
    EXPECT_EQ(done.outputs.at("failure-reason"), "node");
    EXPECT_NE(done.err.find("its update waits for a task of a node that does not answer, and does "
                            "not go on (node, on node3)"),
              std::string::npos)
        << done.err;
    EXPECT_EQ(picture(), before);
  }
  const auto again = deploy(files("2"));
  EXPECT_EQ(again.code, 0) << again.out << again.err;
  const auto status = step_->run("status");
  EXPECT_EQ(status.code, 0) << status.out << status.err;
}

// ---- managers

class SwarmManagers : public SwarmDisturbed {
 protected:
  static void SetUpTestSuite() {}  // each test has a swarm of its own, which it breaks

  void SetUp() override {}
  void TearDown() override { swarm_.reset(); }

  void start_managers(int count) {
    PCA_REQUIRE(Swarm::missing());
    swarm_ = std::make_unique<Swarm>(count);
    use_engine(1);
    for (int node = 2; node <= count; ++node) promote(fmt::format("node{}", node));
    ASSERT_TRUE(comes_true([&] { return managers() == count; }, std::chrono::seconds(40)));
    // The leader counts a node as a manager before that node knows of it.
    for (int node = count; node >= 1; --node) {
      use_engine(node);
      ASSERT_TRUE(
          comes_true([&] { return engine_->json(budget(), {.path = "/nodes"}).has_value(); },
                     std::chrono::seconds(40)));
    }
    std::string engines;
    for (int node = 1; node <= count; ++node)
      engines += fmt::format("unix://{}\n", swarm_->socket(node));
    step_ = std::make_unique<SwarmStep>(engines, stack());
  }
  void use_engine(int node) {
    auto engine =
        Engine::connect(budget(), *parse_engine_endpoint("unix://" + swarm_->socket(node)));
    ASSERT_TRUE(engine) << engine.error().message;
    engine_ = *std::move(engine);
  }
  void promote(const std::string& hostname) const {
    const auto list = engine_->json(budget(), {.path = "/nodes"});
    ASSERT_TRUE(list);
    for (const Json& node : *list->as_array()) {
      if (node.find("Description")->text_of("Hostname") != hostname) continue;
      Json spec = *node.find("Spec");
      const auto done = engine_->json(
          budget(), {.method = "POST",
                     .path = fmt::format("/nodes/{}/update?version={}", node.text_of("ID"),
                                         *node.find("Version")->find("Index")->as_int()),
                     .body = spec.set("Role", "manager").dump()});
      ASSERT_TRUE(done) << done.error().message;
    }
  }
  // That reach each other.
  [[nodiscard]] int managers() const {
    const auto list = engine_->json(budget(), {.path = "/nodes"});
    int count = 0;
    if (!list) return count;
    for (const Json& node : *list->as_array()) {
      const Json* manager = node.find("ManagerStatus");
      if (manager != nullptr && manager->text_of("Reachability") == "reachable") ++count;
    }
    return count;
  }
};

TEST_F(SwarmManagers, ALeaderThatIsLostInMidDeployGivesWayToTheNextManager) {
  start_managers(3);
  ASSERT_FALSE(HasFatalFailure() || IsSkipped());
  const auto first = deploy(service("web", serve));
  ASSERT_EQ(first.code, 0) << first.out << first.err;
  Process process = start(slow_service("web", 4, "      replicas: 3\n"),
                          {"--timeout", "150s", "--scheduling-timeout", "60s"});
  ASSERT_TRUE(process.wait_for(named("web") + ": ", std::chrono::seconds(30)))
      << process.out() << process.err();
  ASSERT_EQ(::kill(swarm_->engine_pid(1), SIGKILL), 0);
  const auto done = step_->result_of(process, std::chrono::seconds(160));
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(done.outputs.at("outcome"), "deployed");
  use_engine(2);
  EXPECT_EQ(services().size(), 1U);
  const auto again = step_->run("status");
  EXPECT_EQ(again.code, 0) << again.out << again.err;
}

// This thread, and what it starts meanwhile, finds the file `there` at `here`.
class FileSeenAt {
 public:
  FileSeenAt(const std::string& there, const std::string& here)
      : own_(::open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC)),
        folder_(std::filesystem::current_path()) {
    EXPECT_EQ(::unshare(CLONE_NEWNS), 0);
    EXPECT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    EXPECT_EQ(::mount(there.c_str(), here.c_str(), nullptr, MS_BIND, nullptr), 0);
  }
  ~FileSeenAt() {
    EXPECT_EQ(::setns(own_.get(), CLONE_NEWNS), 0);
    std::filesystem::current_path(folder_);
  }
  FileSeenAt(const FileSeenAt&) = delete;
  FileSeenAt& operator=(const FileSeenAt&) = delete;

 private:
  FileDescriptor own_;
  std::filesystem::path folder_;
};

// Each host has the Engine of its own at the usual place. The first one's machine is gone: its sshd
// with all connections, and its Engine.
TEST_F(SwarmManagers, AHostThatIsLostInMidDeployGivesWayToTheNextOne) {
  PCA_REQUIRE(Sshd::missing());
  start_managers(3);
  ASSERT_FALSE(HasFatalFailure() || IsSkipped());
  const TempFolder folder;
  const std::string socket = folder.write("docker.sock", "");
  std::vector<std::unique_ptr<HostForTests>> hosts;
  std::string keys;
  std::string addresses;
  std::string known_hosts;
  for (const int node : {3, 1, 2}) {
    const FileSeenAt seen(swarm_->socket(node), socket);
    hosts.push_back(std::make_unique<HostForTests>(keys));
    if (keys.empty())
      keys = "AuthorizedKeysFile " +
             folder.write("authorized_keys", hosts[0]->key_pair().public_line + "\n");
    addresses += hosts.back()->address() + "\n";
    known_hosts += hosts.back()->sshd().known_hosts() + "\n";
  }
  step_ = std::make_unique<SwarmStep>(socket, stack());
  for (const auto& [name, value] : StepForTests(*hosts[0]).inputs) step_->variables[name] = value;
  step_->variables["INPUT_HOST"] = addresses;
  step_->variables["INPUT_KNOWN_HOSTS"] = known_hosts;
  step_->variables["INPUT_TRIES"] = "1";
  Process process =
      start(slow_service("web", 4, "      placement: {constraints: [node.hostname == node1]}\n"));
  ASSERT_TRUE(process.wait_for(named("web") + ": ", std::chrono::seconds(30)))
      << process.out() << process.err();
  EXPECT_NE(hosts[0]->sshd().log().find("Accepted publickey"), std::string::npos);
  EXPECT_EQ(hosts[1]->sshd().log().find("Accepted publickey"), std::string::npos);
  hosts[0].reset();
  ASSERT_EQ(::kill(swarm_->engine_pid(3), SIGKILL), 0);
  const auto done = step_->result_of(process);
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(done.outputs.at("outcome"), "deployed");
  EXPECT_NE(hosts[1]->sshd().log().find("Accepted publickey"), std::string::npos);
  EXPECT_EQ(hosts[2]->sshd().log().find("Accepted publickey"), std::string::npos);
  EXPECT_EQ(services().size(), 1U);
  // The next run finds its way, too.
  const auto status = step_->run("status");
  EXPECT_EQ(status.code, 0) << status.out << status.err;
}

TEST_F(SwarmManagers, ASwarmWithoutALeaderIsToldPlainlyAndInTime) {
  start_managers(2);
  ASSERT_FALSE(HasFatalFailure() || IsSkipped());
  ASSERT_EQ(deploy(service("web", serve)).code, 0);
  // In the middle of a deploy,
  Process process =
      start(slow_service("web", 60), {"--timeout", "35s", "--rollback-timeout", "10s"});
  ASSERT_TRUE(process.wait_for(named("web") + ": ", std::chrono::seconds(30)))
      << process.out() << process.err();
  ASSERT_EQ(::kill(swarm_->engine_pid(1), SIGKILL), 0);
  const auto killed = Clock::now();
  const auto done = step_->result_of(process, std::chrono::seconds(100));
  EXPECT_EQ(done.code, 4) << done.out << done.err;
  EXPECT_NE(done.err.find("The swarm does not have a leader"), std::string::npos) << done.err;
  EXPECT_NE(done.err.find("the stack could not be brought back"), std::string::npos) << done.err;
  EXPECT_LT(ms_since(killed), 60'000);
  // and when one begins.
  for (const char* command : {"plan", "status"}) {
    const auto begun = Clock::now();
    const auto refused = step_->run(command);
    EXPECT_EQ(refused.code, 6) << refused.out << refused.err;
    EXPECT_NE(refused.err.find("The swarm does not have a leader"), std::string::npos)
        << refused.err;
    EXPECT_NE(refused.err.find("Bring back its managers until more than half of them run"),
              std::string::npos)
        << refused.err;
    EXPECT_LT(ms_since(begun), 20'000);
  }
}

}  // namespace
}  // namespace pca
