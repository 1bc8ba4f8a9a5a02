#include "proxmox-deploy/api_inputs.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "cli/input_file.hpp"
#include "net/http_over_ssh.hpp"
#include "net/tls.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr Milliseconds file_limit{10'000};        // for a file that is a pipe
constexpr std::uint64_t text_limit = 4ULL << 20;  // CA bundles
constexpr std::uint16_t api_port = 8006;
constexpr std::uint16_t https_port = 443;
constexpr int oldest_supported = 8;
constexpr int newest_supported = 9;

bool is_access(const Inputs& inputs) { return inputs.text("api-via") == "access"; }

void read_hosts(const Inputs& inputs, ApiWay& way, BadInputs& bad) {
  for (std::string text : inputs.list("api")) {
    // As it is in the address bar.
    if (text.starts_with("https://")) text = text.substr(8);
    while (text.ends_with('/')) text.pop_back();
    const std::string cure =
        "Write a node's name or address, as pve1.example.com or 10.0.0.11:8006.";
    auto address = parse_host_address(text, is_access(inputs) ? https_port : api_port);
    const bool is_odd = text.find("//") != std::string::npos ||
                        text.find('@') != std::string::npos || text.find('/') != std::string::npos;
    if (!address || is_odd) {
      bad.add("api", address ? fmt::format("{} is no host", shown(text)) : address.error().message,
              cure);
      continue;
    }
    if (std::find(way.hosts.begin(), way.hosts.end(), *address) != way.hosts.end()) {
      bad.add("api", fmt::format("{} is given twice", shown(text)), "Give it once.");
      continue;
    }
    way.hosts.push_back(*std::move(address));
  }
}

bool is_token(std::string_view text) {
  const std::size_t at = text.find('@');
  const std::size_t mark = text.find('!', at == std::string_view::npos ? 0 : at);
  const std::size_t equals = text.find('=', mark == std::string_view::npos ? 0 : mark);
  if (at == std::string_view::npos || mark == std::string_view::npos ||
      equals == std::string_view::npos) {
    return false;
  }
  const bool has_parts = at > 0 && mark > at + 1 && equals > mark + 1 && equals + 1 < text.size();
  return has_parts && text.find_first_of(" \t\r\n") == std::string_view::npos;
}

void read_token(ToolContext& context, Inputs& inputs, ApiWay& way, BadInputs& bad) {
  constexpr std::string_view scheme = "PVEAPIToken=";
  const Secret given = inputs.take_secret("api-token");
  std::string_view token = given.expose();
  if (token.empty()) return;
  if (token.starts_with(scheme)) token.remove_prefix(scheme.size());
  if (!is_token(token)) {
    bad.add("api-token", "is no API token",
            "Write USER@REALM!TOKENID=UUID: `pveum user token add USER@REALM TOKENID` prints both "
            "parts.");
    return;
  }
  // The UUID alone is as secret.
  (void)context.redactor.protect(std::string(token.substr(token.find('=') + 1)));
  way.token = std::make_shared<const Secret>(
      context.redactor.protect(std::string(scheme) + std::string(token)));
}

std::string pem_of(const Inputs& inputs, BadInputs& bad) {
  const std::string& text = inputs.text("api-ca");
  if (text.empty() || text.find("-----BEGIN") != std::string::npos) return text;
  auto content = read_input_file(Budget::of(file_limit), std::string(trim(text)), text_limit);
  if (content) return *std::move(content);
  bad.add("api-ca", content.error());
  return {};
}

void read_trust(ToolContext& context, const Inputs& inputs, ApiWay& way, BadInputs& bad) {
  auto tls = std::make_shared<TlsSettings>();
  tls->ca = pem_of(inputs, bad);
  if (const auto checked = check_ca(*tls); !checked && !bad.names("api-ca")) {
    bad.add("api-ca", checked.error());
  }
  for (const std::string& text : inputs.list("api-fingerprint")) {
    auto fingerprint = parse_fingerprint(text);
    if (fingerprint) {
      tls->fingerprints.push_back(*std::move(fingerprint));
    } else {
      bad.add("api-fingerprint", fingerprint.error());
    }
  }
  tls->trusts_anybody = inputs.flag("api-insecure");
  const int ways = (inputs.has("api-ca") ? 1 : 0) + (inputs.has("api-fingerprint") ? 1 : 0) +
                   (tls->trusts_anybody ? 1 : 0);
  if (ways > 1) {
    bad.add("api-ca",
            "is given together with api-fingerprint or api-insecure, of which only one can count",
            "Keep one of api-ca, api-fingerprint and api-insecure.");
  }
  if (tls->trusts_anybody && bad.empty()) {
    context.reporter.warning(
        "api-insecure: whoever answers at the API's address gets the token, because no certificate "
        "is checked. Give api-fingerprint instead: \"proxmox-deploy doctor\" prints it.");
  }
  way.tls = std::move(tls);
}

// An Access application in front of the API wants a service token's headers.
void read_access(ToolContext& context, Inputs& inputs, ApiWay& way, BadInputs& bad) {
  const std::string& id = inputs.text("access-client-id");
  Secret secret = inputs.take_secret("access-client-secret");
  Secret token = inputs.take_secret("access-token");
  const auto add = [&](const char* name, Secret value) {
    way.secret_headers.emplace_back(name, std::make_shared<const Secret>(std::move(value)));
  };
  if (!token.empty()) {
    add("cf-access-token", std::move(token));
  } else if (id.empty() || secret.empty()) {
    bad.add(id.empty() ? "access-client-id" : "access-client-secret",
            "is missing, but api-via is access",
            "Give both parts of a service token, or access-token.");
  } else {
    add("CF-Access-Client-Id", context.redactor.protect(std::string(id)));
    add("CF-Access-Client-Secret", std::move(secret));
  }
  way.reaches_nodes = false;
}

// All connections leave from the host; each node's go by an SSH connection of their own, or all by
// the job's open session.
void read_ssh(ToolContext& context, Inputs& inputs, ApiWay& way, BadInputs& bad) {
  if (!inputs.has("host")) {
    bad.add("host", "is missing, but api-via is ssh",
            "Give the host that reaches the API, as deploy@gate.example.com.");
    return;
  }
  auto settings =
      std::make_shared<const ConnectionSettings>(read_connection_inputs(context, inputs, bad));
  if (settings->hosts.empty()) return;
  const ConnectObserver observer = log_observer(context.reporter, *settings);
  way.connect_limit = connect_limit(*settings);
  way.make_transport = [settings, observer](const HostAddress& to) {
    const HostAddress& host = settings->hosts.front();
    auto through = std::make_shared<SshWay>(
        std::vector<SshTarget>{{SshTarget::Kind::tcp, to.name, to.port}}, settings, host, observer);
    return make_http_over_ssh(std::move(through),
                              fmt::format("{}:{} on {}", to.name, to.port, host.text()));
  };
}

bool is_for_access(const std::string& name) {
  return name == "access-client-id" || name == "access-client-secret" || name == "access-token";
}

void refuse_others(const Inputs& inputs, BadInputs& bad) {
  const std::string& via = inputs.text("api-via");
  for (const Option& option : connection_options(Hosts::one)) {
    const bool is_used =
        option.name == "connect-timeout" || (via == "access" && is_for_access(option.name));
    if (is_used || !inputs.has(option.name)) continue;
    bad.add(option.name, fmt::format("is given, but api-via is {}", via),
            via == "access" || is_for_access(option.name)
                ? "Leave it out, or set api-via to what it is for: ssh reaches the API from a host."
                : "Set api-via to ssh to reach the API from that host, or leave it out.");
  }
}

}  // namespace

std::vector<Option> api_options() {
  const std::string group = "Proxmox VE";
  std::vector<Option> options{
      {.name = "api",
       .type = OptionType::list,
       .help = "Nodes of the cluster, one a line: NAME[:8006]; when one does not answer, the next "
               "one is asked",
       .placeholder = "NAME[:PORT]",
       .required = true,
       .group = group},
      {.name = "api-via",
       .type = OptionType::choice,
       .default_value = "direct",
       .help = "How to get there: direct is TCP from here, access is an HTTPS hostname behind "
               "Cloudflare Access, ssh is from host",
       .choices = {"direct", "access", "ssh"},
       .group = group},
      {.name = "api-token",
       .type = OptionType::secret,
       .help = "API token: USER@REALM!TOKENID=UUID",
       .required = true,
       .group = group},
      {.name = "api-ca",
       .type = OptionType::verbatim,
       .help = "CA certificates that the API's certificate is checked by: PEM text, or the path of "
               "a file; a cluster's own is /etc/pve/pve-root-ca.pem; default: those of this "
               "machine",
       .placeholder = "PEM|PATH",
       .group = group},
      {.name = "api-fingerprint",
       .type = OptionType::list,
       .help = "SHA-256 fingerprints of the certificates to trust instead, one a line; those of "
               "the other nodes are learnt from the one that is trusted",
       .placeholder = "AB:CD:...",
       .group = group},
      {.name = "api-insecure",
       .type = OptionType::boolean,
       .default_value = "false",
       .help = "Check no certificate, with a warning: whoever answers gets the token",
       .group = group},
  };
  for (Option& option : connection_options(Hosts::one)) {
    if (option.name == "host") {
      option.required = false;
      option.help =
          "With api-via ssh: the host that reaches the API, [user@]name[:port] or [v6]:port";
    }
    options.push_back(std::move(option));
  }
  return options;
}

ApiWay read_api_inputs(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  ApiWay way;
  read_hosts(inputs, way, bad);
  read_token(context, inputs, way, bad);
  read_trust(context, inputs, way, bad);
  way.connect_limit = inputs.duration("connect-timeout");
  if (way.connect_limit <= Milliseconds{0}) {
    bad.add("connect-timeout", "leaves no time to connect", "Write a duration such as 15s.");
  }
  refuse_others(inputs, bad);
  if (is_access(inputs)) read_access(context, inputs, way, bad);
  if (inputs.text("api-via") == "ssh") read_ssh(context, inputs, way, bad);
  return way;
}

ApiResult<std::unique_ptr<ProxmoxApi>> connect_api(const Budget& budget, ToolContext& context,
                                                   const ApiWay& way) {
  Reporter& reporter = context.reporter;
  PCA_TRY(auto api, ProxmoxApi::connect(budget, way, [&reporter](const std::string& text) {
            reporter.info(text);
          }));
  const int major = api->major_version();
  if (major < oldest_supported) {
    reporter.warning(
        fmt::format("{} runs Proxmox VE {}, which is not supported (8 and 9 are): what "
                    "it lacks fails where it is needed",
                    api->host(), api->version()));
  } else if (major > newest_supported) {
    reporter.notice(fmt::format("{} runs Proxmox VE {}, which is newer than what this was made for",
                                api->host(), api->version()));
  }
  return api;
}

Option timeout_option(const char* default_value, std::string help) {
  return {.name = "timeout",
          .type = OptionType::duration,
          .default_value = default_value,
          .help = std::move(help),
          .group = "Waiting"};
}

}  // namespace pca::proxmox_deploy
