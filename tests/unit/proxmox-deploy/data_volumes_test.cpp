#include "proxmox-deploy/data_volumes.hpp"

#include <gtest/gtest.h>

#include "proxmox-deploy/firewall_rules.hpp"

namespace pca::proxmox_deploy {
namespace {

GuestConfig container(const std::vector<std::pair<std::string, std::string>>& values) {
  Json config = Json::object();
  for (const auto& [key, value] : values) config.set(key, value);
  return parse_config(config, "lxc");
}

TEST(DataVolumes, AreMountPointsThatAreVolumes) {
  const GuestConfig config = container({{"rootfs", "local-zfs:subvol-1-disk-0,size=8G"},
                                        {"mp0", "local-zfs:subvol-1-disk-1,mp=/srv,size=2G"},
                                        {"mp2", "/tank/shared,mp=/shared"},
                                        {"mp7", "volume=tank:x,mp=/var/lib/shop"},
                                        {"net0", "name=eth0,hwaddr=bc:24:11:00:00:01"}});
  const auto volumes = config.data_volumes();
  ASSERT_EQ(volumes.size(), 2U);
  EXPECT_EQ(volumes[0].key, "mp0");
  EXPECT_EQ(volumes[0].path, "/srv");
  EXPECT_EQ(volumes[0].volume, "local-zfs:subvol-1-disk-1");
  EXPECT_EQ(volumes[1].key, "mp7");
  EXPECT_EQ(config.identity, "BC:24:11:00:00:01");
}

TEST(DataVolumes, AreFoundByTheirPaths) {
  const GuestConfig old = container({{"mp0", "z:a,mp=/srv"}, {"mp3", "z:b,mp=/var/lib/shop"}});
  const auto keys = match_data(old, {{"/var/lib/shop", "mp0"}, {"/srv", "mp1"}, {"/new", "mp2"}});
  ASSERT_TRUE(keys);
  EXPECT_EQ(*keys, (MountKeys{{"mp0", "mp1"}, {"mp3", "mp0"}}));
  const auto left = match_data(old, {{"/srv", "mp0"}});
  ASSERT_FALSE(left);
  EXPECT_NE(left.error().message.find("/var/lib/shop"), std::string::npos);
  EXPECT_EQ(free_mounts(old, container({{"mp0", "z:c,mp=/x"}, {"mp1", "z:d,mp=/y"}})),
            (MountKeys{{"mp0", "mp2"}, {"mp3", "mp3"}}));
}

TEST(DataVolumes, GoOnlyWithAGuestThatNothingEverLedTo) {
  const Guest guest{.vmid = 101, .type = "lxc", .node = "pve1", .name = "web-1a2b3c4"};
  const GuestConfig config = container({{"mp0", "z:a,mp=/srv"}});
  GuestRecord record;
  EXPECT_FALSE(check_without_data(guest, config, record));
  record.fresh = {"mp0"};
  EXPECT_FALSE(check_without_data(guest, config, record));  // it was the active one
  record.phase = phase_new;
  EXPECT_TRUE(check_without_data(guest, config, record));
  record.fresh = {"mp1"};
  EXPECT_FALSE(check_without_data(guest, config, record));
  EXPECT_TRUE(check_without_data(guest, container({}), GuestRecord()));
}

TEST(DataVolumes, WhereTheyWentIsInTheRecord) {
  GuestRecord record;
  record.app = "web";
  record.fresh = {"mp0", "mp2"};
  record.data_move = DataMove{10002, {{"mp0", "mp1"}, {"mp3", "mp0"}}, false};
  const auto read = parse_record(with_record("", record));
  ASSERT_TRUE(read && read->data_move);
  EXPECT_EQ(read->fresh, record.fresh);
  EXPECT_EQ(read->data_move->vmid, 10002);
  EXPECT_EQ(read->data_move->keys, record.data_move->keys);
  EXPECT_FALSE(read->data_move->was_running);
  // What would become part of a call is checked; a guest whose data nobody can find is left alone.
  for (const char* move : {R"({"vmid":1,"keys":["mp0>../x"]})", R"({"vmid":1})", "7"}) {
    EXPECT_FALSE(
        parse_record(std::string(R"(<!-- proxmox-deploy {"v":1,"data-move":)") + move + "} -->"))
        << move;
  }
  GuestRecord once;
  once.app = "web";
  EXPECT_EQ(with_record(with_record("text", record), once), with_record("text", once));
}

TEST(FirewallRules, NewOnesComeBeforeOldOnesGo) {
  const FirewallRule foreign{{"action", "DROP"}, {"comment", "by hand"}};
  const FirewallRule old{{"action", "ACCEPT"}, {"dport", "80"}, {"comment", "[web]"}};
  const FirewallRule fresh{{"action", "ACCEPT"}, {"dport", "443"}, {"comment", "[web]"}};
  std::vector<FirewallRule> rules{old, foreign};
  const auto steps = plan_rules(rules, {fresh, old}, "web");
  ASSERT_EQ(steps.size(), 3U);
  using Kind = RuleStep::Kind;
  EXPECT_TRUE(steps[0].kind == Kind::insert && steps[1].kind == Kind::insert);
  EXPECT_TRUE(steps[2].kind == Kind::remove);
  for (const RuleStep& step : steps) rules = after(rules, step);
  EXPECT_EQ(rules, (std::vector<FirewallRule>{fresh, old, foreign}));
  EXPECT_TRUE(plan_rules(rules, {fresh, old}, "web").empty());
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    for (const RuleStep& back : step->undone()) rules = after(rules, back);
  }
  EXPECT_EQ(rules, (std::vector<FirewallRule>{old, foreign}));
}

}  // namespace
}  // namespace pca::proxmox_deploy
