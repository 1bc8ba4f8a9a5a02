#include "tunnel-ssh/pin.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>

#include "base/text.hpp"
#include "net/connect.hpp"
#include "tunnel-ssh/connection.hpp"
#include "tunnel-ssh/contract.hpp"
#include "tunnel-ssh/results.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr std::string_view by_hand =
    "# Not verified: anyone on the way could have answered. Compare each fingerprint with what "
    "the\n"
    "# host's own console shows: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub";

// What one host has shown, as far as it came.
struct Shown {
  HostAddress host;
  std::vector<HostKey> keys;
  std::optional<Error> error;
};

Shown ask(ToolContext& context, const ConnectionSettings& settings, const HostAddress& host) {
  const ConnectObserver observer = log_observer(context.reporter, settings);
  const auto ask_for = [&](const std::string& methods) {
    return ask_host_key(connect_budget(settings, context.stop), settings, host, methods, observer);
  };
  Shown shown{host, {}, std::nullopt};
  auto first = ask_for({});
  if (!first) {
    shown.error = std::move(first).error();
    return shown;
  }
  shown.keys.push_back(first->host_key);
  for (const std::string& method : methods_to_ask(first->offered_host_keys)) {
    const bool is_rsa = method.starts_with("rsa-");
    const std::string type = is_rsa ? "ssh-rsa" : method;
    if (type == shown.keys.front().type) continue;
    auto next = ask_for(method);
    if (!next) {
      shown.error = std::move(next).error();
      break;
    }
    shown.keys.push_back(next->host_key);
  }
  return shown;
}

void print(Reporter& reporter, const Shown& shown) {
  if (!shown.keys.empty()) reporter.info(fmt::format("# {}\n{}", shown.host.text(), by_hand));
  for (const HostKey& key : shown.keys) {
    reporter.info(fmt::format("{}\n# {}", key.known_hosts_line(shown.host.name, shown.host.port),
                              key.fingerprint()));
  }
}

Json to_json(const Shown& shown) {
  Json list = Json::array();
  for (const HostKey& key : shown.keys) {
    Json entry = Json::object();
    entry.set("type", key.type);
    entry.set("known-hosts", key.known_hosts_line(shown.host.name, shown.host.port));
    entry.set("fingerprint", key.fingerprint());
    list.push(std::move(entry));
  }
  Json json = Json::object();
  json.set("host", shown.host.text());
  json.set("verified", false);
  json.set("keys", std::move(list));
  json.set("error", shown.error ? Json(shown.error->message) : Json());
  json.set("hint", shown.error ? Json(shown.error->hint) : Json());
  return json;
}

HostResult result_of(const Shown& shown) {
  HostResult result;
  result.host = shown.host.text();
  result.outcome = shown.error ? outcome_of(*shown.error, false) : Outcome::succeeded;
  result.error = shown.error;
  return result;
}

}  // namespace

std::vector<std::string> methods_to_ask(const std::vector<std::string>& offered) {
  std::vector<std::string> methods;
  bool has_rsa = false;
  for (std::string& method : usable_host_key_methods()) {
    if (std::find(offered.begin(), offered.end(), method) == offered.end()) continue;
    const bool is_rsa = method.starts_with("rsa-");
    if (is_rsa && has_rsa) continue;
    has_rsa = has_rsa || is_rsa;
    methods.push_back(std::move(method));
  }
  return methods;
}

Result<int> run_pin(ToolContext& context, Inputs inputs, BadInputs& bad) {
  const ConnectionSettings settings =
      read_connection_inputs(context, inputs, bad, Login::jumps_only);
  if (!bad.empty()) return bad.to_error();

  // Each host has its turn whatever became of those before it: what was seen is worth having.
  std::vector<std::string> lines;
  std::vector<std::string> fingerprints;
  std::vector<HostResult> results;
  Json hosts = Json::array();
  for (const HostAddress& host : settings.hosts) {
    const Shown shown = ask(context, settings, host);
    print(context.reporter, shown);
    for (const HostKey& key : shown.keys) {
      lines.push_back(key.known_hosts_line(host.name, host.port));
      fingerprints.push_back(key.fingerprint());
    }
    hosts.push(to_json(shown));
    results.push_back(result_of(shown));
    if (context.stop.stop_requested()) break;
  }
  context.reporter.output(contract::known_hosts, join(lines, "\n"));
  context.reporter.output(contract::fingerprints, join(fingerprints, "\n"));
  Json report = Json::object();
  report.set("command", "pin");
  report.set("hosts", std::move(hosts));
  context.reporter.report(report);
  if (auto error = overall_error(results)) return *std::move(error);
  if (results.size() < settings.hosts.size()) return cancelled("cancelled");
  return 0;
}

}  // namespace pca::tunnel_ssh
