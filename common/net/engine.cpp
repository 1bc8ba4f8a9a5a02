#include "net/engine.hpp"

#include <fmt/format.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <map>
#include <optional>
#include <thread>

#include "base/build_info.hpp"
#include "base/system_error.hpp"
#include "base/text.hpp"
#include "base/utc_time.hpp"
#include "net/host_address.hpp"

namespace pca {

namespace {

constexpr int oldest_minor = 40;  // Docker 19.03
constexpr int newest_minor = 47;  // whose fields are known here
constexpr std::size_t most_at_once = 8;
constexpr std::size_t longest_message = 500;
constexpr std::string_view unix_scheme = "unix://";
constexpr std::string_view tcp_scheme = "tcp://";
constexpr std::uint16_t tls_port = 2376;
constexpr const char* leader_cure = "Bring back its managers until more than half of them run.";
constexpr int not_managing = 503;  // no manager, or one whose swarm has no leader

// "1.41" as 41.
std::optional<int> minor_of(std::string_view version) {
  if (!version.starts_with("1.")) return std::nullopt;
  const auto minor = parse_integer(version.substr(2), 0, 1000);
  return minor ? std::optional(static_cast<int>(*minor)) : std::nullopt;
}

// "POST /services/create", for messages: without a query.
std::string describe(const EngineRequest& request) {
  return visible(request.method + " " + request.path.substr(0, request.path.find('?')));
}

Result<> check_socket(const EngineEndpoint& endpoint) {
  if (!endpoint.is_here || endpoint.unix_socket.empty() ||
      ::access(endpoint.unix_socket.c_str(), R_OK | W_OK) == 0)
    return {};
  const int problem = errno;
  const std::string message = fmt::format("the socket {} of the Docker Engine cannot be used: {}",
                                          visible(endpoint.unix_socket), errno_text(problem));
  if (problem == EACCES) {
    return permission_denied(message, "Run as root, or as a user of the group docker.");
  }
  return unreachable(message, "Check the input engine, and that the Engine runs.");
}

std::unique_ptr<HttpTransport> plain_transport() {
  return make_http_transport(fmt::format("private-cloud-actions/{}", project_version()));
}

// As a URL has it.
std::string url_name(const std::string& host) {
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

Result<EngineEndpoint> parse_tcp(const std::string& text, std::shared_ptr<const TlsSettings> tls) {
  const auto address = parse_host_address(text.substr(tcp_scheme.size()), tls_port);
  const std::string cure = "Write tcp:// and a name, as tcp://manager.example.com:2376.";
  if (!address) return bad_input(address.error().message, cure);
  if (!address->user.empty()) return bad_input(fmt::format("{} names a user", shown(text)), cure);
  EngineEndpoint endpoint;
  endpoint.name = fmt::format("{}:{}", address->name, address->port);
  endpoint.host = address->name;
  endpoint.port = address->port;
  endpoint.tls = std::move(tls);
  endpoint.make_transport = plain_transport;
  return endpoint;
}

// Empty where it is in none.
std::string swarm_id_of(const Json& info) {
  const Json* swarm = info.find("Swarm");
  const Json* cluster = swarm == nullptr ? nullptr : swarm->find("Cluster");
  return cluster == nullptr ? std::string() : cluster->text_of("ID");
}

// Whether the Engine of this name manages a swarm that has a leader.
Result<> check_managing(const Json& info, const std::string& name) {
  const Json* swarm = info.find("Swarm");
  const std::string state = swarm == nullptr ? std::string() : swarm->text_of("LocalNodeState");
  if (state != "active") {
    return failed(fmt::format("the Engine at {} is in no swarm (its state is {})", visible(name),
                              state.empty() ? "unknown" : visible(state)),
                  "Name a manager of the swarm as the input engine.");
  }
  const bool* controls = swarm->find("ControlAvailable") == nullptr
                             ? nullptr
                             : swarm->find("ControlAvailable")->as_bool();
  const std::string problem = swarm->text_of("Error");
  if (controls == nullptr || !*controls) {
    return failed(fmt::format("the Engine at {} is no manager of its swarm{}{}", visible(name),
                              problem.empty() ? "" : ": ", visible(problem)),
                  "Name a manager as the input engine; docker node ls on one lists them.");
  }
  if (!problem.empty()) {
    return unreachable(fmt::format("the swarm of {} cannot be managed now: {}", visible(name),
                                   visible(problem)),
                       leader_cure)
        .as_transient();
  }
  return {};
}

Result<Json> json_of(const EngineRequest& request, Result<EngineAnswer> answer) {
  if (!answer) return std::move(answer).error();
  if (!answer->is_good()) return engine_error(request, *answer);
  if (trim(answer->body).empty()) return Json();
  const JsonLimits limits{.bytes = request.answer_limit, .depth = 64, .values = 4'000'000};
  auto json = parse_json(answer->body, limits);
  if (json) return json;
  return failed(fmt::format("the Engine's answer to {} cannot be read: {}", describe(request),
                            json.error().message));
}

}  // namespace

std::string EngineAnswer::message() const {
  const auto json = parse_json(body);
  std::string text = json ? json->text_of("message") : std::string();
  if (text.empty()) text = body;
  return visible(cut_utf8(to_valid_utf8(trim(text)), longest_message));
}

Result<EngineEndpoint> parse_engine_endpoint(const std::string& text,
                                             std::shared_ptr<const TlsSettings> tls) {
  if (text.starts_with(tcp_scheme)) return parse_tcp(text, std::move(tls));
  const std::string path = text.starts_with(unix_scheme) ? text.substr(unix_scheme.size()) : text;
  if (!path.starts_with('/')) {
    return bad_input(fmt::format("{} is no address of a Docker Engine", shown(text)),
                     "Write unix:// and the absolute path of its socket, as "
                     "unix:///var/run/docker.sock, or tcp:// and a name.");
  }
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return bad_input(
        fmt::format("the path {} is longer than a socket's may be", shown(path)),
        fmt::format("Use one of {} bytes at most.", sizeof(sockaddr_un::sun_path) - 1));
  }
  EngineEndpoint endpoint;
  endpoint.name = path;
  endpoint.unix_socket = path;
  endpoint.make_transport = plain_transport;
  return endpoint;
}

Result<std::unique_ptr<Engine>> Engine::connect(const Budget& budget, EngineEndpoint endpoint) {
  PCA_CHECK(check_socket(endpoint));
  std::unique_ptr<Engine> engine(new Engine({std::move(endpoint)}));
  PCA_TRY(engine->minor_version_, engine->ping(budget, 0));
  return engine;
}

Result<std::unique_ptr<Engine>> Engine::connect_manager(
    const Budget& budget, std::vector<EngineEndpoint> endpoints,
    const std::function<void(const std::string&)>& say) {
  std::unique_ptr<Engine> engine(new Engine(std::move(endpoints)));
  std::optional<Error> problem;
  for (std::size_t i = 0; i < engine->endpoints_.size(); ++i) {
    const EngineEndpoint& endpoint = engine->endpoints_[i];
    engine->current_ = i;
    const Budget one = budget.at_most(endpoint.connect_limit);
    const auto reached = [&]() -> Result<> {
      PCA_CHECK(check_socket(endpoint));
      PCA_TRY(engine->minor_version_, engine->ping(one, i));
      return engine->check_manager(one);
    }();
    if (reached) return engine;
    Error error = reached.error();
    if (error.kind == ErrorKind::cancelled) return error;
    if (say && engine->endpoints_.size() > 1) say(error.message);
    if (problem) {
      // Somebody who is not whom he should be is worse than somebody who is away.
      if (problem->kind == ErrorKind::permission) std::swap(error.kind, problem->kind);
      error.message = fmt::format("{}; {}", problem->message, error.message);
    }
    problem = std::move(error);
  }
  if (problem) return *std::move(problem);
  return tool_bug("no Engine to connect to");
}

Result<int> Engine::ping(const Budget& budget, std::size_t endpoint) {
  const EngineRequest request{.method = "HEAD", .path = "/_ping", .answer_limit = 4096};
  PCA_TRY(const HttpResponse response, exchange(budget, endpoint, request, request.path));
  const std::string& name = endpoints_[endpoint].name;
  const std::string said = response.header("api-version");
  const auto minor = minor_of(said);
  if (response.status / 100 != 2 || !minor) {
    return failed(
        fmt::format("{} answered /_ping with {} and no version of the API: it is no Docker "
                    "Engine, or it is not well",
                    visible(name), response.status),
        "Check the input engine.");
  }
  if (*minor < oldest_minor) {
    return failed(
        fmt::format("the Engine at {} speaks version {} of the API, and 1.{} is the oldest "
                    "that is known here",
                    visible(name), visible(said), oldest_minor),
        "Update Docker to 19.03 or later.");
  }
  const int spoken = std::min(*minor, newest_minor);
  const std::lock_guard lock(mutex_);
  versions_[endpoint] = spoken;
  return spoken;
}

std::size_t Engine::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

std::string Engine::name() const { return endpoints_[current()].name; }

void Engine::move_on(std::size_t from, std::size_t to) {
  const std::lock_guard lock(mutex_);
  if (current_ == from) current_ = to;
}

Engine::Connection Engine::take(std::size_t endpoint) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(idle_.rbegin(), idle_.rend(), [&](const Connection& one) {
      return one.endpoint == endpoint;
    });
    if (found != idle_.rend()) {
      Connection connection = std::move(*found);
      idle_.erase(std::next(found).base());
      return connection;
    }
  }
  return {endpoint, endpoints_[endpoint].make_transport()};
}

void Engine::give_back(Connection connection) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(connection));
}

Result<HttpResponse> Engine::send(const Budget& budget, const EngineRequest& request) {
  const std::size_t first = current();
  const std::size_t all = endpoints_.size();
  const bool may_repeat = request.method == "GET" && all > 1;
  // One that does not answer must leave time for another.
  const Budget one = may_repeat ? budget.at_most(budget.left() / 2) : budget;
  auto answer = send_to(one, first, request);
  const bool is_away = answer ? may_repeat && answer->status == not_managing
                              : answer.error().kind == ErrorKind::unreachable;
  if (!is_away) return answer;
  for (std::size_t step = 1; step < all; ++step) {
    const std::size_t next = (first + step) % all;
    if (!may_repeat) {
      move_on(first, next);
      return answer;
    }
    auto other = send_to(budget, next, request);
    if (other && other->status != not_managing) {
      move_on(first, next);
      return other;
    }
    // What one that runs says of the swarm tells more than that another is away.
    if (!answer && other) {
      answer = std::move(other);
    } else if (!answer) {
      Error both = answer.error();
      both.message += "; " + other.error().message;
      if (other.error().hint == leader_cure) both.hint = leader_cure;
      both.transient = both.transient || other.error().transient;
      answer = std::move(both);
    }
  }
  return answer;
}

// In the version that this one knows.
Result<HttpResponse> Engine::send_to(const Budget& budget, std::size_t endpoint,
                                     const EngineRequest& request) {
  int version = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto known = versions_.find(endpoint);
    if (known != versions_.end()) version = known->second;
  }
  if (version == 0) {
    PCA_TRY(version, ping(budget, endpoint));
    if (auto same = check_swarm(budget, endpoint, version); !same) {
      const std::lock_guard lock(mutex_);
      versions_.erase(endpoint);
      return std::move(same).error();
    }
  }
  return exchange(budget, endpoint, request, fmt::format("/v1.{}{}", version, request.path));
}

// Another swarm's manager answers as well, and knows nothing of this one.
Result<> Engine::check_swarm(const Budget& budget, std::size_t endpoint, int version) {
  const EngineRequest request{.path = "/info"};
  PCA_TRY(HttpResponse response,
          exchange(budget, endpoint, request, fmt::format("/v1.{}/info", version)));
  PCA_TRY(const Json info,
          json_of(request, EngineAnswer{response.status, std::move(response.body)}));
  PCA_CHECK(check_managing(info, endpoints_[endpoint].name));  // without a leader it names no swarm
  if (swarm_id_of(info) == swarm_id_) return {};
  return unreachable(fmt::format("{} manages another swarm", visible(endpoints_[endpoint].name)),
                     "Name managers of one swarm only.");
}

Result<HttpResponse> Engine::exchange(const Budget& budget, std::size_t endpoint,
                                      const EngineRequest& request, const std::string& path) {
  const EngineEndpoint& to = endpoints_[endpoint];
  HttpRequest http;
  http.method = request.method;
  http.url = to.host.empty() ? "http://docker" + path
                             : fmt::format("https://{}:{}{}", url_name(to.host), to.port, path);
  if (to.is_here) http.unix_socket = to.unix_socket;
  http.tls = to.tls.get();
  http.response_limit = request.answer_limit;
  http.sink = request.sink;
  http.body = request.body;
  if (!request.body.empty()) http.headers.emplace_back("Content-Type", "application/json");
  if (!request.registry_auth.empty())
    http.headers.emplace_back("X-Registry-Auth", request.registry_auth);
  if (request.secret_registry_auth != nullptr) {
    http.secret_headers.emplace_back("X-Registry-Auth", request.secret_registry_auth);
  }
  Connection connection = take(endpoint);
  auto response = connection.transport->send(budget, http);
  if (!request.sink) give_back(std::move(connection));  // else it is cut
  if (response) return response;
  Error error = std::move(response).error();
  if (error.kind == ErrorKind::unreachable && error.hint.starts_with("Check")) {
    error.hint = "Check that the Docker Engine runs and is well.";
  }
  if (error.kind == ErrorKind::permission && !to.host.empty()) {
    error.hint =
        "Compare engine-ca, engine-cert and engine-key with the authority that the Engine was "
        "started with (--tlscacert).";
  }
  return error;
}

Result<EngineAnswer> Engine::ask(const Budget& budget, const EngineRequest& request) {
  PCA_TRY(HttpResponse response, send(budget, request));
  return EngineAnswer{response.status, std::move(response.body)};
}

std::vector<Result<EngineAnswer>> Engine::ask_all(const Budget& budget,
                                                  std::span<const EngineRequest> requests) {
  std::vector<Result<EngineAnswer>> answers(requests.size());
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < requests.size(); i = next++) {
      answers[i] = ask(budget, requests[i]);
    }
  };
  const auto& most = endpoints_[current()].most_connections;
  const std::size_t bearable =
      most ? most() - std::min(most() - 1, followed_.load()) : most_at_once;
  const std::size_t at_once = std::min({requests.size(), most_at_once, bearable});
  std::vector<std::jthread> helpers;
  for (std::size_t i = 1; i < at_once; ++i) helpers.emplace_back(work);
  work();
  helpers.clear();  // joins
  return answers;
}

Result<> Engine::follow(const Budget& budget, const EngineRequest& request) {
  ++followed_;
  auto response = send_to(budget, current(), request);
  --followed_;
  if (!response) return std::move(response).error();
  const EngineAnswer answer{response->status, std::move(response->body)};
  return answer.is_good() ? Result<>() : engine_error(request, answer);
}

Error engine_error(const EngineRequest& request, const EngineAnswer& answer) {
  const std::string text = fmt::format("the Engine answered {} with {}: {}", describe(request),
                                       answer.status, answer.message());
  if (answer.status == 401 || answer.status == 403) return permission_denied(text);
  if (answer.status == 409 || answer.body.find("update out of sequence") != std::string::npos) {
    return conflict(text, "Somebody else changes the same thing: look who, then run it again.");
  }
  if (answer.status == not_managing) return failed(text).as_transient();
  // The second is how it begins: for 20 s a manager waits for the one that is gone.
  for (const char* leaderless : {"does not have a leader", "DeadlineExceeded"}) {
    if (answer.body.find(leaderless) != std::string::npos)
      return unreachable(text, leader_cure).as_transient();
  }
  return failed(text);
}

Result<Json> Engine::json(const Budget& budget, const EngineRequest& request) {
  return json_of(request, ask(budget, request));
}

std::vector<Result<Json>> Engine::json_all(const Budget& budget,
                                           std::span<const EngineRequest> requests) {
  std::vector<Result<EngineAnswer>> answers = ask_all(budget, requests);
  std::vector<Result<Json>> values;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    values.push_back(json_of(requests[i], std::move(answers[i])));
  }
  return values;
}

Result<> Engine::check_manager(const Budget& budget) {
  PCA_TRY(const Json info, json(budget, {.path = "/info"}));
  if (std::string id = swarm_id_of(info); !id.empty()) swarm_id_ = std::move(id);
  if (const auto now = parse_utc(info.text_of("SystemTime"))) clock_offset_ = *now - utc_now();
  return check_managing(info, name());
}

std::string engine_filter(std::span<const std::pair<std::string, std::string>> terms) {
  Json filter = Json::object();
  for (const auto& [kind, term] : terms) {
    Json values = filter.find(kind) == nullptr ? Json::object() : *filter.find(kind);
    filter.set(kind, values.set(term, true));
  }
  return "filters=" + percent_encoded(filter.dump());
}

}  // namespace pca
