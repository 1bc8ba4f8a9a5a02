// proxmox-deploy lxc deploy, and what other commands make of containers: above all that no data are
// ever lost.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>

#include "base/percent.hpp"
#include "support/comes_true.hpp"
#include "support/proxmox_step.hpp"

namespace pca::test {
namespace {

using testing::SandboxProxmox;

constexpr const char* archive = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst";

class ProxmoxContainer : public ::testing::Test {
 protected:
  [[nodiscard]] std::vector<std::string> words(const std::vector<std::string>& more = {}) const {
    const std::string url =
        is_never_well ? "http://{ip}:1/never"
                      : "http://{ip}:" + std::to_string(cluster.application_port()) + "/healthz";
    std::vector<std::string> all{"--name",       "web",       "--template",         archive,
                                 "--storage",    "local-zfs", "--health-successes", "1",
                                 "--health-url", url};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  ProxmoxStep::Result deploy(const std::vector<std::string>& more = {}) {
    return step.run("lxc deploy", words(more));
  }
  ProxmoxStep::Result deploy_with_data(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"--data", "/var/lib/shop=local-zfs:2GiB"});
    return deploy(more);
  }
  ProxmoxStep::Result rollback(const std::vector<std::string>& more = {}) {
    std::vector<std::string> all{"--name", "web",          "--health-successes",
                                 "1",      "--health-url", words().back()};
    all.insert(all.end(), more.begin(), more.end());
    return step.run("rollback", all);
  }
  ProxmoxStep::Result destroy(const std::vector<std::string>& more = {}) {
    std::vector<std::string> all{"--name", "web"};
    all.insert(all.end(), more.begin(), more.end());
    return step.run("destroy", all);
  }
  // A release with data, and what a second one asks for.
  void make_first() {
    step.commit = std::string(40, 'a');
    const auto first = deploy_with_data();
    ASSERT_EQ(first.code, 0) << first.all();
    old_vmid = std::stoi(first.outputs.at("vmid"));
    volume = volume_of(old_vmid);
    step.commit = std::string(40, 'b');
    before = cluster.state();
  }
  std::string config_of(int vmid, const std::string& key) {
    const Json guest = cluster.guest_state(vmid);
    const Json* config = guest.find("config");
    return config == nullptr ? std::string() : config->text_of(key);
  }
  std::string volume_of(int vmid) {
    const std::string mount = config_of(vmid, "mp0");
    return mount.substr(0, mount.find(','));
  }
  // How many volumes of 2 GiB there are: of data, wherever they are.
  int data_volumes() {
    const std::string all = cluster.state().find("storages")->dump();
    int found = 0;
    for (std::size_t at = all.find("2147483648"); at != std::string::npos;
         at = all.find("2147483648", at + 1)) {
      ++found;
    }
    return found;
  }
  std::string status_of(int vmid) { return cluster.guest_state(vmid).text_of("status"); }
  void expect_as_before(const ProxmoxStep::Result& done, const std::string& what) {
    const std::string now = cluster.state().dump();
    const std::string then = before.dump();
    const auto differ = std::mismatch(now.begin(), now.end(), then.begin(), then.end()).first;
    const std::size_t at = static_cast<std::size_t>(differ - now.begin());
    const std::size_t from = at > 200 ? at - 200 : 0;
    EXPECT_TRUE(now == then) << what << "\nnow:    " << now.substr(from, 400)
                             << "\nbefore: " << then.substr(from, 400) << "\n"
                             << done.all();
  }
  void put_back() {
    ASSERT_EQ(destroy({"--delete-data"}).code, 0);
    make_first();
  }

  SandboxProxmox cluster{{}, 20};
  ProxmoxStep step{cluster};
  bool is_never_well = false;
  int old_vmid = 0;
  std::string volume;
  Json before;
};

TEST_F(ProxmoxContainer, IsMadeOfAnArchiveByOneCallAndSwitchedToOnceItIsHealthy) {
  const auto first = deploy({"--cores", "2", "--memory", "1GiB", "--swap", "256MiB", "--ssh-keys",
                             "ssh-ed25519 "
                             "AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ "
                             "test",
                             "--config", "timezone=host", "--tags", "blue", "--nameserver",
                             "10.0.0.53", "--search-domain", "example.com"});
  ASSERT_EQ(first.code, 0) << first.all();
  EXPECT_EQ(first.outputs.at("outcome"), "deployed");
  const int vmid = std::stoi(first.outputs.at("vmid"));
  EXPECT_FALSE(first.outputs.at("ip").empty());
  EXPECT_EQ(status_of(vmid), "running");
  EXPECT_EQ(config_of(vmid, "hostname"), "web-aaaaaaa");
  EXPECT_EQ(config_of(vmid, "tags"), "active;app-web;blue;rev-aaaaaaaa");
  EXPECT_EQ(config_of(vmid, "cores"), "2");
  EXPECT_EQ(config_of(vmid, "memory"), "1024");
  EXPECT_EQ(config_of(vmid, "swap"), "256");
  EXPECT_EQ(config_of(vmid, "unprivileged"), "1");
  EXPECT_EQ(config_of(vmid, "features"), "nesting=1");
  EXPECT_EQ(config_of(vmid, "onboot"), "1");
  EXPECT_TRUE(config_of(vmid, "rootfs").ends_with("size=8G")) << config_of(vmid, "rootfs");
  EXPECT_TRUE(config_of(vmid, "net0").starts_with("name=eth0,bridge=vmbr0,ip=dhcp"));
  step.commit = std::string(40, 'b');
  const auto second = deploy();
  ASSERT_EQ(second.code, 0) << second.all();
  EXPECT_EQ(second.outputs.at("previous"), first.outputs.at("release"));
  EXPECT_EQ(status_of(vmid), "stopped");
  EXPECT_EQ(config_of(vmid, "tags"), "app-web;blue;rev-aaaaaaaa");
  const auto again = deploy();
  EXPECT_EQ(again.outputs.at("outcome"), "unchanged") << again.all();
}

TEST_F(ProxmoxContainer, WithoutDataTheOldOneServesUntilTheNewOneIsHealthy) {
  ASSERT_EQ(deploy().code, 0);
  step.commit = std::string(40, 'b');
  before = cluster.state();
  is_never_well = true;
  const auto failed = deploy({"--health-timeout", "1s"});
  EXPECT_EQ(failed.code, 3) << failed.all();
  EXPECT_EQ(failed.outputs.at("outcome"), "rolled-back");
  EXPECT_EQ(failed.all().find("Shutting guest"), std::string::npos) << failed.all();
  expect_as_before(failed, "not healthy");
}

TEST_F(ProxmoxContainer, ThePlanWritesNothingAndSaysWhereDataGo) {
  make_first();
  const auto plan = deploy_with_data({"--dry-run"});
  EXPECT_EQ(plan.code, 0) << plan.all();
  EXPECT_NE(plan.out.find("data at /var/lib/shop: mp0 of guest " + std::to_string(old_vmid)),
            std::string::npos)
      << plan.out;
  EXPECT_NE(plan.out.find("shut down, so that its data can go"), std::string::npos) << plan.out;
  expect_as_before(plan, "a plan");
}

TEST_F(ProxmoxContainer, DataGoFromEachToTheNextAndBackByARollback) {
  make_first();
  EXPECT_EQ(data_volumes(), 1);
  const auto second = deploy_with_data();
  ASSERT_EQ(second.code, 0) << second.all();
  const int vmid = std::stoi(second.outputs.at("vmid"));
  EXPECT_EQ(volume_of(old_vmid), "");
  EXPECT_NE(volume_of(vmid), "");
  EXPECT_NE(config_of(vmid, "mp0").find("mp=/var/lib/shop"), std::string::npos);
  EXPECT_EQ(data_volumes(), 1);
  EXPECT_EQ(config_of(old_vmid, "description").find("data-move"), std::string::npos);
  EXPECT_EQ(config_of(vmid, "description").find("data-move"), std::string::npos);
  const auto back = rollback();
  ASSERT_EQ(back.code, 0) << back.all();
  EXPECT_EQ(back.outputs.at("vmid"), std::to_string(old_vmid));
  EXPECT_NE(volume_of(old_vmid), "");
  EXPECT_EQ(status_of(old_vmid), "running");
  EXPECT_EQ(status_of(vmid), "stopped");
  EXPECT_EQ(data_volumes(), 1);
}

TEST_F(ProxmoxContainer, MoreDataAreMadeBesideThoseThatCome) {
  make_first();
  const auto second = deploy({"--data", "/srv/files=local-zfs:3GiB\n/var/lib/shop=local-zfs:9GiB"});
  ASSERT_EQ(second.code, 0) << second.all();
  const int vmid = std::stoi(second.outputs.at("vmid"));
  EXPECT_NE(config_of(vmid, "mp0").find("mp=/srv/files"), std::string::npos);
  EXPECT_TRUE(config_of(vmid, "mp0").ends_with("size=3G")) << config_of(vmid, "mp0");
  EXPECT_NE(config_of(vmid, "mp1").find("mp=/var/lib/shop"), std::string::npos);
  EXPECT_TRUE(config_of(vmid, "mp1").ends_with("size=2G")) << config_of(vmid, "mp1");  // as it was
}

TEST_F(ProxmoxContainer, DataThatNobodyWantsAreAMistakeAndNothingIsWritten) {
  make_first();
  for (const auto& done : {deploy(), step.deploy()}) {  // no data; a VM
    EXPECT_EQ(done.code, 1) << done.all();
    EXPECT_NE(done.all().find("data"), std::string::npos) << done.all();
    expect_as_before(done, "data that are left behind");
  }
  const auto elsewhere = deploy_with_data({"--node", "pve2"});
  EXPECT_EQ(elsewhere.code, 1) << elsewhere.all();
  EXPECT_NE(elsewhere.all().find("the data are on pve1"), std::string::npos) << elsewhere.all();
  expect_as_before(elsewhere, "another node");
}

TEST_F(ProxmoxContainer, AFailureGivesTheDataBackAndTheOldOneServes) {
  make_first();
  is_never_well = true;
  const auto failed = deploy_with_data({"--health-timeout", "1s"});
  EXPECT_EQ(failed.code, 3) << failed.all();
  expect_as_before(failed, "not healthy");
  const auto kept = deploy_with_data({"--health-timeout", "1s", "--on-failure", "keep"});
  EXPECT_EQ(kept.code, 3) << kept.all();
  EXPECT_EQ(volume_of(old_vmid), volume);
  EXPECT_EQ(status_of(old_vmid), "running");
  EXPECT_EQ(volume_of(std::stoi(kept.outputs.at("vmid"))), "");
}

TEST_F(ProxmoxContainer, ARollbackThatFailsLeavesTheDataWithTheActiveOne) {
  make_first();
  ASSERT_EQ(deploy_with_data().code, 0);
  before = cluster.state();
  is_never_well = true;
  const auto failed = rollback({"--health-timeout", "1s"});
  EXPECT_EQ(failed.code, 3) << failed.all();
  expect_as_before(failed, "a rollback");
}

// Refused; dropped before anybody saw it; done, and nobody heard of it: each write in turn, of what
// a deploy with data sends.
TEST_F(ProxmoxContainer, EachWriteThatFailsLeavesAllAsItWasOrIsMadeUpFor) {
  make_first();
  const std::pair<const char*, int> writes[] = {{"PUT *config", 5},
                                                {"POST */lxc", 1},
                                                {"POST *shutdown", 1},
                                                {"POST *move_volume", 1},
                                                {"POST *start", 1}};
  for (const char* kind : {"request-fails", "request-dropped", "request-lost"}) {
    for (const auto& [write, times] : writes) {
      for (int nth = 1; nth <= times; ++nth) {
        const std::string what = std::string(kind) + " " + write + " " + std::to_string(nth);
        cluster.fault(R"({"kind": ")" + std::string(kind) + R"(", "request": ")" + write +
                      R"(", "nth": )" + std::to_string(nth) + "}");
        const auto done = deploy_with_data();
        cluster.no_faults();
        EXPECT_EQ(data_volumes(), 1) << what << done.all();
        if (done.code == 0) {
          EXPECT_NE(volume_of(std::stoi(done.outputs.at("vmid"))), "") << what;
          put_back();
        } else {
          EXPECT_TRUE(done.code == 3 || done.code == 1 || done.code == 6) << what << done.all();
          expect_as_before(done, what);
        }
      }
    }
  }
}

TEST_F(ProxmoxContainer, EachTaskThatFailsLeavesAllAsItWas) {
  make_first();
  for (const char* task : {"vzcreate", "vzshutdown", "move_volume", "vzstart"}) {
    for (const char* kind : {"task-fails", "task-fails-late", "task-dies"}) {
      const std::string what = std::string(kind) + " " + task;
      cluster.fault(R"({"kind": ")" + std::string(kind) + R"(", "task": ")" + task +
                    R"(", "nth": 1})");
      const auto done = deploy_with_data();
      cluster.no_faults();
      EXPECT_EQ(done.code, 3) << what << done.all();
      expect_as_before(done, what);
    }
  }
}

TEST_F(ProxmoxContainer, ACancelAtEachStepLeavesAllAsItWas) {
  make_first();
  is_never_well = true;
  for (const char* said :
       {"Making container ", "Shutting guest ", "Starting guest ", "Its address is "}) {
    Process process = step.start("lxc deploy", words({"--data", "/var/lib/shop=local-zfs:2GiB"}));
    ASSERT_TRUE(process.wait_for(said, std::chrono::seconds(60))) << said << process.out();
    process.interrupt();
    const auto done = step.result_of(process);
    EXPECT_EQ(done.code, 130) << said << done.all();
    expect_as_before(done, said);
  }
}

// Killed at each step: the next run, whatever it is, gives the data back first.
TEST_F(ProxmoxContainer, WhatAKilledRunLeftOnItsWayIsGivenBackByTheNextOne) {
  for (const char* said :
       {"Making container ", "Shutting guest ", "Starting guest ", "Its address is "}) {
    make_first();
    is_never_well = true;
    Process process = step.start("lxc deploy", words({"--data", "/var/lib/shop=local-zfs:2GiB"}));
    ASSERT_TRUE(process.wait_for(said, std::chrono::seconds(60))) << said << process.out();
    process.send(SIGKILL);
    EXPECT_TRUE(process.wait(std::chrono::seconds(10)));
    is_never_well = false;
    EXPECT_EQ(data_volumes(), 1) << said;
    const auto status = step.run("status", {"--name", "web"});
    // Nothing removes the data, nor the record that says where they are, once its lock is gone.
    EXPECT_EQ(step.run("unlock", {"--name", "web"}).code, 0);
    const auto refused = destroy();
    EXPECT_EQ(refused.code, 7) << said << refused.all();
    EXPECT_EQ(config_of(old_vmid, "hostname"), "web-aaaaaaa") << said << refused.all();
    EXPECT_EQ(data_volumes(), 1) << said << refused.all();
    const auto next = deploy_with_data();
    EXPECT_EQ(next.code, 0) << said << status.all() << next.all();
    if (next.code != 0) return;
    EXPECT_NE(volume_of(std::stoi(next.outputs.at("vmid"))), "") << said << next.all();
    EXPECT_EQ(data_volumes(), 1) << said << next.all();
    ASSERT_EQ(destroy({"--delete-data"}).code, 0);
    EXPECT_EQ(data_volumes(), 0) << said;
  }
}

// What fails while all is taken back is left to the next run, which finds it by the record.
TEST_F(ProxmoxContainer, WhatCannotBeTakenBackIsTakenBackByTheNextRun) {
  for (const char* write : {"POST *move_volume", "POST *start", "POST *shutdown"}) {
    make_first();
    is_never_well = true;
    cluster.fault(R"({"kind": "request-fails", "nth": 2, "request": ")" + std::string(write) +
                  "\"}");
    const auto failed = deploy_with_data({"--health-timeout", "1s"});
    cluster.no_faults();
    is_never_well = false;
    EXPECT_EQ(failed.code, 4) << write << failed.all();
    EXPECT_EQ(data_volumes(), 1) << write << failed.all();
    const auto next = deploy_with_data();
    ASSERT_EQ(next.code, 0) << write << failed.all() << next.all();
    EXPECT_NE(volume_of(std::stoi(next.outputs.at("vmid"))), "") << write << next.all();
    EXPECT_EQ(data_volumes(), 1) << write << next.all();
    ASSERT_EQ(destroy({"--delete-data"}).code, 0);
  }
}

TEST_F(ProxmoxContainer, EachWriteOfARollbackThatFailsLeavesAllAsItWasOrIsMadeUpFor) {
  const std::pair<const char*, int> writes[] = {
      {"PUT *config", 4}, {"POST *shutdown", 1}, {"POST *move_volume", 1}, {"POST *start", 1}};
  make_first();
  ASSERT_EQ(deploy_with_data().code, 0);
  before = cluster.state();
  for (const char* kind : {"request-fails", "request-lost"}) {
    for (const auto& [write, times] : writes) {
      for (int nth = 1; nth <= times; ++nth) {
        const std::string what = std::string(kind) + " " + write + " " + std::to_string(nth);
        cluster.fault(R"({"kind": ")" + std::string(kind) + R"(", "request": ")" + write +
                      R"(", "nth": )" + std::to_string(nth) + "}");
        const auto done = rollback({"--hold", "none"});
        cluster.no_faults();
        EXPECT_EQ(data_volumes(), 1) << what << done.all();
        if (done.code != 0) {
          EXPECT_TRUE(done.code == 3 || done.code == 1 || done.code == 6) << what << done.all();
          expect_as_before(done, what);
          continue;
        }
        EXPECT_EQ(done.outputs.at("vmid"), std::to_string(old_vmid)) << what;
        EXPECT_NE(volume_of(old_vmid), "") << what << done.all();
        put_back();
        ASSERT_EQ(deploy_with_data().code, 0);
        before = cluster.state();
      }
    }
  }
}

// Its task goes on at the cluster: nothing is started before it has ended.
TEST_F(ProxmoxContainer, ACancelOfAMoveThatHangsLeavesItToTheNextRun) {
  make_first();
  cluster.fault(R"({"kind": "task-hangs", "task": "move_volume", "nth": 1})");
  Process process = step.start("lxc deploy", words({"--data", "/var/lib/shop=local-zfs:2GiB"}));
  const auto hanging = [&] {
    const Json tasks = cluster.data("GET", "/nodes/pve1/tasks", "source=active");
    for (const Json& one : *tasks.as_array()) {
      if (one.text_of("type") == "move_volume") return one.text_of("upid");
    }
    return std::string();
  };
  ASSERT_TRUE(comes_true([&] { return !hanging().empty(); }, std::chrono::seconds(60)));
  process.interrupt();
  const auto done = step.result_of(process);
  EXPECT_EQ(done.code, 4) << done.all();
  EXPECT_EQ(status_of(old_vmid), "stopped") << done.all();
  EXPECT_NE(config_of(old_vmid, "description").find("data-move"), std::string::npos);
  cluster.no_faults();
  const std::string task = hanging();
  if (!task.empty()) {
    EXPECT_EQ(cluster.call("DELETE", "/nodes/pve1/tasks/" + percent_encoded(task)).status, 200);
  }
  ASSERT_EQ(step.run("unlock", {"--name", "web"}).code, 0);
  const auto next = deploy_with_data();
  ASSERT_EQ(next.code, 0) << done.all() << next.all();
  EXPECT_EQ(data_volumes(), 1);
  EXPECT_NE(volume_of(std::stoi(next.outputs.at("vmid"))), "") << next.all();
}

// As after its node started while its data were elsewhere.
TEST_F(ProxmoxContainer, DataAreNeverPutBeneathWhatRuns) {
  make_first();
  is_never_well = true;
  Process process = step.start("lxc deploy", words({"--data", "/var/lib/shop=local-zfs:2GiB"}));
  ASSERT_TRUE(process.wait_for("Its address is ", std::chrono::seconds(60))) << process.out();
  process.send(SIGKILL);
  EXPECT_TRUE(process.wait(std::chrono::seconds(10)));
  is_never_well = false;
  const std::string ct = "/nodes/pve1/lxc/" + std::to_string(old_vmid);
  ASSERT_EQ(cluster.run_task("POST", ct + "/status/start"), "OK");
  ASSERT_EQ(step.run("unlock", {"--name", "web"}).code, 0);
  const std::size_t asked = cluster.requests().size();
  const auto next = deploy_with_data();
  ASSERT_EQ(next.code, 0) << next.all();
  std::size_t shut_down = 0;
  std::size_t moved = 0;
  const auto requests = cluster.requests();
  for (std::size_t i = asked; i < requests.size(); ++i) {
    const std::string path = requests[i].text_of("path");
    if (shut_down == 0 && path.ends_with(std::to_string(old_vmid) + "/status/shutdown"))
      shut_down = i;
    if (moved == 0 && path.ends_with("/move_volume")) moved = i;
  }
  EXPECT_NE(shut_down, 0U) << next.all();
  EXPECT_LT(shut_down, moved) << next.all();
}

TEST_F(ProxmoxContainer, DestroyAndKeepLeaveDataAlone) {
  make_first();
  const auto refused = destroy();
  EXPECT_EQ(refused.code, 7) << refused.all();
  EXPECT_NE(refused.all().find("/var/lib/shop"), std::string::npos) << refused.all();
  EXPECT_NE(refused.all().find("delete-data"), std::string::npos) << refused.all();
  expect_as_before(refused, "destroy");
  // Somebody gave the old one a volume of its own meanwhile.
  ASSERT_EQ(deploy_with_data().code, 0);
  const std::string old = "/nodes/pve1/lxc/" + std::to_string(old_vmid) + "/config";
  ASSERT_EQ(cluster.call("PUT", old, "mp3=local-zfs:2,mp%3D/srv/more").status, 200);
  step.commit = std::string(40, 'c');
  const auto third = deploy_with_data({"--keep", "0"});
  EXPECT_EQ(third.code, 0) << third.all();
  EXPECT_NE(third.all().find("it holds the data at /srv/more"), std::string::npos) << third.all();
  EXPECT_EQ(data_volumes(), 2);
  const auto gone = destroy({"--delete-data"});
  EXPECT_EQ(gone.code, 0) << gone.all();
  EXPECT_EQ(data_volumes(), 0);
}

TEST_F(ProxmoxContainer, AVolumeInASnapshotStaysAndTheErrorSaysWhatToDo) {
  make_first();
  const std::string ct = "/nodes/pve1/lxc/" + std::to_string(old_vmid);
  ASSERT_EQ(cluster.run_task("POST", ct + "/snapshot", "snapname=before"), "OK");
  before = cluster.state();
  const auto done = deploy_with_data();
  EXPECT_EQ(done.code, 3) << done.all();
  EXPECT_NE(done.all().find("has snapshots, which hold its data"), std::string::npos) << done.all();
  EXPECT_EQ(done.all().find("task vzshutdown"), std::string::npos) << done.all();
  EXPECT_NE(done.all().find("snapshots first"), std::string::npos) << done.all();
  expect_as_before(done, "a snapshot");
}

TEST_F(ProxmoxContainer, AContainerThatWasSetUpByHandCanBeAdoptedWithItsData) {
  ASSERT_EQ(cluster.run_task("POST", "/nodes/pve1/lxc",
                             std::string("vmid=300&hostname=old-shop&unprivileged=1&start=1&"
                                         "rootfs=local-zfs:4&mp5=local-zfs:2,mp%3D/var/lib/shop&"
                                         "net0=name%3Deth0,bridge%3Dvmbr0,ip%3Ddhcp&ostemplate=") +
                                 archive),
            "OK");
  const auto adopted = step.run("adopt", {"--name", "web", "--guest", "300"});
  ASSERT_EQ(adopted.code, 0) << adopted.all();
  const auto done = deploy_with_data();
  ASSERT_EQ(done.code, 0) << done.all();
  EXPECT_NE(volume_of(std::stoi(done.outputs.at("vmid"))), "");
  EXPECT_EQ(config_of(300, "mp5"), "");
  const auto update = step.run("update", {"--name", "web", "--command", "true", "--no-health"});
  EXPECT_EQ(update.code, 1) << update.all();
  EXPECT_NE(update.all().find("lxc deploy"), std::string::npos) << update.all();
}

TEST_F(ProxmoxContainer, TheDoctorLooksAtWhatContainersAreMadeOf) {
  const auto well = step.run("doctor", {"--template", archive, "--storage", "local-zfs"});
  EXPECT_EQ(well.code, 0) << well.all();
  EXPECT_NE(well.out.find(std::string(archive) + " is on pve1"), std::string::npos) << well.out;
  const auto none = step.run("doctor", {"--template", "local:vztmpl/none.tar"});
  EXPECT_EQ(none.code, 1) << none.all();
  EXPECT_NE(none.all().find("image oci-pull"), std::string::npos) << none.all();
  cluster.token(R"({"id": "deploy@pve!ci", "acl": [
      {"path": "/vms", "privileges": ["VM.Allocate", "VM.Audit"]},
      {"path": "/storage/local-zfs", "privileges": ["Datastore.AllocateSpace"]}]})");
  const auto rights = step.run("doctor", {"--template", archive, "--storage", "local-zfs"});
  EXPECT_NE(rights.code, 0) << rights.all();
  EXPECT_NE(rights.all().find("missing on /storage/local to read what containers are made of"),
            std::string::npos)
      << rights.all();
}

// Another container came to its ID: it is not touched, whatever its description says.
TEST_F(ProxmoxContainer, WhoHasAnotherMacAddressIsSomebodyElse) {
  make_first();
  ASSERT_EQ(deploy_with_data().code, 0);
  const std::string ct = "/nodes/pve1/lxc/" + std::to_string(old_vmid);
  ASSERT_EQ(cluster
                .call("PUT", ct + "/config",
                      "net0=name%3Deth0,bridge%3Dvmbr0,hwaddr%3DBC:24:11:00:00:01,ip%3Ddhcp")
                .status,
            200);
  step.commit = std::string(40, 'c');
  const auto done = deploy_with_data({"--keep", "0"});
  EXPECT_EQ(done.code, 0) << done.all();
  EXPECT_NE(done.all().find("its MAC address is BC:24:11:00:00:01"), std::string::npos)
      << done.all();
  EXPECT_EQ(config_of(old_vmid, "hostname"), "web-aaaaaaa");
}

}  // namespace
}  // namespace pca::test
