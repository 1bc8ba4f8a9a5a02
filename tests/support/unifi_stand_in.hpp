#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"
#include "support/https_stand_in.hpp"

namespace pca::test {

// Stands in for a UniFi console with one DNS policy: answers the requests that the recipe makes, as
// documented beside each, and remembers all others as errors (404). A change is told after as many
// questions as `is_slow_for`, because devices are given it one after the other.
//   developer.ui.com/network/v10.1.84/getdnspolicy, .../updatednspolicy (X-API-KEY; the ID is in
//   answers only), .../error-handling
class UnifiStandIn {
 public:
  UnifiStandIn()
      : https_("unifi.example.com",
               [this](const HttpsRequest& request) { return answer(request); }) {}

  static constexpr const char* key = "Zm9yLXRlc3RzLW9ubHk_x-1";
  static constexpr const char* object =
      "sites/88f7af54-98f8-306a-a1c7-c9349722b1f6/dns/policies/"
      "497f6eca-6276-4993-bfeb-53cbbbba6f08";
  static constexpr const char* before =
      R"({"type":"A_RECORD","enabled":true,"domain":"app.example.com","ipv4Address":"192.168.1.10","ttlSeconds":14400})";

  [[nodiscard]] HttpsStandIn& https() { return https_; }
  [[nodiscard]] std::string policy() {
    return https_.locked([&] { return policy_.dump(); });
  }
  [[nodiscard]] std::vector<std::string> unknown() {
    return https_.locked([&] { return unknown_; });
  }
  int is_slow_for = 0;
  std::string loses{};     // a field of the change that is not taken over
  bool takes_back = true;  // else a PUT of the old object is refused, the first one apart
  bool takes_what_it_told = true;
  int is_gone_for = 0;         // questions without an answer of use after a change
  HttpsAnswer refuses{0, {}};  // of a change

 private:
  HttpsAnswer answer(const HttpsRequest& request) {
    if (request.head.find(std::string("X-API-KEY: ") + key + "\r\n") == std::string::npos) {
      return {401,
              R"({"statusCode":401,"statusName":"UNAUTHORIZED","message":"Missing credentials"})"};
    }
    if (request.target != std::string("/proxy/network/integration/v1/") + object) {
      unknown_.push_back(request.method + " " + request.target);
      return {404, R"({"statusCode":404,"statusName":"NOT_FOUND"})"};
    }
    if (request.method == "GET") return get();
    if (request.method == "PUT") return put(request.body);
    unknown_.push_back(request.method + " " + request.target);
    return {404, "{}"};
  }

  HttpsAnswer get() {
    if (gone_ > 0) {
      --gone_;
      return {502, "{}"};
    }
    Json told = slow_ > 0 ? old_ : policy_;
    if (slow_ > 0) --slow_;
    told.set("id", "497f6eca-6276-4993-bfeb-53cbbbba6f08");
    told.set("metadata", Json::object().set("origin", "USER_DEFINED"));
    return {200, told.dump()};
  }

  HttpsAnswer put(const std::string& body) {
    auto asked = parse_json(body);
    if (!asked || asked->find("id") != nullptr || asked->find("metadata") != nullptr ||
        asked->find("type") == nullptr || asked->find("enabled") == nullptr) {
      return {400, R"({"statusCode":400,"statusName":"BAD_REQUEST","message":"type is required"})"};
    }
    const bool is_old = asked->dump() == before;
    if (is_old && (!takes_what_it_told || (!takes_back && has_changed_))) {
      return {400, R"({"statusCode":400,"message":"ttlSeconds is not allowed here"})"};
    }
    if (!is_old && refuses.code != 0) return refuses;
    if (!is_old) {
      has_changed_ = true;
      gone_ = is_gone_for;
      slow_ = is_slow_for;
    }
    old_ = policy_;
    if (!loses.empty() && !is_old) asked->set(loses, *policy_.find(loses));
    policy_ = *asked;
    return {200, body};
  }

  Json policy_ = *parse_json(before);
  Json old_ = policy_;
  int slow_ = 0;
  int gone_ = 0;
  bool has_changed_ = false;
  std::vector<std::string> unknown_;
  HttpsStandIn https_;  // last: its thread uses all of the others
};

}  // namespace pca::test
