#include "tunnel-ssh/connection.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace pca::tunnel_ssh {

ConnectionSettings read_connection_inputs(ToolContext& context, Inputs& inputs, BadInputs& bad,
                                          Login login) {
  const auto say = [&](const std::string& text) { context.reporter.info(text); };
  ConnectionSettings settings = read_connection(inputs, context.redactor, bad, say, login);
  settings.session_folder = find_session_folder(context.environment);
  return settings;
}

Budget connect_budget(const ConnectionSettings& settings, const std::stop_token& stop) {
  const auto hops = static_cast<int>(settings.jumps.size()) + 1;
  const Milliseconds one_try = settings.connect_timeout * hops + settings.retry.longest;
  return Budget::of(one_try * settings.retry.tries, stop);
}

std::string gate_address(const ConnectionSettings& settings, const HostAddress& host) {
  const HostAddress& first = settings.jumps.empty() ? host : settings.jumps.front().address;
  return fmt::format("{}:{}", to_lower(first.name), first.port);
}

ConnectObserver log_observer(Reporter& reporter, const ConnectionSettings& settings) {
  ConnectObserver observer;
  observer.on_phase = [&reporter](const ConnectEvent& event) {
    reporter.debug(fmt::format("{}: {} ({:.0f} ms)", event.phase, visible(event.detail), event.ms));
  };
  observer.on_warning = [&reporter](const std::string& text) {
    reporter.warning({"Host keys", text});
  };
  observer.on_note = [&reporter](const std::string& note) { reporter.info(note); };
  observer.on_retry = [&reporter, tries = settings.retry.tries](const Error& error, int next_try,
                                                                Milliseconds pause) {
    reporter.info(fmt::format("{}; try {} of {} in {}", error.message, next_try, tries,
                              format_duration(pause)));
  };
  return observer;
}

}  // namespace pca::tunnel_ssh
