#include "commit-status/deployment.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/grapheme.hpp"
#include "base/text.hpp"

namespace pca::commit_status {

namespace {

constexpr std::size_t longest_name = 255;
constexpr std::size_t longest_slug = 63;
constexpr std::size_t longest_nonce = 200;
constexpr JsonLimits payload_limits{.bytes = 32'768, .depth = 16, .values = 2'000};
// What the tool itself says in a payload; workflows read it as github.event.deployment.payload.
constexpr const char* nonce_key = "nonce";
constexpr const char* slug_key = "slug";
constexpr const char* rolls_back_key = "rolls-back";

bool is_plain(std::string_view text) {
  return visible(text) == text && text.find('\t') == std::string_view::npos;
}

}  // namespace

Json to_json(const Deployment& deployment) {
  Json payload = deployment.payload;
  payload.set(nonce_key, deployment.nonce);
  if (!deployment.slug.empty()) payload.set(slug_key, deployment.slug);
  if (!deployment.rolls_back.empty()) payload.set(rolls_back_key, deployment.rolls_back);
  Json contexts = Json::array();
  for (const std::string& context : deployment.required_contexts) contexts.push(context);
  Json body = Json::object();
  body.set("ref", deployment.ref).set("task", deployment.task);
  body.set("auto_merge", deployment.auto_merge).set("required_contexts", std::move(contexts));
  body.set("environment", deployment.environment).set("description", deployment.description);
  body.set("transient_environment", deployment.is_transient);
  body.set("production_environment", deployment.is_production);
  return body.set("payload", std::move(payload));
}

KnownDeployment read_deployment(const Json& json) {
  KnownDeployment known;
  if (const Json* id = json.find("id"); id != nullptr && id->as_int() != nullptr) {
    known.id = *id->as_int();
  }
  known.url = json.text_of("url");
  known.sha = json.text_of("sha");
  known.environment = json.text_of("environment");
  known.task = json.text_of("task");
  if (const Json* payload = json.find("payload"); payload != nullptr) {
    known.nonce = payload->text_of(nonce_key);
    known.slug = payload->text_of(slug_key);
  }
  return known;
}

bool is_same(const Deployment& asked, const KnownDeployment& known) {
  return known.id > 0 && !asked.nonce.empty() && known.nonce == asked.nonce &&
         known.slug == asked.slug && known.task == asked.task &&
         equals_ignoring_case(known.environment, asked.environment);
}

Json to_json(const DeploymentStatus& status) {
  Json body = Json::object();
  body.set("state", status.state).set("description", status.description);
  if (!status.environment_url.empty()) body.set("environment_url", status.environment_url);
  if (!status.log_url.empty()) body.set("log_url", status.log_url);
  if (!status.auto_inactive) body.set("auto_inactive", false);
  return body;
}

std::string deployment_state(std::string_view text) {
  return text == "cancelled" ? "error" : std::string(text);
}

Result<Json> parse_payload(std::string_view text) {
  const std::string cure = "Write a JSON object, such as {\"image\": \"shop:42\"}.";
  auto payload = parse_json(text, payload_limits);
  if (!payload) return bad_input("is " + payload.error().message, cure);
  if (payload->as_object() == nullptr) return bad_input("is no JSON object", cure);
  for (const char* own : {nonce_key, slug_key, rolls_back_key}) {
    if (payload->find(own) != nullptr) {
      return bad_input(fmt::format("has the key {}, which is this tool's own", own),
                       "Name it otherwise.");
    }
  }
  return *std::move(payload);
}

Result<> check_environment(std::string_view text) {
  if (!trim(text).empty() && is_plain(text) && count_code_points(text) <= longest_name) return {};
  return bad_input(fmt::format("{} is no name of an environment", shown(text)),
                   "Write it as in the repository's settings, such as production.");
}

Result<> check_slug(std::string_view text) {
  const bool is_good = !text.empty() && text.size() <= longest_slug && text.front() != '-' &&
                       text.back() != '-' && std::all_of(text.begin(), text.end(), [](char c) {
                         return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
                       });
  if (is_good) return {};
  return bad_input(fmt::format("{} is no slug", shown(text)),
                   "Give the output slug of deploy-policy classify.");
}

Result<> check_nonce(std::string_view text) {
  if (!text.empty() && text.size() <= longest_nonce && is_plain(text)) return {};
  return bad_input(fmt::format("{} is no nonce", shown(text)),
                   fmt::format("Write at most {} characters in one line.", longest_nonce));
}

}  // namespace pca::commit_status
