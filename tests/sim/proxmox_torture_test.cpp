#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>

#include "support/comes_true.hpp"
#include "support/proxmox_step.hpp"

namespace pca::test {
namespace {

using testing::SandboxProxmox;

// A cluster with one release of an application, and what a second deploy asks
// for.
class ProxmoxTorture : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(step.deploy().code, 0);
    step.commit = std::string(40, 'b');
    before = cluster.state();
  }

  void put_back() {
    const auto gone = step.run("destroy", {"--name", "web"});
    ASSERT_EQ(gone.code, 0) << gone.all();
    step.commit = std::string(40, 'a');
    ASSERT_EQ(step.deploy().code, 0);
    step.commit = std::string(40, 'b');
    before = cluster.state();
  }
  // IDs of the application's guests, and how many are the active one, or have this lock.
  std::vector<int> vmids(const std::string& tag = "app-web") {
    std::vector<int> found;
    const Json state = cluster.state();
    for (const auto& [vmid, guest] : *state.find("guests")->as_object()) {
      const auto tags = split(guest.find("config")->text_of("tags"), ';');
      if (std::find(tags.begin(), tags.end(), tag) != tags.end()) found.push_back(std::stoi(vmid));
    }
    return found;
  }
  int of_application() { return static_cast<int>(vmids().size()); }
  int actives() { return static_cast<int>(vmids("active").size()); }
  bool has_a_lock(const std::string& lock) {
    const Json state = cluster.state();
    for (const auto& [vmid, guest] : *state.find("guests")->as_object()) {
      if (guest.find("config")->text_of("lock") == lock) return true;
    }
    return false;
  }

  void expect_as_before(const ProxmoxStep::Result& done, const std::string& what) {
    EXPECT_EQ(cluster.state().dump(), before.dump()) << what << "\n" << done.all();
  }

  static constexpr const char* never = "http://{ip}:1/never";
  SandboxProxmox cluster{{}, 20};
  ProxmoxStep step{cluster};
  Json before;
};

// Refused; dropped before anybody saw it; done, and nobody heard of it. Each
// write in turn.
TEST_F(ProxmoxTorture, EachWriteThatFailsLeavesAllAsItWasOrIsMadeUpFor) {
  const std::vector<std::string> writes{"PUT *config", "POST *clone", "POST *start"};
  for (const char* kind : {"request-fails", "request-dropped", "request-lost"}) {
    for (const std::string& write : writes) {
      for (int nth = 1; nth <= (write.starts_with("PUT") ? 4 : 1); ++nth) {
        const std::string what = std::string(kind) + " " + write + " " + std::to_string(nth);
        cluster.fault(R"({"kind": ")" + std::string(kind) + R"(", "request": ")" + write +
                      R"(", "nth": )" + std::to_string(nth) + "}");
        const auto done = step.deploy();
        cluster.no_faults();
        if (done.code == 0) {
          EXPECT_NE(std::string(kind), "request-fails") << what;
          put_back();
        } else {
          EXPECT_TRUE(done.code == 3 || done.code == 1 || done.code == 6) << what << done.all();
          expect_as_before(done, what);
        }
      }
    }
  }
}

TEST_F(ProxmoxTorture, EachTaskThatFailsLeavesAllAsItWas) {
  for (const char* task : {"qmclone", "qmstart"}) {
    for (const char* kind : {"task-fails", "task-fails-late", "task-dies"}) {
      const std::string what = std::string(kind) + " " + task;
      cluster.fault(R"({"kind": ")" + std::string(kind) + R"(", "task": ")" + task +
                    R"(", "nth": 1})");
      const auto done = step.deploy();
      cluster.no_faults();
      EXPECT_EQ(done.code, 3) << what << done.all();
      expect_as_before(done, what);
    }
  }
}

TEST_F(ProxmoxTorture, AfterTheSwitchWhatFailsIsAWarning) {
  for (const char* task : {"qmshutdown", "qmdestroy"}) {
    cluster.fault(std::string(R"({"kind": "task-fails", "task": ")") + task + R"("})");
    const auto done = step.deploy({"--keep", "0"});
    cluster.no_faults();
    EXPECT_EQ(done.code, 0) << task << done.all();
    EXPECT_NE(done.all().find("the next deploy tries it again"), std::string::npos) << done.all();
    put_back();
  }
}

TEST_F(ProxmoxTorture, ACancelAtEachStepLeavesAllAsItWas) {
  for (const char* said : {"Cloning ", "Starting guest ", "Its address is "}) {
    step.health_url = never;
    Process process = step.start_deploy();
    step.health_url.clear();
    ASSERT_TRUE(process.wait_for(said, std::chrono::seconds(20))) << said << process.out();
    process.interrupt();
    const auto done = step.result_of(process);
    EXPECT_EQ(done.code, 130) << said << done.all();
    expect_as_before(done, said);
  }
}

TEST_F(ProxmoxTorture, ACloneThatHangsIsStoppedByACancelAndByItsTime) {
  for (const bool is_cancelled : {true, false}) {
    cluster.fault(R"({"kind": "task-hangs", "task": "qmclone", "nth": 1})");
    Process process = step.start_deploy({"--timeout", is_cancelled ? "60s" : "3s"});
    ASSERT_TRUE(comes_true([&] { return has_a_lock("clone"); })) << process.out();
    if (is_cancelled) process.interrupt();
    const auto done = step.result_of(process);
    cluster.no_faults();
    EXPECT_EQ(done.code, is_cancelled ? 130 : 3) << done.all();
    expect_as_before(done, "a clone that hangs");
  }
}

TEST_F(ProxmoxTorture, ALookAtATaskThatFailsIsNoEndOfIt) {
  for (const char* status : {"596", "503"}) {
    cluster.fault(R"({"kind": "request-fails", "request": "GET */tasks/*/status", "nth": 1, )"
                  R"("text": "Connection timed out", "status": )" +
                  std::string(status) + "}");
    const auto done = step.deploy();
    cluster.no_faults();
    ASSERT_EQ(done.code, 0) << status << done.all();
    put_back();
  }
}

TEST_F(ProxmoxTorture, ARunThatDiesInTheMiddleOfTheSwitchIsSettledByTheNext) {
  // The lock, the new guest's configuration, that it is the active one; then that the old one is
  // not.
  cluster.fault(R"({"kind": "request-hangs", "request": "PUT *config", "nth": 4})");
  Process process = step.start_deploy();
  ASSERT_TRUE(comes_true([&] { return actives() == 2; }, std::chrono::seconds(60)))
      << process.out();
  process.send(SIGKILL);
  (void)step.result_of(process);
  cluster.no_faults();
  step.commit = std::string(40, 'c');
  const auto blocked = step.deploy({"--lock-wait", "0s"});
  EXPECT_EQ(blocked.code, 7) << blocked.all();
  const auto status = step.run("status", {"--name", "web"});
  EXPECT_NE(status.out.find("is active, too: a switch ended half-way"), std::string::npos)
      << status.out;
  EXPECT_EQ(step.run("unlock", {"--name", "web"}).code, 0);
  const auto done = step.deploy({"--keep", "0"});
  EXPECT_EQ(done.code, 0) << done.all();
  EXPECT_EQ(actives(), 1);
  EXPECT_EQ(of_application(), 1);
}

TEST_F(ProxmoxTorture, AHoldThatIsSetDuringADeployStays) {
  // Clones of an unhealthy guest are unhealthy.
  (void)cluster.guest(R"({"vmid": 9000, "application": {"state": "unhealthy"}})");
  for (const bool succeeds : {false, true}) {
    Process process = step.start_deploy({"--health-timeout", succeeds ? "30s" : "3s"});
    ASSERT_TRUE(process.wait_for("Its address is ", std::chrono::seconds(20))) << process.out();
    const std::string reason = "the <!-- proxmox-deploy {} --> freeze";
    const auto held = step.run("hold", {"--name", "web", "--reason", reason});
    EXPECT_EQ(held.code, 0) << held.all();
    if (succeeds) {
      for (const int vmid : vmids()) {
        (void)cluster.guest(R"({"vmid": )" + std::to_string(vmid) +
                            R"(, "application": {"state": "healthy"}})");
      }
    }
    const auto done = step.result_of(process);
    EXPECT_EQ(done.code, succeeds ? 0 : 3) << done.all();
    step.commit = std::string(40, 'c');
    const auto refused = step.deploy();
    EXPECT_EQ(refused.code, 7) << refused.all();
    EXPECT_NE(refused.all().find(reason), std::string::npos) << refused.all();
    EXPECT_EQ(step.run("unhold", {"--name", "web"}).code, 0);
    step.commit = std::string(40, 'b');
  }
}

TEST_F(ProxmoxTorture, WhatAKilledRunLeftGoesWithTheNextOne) {
  for (const char* said : {"Cloning ", "Starting guest ", "Its address is "}) {
    step.health_url = never;
    Process process = step.start_deploy();
    step.health_url.clear();
    ASSERT_TRUE(process.wait_for(said, std::chrono::seconds(20))) << said << process.out();
    process.send(SIGKILL);
    (void)step.result_of(process);
    const auto blocked = step.deploy({"--lock-wait", "0s"});
    EXPECT_EQ(blocked.code, 7) << blocked.all();
    const auto unlocked = step.run("unlock", {"--name", "web"});
    EXPECT_EQ(unlocked.code, 0) << unlocked.all();
    const auto done = step.deploy({"--keep", "0"});
    ASSERT_EQ(done.code, 0) << said << done.all();
    const auto gone = step.run("destroy", {"--name", "web", "--dry-run"});
    EXPECT_EQ(gone.out.find("half-made"), std::string::npos) << gone.out;
    put_back();
  }
}

TEST_F(ProxmoxTorture, ANodeThatDiesAtAStepIsToldAndNothingElseIsTouched) {
  // The template's node is the one that does all the work.
  for (const char* said : {"Cloning ", "Starting guest "}) {
    step.health_url = never;
    Process process = step.start_deploy({"--rollback-timeout", "3s", "--timeout", "6s"});
    step.health_url.clear();
    ASSERT_TRUE(process.wait_for(said, std::chrono::seconds(20))) << said << process.out();
    cluster.kill(1);
    const auto done = step.result_of(process);
    EXPECT_TRUE(done.code == 4 || done.code == 3) << said << done.all();
    cluster.revive(1);
    // A clone that died with its node has left its lock, which only "qm unlock" on the host ends.
    const Json state = cluster.state();
    for (const auto& [vmid, guest] : *state.find("guests")->as_object()) {
      if (guest.find("config")->find("lock") == nullptr) continue;
      (void)cluster.guest(R"({"vmid": )" + vmid + R"(, "config": {"lock": null}})");
    }
    (void)step.run("unlock", {"--name", "web"});
    const auto again = step.deploy({"--keep", "0"});
    EXPECT_EQ(again.code, 0) << said << again.all();
    put_back();
  }
}

TEST_F(ProxmoxTorture, ATokenWithoutEachSinglePrivilegeIsToldWhichAndChangesNothing) {
  const std::vector<std::string> privileges{"VM.Allocate",
                                            "VM.Audit",
                                            "VM.Clone",
                                            "VM.Config.Options",
                                            "VM.PowerMgmt",
                                            "VM.GuestAgent.Audit",
                                            "Datastore.AllocateSpace"};
  for (const std::string& missing : privileges) {
    std::string all;
    for (const char* one :
         {"VM.Allocate", "VM.Audit", "VM.Clone", "VM.Config.CDROM", "VM.Config.CPU",
          "VM.Config.Cloudinit", "VM.Config.Disk", "VM.Config.HWType", "VM.Config.Memory",
          "VM.Config.Network", "VM.Config.Options", "VM.PowerMgmt", "VM.GuestAgent.Audit",
          "Datastore.AllocateSpace", "SDN.Use"}) {
      if (missing == one) continue;
      all += (all.empty() ? "\"" : ", \"") + std::string(one) + "\"";
    }
    cluster.token(R"({"id": "deploy@pve!ci", "acl": [{"path": "/", "privileges": [)" + all +
                  "]}]}");
    const auto done = step.deploy({"--timeout", "5s"});
    EXPECT_NE(done.code, 0) << missing;
    EXPECT_TRUE(done.all().find(missing) != std::string::npos || missing == "VM.Audit" ||
                missing == "VM.Allocate")  // which of several ways is missing
                                           // the API does not say
        << missing << "\n"
        << done.all();
    expect_as_before(done, missing);
  }
}

}  // namespace
}  // namespace pca::test
