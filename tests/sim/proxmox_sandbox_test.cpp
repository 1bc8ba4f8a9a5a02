// The sandbox's Proxmox VE as a deploy meets it: the order of calls, and what they leave behind.
#include <gtest/gtest.h>

#include "base/text.hpp"
#include "net/tcp.hpp"
#include "support/loopback.hpp"
#include "support/proxmox.hpp"

namespace pca::testing {
namespace {

// What an application at an address says.
HttpResponse ask(const std::string& address, const std::string& path) {
  HttpRequest request;
  request.url = "http://" + address + path;
  const auto client = make_http_transport("tests");
  auto response = client->send(Budget::of(std::chrono::seconds(5)), request);
  return response ? *response : HttpResponse();
}

std::string address_in(const Json& interfaces, const std::string& name) {
  for (const Json& each : *interfaces.find("result")->as_array()) {
    if (each.text_of("name") != name) continue;
    return each.find("ip-addresses")->as_array()->front().text_of("ip-address");
  }
  return "";
}

// Waits until the agent of a guest answers: each refusal takes it three seconds of the model.
Json wait_for_agent(SandboxProxmox& proxmox, int vmid) {
  const std::string path =
      "/nodes/pve1/qemu/" + std::to_string(vmid) + "/agent/network-get-interfaces";
  for (int tries = 0; tries < 50; ++tries) {
    const HttpResponse response = proxmox.call("GET", path);
    if (response.status == 200) return SandboxProxmox::data_of(response);
  }
  return {};
}

TEST(SandboxProxmoxTest, ClonesConfiguresAndStartsAGuestThatAnswers) {
  SandboxProxmox proxmox;
  EXPECT_EQ(proxmox.data("GET", "/cluster/nextid").dump(), "\"101\"");
  EXPECT_EQ(proxmox.run_task("POST", "/nodes/pve1/qemu/9000/clone", "newid=101&name=shop-1"), "OK");
  EXPECT_EQ(proxmox
                .call("PUT", "/nodes/pve1/qemu/101/config",
                      "cores=2&memory=2048&ciupgrade=0&tags=shop%3Brev-abc")
                .status,
            200);
  EXPECT_EQ(proxmox.run_task("POST", "/nodes/pve1/qemu/101/status/start"), "OK");
  const Json interfaces = wait_for_agent(proxmox, 101);
  ASSERT_FALSE(interfaces.is_null());
  const std::string address = address_in(interfaces, "eth0");
  EXPECT_TRUE(address.starts_with("127.1.")) << address;
  EXPECT_EQ(address_in(interfaces, "lo"), "127.0.0.1");
  EXPECT_EQ(address_in(interfaces, "docker0"), "172.17.0.1");
  const std::string at = address + ":" + std::to_string(proxmox.application_port());
  EXPECT_EQ(ask(at, "/healthz").status, 200);
  EXPECT_EQ(ask(at, "/version").body, "abc\n");

  const Json made = proxmox.guest_state(101);
  EXPECT_EQ(made.text_of("status"), "running");
  const auto generation = [&](const std::string& vmid) {
    return proxmox.data("GET", "/nodes/pve1/qemu/" + vmid + "/config").text_of("vmgenid");
  };
  EXPECT_NE(generation("101"), generation("9000"));
  const Json* config = made.find("config");
  const Json old = proxmox.guest_state(9000);
  for (const char* own : {"smbios1", "net0"}) {
    EXPECT_NE(config->text_of(own), old.find("config")->text_of(own)) << own;
  }
  EXPECT_EQ(config->text_of("scsi0"), "local-zfs:base-9000-disk-0/vm-101-disk-0,size=3G");
  EXPECT_EQ(config->text_of("tags"), "rev-abc;shop");
  EXPECT_EQ(config->find("lock"), nullptr);

  EXPECT_EQ(proxmox.run_task("DELETE", "/nodes/pve1/qemu/9000"),
            "base volume 'local-zfs:base-9000-disk-0' is still in use by linked cloned");
  EXPECT_EQ(proxmox.run_task("POST", "/nodes/pve1/qemu/101/status/shutdown"), "OK");
  EXPECT_EQ(ask(at, "/healthz").status, 0);
  EXPECT_EQ(proxmox.run_task("DELETE", "/nodes/pve1/qemu/101", "purge=1"), "OK");
  EXPECT_TRUE(proxmox.guest_state(101).is_null());
}

TEST(SandboxProxmoxTest, AGuestsSshPortLeadsToAServerOfOnesOwn) {
  SandboxProxmox proxmox;
  const Listener host;
  const Listener free;
  const std::uint16_t port = free.port();  // on another address, so it is free there
  proxmox.guest(R"({"vmid": 101, "status": "running", "ssh": {"to": "127.0.0.1:)" +
                std::to_string(host.port()) + R"(", "port": )" + std::to_string(port) + "}}");
  const std::string address = proxmox.guest_state(101).find("application")->text_of("address");
  const auto connected = connect_tcp_socket(Budget::of(std::chrono::seconds(5)), address, port);
  ASSERT_TRUE(connected) << (connected ? "" : connected.error().message);
  const FileDescriptor there = host.accept();
  ASSERT_GE(there.get(), 0);
  ASSERT_EQ(::send(there.get(), "SSH-2.0-x\r\n", 11, MSG_NOSIGNAL), 11);
  proxmox.guest(R"({"vmid": 101, "status": "stopped"})");
  char byte = 0;
  EXPECT_LE(::recv(there.get(), &byte, 1, 0), 0);  // the connection ends with the guest
}

}  // namespace
}  // namespace pca::testing
