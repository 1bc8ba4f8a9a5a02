#pragma once

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "base/digest.hpp"
#include "base/json.hpp"
#include "support/https_stand_in.hpp"

namespace pca::test {

// Stands in for an OPNsense firewall: answers the requests that the recipe makes, as documented
// beside each, and remembers all others as errors (404). Rules are saved by addRule, setRule and
// delRule, and in force only after apply; an apply with a revision is taken back by the firewall
// itself unless it is confirmed in time.
//   docs.opnsense.org/development/api.html (key and secret by basic authentication)
//   docs.opnsense.org/development/api/core/firewall.html, .../plugins/firewall.html
//   github.com/opnsense/docs, source/development/api/core/firewall.{savepoint,sample_create}.py
//   github.com/opnsense/core/pull/10411: no savepoints since 26.7
class OpnsenseStandIn {
 public:
  using Rules = std::map<std::string, std::map<std::string, std::string>>;  // by UUID
  using Clock = std::chrono::steady_clock;

  OpnsenseStandIn()
      : https_("fw1.example.com", [this](const HttpsRequest& request) { return answer(request); }) {
  }

  static constexpr const char* key = "3RhWOno+HwvtmT406I6zw8of";
  static constexpr const char* secret = "uaBk27NKhQCZSDpfAlG6YJ473Mzv";

  [[nodiscard]] HttpsStandIn& https() { return https_; }
  [[nodiscard]] Rules in_force() {
    return https_.locked([&] {
      go_back_in_time();
      return in_force_;
    });
  }
  [[nodiscard]] Rules saved() {
    return https_.locked([&] { return saved_; });
  }
  [[nodiscard]] std::vector<std::string> unknown() {
    return https_.locked([&] { return unknown_; });
  }
  // Before the first request.
  void start_with(Rules rules) { in_force_ = saved_ = std::move(rules); }
  bool has_savepoints = true;
  std::chrono::milliseconds goes_back_after{60'000};
  std::string refuses;               // the description of a rule that is not taken
  int breaks_after = 1'000'000;      // requests; then each ends with 500
  std::function<void()> on_apply{};  // what a change of the rules does to connections

 private:
  static std::string in_base64(const std::string& text) {
    return base64_encode(
        std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
  }
  HttpsAnswer answer(const HttpsRequest& request) {
    if (request.head.find("Authorization: Basic " + in_base64(std::string(key) + ":" + secret) +
                          "\r\n") == std::string::npos) {
      return {401, R"({"status":401,"message":"Authentication Failed"})"};
    }
    if (breaks_after-- <= 0) return {500, R"({"errorMessage":"Unexpected error"})"};
    go_back_in_time();
    const std::string prefix = "/api/firewall/filter/";
    if (!request.target.starts_with(prefix)) return not_known(request);
    const std::string rest = request.target.substr(prefix.size());
    const std::string command = rest.substr(0, rest.find_first_of("/?"));
    const std::string argument =
        command.size() < rest.size() ? rest.substr(command.size() + 1) : "";
    if (request.method == "GET") {
      if (command == "searchRule") return search(argument);
      if (command == "getRule" && saved_.contains(argument)) return get(argument);
      return not_known(request);
    }
    if (request.method != "POST") return not_known(request);
    if (command == "addRule" && argument.empty()) return save(next_uuid(), request.body);
    if (command == "setRule" && saved_.contains(argument)) return save(argument, request.body);
    if (command == "delRule" && saved_.erase(argument) == 1)
      return {200, R"({"result":"deleted"})"};
    if (command == "apply") return apply(argument, request);
    if (!has_savepoints) return {404, R"({"errorMessage":"Endpoint not found"})"};
    if (command == "savepoint" && argument.empty()) {
      savepoint_ = saved_;
      return {200, R"({"status":"ok","retention":"60","revision":"1786899650.6199"})"};
    }
    if (command == "cancelRollback" && argument == "1786899650.6199") {
      deadline_.reset();
      return {200, R"({"status":"OK"})"};
    }
    return not_known(request);
  }

  HttpsAnswer not_known(const HttpsRequest& request) {
    unknown_.push_back(request.method + " " + request.target);
    return {404, R"({"errorMessage":"Endpoint not found"})"};
  }

  // "current=1&rowCount=-1&searchPhrase=...": a part of any text; rules of the system have no UUID.
  HttpsAnswer search(const std::string& query) {
    const std::string known = "current=1&rowCount=-1&searchPhrase=";
    if (!query.starts_with(known)) return {400, "{}"};
    std::string phrase;
    for (std::size_t i = known.size(); i < query.size(); ++i) {
      if (query[i] == '%') {
        phrase += static_cast<char>(std::stoi(query.substr(i + 1, 2), nullptr, 16));
        i += 2;
      } else {
        phrase += query[i];
      }
    }
    Json rows = Json::array();
    Json of_the_system = Json::object();
    of_the_system.set("description", phrase);
    rows.push(of_the_system);
    for (const auto& [uuid, rule] : saved_) {
      if (rule.at("description").find(phrase) == std::string::npos) continue;
      Json row = Json::object();
      row.set("uuid", uuid);
      for (const auto& [name, value] : rule) row.set(name, value);
      rows.push(row);
    }
    Json said = Json::object();
    said.set("rows", rows);
    return {200, said.dump()};
  }

  // A field of several values tells them all.
  HttpsAnswer get(const std::string& uuid) {
    Json rule = Json::object();
    for (const auto& [name, value] : saved_.at(uuid)) {
      if (name != "action") {
        rule.set(name, value);
        continue;
      }
      Json choices = Json::object();
      for (const char* choice : {"pass", "block", "reject"}) {
        choices.set(choice,
                    Json::object().set("value", choice).set("selected", value == choice ? 1 : 0));
      }
      rule.set(name, choices);
    }
    return {200, Json::object().set("rule", rule).dump()};
  }

  HttpsAnswer save(const std::string& uuid, const std::string& body) {
    const auto json = parse_json(body);
    const Json* rule = json ? json->find("rule") : nullptr;
    if (rule == nullptr || rule->as_object() == nullptr) return {200, R"({"result":"failed"})"};
    if (!refuses.empty() && rule->text_of("description") == refuses) {
      return {200, R"({"result":"failed","validations":{"rule.source_net":"not a network"}})"};
    }
    for (const auto& [name, value] : *rule->as_object()) {
      if (value.as_string() == nullptr) return {200, R"({"result":"failed"})"};
      saved_[uuid][name] = *value.as_string();
    }
    return {200, R"({"result":"saved","uuid":")" + uuid + "\"}"};
  }

  HttpsAnswer apply(const std::string& revision, const HttpsRequest& request) {
    if (!revision.empty() && (!has_savepoints || revision != "1786899650.6199")) {
      return not_known(request);
    }
    if (!revision.empty()) deadline_ = Clock::now() + goes_back_after;
    in_force_ = saved_;
    if (on_apply) on_apply();
    return {200, R"({"status":"OK\n\n"})"};
  }

  void go_back_in_time() {
    if (!deadline_ || Clock::now() < *deadline_) return;
    deadline_.reset();
    in_force_ = saved_ = savepoint_;
  }

  std::string next_uuid() {
    const std::string number = std::to_string(++last_uuid_);
    return "00000000-0000-4000-8000-" + std::string(12 - number.size(), '0') + number;
  }

  Rules saved_;
  Rules in_force_;
  Rules savepoint_;
  std::optional<Clock::time_point> deadline_;
  std::vector<std::string> unknown_;
  int last_uuid_ = 100;
  HttpsStandIn https_;  // last: its thread uses all of the others
};

}  // namespace pca::test
