// How the sandbox's Proxmox VE speaks HTTP: what surprises clients of a real one.
#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "base/gzip.hpp"
#include "base/text.hpp"
#include "support/proxmox.hpp"
#include "support/raw_client.hpp"

namespace pca::testing {
namespace {

using std::chrono::milliseconds;

std::uint16_t port_of(const SandboxProxmox& proxmox) {
  const std::string address = proxmox.address(1);
  return static_cast<std::uint16_t>(
      parse_integer(address.substr(address.rfind(':') + 1), 1, 65535).value_or(0));
}

RawClient connect(const SandboxProxmox& proxmox) {
  return RawClient(port_of(proxmox), proxmox.ca_file());
}

std::string request(const std::string& first_line, const std::string& headers = {},
                    const std::string& body = {}) {
  return first_line + "\r\nHost: pve1\r\nAuthorization: PVEAPIToken=" + SandboxProxmox::root_token +
         "\r\n" + headers + "\r\n" + body;
}

std::string get(const std::string& path) { return request("GET /api2/json" + path + " HTTP/1.1"); }

// The head of the next answer, with its body read too.
std::string read_answer(RawClient& client, std::string* body = nullptr) {
  std::string head = client.read_until("\r\n\r\n");
  std::smatch length;
  if (std::regex_search(head, length, std::regex("Content-Length: ([0-9]+)"))) {
    const std::string text = client.read_exactly(std::stoul(length[1]));
    if (body != nullptr) *body = text;
  }
  return head;
}

std::string status_line(const std::string& head) { return head.substr(0, head.find("\r\n")); }

TEST(SandboxProxmoxTransport, AConnectionCarriesAHundredRequests) {
  const SandboxProxmox proxmox({}, 1);
  RawClient client = connect(proxmox);
  for (int number = 1; number <= 100; ++number) {
    client.send(get("/version"));
    const std::string head = read_answer(client);
    ASSERT_EQ(head.find("\r\nConnection: close\r\n") != std::string::npos, number == 100) << number;
  }
  EXPECT_EQ(client.ending(), Ending::goodbye);
  EXPECT_EQ(proxmox.requests().size(), 100U);
  for (const Json& line : proxmox.requests()) EXPECT_EQ(*line.find("connection")->as_int(), 1);
}

TEST(SandboxProxmoxTransport, AnIdleConnectionEndsAfterFiveSecondsOfTheModel) {
  const SandboxProxmox proxmox({}, 20);
  RawClient client = connect(proxmox);
  client.send(get("/version"));
  static_cast<void>(read_answer(client));
  EXPECT_TRUE(client.is_silent_for(milliseconds(100)));
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(client.ending(), Ending::fin);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
}

TEST(SandboxProxmoxTransport, AnOldClientMayAskToStay) {
  const SandboxProxmox proxmox({}, 1);
  RawClient client = connect(proxmox);
  const std::string path = "/api2/json/nodes/pve1/qemu/9000/status/current";
  for (int i = 0; i < 3; ++i) {
    client.send(request("GET " + path + " HTTP/1.0", "Connection: keep-alive\r\n"));
    const std::string head = read_answer(client);
    EXPECT_EQ(status_line(head), "HTTP/1.0 200 OK");
    EXPECT_NE(head.find("Connection: close\r\nConnection: Keep-Alive\r\n"), std::string::npos);
  }
  client.send(request("GET " + path + " HTTP/1.0"));
  EXPECT_EQ(read_answer(client).find("Keep-Alive"), std::string::npos);
  EXPECT_EQ(client.ending(), Ending::goodbye);
}

TEST(SandboxProxmoxTransport, PacksLongAnswersForThoseWhoAsk) {
  const SandboxProxmox proxmox({}, 1);
  RawClient client = connect(proxmox);
  const std::string path = "GET /api2/json/cluster/resources HTTP/1.1";
  std::string plain;
  client.send(request(path));
  EXPECT_EQ(read_answer(client, &plain).find("Content-Encoding"), std::string::npos);
  std::string packed;
  client.send(request(path, "Accept-Encoding: gzip, deflate\r\n"));
  EXPECT_NE(read_answer(client, &packed).find("\r\nContent-Encoding: gzip\r\n"), std::string::npos);
  EXPECT_EQ(gunzip(packed, 1'000'000).value_or(""), plain);
  client.send(request("GET /api2/json/version HTTP/1.1", "Accept-Encoding: gzip\r\n"));
  EXPECT_EQ(read_answer(client).find("Content-Encoding"), std::string::npos);
}

// What is not said as it takes it, and what it says.
struct Refusal {
  std::string request;
  std::string status;  // empty: nothing is said
};

TEST(SandboxProxmoxTransport, RefusesWhatItDoesNotTake) {
  const SandboxProxmox proxmox;
  const std::string config = "/api2/json/nodes/pve1/qemu/100/config HTTP/1.1";
  const std::string form = "Content-Type: application/x-www-form-urlencoded\r\n";
  std::string many;
  for (int i = 0; i < 70; ++i) many += "X-" + std::to_string(i) + ": 1\r\n";
  const Refusal refusals[] = {
      {request("PUT " + config, form + "Transfer-Encoding: chunked\r\n", "3\r\na=1\r\n0\r\n\r\n"),
       "501 chunked transfer encoding not supported"},
      {request("DELETE /api2/json/nodes/pve1/qemu/100 HTTP/1.1", form + "Content-Length: 7\r\n",
               "purge=1"),
       "501 Unexpected content for method 'DELETE'"},
      {request("PUT " + config, form + "Content-Length: 600000\r\n"), "501 for data too large"},
      {request("PUT " + config, "Content-Type: text/plain\r\nContent-Length: 3\r\n", "a=1"),
       "506 upload 'Content-Type text/plain' not implemented"},
      {request("GET /api2/json/version HTTP/2.0"), "506 http protocol version 2.0 not supported"},
      {request("GET /api2/extjs/version HTTP/1.1"),
       "501 Method 'GET /api2/extjs/version' not implemented"},
      {request("GET /api2/json/version HTTP/1.1", many), ""},
      {request("GET /api2/json/version HTTP/1.1", "X: " + std::string(9000, 'x') + "\r\n"), ""}};
  for (const Refusal& refusal : refusals) {
    RawClient client = connect(proxmox);
    client.send(refusal.request);
    const std::string wanted = refusal.status.empty() ? "" : "HTTP/1.1 " + refusal.status;
    EXPECT_EQ(status_line(read_answer(client)), wanted) << refusal.request.substr(0, 200);
  }
}

TEST(SandboxProxmoxTransport, SendsWhoSpeaksNoTlsToHttps) {
  const SandboxProxmox proxmox;
  for (const auto& [method, status] : {std::pair("GET", "301"), std::pair("POST", "308")}) {
    RawClient client(port_of(proxmox));
    client.send(std::string(method) + " /api2/json/version HTTP/1.1\r\nHost: pve1\r\n\r\n");
    const std::string head = client.read_until("\r\n\r\n");
    EXPECT_NE(head.find(std::string(" ") + status + " "), std::string::npos) << head;
    EXPECT_NE(head.find("Location: https://127.0.0.1:" + std::to_string(port_of(proxmox)) +
                        "/api2/json/version"),
              std::string::npos)
        << head;
  }
}

TEST(SandboxProxmoxTransport, EachNodeHasACertificateThatTheFirstOneTells) {
  SandboxProxmox proxmox;
  const Json nodes = proxmox.data("GET", "/nodes");
  std::set<std::string> fingerprints;
  for (const Json& node : *nodes.as_array()) {
    const std::string fingerprint = node.text_of("ssl_fingerprint");
    EXPECT_TRUE(std::regex_match(fingerprint, std::regex("([0-9A-F]{2}:){31}[0-9A-F]{2}")));
    fingerprints.insert(fingerprint);
  }
  EXPECT_EQ(fingerprints.size(), 3U);
  for (const int node : {1, 2, 3}) {
    EXPECT_EQ(proxmox.call("GET", "/version", "", SandboxProxmox::root_token, node).status, 200);
  }
}

TEST(SandboxProxmoxTransport, AnUploadIsRefusedWhileItIsBeingSent) {
  SandboxProxmox proxmox;
  proxmox.token(R"({"id": "deploy@pve!ci", "acl": []})");
  RawClient client = connect(proxmox);
  client.send(
      "POST /api2/json/nodes/pve1/storage/local/upload HTTP/1.1\r\nHost: pve1\r\n"
      "Authorization: PVEAPIToken=" +
      std::string(SandboxProxmox::deploy_token) +
      "\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 900000000\r\n\r\n"
      "--b\r\nContent-Disposition: form-data; name=\"content\"\r\n\r\niso\r\n");
  EXPECT_EQ(status_line(client.read_until("\r\n")),
            "HTTP/1.1 403 Permission check failed (/storage/local, Datastore.AllocateTemplate)");
}

TEST(SandboxProxmoxTransport, LosesAnswersAndRequestsWhenTold) {
  SandboxProxmox proxmox;
  const std::string start = "POST /api2/json/nodes/pve1/qemu/100/status/stop HTTP/1.1";
  proxmox.fault(R"([{"kind": "request-lost", "request": "POST *", "nth": 1},
                    {"kind": "request-dropped", "request": "POST *", "nth": 2}])");
  const auto tasks = [&] {
    return proxmox.data("GET", "/nodes/pve1/tasks", "source=all").as_array()->size();
  };
  RawClient lost = connect(proxmox);
  lost.send(request(start));
  EXPECT_EQ(lost.ending(), Ending::reset);
  EXPECT_EQ(tasks(), 1U);  // it was done
  RawClient dropped = connect(proxmox);
  dropped.send(request(start));
  EXPECT_EQ(dropped.ending(), Ending::reset);
  EXPECT_EQ(tasks(), 1U);
}

TEST(SandboxProxmoxTransport, HasTheFaultsOfAllServices) {
  SandboxProxmox broken({"--fault", "500-always"});
  EXPECT_EQ(broken.call("GET", "/version").status, 500);
  SandboxProxmox web({"--fault", "no-json"});
  EXPECT_EQ(web.call("GET", "/version").body, "<html>Sign in to the proxy</html>");
  SandboxProxmox gateway({"--fault", "502-twice"});
  EXPECT_EQ(gateway.call("GET", "/version").status, 502);
  EXPECT_EQ(gateway.call("GET", "/version").status, 502);
  EXPECT_EQ(gateway.call("GET", "/version").status, 200);
  SandboxProxmox failing({"--fail-task", "qmstart:101:1=no room"});
  EXPECT_EQ(failing.run_task("POST", "/nodes/pve1/qemu/9000/clone", "newid=101"), "OK");
  EXPECT_EQ(failing.run_task("POST", "/nodes/pve1/qemu/101/status/start"), "no room");
  EXPECT_EQ(failing.run_task("POST", "/nodes/pve1/qemu/101/status/start"), "OK");
}

}  // namespace
}  // namespace pca::testing
