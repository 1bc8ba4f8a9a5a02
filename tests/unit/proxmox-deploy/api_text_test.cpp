#include <gtest/gtest.h>

#include "proxmox-deploy/api_error.hpp"
#include "proxmox-deploy/api_form.hpp"
#include "proxmox-deploy/property_string.hpp"
#include "proxmox-deploy/tasks.hpp"
#include "proxmox-deploy/upid.hpp"

namespace pca::proxmox_deploy {
namespace {

TEST(UpidOfATask, SaysWhereToAskAndWhatItIs) {
  const auto upid = parse_upid("UPID:pve1:00005163:000235E1:6B043769:qmstart:101:ci@pve!deploy:");
  ASSERT_TRUE(upid);
  EXPECT_EQ(upid->node, "pve1");
  EXPECT_EQ(upid->start_time, 0x6B043769);
  EXPECT_EQ(upid->type, "qmstart");
  EXPECT_EQ(upid->id, "101");
  EXPECT_EQ(upid->user, "ci@pve!deploy");
  // An upload has no ID, a host that runs long a ninth digit.
  EXPECT_EQ(parse_upid("UPID:pve1:000019C8:0000262CC:6B0437DC:imgcopy::ci@pve!deploy:")->id, "");
}

TEST(UpidOfATask, IsNothingThatCouldBecomeAnotherPath) {
  for (const char* text :
       {"", "UPID:", "UPID:bad", "UPID:pve1:00005163:000235E1:6B043769:qmstart:101:ci@pve:x",
        "UPID:pve1/../x:00005163:000235E1:6B043769:qmstart:101:ci@pve:",
        "UPID::00005163:000235E1:6B043769:qmstart:101:ci@pve:",
        "UPID:pve1:0005163:000235E1:6B043769:qmstart:101:ci@pve:",
        "UPID:pve1:00005163:000235E1:6B04376G:qmstart:101:ci@pve:",
        "upid:pve1:00005163:000235E1:6B043769:qmstart:101:ci@pve:"}) {
    EXPECT_FALSE(parse_upid(text)) << text;
  }
  EXPECT_FALSE(parse_upid("UPID:pve1:00005163:000235E1:6B043769:qmstart:" + std::string(600, '1') +
                          ":ci@pve:"));
}

TEST(PropertyStrings, KeepWhatTheyDoNotKnow) {
  PropertyString net("virtio=BC:24:11:08:F7:65,bridge=vmbr0,tag=10");
  EXPECT_EQ(net.get("bridge"), "vmbr0");
  EXPECT_FALSE(net.has("firewall"));
  net.set("tag", "20");
  net.set("firewall", "1");
  EXPECT_EQ(net.text(), "virtio=BC:24:11:08:F7:65,bridge=vmbr0,tag=20,firewall=1");
  const PropertyString disk("local:101/vm-101-disk-0.raw,size=1G");
  EXPECT_EQ(disk.get(""), "local:101/vm-101-disk-0.raw");
  EXPECT_EQ(disk.text(), "local:101/vm-101-disk-0.raw,size=1G");
}

TEST(PropertyStrings, TellAMacAddressWhateverTheModel) {
  EXPECT_EQ(mac_of_net("virtio=bc:24:11:08:f7:65,bridge=vmbr0"), "BC:24:11:08:F7:65");
  EXPECT_EQ(mac_of_net("name=eth0,bridge=vmbr0,hwaddr=BC:24:11:08:F7:65"), "BC:24:11:08:F7:65");
  EXPECT_EQ(mac_of_net("virtio,bridge=vmbr0"), "");
  EXPECT_EQ(mac_of_net("virtio=BC:24:11:08:F7:6,bridge=vmbr0"), "");
}

TEST(PropertyStrings, TagsAreSortedAndEachThereOnce) {
  EXPECT_EQ(join_tags(split_tags("web;app,blue app")), "app;blue;web");
  EXPECT_TRUE(split_tags(" ; ,").empty());
}

TEST(ApiForm, EscapesWhatTheApiTakesForSomethingElse) {
  EXPECT_EQ(form_encoded({{"tags", "a;b"}, {"size", "+1G"}, {"name", "x y&z"}}),
            "tags=a%3Bb&size=%2B1G&name=x%20y%26z");
  EXPECT_EQ(form_encoded({{"command", "ls"}, {"command", "-la"}}), "command=ls&command=-la");
}

TEST(ApiForm, EncodesKeysTwice) {
  const std::string value = ssh_keys_value("ssh-ed25519 AA+A/= x\r\n# none\n\nssh-rsa BB y\n");
  EXPECT_EQ(value, "ssh-ed25519%20AA%2BA%2F%3D%20x%0Assh-rsa%20BB%20y");
  EXPECT_EQ(form_encoded({{"sshkeys", "a%20b"}}), "sshkeys=a%2520b");
}

HttpResponse answer(int status, const std::string& reason, const std::string& body) {
  HttpResponse response;
  response.status = status;
  response.reason = reason;
  response.body = body;
  return response;
}

TEST(ApiErrors, TakeTheCauseFromWhereverItIs) {
  EXPECT_EQ(cause_in(answer(400, "Parameter verification failed.",
                            R"({"errors":{"newid":"too small\n","name":"no DNS name\n"},"data":null,
                               "message":"Parameter verification failed.\n"})")),
            "newid: too small; name: no DNS name");
  EXPECT_EQ(cause_in(answer(500, "x", R"({"data":null,"message":"VM is locked (backup)\n"})")),
            "VM is locked (backup)");
  EXPECT_EQ(cause_in(answer(500, "VM is locked (backup)", R"({"data":null})")),
            "VM is locked (backup)");
  EXPECT_EQ(cause_in(answer(595, "No route to host", "")), "No route to host");
  EXPECT_EQ(cause_in(answer(502, "", "<html>\x1b[31mbad\n gateway")),
            "<html>\\x1B[31mbad; gateway");
}

TEST(ApiErrors, AreTheSameForAnAnswerAndForATask) {
  struct Case {
    const char* text;
    Trouble trouble;
    ErrorKind kind;
    bool transient;
  };
  const Case cases[] = {
      {"can't lock file '/var/lock/qemu-server/lock-150.conf' - got timeout", Trouble::busy,
       ErrorKind::conflict, true},
      {"cfs-lock 'storage-X' error: got lock request timeout", Trouble::busy, ErrorKind::conflict,
       true},
      {"VM is locked (clone)", Trouble::busy, ErrorKind::conflict, true},
      {"unable to create VM 160: config file already exists", Trouble::id_taken,
       ErrorKind::conflict, false},
      {"unable to create VM 161 - VM 161 already exists on node 'pve1'", Trouble::id_taken,
       ErrorKind::conflict, false},
      {"vmid: VM 101 already exists", Trouble::id_taken, ErrorKind::conflict, false},
      {"checksum mismatch (file change by other user?)", Trouble::changed, ErrorKind::conflict,
       false},
      {"Configuration file 'nodes/pve1/qemu-server/999.conf' does not exist", Trouble::gone,
       ErrorKind::failed, false},
      {"cluster not ready - no quorum?", Trouble::no_quorum, ErrorKind::unreachable, false},
      {"unable to open file '/etc/pve/nodes/pve1/qemu-server/101.conf.tmp.4711' - Permission "
       "denied",
       Trouble::no_quorum, ErrorKind::unreachable, false},
      {"create pool failed: cfs-lock 'file-user_cfg' error: no quorum!", Trouble::no_quorum,
       ErrorKind::unreachable, false},
      {"No QEMU guest agent configured", Trouble::agent_off, ErrorKind::failed, false},
      {"QEMU guest agent is not running", Trouble::agent_away, ErrorKind::failed, true},
      {"start failed: QEMU exited with code 1", Trouble::other, ErrorKind::failed, false},
  };
  for (const Case& one : cases) {
    for (const int status : {0, 500}) {
      EXPECT_EQ(trouble_of(status, one.text), one.trouble) << one.text;
      const Error error = api_error("it", status, one.text);
      EXPECT_EQ(error.kind, one.kind) << one.text;
      EXPECT_EQ(error.transient, one.transient) << one.text;
      EXPECT_EQ(error.message, std::string("it: ") + one.text);
    }
  }
}

TEST(ApiErrors, ARightThatIsMissingIsNamedWithWhatToDo) {
  const Error error = api_error("POST /x", 403, "Permission check failed (/vms/201, VM.PowerMgmt)");
  EXPECT_EQ(error.kind, ErrorKind::permission);
  EXPECT_EQ(error.hint,
            "Give the token a role with VM.PowerMgmt on /vms/201: \"proxmox-deploy doctor\" prints "
            "the lines.");
  EXPECT_EQ(api_error("GET /x", 401, "No ticket").kind, ErrorKind::permission);
}

TEST(TaskLooks, ComeSoonAtFirstAndEachSecondAtLast) {
  EXPECT_EQ(look_pause(0), Milliseconds{25});
  EXPECT_EQ(look_pause(1), Milliseconds{38});
  EXPECT_EQ(look_pause(2), Milliseconds{56});
  EXPECT_EQ(look_pause(10), Milliseconds{1000});
  EXPECT_EQ(look_pause(1'000'000), Milliseconds{1000});
}

TEST(TaskLogs, AreHostile) {
  const auto log =
      parse_json(R"([{"n":1,"t":"kvm: \u001b[2Jboom"},{"n":2},{"n":3,"t":"TASK OK"}])");
  EXPECT_EQ(text_of_log(*log), "kvm: \\x1B[2Jboom\n\nTASK OK");
  Json many = Json::array();
  for (int i = 0; i < 300; ++i) many.push(Json::object().set("t", std::to_string(i)));
  EXPECT_TRUE(text_of_log(many).starts_with("200\n"));
  EXPECT_EQ(text_of_log(Json("x")), "");
}

}  // namespace
}  // namespace pca::proxmox_deploy
