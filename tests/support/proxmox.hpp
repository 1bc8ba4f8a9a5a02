#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/budget.hpp"
#include "base/json.hpp"
#include "net/http.hpp"
#include "runner/redactor.hpp"
#include "support/sandbox_api.hpp"

namespace pca::testing {

// `private-cloud-sandbox proxmox`: a cluster of three nodes, whose time runs a hundred times as
// fast as ours unless told otherwise. tools/sandbox/README.md says what is in it.
class SandboxProxmox : public SandboxApi {
 public:
  // Of root, who may everything, and of deploys, which may what `proxmox-deploy doctor` asks for.
  static constexpr const char* root_token = "root@pam!admin=00000000-aaaa-4aaa-8aaa-000000000001";
  static constexpr const char* deploy_token = "deploy@pve!ci=00000000-aaaa-4aaa-8aaa-000000000002";

  explicit SandboxProxmox(std::vector<std::string> arguments = {}, int speed = 100,
                          const test::ProcessEnvironment& environment = {})
      : SandboxApi("proxmox", with_clock(std::move(arguments), speed), environment),
        client_(make_http_transport("tests")) {}

  // "127.0.0.2:PORT" of pve2, and all of them.
  [[nodiscard]] std::string address(int node) const {
    return "127.0.0." + std::to_string(node) + url().substr(url().rfind(':'));
  }
  [[nodiscard]] std::string addresses() const {
    return address(1) + "\n" + address(2) + "\n" + address(3);
  }
  [[nodiscard]] int application_port() const {
    return static_cast<int>(*where().find("application")->as_int());
  }

  // Everything that a failed deploy has to leave as it was.
  [[nodiscard]] Json state() { return control("GET", "state"); }
  [[nodiscard]] Json guest_state(int vmid) {
    const Json state_now = state();
    const Json* guest = state_now.find("guests")->find(std::to_string(vmid));
    return guest == nullptr ? Json() : *guest;
  }
  void tell(const std::string& what, const std::string& json) { control("POST", what, json); }
  // {"kind": "task-fails", "task": "qmstart", "nth": 1, "text": "..."}
  void fault(const std::string& json) { control("POST", "faults", json); }
  void no_faults() { control("DELETE", "faults"); }
  // {"vmid": 9000, "application": {"state": "unhealthy"}}, ...
  Json guest(const std::string& json) { return control("POST", "guests", json); }
  void token(const std::string& json) { control("POST", "tokens", json); }
  void kill(int node) { set_node(node, R"({"alive": false})"); }
  void revive(int node) { set_node(node, R"({"alive": true})"); }
  void set_quorum(bool has) {
    control("POST", "quorum", has ? R"({"has": true})" : R"({"has": false})");
  }

  // A call of the API as somebody, over a connection that is kept; its answer, whatever it is.
  HttpResponse call(const std::string& method, const std::string& path,
                    const std::string& form = {}, const std::string& token = root_token,
                    int node = 1) {
    HttpRequest request;
    request.method = method;
    request.url = "https://" + address(node) + "/api2/json" + path;
    request.headers = {{"Authorization", "PVEAPIToken=" + token}};
    if (method == "GET" || method == "DELETE") {
      if (!form.empty()) request.url += "?" + form;
    } else {
      request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
      request.body = form;
    }
    return send(request);
  }
  // What stands under "data"; null where the call was refused.
  Json data(const std::string& method, const std::string& path, const std::string& form = {},
            const std::string& token = root_token) {
    return data_of(call(method, path, form, token));
  }
  [[nodiscard]] static Json data_of(const HttpResponse& response) {
    const auto json = parse_json(response.body);
    const Json* data = json ? json->find("data") : nullptr;
    return data == nullptr || response.status >= 400 ? Json() : *data;
  }
  // Starts a task and waits for its end: its exit status, or the failure of the call.
  std::string run_task(const std::string& method, const std::string& path,
                       const std::string& form = {}, const std::string& token = root_token) {
    const HttpResponse response = call(method, path, form, token);
    const Json upid = data_of(response);
    if (upid.as_string() == nullptr) return std::to_string(response.status) + " " + response.body;
    return wait_for_task(*upid.as_string());
  }
  std::string wait_for_task(const std::string& upid) {
    const std::string node = upid.substr(5, upid.find(':', 5) - 5);
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < limit) {
      const Json status = data("GET", "/nodes/" + node + "/tasks/" + upid + "/status");
      if (status.text_of("status") == "stopped") return status.text_of("exitstatus");
    }
    return "it did not end";
  }

 private:
  static std::vector<std::string> with_clock(std::vector<std::string> arguments, int speed) {
    arguments.insert(arguments.end(), {"--clock", std::to_string(speed)});
    return arguments;
  }
  void set_node(int node, const std::string& json) {
    control("POST", "nodes/pve" + std::to_string(node), json);
  }
  Json control(const std::string& method, const std::string& path, const std::string& json = {}) {
    HttpRequest request;
    request.method = method;
    request.url = url() + "/sandbox/" + path;
    request.body = json;
    const HttpResponse response = send(request);
    EXPECT_EQ(response.status, 200) << method << " " << path << ": " << response.body;
    const auto answer = parse_json(response.body);
    return answer ? *answer : Json();
  }
  HttpResponse send(HttpRequest request) {
    request.ca_file = ca_file();
    auto response = client_->send(Budget::of(std::chrono::seconds(60)), request);
    EXPECT_TRUE(response) << request.method << " " << request.url << ": "
                          << (response ? "" : response.error().message);
    return response ? *std::move(response) : HttpResponse();
  }

  std::unique_ptr<HttpTransport> client_;
};

}  // namespace pca::testing
