#include "cli/connection_inputs.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/build_info.hpp"
#include "base/digest.hpp"
#include "base/text.hpp"
#include "cli/input_file.hpp"
#include "net/http.hpp"
#include "net/ssh.hpp"
#include "net/ssh_key.hpp"

namespace pca {

namespace {

constexpr Milliseconds file_limit{10'000};        // for a file that is a pipe
constexpr std::uint64_t text_limit = 4ULL << 20;  // known_hosts, CA bundles
constexpr std::size_t longest_header = 8192;      // Access tokens, as the edge takes them
constexpr std::string_view certificate_type = "-cert-v01@openssh.com";

// "1 key", "2 keys".
std::string counted(std::size_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

Option host_option(Hosts hosts) {
  const std::string help = "Where to go: [user@]name[:port] or [v6]:port";
  return {.name = "host",
          .type = hosts == Hosts::many ? OptionType::list : OptionType::text,
          .help = hosts == Hosts::many ? help + "; one a line" : help,
          .placeholder = "HOST",
          .required = true,
          .group = "Connection"};
}

std::vector<Option> way_options() {
  const std::string group = "Connection";
  return {
      {.name = "via",
       .type = OptionType::choice,
       .default_value = "direct",
       .help = "How to get there: access is a Cloudflare Access edge, direct is TCP",
       .choices = {"access", "direct"},
       .group = group},
      {.name = "user",
       .help = "User to log in as where the host names none; there is no default",
       .placeholder = "USER",
       .group = group},
      {.name = "port",
       .type = OptionType::integer,
       .default_value = "22",
       .help = "SSH port of hosts that name none",
       .least = 1,
       .most = 65535,
       .group = group},
      {.name = "connect-timeout",
       .type = OptionType::duration,
       .default_value = "15s",
       .help = "Time limit of each try to connect to each hop",
       .group = group},
      {.name = "tries",
       .type = OptionType::integer,
       .default_value = "3",
       .help = "How often to try what may pass: DNS, TCP, edge and key exchange, never the login",
       .least = 1,
       .most = 20,
       .group = group},
  };
}

std::vector<Option> access_options() {
  const std::string group = "Cloudflare Access";
  return {
      {.name = "access-hostname",
       .help =
           "Hostname of the Access application, with a path where it has one; default: the name of "
           "the first hop",
       .placeholder = "NAME[/PATH]",
       .group = group},
      {.name = "access-port",
       .type = OptionType::integer,
       .default_value = "443",
       .help = "Port of the edge",
       .least = 1,
       .most = 65535,
       .group = group},
      {.name = "access-client-id",
       .help = "Client ID of a service token",
       .placeholder = "ID",
       .group = group},
      {.name = "access-client-secret",
       .type = OptionType::secret,
       .help = "Client secret of the service token",
       .group = group},
      {.name = "access-token",
       .type = OptionType::secret,
       .help = "A JWT of Access instead of a service token",
       .group = group},
      {.name = "access-destination",
       .help = "Where a bastion tunnel is to connect to, behind the edge",
       .placeholder = "HOST:PORT",
       .group = group},
      {.name = "access-ca",
       .help = "File with the CA certificates of a private edge; default: those of this machine",
       .placeholder = "PATH",
       .group = group},
      {.name = "access-connect-to",
       .help = "Address to connect to in place of what DNS says of the edge",
       .placeholder = "HOST:PORT",
       .group = group},
  };
}

std::vector<Option> login_options() {
  const std::string group = "Login";
  return {
      {.name = "key",
       .type = OptionType::secret,
       .help = "Private key: OpenSSH, PEM or PKCS8",
       .group = group},
      {.name = "key-file",
       .help = "File with the private key, instead of key; - is stdin",
       .placeholder = "PATH|-",
       .group = group},
      {.name = "passphrase",
       .type = OptionType::secret,
       .help = "Passphrase of the private key",
       .group = group},
      {.name = "password",
       .type = OptionType::secret,
       .help = "Password of the host's account, tried last; no jump host is told it",
       .group = group},
      {.name = "certificate",
       .type = OptionType::verbatim,
       .help = "OpenSSH user certificate that belongs to the private key",
       .group = group},
      {.name = "agent",
       .help = "Socket of an SSH agent to use; true is the one SSH_AUTH_SOCK names",
       .placeholder = "PATH|true",
       .group = group},
  };
}

std::vector<Option> trust_options() {
  const std::string group = "Host keys";
  return {
      {.name = "known-hosts",
       .type = OptionType::verbatim,
       .help = "known_hosts lines of the hosts and jump hosts, as tunnel-ssh pin prints them",
       .group = group},
      {.name = "known-hosts-file",
       .help = "File with such lines, instead of known-hosts; - is stdin",
       .placeholder = "PATH|-",
       .group = group,
       .takes_stdin = true},
      {.name = "host-key",
       .type = OptionType::list,
       .help = "SHA256 fingerprints of host keys to trust, one a line",
       .placeholder = "SHA256:...",
       .group = group},
      {.name = "host-key-policy",
       .type = OptionType::choice,
       .default_value = "strict",
       .help = "strict refuses a key that nothing vouches for, accept-new accepts one of a host "
               "nothing is known about, insecure accepts any and warns",
       .choices = {"strict", "accept-new", "insecure"},
       .group = group},
  };
}

std::vector<Option> jump_options() {
  const std::string group = "Jump hosts";
  return {
      {.name = "jump",
       .type = OptionType::list,
       .help = "Hosts to pass through, in this order: [user@]name[:port], one a line",
       .placeholder = "HOST",
       .group = group},
      {.name = "jump-keys",
       .type = OptionType::secret,
       .help = "Private keys of the jump hosts, one after the other in their order; default: key",
       .group = group},
      {.name = "jump-passphrases",
       .type = OptionType::secret,
       .help = "Passphrases of the jump-keys, one a line in their order, an empty line for none",
       .group = group},
  };
}

// Reads the file an input names; empty after a mistake.
std::string content_of(const std::string& name, const std::string& path, BadInputs& bad) {
  auto content = read_input_file(Budget::of(file_limit), path, text_limit);
  if (content) return *std::move(content);
  bad.add(name, content.error());
  return {};
}

bool is_visible_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F; });
}

// Checks everything about connecting, part by part, in the order of the option table.
class ConnectionReader {
 public:
  ConnectionReader(Inputs& inputs, Redactor& redactor, BadInputs& bad,
                   const std::function<void(std::string)>& say, Login login)
      : inputs_(inputs), redactor_(redactor), bad_(bad), say_(say), login_(login) {}

  ConnectionSettings read() {
    read_hosts();
    read_jumps();
    read_limits();
    read_access();
    read_key();
    read_other_logins();
    check_logins();
    read_jump_keys();
    read_pins();
    return std::move(settings_);
  }

 private:
  void say(const std::string& text) const {
    if (say_) say_(text);
  }

  std::vector<HostAddress> addresses(const std::string& name, std::uint16_t port) {
    const std::size_t blanks = inputs_.blank_items(name);
    if (blanks > 0) {
      say(fmt::format("{}: {} blank {} left out.", name, blanks,
                      blanks == 1 ? "entry was" : "entries were"));
    }
    const auto is_same = [this](const HostAddress& one, const HostAddress& other) {
      const auto user_of = [this](const HostAddress& address) {
        return address.user.empty() ? settings_.user : address.user;
      };
      return one.name == other.name && one.port == other.port && user_of(one) == user_of(other);
    };
    std::vector<HostAddress> found;
    std::vector<std::string> texts = inputs_.list(name);
    if (!inputs_.text(name).empty()) texts.push_back(inputs_.text(name));  // the only one
    for (const std::string& text : texts) {
      auto address = parse_host_address(text, port);
      if (!address) {
        bad_.add(name, address.error());
      } else if (std::any_of(found.begin(), found.end(),
                             [&](const HostAddress& other) { return is_same(other, *address); })) {
        bad_.add(name, fmt::format("{} is given twice", address->text()), "Give it once.");
      } else {
        found.push_back(*std::move(address));
      }
    }
    return found;
  }

  void read_hosts() {
    settings_.user = inputs_.text("user");
    const auto is_wrong = [](char c) { return c == ' ' || c == ':' || c == '/'; };
    if (settings_.user.starts_with('-') ||
        std::any_of(settings_.user.begin(), settings_.user.end(), is_wrong)) {
      bad_.add("user", fmt::format("{} is no user name", shown(settings_.user)),
               "Give only the name; a password belongs in the input password.");
    }
    settings_.hosts = addresses("host", static_cast<std::uint16_t>(inputs_.integer("port")));
  }

  void read_jumps() {
    for (HostAddress& address : addresses("jump", 22)) {
      ConnectionSettings::Hop hop;
      hop.address = std::move(address);
      settings_.jumps.push_back(std::move(hop));
    }
  }

  void read_limits() {
    settings_.connect_timeout = inputs_.duration("connect-timeout");
    if (settings_.connect_timeout <= Milliseconds{0}) {
      bad_.add("connect-timeout", "leaves no time to connect", "Write a duration such as 15s.");
    }
    settings_.retry.tries = static_cast<int>(inputs_.integer("tries"));
  }

  // ---- Access

  void read_access() {
    const bool through_access = inputs_.text("via") == "access";
    settings_.via = through_access ? Via::access : Via::direct;
    if (!through_access && !bad_.names("via")) refuse_access_inputs();
    AccessSettings& access = settings_.access;
    access.port = static_cast<std::uint16_t>(inputs_.integer("access-port"));
    access.client_id = inputs_.text("access-client-id");
    access.user_agent = fmt::format("private-cloud-actions/{}", project_version());
    read_access_secrets();
    read_access_destination();
    if (through_access) {
      read_access_hostname();
      if (auto proxies = check_proxy_variables(); !proxies) bad_.add({}, proxies.error());
    }
  }

  void refuse_access_inputs() {
    for (const char* name :
         {"access-hostname", "access-port", "access-client-id", "access-client-secret",
          "access-token", "access-destination", "access-ca", "access-connect-to"}) {
      if (!inputs_.has(name)) continue;
      bad_.add(name, "is given, but via is direct",
               "Set via to access to go through the edge, or leave this out.");
    }
  }

  void read_access_hostname() {
    const std::string& given = inputs_.text("access-hostname");
    if (given.empty()) {
      check_names_of_first_hops();
      return;
    }
    const std::size_t slash =
        given.find("://") == std::string::npos ? given.find('/') : given.size();
    const std::string hostname = given.substr(0, slash);
    if (hostname.size() < given.size()) settings_.access.path = given.substr(slash);
    if (!is_visible_ascii(settings_.access.path)) {
      bad_.add("access-hostname", "has a path that holds a blank or another character of no URL",
               "Write such characters as percent codes, a blank as %20.");
    }
    const auto address = parse_host_address(hostname, 0);
    const std::string cure = "Write the name alone, such as ssh.example.com.";
    if (!address) {
      bad_.add("access-hostname", address.error().message, cure);
    } else if (!address->user.empty()) {
      bad_.add("access-hostname", fmt::format("{} names a user", shown(hostname)), cure);
    } else if (address->port != 0) {
      bad_.add("access-hostname", fmt::format("{} names a port", shown(hostname)),
               "Write the name alone; a port of the edge belongs in access-port.");
    } else if (is_ip_address(address->name)) {
      bad_.add("access-hostname", fmt::format("{} is an address", shown(hostname)),
               "Write the name of the Access application: its certificate is checked by name.");
    } else {
      settings_.access.hostname = address->name;
    }
    if (settings_.hosts.size() > 1 && settings_.jumps.empty()) {
      bad_.add("access-hostname",
               fmt::format("leads to one machine, but {} hosts are given", settings_.hosts.size()),
               "Leave it out where each host's name is its Access hostname, or reach them through "
               "a jump host.");
    }
  }

  // Where no access-hostname is given, the first hop's own name is used.
  void check_names_of_first_hops() {
    std::vector<HostAddress> first = settings_.hosts;
    if (!settings_.jumps.empty()) first = {settings_.jumps.front().address};
    for (const HostAddress& address : first) {
      if (!is_ip_address(address.name)) continue;
      bad_.add("access-hostname",
               fmt::format("is missing: {} is an address, not a name", address.name),
               "Give the name of the Access application.");
    }
  }

  void read_access_secrets() {
    AccessSettings& access = settings_.access;
    access.client_secret = header_secret("access-client-secret");
    access.token = header_secret("access-token");
    const bool has_id = inputs_.has("access-client-id");
    const bool has_secret = inputs_.has("access-client-secret");
    if (has_id && !is_visible_ascii(access.client_id)) {
      bad_.add("access-client-id", "holds a character that no client ID has",
               "Copy it as it was shown, such as 0123abcd.access.");
    }
    if (has_id && !has_secret) {
      bad_.add("access-client-secret", "is missing, but access-client-id is given",
               "Give both parts of the service token.");
    }
    if (has_secret && !has_id) {
      bad_.add("access-client-id", "is missing, but access-client-secret is given",
               "Give both parts of the service token.");
    }
    if (inputs_.has("access-token") && (has_id || has_secret)) {
      bad_.add("access-token", "is given together with a service token",
               "Give either the token or access-client-id and access-client-secret.");
    }
    const std::string_view token = access.token.expose();
    if (!token.empty() && std::count(token.begin(), token.end(), '.') != 2) {
      bad_.add(
          "access-token", "is no JWT: that has three parts with dots between them",
          "Give the token of `cloudflared access token`, or a service token by its two inputs.");
    }
  }

  // A secret that goes into a header; empty after a mistake.
  Secret header_secret(const std::string& name) {
    Secret secret = inputs_.take_secret(name);
    if (is_visible_ascii(secret.expose()) && secret.size() <= longest_header) return secret;
    bad_.add(name, "holds a blank, a line break or another character that it cannot have",
             "Copy it again, without quotes or blanks around it.");
    return {};
  }

  void read_access_destination() {
    AccessSettings& access = settings_.access;
    access.destination = host_and_port("access-destination");
    access.connect_to = host_and_port("access-connect-to");
    const std::string& ca_file = inputs_.text("access-ca");
    if (ca_file.empty()) return;
    const std::string content = content_of("access-ca", ca_file, bad_);
    if (bad_.names("access-ca")) return;
    if (content.find("-----BEGIN CERTIFICATE-----") == std::string::npos &&
        content.find("-----BEGIN TRUSTED CERTIFICATE-----") == std::string::npos) {
      bad_.add("access-ca", fmt::format("{} holds no PEM certificate", shown(ca_file)),
               "Name a file with -----BEGIN CERTIFICATE----- in it.");
    }
    access.ca_file = ca_file;
  }

  std::string host_and_port(const std::string& name) {
    const std::string& text = inputs_.text(name);
    if (text.empty()) return {};
    const auto address = parse_host_address(text, 0);
    const std::string cure = "Write host:port, such as 10.0.0.5:22.";
    if (!address) {
      bad_.add(name, address.error().message, cure);
    } else if (!address->user.empty()) {
      bad_.add(name, fmt::format("{} names a user", shown(text)), cure);
    } else if (address->port == 0) {
      bad_.add(name, fmt::format("{} has no port", shown(text)), cure);
    }
    return text;
  }

  // ---- login

  void read_key() {
    const Secret given = inputs_.take_secret("key");
    settings_.passphrase = inputs_.take_secret("passphrase");
    if (!given.empty()) {
      settings_.key = checked_key("key", given.expose(), "passphrase", settings_.passphrase);
    } else if (!settings_.passphrase.empty() && !inputs_.has("key")) {
      bad_.add("passphrase", "is given without a key", "Give key or key-file too.");
    }
  }

  // The key ready for use; empty after a mistake.
  Secret checked_key(const std::string& name, std::string_view text,
                     const std::string& passphrase_name, const Secret& passphrase) {
    auto repaired = repair_key(text);
    if (!repaired) {
      bad_.add(name, repaired.error());
      return {};
    }
    if (!repaired->repairs.empty()) {
      say(fmt::format("{}: put right: {}.", name, join(repaired->repairs, ", ")));
    }
    const bool encrypted = repaired->encrypted;
    Secret key = redactor_.protect(std::move(repaired->text));
    if (!encrypted && !passphrase.empty()) {
      say(fmt::format("{}: not needed, the key is not encrypted.", passphrase_name));
    }
    if (auto checked = check_passphrase(key, passphrase); !checked) {
      bad_.add(encrypted ? passphrase_name : name, checked.error());
      return {};
    }
    return key;
  }

  void read_other_logins() {
    settings_.password = inputs_.take_secret("password");
    read_certificate();
    read_agent();
  }

  void read_certificate() {
    const std::string text(trim(inputs_.text("certificate")));
    if (text.empty()) return;
    const std::string cure = "Give the content of the -cert.pub file that ssh-keygen -s made.";
    const std::vector<std::string> words = split_list(replaced(text, ' ', '\n'));
    const auto blob =
        words.size() < 2 ? Result<std::string>(bad_input("")) : base64_decode(words[1]);
    if (text.find('\n') != std::string::npos) {
      bad_.add("certificate", "has more than one line", cure);
    } else if (!words.front().ends_with(certificate_type)) {
      bad_.add("certificate",
               fmt::format("{} is no type of a user certificate", shown(words.front())), cure);
    } else if (!blob || blob->find(words.front()) != 4) {  // behind its length, RFC 4251 section 5
      bad_.add("certificate", "is damaged or cut short", cure);
    } else if (!inputs_.has("key")) {
      bad_.add("certificate", "is given without a key", "Give the private key it belongs to.");
    }
    settings_.certificate = text;
  }

  static std::string replaced(std::string text, char from, char to) {
    std::replace(text.begin(), text.end(), from, to);
    return text;
  }

  void read_agent() {
    const std::string& agent = inputs_.text("agent");
    if (agent.empty() || agent == "false") return;
    std::string path = agent;
    if (agent == "true") {
      const char* variable = std::getenv("SSH_AUTH_SOCK");
      path = variable == nullptr ? "" : variable;
      if (path.empty()) {
        bad_.add("agent", "is true, but SSH_AUTH_SOCK is not set",
                 "Start an agent in this job, or give the path of its socket.");
        return;
      }
    }
    struct stat facts {};
    if (::stat(path.c_str(), &facts) != 0 || !S_ISSOCK(facts.st_mode)) {
      bad_.add("agent", fmt::format("{} is no socket", shown(path)),
               "Give the path that ssh-agent prints as SSH_AUTH_SOCK, or true.");
    } else if (const auto reached = check_agent(path); !reached) {
      bad_.add("agent", reached.error().message, "Start an agent in this job, or give the key.");
    }
    settings_.agent_socket = path;
  }

  // Everyone who is logged in to needs a user, and there must be something to log in with.
  void check_logins() {
    std::vector<HostAddress> targets;
    for (const auto& hop : settings_.jumps) targets.push_back(hop.address);
    if (login_ == Login::hosts) {
      targets.insert(targets.end(), settings_.hosts.begin(), settings_.hosts.end());
    }
    if (targets.empty()) return;
    const auto lacks_user = [](const HostAddress& address) { return address.user.empty(); };
    const auto nameless = std::find_if(targets.begin(), targets.end(), lacks_user);
    if (settings_.user.empty() && nameless != targets.end()) {
      bad_.add("user", fmt::format("is missing, and {} names none", nameless->text()),
               fmt::format("Give user, or write user@{}.", nameless->text()));
    }
    const bool has_key = inputs_.has("key") || bad_.names("key") || bad_.names("key-file") ||
                         !settings_.agent_socket.empty() || inputs_.has("agent");
    if (!settings_.jumps.empty() && !has_key && !inputs_.has("jump-keys")) {
      bad_.add("key", "is missing, and so are jump-keys and agent",
               "Give one of them for the jump hosts; a password is the host's alone.");
    } else if (login_ == Login::hosts && !has_key && !inputs_.has("password")) {
      bad_.add("key", "is missing, and so are password and agent",
               "Give key or key-file with a private key, password, or agent.");
    }
  }

  // ---- jump hosts' own keys

  void read_jump_keys() {
    const Secret keys = inputs_.take_secret("jump-keys");
    const Secret passphrases = inputs_.take_secret("jump-passphrases");
    if (keys.empty()) {
      if (!passphrases.empty()) {
        bad_.add("jump-passphrases", "is given without jump-keys",
                 "Give jump-keys too, or passphrase for the key that all hops share.");
      }
      return;
    }
    std::vector<std::string> blocks = key_blocks(keys.expose());
    std::vector<std::string> words = split_lines(passphrases.expose());
    read_jump_keys(blocks, words);
    for (std::string& block : blocks) wipe(block);
    for (std::string& word : words) wipe(word);
  }

  void read_jump_keys(const std::vector<std::string>& blocks,
                      const std::vector<std::string>& passphrases) {
    const std::size_t hops = settings_.jumps.size();
    if (blocks.size() != hops) {
      bad_.add("jump-keys",
               fmt::format("holds {}, but jump names {}", counted(blocks.size(), "key"),
                           counted(hops, "host")),
               "Give one private key for each host of jump, in their order.");
      return;
    }
    if (passphrases.size() > hops) {
      bad_.add("jump-passphrases",
               fmt::format("has {}, but jump names {}", counted(passphrases.size(), "line"),
                           counted(hops, "host")),
               "Give one line for each host of jump, an empty one for a key without passphrase.");
      return;
    }
    for (std::size_t i = 0; i < hops; ++i) {
      ConnectionSettings::Hop& hop = settings_.jumps[i];
      if (i < passphrases.size() && !passphrases[i].empty()) {
        hop.passphrase = redactor_.protect(passphrases[i]);
      }
      hop.key = checked_key(fmt::format("jump-keys (key {})", i + 1), blocks[i],
                            fmt::format("jump-passphrases (line {})", i + 1), hop.passphrase);
    }
  }

  // Each block ends with its -----END line; text without any has one encoded key a line.
  static std::vector<std::string> key_blocks(std::string_view text) {
    if (text.find("-----END") == std::string_view::npos) return split_list(text);
    std::vector<std::string> blocks;
    std::string block;
    for (const std::string& line : split_lines(text)) {
      if (block.empty() && trim(line).empty()) continue;
      block += line + "\n";
      if (line.find("-----END") == std::string::npos) continue;
      blocks.push_back(std::move(block));
      block.clear();
    }
    if (!trim(block).empty()) blocks.push_back(std::move(block));
    return blocks;
  }

  // ---- host keys

  void read_pins() {
    const std::string& policy = inputs_.text("host-key-policy");
    if (policy == "accept-new") settings_.policy = HostKeyPolicy::accept_new;
    if (policy == "insecure") settings_.policy = HostKeyPolicy::insecure;
    std::string known_hosts = inputs_.text("known-hosts");
    if (inputs_.has("known-hosts-file")) {
      if (!known_hosts.empty()) {
        bad_.add("known-hosts", "was given twice, as known-hosts and as known-hosts-file",
                 "Give one of the two.");
        return;
      }
      if (bad_.names("known-hosts-file")) return;
      known_hosts = content_of("known-hosts-file", inputs_.text("known-hosts-file"), bad_);
    }
    auto pins = HostKeyPins::parse(known_hosts, inputs_.list("host-key"));
    if (!pins) {
      add_pin_mistakes(pins.error());
      return;
    }
    settings_.pins = *std::move(pins);
    for (const auto& hop : settings_.jumps) check_pins_of(hop.address);
    for (const HostAddress& host : settings_.hosts) check_pins_of(host);
  }

  // One line a mistake, each beginning with the input's name.
  void add_pin_mistakes(const Error& error) {
    for (const std::string& line : split_list(error.message)) {
      const bool is_fingerprint = line.starts_with("host-key");
      bad_.add({}, line,
               is_fingerprint ? "On the host, `ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub` "
                                "prints the right one."
                              : "Paste lines as `tunnel-ssh pin` prints them: name, type, key.");
    }
  }

  void check_pins_of(const HostAddress& address) {
    const auto checked = settings_.pins.check_host(address.name, address.port);
    if (!checked) bad_.add({}, checked.error().message, checked.error().hint);
  }

  Inputs& inputs_;
  Redactor& redactor_;
  BadInputs& bad_;
  const std::function<void(std::string)>& say_;
  const Login login_;
  ConnectionSettings settings_;
};

}  // namespace

std::vector<Option> connection_options(Hosts hosts) {
  std::vector<Option> all{host_option(hosts)};
  for (const auto& part :
       {way_options(), access_options(), login_options(), trust_options(), jump_options()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

std::string find_session_folder(const Environment& environment) {
  constexpr std::string_view name = "private-cloud-sessions";
  for (const char* variable : {"RUNNER_TEMP", "XDG_RUNTIME_DIR"}) {
    const std::string folder = variable_in(environment, variable);
    if (!folder.empty()) return fmt::format("{}/{}", folder, name);
  }
  const std::string folder = variable_in(environment, "TMPDIR");
  return fmt::format("{}/{}-{}", folder.empty() ? "/tmp" : folder, name, ::geteuid());
}

ConnectionSettings read_connection(Inputs& inputs, Redactor& redactor, BadInputs& bad,
                                   const std::function<void(std::string)>& say, Login login) {
  return ConnectionReader(inputs, redactor, bad, say, login).read();
}

ConnectionSettings read_connection_inputs(ToolContext& context, Inputs& inputs, BadInputs& bad,
                                          Login login) {
  const auto say = [&](const std::string& text) { context.reporter.info(text); };
  ConnectionSettings settings = read_connection(inputs, context.redactor, bad, say, login);
  settings.session_folder = find_session_folder(context.environment);
  return settings;
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

}  // namespace pca
