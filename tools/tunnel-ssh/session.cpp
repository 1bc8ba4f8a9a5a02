#include "tunnel-ssh/session.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <list>
#include <optional>
#include <thread>

#include "base/text.hpp"
#include "net/session_server.hpp"
#include "net/shared_session.hpp"
#include "tunnel-ssh/background.hpp"
#include "tunnel-ssh/connection.hpp"
#include "tunnel-ssh/contract.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr Milliseconds lock_limit{10'000};
constexpr Milliseconds list_limit{30'000};
constexpr Milliseconds close_limit{10'000};

// Everything `session open` was asked to do, checked.
struct OpenPlan {
  ConnectionSettings connection;
  std::string folder;
  Milliseconds max_lifetime{};
  FileDescriptor log;  // of the background process; not open = none
};

OpenPlan read_open_plan(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  OpenPlan plan;
  plan.connection = read_connection_inputs(context, inputs, bad, Login::hosts);
  plan.folder = std::exchange(plan.connection.session_folder, {});  // it is not for itself
  plan.max_lifetime = inputs.duration("max-lifetime");
  if (plan.max_lifetime.count() == 0) {
    bad.add("max-lifetime", "a session of no time at all", "Write 6h, or another time.");
  }
  if (inputs.has("log-file")) {
    auto file = open_log_file(inputs.text("log-file"));
    if (file) {
      plan.log = *std::move(file);
    } else {
      bad.add("log-file", file.error());
    }
  }
  return plan;
}

// Whoever finds a core file finds the private key in it.
void leave_no_core() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
}

Json entry_of(const std::string& host, std::string_view state, int pid) {
  Json entry = Json::object();
  entry.set("host", host);
  entry.set("state", state);
  entry.set("pid", pid);
  return entry;
}

// What the background process does: holds the sessions, each in a thread of its own.
class SessionWork {
 public:
  SessionWork(ToolContext& context, const OpenPlan& plan) : context_(context), plan_(plan) {}

  Result<> run(const std::stop_token& stop, const std::function<void(Json)>& ready) {
    leave_no_core();
    PCA_TRY(const SessionFolder folder, SessionFolder::make(plan_.folder));
    std::list<SessionServer> servers;
    PCA_TRY(Json sessions, listen(Budget::of(lock_limit, stop), folder, servers));
    PCA_CHECK(connect_all(stop, servers));
    ready(std::move(sessions));
    const Budget budget = Budget::of(plan_.max_lifetime, stop);
    return for_each(servers, [&](SessionServer& server) { return server.serve(budget); });
  }

 private:
  // Opens the sockets of those sessions that are not open yet.
  Result<Json> listen(const Budget& budget, const SessionFolder& folder,
                      std::list<SessionServer>& servers) {
    PCA_TRY(const FileDescriptor lock, folder.lock(budget));
    Json sessions = Json::array();
    for (const HostAddress& host : plan_.connection.hosts) {
      PCA_TRY(SessionIdentity identity, session_identity(plan_.connection, host));
      const std::string name = identity.digest();
      const std::string text = identity.host.text();
      auto server = SessionServer::open(folder, settings_of(host, std::move(identity)));
      if (server) {
        servers.push_back(*std::move(server));
        sessions.push(entry_of(text, "opened", ::getpid()));
      } else if (server.error().kind == ErrorKind::conflict) {
        sessions.push(entry_of(text, "already-open", holder_of(name)));
      } else {
        return std::move(server).error();
      }
    }
    return sessions;
  }

  SessionServer::Settings settings_of(const HostAddress& host, SessionIdentity identity) {
    const auto connect = [this, &host](const Budget& budget) {
      const Budget own = connect_budget(plan_.connection, budget.stop());
      return connect_ssh(Budget(std::min(own.deadline(), budget.deadline()), own.stop()),
                         plan_.connection, host, log_observer(context_.reporter, plan_.connection));
    };
    const auto say = [this](const std::string& text) { context_.reporter.info(text); };
    return {std::move(identity), connect, say};
  }

  [[nodiscard]] int holder_of(const std::string& name) const {
    for (const OpenSession& session : list_sessions(Budget::of(list_limit), plan_.folder)) {
      if (session.name == name) return session.pid;
    }
    return 0;
  }

  // All of them or none: the first that fails ends the others' tries.
  Result<> connect_all(const std::stop_token& stop, std::list<SessionServer>& servers) const {
    std::stop_source first_failed;
    const std::stop_callback on_stop(stop, [&] { first_failed.request_stop(); });
    return for_each(servers, [&](SessionServer& server) {
      auto connected = server.connect(connect_budget(plan_.connection, first_failed.get_token()));
      if (!connected) first_failed.request_stop();
      return connected;
    });
  }

  // Each in a thread of its own; gives the gravest Error, those of a cancel last.
  static Result<> for_each(std::list<SessionServer>& servers,
                           const std::function<Result<>(SessionServer&)>& work) {
    std::vector<Result<>> results(servers.size());
    {
      std::vector<std::jthread> threads;
      std::size_t index = 0;
      for (SessionServer& server : servers) {
        threads.emplace_back([&, index] { results[index] = work(server); });
        ++index;
      }
    }
    Result<> worst;
    for (Result<>& result : results) {
      const bool is_graver = !result && (worst || worst.error().kind == ErrorKind::cancelled);
      if (is_graver) worst = std::move(result);
    }
    return worst;
  }

  ToolContext& context_;
  const OpenPlan& plan_;
};

std::string text_of(const Json& entry, std::string_view key) {
  return *entry.find(key)->as_string();
}

void write_sessions(Reporter& reporter, const char* command, const Json& sessions) {
  reporter.output(contract::sessions, sessions.dump());
  Json report = Json::object();
  report.set("command", command);
  report.set("sessions", sessions);
  reporter.report(report);
}

bool is_meant(const OpenSession& session, const std::vector<HostAddress>& hosts) {
  const auto address = parse_host_address(session.host);
  const auto is_it = [&](const HostAddress& host) {
    return address && equals_ignoring_case(host.name, address->name) &&
           (host.user.empty() || host.user == address->user) &&
           (host.port == 0 || host.port == address->port);
  };
  return hosts.empty() || std::any_of(hosts.begin(), hosts.end(), is_it);
}

}  // namespace

Result<int> run_session_open(ToolContext& context, Inputs inputs, BadInputs& bad) {
  const OpenPlan plan = read_open_plan(context, inputs, bad);
  if (!bad.empty()) return bad.to_error();

  SessionWork work(context, plan);
  const auto run = [&](const std::stop_token& stop, const std::function<void(Json)>& ready) {
    return work.run(stop, ready);
  };
  int pid = 0;
  PCA_TRY(const Json sessions, start_in_background(connect_budget(plan.connection, context.stop),
                                                   plan.log, context.reporter, run, pid));
  for (const Json& entry : *sessions.as_array()) {
    const bool is_new = text_of(entry, "state") == "opened";
    context.reporter.info(fmt::format("{}: the session is {}", text_of(entry, "host"),
                                      is_new ? "open" : "already open"));
  }
  const Json& first = sessions.as_array()->front();
  context.reporter.output(contract::pid, std::to_string(*first.find("pid")->as_int()));
  write_sessions(context.reporter, "session open", sessions);
  return 0;
}

Result<int> run_session_close(ToolContext& context, const Inputs& inputs, BadInputs& bad) {
  std::vector<HostAddress> hosts;
  for (const std::string& text : inputs.list("host")) {
    auto host = parse_host_address(text, 0);
    if (host) {
      hosts.push_back(*std::move(host));
    } else {
      bad.add("host", host.error());
    }
  }
  if (!bad.empty()) return bad.to_error();

  const std::string folder = find_session_folder(context.environment);
  Json closed = Json::array();
  for (const OpenSession& session : list_sessions(Budget::of(list_limit, context.stop), folder)) {
    if (!is_meant(session, hosts)) continue;
    PCA_CHECK(end_session(Budget::of(close_limit, context.stop), folder, session));
    context.reporter.info(fmt::format("{}: the session is closed", session.host));
    Json entry = Json::object();
    entry.set("host", session.host);
    entry.set("pid", session.pid);
    closed.push(std::move(entry));
  }
  if (closed.as_array()->empty()) context.reporter.info("no session was open");
  write_sessions(context.reporter, "session close", closed);
  return 0;
}

Result<int> run_session_status(ToolContext& context, BadInputs& bad) {
  if (!bad.empty()) return bad.to_error();

  const std::string folder = find_session_folder(context.environment);
  Json sessions = Json::array();
  for (const OpenSession& session : list_sessions(Budget::of(list_limit, context.stop), folder)) {
    Json entry = entry_of(session.host, session.state, session.pid);
    entry.set("channels", session.channels);
    entry.set("seconds", session.seconds);
    sessions.push(std::move(entry));
    context.reporter.info(fmt::format(
        "{}: {} for {}, {} channels, pid {}", session.host, session.state,
        format_duration(std::chrono::seconds(session.seconds)), session.channels, session.pid));
  }
  if (sessions.as_array()->empty()) context.reporter.info("no session is open");
  write_sessions(context.reporter, "session status", sessions);
  return 0;
}

}  // namespace pca::tunnel_ssh
