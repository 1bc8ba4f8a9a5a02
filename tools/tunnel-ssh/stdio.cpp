#include "tunnel-ssh/stdio.hpp"

#include <unistd.h>

#include <csignal>

#include "tunnel-ssh/connection.hpp"
#include "tunnel-ssh/pump.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr Milliseconds quiet{2000};
constexpr Milliseconds goodbye_limit{5000};
constexpr Milliseconds longest_session = std::chrono::hours(24 * 365);  // the user's ssh ends it

}  // namespace

Result<int> run_stdio(ToolContext& context, Inputs inputs, BadInputs& bad) {
  const ConnectionSettings settings =
      read_connection_inputs(context, inputs, bad, Login::jumps_only);
  if (!bad.empty()) return bad.to_error();

  PCA_TRY(const auto stream,
          connect_stream(connect_budget(settings, context.stop), settings, settings.hosts.front(),
                         log_observer(context.reporter, settings)));
  StandardStream input(STDIN_FILENO);
  StandardStream output(STDOUT_FILENO);
  const auto ended = pump(Budget::of(longest_session, context.stop), *stream, input, output, quiet);
  const auto closed = stream->close(Budget::of(goodbye_limit));
  // ssh ends its ProxyCommand by SIGHUP: no failure, and no word among those of the user's ssh.
  if (context.signals.signal() == SIGHUP) return 0;
  if (context.stop.stop_requested()) return cancelled("ended by a signal");
  PCA_CHECK(ended);
  PCA_CHECK(closed);
  return 0;
}

}  // namespace pca::tunnel_ssh
