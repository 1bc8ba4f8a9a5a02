#include "proxmox-deploy/rights.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/text.hpp"

namespace pca::proxmox_deploy {
namespace {

GrantedRights granted(const std::string& json) {
  const auto parsed = parse_json(json);
  EXPECT_TRUE(parsed) << json;
  return GrantedRights(*parsed);
}

TEST(TokenRights, GoByThePathElseByTheNearestAbove) {
  const GrantedRights rights = granted(
      R"({"/": {"VM.Audit": 1, "Sys.Audit": 0}, "/vms": {"VM.Clone": "1"}, "/pool/p": {"VM.Allocate": true}})");
  EXPECT_TRUE(rights.has("/", "VM.Audit"));
  EXPECT_TRUE(rights.has("/nodes/pve1", "VM.Audit"));
  EXPECT_FALSE(rights.has("/nodes", "Sys.Audit")) << "it does not go on to what lies below";
  EXPECT_TRUE(rights.has("/vms/9000", "VM.Clone"));
  EXPECT_FALSE(rights.has("/vms/9000", "VM.Audit")) << "the nearer path says other things";
  EXPECT_TRUE(rights.has("/pool/p", "VM.Allocate"));
  EXPECT_FALSE(rights.has("/pool/q", "VM.Allocate"));
  EXPECT_TRUE(granted("{}").empty());
  EXPECT_FALSE(granted(R"({"/": 7})").has("/", "VM.Audit"));
}

TEST(TokenRights, TheAgentHasAnotherPrivilegeInEachRelease) {
  const auto all_of = [](const RightsQuestion& question) {
    std::string out;
    for (const NeededRights& one : needed_rights(question)) out += join(one.privileges, " ") + " ";
    return out;
  };
  const std::string of_8 = all_of({.major_version = 8, .runs_commands = true});
  EXPECT_NE(of_8.find("VM.Monitor"), std::string::npos) << of_8;
  EXPECT_EQ(of_8.find("GuestAgent"), std::string::npos) << of_8;
  const std::string of_9 = all_of({.major_version = 9, .runs_commands = true});
  EXPECT_EQ(of_9.find("VM.Monitor"), std::string::npos) << of_9;
  EXPECT_NE(of_9.find("VM.GuestAgent.Unrestricted"), std::string::npos) << of_9;
  EXPECT_NE(all_of({}).find("VM.GuestAgent.Audit"), std::string::npos);
}

TEST(TokenRights, WhatIsMissingIsToldWithTheLinesThatGiveIt) {
  const auto needed = needed_rights({.template_path = "/vms/9000", .storages = {"shared"}});
  const auto missing =
      missing_rights(granted(R"({"/vms": {"VM.Clone": 1, "VM.Audit": 1}})"), needed);
  ASSERT_EQ(missing.size(), 2U);
  EXPECT_EQ(missing[0].needed.path, "/vms");
  EXPECT_EQ(std::count(missing[0].needed.privileges.begin(), missing[0].needed.privileges.end(),
                       "VM.Audit"),
            0);
  EXPECT_EQ(missing[1].needed.privileges, std::vector<std::string>{"Datastore.AllocateSpace"});
  const auto lines = pveum_lines(needed, "ci@pve!deploy");
  EXPECT_TRUE(lines[0].starts_with("pveum role add ProxmoxDeploy -privs 'Datastore.AllocateSpace,"))
      << lines[0];
  EXPECT_EQ(lines[1], "pveum acl modify '/vms/9000' -roles ProxmoxDeploy -users 'ci@pve'");
  EXPECT_EQ(lines[2], "pveum acl modify '/vms/9000' -roles ProxmoxDeploy -tokens 'ci@pve!deploy'");
}

}  // namespace
}  // namespace pca::proxmox_deploy
