#include "proxmox-deploy/deploy_plan.hpp"

#include <gtest/gtest.h>

#include "base/text.hpp"

namespace pca::proxmox_deploy {
namespace {

class DeployPlanTest : public ::testing::Test {
 protected:
  DeployPlanTest() {
    spec.app = "web";
    spec.source = "debian-12";
    spec.health.port = 80;
    from.commit = std::string(40, 'a');
    state.view.nodes = {{"pve1", true}, {"pve2", true}, {"pve3", false}};
    state.view.guests = {{.vmid = 9000,
                          .node = "pve1",
                          .name = "debian-12",
                          .status = "stopped",
                          .is_template = true}};
    state.view.storages = {{"local-zfs", "pve1", false}, {"shared", "pve1", true}};
  }
  [[nodiscard]] DeployPlan plan() const {
    return make_plan(spec, from, state, {.keep = 1, .switch_text = "the tag active moves"}, now);
  }
  void make_active(const std::string& commit) {
    OwnGuest own{{.vmid = 10001, .node = "pve1", .name = "web-bbbbbbb"}, {}, {}};
    own.record.app = "web";
    own.record.commit = commit;
    own.record.spec = spec.digest();
    own.record.releases = {{.vmid = 10000}, {.vmid = 10001}};
    state.active = own;
  }

  GuestSpec spec;
  Provenance from;
  AppState state;
  const UtcTime now = *parse_utc("2026-11-30T12:00:00Z");
};

TEST_F(DeployPlanTest, ClonesTheTemplateWhereItIs) {
  const DeployPlan made = plan();
  EXPECT_TRUE(made.mistakes.empty()) << join(made.mistakes, "\n");
  EXPECT_EQ(made.source.vmid, 9000);
  EXPECT_EQ(made.node, "pve1");
  EXPECT_EQ(made.guest_name, "web-aaaaaaa");
  EXPECT_FALSE(made.is_full);
  EXPECT_FALSE(made.vmids.empty());
}

TEST_F(DeployPlanTest, TheSameRevisionOfTheSameInputsIsNoChange) {
  make_active(from.commit);
  EXPECT_TRUE(plan().is_unchanged);
  spec.config.emplace_back("cores", "2");
  EXPECT_FALSE(plan().is_unchanged);
  spec.config.clear();
  from.commit = std::string(40, 'b');
  EXPECT_FALSE(plan().is_unchanged);
}

TEST_F(DeployPlanTest, TheSameDeployComesToTheSameIdAndTakesNone) {
  const auto first = choose_vmids(spec, from.commit, state.view, 3);
  EXPECT_EQ(choose_vmids(spec, from.commit, state.view, 3), first);
  state.view.guests.push_back({.vmid = first[0], .node = "pve2"});
  const auto next = choose_vmids(spec, from.commit, state.view, 3);
  EXPECT_EQ(next[0], first[1]);
  spec.first_vmid = spec.last_vmid = first[0];
  EXPECT_NE(join(plan().mistakes, "\n").find("vmid-range: all IDs from"), std::string::npos);
}

TEST_F(DeployPlanTest, AllMistakesAreToldTogether) {
  spec.source = "debian-11";
  spec.node = "pve4";
  spec.storage = "ceph";
  const std::string all = join(plan().mistakes, "\n");
  EXPECT_NE(all.find("template: there is no template \"debian-11\". There are: 9000 debian-12."),
            std::string::npos)
      << all;
  EXPECT_NE(
      all.find("node: there is no node \"pve4\". The nodes are pve1, pve2, pve3; did you mean "
               "pve1?"),
      std::string::npos)
      << all;
  EXPECT_NE(all.find("storage: \"ceph\" is not on pve4."), std::string::npos) << all;
}

TEST_F(DeployPlanTest, AnOfflineNodeAndAGuestThatIsNoTemplateAreRefused) {
  spec.node = "pve3";
  state.view.guests[0].is_template = false;
  const std::string all = join(plan().mistakes, "\n");
  EXPECT_NE(all.find("node: the node pve3 is offline"), std::string::npos) << all;
  EXPECT_NE(all.find("is no template. Make one of it"), std::string::npos) << all;
}

TEST_F(DeployPlanTest, WhatADeadRunLeftGoesAndWhatALiveOneMakesStays) {
  OwnGuest half{{.vmid = 10007, .node = "pve1"}, {}, {}};
  half.record.phase = "new";
  half.record.lock = Json::object().set("until", "2026-11-30T12:00:30Z");
  state.half_made = {half};
  EXPECT_TRUE(plan().to_remove.empty());
  make_active(std::string(40, 'b'));  // whose lock this run has
  ASSERT_EQ(plan().to_remove.size(), 1U);
}

TEST_F(DeployPlanTest, KeepsOneOldGuestAndRemovesOlderOnes) {
  make_active(std::string(40, 'b'));
  state.others = {{.vmid = 10000, .node = "pve1"}};
  const DeployPlan made = plan();
  ASSERT_EQ(made.too_old.size(), 1U);
  EXPECT_EQ(made.too_old[0].vmid, 10000);
}

}  // namespace
}  // namespace pca::proxmox_deploy
