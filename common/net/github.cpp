#include "net/github.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace pca {

namespace {

constexpr int most_redirects = 5;
constexpr JsonLimits answer_limits{
    .bytes = std::size_t{8} * 1024 * 1024, .depth = 64, .values = 1'000'000};

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// "https://api.example:8443" of a checked URL.
std::string_view origin_of(std::string_view url) {
  return url.substr(0, url.find('/', url.find("://") + 3));
}

bool is_loopback(std::string_view origin) {
  std::string_view host = origin.substr(origin.find("://") + 3);
  if (host.starts_with("[::1]")) return host.size() == 5 || host[5] == ':';
  host = host.substr(0, host.find(':'));
  return host == "localhost" || host == "127.0.0.1";
}

Error refused(const HttpResponse& response, const std::string& said, const std::string& what) {
  const std::string text = fmt::format("{} was refused: 403 {}", what, said);
  if (said.find("personal access token") != std::string::npos) {
    return permission_denied(text, "Give the token access to this repository and that permission.");
  }
  const std::string yaml = permissions_yaml(response.header("x-accepted-github-permissions"));
  if (yaml.empty()) return permission_denied(text, "Check what the token may do here.");
  return permission_denied(
      text, fmt::format("Add to the workflow or the job: permissions: {}. All that it does not "
                        "name is none then, so name contents: read too where it checks out.",
                        yaml));
}

}  // namespace

Result<std::string> check_github_root(std::string_view url, bool allow_insecure) {
  const std::string cure =
      "Write https://api.github.com, or https://HOST/api/v3 of a GitHub "
      "Enterprise Server.";
  while (url.ends_with('/')) url.remove_suffix(1);
  const bool is_plain = url.starts_with("http://");
  const bool is_url = (is_plain || url.starts_with("https://")) && url.size() <= 500 &&
                      std::all_of(url.begin(), url.end(), [](char c) {
                        return is_letter_or_digit(c) ||
                               std::string_view("-._~:/[]%").find(c) != std::string_view::npos;
                      });
  if (!is_url || origin_of(url).ends_with('/')) {
    // Not shown: it may hold a password.
    return bad_input("is no URL of an API, or one with a user, query or fragment", cure);
  }
  if (is_plain && !allow_insecure && !is_loopback(origin_of(url))) {
    return bad_input("would send the token without TLS", cure);
  }
  return std::string(url);
}

std::string permissions_yaml(std::string_view accepted) {
  std::string out;
  for (const std::string& item : split(accepted.substr(0, accepted.find(';')), ',')) {
    const std::string_view pair = trim(item);
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) return {};
    std::string name(pair.substr(0, equals));
    const std::string_view level = pair.substr(equals + 1);
    const bool is_good = !name.empty() && name.size() <= 40 &&
                         (level == "read" || level == "write") &&
                         std::all_of(name.begin(), name.end(),
                                     [](char c) { return is_letter_or_digit(c) || c == '_'; });
    if (!is_good) return {};
    std::replace(name.begin(), name.end(), '_', '-');
    out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", name, level);
  }
  return "{" + out + "}";
}

Error explain_github_answer(const HttpResponse& response, const std::string& what) {
  const std::string said = message_of(response);
  const std::string text = fmt::format("{} was answered with {}{}{}", what, response.status,
                                       said.empty() ? "" : " ", said);
  switch (response.status) {
    case 401:
      return permission_denied(text, "The token is wrong or has expired.");
    case 403:
      return refused(response, said, what);
    case 404:  // GitHub's answer to who may not know that it is there
      return permission_denied(text,
                               "Check what the token may see here, and the names: of what it may "
                               "not see GitHub says that it is not there.");
    case 409:
      return conflict(text);
    case 422:
      return failed(text, said.starts_with("No commit found")
                              ? "The commit is not in this repository: pushed away, or in a fork."
                              : "");
    default:
      break;
  }
  if (response.status >= 500 || response.status == 408) {
    Error error = unreachable(text, "Look at githubstatus.com, and try again later.");
    return is_passing(response.status) ? std::move(error).as_transient() : error;
  }
  return failed(text);
}

std::string url_part(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_letter_or_digit(c) || std::string_view("-._~").find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

GitHubApi::GitHubApi(HttpTransport& transport, GitHubSettings settings)
    : transport_(transport),
      settings_(std::move(settings)),
      caller_(static_cast<const Patience&>(settings_)) {}

HttpRequest GitHubApi::request_of(const std::string& method, const std::string& path) const {
  HttpRequest request;
  request.method = method;
  request.url = settings_.root + path;
  request.headers = {{"Accept", "application/vnd.github+json"},
                     {"X-GitHub-Api-Version", "2022-11-28"}};
  request.ca_file = settings_.ca_file;
  return request;
}

Result<GitHubAnswer> GitHubApi::get(const Budget& budget, const std::string& path) {
  return call(budget, request_of("GET", path));
}

Result<GitHubAnswer> GitHubApi::poll(const Budget& budget, const std::string& path) {
  HttpRequest request = request_of("GET", path);
  Polled& before = polled_[path];
  if (!before.etag.empty()) request.headers.emplace_back("If-None-Match", before.etag);
  PCA_TRY(GitHubAnswer answer, call(budget, request));
  if (answer.status != 304) before = {answer.etag, std::move(answer)};
  return before.answer;
}

HttpRequest GitHubApi::write_of(const std::string& method, const std::string& path,
                                const Json& body) const {
  HttpRequest request = request_of(method, path);
  request.headers.emplace_back("Content-Type", "application/json");
  request.body = body.dump();
  return request;
}

Result<GitHubAnswer> GitHubApi::post(const Budget& budget, const std::string& path,
                                     const Json& body) {
  return call(budget, write_of("POST", path, body));
}

Result<GitHubAnswer> GitHubApi::create(const Budget& budget, const std::string& path,
                                       const Json& body, const Find& find) {
  return call(budget, write_of("POST", path, body), find);
}

Result<GitHubAnswer> GitHubApi::patch(const Budget& budget, const std::string& path,
                                      const Json& body, const Find& find) {
  return call(budget, write_of("PATCH", path, body), find);
}

// Follows what a renamed repository answers, method and body kept, as GitHub asks for; only to the
// same server, because the token is meant for no other.
Result<HttpResponse> GitHubApi::send(const Budget& budget, const HttpRequest& first) {
  HttpRequest request = first;
  if (!settings_.authorization.empty()) {
    request.secret_headers = {{"Authorization", &settings_.authorization}};
  }
  for (int redirects = 0;; ++redirects) {
    ++attempts_;
    last_status_ = 0;
    PCA_TRY(HttpResponse response,
            transport_.send(budget.at_most(settings_.request_limit), request));
    last_status_ = response.status;
    const bool is_moved = response.status == 301 || response.status == 302 ||
                          response.status == 307 || response.status == 308;
    if (!is_moved) return response;
    const std::string origin(origin_of(settings_.root));
    std::string target = response.header("location");
    if (target.starts_with('/') && !target.starts_with("//")) target = origin + target;
    if (!target.starts_with(origin + "/")) {
      return failed(what_of(request) + " leads to another server",
                    "Check the API's URL: the token is sent to no other server.");
    }
    if (redirects == most_redirects) {
      return failed(fmt::format("{} leads on more than {} times", what_of(first), most_redirects));
    }
    request.url = target;
  }
}

Result<GitHubAnswer> GitHubApi::call(const Budget& budget, const HttpRequest& request,
                                     const Find& find) {
  PatientCaller::Call call{
      .what = what_of(request),
      .send = [&](const Budget& left) { return send(left, request); },
      .explain =
          [&](const HttpResponse& answer) {
            return explain_github_answer(answer, what_of(request));
          },
  };
  Json found;
  if (find) {
    call.is_done = [&](const Budget& left) -> Result<bool> {
      PCA_TRY(found, find(left));
      return !found.is_null();
    };
  }
  PCA_TRY(const HttpResponse response, caller_.run(budget, call));
  if (!found.is_null()) return GitHubAnswer{201, std::move(found), {}};
  if (response.body.empty()) return GitHubAnswer{response.status, {}, {}};
  auto body = parse_json(response.body, answer_limits);
  if (!body) {
    return failed(fmt::format("{} was answered with {}", call.what, body.error().message),
                  "Check the API's URL: this is not what GitHub answers.");
  }
  return GitHubAnswer{response.status, *std::move(body), response.header("etag")};
}

}  // namespace pca
