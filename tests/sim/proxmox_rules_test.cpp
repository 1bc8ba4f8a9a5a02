// The rules of the sandbox's Proxmox VE by themselves: how parameters are read and checked, who may
// what.
#include <gtest/gtest.h>

#include <map>

#include "sandbox/proxmox_permissions.hpp"
#include "sandbox/proxmox_schedule.hpp"
#include "sandbox/proxmox_tasks.hpp"
#include "sandbox/proxmox_upload.hpp"

namespace pca::testing {
namespace {

using namespace sandbox::proxmox;

TEST(SandboxProxmoxRules, AFormIsSplitAtSemicolonsToo) {
  const Parameters wanted{
      {"tags", "x"}, {"y", ""}, {"size", " 1G"}, {"size", "+1G"}, {"a b", "c&d"}};
  EXPECT_EQ(parse_form("tags=x;y&size=+1G&size=%2B1G&&a+b=c%26d"), wanted);
}

TEST(SandboxProxmoxRules, JsonIsReadAsAFormWouldBe) {
  const auto read =
      parse_json_form(R"({"cores": 2, "onboot": true, "command": ["ls", "-l"], "none": null})");
  const Parameters wanted{{"cores", "2"}, {"onboot", "1"}, {"command", "ls"}, {"command", "-l"}};
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, wanted);
  EXPECT_FALSE(parse_json_form("[1]"));
  EXPECT_FALSE(parse_json_form("{"));
}

// What is said of a parameter, by rule and value.
TEST(SandboxProxmoxRules, SaysWhatIsWrongAsTheServerDoes) {
  const auto rules = parse_rules(
      "vmid!:vmid(100..999999999) name:dns-name onboot:boolean cores:integer(1..8) "
      "share:number(0..1) "
      "note:string(3..5) mode:{stop|start} size:size keys:urlencoded snap:configid net[n]:string "
      "command:array");
  const auto said = [&](const std::string& name, const std::string& value) {
    Parameters given{{"vmid", "100"}};
    if (name != "vmid") given.emplace_back(name, value);
    if (name == "vmid") given.front().second = value;
    const auto failure = check_parameters(rules, given);
    return failure ? failure->errors.front().second : "";
  };
  const std::string integer = "type check ('integer') failed - got ";
  const std::tuple<const char*, const char*, std::string> cases[] = {
      {"vmid", "101", ""},
      {"vmid", "99", "invalid format - value does not look like a valid VM ID\n"},
      {"name", "shop-1.example", ""},
      {"name", "bad_name", "invalid format - value does not look like a valid DNS name\n"},
      {"name", "-x", "invalid format - value does not look like a valid DNS name\n"},
      {"onboot", "1", ""},
      {"onboot", "yes", "type check ('boolean') failed - got 'yes'"},
      {"cores", "8", ""},
      {"cores", "9", "value must have a maximum value of 8"},
      {"cores", "0", "value must have a minimum value of 1"},
      {"cores", "1.5", integer + "'1.5'"},
      {"cores", "0x2", integer + "'0x2'"},
      {"share", "0.5", ""},
      {"share", "nan", "type check ('number') failed - got 'nan'"},
      {"note", "ab", "value must be at least 3 characters long"},
      {"note", "abcdef", "value may only be 5 characters long"},
      {"mode", "pause", "value 'pause' does not have a value in the enumeration 'stop, start'"},
      {"size", "+1.5G", ""},
      {"size", "1g", "value does not match the regex pattern"},
      {"keys", "ssh-rsa%20AAAA", ""},
      {"keys", "ssh-rsa AAAA", "invalid format - invalid urlencoded string: ssh-rsa AAAA\n"},
      {"snap", "1st", "invalid format - invalid configuration ID '1st'\n"},
      {"net12", "virtio", ""},
      {"net", "virtio",
       "property is not defined in schema and the schema does not allow additional properties"},
  };
  for (const auto& [name, value, wanted] : cases)
    EXPECT_EQ(said(name, value), wanted) << name << "=" << value;
  const auto twice = check_parameters(
      rules, {{"vmid", "100"}, {"cores", "1"}, {"cores", "2"}, {"command", "a"}, {"command", "b"}});
  ASSERT_TRUE(twice);
  EXPECT_EQ(twice->errors.size(), 1U);
  EXPECT_EQ(twice->errors.front().second, "type check ('integer') failed - got ARRAY");
  const auto missing = check_parameters(rules, {});
  ASSERT_TRUE(missing);
  EXPECT_EQ(missing->errors.front().second, "property is missing and it is not optional");
  // A text of any length is looked at without going deep.
  EXPECT_NE(said("name", std::string(400'000, 'a')), "");
  EXPECT_EQ(said("keys", std::string(400'000, 'a')), "");
}

TEST(SandboxProxmoxRules, PropertiesGoBothWays) {
  const Parameters parts = parse_property("local-zfs:vm-1-disk-0,size=3G,ssd=1", "file");
  EXPECT_EQ(value_in(parts, "file"), "local-zfs:vm-1-disk-0");
  EXPECT_EQ(value_in(parts, "size"), "3G");
  EXPECT_EQ(value_in(parts, "iothread"), "");
  EXPECT_EQ(property_text(parts, "file"), "local-zfs:vm-1-disk-0,size=3G,ssd=1");
}

TEST(SandboxProxmoxRules, ATokenMayWhatItAndItsUserMay) {
  Permissions permissions(9);
  permissions.add({"a@pve!separate", "s", true});
  permissions.add({"a@pve!same", "t", false});
  permissions.grant("a@pve", {{"/", "a@pve", {"VM.Audit", "VM.PowerMgmt"}, true},
                              {"/vms/100", "a@pve", {"VM.Audit"}, true},
                              {"/storage", "a@pve", {"Datastore.Audit"}, false}});
  permissions.grant("a@pve!separate", {{"/vms", "a@pve!separate", {"VM.Audit", "VM.Clone"}, true}});
  const std::tuple<const char*, const char*, const char*, bool> cases[] = {
      {"root@pam", "/", "Sys.Modify", true},
      {"a@pve", "/vms/101", "VM.PowerMgmt", true},
      {"a@pve", "/vms/100", "VM.PowerMgmt", false},  // the nearer entry counts
      {"a@pve", "/storage", "Datastore.Audit", true},
      {"a@pve", "/storage/local", "Datastore.Audit", false},  // it does not go on below
      {"a@pve!same", "/vms/101", "VM.PowerMgmt", true},
      {"a@pve!separate", "/vms/101", "VM.PowerMgmt", false},
      {"a@pve!separate", "/vms/101", "VM.Audit", true},
      {"a@pve!separate", "/vms/101", "VM.Clone", false},
      {"b@pve", "/", "VM.Audit", false}};
  for (const auto& [who, path, privilege, may] : cases) {
    EXPECT_EQ(permissions.may(who, path, privilege), may) << who << " " << path << " " << privilege;
  }
  EXPECT_EQ(permissions.authenticate("a@pve!same=t"), "a@pve!same");
  for (const char* wrong : {"a@pve!same=s", "a@pve!same", "a@pve!none=t", "", "=t"}) {
    EXPECT_FALSE(permissions.authenticate(wrong)) << wrong;
  }
}

TEST(SandboxProxmoxRules, AnEndpointsRuleKnowsAndOrAnyAll) {
  Permissions permissions(9);
  permissions.grant("a@pve", {{"/vms/1", "a@pve", {"VM.Clone"}, true},
                              {"/pool/p", "a@pve", {"VM.Allocate"}, true},
                              {"/", "a@pve", {"Sys.Audit"}, false}});
  const auto why = [&](const char* rule, const Parameters& parameters) {
    const auto outcome = permissions.check("a@pve", rule, parameters);
    return outcome ? std::string() : outcome.error().message;
  };
  const char* clone = "/vms/{vmid} VM.Clone; /vms/{newid} VM.Allocate or /pool/{pool} VM.Allocate";
  EXPECT_EQ(why(clone, {{"vmid", "1"}, {"newid", "2"}, {"pool", "p"}}), "");
  EXPECT_EQ(why(clone, {{"vmid", "1"}, {"newid", "2"}}), "Permission check failed");
  EXPECT_EQ(why(clone, {{"vmid", "3"}, {"newid", "2"}}),
            "Permission check failed (/vms/3, VM.Clone)");
  EXPECT_EQ(why("/vms/{vmid} VM.Audit|VM.Backup", {{"vmid", "1"}}),
            "Permission check failed (/vms/1, VM.Audit|VM.Backup)");
  EXPECT_EQ(why("/ Sys.Audit,Sys.Modify", {}), "Permission check failed (/, Sys.Modify)");
  EXPECT_EQ(why("", {}), "");
}

TEST(SandboxProxmoxRules, TheAgentsPrivilegesAreOneInTheOldRelease) {
  Permissions old(8);
  old.grant("a@pve", {{"/", "a@pve", {"VM.Monitor"}, true}});
  EXPECT_TRUE(old.check("a@pve", "/vms/{vmid} VM.GuestAgent.Unrestricted", {{"vmid", "1"}}));
  EXPECT_TRUE(Permissions::deploy_role(8).contains("VM.Monitor"));
  EXPECT_FALSE(Permissions::deploy_role(9).contains("VM.Monitor"));
  EXPECT_TRUE(Permissions::deploy_role(9).contains("VM.GuestAgent.Unrestricted"));
  EXPECT_EQ(Permissions::role("PVEVMAdmin", 8)->contains("VM.GuestAgent.Audit"), false);
  EXPECT_FALSE(Permissions::role("Nonsense", 9));
}

TEST(SandboxProxmoxRules, WhatIsDueHappensInItsOrder) {
  Schedule schedule;
  std::string order;
  schedule.after(Milliseconds(30), [&] { order += "c"; });
  schedule.after(Milliseconds(10), [&] {
    order += "a";
    schedule.after(Milliseconds(5), [&] { order += "b"; });
  });
  const auto dropped = schedule.after(Milliseconds(20), [&] { order += "x"; });
  schedule.cancel(dropped);
  schedule.advance(Time(25));
  EXPECT_EQ(order, "ab");
  EXPECT_EQ(schedule.next(), Time(30));
  schedule.advance(Time(30));
  EXPECT_EQ(order, "abc");
  EXPECT_FALSE(schedule.next());
}

TEST(SandboxProxmoxRules, KnowsAUpid) {
  EXPECT_TRUE(is_upid("UPID:pve1:00005163:000235E1:6B043769:qmstart:101:ci@pve!deploy:"));
  EXPECT_TRUE(is_upid("UPID:pve1:00001531:000260D0:6B0437D7:imgcopy::ci@pve!deploy:"));
  for (const char* wrong : {"UPID:bad", "UPID:pve1:5163:000235E1:6B043769:qmstart:101:ci@pve:",
                            "UPID:pve1:00005163:000235E1:6B043769:qmstart:101:ci@pve", ""}) {
    EXPECT_FALSE(is_upid(wrong)) << wrong;
  }
}

TEST(SandboxProxmoxRules, AnUploadKeepsItsDigestAndNothingElse) {
  Upload upload("b", "/var/tmp/pveupload-1");
  const std::string form =
      "--b\r\nContent-Disposition: form-data; name=\"checksum-algorithm\"\r\n\r\nsha256\r\n"
      "--b\r\nContent-Disposition: form-data; name=\"filename\"; "
      "filename=\"C:\\\\x.iso\"\r\n\r\nabc\r\n--b--\r\n";
  for (const char c : form) ASSERT_TRUE(upload.feed({&c, 1}));
  EXPECT_TRUE(upload.has_file());
  EXPECT_EQ(upload.size(), 3U);
  EXPECT_EQ(upload.hash(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(value_in(upload.fields(), "filename"), "x.iso");
  EXPECT_EQ(boundary_of("multipart/form-data; charset=x; boundary=\"a b\""), "a b");
  EXPECT_EQ(boundary_of("application/json"), "");
}

}  // namespace
}  // namespace pca::testing
