// What happens in the sandbox's Proxmox VE beyond single answers: tasks, races, locks, lost nodes,
// rights.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "support/proxmox.hpp"
#include "support/require.hpp"

namespace pca::testing {
namespace {

const std::string qemu = "/nodes/pve1/qemu";

class SandboxCluster : public ::testing::Test {
 protected:
  std::string clone(int newid, const std::string& more = {}) {
    return proxmox_.run_task("POST", qemu + "/9000/clone", "newid=" + std::to_string(newid) + more);
  }
  std::string run(const std::string& operation, int vmid, const std::string& form = {}) {
    const std::string method = operation.substr(0, operation.find(' '));
    return proxmox_.run_task(
        method, qemu + "/" + std::to_string(vmid) + operation.substr(operation.find(' ') + 1),
        form);
  }
  std::string status_of(int vmid) {
    return proxmox_.data("GET", qemu + "/" + std::to_string(vmid) + "/status/current")
        .text_of("status");
  }
  // What the message of a refusal says.
  static std::string message_of(const HttpResponse& response) {
    const auto json = parse_json(response.body);
    return json ? std::string(trim(json->text_of("message"))) : response.body;
  }

  SandboxProxmox proxmox_;
};

TEST_F(SandboxCluster, WhatFailedLeavesEverythingAsItWas) {
  const std::string before = proxmox_.state().dump();
  proxmox_.fault(
      R"({"kind": "task-fails", "task": "qmclone", "nth": 1, "text": "clone failed: no"})");
  EXPECT_EQ(clone(101), "clone failed: no");
  EXPECT_EQ(proxmox_.state().dump(), before);
  EXPECT_EQ(clone(101), "OK");
  EXPECT_NE(proxmox_.state().dump(), before);
  EXPECT_EQ(run("DELETE ", 101, "purge=1"), "OK");
  EXPECT_EQ(proxmox_.state().dump(), before);
}

TEST_F(SandboxCluster, TasksFailWarnDieAndHangAsTold) {
  ASSERT_EQ(clone(101), "OK");
  proxmox_.fault(R"([{"kind": "task-warns", "task": "qmstart", "guest": 101, "text": "slow disk"},
                     {"kind": "task-dies", "task": "qmstop", "guest": 101, "nth": 1},
                     {"kind": "task-hangs", "task": "qmreboot"},
                     {"kind": "task-fails-late", "task": "qmstop", "nth": 2, "text": "late"}])");
  EXPECT_EQ(run("POST /status/start", 101), "WARNINGS: 1");
  EXPECT_EQ(status_of(101), "running");
  EXPECT_EQ(run("POST /status/stop", 101), "unexpected status");
  EXPECT_EQ(status_of(101), "running");

  const Json upid = proxmox_.data("POST", qemu + "/101/status/reboot");
  ASSERT_NE(upid.as_string(), nullptr);
  const Json active = proxmox_.data("GET", "/nodes/pve1/tasks", "source=active");
  ASSERT_EQ(active.as_array()->size(), 1U);
  EXPECT_EQ(active.as_array()->front().text_of("status"), "RUNNING");
  EXPECT_EQ(active.as_array()->front().text_of("user"), "root@pam!admin");
  // It holds the guest's lock file, so nobody else gets it for ten seconds.
  EXPECT_EQ(message_of(proxmox_.call("PUT", qemu + "/101/config", "cores=2")),
            "can't lock file '/var/lock/qemu-server/lock-101.conf' - got timeout");
  EXPECT_EQ(proxmox_.call("DELETE", "/nodes/pve1/tasks/" + *upid.as_string()).status, 200);
  EXPECT_EQ(proxmox_.wait_for_task(*upid.as_string()), "unexpected status");
  EXPECT_EQ(proxmox_.call("PUT", qemu + "/101/config", "cores=2").status, 200);

  EXPECT_EQ(run("POST /status/stop", 101), "late");
  EXPECT_EQ(status_of(101), "stopped");
}

TEST_F(SandboxCluster, AnIdIsOnlyASuggestion) {
  proxmox_.fault(R"([{"kind": "id-taken", "nth": 1}, {"kind": "id-taken-late", "nth": 1}])");
  EXPECT_EQ(message_of(proxmox_.call("POST", qemu + "/9000/clone", "newid=101")),
            "unable to create VM 101: config file already exists");
  EXPECT_EQ(clone(102), "unable to create VM 102: config file already exists");
  EXPECT_EQ(proxmox_.guest_state(102).find("config")->text_of("name"), "stranger-102");
  EXPECT_EQ(proxmox_.data("GET", "/cluster/nextid").dump(), "\"103\"");
}

TEST_F(SandboxCluster, LinkedClonesOfATemplateRunTogetherAndFullOnesWait) {
  std::vector<std::string> linked;
  for (int vmid = 101; vmid < 106; ++vmid) {
    linked.push_back(
        *proxmox_.data("POST", qemu + "/9000/clone", "newid=" + std::to_string(vmid)).as_string());
  }
  for (const std::string& upid : linked) EXPECT_EQ(proxmox_.wait_for_task(upid), "OK");
  // A full one of 3 GiB takes six seconds, and the storage's lock is waited for ten: those of a
  // clock that leaves time to ask for all three.
  SandboxProxmox slow({}, 4);
  std::vector<std::string> full;
  for (int vmid = 201; vmid < 204; ++vmid) {
    full.push_back(*slow.data("POST", qemu + "/9000/clone", "full=1&newid=" + std::to_string(vmid))
                        .as_string());
  }
  const std::string held =
      "can't lock file '/var/lock/pve-manager/pve-storage-local-zfs' - got timeout";
  EXPECT_EQ(slow.wait_for_task(full[0]), "OK");
  const std::string second = slow.wait_for_task(full[1]);
  const std::string third = slow.wait_for_task(full[2]);
  EXPECT_EQ(std::set<std::string>({second, third}), std::set<std::string>({"OK", held}));
  EXPECT_TRUE(slow.guest_state(second == "OK" ? 203 : 202).is_null());
  proxmox_.fault(R"({"kind": "storage-held", "nth": 1})");
  EXPECT_EQ(clone(301),
            "can't lock file '/var/lock/pve-manager/pve-storage-local-zfs' - got timeout");
  EXPECT_TRUE(proxmox_.guest_state(301).is_null());
}

TEST_F(SandboxCluster, ChangesOfARunningGuestWaitForItsNextStart) {
  ASSERT_EQ(clone(101), "OK");
  ASSERT_EQ(run("POST /status/start", 101), "OK");
  ASSERT_EQ(proxmox_.call("PUT", qemu + "/101/config", "memory=4096&tags=x").status, 200);
  const auto value = [&](const std::string& query) {
    return proxmox_.data("GET", qemu + "/101/config", query).text_of("memory");
  };
  EXPECT_EQ(value(""), "4096");
  EXPECT_EQ(value("current=1"), "1024");
  EXPECT_EQ(proxmox_.guest_state(101).find("pending")->dump(), R"({"memory":"4096"})");
  ASSERT_EQ(run("POST /status/stop", 101), "OK");
  EXPECT_EQ(value("current=1"), "4096");
}

TEST_F(SandboxCluster, SnapshotsKeepConfigurationAndFiles) {
  ASSERT_EQ(clone(101), "OK");
  proxmox_.guest(R"({"vmid": 101, "status": "running"})");
  const auto write = [&](const std::string& text) {
    return proxmox_
        .call("POST", qemu + "/101/agent/file-write", "file=/srv/version&content=" + text)
        .status;
  };
  const auto read = [&] {
    return proxmox_.data("GET", qemu + "/101/agent/file-read", "file=/srv/version")
        .text_of("content");
  };
  ASSERT_EQ(write("old"), 200);
  ASSERT_EQ(run("POST /snapshot", 101, "snapname=first"), "OK");
  ASSERT_EQ(write("new"), 200);
  ASSERT_EQ(proxmox_.call("PUT", qemu + "/101/config", "tags=new").status, 200);
  ASSERT_EQ(run("POST /snapshot", 101, "snapname=second"), "OK");
  EXPECT_EQ(read(), "new");
  EXPECT_EQ(run("POST /snapshot/first/rollback", 101),
            "can't rollback, 'first' is not most recent snapshot on "
            "'local-zfs:base-9000-disk-0/vm-101-disk-0'");
  ASSERT_EQ(run("DELETE /snapshot/second", 101), "OK");
  ASSERT_EQ(run("POST /snapshot/first/rollback", 101), "OK");
  EXPECT_EQ(status_of(101), "stopped");
  EXPECT_EQ(proxmox_.guest_state(101).find("config")->find("tags"), nullptr);
  proxmox_.guest(R"({"vmid": 101, "status": "running"})");
  EXPECT_EQ(read(), "old");
}

TEST_F(SandboxCluster, ARollbackLeavesTheStateAsItWas) {
  ASSERT_EQ(clone(101), "OK");
  proxmox_.guest(R"({"vmid": 101, "status": "running"})");
  ASSERT_EQ(run("POST /snapshot", 101, "snapname=before"), "OK");
  const std::string before = proxmox_.state().dump();
  ASSERT_EQ(proxmox_.call("POST", qemu + "/101/agent/file-write", "file=/srv/new&content=x").status,
            200);
  ASSERT_EQ(proxmox_.call("PUT", qemu + "/101/config", "tags=new").status, 200);
  EXPECT_NE(proxmox_.state().dump(), before);
  ASSERT_EQ(run("POST /snapshot/before/rollback", 101, "start=1"), "OK");
  EXPECT_EQ(proxmox_.state().dump(), before);
}

TEST_F(SandboxCluster, LinksInAGuestDoNotLeadOutOfIt) {
  ASSERT_EQ(clone(101), "OK");
  proxmox_.guest(R"({"vmid": 101, "status": "running"})");
  const auto exec = [&](const std::string& words) {
    const Json pid = proxmox_.data("POST", qemu + "/101/agent/exec", words);
    Json status;
    do {
      status = proxmox_.data("GET", qemu + "/101/agent/exec-status", "pid=" + pid.text_of("pid"));
    } while (status.find("exited") != nullptr && *status.find("exited")->as_int() == 0);
    return status;
  };
  const Json made = exec("command=ln&command=-s&command=/etc&command=/srv/out");
  const bool has_none = made.dump().find("\"exitcode\":126") != std::string::npos;
  PCA_REQUIRE(std::string(has_none ? "this machine gives a process no namespaces" : ""));
  EXPECT_EQ(proxmox_.data("GET", qemu + "/101/agent/file-read", "file=/srv/out/hostname")
                .text_of("content"),
            "debian\n");
  EXPECT_EQ(exec("command=cat&input-data=from%20stdin").text_of("out-data"), "from stdin");
  EXPECT_EQ(*exec("command=sh&command=-c&command=kill%20-9%20%24%24").find("signal")->as_int(), 9);
  EXPECT_EQ(*exec("command=sh&command=-c&command=exit%207").find("exitcode")->as_int(), 7);
  EXPECT_EQ(exec("command=sh&command=-c&command=echo%20err%20%3E%262").text_of("err-data"),
            "err\n");
  EXPECT_EQ(*exec("command=nothing-like-this").find("exitcode")->as_int(), 127);
}

TEST_F(SandboxCluster, ALostNodeTakesItsGuestsAlongAndAQuorumIsMissed) {
  proxmox_.guest(R"({"vmid": 301, "node": "pve2", "status": "running"})");
  proxmox_.kill(2);
  EXPECT_EQ(proxmox_.guest_state(301).text_of("status"), "stopped");
  EXPECT_EQ(proxmox_.call("GET", "/nodes/pve2/qemu").status, 596);
  EXPECT_EQ(proxmox_.call("GET", "/nodes/pve2/qemu").status, 595);
  const Json nodes = proxmox_.data("GET", "/nodes");
  EXPECT_EQ((*nodes.as_array())[1].text_of("status"), "offline");
  EXPECT_EQ(clone(101), "OK");
  proxmox_.kill(3);
  EXPECT_EQ(message_of(proxmox_.call("POST", qemu + "/9000/clone", "newid=102")),
            "cluster not ready - no quorum?");
  EXPECT_EQ(run("POST /status/start", 101), "cluster not ready - no quorum?");
  EXPECT_EQ(proxmox_.call("GET", qemu + "/9000/config").status, 200);
  proxmox_.revive(2);
  EXPECT_EQ(run("POST /status/start", 101), "OK");
  EXPECT_EQ(proxmox_.call("GET", "/version", "", SandboxProxmox::root_token, 2).status, 200);
}

TEST_F(SandboxCluster, ANodeOrTheQuorumIsLostWhenARequestComes) {
  proxmox_.guest(R"({"vmid": 301, "node": "pve2"})");
  proxmox_.fault(R"([{"kind": "node-dies", "request": "POST /nodes/pve2/*/start"},
                     {"kind": "quorum-lost", "request": "PUT *", "nth": 2}])");
  EXPECT_EQ(proxmox_.call("GET", "/nodes/pve2/qemu/301/config").status, 200);
  EXPECT_EQ(proxmox_.call("POST", "/nodes/pve2/qemu/301/status/start").status, 596);
  EXPECT_EQ(proxmox_.call("GET", "/nodes/pve2/qemu/301/config").status, 595);
  EXPECT_EQ(proxmox_.call("PUT", qemu + "/100/config", "tags=a").status, 200);
  EXPECT_EQ(proxmox_.call("PUT", qemu + "/100/config", "tags=b").status, 500);
}

TEST_F(SandboxCluster, AGuestThatGoesMeanwhileFailsItsTask) {
  SandboxProxmox slow({}, 4);  // so that it goes before the clone has ended
  const Json upid = slow.data("POST", qemu + "/9000/clone", "newid=101&full=1");
  ASSERT_NE(upid.as_string(), nullptr);
  slow.guest(R"({"vmid": 101, "gone": true})");
  EXPECT_EQ(slow.wait_for_task(*upid.as_string()),
            "Configuration file 'nodes/pve1/qemu-server/101.conf' does not exist");
}

TEST_F(SandboxCluster, ResourcesAreTenSecondsOld) {
  SandboxProxmox slow({}, 1);
  const auto item = [&] {
    const Json all = slow.data("GET", "/cluster/resources", "type=vm");
    for (const Json& each : *all.as_array()) {
      if (each.text_of("id") == "qemu/101") return each;
    }
    return Json();
  };
  ASSERT_EQ(slow.run_task("POST", qemu + "/9000/clone", "newid=101&name=shop"), "OK");
  EXPECT_EQ(item().dump(),
            R"({"type":"qemu","id":"qemu/101","vmid":101,"node":"pve1","status":"unknown"})");
  ASSERT_EQ(clone(101, "&name=shop"), "OK");
  ASSERT_EQ(run("POST /status/start", 101), "OK");
  std::string status = "unknown";
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (status != "running" && std::chrono::steady_clock::now() < limit) {
    const Json all = proxmox_.data("GET", "/cluster/resources", "type=vm");
    for (const Json& each : *all.as_array()) {
      if (each.text_of("id") == "qemu/101") status = each.text_of("status");
    }
  }
  EXPECT_EQ(status, "running");
}

TEST(SandboxClusterHa, TheManagerStartsAGuestSomeTimeLater) {
  SandboxProxmox proxmox({}, 10);
  const std::string guest = qemu + "/101";
  const auto status = [&] {
    return proxmox.data("GET", guest + "/status/current").text_of("status");
  };
  ASSERT_EQ(proxmox.run_task("POST", qemu + "/9000/clone", "newid=101"), "OK");
  ASSERT_EQ(proxmox.call("POST", "/cluster/ha/resources", "sid=vm:101&state=stopped").status, 200);
  const Json upid = proxmox.data("POST", guest + "/status/start");
  ASSERT_NE(upid.as_string(), nullptr);
  EXPECT_NE(upid.as_string()->find(":hastart:101:"), std::string::npos);
  EXPECT_EQ(proxmox.wait_for_task(*upid.as_string()), "OK");
  EXPECT_EQ(status(), "stopped");  // the task says nothing of the guest
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (status() != "running" && std::chrono::steady_clock::now() < limit) {
  }
  EXPECT_EQ(status(), "running");
}

TEST_F(SandboxCluster, TheDeployTokenMayDeployAndNothingElse) {
  const std::string token = SandboxProxmox::deploy_token;
  EXPECT_EQ(proxmox_.run_task("POST", qemu + "/9000/clone", "newid=101", token), "OK");
  EXPECT_EQ(
      proxmox_.call("PUT", qemu + "/101/config", "cores=2&memory=2048&tags=a&ciuser=app", token)
          .status,
      200);
  EXPECT_EQ(proxmox_.run_task("POST", qemu + "/101/status/start", "", token), "OK");
  EXPECT_EQ(message_of(proxmox_.call("PUT", "/cluster/firewall/options", "enable=1", token)),
            "Permission check failed (/, Sys.Modify)");
  EXPECT_EQ(message_of(proxmox_.call("POST", "/cluster/ha/resources", "sid=vm:101", token)),
            "Permission check failed (/, Sys.Console)");
  const Json rights = proxmox_.data("GET", "/access/permissions", "", token);
  EXPECT_NE(rights.find("/")->find("VM.GuestAgent.Unrestricted"), nullptr);
  EXPECT_EQ(rights.find("/")->find("VM.Monitor"), nullptr);
  // Each option takes its own privilege.
  proxmox_.token(
      R"({"id": "deploy@pve!ci", "acl": [{"path": "/vms", "privileges": ["VM.Audit", "VM.Config.CPU"]}]})");
  EXPECT_EQ(proxmox_.call("PUT", qemu + "/101/config", "cores=3", token).status, 200);
  EXPECT_EQ(message_of(proxmox_.call("PUT", qemu + "/101/config", "memory=512", token)),
            "Permission check failed (/vms/101, VM.Config.Memory)");
  EXPECT_EQ(proxmox_.call("GET", "/nodes/pve1/storage", "", token).body, "{\"data\":[]}");
}

TEST_F(SandboxCluster, APoolGivesItsRightsToWhatIsMadeInIt) {
  ASSERT_EQ(proxmox_.call("POST", "/pools", "poolid=shop").status, 200);
  proxmox_.token(R"({"id": "deploy@pve!ci", "acl": [
      {"path": "/vms/9000", "privileges": ["VM.Clone", "VM.Audit"]},
      {"path": "/pool/shop", "privileges": ["VM.Allocate", "VM.Audit", "VM.PowerMgmt"]},
      {"path": "/sdn", "privileges": ["SDN.Use"]},
      {"path": "/storage/local-zfs", "privileges": ["Datastore.AllocateSpace"]}]})");
  const std::string token = SandboxProxmox::deploy_token;
  EXPECT_EQ(message_of(proxmox_.call("POST", qemu + "/9000/clone", "newid=101", token)),
            "Permission check failed");  // of several ways it does not say which
  EXPECT_EQ(proxmox_.run_task("POST", qemu + "/9000/clone", "newid=101&pool=shop", token), "OK");
  EXPECT_EQ(proxmox_.run_task("POST", qemu + "/101/status/start", "", token), "OK");
  const Json pool = proxmox_.data("GET", "/pools/shop");
  EXPECT_EQ(pool.find("members")->as_array()->size(), 1U);
}

TEST_F(SandboxCluster, ContainersAreMadeFromTemplatesAndTellTheirAddress) {
  const std::string lxc = "/nodes/pve1/lxc";
  const std::string made =
      "vmid=400&ostemplate=local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst&"
      "rootfs=local-zfs:4&mp0=local-zfs:8,mp%3D/data&hostname=shop&unprivileged=1&start=1&"
      "net0=name%3Deth0,bridge%3Dvmbr0,ip%3Ddhcp";
  ASSERT_EQ(proxmox_.run_task("POST", lxc, made), "OK");
  std::string address;
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (address.empty() && std::chrono::steady_clock::now() < limit) {
    const Json all = proxmox_.data("GET", lxc + "/400/interfaces");
    for (const Json& each : *all.as_array()) {
      if (each.text_of("name") == "eth0") address = each.text_of("inet");
    }
  }
  EXPECT_EQ(address, "127.1.1.151/8");
  EXPECT_EQ(proxmox_.call("POST", lxc + "/400/agent/exec", "command=ls").status, 501);
  // A data volume moves to the container that comes after.
  ASSERT_EQ(proxmox_.run_task("POST", lxc + "/400/status/stop"), "OK");
  ASSERT_EQ(
      proxmox_.run_task("POST", lxc,
                        "vmid=401&ostemplate=local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst&"
                        "rootfs=local-zfs:4&unprivileged=1"),
      "OK");
  ASSERT_EQ(proxmox_.run_task("POST", lxc + "/400/move_volume",
                              "volume=mp0&target-vmid=401&target-volume=mp0"),
            "OK");
  EXPECT_EQ(proxmox_.guest_state(401).find("config")->text_of("mp0"),
            "local-zfs:vm-401-disk-1,mp=/data,size=8G");
  ASSERT_EQ(proxmox_.run_task("DELETE", lxc + "/400", "purge=1"), "OK");
  EXPECT_EQ(proxmox_.state().find("storages")->dump().find("vm-400"), std::string::npos);
}

TEST_F(SandboxCluster, FirewallRulesStandInOrderUnderADigest) {
  const std::string rules = qemu + "/100/firewall/rules";
  for (const char* port : {"80", "443"}) {
    ASSERT_EQ(
        proxmox_.call("POST", rules, std::string("type=in&action=ACCEPT&proto=tcp&dport=") + port)
            .status,
        200);
  }
  const Json listed = proxmox_.data("GET", rules);
  EXPECT_EQ((*listed.as_array())[0].text_of("dport"), "443");  // the newest is the first
  const std::string digest = (*listed.as_array())[0].text_of("digest");
  EXPECT_EQ(proxmox_.call("DELETE", rules + "/0", "digest=0000").status, 500);
  EXPECT_EQ(proxmox_.call("DELETE", rules + "/0", "digest=" + digest).status, 200);
  EXPECT_EQ(proxmox_.data("GET", rules).as_array()->size(), 1U);
}

TEST_F(SandboxCluster, BackupsLockTheirGuest) {
  const Json upid = proxmox_.data("POST", "/nodes/pve1/vzdump",
                                  "vmid=100&storage=local&compress=zstd&mode=snapshot");
  ASSERT_NE(upid.as_string(), nullptr);
  EXPECT_EQ(proxmox_.wait_for_task(*upid.as_string()), "OK");
  const Json backups =
      proxmox_.data("GET", "/nodes/pve1/storage/local/content", "content=backup&vmid=100");
  ASSERT_EQ(backups.as_array()->size(), 1U);
  const std::string volume = backups.as_array()->front().text_of("volid");
  EXPECT_EQ(proxmox_.run_task("DELETE", "/nodes/pve1/storage/local/content/" + volume), "OK");
}

TEST_F(SandboxCluster, TheOldReleaseHasTheOldPrivilegeAndNoImagesFromRegistries) {
  SandboxProxmox old({"--release", "8.4"});
  const Json rights = old.data("GET", "/access/permissions", "", SandboxProxmox::deploy_token);
  EXPECT_NE(rights.find("/")->find("VM.Monitor"), nullptr);
  EXPECT_EQ(rights.find("/")->find("VM.GuestAgent.Unrestricted"), nullptr);
  const std::string pull = "/nodes/pve1/storage/local/oci-registry-pull";
  EXPECT_EQ(old.call("POST", pull, "reference=docker.io/library/alpine:3").status, 501);
  EXPECT_EQ(proxmox_.run_task("POST", pull, "reference=docker.io/library/alpine:3"), "OK");
}

TEST_F(SandboxCluster, AFirstBootUpgradesUnlessTold) {
  ASSERT_EQ(clone(101), "OK");
  ASSERT_EQ(clone(102), "OK");
  ASSERT_EQ(proxmox_.call("PUT", qemu + "/102/config", "ciupgrade=0").status, 200);
  const auto time_to_agent = [&](int vmid) {
    EXPECT_EQ(run("POST /status/start", vmid), "OK");
    const auto begin = std::chrono::steady_clock::now();
    const auto limit = begin + std::chrono::seconds(10);
    while (proxmox_.call("POST", qemu + "/" + std::to_string(vmid) + "/agent/ping").status != 200 &&
           std::chrono::steady_clock::now() < limit) {
    }
    return std::chrono::steady_clock::now() - begin;
  };
  const auto at_once = time_to_agent(102);
  const auto upgrading = time_to_agent(101);
  EXPECT_GT(upgrading, std::chrono::milliseconds(600));  // 68 s of the model
  EXPECT_LT(at_once, upgrading);
}

}  // namespace
}  // namespace pca::testing
