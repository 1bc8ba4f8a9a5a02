#include "sandbox/options.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "cli/input_file.hpp"
#include "net/github.hpp"

namespace pca::sandbox {

namespace {

Option listen_option() {
  return {.name = "listen",
          .default_value = "127.0.0.1:0",
          .help = "Loopback address to serve on; port 0 is any free one",
          .placeholder = "ADDRESS:PORT"};
}

Option record_option(std::string about) {
  return {.name = "record",
          .help = "Append a JSON line about each " + std::move(about) + " to this file",
          .placeholder = "FILE"};
}

Option fault_option() {
  return {.name = "fault",
          .type = OptionType::list,
          .help = "Let something go wrong (repeatable); `private-cloud-sandbox faults` lists what",
          .placeholder = "NAME[:ARGUMENT]",
          .group = "Trouble"};
}

Option die_with_parent_option() {
  return {.name = "die-with-parent",
          .type = OptionType::boolean,
          .default_value = "false",
          .help = "End when the process that started this one has ended"};
}

std::vector<Option> origin_options() {
  return {
      {.name = "origin",
       .help = "Loopback address that tunnels lead to",
       .placeholder = "ADDRESS:PORT",
       .group = "Origin"},
      {.name = "origin-unix",
       .help = "The same for a socket in the file system",
       .placeholder = "PATH",
       .group = "Origin"},
      {.name = "bastion",
       .type = OptionType::list,
       .help = "Destination that a client may name in Cf-Access-Jump-Destination, and the loopback "
               "address it stands for where that is another (repeatable)",
       .placeholder = "HOST:PORT[=ADDRESS:PORT]",
       .group = "Origin"},
      {.name = "message-size",
       .type = OptionType::size,
       .default_value = "16KiB",
       .help = "Largest WebSocket message sent down",
       .group = "Origin"},
      {.name = "fragment",
       .type = OptionType::integer,
       .default_value = "0",
       .help = "Cut messages sent down into frames of at most so many bytes; 0 does not",
       .placeholder = "BYTES",
       .most = 1 << 30,
       .group = "Origin"},
      {.name = "ping-every",
       .type = OptionType::duration,
       .default_value = "54s",
       .help = "Interval of the empty pings sent down; 0s sends none",
       .group = "Origin"},
      {.name = "end",
       .type = OptionType::choice,
       .default_value = "fin",
       .help = "How a connection ends after its origin has: FIN behind a TLS goodbye, FIN alone, a "
               "close frame first, or RST",
       .choices = {"fin", "fin-only", "close", "rst"},
       .group = "Origin"},
  };
}

std::vector<Option> access_options() {
  return {
      {.name = "client-id",
       .help = "Service token that is let in, with client-secret",
       .placeholder = "ID",
       .group = "Access"},
      {.name = "client-secret",
       .type = OptionType::secret,
       .help = "Secret of the service token",
       .group = "Access"},
      {.name = "jwt",
       .type = OptionType::secret,
       .help = "Token that is let in when sent as Cf-Access-Token",
       .group = "Access"},
      {.name = "no-auth",
       .type = OptionType::boolean,
       .default_value = "false",
       .help = "Let everyone in",
       .group = "Access"},
      {.name = "deny",
       .default_value = "302",
       .help = "Answer to a missing or wrong token: a status, login-redirect, "
               "login-redirect-no-ray or 403-1010",
       .placeholder = "ANSWER",
       .group = "Access"},
      {.name = "refuse",
       .help = "The same answer to everyone, whatever the token",
       .placeholder = "ANSWER",
       .group = "Access"},
  };
}

std::vector<Option> tls_options() {
  return {
      {.name = "name",
       .type = OptionType::list,
       .help = "Name in the certificate besides localhost (repeatable)",
       .placeholder = "NAME",
       .group = "TLS"},
      {.name = "ca-out",
       .help = "Write the CA's certificate to this file",
       .placeholder = "FILE",
       .group = "TLS"},
      {.name = "certificate-file",
       .help = "Certificate to use instead of one by a fresh CA, with its chain (PEM)",
       .placeholder = "FILE",
       .group = "TLS"},
      {.name = "key-file",
       .help = "Private key of certificate-file (PEM)",
       .placeholder = "FILE",
       .group = "TLS"},
  };
}

std::vector<Option> proxy_options() {
  return {
      {.name = "proxy",
       .type = OptionType::boolean,
       .default_value = "false",
       .help = "Also serve an HTTP CONNECT proxy that leads to this edge only",
       .group = "Proxy"},
      {.name = "proxy-user",
       .help = "User that the proxy asks for, with proxy-password",
       .placeholder = "NAME",
       .group = "Proxy"},
      {.name = "proxy-password",
       .type = OptionType::secret,
       .help = "Password of proxy-user",
       .group = "Proxy"},
      {.name = "proxy-refuse",
       .help = "Status that the proxy answers to everyone",
       .placeholder = "STATUS",
       .group = "Proxy"},
  };
}

std::vector<Option> trouble_options() {
  return {
      {.name = "rtt",
       .type = OptionType::duration,
       .default_value = "0ms",
       .help = "Latency added to every round trip, half of it each way",
       .group = "Trouble"},
      fault_option(),
  };
}

CommandSpec edge_command() {
  CommandSpec command{.name = "edge",
                      .summary = "Serve a Cloudflare Access edge in front of a TCP service"};
  const std::vector<Option> own = {listen_option(), record_option("connection that ended"),
                                   die_with_parent_option()};
  for (const auto& options : {origin_options(), access_options(), tls_options(), proxy_options(),
                              trouble_options(), own}) {
    command.options.insert(command.options.end(), options.begin(), options.end());
  }
  command.examples = {
      {"An edge in front of an SSH server, with a service token",
       "private-cloud-sandbox edge --origin 127.0.0.1:22 --client-id ci.access "
       "--client-secret-file secret.txt --ca-out ca.pem"},
      {"One that answers the first two requests with 502",
       "private-cloud-sandbox edge --origin 127.0.0.1:22 --no-auth --fault 502-twice"}};
  return command;
}

CommandSpec github_command() {
  const std::string group = "Repository";
  CommandSpec command{
      .name = "github",
      .summary =
          "Serve GitHub's REST API for statuses, check runs and deployments of one repository",
      .options = {{.name = "repo",
                   .default_value = "acme/shop",
                   .help = "The repository there is",
                   .placeholder = "OWNER/NAME",
                   .group = group},
                  {.name = "commit",
                   .type = OptionType::list,
                   .help = "A commit there is (repeatable); default: every one",
                   .placeholder = "SHA",
                   .group = group},
                  {.name = "ref",
                   .type = OptionType::list,
                   .help = "A branch or tag and its commit (repeatable)",
                   .placeholder = "NAME=SHA",
                   .group = group},
                  {.name = "most-statuses",
                   .type = OptionType::integer,
                   .default_value = "1000",
                   .help = "How many statuses a commit may have of one context",
                   .least = 1,
                   .group = group},
                  {.name = "check-runs",
                   .help = "A file with a JSON array of the check runs that every commit has; read "
                           "again for each request",
                   .placeholder = "FILE",
                   .group = group},
                  {.name = "behind",
                   .type = OptionType::list,
                   .help = "A ref that the default branch is ahead of (repeatable): a deployment "
                           "with auto_merge is answered with 202",
                   .placeholder = "REF",
                   .group = group},
                  {.name = "unmergeable",
                   .type = OptionType::list,
                   .help = "A ref that the default branch conflicts with (repeatable): 409 then",
                   .placeholder = "REF",
                   .group = group},
                  {.name = "token",
                   .type = OptionType::secret,
                   .help = "The token that is let in; default: every one",
                   .group = "Token"},
                  {.name = "statuses",
                   .type = OptionType::choice,
                   .default_value = "write",
                   .help = "What the token may do with statuses",
                   .choices = {"write", "read", "none"},
                   .group = "Token"},
                  {.name = "deployments",
                   .type = OptionType::choice,
                   .default_value = "write",
                   .help = "The same with deployments",
                   .choices = {"write", "read", "none"},
                   .group = "Token"},
                  {.name = "checks",
                   .type = OptionType::choice,
                   .default_value = "write",
                   .help = "The same with check runs",
                   .choices = {"write", "read", "none"},
                   .group = "Token"}}};
  const std::vector<Option> own = {fault_option(), listen_option(), record_option("request"),
                                   die_with_parent_option()};
  for (const auto& options : {tls_options(), own}) {
    command.options.insert(command.options.end(), options.begin(), options.end());
  }
  command.examples = {{"One whose token may only read",
                       "private-cloud-sandbox github --statuses read --ca-out ca.pem"},
                      {"One that answers the first two requests with 502",
                       "private-cloud-sandbox github --repo acme/shop --fault 502-twice"}};
  return command;
}

CommandSpec compass_command() {
  const std::string group = "Site";
  CommandSpec command{
      .name = "compass",
      .summary = "Serve Atlassian Compass's REST API for the deployments and builds of one site",
      .options = {{.name = "cloud-id",
                   .help = "Id of the site; default: every one",
                   .placeholder = "ID",
                   .group = group},
                  {.name = "component",
                   .type = OptionType::list,
                   .help = "Id of a component that there is (repeatable); default: there is every "
                           "component",
                   .placeholder = "ARI",
                   .group = group},
                  {.name = "per-minute",
                   .type = OptionType::integer,
                   .default_value = "100",
                   .help = "How many requests it takes a minute",
                   .placeholder = "NUMBER",
                   .least = 1,
                   .most = 100'000,
                   .group = group},
                  {.name = "user",
                   .help = "E-mail address that is let in; default: every one",
                   .placeholder = "EMAIL",
                   .group = "Token"},
                  {.name = "token",
                   .type = OptionType::secret,
                   .help = "The token that is let in; default: every one",
                   .group = "Token"}}};
  const std::vector<Option> own = {fault_option(), listen_option(), record_option("request"),
                                   die_with_parent_option()};
  for (const auto& options : {tls_options(), own}) {
    command.options.insert(command.options.end(), options.begin(), options.end());
  }
  command.examples = {{"One that asks for patience first",
                       "private-cloud-sandbox compass --fault 429:2 --ca-out ca.pem"}};
  return command;
}

CommandSpec proxmox_command() {
  const std::string group = "Cluster";
  return {
      .name = "proxmox",
      .summary = "Serve the API of a Proxmox VE cluster, whose guests have real health ports",
      .options = {{.name = "node-count",
                   .type = OptionType::integer,
                   .default_value = "3",
                   .help = "How many nodes there are: pve1 on 127.0.0.1, pve2 on 127.0.0.2, ...",
                   .placeholder = "NUMBER",
                   .least = 1,
                   .most = 32,
                   .group = group},
                  {.name = "release",
                   .type = OptionType::choice,
                   .default_value = "9.2",
                   .help = "Release of Proxmox VE that it is",
                   .choices = {"9.2", "8.4", "8.2"},
                   .group = group},
                  {.name = "clock",
                   .type = OptionType::integer,
                   .default_value = "1",
                   .help =
                       "Model time runs so many times as fast as ours: tasks, boots, locks, and "
                       "what the server waits for",
                   .placeholder = "TIMES",
                   .least = 1,
                   .most = 10'000,
                   .group = group},
                  {.name = "application-port",
                   .type = OptionType::integer,
                   .default_value = "0",
                   .help =
                       "Health port of the guests, each on an address of its own; 0 is any free "
                       "one",
                   .placeholder = "PORT",
                   .most = 65'535,
                   .group = group},
                  {.name = "token",
                   .type = OptionType::secret,
                   .help = "A token that may everything, besides those that there are: "
                           "USER@REALM!ID=SECRET",
                   .group = "Token"},
                  {.name = "port",
                   .type = OptionType::integer,
                   .default_value = "0",
                   .help = "Port of every node; 0 is any free one",
                   .placeholder = "PORT",
                   .most = 65'535},
                  {.name = "ca-out",
                   .help = "Write the cluster's CA certificate to this file",
                   .placeholder = "FILE",
                   .group = "TLS"},
                  {.name = "fail-task",
                   .type = OptionType::list,
                   .help = "Let a task fail, of a type, of a guest, and which of them (repeatable)",
                   .placeholder = "TYPE[:GUEST[:NTH]]=TEXT",
                   .group = "Trouble"},
                  fault_option(),
                  record_option("request"),
                  die_with_parent_option()},
      .examples = {{"A cluster in which a minute takes a second",
                    "private-cloud-sandbox proxmox --clock 60 --ca-out ca.pem"},
                   {"One in which the first start of guest 101 fails",
                    "private-cloud-sandbox proxmox --fail-task 'qmstart:101:1=start failed: QEMU "
                    "exited with code 1'"}}};
}

CommandSpec delay_command() {
  return {.name = "delay",
          .summary = "Relay TCP connections with added latency",
          .options = {{.name = "to",
                       .help = "Loopback address to relay to",
                       .placeholder = "ADDRESS:PORT",
                       .required = true},
                      {.name = "rtt",
                       .type = OptionType::duration,
                       .default_value = "50ms",
                       .help = "Latency added to every round trip, half of it each way"},
                      listen_option(),
                      die_with_parent_option()},
          .examples = {{"An SSH server that is 50 ms away",
                        "private-cloud-sandbox delay --to 127.0.0.1:22 --rtt 50ms"}}};
}

std::optional<LoopbackAddress> read_address(const Inputs& inputs, const std::string& name,
                                            BadInputs& bad) {
  if (!inputs.has(name)) return std::nullopt;
  auto address = parse_loopback(inputs.text(name));
  if (address) return *std::move(address);
  bad.add(name, address.error());
  return std::nullopt;
}

std::string read_refusal(const Inputs& inputs, const std::string& name, BadInputs& bad) {
  const std::string& refusal = inputs.text(name);
  if (!refusal.empty() && !is_refusal(refusal)) {
    bad.add(
        name, fmt::format("\"{}\" is no answer of the edge", visible(refusal)),
        fmt::format("Write a status from 200 to 599, or one of {}.", join(refusal_names(), ", ")));
  }
  return refusal;
}

AccessPolicy read_access(Inputs& inputs, BadInputs& bad) {
  AccessPolicy policy;
  policy.is_open = inputs.flag("no-auth");
  policy.client_id = inputs.text("client-id");
  policy.client_secret = inputs.take_secret("client-secret");
  policy.token = inputs.take_secret("jwt");
  policy.deny = read_refusal(inputs, "deny", bad);
  policy.refuse = read_refusal(inputs, "refuse", bad);
  if (policy.client_id.empty() != policy.client_secret.empty()) {
    bad.add(policy.client_id.empty() ? "client-id" : "client-secret",
            "a service token needs client-id and client-secret", "Give both, or neither.");
  }
  if (!policy.is_open && policy.refuse.empty() && policy.client_id.empty() &&
      policy.token.empty()) {
    bad.add("client-id", "nobody could pass this gate",
            "Give client-id and client-secret, jwt, no-auth or refuse.");
  }
  return policy;
}

// What cannot be read, as while it is written, is an empty one.
Json read_array(const std::string& file) {
  const auto text = read_input_file(Budget::of(Milliseconds{5'000}), file, 1024 * 1024);
  auto json = text ? parse_json(*text) : Result<Json>(text.error());
  return json && json->as_array() != nullptr ? *std::move(json) : Json::array();
}

std::vector<BastionTarget> read_bastion(const Inputs& inputs, BadInputs& bad) {
  std::vector<BastionTarget> targets;
  for (const std::string& item : inputs.list("bastion")) {
    const auto equals = item.find('=');
    const std::string destination = item.substr(0, equals);
    auto address =
        parse_loopback(equals == std::string::npos ? destination : item.substr(equals + 1));
    if (!address) {
      bad.add("bastion", address.error());
      continue;
    }
    targets.push_back({destination, *std::move(address)});
  }
  return targets;
}

EndStyle read_end(const Inputs& inputs) {
  const std::string& end = inputs.text("end");
  if (end == "fin-only") return EndStyle::fin_only;
  if (end == "close") return EndStyle::close;
  return end == "rst" ? EndStyle::reset : EndStyle::fin;
}

std::optional<ProxySettings> read_proxy(Inputs& inputs, BadInputs& bad) {
  if (!inputs.flag("proxy")) return std::nullopt;
  ProxySettings proxy;
  proxy.user = inputs.text("proxy-user");
  proxy.password = inputs.take_secret("proxy-password");
  proxy.refuse = inputs.text("proxy-refuse");
  if (!proxy.refuse.empty() && !parse_integer(proxy.refuse, 400, 599)) {
    bad.add("proxy-refuse", fmt::format("\"{}\" is no status that refuses", visible(proxy.refuse)),
            "Write a status from 400 to 599.");
  }
  return proxy;
}

TlsSettings read_tls(const Inputs& inputs, BadInputs& bad) {
  TlsSettings tls;
  tls.names = inputs.list("name");
  tls.ca_file = inputs.text("ca-out");
  tls.certificate_file = inputs.text("certificate-file");
  tls.key_file = inputs.text("key-file");
  if (tls.certificate_file.empty() != tls.key_file.empty()) {
    bad.add(tls.key_file.empty() ? "key-file" : "certificate-file",
            "a certificate of one's own needs certificate-file and key-file",
            "Give both, or neither.");
  }
  return tls;
}

Faults read_faults(const Inputs& inputs, FaultServer server, BadInputs& bad) {
  std::vector<Fault> faults;
  for (const std::string& text : inputs.list("fault")) {
    const auto fault = parse_fault(text, server);
    fault ? faults.push_back(*fault) : bad.add("fault", fault.error());
  }
  return Faults(std::move(faults));
}

}  // namespace

ToolSpec sandbox_spec() {
  ToolSpec tool;
  tool.name = "private-cloud-sandbox";
  tool.summary = "Stand-ins on loopback for what a private cloud's deployments talk to";
  tool.commands = {
      edge_command(),    github_command(),
      compass_command(), proxmox_command(),
      delay_command(),   {.name = "faults", .summary = "List what --fault can let go wrong"}};
  return tool;
}

EdgeSettings read_edge_settings(Inputs& inputs, BadInputs& bad) {
  EdgeSettings settings;
  settings.listen = read_address(inputs, "listen", bad).value_or(LoopbackAddress{});
  settings.tls = read_tls(inputs, bad);
  settings.access = read_access(inputs, bad);
  settings.origin = read_address(inputs, "origin", bad);
  settings.origin_unix = inputs.text("origin-unix");
  settings.bastion = read_bastion(inputs, bad);
  const int origins = (inputs.has("origin") ? 1 : 0) + (settings.origin_unix.empty() ? 0 : 1) +
                      (inputs.list("bastion").empty() ? 0 : 1);
  if (origins != 1 && settings.access.refuse.empty()) {
    bad.add("origin", "an edge leads to exactly one kind of origin",
            "Give one of origin, origin-unix and bastion.");
  }
  settings.framing.message_size = static_cast<std::size_t>(inputs.size("message-size"));
  if (settings.framing.message_size == 0) {
    bad.add("message-size", "a message cannot be empty", "Write a size of at least 1B.");
  }
  settings.framing.fragment_size = static_cast<std::size_t>(inputs.integer("fragment"));
  settings.ping_every = inputs.duration("ping-every");
  settings.end = read_end(inputs);
  settings.round_trip = inputs.duration("rtt");
  settings.faults = read_faults(inputs, FaultServer::edge, bad);
  settings.proxy = read_proxy(inputs, bad);
  settings.record_file = inputs.text("record");
  return settings;
}

ApiSettings read_api_settings(const Inputs& inputs, FaultServer server, BadInputs& bad) {
  ApiSettings settings;
  settings.listen = read_address(inputs, "listen", bad).value_or(LoopbackAddress{});
  settings.tls = read_tls(inputs, bad);
  settings.faults = read_faults(inputs, server, bad);
  settings.record_file = inputs.text("record");
  return settings;
}

GithubWorld read_github_world(Inputs& inputs, BadInputs& bad) {
  GithubWorld world;
  world.repository = inputs.text("repo");
  if (const auto good = parse_github_repository(world.repository); !good) {
    bad.add("repo", good.error());
  }
  world.token = inputs.take_secret("token");
  world.statuses = inputs.text("statuses");
  world.deployments = inputs.text("deployments");
  world.checks = inputs.text("checks");
  if (inputs.has("check-runs")) {
    world.check_runs = [file = inputs.text("check-runs")] { return read_array(file); };
  }
  for (const std::string& ref : inputs.list("behind")) world.behind.insert(ref);
  for (const std::string& ref : inputs.list("unmergeable")) world.unmergeable.insert(ref);
  world.commits = inputs.list("commit");
  world.most_statuses = static_cast<int>(inputs.integer("most-statuses"));
  for (const std::string& item : inputs.list("ref")) {
    const std::size_t equals = item.rfind('=');
    if (equals == std::string::npos || equals == 0) {
      bad.add("ref", fmt::format("{} names no commit", shown(item)), "Write it as NAME=SHA.");
      continue;
    }
    world.refs[item.substr(0, equals)] = item.substr(equals + 1);
  }
  return world;
}

CompassWorld read_compass_world(Inputs& inputs) {
  return {.cloud_id = inputs.text("cloud-id"),
          .user = inputs.text("user"),
          .token = inputs.take_secret("token"),
          .components = inputs.list("component"),
          .per_minute = static_cast<int>(inputs.integer("per-minute"))};
}

namespace {

// "qmstart:101:1=text".
void read_failing_task(const std::string& item, ProxmoxSettings& settings, BadInputs& bad) {
  const auto equals = item.find('=');
  const auto words = split(item.substr(0, equals), ':');
  proxmox::InjectedFault fault;
  fault.kind = "task-fails";
  fault.subject = words[0];
  const auto number = [&](std::size_t place) {
    if (words.size() <= place) return Result<std::int64_t>(0);
    return parse_integer(words[place], 0, 999'999'999);
  };
  const auto guest = number(1);
  const auto nth = number(2);
  if (equals == std::string::npos || words[0].empty() || words.size() > 3 || !guest || !nth) {
    bad.add("fail-task", fmt::format("{} says no task that fails", shown(item)),
            "Write it as TYPE=TEXT, TYPE:GUEST=TEXT or TYPE:GUEST:NTH=TEXT.");
    return;
  }
  fault.guest = static_cast<int>(*guest);
  fault.nth = static_cast<int>(*nth);
  fault.text = item.substr(equals + 1);
  settings.injected.push_back(std::move(fault));
}

}  // namespace

ProxmoxSettings read_proxmox_settings(Inputs& inputs, BadInputs& bad) {
  ProxmoxSettings settings;
  settings.port = static_cast<std::uint16_t>(inputs.integer("port"));
  settings.node_count = static_cast<std::size_t>(inputs.integer("node-count"));
  settings.version = inputs.text("release") == "9.2"   ? "9.2.11"
                     : inputs.text("release") == "8.4" ? "8.4.14"
                                                       : "8.2.10";
  settings.speed = static_cast<int>(inputs.integer("clock"));
  settings.application_port = static_cast<std::uint16_t>(inputs.integer("application-port"));
  settings.ca_file = inputs.text("ca-out");
  settings.record_file = inputs.text("record");
  settings.faults = read_faults(inputs, FaultServer::proxmox, bad);
  for (const std::string& item : inputs.list("fail-task")) read_failing_task(item, settings, bad);
  if (const Secret token = inputs.take_secret("token"); !token.empty()) {
    const std::string text(token.expose());
    const auto equals = text.find('=');
    const auto mark = text.find('!');
    if (equals == std::string::npos || mark == std::string::npos || mark > equals ||
        text.find('@') > mark) {
      bad.add("token", "it is no token", "Write it as USER@REALM!ID=SECRET.");
    } else {
      settings.tokens.push_back({text.substr(0, equals), text.substr(equals + 1), false});
    }
  }
  return settings;
}

DelaySettings read_delay_settings(const Inputs& inputs, BadInputs& bad) {
  DelaySettings settings;
  settings.listen = read_address(inputs, "listen", bad).value_or(LoopbackAddress{});
  settings.target = read_address(inputs, "to", bad).value_or(LoopbackAddress{});
  settings.round_trip = inputs.duration("rtt");
  return settings;
}

}  // namespace pca::sandbox
