#include "proxmox-deploy/proxmox_api.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/backoff.hpp"
#include "base/build_info.hpp"
#include "base/grace_period.hpp"
#include "base/percent.hpp"
#include "base/text.hpp"
#include "net/patient_caller.hpp"

namespace pca::proxmox_deploy {

namespace {

// A node that asks another one for it gives up after 30 s.
constexpr Milliseconds answer_limit{40'000};
// What starts a task answers at once, and some that do not are slow: a disk, an agent.
constexpr Milliseconds write_limit{120'000};
constexpr Milliseconds first_busy_pause{250};
constexpr Milliseconds longest_busy_pause{2000};
constexpr std::string_view pveproxy = "pve-api-daemon/";

std::string url_name(const std::string& host) {
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

bool is_in_query(const ApiRequest& request) {
  return request.method == "GET" || request.method == "DELETE";
}

std::string url_of(const HostAddress& address, const ApiRequest& request) {
  std::string url =
      fmt::format("https://{}:{}/api2/json{}", url_name(address.name), address.port, request.path);
  if (is_in_query(request) && !request.parameters.empty()) {
    url += "?" + form_encoded(request.parameters);
  }
  return url;
}

Error lost_write(const ApiRequest& request, const Error& error) {
  if (error.kind != ErrorKind::unreachable) return error;
  return outcome_unknown(
      fmt::format("{}: no answer came ({}), and it may have been done all the same",
                  describe(request), error.message),
      "Look at the guest and its tasks, then run it again.");
}

// Somebody on the way gave up on an answer, or lost it: the node may still be at it. pveproxy says
// 596 and 597 (596 also of a certificate, before anything was sent), Cloudflare 520 and 524.
bool has_given_up(int status, const Error& error) {
  const std::string text = to_lower(error.message);
  const bool is_tls =
      text.find("certificate") != std::string::npos || text.find("tls") != std::string::npos;
  return status == 502 || status == 504 || status == 520 || status == 524 || status == 597 ||
         (status == 596 && !is_tls);
}

}  // namespace

std::string describe(const ApiRequest& request) {
  return visible(request.method + " " + request.path);
}

std::string guest_path(const std::string& node, const std::string& type, std::int64_t vmid,
                       const std::string& rest) {
  return fmt::format("/nodes/{}/{}/{}{}", percent_encoded(node), type, vmid, rest);
}

std::optional<std::int64_t> number_in(const Json& object, std::string_view key) {
  const Json* member = object.find(key);
  if (member == nullptr) return std::nullopt;
  if (const std::int64_t* number = member->as_int()) return *number;
  if (const double* number = member->as_double()) {
    constexpr double most = 9e15;
    if (*number > -most && *number < most) return static_cast<std::int64_t>(*number);
    return std::nullopt;
  }
  if (const bool* truth = member->as_bool()) return *truth ? 1 : 0;
  if (const std::string* text = member->as_string()) {
    const auto number = parse_integer(*text, -9'000'000'000'000, 9'000'000'000'000);
    if (number) return *number;
  }
  return std::nullopt;
}

bool truth_in(const Json& object, std::string_view key) {
  return number_in(object, key).value_or(0) != 0;
}

std::string text_in(const Json& object, std::string_view key) {
  const Json* member = object.find(key);
  if (member == nullptr || member->is_null()) return {};
  return member->as_string() != nullptr ? *member->as_string() : member->dump();
}

ProxmoxApi::ProxmoxApi(ApiWay way, std::function<void(const std::string&)> say)
    : way_(std::move(way)), say_(std::move(say)) {
  if (!way_.make_transport) {
    way_.make_transport = [](const HostAddress&) {
      return make_http_transport(fmt::format("private-cloud-actions/{}", project_version()));
    };
  }
  for (const HostAddress& address : way_.hosts) hosts_.push_back({address, way_.tls});
}

ApiResult<std::unique_ptr<ProxmoxApi>> ProxmoxApi::connect(
    const Budget& budget, ApiWay way, std::function<void(const std::string&)> say) {
  std::unique_ptr<ProxmoxApi> api(new ProxmoxApi(std::move(way), std::move(say)));
  PCA_TRY(const Json version, api->ask(budget, {.path = "/version"}));
  api->version_ = visible(version.text_of("version"));
  if (api->version_.empty()) {
    return ApiFailure(
        failed(fmt::format("{} answers, but not as a Proxmox VE API does", api->host()),
               "Check the input api."));
  }
  return api;
}

bool ProxmoxApi::is_at_least(int major, int minor) const {
  const auto parts = split(version_, '.');
  const auto own = parse_integer(parts.size() > 1 ? parts[1] : "", 0, 1000);
  return major_version() > major || (major_version() == major && own && *own >= minor);
}

int ProxmoxApi::major_version() const {
  const auto major =
      parse_integer(std::string_view(version_).substr(0, version_.find('.')), 0, 1000);
  return major ? static_cast<int>(*major) : 0;
}

std::string ProxmoxApi::host() const {
  const HostAddress& address = hosts_[current_].address;
  return fmt::format("{}:{}", address.name, address.port);
}

UtcTime ProxmoxApi::now() const { return utc_now() + clock_offset_; }

ProxmoxApi::Exchange ProxmoxApi::exchange(const Budget& budget, Host& host,
                                          const ApiRequest& request) {
  Exchange out;
  HttpRequest http;
  http.method = request.method;
  http.url = url_of(host.address, request);
  http.tls = host.tls.get();
  http.response_limit = request.answer_limit;
  http.as_http_1_0 = host.is_pveproxy;
  http.is_sent_once = request.method != "GET";
  http.trace = &out.trace;
  http.secret_headers.emplace_back("Authorization", way_.token.get());
  for (const auto& [name, value] : way_.secret_headers) {
    http.secret_headers.emplace_back(name, value.get());
  }
  if (request.body != nullptr) {
    http.body_source = request.body;
    http.headers.emplace_back("Content-Type", request.content_type);
  } else if (!is_in_query(request) && !request.parameters.empty()) {
    http.body = form_encoded(request.parameters);
    http.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
  }
  if (host.transport == nullptr) host.transport = way_.make_transport(host.address);
  out.response = host.transport->send(budget, http);
  if (request.has_secrets) wipe(http.body);
  if (!out.response) return out;
  host.is_pveproxy = out.response->header("server").starts_with(pveproxy);
  if (!out.trace.fingerprint.empty() && fingerprint_.empty()) {
    fingerprint_ = out.trace.fingerprint;
  }
  if (const auto date = date_of(*out.response)) {
    clock_offset_ =
        std::chrono::duration_cast<Milliseconds>(UtcTime(std::chrono::seconds(*date)) - utc_now());
  }
  return out;
}

// The node's own host first, then the one that is asked now, then the others; those that did not
// answer last.
std::vector<std::size_t> ProxmoxApi::hosts_for(const std::string& node) const {
  std::vector<std::size_t> order;
  const auto add = [&](std::size_t place) {
    if (std::find(order.begin(), order.end(), place) == order.end()) order.push_back(place);
  };
  const auto own = node_hosts_.find(node);
  if (own != node_hosts_.end() && !hosts_[own->second].is_away) add(own->second);
  add(current_);
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    if (hosts_[i].is_given) add(i);
  }
  std::stable_partition(order.begin(), order.end(),
                        [&](std::size_t place) { return !hosts_[place].is_away; });
  return order;
}

ApiResult<std::optional<Json>> ProxmoxApi::look_whether_done(const Budget& budget,
                                                             const ApiRequest& request,
                                                             const Error& error,
                                                             bool may_be_repeated) {
  if (request.find_done && !budget.is_over()) {
    auto found = request.find_done(budget);
    if (found && *found) return found;
    if (found && may_be_repeated) return std::optional<Json>();
  }
  return ApiFailure(lost_write(request, error));
}

ApiResult<Json> ProxmoxApi::ask(const Budget& budget, const ApiRequest& request) {
  keep_alive();
  const bool is_question = request.method == "GET";
  std::optional<Error> problem;
  bool was_repeated = false;
  std::vector<std::size_t> order = hosts_for(request.node);
  for (std::size_t step = 0; step < order.size(); ++step) {
    Host& host = hosts_[order[step]];
    // One that does not answer must leave time for another.
    const bool is_first_contact = host.transport == nullptr && order.size() > 1;
    const Budget one = request.body != nullptr ? budget
                       : is_first_contact      ? budget.at_most(way_.connect_limit)
                       : is_question           ? budget.at_most(answer_limit)
                                               : budget.at_most(write_limit);
    Exchange done;
    if (is_question) {
      done = exchange(one, host, request);
    } else {
      const GracePeriod grace(one, writing_grace);
      done = exchange(grace.budget(), host, request);
    }
    // A node cuts a connection that was silent for long: a question can be asked again.
    if (is_question && !done.response && done.trace.sent && !done.trace.answered &&
        done.response.error().kind == ErrorKind::unreachable && !one.is_over()) {
      done = exchange(one, host, request);
    }
    if (done.response) {
      host.is_away = false;
      if (host.is_given) current_ = order[step];
      const int status = done.response->status;
      auto answer = read(request, *std::move(done.response));
      if (answer || is_question || !has_given_up(status, answer.error())) return answer;
      const Error lost = unreachable(answer.error().message);
      PCA_TRY(auto found, look_whether_done(budget, request, lost, false));
      return *std::move(found);
    }
    Error error = done.response.error();
    const bool is_over = error.kind == ErrorKind::cancelled || budget.is_over();
    const bool may_be_elsewhere = error.kind == ErrorKind::unreachable ||
                                  (error.kind == ErrorKind::permission && !host.is_given);
    if (is_over || !may_be_elsewhere) return ApiFailure(std::move(error));
    if (done.trace.sent && !is_question) {
      // Only a connection that had ended before is sure to have taken nothing.
      const bool was_closed = done.trace.reused && !done.trace.answered;
      PCA_TRY(auto found, look_whether_done(budget, request, error, was_closed));
      if (found) return *std::move(found);
      if (was_repeated) return ApiFailure(lost_write(request, error));
      was_repeated = true;
      --step;
      continue;
    }
    host.is_away = true;
    if (order.size() > 1)
      say(fmt::format("{} does not answer: {}", host.address.name, error.message));
    if (problem) {
      error.message = fmt::format("{}; {}", problem->message, error.message);
    }
    problem = std::move(error);
  }
  if (problem) return ApiFailure(*std::move(problem));
  return ApiFailure(tool_bug("no host to ask"));
}

ApiResult<Json> ProxmoxApi::read(const ApiRequest& request, HttpResponse response) {
  const std::string what = describe(request);
  const bool is_gate = !way_.secret_headers.empty() &&
                       !response.header("server").starts_with(pveproxy) &&
                       (response.status / 100 == 3 || response.status == 401 ||
                        (response.status == 403 && !parse_json(response.body)));
  if (is_gate) {
    return {ApiFailure(permission_denied(
        fmt::format("{}: the edge at {} does not let it through ({})", what, host(),
                    response.status),
        "Check access-client-id and access-client-secret, and that the application has a policy of "
        "the action Service Auth that includes the token."))};
  }
  if (response.status / 100 != 2) {
    const std::string cause = cause_in(response);
    return {
        ApiFailure(api_error(what, response.status, cause), trouble_of(response.status, cause))};
  }
  auto body =
      parse_json(response.body, {.bytes = request.answer_limit, .depth = 64, .values = 2'000'000});
  const Json* data = body ? body->find("data") : nullptr;
  if (data == nullptr) {
    return {ApiFailure(
        failed(fmt::format("{}: the answer of {} is none of a Proxmox VE API", what, host()),
               "Check the input api."))};
  }
  return *data;
}

ApiResult<Json> ProxmoxApi::ask_patiently(const Budget& budget, const ApiRequest& request) {
  Milliseconds pause = first_busy_pause;
  bool is_told = false;
  while (true) {
    auto answer = ask(budget, request);
    if (answer || answer.error().trouble != Trouble::busy) return answer;
    const auto wait = std::chrono::duration_cast<Milliseconds>(pause * (0.5 + random_fraction()));
    if (wait >= budget.left()) return answer;
    if (!is_told) say(answer.error().message + "; waiting for it");
    is_told = true;
    if (const auto waited = pause_for(budget, wait); !waited) {
      return {ApiFailure(waited.error())};
    }
    pause = std::min(pause * 2, longest_busy_pause);
  }
}

void ProxmoxApi::set_heartbeat(Milliseconds interval, std::function<void()> beat) {
  beat_ = std::move(beat);
  beat_interval_ = interval;
  last_beat_ = now();
}

void ProxmoxApi::keep_alive() {
  if (!beat_ || is_beating_ || now() - last_beat_ < beat_interval_) return;
  is_beating_ = true;
  beat_();
  is_beating_ = false;
  last_beat_ = now();
}

void ProxmoxApi::learn_nodes(const Budget& budget) {
  if (!way_.reaches_nodes || !node_hosts_.empty()) return;
  const auto status = ask(budget, {.path = "/cluster/status"});
  if (!status || status->as_array() == nullptr) return;
  std::map<std::string, std::string> prints;
  if (way_.tls != nullptr && !way_.tls->fingerprints.empty()) {
    const auto nodes = ask(budget, {.path = "/nodes"});
    if (!nodes || nodes->as_array() == nullptr) return;
    for (const Json& node : *nodes->as_array()) {
      const auto print = parse_fingerprint(node.text_of("ssl_fingerprint"));
      if (print) prints[node.text_of("node")] = *print;
    }
  }
  const std::size_t asked = current_;
  for (const Json& one : *status->as_array()) {
    const std::string name = one.text_of("name");
    const std::string ip = one.text_of("ip");
    if (one.text_of("type") != "node" || name.empty()) continue;
    if (truth_in(one, "local")) {
      node_hosts_[name] = asked;
      continue;
    }
    if (!truth_in(one, "online") || !is_ip_address(ip)) continue;
    auto tls = way_.tls;
    if (!prints.empty()) {
      if (!prints.contains(name)) continue;
      auto own = std::make_shared<TlsSettings>();
      own->fingerprints = {prints[name]};
      tls = std::move(own);
    }
    node_hosts_[name] = hosts_.size();
    hosts_.push_back({HostAddress{{}, ip, hosts_[asked].address.port}, tls, false});
  }
}

}  // namespace pca::proxmox_deploy
