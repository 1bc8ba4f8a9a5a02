#include "swarm-deploy/engine_inputs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "base/text.hpp"
#include "cli/input_file.hpp"
#include "net/engine_over_ssh.hpp"
#include "net/tls.hpp"
#include "swarm-deploy/stack_inputs.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr Milliseconds file_limit{10'000};        // for a file that is a pipe
constexpr Milliseconds manager_limit{10'000};     // for an Engine to say whether it manages
constexpr std::uint64_t text_limit = 4ULL << 20;  // CA bundles
constexpr std::array<const char*, 3> tls_inputs{"engine-ca", "engine-cert", "engine-key"};

// PEM text as it is, or the content of the file that is named in its place.
std::string pem_of(const Inputs& inputs, const std::string& name, BadInputs& bad) {
  const std::string& text = inputs.text(name);
  if (text.empty() || text.find("-----BEGIN") != std::string::npos) return text;
  auto content = read_input_file(Budget::of(file_limit), std::string(trim(text)), text_limit);
  if (content) return *std::move(content);
  bad.add(name, content.error());
  return {};
}

void check(const std::string& name, const Result<>& checked, BadInputs& bad) {
  if (!checked && !bad.names(name)) bad.add(name, checked.error());
}

std::shared_ptr<const TlsSettings> read_tls(Inputs& inputs, BadInputs& bad) {
  auto tls = std::make_shared<TlsSettings>();
  tls->ca = pem_of(inputs, "engine-ca", bad);
  tls->certificate = pem_of(inputs, "engine-cert", bad);
  tls->key = inputs.take_secret("engine-key");
  check("engine-ca", check_ca(*tls), bad);
  check("engine-cert", check_certificate(*tls), bad);
  check("engine-key", check_key(*tls), bad);
  const bool has_certificate = inputs.has("engine-cert");
  if (has_certificate != inputs.has("engine-key")) {
    bad.add(
        has_certificate ? "engine-key" : "engine-cert",
        fmt::format("is missing, but {} is given", has_certificate ? "engine-cert" : "engine-key"),
        "Give both: an Engine that asks for a certificate asks for the proof that it is yours.");
  }
  return tls;
}

std::vector<EngineEndpoint> read_endpoints(Inputs& inputs, BadInputs& bad) {
  const auto tls = read_tls(inputs, bad);
  std::vector<EngineEndpoint> endpoints;
  for (const std::string& text : inputs.list("engine")) {
    auto endpoint = parse_engine_endpoint(text, tls);
    if (!endpoint) {
      bad.add("engine", endpoint.error());
      continue;
    }
    endpoint->connect_limit = inputs.duration("connect-timeout");
    endpoints.push_back(*std::move(endpoint));
  }
  const bool has_tcp = std::any_of(endpoints.begin(), endpoints.end(),
                                   [](const EngineEndpoint& one) { return !one.host.empty(); });
  for (const char* name : tls_inputs) {
    if (has_tcp || !inputs.has(name) || bad.names("engine")) continue;
    bad.add(name, "is given, but engine is no tcp:// address",
            "Leave it out, or give tcp://NAME:PORT as engine.");
  }
  return endpoints;
}

// Without a host there is nothing to log in to.
void refuse_connection_inputs(const Inputs& inputs, BadInputs& bad) {
  for (const Option& option : connection_options()) {
    const bool is_shared = option.name == "connect-timeout" || option.name == "host";
    if (is_shared || !inputs.has(option.name)) continue;
    bad.add(option.name, "is given, but host is not",
            "Give host to reach the Engine through SSH, or leave this out.");
  }
}

}  // namespace

std::vector<Option> engine_options() {
  const std::string group = "Swarm";
  std::vector<Option> options{
      {.name = "engine",
       .type = OptionType::list,
       .default_value = "unix:///var/run/docker.sock",
       .help =
           "The Docker Engine of a manager, as seen from the host where one is given, else from "
           "here; several managers of one swarm, one a line, are tried in this order",
       .placeholder = "unix://PATH|tcp://NAME:PORT",
       .group = group},
      {.name = "engine-ca",
       .type = OptionType::verbatim,
       .help = "CA certificates that a tcp:// Engine's certificate is checked by: PEM text, or the "
               "path of a file; default: those of this machine",
       .placeholder = "PEM|PATH",
       .group = group},
      {.name = "engine-cert",
       .type = OptionType::verbatim,
       .help = "Certificate to show to a tcp:// Engine: PEM text, or the path of a file",
       .placeholder = "PEM|PATH",
       .group = group},
      {.name = "engine-key",
       .type = OptionType::secret,
       .help = "Private key of engine-cert, without a passphrase",
       .group = group},
  };
  for (Option& option : connection_options()) {
    if (option.name == "host") {
      option.required = false;
      option.help =
          "Managers to reach the Engine through, by SSH: [user@]name[:port] or [v6]:port; several "
          "managers of one swarm, one a line, are tried in this order";
    }
    options.push_back(std::move(option));
  }
  return options;
}

std::vector<EngineEndpoint> read_engine_inputs(ToolContext& context, Inputs& inputs,
                                               BadInputs& bad) {
  std::vector<EngineEndpoint> endpoints = read_endpoints(inputs, bad);
  if (inputs.list("host").empty()) {
    refuse_connection_inputs(inputs, bad);
    return endpoints;
  }
  auto settings =
      std::make_shared<const ConnectionSettings>(read_connection_inputs(context, inputs, bad));
  std::vector<EngineEndpoint> through;
  for (const HostAddress& host : settings->hosts) {
    for (const EngineEndpoint& endpoint : endpoints) {
      through.push_back(
          engine_over_ssh(endpoint, settings, host, log_observer(context.reporter, *settings)));
    }
  }
  return through;
}

Result<std::unique_ptr<Engine>> connect_manager(const Budget& budget, ToolContext& context,
                                                const std::vector<EngineEndpoint>& engines) {
  const auto say = [&](const std::string& text) { context.reporter.info(text); };
  return Engine::connect_manager(budget, engines, say);
}

ManagerInputs read_manager_inputs(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  ManagerInputs out;
  out.stack = read_stack_name(inputs, bad);
  out.engines = read_engine_inputs(context, inputs, bad);
  return out;
}

Result<std::unique_ptr<Engine>> connect_manager(ToolContext& context, const ManagerInputs& inputs) {
  Milliseconds limit{};
  for (const EngineEndpoint& engine : inputs.engines) limit += engine.connect_limit + manager_limit;
  return connect_manager(Budget::of(limit, context.stop), context, inputs.engines);
}

Option registry_option() {
  return {.name = "registry-auth",
          .type = OptionType::secret,
          .help =
              "Credentials of registries, one a line: REGISTRY USER PASSWORD. They serve to look "
              "up digests, and the swarm keeps them with the services whose images are there",
          .group = "Images"};
}

RegistryLogins read_registries(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const Secret given = inputs.take_secret("registry-auth");
  auto logins = RegistryLogins::parse(given.expose(), context.redactor);
  if (logins) {
    for (const std::string& warning : logins->warnings()) {
      context.reporter.warning(Warning{"Registries", warning});
    }
    return *std::move(logins);
  }
  bad.add("registry-auth", logins.error());
  return {};
}

}  // namespace pca::swarm_deploy
