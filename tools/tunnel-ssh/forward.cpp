#include "tunnel-ssh/forward.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <set>

#include "base/text.hpp"
#include "tunnel-ssh/background.hpp"
#include "tunnel-ssh/connection.hpp"
#include "tunnel-ssh/contract.hpp"
#include "tunnel-ssh/forwarder.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr RetryPolicy reconnect{
    .tries = 1'000'000, .first = Milliseconds{1000}, .longest = Milliseconds{30'000}};

// Everything `forward` was asked to do, checked.
struct ForwardPlan {
  ConnectionSettings connection;
  std::vector<ForwardSpec> specs;
  bool background = false;
  Milliseconds max_lifetime{};
  FileDescriptor log;  // of the background process; not open = none
};

FileDescriptor read_log_file(const std::string& path, const ForwardPlan& plan, BadInputs& bad) {
  if (!plan.background) {
    bad.add("log-file", "given without background", "Leave it out: the log is on your terminal.");
    return {};
  }
  auto file = open_log_file(path);
  if (file) return *std::move(file);
  bad.add("log-file", file.error());
  return {};
}

// The host says only at which port a connection has come, not at which address.
void check_remote_places(const std::vector<ForwardSpec>& specs, BadInputs& bad) {
  std::set<std::uint16_t> ports;
  std::set<std::string> sockets;
  for (const ForwardSpec& spec : specs) {
    if (spec.kind != ForwardKind::remote) continue;
    if (spec.listen.is_unix() && !sockets.insert(spec.listen.path).second) {
      bad.add("remote", fmt::format("two forwards from {} of the host", shown(spec.listen.path)),
              "Use another socket for one of them.");
    }
    if (spec.listen.port == 0) continue;
    if (!ports.insert(spec.listen.port).second) {
      bad.add("remote", fmt::format("two forwards from port {} of the host", spec.listen.port),
              "Use another port for one of them, also at another address.");
    }
  }
}

ForwardPlan read_forward_plan(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  ForwardPlan plan;
  plan.connection = read_connection_inputs(context, inputs, bad, Login::hosts);
  for (const ForwardKind kind : {ForwardKind::local, ForwardKind::remote, ForwardKind::dynamic}) {
    const std::string name(forward_kind_name(kind));
    for (const std::string& text : inputs.list(name)) {
      auto spec = parse_forward(kind, text);
      if (spec) {
        plan.specs.push_back(*std::move(spec));
      } else {
        bad.add(name, spec.error());
      }
    }
  }
  check_remote_places(plan.specs, bad);
  const bool has_any = inputs.has("local") || inputs.has("remote") || inputs.has("dynamic");
  if (!has_any) {
    bad.add("local", "nothing to forward was given", "Give at least one local, remote or dynamic.");
  }
  plan.background = inputs.flag("background");
  plan.max_lifetime = inputs.duration("max-lifetime");
  if (plan.max_lifetime.count() == 0) {
    bad.add("max-lifetime", "a forward of no time at all", "Write 6h, or another time.");
  }
  if (inputs.has("log-file")) plan.log = read_log_file(inputs.text("log-file"), plan, bad);
  return plan;
}

Json to_json(const std::vector<Listening>& listening) {
  Json list = Json::array();
  for (const Listening& one : listening) {
    Endpoint bound = one.spec.listen;
    bound.port = one.port;
    Json entry = Json::object();
    entry.set("spec", one.spec.text);
    entry.set("kind", forward_kind_name(one.spec.kind));
    entry.set("listens", bound.text());
    entry.set("port", one.port == 0 ? Json() : Json(int{one.port}));
    list.push(std::move(entry));
  }
  return list;
}

// The forwards from the first connection to the end: connects again when the connection drops.
class ForwardWork {
 public:
  ForwardWork(ToolContext& context, ForwardPlan& plan) : context_(context), plan_(plan) {}

  Result<> run(const std::stop_token& stop, const std::function<void(Json)>& ready) {
    const Budget budget = Budget::of(plan_.max_lifetime, stop);
    PCA_TRY(Forwarder forwarder, Forwarder::open(plan_.specs));
    PCA_TRY(auto session, connect(stop, forwarder));
    ready(to_json(forwarder.listening()));
    for (;;) {
      const Error ended = forwarder.serve(budget, *session, say_);
      if (budget.is_over()) forwarder.stop_listening_there(farewell(), *session);
      (void)session->close(farewell());
      session.reset();
      if (budget.is_cancelled()) return ended;
      if (budget.is_over()) return {};
      context_.reporter.warning(
          {"Lost connections", fmt::format("{}; connecting again", ended.message)});
      PCA_TRY(session, connect_again(budget, forwarder));
      context_.reporter.info("connected again");
    }
  }

 private:
  Result<std::unique_ptr<SshSession>> connect(const std::stop_token& stop, Forwarder& forwarder) {
    const Budget budget = connect_budget(plan_.connection, stop);
    bool is_shared = false;
    ConnectObserver observer = log_observer(context_.reporter, plan_.connection);
    observer.on_phase = [&is_shared, tell = observer.on_phase](const ConnectEvent& event) {
      is_shared = is_shared || event.phase == "session";
      tell(event);
    };
    PCA_TRY(auto session,
            connect_ssh(budget, plan_.connection, plan_.connection.hosts.front(), observer));
    const auto listens = forwarder.listen_there(budget, *session, say_);
    if (listens) return session;
    if (!is_shared) return listens.error();
    // The connection of an open session may have been silent for too long to ask the host for
    // listening.
    session.reset();
    plan_.connection.session_folder.clear();
    say_("Not by an open session: the forward connects by itself.");
    return connect(stop, forwarder);
  }

  // Tries until it works, the time is up, or the host refuses.
  Result<std::unique_ptr<SshSession>> connect_again(const Budget& budget, Forwarder& forwarder) {
    return retry<std::unique_ptr<SshSession>>(
        budget, reconnect,
        [&](int) {
          auto session = connect(budget.stop(), forwarder);
          if (session || session.error().kind == ErrorKind::permission) return session;
          return Result<std::unique_ptr<SshSession>>(std::move(session).error().as_transient());
        },
        [&](const Error& error, int, Milliseconds pause) {
          say_(
              fmt::format("not connected: {}; again in {}", error.message, format_duration(pause)));
        });
  }

  ToolContext& context_;
  ForwardPlan& plan_;
  const Forwarder::Say say_ = [this](const std::string& text) { context_.reporter.info(text); };
};

void write_outputs(Reporter& reporter, const Json& listening, int pid) {
  std::string first_port;
  for (const Json& entry : *listening.as_array()) {
    const Json* port = entry.find("port");
    const bool has_port = port != nullptr && port->as_int() != nullptr;
    if (has_port && first_port.empty()) first_port = std::to_string(*port->as_int());
    reporter.info(fmt::format("{} {}: listening on {}", *entry.find("kind")->as_string(),
                              *entry.find("spec")->as_string(),
                              *entry.find("listens")->as_string()));
  }
  reporter.output(contract::port, first_port);
  reporter.output(contract::ports, listening.dump());
  reporter.output(contract::pid, std::to_string(pid));
  Json report = Json::object();
  report.set("command", "forward");
  report.set("forwards", listening);
  report.set("pid", pid);
  reporter.report(report);
}

}  // namespace

Result<int> run_forward(ToolContext& context, Inputs inputs, BadInputs& bad) {
  ForwardPlan plan = read_forward_plan(context, inputs, bad);
  if (!bad.empty()) return bad.to_error();

  ForwardWork work(context, plan);
  if (!plan.background) {
    PCA_CHECK(work.run(context.stop, [&](const Json& listening) {
      write_outputs(context.reporter, listening, ::getpid());
    }));
    return 0;
  }
  int pid = 0;
  const auto run = [&](const std::stop_token& stop, const std::function<void(Json)>& ready) {
    return work.run(stop, ready);
  };
  PCA_TRY(const Json listening, start_in_background(connect_budget(plan.connection, context.stop),
                                                    plan.log, context.reporter, run, pid));
  write_outputs(context.reporter, listening, pid);
  return 0;
}

}  // namespace pca::tunnel_ssh
