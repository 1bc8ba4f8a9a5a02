#include "sandbox/compass_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "base/utc_time.hpp"

namespace pca::sandbox {

namespace {

constexpr const char* events_path = "/gateway/api/compass/v1/events";
constexpr std::int64_t window = 60;  // seconds
constexpr std::size_t longest_text = 255;

std::size_t utf16_units(std::string_view text) {
  std::size_t units = 0;
  while (!text.empty()) {
    const CodePoint point = next_code_point(text);
    units += point.value > 0xFFFF ? 2 : 1;
    text.remove_prefix(point.size);
  }
  return units;
}

// What is wrong with one event; empty when nothing is.
class EventCheck {
 public:
  std::string check(const Json& event) {
    if (event.as_object() == nullptr || event.as_object()->size() != 1) {
      return "event must have exactly one type";
    }
    const auto& [type, said] = event.as_object()->front();
    if (type != "deployment" && type != "build") return type + " is not served here";
    for (const char* key : {"displayName", "description", "url", "externalEventSourceId"}) {
      text(said, key);
    }
    time(said, "lastUpdated", true);
    number(said, "updateSequenceNumber");
    const bool is_build = type == "build";
    const std::string key = type + "Properties";
    const Json* properties = said.find(key);
    if (properties == nullptr) return key + " must not be null";
    state(*properties, is_build);
    time(*properties, "startedAt", is_build);
    time(*properties, "completedAt", false);
    const Json* pipeline = part(*properties, "pipeline");
    if (pipeline != nullptr) {
      text(*pipeline, "pipelineId");
      for (const char* name : {"url", "displayName"}) {
        if (!is_build || pipeline->find(name) != nullptr) text(*pipeline, name);
      }
    }
    if (!is_build) deployment(*properties);
    return problem_;
  }

 private:
  void deployment(const Json& properties) {
    number(properties, "sequenceNumber");
    const Json* environment = part(properties, "environment");
    if (environment == nullptr) return;
    for (const char* name : {"environmentId", "displayName"}) text(*environment, name);
    static const std::set<std::string> categories{"PRODUCTION", "STAGING", "TESTING", "DEVELOPMENT",
                                                  "UNMAPPED"};
    if (!categories.contains(environment->text_of("category"))) complain("category");
  }

  void state(const Json& properties, bool is_build) {
    static const std::set<std::string> of_deployments{
        "PENDING", "IN_PROGRESS", "SUCCESSFUL", "FAILED", "CANCELLED", "ROLLED_BACK", "UNKNOWN"};
    static const std::set<std::string> of_builds{"SUCCESSFUL",  "FAILED",    "ERROR",  "CANCELLED",
                                                 "IN_PROGRESS", "TIMED_OUT", "UNKNOWN"};
    const std::string state = properties.text_of("state");
    if (!(is_build ? of_builds : of_deployments).contains(state)) complain("state");
  }

  void text(const Json& json, const char* key) {
    const std::string text = json.text_of(key);
    if (text.empty() || utf16_units(text) > longest_text) complain(key);
  }
  void number(const Json& json, const char* key) {
    const Json* value = json.find(key);
    if (value == nullptr || value->as_int() == nullptr || *value->as_int() < 0) complain(key);
  }
  void time(const Json& json, const char* key, bool is_required) {
    const bool is_absent = json.find(key) == nullptr;
    if (is_absent ? is_required : !parse_utc(json.text_of(key))) complain(key);
  }
  const Json* part(const Json& json, const char* key) {
    const Json* value = json.find(key);
    if (value != nullptr && value->as_object() != nullptr) return value;
    complain(key);
    return nullptr;
  }
  void complain(const std::string& key) {
    if (problem_.empty()) problem_ = key + " is missing or invalid";
  }

  std::string problem_;
};

// Of a deployment by source, number and environment, of a build by source and pipeline.
std::string identity_of(const std::string& type, const Json& said) {
  const Json& properties = *said.find(type + "Properties");
  std::string identity = type + "\n" + said.text_of("externalEventSourceId") + "\n" +
                         properties.find("pipeline")->text_of("pipelineId");
  if (type != "deployment") return identity;
  return identity + "\n" + std::to_string(*properties.find("sequenceNumber")->as_int()) + "\n" +
         properties.find("environment")->text_of("environmentId");
}

Json note_of(bool is_kept, const char* why) {
  Json note = Json::object();
  note.set("kept", is_kept);
  return *why == '\0' ? note : note.set("why", why);
}

std::optional<Answer> fault_of(const Faults& faults, std::uint64_t requests) {
  if (faults.has(FaultKind::always_500)) return compass_answer(500, "Internal Server Error");
  if (faults.has(FaultKind::answer_500_twice) && requests <= 2) {
    return compass_answer(500, "Internal Server Error");
  }
  if (faults.has(FaultKind::refuse_502_twice) && requests <= 2) {
    return Answer{502, {{"Content-Type", "text/html"}}, "<html>Bad gateway</html>"};
  }
  if (const Fault* limit = faults.find(FaultKind::too_many_requests);
      limit != nullptr && requests == 1) {
    Answer answer = compass_answer(429, "Rate limit exceeded");
    answer.headers.emplace_back("Retry-After", std::to_string(limit->argument));
    return answer;
  }
  if (faults.has(FaultKind::no_json)) {
    return Answer{200, {{"Content-Type", "text/html"}}, "<html>Sign in to the proxy</html>"};
  }
  return std::nullopt;
}

}  // namespace

Answer compass_answer(int status, const std::string& message) {
  return {status,
          {{"Content-Type", "application/json"}},
          Json::object().set("code", status).set("message", message).dump()};
}

bool CompassState::is_known(const RequestHead& request) const {
  constexpr std::string_view scheme = "Basic ";
  const std::string* header = request.find("Authorization");
  if (header == nullptr || !header->starts_with(scheme)) return false;
  const auto pair = base64_decode(header->substr(scheme.size()));
  const std::size_t colon = pair ? pair->find(':') : std::string::npos;
  if (colon == std::string::npos) return false;
  return (world_.user.empty() || pair->substr(0, colon) == world_.user) &&
         (world_.token.empty() || pair->substr(colon + 1) == world_.token.expose());
}

bool CompassState::is_too_much(std::int64_t now) {
  while (!recent_.empty() && recent_.front() <= now - window) recent_.pop_front();
  if (static_cast<int>(recent_.size()) >= world_.per_minute) return true;
  recent_.push_back(now);
  return false;
}

Api::Said CompassState::answer(const RequestHead& request, std::string_view body,
                               std::int64_t now) {
  const std::string path = request.target.substr(0, request.target.find('?'));
  if (path != events_path) return {compass_answer(404, "Not Found")};
  if (request.method != "POST") return {compass_answer(405, "Method Not Allowed")};
  if (!is_known(request)) return {compass_answer(401, "Unauthorized")};
  if (is_too_much(now)) {
    Answer refused = compass_answer(429, "Rate limit exceeded");
    refused.headers.emplace_back("Retry-After", std::to_string(recent_.front() + window - now));
    return {std::move(refused)};
  }
  const std::string* type = request.find("Content-Type");
  if (type == nullptr || !type->starts_with("application/json")) {
    return {compass_answer(415, "Unsupported Media Type")};
  }
  const auto json = parse_json(body, {.bytes = 65536, .depth = 10, .values = 1000});
  if (!json) return {compass_answer(400, "Malformed JSON")};
  return take(*json);
}

Api::Said CompassState::take(const Json& body) {
  const Json* event = body.find("event");
  if (body.text_of("cloudId").empty()) return {compass_answer(400, "cloudId must not be null")};
  if (event == nullptr) return {compass_answer(400, "event must not be null")};
  if (const std::string problem = EventCheck().check(*event); !problem.empty()) {
    return {compass_answer(400, problem)};
  }
  const std::string component = body.text_of("componentId");
  const bool is_elsewhere =
      (!world_.cloud_id.empty() && body.text_of("cloudId") != world_.cloud_id) ||
      (!component.empty() && !world_.components.empty() &&
       std::find(world_.components.begin(), world_.components.end(), component) ==
           world_.components.end());
  if (is_elsewhere) return {compass_answer(404, "Component not found")};
  const auto& [type, said] = event->as_object()->front();
  const std::int64_t update = *said.find("updateSequenceNumber")->as_int();
  const auto [place, is_new] = events_.try_emplace(identity_of(type, said));
  Kept& kept = place->second;
  if (!is_new && update <= kept.update) {
    return {{202, {}, ""}, note_of(false, "its updateSequenceNumber is not greater")};
  }
  kept = {update, *event};
  return {{202, {}, ""}, note_of(true, "")};
}

std::vector<Json> CompassState::events() const {
  std::vector<Json> all;
  for (const auto& [identity, kept] : events_) all.push_back(kept.event);
  return all;
}

Api compass_api(CompassWorld world) {
  const auto state = std::make_shared<CompassState>(std::move(world));
  return {.name = "compass",
          .answer = [state](const RequestHead& request, std::string_view body,
                            std::int64_t now) { return state->answer(request, body, now); },
          .fault = [](const Faults& faults, const RequestHead&, std::uint64_t requests,
                      std::int64_t) { return fault_of(faults, requests); }};
}

}  // namespace pca::sandbox
