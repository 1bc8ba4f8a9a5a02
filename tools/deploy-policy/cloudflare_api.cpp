#include "deploy-policy/cloudflare_api.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "net/github.hpp"

namespace pca::deploy_policy {

namespace {

constexpr JsonLimits answer_limits{
    .bytes = std::size_t{8} * 1024 * 1024, .depth = 32, .values = 1'000'000};

constexpr std::int64_t project_not_found = 8000007;

// A 404 may be about anything else: the account, or a path that a proxy does not know.
bool says_no_project(const HttpResponse& answer) {
  const auto body = parse_json(answer.body, answer_limits);
  const Json* errors = body ? body->find("errors") : nullptr;
  if (errors == nullptr || errors->as_array() == nullptr) return false;
  return std::any_of(errors->as_array()->begin(), errors->as_array()->end(), [](const Json& error) {
    const Json* code = error.find("code");
    return code != nullptr && code->as_int() != nullptr && *code->as_int() == project_not_found;
  });
}

}  // namespace

CloudflareApi::CloudflareApi(HttpTransport& transport, CloudflareSettings settings)
    : transport_(transport),
      settings_(std::move(settings)),
      caller_(static_cast<const Patience&>(settings_)) {}

Result<Json> CloudflareApi::get(const Budget& budget, const std::string& path) {
  HttpRequest request;
  request.url = fmt::format("{}/accounts/{}{}", settings_.root, settings_.account, path);
  request.headers = {{"Accept", "application/json"}};
  request.secret_headers = {{"Authorization", &settings_.authorization}};
  request.ca_file = settings_.ca_file;
  request.response_limit = answer_limits.bytes;
  const std::string what = what_of(request);
  bool is_missing = false;
  const auto answered = caller_.run(
      budget, {.what = what,
               .send =
                   [&](const Budget& left) {
                     return transport_.send(left.at_most(settings_.request_limit), request);
                   },
               .explain =
                   [&](const HttpResponse& answer) {
                     is_missing = answer.status == 404 && says_no_project(answer);
                     return explain_cloudflare_answer(answer, what);
                   }});
  if (!answered) return is_missing ? Result<Json>(Json()) : answered.error();
  const auto body = parse_json(answered->body, answer_limits);
  const Json* success = body ? body->find("success") : nullptr;
  if (success != nullptr && success->as_bool() != nullptr && !*success->as_bool()) {
    return explain_cloudflare_answer(*answered, what);
  }
  const Json* result = body ? body->find("result") : nullptr;
  if (result == nullptr) {
    return failed(what + " was answered with something else than Cloudflare's JSON",
                  "Check cloudflare-url and the proxy.");
  }
  return *result;
}

Result<std::string> CloudflareApi::tag_of_worker(const Budget& budget, const std::string& name) {
  if (workers_.is_null()) {
    PCA_TRY(workers_, get(budget, "/workers/scripts"));
  }
  if (workers_.as_array() == nullptr) {
    return failed("Cloudflare lists no Workers of this account", "Check cloudflare-account.");
  }
  for (const Json& worker : *workers_.as_array()) {
    if (worker.text_of("id") == name) return worker.text_of("tag");
  }
  return std::string();
}

Result<EdgeState> CloudflareApi::state_of(const Budget& budget, const std::string& kind,
                                          const std::string& name, const std::string& branch) {
  if (kind == "pages") {
    PCA_TRY(const Json project, get(budget, "/pages/projects/" + url_part(name)));
    return state_of_pages(project);
  }
  PCA_TRY(const std::string tag, tag_of_worker(budget, name));
  if (tag.empty()) return EdgeState();
  PCA_TRY(const Json triggers,
          get(budget, fmt::format("/builds/workers/{}/triggers", url_part(tag))));
  return state_of_worker(triggers, branch);
}

Error explain_cloudflare_answer(const HttpResponse& response, const std::string& what) {
  const std::string said = message_of(response);
  const std::string text = fmt::format("{} was answered with {}{}{}", what, response.status,
                                       said.empty() ? "" : " ", said);
  const bool is_about_token = response.status == 401 || response.status == 403 ||
                              (response.status == 400 && said.find("token") != std::string::npos);
  if (is_about_token) {
    return permission_denied(
        text,
        "Check cloudflare-account and cloudflare-token: a token of a user (Workers Builds takes no "
        "token of an account) with Workers Builds Configuration: Read, Workers Scripts: Read and "
        "Cloudflare Pages: Read.");
  }
  if (response.status >= 500 || response.status == 408) {
    Error error = unreachable(text, "Look at www.cloudflarestatus.com, and try again later.");
    return is_passing(response.status) ? std::move(error).as_transient() : error;
  }
  return failed(text, "Check cloudflare-account, and the names in Wrangler's files.");
}

}  // namespace pca::deploy_policy
