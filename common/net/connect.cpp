#include "net/connect.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/text.hpp"
#include "net/shared_session.hpp"
#include "net/tcp.hpp"

namespace pca {

namespace {

AccessSettings for_host(const AccessSettings& settings, const std::string& name) {
  AccessSettings own;
  own.hostname = settings.hostname.empty() ? name : settings.hostname;
  own.port = settings.port;
  own.path = settings.path;
  own.client_id = settings.client_id;
  own.client_secret = settings.client_secret.clone();
  own.token = settings.token.clone();
  own.destination = settings.destination;
  own.ca_file = settings.ca_file;
  own.user_agent = settings.user_agent;
  own.connect_to = settings.connect_to;
  return own;
}

// The host key type that a method signs with: "rsa-sha2-512" is one of the type "ssh-rsa".
std::string_view type_of(std::string_view method) {
  return method.starts_with("rsa-sha2-") ? "ssh-rsa" : method;
}

// What opening a channel through a jump host failed with, as if this end had connected: that the
// server could not connect, lost the connection or took too long may pass, what it forbids stays
// forbidden.
Error as_connecting(Error error) {
  if (error.kind == ErrorKind::failed && error.message.ends_with("prohibited)")) {
    error.kind = ErrorKind::permission;
  } else if (error.kind == ErrorKind::failed) {
    error.kind = ErrorKind::unreachable;
    error.transient = !error.message.ends_with("(unknown channel type)");
  } else if (error.kind == ErrorKind::unreachable) {
    error.transient = true;
  }
  return error;
}

// What is left of the time for one try at one hop, from the moment the hop before is passed.
class HopTime {
 public:
  explicit HopTime(Milliseconds limit) : left_(limit) {}
  // For the next thing to be done at this hop; the time is counted until it is told to be done.
  Budget start(const Budget& budget) {
    started_ = Clock::now();
    return budget.at_most(left_);
  }
  void stop() {
    const auto used = std::chrono::ceil<Milliseconds>(Clock::now() - started_);
    left_ = std::max(left_ - used, Milliseconds{0});
  }

 private:
  Milliseconds left_;
  Clock::time_point started_;
};

// One try of going the whole way.
class Way {
 public:
  Way(const Budget& budget, const ConnectionSettings& settings, const HostAddress& host,
      const ConnectObserver& observer)
      : budget_(budget), settings_(settings), observer_(observer) {
    for (const ConnectionSettings::Hop& jump : settings.jumps) {
      hops_.push_back({&jump.address, &jump.key, &jump.passphrase});
    }
    hops_.push_back({&host, nullptr, nullptr});
  }

  Result<std::unique_ptr<SshSession>> log_in() { return log_in(hops_.size() - 1); }
  Result<std::unique_ptr<ByteStream>> stream() {
    HopTime time(settings_.connect_timeout);
    return stream_to(hops_.size() - 1, time);
  }
  // With no pins and a strict policy the session refuses every key, before it would log in: that
  // refusal is the expected end.
  Result<SshFacts> host_key(const std::string& methods) {
    const HostAddress& address = *hops_.back().address;
    HopTime time(settings_.connect_timeout);
    PCA_TRY(auto stream, stream_to(hops_.size() - 1, time));
    const HostKeyPins no_pins;
    SshLogin nobody;
    nobody.host = address.name;
    nobody.port = address.port;
    nobody.host_key_methods = methods;
    nobody.pins = &no_pins;
    SshFacts facts;
    auto session = SshSession::open(time.start(budget_), std::move(stream), nobody, &facts);
    if (session) return tool_bug("a session without pins trusted a host key");
    if (facts.host_key.blob.empty()) return std::move(session).error();
    tell_login(address, facts);
    return facts;
  }

 private:
  struct Hop {
    const HostAddress* address;
    const Secret* key;  // its own; null or empty = the connection's
    const Secret* passphrase;
  };

  // The SSH port of hop number `index`, by way of all before it.
  Result<std::unique_ptr<ByteStream>> stream_to(std::size_t index, HopTime& time) {
    const HostAddress& address = *hops_[index].address;
    if (index > 0) return through(index - 1, address, time);
    if (settings_.via == Via::access) return by_access(address, time);
    TcpFacts facts;
    PCA_TRY(auto stream,
            connect_tcp(time.start(budget_), address.name, address.port, resolve_host, &facts));
    time.stop();
    if (facts.dns_ms > 0) tell("dns", address.name, facts.dns_ms);
    tell("tcp", stream->peer(), facts.connect_ms);
    return stream;
  }

  Result<std::unique_ptr<ByteStream>> by_access(const HostAddress& address, HopTime& time) {
    AccessFacts facts;
    const AccessSettings access = for_host(settings_.access, address.name);
    PCA_TRY(auto stream, connect_access(time.start(budget_), access, &facts));
    time.stop();
    const std::string proxy = facts.proxy.empty() ? "" : " through the proxy " + facts.proxy;
    tell("dns", facts.proxy.empty() ? access.hostname : facts.proxy, facts.dns_ms);
    tell("tcp", stream->peer() + proxy, facts.connect_ms);
    tell("tls", stream->peer(), facts.tls_ms);
    tell("upgrade", facts.ray.empty() ? "" : "CF-RAY " + facts.ray, facts.upgrade_ms);
    return stream;
  }

  Result<std::unique_ptr<ByteStream>> through(std::size_t jump, const HostAddress& address,
                                              HopTime& time) {
    PCA_TRY(auto session, log_in(jump));
    const Clock::time_point start = Clock::now();
    auto channel = session->open_tcp(time.start(budget_), address.name, address.port);
    time.stop();
    if (!channel) return as_connecting(std::move(channel).error());
    const std::string peer = HostAddress{{}, address.name, address.port}.text();
    tell("tcp", fmt::format("{} through {}", peer, hops_[jump].address->text()), ms_since(start));
    return channel_stream(std::move(session), *std::move(channel), peer);
  }

  Result<std::unique_ptr<SshSession>> log_in(std::size_t index) {
    const HostAddress& address = *hops_[index].address;
    std::vector<std::string> shown;  // types of host keys that the server has shown
    std::optional<Error> first_mismatch;
    std::string methods;
    HopTime time(settings_.connect_timeout);
    while (true) {
      PCA_TRY(auto stream, stream_to(index, time));
      SshFacts facts;
      SshLogin login = login_for(index);
      login.host_key_methods = methods;
      auto session = SshSession::open(time.start(budget_), std::move(stream), login, &facts);
      time.stop();
      tell_login(address, facts);
      if (observer_.facts != nullptr && index + 1 == hops_.size()) *observer_.facts = facts;
      if (session) return session;
      const bool is_mismatch = facts.verdict == HostKeyVerdict::mismatch;
      if (!is_mismatch && first_mismatch) return *first_mismatch;
      if (!is_mismatch || !settings_.pins.has_fingerprints()) return session;
      // A fingerprint does not say which of the server's keys it is of, so each gets its turn
      // before this is an alarm.
      if (!first_mismatch) first_mismatch = session.error();
      shown.push_back(facts.host_key.type);
      methods = another_type(facts.offered_host_keys, shown);
      if (methods.empty()) return *first_mismatch;
    }
  }

  // The methods for a host key type that the server has and has not shown yet; empty = none.
  static std::string another_type(const std::vector<std::string>& offered,
                                  const std::vector<std::string>& shown) {
    for (const std::string& method : usable_host_key_methods()) {
      const bool is_offered = std::find(offered.begin(), offered.end(), method) != offered.end();
      const bool is_new = std::find(shown.begin(), shown.end(), type_of(method)) == shown.end();
      if (is_offered && is_new) return method;
    }
    return {};
  }

  [[nodiscard]] SshLogin login_for(std::size_t index) const {
    const Hop& hop = hops_[index];
    SshLogin login;
    login.user = hop.address->user.empty() ? settings_.user : hop.address->user;
    login.host = hop.address->name;
    login.port = hop.address->port;
    login.pins = &settings_.pins;
    login.policy = settings_.policy;
    if (hop.key != nullptr && !hop.key->empty()) {
      login.key = hop.key->clone();
      login.passphrase = hop.passphrase->clone();
      return login;
    }
    login.key = settings_.key.clone();
    login.passphrase = settings_.passphrase.clone();
    login.certificate = settings_.certificate;
    login.agent_socket = settings_.agent_socket;
    // A password is of one account: a jump host would only learn it.
    if (index + 1 == hops_.size()) login.password = settings_.password.clone();
    return login;
  }

  void tell(const char* phase, std::string detail, double ms) const {
    if (observer_.on_phase) observer_.on_phase({phase, std::move(detail), ms});
  }

  void tell_login(const HostAddress& address, const SshFacts& facts) const {
    if (facts.host_key.type.empty()) return;
    tell("kex", fmt::format("{}, {} with {}", facts.kex, facts.cipher, facts.server_banner),
         facts.kex_ms);
    tell("host key", fmt::format("{} {}", facts.host_key.type, facts.host_key.fingerprint()), 0);
    if (!facts.auth_method.empty()) tell("auth", facts.auth_method, facts.auth_ms);
    if (facts.auth_method.empty() || !observer_.on_warning) return;
    if (settings_.policy == HostKeyPolicy::insecure) {
      observer_.on_warning(fmt::format(
          "The host key of {} counts for nothing (host-key-policy insecure): it showed {} {}. "
          "Whoever can get between could read and change everything.",
          address.text(), facts.host_key.type, facts.host_key.fingerprint()));
    } else if (facts.verdict == HostKeyVerdict::unknown) {
      observer_.on_warning(fmt::format(
          "The host key of {} was accepted unseen (host-key-policy accept-new). Compare it by hand "
          "and pin it with this line in known-hosts: {}",
          address.text(), facts.host_key.known_hosts_line(address.name, address.port)));
    }
  }

  const Budget& budget_;
  const ConnectionSettings& settings_;
  const ConnectObserver& observer_;
  std::vector<Hop> hops_;
};

// Of one try, and of all hops that it goes by.
Milliseconds try_limit(const ConnectionSettings& settings) {
  return settings.connect_timeout * (static_cast<int>(settings.jumps.size()) + 1);
}

Result<> check_pins(const ConnectionSettings& settings, const HostAddress& host) {
  for (const ConnectionSettings::Hop& jump : settings.jumps) {
    PCA_CHECK(settings.pins.check_host(jump.address.name, jump.address.port));
  }
  return settings.pins.check_host(host.name, host.port);
}

// Tries, and says where an error comes from.
template <typename T>
Result<T> connect(const Budget& budget, const ConnectionSettings& settings, const HostAddress& host,
                  const ConnectObserver& observer, const std::function<Result<T>(Way&)>& go) {
  PCA_CHECK(check_pins(settings, host));
  auto result = retry<T>(
      budget, settings.retry,
      [&](int) {
        const Budget one_try = budget.at_most(try_limit(settings));
        Way way(one_try, settings, host, observer);
        return go(way);
      },
      observer.on_retry);
  if (result) return result;
  Error error = std::move(result).error();
  if (error.kind == ErrorKind::unreachable && error.hint.empty()) {
    error.hint = fmt::format(
        "`tunnel-ssh check` shows how far it comes; connect-timeout ({}) is the limit of each try.",
        format_duration(settings.connect_timeout));
  }
  return std::move(error).within("connecting to " + host.text());
}

// The host's SSH port by way of an open session: that of the last jump host, or of the host itself,
// which then connects to its own port. Null: there is none, or it would not.
Result<std::unique_ptr<ByteStream>> stream_by_session(const Budget& budget,
                                                      const ConnectionSettings& settings,
                                                      const HostAddress& host,
                                                      const ConnectObserver& observer) {
  const Clock::time_point start = Clock::now();
  const bool is_there = settings.jumps.empty();
  PCA_TRY(auto session, is_there ? attach_session(budget, settings, host, observer.on_note)
                                 : attach_last_jump(budget, settings, observer.on_note));
  if (session == nullptr) return std::unique_ptr<ByteStream>();
  auto channel = session->open_tcp(budget.at_most(settings.connect_timeout),
                                   is_there ? "127.0.0.1" : host.name, host.port);
  if (!channel) {
    PCA_CHECK(budget.check("connecting to " + host.text()));
    if (observer.on_note) observer.on_note(channel.error().message + "; connecting without it");
    return std::unique_ptr<ByteStream>();
  }
  if (observer.on_phase) observer.on_phase({"session", host.text(), ms_since(start)});
  return channel_stream(std::move(session), *std::move(channel), host.text());
}

}  // namespace

Milliseconds connect_limit(const ConnectionSettings& settings) {
  return (try_limit(settings) + settings.retry.longest) * settings.retry.tries;
}

Result<std::unique_ptr<SshSession>> connect_ssh(const Budget& budget,
                                                const ConnectionSettings& settings,
                                                const HostAddress& host,
                                                const ConnectObserver& observer) {
  if (!settings.session_folder.empty()) {
    const Clock::time_point start = Clock::now();
    PCA_TRY(auto shared, attach_session(budget, settings, host, observer.on_note));
    if (shared != nullptr) {
      if (observer.on_phase) observer.on_phase({"session", host.text(), ms_since(start)});
      if (settings.policy == HostKeyPolicy::insecure && observer.on_warning) {
        observer.on_warning(
            fmt::format("The open session to {} trusts any host key (host-key-policy insecure). "
                        "Whoever can get "
                        "between could read and change everything.",
                        host.text()));
      }
      return shared;
    }
  }
  return connect<std::unique_ptr<SshSession>>(budget, settings, host, observer,
                                              [](Way& way) { return way.log_in(); });
}

Result<std::unique_ptr<ByteStream>> connect_stream(const Budget& budget,
                                                   const ConnectionSettings& settings,
                                                   const HostAddress& host,
                                                   const ConnectObserver& observer) {
  if (!settings.session_folder.empty()) {
    PCA_TRY(auto stream, stream_by_session(budget, settings, host, observer));
    if (stream != nullptr) return stream;
  }
  return connect<std::unique_ptr<ByteStream>>(budget, settings, host, observer,
                                              [](Way& way) { return way.stream(); });
}

Result<SshFacts> ask_host_key(const Budget& budget, const ConnectionSettings& settings,
                              const HostAddress& host, const std::string& methods,
                              const ConnectObserver& observer) {
  return connect<SshFacts>(budget, settings, host, observer,
                           [&](Way& way) { return way.host_key(methods); });
}

}  // namespace pca
