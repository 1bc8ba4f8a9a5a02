#include "tunnel-ssh/pin.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/text.hpp"
#include "net/connect.hpp"
#include "tunnel-ssh/connection.hpp"
#include "tunnel-ssh/contract.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr std::string_view by_hand =
    "# Not verified: anyone on the way could have answered. Compare each fingerprint with what "
    "the\n"
    "# host's own console shows: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub";

// One handshake that ends behind the host key. With no pins and a strict policy the session refuses
// every key, before it would log in: that refusal is the expected end.
Result<HostKey> fetch_key(ToolContext& context, const ConnectionSettings& settings,
                          const HostAddress& host, const std::string& method, SshFacts& facts) {
  const Budget budget = connect_budget(settings, context.stop);
  PCA_TRY(auto stream,
          connect_stream(budget, settings, host, log_observer(context.reporter, settings)));
  SshLogin nobody;
  nobody.host = host.name;
  nobody.port = host.port;
  nobody.host_key_methods = method;
  const HostKeyPins no_pins;
  nobody.pins = &no_pins;
  auto session =
      SshSession::open(budget.at_most(settings.connect_timeout), std::move(stream), nobody, &facts);
  if (session) return tool_bug("a session without pins trusted a host key");
  if (facts.host_key.blob.empty()) return std::move(session).error();
  return facts.host_key;
}

Result<std::vector<HostKey>> fetch_keys(ToolContext& context, const ConnectionSettings& settings,
                                        const HostAddress& host) {
  SshFacts facts;
  PCA_TRY(HostKey first, fetch_key(context, settings, host, {}, facts));
  std::vector<HostKey> keys{std::move(first)};
  for (const std::string& method : methods_to_ask(facts.offered_host_keys)) {
    const bool is_rsa = method.starts_with("rsa-");
    const std::string type = is_rsa ? "ssh-rsa" : method;
    if (type == keys.front().type) continue;
    SshFacts more;
    PCA_TRY(HostKey key, fetch_key(context, settings, host, method, more));
    keys.push_back(std::move(key));
  }
  return keys;
}

Json to_json(const HostAddress& host, const std::vector<HostKey>& keys) {
  Json list = Json::array();
  for (const HostKey& key : keys) {
    Json entry = Json::object();
    entry.set("type", key.type);
    entry.set("known-hosts", key.known_hosts_line(host.name, host.port));
    entry.set("fingerprint", key.fingerprint());
    list.push(std::move(entry));
  }
  Json json = Json::object();
  json.set("host", host.text());
  json.set("verified", false);
  json.set("keys", std::move(list));
  return json;
}

}  // namespace

std::vector<std::string> methods_to_ask(const std::vector<std::string>& offered) {
  constexpr std::array<std::string_view, 6> wanted{"ssh-ed25519",         "ecdsa-sha2-nistp256",
                                                   "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
                                                   "rsa-sha2-512",        "rsa-sha2-256"};
  std::vector<std::string> methods;
  bool has_rsa = false;
  for (const std::string_view method : wanted) {
    if (std::find(offered.begin(), offered.end(), method) == offered.end()) continue;
    const bool is_rsa = method.starts_with("rsa-");
    if (is_rsa && has_rsa) continue;
    has_rsa = has_rsa || is_rsa;
    methods.emplace_back(method);
  }
  return methods;
}

Result<int> run_pin(ToolContext& context, Inputs inputs, BadInputs& bad) {
  const ConnectionSettings settings =
      read_connection_inputs(context, inputs, bad, Login::jumps_only);
  if (!bad.empty()) return bad.to_error();

  std::vector<std::string> lines;
  std::vector<std::string> fingerprints;
  Json hosts = Json::array();
  for (const HostAddress& host : settings.hosts) {
    PCA_TRY(const std::vector<HostKey> keys, fetch_keys(context, settings, host));
    context.reporter.info(fmt::format("# {}\n{}", host.text(), by_hand));
    for (const HostKey& key : keys) {
      lines.push_back(key.known_hosts_line(host.name, host.port));
      fingerprints.push_back(key.fingerprint());
      context.reporter.info(fmt::format("{}\n# {}", lines.back(), fingerprints.back()));
    }
    hosts.push(to_json(host, keys));
  }
  context.reporter.output(contract::known_hosts, join(lines, "\n"));
  context.reporter.output(contract::fingerprints, join(fingerprints, "\n"));
  Json report = Json::object();
  report.set("command", "pin");
  report.set("hosts", std::move(hosts));
  context.reporter.report(report);
  return 0;
}

}  // namespace pca::tunnel_ssh
