#include "tunnel-ssh/check.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "tunnel-ssh/connection.hpp"
#include "tunnel-ssh/contract.hpp"
#include "tunnel-ssh/results.hpp"

namespace pca::tunnel_ssh {

namespace {

// What one phase was like, as a line of the table.
struct PhaseLine {
  std::string name;
  double ms = 0;
  std::string detail;
};

std::string yes_no(bool value) { return value ? "yes" : "no"; }

std::string policy_name(HostKeyPolicy policy) {
  switch (policy) {
    case HostKeyPolicy::strict:
      return "strict";
    case HostKeyPolicy::accept_new:
      return "accept-new";
    case HostKeyPolicy::insecure:
      return "insecure";
  }
  return {};
}

std::string route(const ConnectionSettings& settings, const HostAddress& host) {
  std::vector<std::string> stations;
  if (settings.via == Via::access) {
    const HostAddress& first = settings.jumps.empty() ? host : settings.jumps.front().address;
    const std::string& name =
        settings.access.hostname.empty() ? first.name : settings.access.hostname;
    stations.push_back(fmt::format("Access edge {}:{}", name, settings.access.port));
  }
  for (const auto& hop : settings.jumps) stations.push_back("jump " + hop.address.text());
  stations.push_back(host.text());
  return join(stations, " -> ");
}

std::string login_ways(const ConnectionSettings& settings) {
  std::vector<std::string> ways;
  if (!settings.certificate.empty()) ways.emplace_back("certificate");
  if (!settings.key.empty()) ways.emplace_back("key");
  if (!settings.agent_socket.empty()) ways.emplace_back("agent");
  if (!settings.password.empty()) ways.emplace_back("password");
  return ways.empty() ? "nothing" : join(ways, ", ");
}

// What would be tried, before anything is.
std::string intention(const ConnectionSettings& settings, const HostAddress& host) {
  return fmt::format(
      "route: {}\nuser: {}\nlog in by: {}\nhost key: {}, pinned: {}\ntries: {}, {} each",
      route(settings, host), host.user.empty() ? settings.user : host.user, login_ways(settings),
      policy_name(settings.policy), yes_no(settings.pins.knows(host.name, host.port)),
      settings.retry.tries, format_duration(settings.connect_timeout));
}

std::string table(const std::vector<PhaseLine>& lines) {
  std::string out = fmt::format("{:<10}  {:>10}  {}\n", "phase", "time", "detail");
  for (const PhaseLine& line : lines) {
    out += fmt::format("{:<10}  {:>7.1f} ms  {}\n", line.name, line.ms, visible(line.detail));
  }
  out.pop_back();
  return out;
}

std::string facts_text(const SshFacts& facts) {
  std::vector<std::string> lines;
  if (!facts.server_banner.empty()) lines.push_back("server: " + facts.server_banner);
  if (!facts.kex.empty()) lines.push_back("key exchange: " + facts.kex);
  if (!facts.cipher.empty()) lines.push_back("cipher: " + facts.cipher);
  if (!facts.host_key.blob.empty()) {
    lines.push_back(
        fmt::format("host key: {} {}", facts.host_key.type, facts.host_key.fingerprint()));
  }
  if (!facts.auth_method.empty()) lines.push_back("logged in by: " + facts.auth_method);
  return join(lines, "\n");
}

HostResult check_host(ToolContext& context, const ConnectionSettings& settings,
                      const HostAddress& host) {
  Reporter& reporter = context.reporter;
  HostResult result;
  result.host = host.text();
  std::vector<PhaseLine> lines;
  SshFacts facts;
  const Clock::time_point began = Clock::now();
  ConnectObserver observer = log_observer(reporter, settings);
  observer.facts = &facts;
  observer.on_phase = [&](const ConnectEvent& event) {
    lines.push_back({event.phase, event.ms, event.detail});
    result.phases.push_back({event.phase, ms_since(began) - event.ms, event.ms});
  };

  reporter.group(result.host);
  reporter.info(intention(settings, host));
  auto session = connect_ssh(connect_budget(settings, context.stop), settings, host, observer);
  one_after_the_other(result.phases);
  if (!lines.empty()) reporter.info(table(lines));
  if (const std::string text = facts_text(facts); !text.empty()) reporter.info(text);
  if (session) {
    result.outcome = Outcome::succeeded;
    reporter.info("ok: logged in; nothing was run");
    (void)(*session)->close(farewell());
  } else {
    result.outcome = outcome_of(session.error(), false);
    result.error = std::move(session).error();
    reporter.info("failed: " + result.error->message);
  }
  reporter.end_group();
  return result;
}

}  // namespace

Result<int> run_check(ToolContext& context, Inputs inputs, BadInputs& bad) {
  ConnectionSettings settings = read_connection_inputs(context, inputs, bad, Login::hosts);
  settings.session_folder.clear();  // the way there is what is looked at
  if (!bad.empty()) return bad.to_error();

  std::vector<HostResult> results;
  for (const HostAddress& host : settings.hosts) {
    if (!context.stop.stop_requested()) {
      results.push_back(check_host(context, settings, host));
    } else {
      results.emplace_back().host = host.text();
    }
  }
  cancel_unstarted(results);
  context.reporter.output(contract::outcome, outcome_name(overall_outcome(results)));
  context.reporter.output(contract::results, results_json(results).dump());
  Json report = Json::object();
  report.set("command", "check");
  report.set("hosts", results_json(results));
  context.reporter.report(report);
  context.reporter.summary(results_summary(results, context.redactor));
  if (auto error = overall_error(results)) return *std::move(error);
  return 0;
}

}  // namespace pca::tunnel_ssh
