#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <regex>
#include <set>

#include "base/percent.hpp"
#include "support/comes_true.hpp"
#include "support/proxmox_step.hpp"

namespace pca::test {
namespace {

using testing::SandboxProxmox;

class ProxmoxDeploy : public ::testing::Test {
 protected:
  // IDs of guests with this tag.
  std::set<int> guests_with(const std::string& tag) {
    std::set<int> found;
    const Json state = cluster.state();
    for (const auto& [vmid, guest] : *state.find("guests")->as_object()) {
      for (const std::string& one : split(guest.find("config")->text_of("tags"), ';')) {
        if (one == tag) found.insert(std::stoi(vmid));
      }
    }
    return found;
  }
  std::string status_of(int vmid) { return cluster.guest_state(vmid).text_of("status"); }
  int active() {
    const auto found = guests_with("active");
    EXPECT_EQ(found.size(), 1U);
    return found.empty() ? 0 : *found.begin();
  }
  // A first release, which most tests begin with.
  int first() {
    const auto done = step.deploy();
    EXPECT_EQ(done.code, 0) << done.all();
    step.commit = std::string(40, 'b');
    return active();
  }
  static std::string describe(const Json& request) {
    return request.text_of("method") + " " + request.text_of("path");
  }
  // Of those that changed something, or asked; without the looks at what is
  // waited for.
  static bool is_poll(const std::string& request) {
    return (request.starts_with("GET ") && request.find("/tasks/") != std::string::npos) ||
           request.ends_with("/agent/network-get-interfaces");
  }
  std::vector<std::string> requests_since(std::size_t begin) {
    std::vector<std::string> out;
    const auto all = cluster.requests();
    for (std::size_t i = begin; i < all.size(); ++i) {
      const std::string one = describe(all[i]);
      if (one.find("/sandbox/") == std::string::npos) out.push_back(one);
    }
    return out;
  }

  SandboxProxmox cluster{{}, 20};
  ProxmoxStep step{cluster};
};

TEST_F(ProxmoxDeploy, TheFirstGuestOfAnApplication) {
  const auto done = step.deploy({"--cores", "2", "--memory", "1GiB", "--tags", "blue"});
  ASSERT_EQ(done.code, 0) << done.all();
  EXPECT_EQ(done.outputs.at("outcome"), "deployed");
  const int vmid = active();
  EXPECT_EQ(done.outputs.at("vmid"), std::to_string(vmid));
  EXPECT_EQ(done.outputs.at("node"), "pve1");
  EXPECT_EQ(done.outputs.at("changed"), "1");
  EXPECT_TRUE(done.outputs.at("ip").starts_with("127.1.")) << done.outputs.at("ip");
  EXPECT_TRUE(done.outputs.at("url").starts_with("http://127.1.")) << done.outputs.at("url");
  const Json guest = cluster.guest_state(vmid);
  const Json& config = *guest.find("config");
  EXPECT_EQ(guest.text_of("status"), "running");
  EXPECT_EQ(config.text_of("name"), "web-aaaaaaa");
  EXPECT_EQ(config.text_of("tags"), "active;app-web;blue;rev-aaaaaaaa");
  EXPECT_EQ(config.text_of("cores"), "2");
  EXPECT_EQ(config.text_of("memory"), "1024");
  EXPECT_EQ(config.text_of("onboot"), "1");
  EXPECT_NE(done.summary.find("```mermaid\ngantt"), std::string::npos) << done.summary;
}

TEST_F(ProxmoxDeploy, TheNextTakesItsPlaceAndTheOldOneIsKept) {
  const int old = first();
  const auto done = step.deploy();
  ASSERT_EQ(done.code, 0) << done.all();
  const int now = active();
  EXPECT_NE(now, old);
  EXPECT_EQ(status_of(now), "running");
  EXPECT_EQ(status_of(old), "stopped");
  EXPECT_EQ(cluster.guest_state(old).find("config")->text_of("tags"), "app-web;rev-aaaaaaaa");
  EXPECT_EQ(cluster.guest_state(old).find("config")->text_of("onboot"), "0");
  EXPECT_FALSE(done.outputs.at("previous").empty());

  step.commit = std::string(40, 'c');
  const auto third = step.deploy();
  ASSERT_EQ(third.code, 0) << third.all();
  EXPECT_EQ(status_of(old), "");  // one is kept, this was older
  EXPECT_EQ(status_of(now), "stopped");
  EXPECT_EQ(guests_with("app-web").size(), 2U);
  EXPECT_EQ(third.outputs.at("changed"), "3");
}

TEST_F(ProxmoxDeploy, TheSameRevisionIsNoChangeAndNoWrite) {
  const int vmid = first();
  step.commit = std::string(40, 'a');
  const Json before = cluster.state();
  const std::size_t asked = cluster.requests().size();
  const auto done = step.deploy();
  ASSERT_EQ(done.code, 0) << done.all();
  EXPECT_EQ(done.outputs.at("outcome"), "unchanged");
  EXPECT_EQ(done.outputs.at("changed"), "0");
  EXPECT_EQ(done.outputs.at("vmid"), std::to_string(vmid));
  EXPECT_EQ(cluster.state().dump(), before.dump());
  for (const std::string& request : requests_since(asked)) {
    EXPECT_TRUE(request.starts_with("GET ")) << request;
  }
}

TEST_F(ProxmoxDeploy, AnUnhealthyGuestOfTheSameRevisionIsReplaced) {
  const int old = first();
  step.commit = std::string(40, 'a');
  cluster.guest(R"({"vmid": )" + std::to_string(old) +
                R"(, "application": {"state": "unhealthy"}})");
  const auto done = step.deploy({"--health-timeout", "1s"});
  ASSERT_EQ(done.code, 0) << done.all();
  EXPECT_EQ(done.outputs.at("outcome"), "deployed");
  EXPECT_NE(active(), old);
}

TEST_F(ProxmoxDeploy, APlanWritesNothing) {
  const Json before = cluster.state();
  const auto done = step.run("plan", [&] {
    auto words = step.deploy_words();
    words.emplace_back("--exit-code");
    return words;
  }());
  EXPECT_EQ(done.code, 8) << done.all();
  EXPECT_EQ(done.outputs.at("outcome"), "planned");
  EXPECT_NE(done.out.find("+ guest "), std::string::npos) << done.all();
  EXPECT_EQ(cluster.state().dump(), before.dump());
}

TEST_F(ProxmoxDeploy, TakesAtMostNineRequestsToBeHealthyAndFifteenInAll) {
  const int old = first();
  const std::size_t asked = cluster.requests().size();
  const auto done = step.deploy({"--keep", "0"});
  ASSERT_EQ(done.code, 0) << done.all();
  std::vector<std::string> all = requests_since(asked);
  std::erase_if(all, is_poll);
  const auto started = std::find_if(all.begin(), all.end(), [](const std::string& one) {
    return one.ends_with("/status/start");
  });
  ASSERT_NE(started, all.end());
  EXPECT_LE(started - all.begin() + 1, 9) << join(all, "\n");
  EXPECT_LE(all.size(), 15U) << join(all, "\n");
  EXPECT_EQ(status_of(old), "");
}

TEST_F(ProxmoxDeploy, AGuestThatDoesNotGetHealthyIsRemovedAndTheOldOneServes) {
  first();
  cluster.fault(
      R"({"kind": "task-fails", "task": "qmstart", "text": "start failed: QEMU exited with code 1"})");
  const Json before = cluster.state();
  const auto done = step.deploy();
  EXPECT_EQ(done.code, 3) << done.all();
  EXPECT_EQ(done.outputs.at("outcome"), "rolled-back");
  EXPECT_NE(done.all().find("start failed: QEMU exited with code 1"), std::string::npos)
      << done.all();
  EXPECT_NE(done.summary.find("Log of the task qmstart"), std::string::npos) << done.summary;
  EXPECT_EQ(cluster.state().dump(), before.dump());
}

TEST_F(ProxmoxDeploy, WhatFailedCanBeKeptAndGoesWithTheNextDeploy) {
  const int old = first();
  cluster.fault(R"({"kind": "task-fails", "task": "qmstart", "nth": 1})");
  const auto failed = step.deploy({"--on-failure", "keep"});
  EXPECT_EQ(failed.code, 3) << failed.all();
  const std::string kept = failed.outputs.at("vmid");
  EXPECT_EQ(guests_with("app-web").size(), 2U);
  EXPECT_EQ(active(), old);
  const auto done = step.deploy();
  ASSERT_EQ(done.code, 0) << done.all();
  EXPECT_EQ(guests_with("app-web").size(), 2U);
  EXPECT_NE(done.out.find("Removing guest " + kept), std::string::npos) << done.out;
}

TEST_F(ProxmoxDeploy, AnIdThatIsTakenInBetweenGivesWayToTheNext) {
  for (const char* kind : {"id-taken", "id-taken-late"}) {
    cluster.fault(std::string(R"({"kind": ")") + kind + R"(", "nth": 1})");
    const auto done = step.deploy();
    ASSERT_EQ(done.code, 0) << kind << done.all();
    EXPECT_NE(done.out.find("was taken in between"), std::string::npos) << kind << done.out;
    EXPECT_EQ(guests_with("active").size(), 1U);
    cluster.no_faults();
    step.commit = std::string(40, 'b');
  }
}

TEST_F(ProxmoxDeploy, ALockThatIsHeldIsWaitedFor) {
  cluster.fault(R"({"kind": "task-fails", "task": "qmclone", "nth": 1,
                    "text": "can't lock file '/var/lock/pve-manager/pve-storage-local-zfs' - got timeout"})");
  const auto done = step.deploy();
  ASSERT_EQ(done.code, 0) << done.all();
  EXPECT_NE(done.out.find("waiting for it"), std::string::npos) << done.all();
}

TEST_F(ProxmoxDeploy, AnotherOnesGuestWithTheIdOfOursIsNeverTouched) {
  const int old = first();
  // Somebody removed the kept one, and another guest has its ID and even its
  // tags.
  ASSERT_EQ(step.deploy().code, 0);
  cluster.guest(R"({"vmid": )" + std::to_string(old) +
                R"(, "replace": true, "config": {"name": "web-aaaaaaa", "tags": "app-web"}})");
  step.commit = std::string(40, 'c');
  const auto done = step.deploy();
  EXPECT_EQ(done.code, 0) << done.all();
  EXPECT_NE(status_of(old), "");
  EXPECT_NE(done.all().find("is left alone"), std::string::npos) << done.all();
  EXPECT_EQ(step.run("destroy", {"--name", "web"}).code, 7);  // the others went
  EXPECT_NE(status_of(old), "");
  EXPECT_EQ(guests_with("app-web").size(), 1U);
}

// A clone has all that its template has.
TEST_F(ProxmoxDeploy, TheProtectionOfATemplateIsNotThatOfItsGuests) {
  (void)cluster.guest(R"({"vmid": 9000, "config": {"protection": "1"}})");
  const int old = first();
  EXPECT_NE(cluster.guest_state(old).find("config")->text_of("protection"), "1");
  const auto done = step.deploy({"--keep", "0"});
  EXPECT_EQ(done.code, 0) << done.all();
  EXPECT_NE(active(), old);
  EXPECT_EQ(guests_with("app-web").size(), 1U);
}

// Else there were two of it, and the hold and the history of one.
TEST_F(ProxmoxDeploy, AnActiveGuestThatSomebodyChangedIsNoReasonForAFirstDeploy) {
  const int old = first();
  for (const char* changed : {R"("protection": "1")", R"("name": "another")"}) {
    const std::string text(changed);
    (void)cluster.guest("{\"vmid\": " + std::to_string(old) + ", \"config\": {" + text + "}}");
    const Json before = cluster.state();
    const auto done = step.deploy();
    EXPECT_EQ(done.code, 7) << text << done.all();
    EXPECT_NE(done.all().find("it has the tag active"), std::string::npos) << done.all();
    EXPECT_EQ(cluster.state().dump(), before.dump());
  }
}

TEST_F(ProxmoxDeploy, ANodeThatIsDeadIsPassedByAndAnotherOneAsked) {
  cluster.kill(3);
  step.nodes = {3, 1, 2};
  const auto done = step.deploy({"--connect-timeout", "2s"});
  EXPECT_EQ(done.code, 0) << done.all();
}

TEST_F(ProxmoxDeploy, WithoutQuorumNothingIsWritten) {
  first();
  cluster.set_quorum(false);
  const Json before = cluster.state();
  const auto done = step.deploy();
  EXPECT_EQ(done.code, 6) << done.all();
  EXPECT_NE(done.all().find("The cluster takes no writes"), std::string::npos) << done.all();
  EXPECT_EQ(cluster.state().dump(), before.dump());
}

TEST_F(ProxmoxDeploy, AGuestWhoseAgentNeverAnswersIsRemovedInTime) {
  first();
  cluster.guest(R"({"vmid": 9000, "agent": {"state": "dead"}})");
  const Json before = cluster.state();
  const auto done = step.deploy({"--timeout", "3s"});
  EXPECT_EQ(done.code, 3) << done.all();
  EXPECT_NE(done.all().find("no address of guest"), std::string::npos) << done.all();
  EXPECT_EQ(cluster.state().dump(), before.dump());
}

TEST_F(ProxmoxDeploy, ATemplateWithoutAnAgentIsToldAtOnce) {
  cluster.guest(R"({"vmid": 9000, "config": {"agent": null}})");
  const Json before = cluster.state();
  const auto done = step.deploy();
  EXPECT_EQ(done.code, 3) << done.all();
  EXPECT_NE(done.all().find("has no QEMU guest agent configured"), std::string::npos) << done.all();
  EXPECT_EQ(cluster.state().dump(), before.dump());
}

TEST_F(ProxmoxDeploy, RollsBackToTheKeptGuestAndRefusesWhatWasLeft) {
  const int old = first();
  ASSERT_EQ(step.deploy().code, 0);
  const int bad = active();
  const std::vector<std::string> words{"--name", "web", "--health-port",
                                       std::to_string(cluster.application_port())};
  const auto back = step.run("rollback", words);
  ASSERT_EQ(back.code, 0) << back.all();
  EXPECT_EQ(active(), old);
  EXPECT_EQ(status_of(old), "running");
  EXPECT_EQ(status_of(bad), "stopped");
  const auto held = step.deploy();
  EXPECT_EQ(held.code, 7) << held.all();
  EXPECT_EQ(held.outputs.at("outcome"), "held");
  // What is there may be asked for all the same.
  step.commit = std::string(40, 'a');
  const auto same = step.deploy();
  EXPECT_EQ(same.code, 0) << same.all();
  EXPECT_EQ(same.outputs.at("outcome"), "unchanged");
  step.commit = std::string(40, 'b');
  const auto status = step.run("status", {"--name", "web"});
  EXPECT_EQ(status.code, 0) << status.all();
  EXPECT_NE(status.out.find("rolled back by octocat"), std::string::npos) << status.out;
  EXPECT_EQ(step.run("unhold", {"--name", "web"}).code, 0);
  EXPECT_EQ(step.deploy().code, 0);
}

TEST_F(ProxmoxDeploy, AHookLeadsTrafficToTheNewGuestAndBack) {
  first();
  const TempFolder folder;
  const std::string hook = "echo $PROXMOX_SWITCH $PROXMOX_VMID $PROXMOX_IP >>" + folder.path("log");
  const auto done = step.deploy({"--switch-hook", hook});
  ASSERT_EQ(done.code, 0) << done.all();
  EXPECT_EQ(folder.read("log"),
            "forward " + done.outputs.at("vmid") + " " + done.outputs.at("ip") + "\n");
  step.commit = std::string(40, 'c');
  const Json before = cluster.state();
  const auto failed = step.deploy({"--switch-hook", hook + "; [ $PROXMOX_SWITCH = back ]"});
  EXPECT_EQ(failed.code, 3) << failed.all();
  EXPECT_NE(folder.read("log").find("\nback "), std::string::npos) << folder.read("log");
  EXPECT_EQ(cluster.state().dump(), before.dump());
}

TEST_F(ProxmoxDeploy, AnUpdateInPlaceIsKeptWhenItIsWellAndTakenBackWhenItIsNot) {
  const int vmid = first();
  const std::vector<std::string> words{"--name", "web",          "--health-successes",
                                       "1",      "--health-url", step.deploy_words().back()};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), words.begin(), words.end());
    return more;
  };
  const auto good = step.run("update", with({"--command", "true"}));
  ASSERT_EQ(good.code, 0) << good.all();
  EXPECT_EQ(good.outputs.at("outcome"), "deployed");
  EXPECT_EQ(active(), vmid);
  EXPECT_EQ(step.run("update", with({"--command", "true"})).outputs.at("outcome"), "unchanged");
  step.commit = std::string(40, 'c');
  // A guest that goes back in time is told so, by another generation.
  const auto without_generation = [](const Json& state) {
    return std::regex_replace(state.dump(), std::regex(R"("vmgenid":"[^"]*")"), "");
  };
  const Json before = cluster.state();
  const auto bad = step.run("update", with({"--command", "false"}));
  EXPECT_EQ(bad.code, 3) << bad.all();
  EXPECT_NE(bad.all().find("the script ended with 1 in guest"), std::string::npos) << bad.all();
  EXPECT_EQ(without_generation(cluster.state()), without_generation(before));
}

TEST_F(ProxmoxDeploy, ANewGuestIsSetUpByItsAgentBeforeItHasToBeHealthy) {
  const int old = first();
  const TempFolder files;
  const std::string version = files.write("version", "1.2.3\n");
  const std::vector<std::string> good{"--upload", version + " -> /srv/version", "--script",
                                      "mkdir /srv/app\nmv /srv/version /srv/app/version"};
  const auto done = step.deploy(good);
  ASSERT_EQ(done.code, 0) << done.all();
  const int now = active();
  EXPECT_NE(now, old);
  EXPECT_EQ(ProxmoxStep(cluster, SandboxProxmox::root_token)
                .run("run --guest " + std::to_string(now), {"--command", "cat /srv/app/version"})
                .outputs.at("stdout"),
            "1.2.3\n");
  EXPECT_EQ(step.deploy(good).outputs.at("outcome"), "unchanged");

  const Json before = cluster.state();
  step.commit = std::string(40, 'c');
  for (const std::string& script : {std::string("exit 3"), std::string("sleep 100"),
                                    std::string("mkdir -p /srv/app; : >/srv/app/unhealthy")}) {
    const auto failed =
        step.deploy({"--script", script, "--timeout", "10s", "--health-timeout", "2s"});
    EXPECT_EQ(failed.code, 3) << script << failed.all();
    EXPECT_EQ(cluster.state().dump(), before.dump()) << script;
  }
}

// The runner kills what is not done soon: the snapshot comes first, not the script's own end.
TEST_F(ProxmoxDeploy, ACancelOfAnUpdateGoesBackThoughItsScriptDoesNotWantToEnd) {
  first();
  const auto without_generation = [](const Json& state) {
    return std::regex_replace(state.dump(), std::regex(R"("vmgenid":"[^"]*")"), "");
  };
  const Json before = cluster.state();
  Process process = step.start("update", {"--name", "web", "--no-health", "--script",
                                          "trap '' TERM INT; echo changed >/srv/it; echo ready\n"
                                          "while :; do sleep 1; done"});
  ASSERT_TRUE(process.wait_for("ready\n", std::chrono::seconds(30))) << process.out();
  process.interrupt();
  const auto done = step.result_of(process);
  EXPECT_EQ(done.code, 130) << done.all();
  EXPECT_EQ(done.all().find("given up"), std::string::npos) << done.all();
  EXPECT_EQ(without_generation(cluster.state()), without_generation(before)) << done.all();
}

TEST_F(ProxmoxDeploy, AWriteWhoseAnswerSomebodyOnTheWayGaveUpOnIsUnknown) {
  const ProxmoxStep root(cluster, SandboxProxmox::root_token);
  for (const auto& [status, code] :
       std::map<std::string, int>{{"502", 4}, {"503", 6}, {"504", 4}, {"595", 6}, {"596", 4}}) {
    cluster.fault(R"({"kind": "request-fails", "request": "POST *status/stop", )"
                  R"("text": "Connection timed out", "status": )" +
                  status + "}");
    const auto done = root.run("power", {"--do", "stop", "--guest", "legacy"});
    cluster.no_faults();
    EXPECT_EQ(done.code, code) << status << done.all();
    EXPECT_EQ(done.all().find("it may have been done all the same") != std::string::npos, code == 4)
        << status << done.all();
  }
  EXPECT_EQ(status_of(100), "running");
}

TEST_F(ProxmoxDeploy, AGuestThatIsThereCanBeAdopted) {
  const ProxmoxStep root(cluster, SandboxProxmox::root_token);
  const auto done = root.run("adopt", {"--name", "old", "--guest", "legacy"});
  ASSERT_EQ(done.code, 0) << done.all();
  EXPECT_EQ(done.outputs.at("vmid"), "100");
  EXPECT_EQ(active(), 100);
  EXPECT_EQ(root.run("adopt", {"--name", "other", "--guest", "legacy"}).code, 7);
  EXPECT_EQ(root.run("adopt", {"--name", "other", "--guest", "debian-12"}).code, 1);
}

TEST_F(ProxmoxDeploy, TwoAtOnceOneAfterTheOther) {
  first();
  ProxmoxStep other(cluster);
  other.commit = std::string(40, 'c');
  Process one = step.start_deploy();
  Process two = other.start_deploy();
  const auto first_done = step.result_of(one);
  const auto second_done = other.result_of(two);
  EXPECT_EQ(first_done.code, 0) << first_done.all();
  EXPECT_EQ(second_done.code, 0) << second_done.all();
  EXPECT_EQ(guests_with("active").size(), 1U);
  EXPECT_EQ(guests_with("app-web").size(), 2U);
}

TEST_F(ProxmoxDeploy, OfTwoFirstDeploysAtOnceOneGuestIsLeft) {
  ProxmoxStep other(cluster);
  other.commit = std::string(40, 'c');
  const std::vector<std::string> impatient{"--lock-wait", "0s"};
  Process one = step.start_deploy(impatient);
  Process two = other.start_deploy(impatient);
  const auto first_done = step.result_of(one);
  const auto second_done = other.result_of(two);
  EXPECT_TRUE(first_done.code == 0 || second_done.code == 0)
      << first_done.all() << second_done.all();
  EXPECT_EQ(guests_with("active").size(), 1U);
  for (const auto* done : {&first_done, &second_done}) {
    EXPECT_TRUE(done->code == 0 || done->code == 7) << done->all();
  }
}

// Another first deploy is ready as well, and may have looked before this one could be seen.
TEST_F(ProxmoxDeploy, AFirstDeployWaitsForAnotherThatMayBeAboutToSwitch) {
  (void)cluster.guest(R"({"vmid": 9000, "application": {"state": "unhealthy"}})");
  const std::string vmid = "999999999";  // above all that deploys choose
  const std::string guest = "/nodes/pve1/qemu/" + vmid;
  for (const bool yields : {true, false}) {
    ASSERT_EQ(cluster.run_task("POST", "/nodes/pve1/qemu/9000/clone",
                               "newid=" + vmid + "&name=web-ccccccc"),
              "OK");
    const std::string smbios = cluster.data("GET", guest + "/config").text_of("smbios1");
    const auto rival = [&](const std::string& phase, const std::string& tags) {
      const std::string record =
          R"(<!-- proxmox-deploy {"v":1,"app":"web","name":"web-ccccccc","identity":")" +
          smbios.substr(smbios.find('=') + 1, 36) + R"(","phase":")" + phase +
          R"(","run":"rival","lock":{"run":"rival","until":"2099-01-01T00:00:00Z"}} -->)";
      const std::string form =
          "tags=" + percent_encoded(tags) + "&description=" + percent_encoded(record);
      EXPECT_EQ(cluster.call("PUT", guest + "/config", form).status, 200);
    };
    Process process = step.start_deploy();
    ASSERT_TRUE(process.wait_for("Its address is ", std::chrono::seconds(20))) << process.out();
    rival("switching", "app-web");
    for (const int one : guests_with("app-web")) {
      (void)cluster.guest(R"({"vmid": )" + std::to_string(one) +
                          R"(, "application": {"state": "healthy"}})");
    }
    const auto looks = [&] {
      const auto all = requests_since(0);
      return std::count(all.begin(), all.end(), "GET /cluster/resources");
    };
    ASSERT_TRUE(process.wait_for("Health: ", std::chrono::seconds(20))) << process.out();
    const auto before = looks();
    ASSERT_TRUE(comes_true([&] { return looks() >= before + 3; }));
    EXPECT_EQ(guests_with("active").size(), 0U);
    if (yields) {
      EXPECT_EQ(cluster.run_task("DELETE", guest), "OK");
    } else {
      rival("", "app-web;active");
    }
    const auto done = step.result_of(process);
    EXPECT_EQ(done.code, yields ? 0 : 7) << done.all();
    EXPECT_EQ(guests_with("active").size(), 1U);
    EXPECT_EQ(guests_with("app-web").size(), 1U);
    const auto tidied = step.run("destroy", {"--name", "web"});
    EXPECT_EQ(tidied.code, yields ? 0 : 7) << tidied.all();
  }
}

TEST_F(ProxmoxDeploy, DestroyRemovesAllThatIsTheApplications) {
  const Json before = cluster.state();
  first();
  ASSERT_EQ(step.deploy().code, 0);
  const auto listed = step.run("destroy", {"--name", "web", "--dry-run"});
  EXPECT_EQ(listed.outputs.at("removed"), "0");
  const auto done = step.run("destroy", {"--name", "web"});
  EXPECT_EQ(done.code, 0) << done.all();
  EXPECT_EQ(done.outputs.at("removed"), "2");
  EXPECT_EQ(cluster.state().dump(), before.dump());
}

TEST_F(ProxmoxDeploy, GcTakesWhatIsOldAndNothingElse) {
  first();
  const std::vector<std::string> young{"--names", "w*", "--ttl", "1h"};
  EXPECT_EQ(step.run("gc", young).outputs.at("removed"), "0");
  EXPECT_EQ(step.run("gc", {"--names", "x*", "--ttl", "1ms"}).outputs.at("removed"), "0");
  const auto done = step.run("gc", {"--names", "w*", "--ttl", "1ms"});
  EXPECT_EQ(done.code, 0) << done.all();
  EXPECT_EQ(done.outputs.at("removed"), "1");
  EXPECT_TRUE(guests_with("app-web").empty());
}

TEST_F(ProxmoxDeploy, DoctorFindsAllWellOrSaysWhatIsMissing) {
  const auto well = step.run("doctor", {"--template", "debian-12"});
  EXPECT_EQ(well.code, 0) << well.all();
  cluster.token(R"({"id": "deploy@pve!ci", "acl": [{"path": "/", "privileges": ["VM.Audit"]}]})");
  const auto ill = step.run("doctor", {"--template", "debian-12"});
  EXPECT_EQ(ill.code, 5) << ill.all();
  EXPECT_NE(ill.out.find("pveum role add ProxmoxDeploy -privs "), std::string::npos) << ill.all();
  EXPECT_NE(ill.out.find("-tokens 'deploy@pve!ci'"), std::string::npos) << ill.all();
}

TEST_F(ProxmoxDeploy, DoctorFindsWhatIsNotWhereItIsNeeded) {
  const ProxmoxStep root(cluster, SandboxProxmox::root_token);
  const std::vector<std::string> source{"--template", "debian-12"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), source.begin(), source.end());
    return more;
  };
  const auto well = root.run("doctor", with({"--bridge", "vmbr0", "--storage", "local-zfs"}));
  EXPECT_EQ(well.code, 0) << well.all();
  EXPECT_NE(well.out.find("vmbr0 is on pve1"), std::string::npos) << well.out;
  const auto ill = root.run("doctor", with({"--node", "pve2", "--bridge", "vmbr9", "--pool", "x"}));
  EXPECT_EQ(ill.code, 1) << ill.all();
  EXPECT_NE(ill.out.find("vmbr9 is not there, or not seen by the token, on pve2"),
            std::string::npos)
      << ill.out;
  EXPECT_NE(ill.out.find("its disks are on local-zfs, which is pve1's own"), std::string::npos)
      << ill.out;
  EXPECT_NE(ill.out.find("pvesh create /pools --poolid 'x'"), std::string::npos) << ill.out;
  EXPECT_EQ(root.run("doctor", {"--template", "debian-12-shared", "--node", "pve2"}).code, 0);
  const auto nowhere = root.run("doctor", with({"--storage", "none"}));
  EXPECT_EQ(nowhere.code, 1);
  EXPECT_NE(nowhere.out.find("none is not there, or the token does not see it"), std::string::npos)
      << nowhere.out;
  cluster.data("POST", "/pools", "poolid=x");
  const auto seen = root.run("doctor", with({"--pool", "x"}));
  EXPECT_EQ(seen.code, 0) << seen.all();
}

TEST_F(ProxmoxDeploy, PowerSnapshotsTasksAndTheApiItself) {
  const std::string guest = std::to_string(first());
  EXPECT_EQ(step.run("power shutdown " + guest).code, 0);
  EXPECT_EQ(status_of(std::stoi(guest)), "stopped");
  EXPECT_EQ(step.run("power start " + guest).code, 0);
  EXPECT_EQ(status_of(std::stoi(guest)), "running");
  const auto waited = step.run(
      "wait", {"--guest", guest, "--health-port", std::to_string(cluster.application_port())});
  EXPECT_EQ(waited.code, 0) << waited.all();
  const ProxmoxStep root(cluster, SandboxProxmox::root_token);
  const auto made = root.run("snapshot create " + guest, {"--snapshot", "before"});
  EXPECT_EQ(made.code, 0) << made.all();
  EXPECT_NE(root.run("snapshot list " + guest).out.find("before"), std::string::npos);
  const auto back = root.run("snapshot rollback " + guest, {"--snapshot", "before"});
  EXPECT_EQ(back.code, 0) << back.all();
  EXPECT_EQ(root.run("snapshot delete " + guest, {"--snapshot", "before"}).code, 0);
  EXPECT_EQ(root.run("snapshot list " + guest).out.find("before"), std::string::npos);
  EXPECT_NE(step.run("tasks", {"--node", "pve1"}).out.find("qmclone"), std::string::npos);
  const auto raw = step.run("api get /version");
  EXPECT_NE(raw.out.find("\"version\""), std::string::npos) << raw.all();
  EXPECT_EQ(step.run("api get /nope").code, 1);
}

}  // namespace
}  // namespace pca::test
