// What the sandbox's Proxmox VE answers, against what a real one has answered:
// cases/proxmox_answers.json has requests and answers, written down from a server of version 9.2
// where nothing else is said. "<digest>",
// "<any>" and "<UPID type id>" stand for what differs each time; "task" is how the task that was
// started ends.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <regex>
#include <sstream>

#include "base/text.hpp"
#include "support/proxmox.hpp"
#include "support/raw_client.hpp"

namespace pca::testing {
namespace {

using std::chrono::steady_clock;

struct Answer {
  std::string status;  // "500 VM is locked (backup)"
  std::string head;
  std::string body;
  std::chrono::milliseconds took{0};
};

std::string multipart(const Json& upload) {
  std::string text;
  const auto field = [&](const Json& pair) {
    const Json::Array& parts = *pair.as_array();
    text += "--frontier\r\nContent-Disposition: form-data; name=\"" + *parts[0].as_string() +
            "\"\r\n\r\n" + *parts[1].as_string() + "\r\n";
  };
  for (const Json& pair : *upload.find("fields")->as_array()) field(pair);
  text += "--frontier\r\nContent-Disposition: form-data; name=\"" + upload.text_of("field") +
          "\"; filename=\"" + upload.text_of("name") +
          "\"\r\nContent-Type: application/octet-stream\r\n\r\n" + upload.text_of("content") +
          "\r\n";
  for (const Json& pair : *upload.find("after")->as_array()) field(pair);
  return text + "--frontier--\r\n";
}

Answer ask(const SandboxProxmox& proxmox, const Json& exchange, const std::string& token) {
  const std::string operation = exchange.text_of("ask");
  const std::string method = operation.substr(0, operation.find(' '));
  std::string path = "/api2/json" + operation.substr(operation.find(' ') + 1);
  std::string body = exchange.text_of("with");
  std::string type = exchange.text_of("type");
  if (type.empty()) type = "application/x-www-form-urlencoded";
  if (const Json* upload = exchange.find("upload")) {
    body = multipart(*upload);
    type = "multipart/form-data; boundary=frontier";
  }
  if ((method == "GET" || method == "DELETE") && !body.empty()) {
    path += "?" + body;
    body.clear();
  }
  std::string request = method + " " + path + " HTTP/1.1\r\nHost: pve1\r\n";
  if (!token.empty()) request += "Authorization: PVEAPIToken=" + token + "\r\n";
  if (!body.empty()) {
    request +=
        "Content-Type: " + type + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  }
  const std::string address = proxmox.address(1);
  const auto port = static_cast<std::uint16_t>(
      parse_integer(address.substr(address.rfind(':') + 1), 1, 65535).value_or(0));
  RawClient client(port, proxmox.ca_file());
  const auto begin = steady_clock::now();
  client.send(request + "\r\n" + body);
  Answer answer;
  answer.head = client.read_until("\r\n\r\n");
  answer.took = std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - begin);
  constexpr std::string_view version = "HTTP/1.1 ";
  answer.status = answer.head.substr(0, answer.head.find("\r\n"));
  EXPECT_TRUE(answer.status.starts_with(version)) << answer.status;
  answer.status.erase(0, version.size());
  std::smatch length;
  if (std::regex_search(answer.head, length, std::regex("Content-Length: ([0-9]+)"))) {
    answer.body = client.read_exactly(std::stoul(length[1]));
  }
  return answer;
}

bool is_like(const Json& wanted, const Json& got) {
  if (const std::string* text = wanted.as_string(); text != nullptr && text->starts_with('<')) {
    if (*text == "<any>") return true;
    if (got.as_string() == nullptr) return false;
    if (*text == "<digest>") return std::regex_match(*got.as_string(), std::regex("[0-9a-f]{40}"));
    const auto words = split(std::string_view(*text).substr(1, text->size() - 2), ' ');
    return std::regex_match(
        *got.as_string(), std::regex("UPID:pve1:[0-9A-F]{8}:[0-9A-F]{8,9}:[0-9A-F]{8}:" + words[1] +
                                     ":" + words[2] + ":[^:]+:"));
  }
  if (const Json::Object* object = wanted.as_object()) {
    if (got.as_object() == nullptr || got.as_object()->size() != object->size()) return false;
    return std::all_of(object->begin(), object->end(), [&](const auto& member) {
      const Json* other = got.find(member.first);
      return other != nullptr && is_like(member.second, *other);
    });
  }
  if (const Json::Array* array = wanted.as_array()) {
    return got.as_array() != nullptr &&
           std::equal(array->begin(), array->end(), got.as_array()->begin(), got.as_array()->end(),
                      is_like);
  }
  return wanted.dump() == got.dump();
}

void check_task(SandboxProxmox& proxmox, const Json& exchange, const std::string& body) {
  const auto started = parse_json(body);
  const std::string upid = started ? started->text_of("data") : "";
  EXPECT_EQ(proxmox.wait_for_task(upid), exchange.text_of("task"));
  const Json* lines = exchange.find("log");
  if (lines == nullptr) return;
  const Json log = proxmox.data("GET", "/nodes/pve1/tasks/" + upid + "/log");
  ASSERT_NE(log.as_array(), nullptr);
  ASSERT_EQ(log.as_array()->size(), lines->as_array()->size()) << log.dump();
  for (std::size_t i = 0; i < log.as_array()->size(); ++i) {
    EXPECT_EQ((*log.as_array())[i].text_of("t"), *(*lines->as_array())[i].as_string());
    EXPECT_EQ(*(*log.as_array())[i].find("n")->as_int(), static_cast<std::int64_t>(i + 1));
  }
}

void check_exchange(SandboxProxmox& proxmox, const Json& exchange, const std::string& token,
                    int speed) {
  SCOPED_TRACE(exchange.dump());
  Answer answer = ask(proxmox, exchange, token);
  while (exchange.find("until") != nullptr &&
         answer.body.find("\"exited\":1") == std::string::npos && answer.status == "200 OK") {
    answer = ask(proxmox, exchange, token);
  }
  if (exchange.find("needs") != nullptr &&
      answer.body.find("\"exitcode\":126") != std::string::npos) {
    return;  // this machine gives no namespaces to those who are not root
  }
  EXPECT_EQ(answer.status, exchange.text_of("status"));
  if (const Json* wanted = exchange.find("body")) {
    const auto got = parse_json(answer.body);
    EXPECT_TRUE(got && is_like(*wanted, *got)) << answer.body << "\nand not\n" << wanted->dump();
  }
  // What the root daemon answers has both headers; a refusal ends the connection.
  const bool closes = answer.head.find("\r\nConnection: close\r\n") != std::string::npos;
  const bool stays = answer.head.find("\r\nConnection: Keep-Alive\r\n") != std::string::npos;
  EXPECT_EQ(stays, answer.status.starts_with("200")) << answer.head;
  EXPECT_TRUE(stays || closes) << answer.head;
  if (const Json* is_protected = exchange.find("protected")) {
    EXPECT_EQ(closes, *is_protected->as_bool()) << answer.head;
  }
  EXPECT_NE(answer.head.find("\r\nServer: pve-api-daemon/3.0\r\n"), std::string::npos);
  if (const Json* time = exchange.find("model_ms")) {
    EXPECT_GE(answer.took.count() + 1, *time->as_int() / speed);
  }
  if (exchange.find("task") != nullptr) check_task(proxmox, exchange, answer.body);
}

std::vector<Json> scenes() {
  std::ifstream file(PCA_PROXMOX_ANSWERS);
  std::ostringstream text;
  text << file.rdbuf();
  const auto json = parse_json(text.str());
  return json && json->as_array() != nullptr ? *json->as_array()
                                             : std::vector<Json>{Json::object()};
}

class ProxmoxAnswers : public ::testing::TestWithParam<Json> {};

TEST_P(ProxmoxAnswers, AreThoseOfARealServer) {
  const Json& scene = GetParam();
  ASSERT_NE(scene.find("exchanges"), nullptr) << PCA_PROXMOX_ANSWERS << " cannot be read";
  std::vector<std::string> arguments;
  if (const Json* more = scene.find("arguments")) {
    for (const Json& argument : *more->as_array()) arguments.push_back(*argument.as_string());
  }
  const Json* speed_given = scene.find("speed");
  const int speed = speed_given == nullptr ? 100 : static_cast<int>(*speed_given->as_int());
  SandboxProxmox proxmox(arguments, speed);
  for (const Json& given : *scene.find("given")->as_array()) {
    proxmox.tell(given.text_of("path"), given.find("json")->dump());
  }
  const std::string token =
      scene.find("token") == nullptr ? SandboxProxmox::root_token : scene.text_of("token");
  for (const Json& exchange : *scene.find("exchanges")->as_array()) {
    check_exchange(proxmox, exchange, token, speed);
  }
}

INSTANTIATE_TEST_SUITE_P(Scenes, ProxmoxAnswers, ::testing::ValuesIn(scenes()),
                         [](const auto& scene) {
                           std::string name = scene.param.text_of("scene");
                           std::replace_if(
                               name.begin(), name.end(),
                               [](char c) { return std::isalnum(c) == 0; }, '_');
                           return name;
                         });

TEST(ProxmoxAnswersTest, ThereAreEnoughOfThem) {
  std::size_t count = 0;
  for (const Json& scene : scenes()) count += scene.find("exchanges")->as_array()->size();
  EXPECT_GE(count, 80U);
}

}  // namespace
}  // namespace pca::testing
