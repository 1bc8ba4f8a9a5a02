#include "net/host_key.hpp"

#include <fmt/format.h>
#include <libssh2.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "net/ssh_wire.hpp"

namespace pca {

namespace {

constexpr std::uint16_t ssh_port = 22;
constexpr std::size_t longest_text = std::size_t{1} << 20U;
constexpr std::size_t longest_line = 16384;  // an RSA key of 16,384 bits has 2,800 characters
constexpr std::size_t most_lines = 10'000;
constexpr std::size_t most_names = 256;    // of one line
constexpr std::size_t most_mistakes = 20;  // told at once
constexpr std::string_view fingerprint_start = "SHA256:";

// What a server's key blob can name; each with what to ask the server for (an RSA key signs with
// one of two hashes, RFC 8332).
struct KeyType {
  std::string_view name;
  std::string_view methods;
};
constexpr std::array<KeyType, 5> key_types{{{"ssh-ed25519", "ssh-ed25519"},
                                            {"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"},
                                            {"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"},
                                            {"ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521"},
                                            {"ssh-rsa", "rsa-sha2-512,rsa-sha2-256"}}};

bool looks_like_key_type(std::string_view word) {
  return word.starts_with("ssh-") || word.starts_with("ecdsa-sha2-") || word.starts_with("sk-");
}

struct FreeSession {
  void operator()(LIBSSH2_SESSION* session) const { libssh2_session_free(session); }
};
struct FreeKnownHosts {
  void operator()(LIBSSH2_KNOWNHOSTS* hosts) const { libssh2_knownhost_free(hosts); }
};

// A host name that only a hash of it is known of: "|1|salt|hash" (sshd(8), known_hosts). libssh2
// does the hashing; the key it stores beside is a filler, since keys are compared here.
class HashedName {
 public:
  static std::optional<HashedName> parse(LIBSSH2_SESSION* session, std::string_view text) {
    const std::vector<std::string> parts = split(text, '|');  // "", "1", salt, hash
    if (parts.size() != 4 || parts[1] != "1") return std::nullopt;
    for (const std::string& part : {parts[2], parts[3]}) {
      const auto bytes = base64_decode(part);
      if (!bytes || bytes->size() != sizeof(Sha1)) return std::nullopt;
    }
    HashedName name;
    name.hosts_.reset(libssh2_knownhost_init(session));
    if (name.hosts_ == nullptr ||
        libssh2_knownhost_add(name.hosts_.get(), parts[3].c_str(), parts[2].c_str(), filler, 0,
                              LIBSSH2_KNOWNHOST_TYPE_SHA1 | filler_type, nullptr) != 0) {
      return std::nullopt;
    }
    return name;
  }
  [[nodiscard]] bool is(const std::string& host) const {
    return libssh2_knownhost_check(hosts_.get(), host.c_str(), filler, 0,
                                   LIBSSH2_KNOWNHOST_TYPE_PLAIN | filler_type,
                                   nullptr) == LIBSSH2_KNOWNHOST_CHECK_MATCH;
  }

 private:
  static constexpr const char* filler = "AAAA";
  static constexpr int filler_type =
      LIBSSH2_KNOWNHOST_KEYENC_BASE64 | LIBSSH2_KNOWNHOST_KEY_ED25519;
  std::unique_ptr<LIBSSH2_KNOWNHOSTS, FreeKnownHosts> hosts_;
};

// Shell-like * and ? as in ssh_config(5) PATTERNS, without recursion: a pattern is hostile too.
bool matches(std::string_view text, std::string_view pattern) {
  std::size_t t = 0;
  std::size_t p = 0;
  std::size_t star = std::string_view::npos;  // the last * seen, and where its text may end
  std::size_t star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_text = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

enum class Marker : std::uint8_t { none, revoked, cert_authority };

// One line of known_hosts.
struct Line {
  std::size_t number = 0;
  Marker marker = Marker::none;
  std::vector<std::string> patterns;  // lower case; or ...
  std::optional<HashedName> hashed;
  HostKey key;

  // A pattern with ! that matches excludes the host, whatever else matches.
  [[nodiscard]] bool names(const std::string& host) const {
    if (hashed) return hashed->is(host);
    bool found = false;
    for (const std::string_view pattern : patterns) {
      const bool negated = pattern.starts_with('!');
      if (!matches(host, pattern.substr(negated ? 1 : 0))) continue;
      if (negated) return false;
      found = true;
    }
    return found;
  }
};

// The name a host goes by in known_hosts: with the port where that is not 22.
std::string with_port(const std::string& host, std::uint16_t port) {
  return fmt::format("[{}]:{}", to_lower(host), port);
}
std::string known_hosts_name(const std::string& host, std::uint16_t port) {
  return port == ssh_port ? to_lower(host) : with_port(host, port);
}

std::string_view next_word(std::string_view& text) {
  text = trim(text);
  const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

std::string excerpt(std::string_view text) { return visible(cut_utf8(text, 60)); }

Result<Marker> parse_marker(std::string_view word) {
  if (word == "@revoked") return Marker::revoked;
  if (word == "@cert-authority") return Marker::cert_authority;
  return bad_input(
      fmt::format("unknown marker \"{}\" (there are @revoked and @cert-authority)", excerpt(word)));
}

Result<HostKey> parse_key(std::string_view type, std::string_view text) {
  if (type.find_first_not_of("0123456789") == std::string_view::npos) {
    return bad_input("it holds a key of the SSH-1 protocol, which proves nothing");
  }
  auto blob = base64_decode(text);
  if (!blob || blob->empty()) return bad_input("its key is not base64, or is cut short");
  HostKey key = HostKey::from_blob(std::move(*blob));
  if (key.type != type) {
    return bad_input(fmt::format("it says {}, but its key is {}", excerpt(type),
                                 key.type.empty() ? "damaged" : "of type " + excerpt(key.type)));
  }
  return key;
}

Result<Line> parse_line(LIBSSH2_SESSION* session, std::size_t number, std::string_view text) {
  Line line;
  line.number = number;
  if (text.size() > longest_line) {
    return bad_input(fmt::format("it is longer than {} bytes", longest_line));
  }
  std::string_view names = next_word(text);
  if (names.starts_with('@')) {
    PCA_TRY(line.marker, parse_marker(names));
    names = next_word(text);
  }
  const std::string_view type = next_word(text);
  // A host may well be called ssh-gateway; then its key's type stands behind it.
  if (looks_like_key_type(names) && !looks_like_key_type(type)) {
    return bad_input(fmt::format("it names no host: put the name (or [name]:port) before \"{}\"",
                                 excerpt(names)));
  }
  const std::string_view key = next_word(text);
  if (key.empty()) return bad_input("it needs a host name, a key type and a key");
  if (names.starts_with('|')) {
    line.hashed = HashedName::parse(session, names);
    if (!line.hashed) return bad_input("its hashed host name is damaged");
  } else {
    line.patterns = split(to_lower(names), ',');
    if (line.patterns.size() > most_names) {
      return bad_input(fmt::format("it names more than {} hosts", most_names));
    }
  }
  PCA_TRY(line.key, parse_key(type, key));
  return line;
}

Result<std::string> parse_fingerprint(std::string_view text) {
  if (text.starts_with("MD5:") || (text.size() == 47 && text[2] == ':')) {
    return bad_input("MD5 fingerprints prove nothing; `ssh-keygen -l` prints the SHA256 one");
  }
  if (!text.starts_with(fingerprint_start)) {
    return bad_input("a fingerprint is SHA256: and 43 characters, as `ssh-keygen -l` prints it");
  }
  std::string_view digits = text.substr(fingerprint_start.size());
  if (digits.ends_with('=')) digits.remove_suffix(1);
  const auto digest = base64_decode(std::string(digits) + "=");
  if (digits.size() != 43 || !digest) {
    return bad_input(
        fmt::format("after SHA256: come 43 characters of base64, not {} as here", digits.size()));
  }
  return fmt::format("{}{}", fingerprint_start, digits);
}

// Collects what is wrong, to be told at once.
class Mistakes {
 public:
  void add(const std::string& where, const Error& error) {
    if (++count_ <= most_mistakes) text_ += (text_.empty() ? "" : "\n") + where + error.message;
  }
  [[nodiscard]] Result<> result() const {
    if (count_ == 0) return {};
    if (count_ <= most_mistakes) return bad_input(text_);
    return bad_input(fmt::format("{}\nand {} more", text_, count_ - most_mistakes));
  }

 private:
  std::string text_;
  std::size_t count_ = 0;
};

}  // namespace

HostKey HostKey::from_blob(std::string blob) {
  HostKey key;
  if (const auto type = WireReader(blob).string()) key.type = *type;
  key.blob = std::move(blob);
  return key;
}

std::string HostKey::fingerprint() const {
  std::string digits = base64_encode(sha256(blob));
  while (digits.ends_with('=')) digits.pop_back();
  return fmt::format("{}{}", fingerprint_start, digits);
}

std::string HostKey::known_hosts_line(const std::string& host, std::uint16_t port) const {
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(blob.data()), blob.size());
  return fmt::format("{} {} {}", known_hosts_name(host, port), visible(type), base64_encode(bytes));
}

struct HostKeyPins::Impl {
  std::unique_ptr<LIBSSH2_SESSION, FreeSession> session;  // what libssh2 allocates with
  std::vector<Line> lines;
  std::vector<std::string> fingerprints;
  std::vector<std::string> texts;  // of the lines

  // Lines that speak about this very host and port ...
  [[nodiscard]] bool is_about(const Line& line, const std::string& host, std::uint16_t port) const {
    return line.names(known_hosts_name(host, port)) ||
           (port == ssh_port && line.names(with_port(host, port)));
  }
  // ... and those that vouch for the host on any port.
  [[nodiscard]] bool may_vouch(const Line& line, const std::string& host,
                               std::uint16_t port) const {
    return is_about(line, host, port) || line.names(to_lower(host));
  }
};

HostKeyPins::HostKeyPins() : impl_(std::make_unique<Impl>()) {}
HostKeyPins::HostKeyPins(HostKeyPins&&) noexcept = default;
HostKeyPins& HostKeyPins::operator=(HostKeyPins&&) noexcept = default;
HostKeyPins::~HostKeyPins() = default;

Result<HostKeyPins> HostKeyPins::parse(std::string_view known_hosts,
                                       const std::vector<std::string>& fingerprints) {
  HostKeyPins pins;
  Mistakes mistakes;
  if (known_hosts.size() > longest_text) {
    return bad_input(fmt::format("known-hosts is longer than {}", format_size(longest_text)),
                     "Keep only the lines of the hosts in question.");
  }
  pins.impl_->session.reset(libssh2_session_init());
  std::size_t number = 0;
  for (const std::string& text : split_lines(known_hosts)) {
    ++number;
    const std::string_view content = trim(text);
    if (content.empty() || content.starts_with('#')) continue;
    if (pins.impl_->lines.size() == most_lines) {
      return bad_input(fmt::format("known-hosts has more than {} keys", most_lines),
                       "Keep only the lines of the hosts in question.");
    }
    auto line = parse_line(pins.impl_->session.get(), number, content);
    if (line) {
      pins.impl_->lines.push_back(std::move(*line));
      pins.impl_->texts.emplace_back(content);
    } else {
      mistakes.add(fmt::format("known-hosts line {}: ", number), line.error());
    }
  }
  for (const std::string& text : fingerprints) {
    auto fingerprint = parse_fingerprint(trim(text));
    if (fingerprint) {
      pins.impl_->fingerprints.push_back(std::move(*fingerprint));
    } else {
      mistakes.add(fmt::format("host-key \"{}\": ", excerpt(text)), fingerprint.error());
    }
  }
  PCA_CHECK(mistakes.result());
  return pins;
}

Result<> HostKeyPins::check_host(const std::string& host, std::uint16_t port) const {
  for (const Line& line : impl_->lines) {
    if (line.marker != Marker::cert_authority || !impl_->may_vouch(line, host, port)) continue;
    return bad_input(
        fmt::format("known-hosts line {}: @cert-authority for {} cannot be used: certificates of "
                    "hosts are not checked",
                    line.number, visible(known_hosts_name(host, port))),
        "Remove the line and pin the host's own key (`tunnel-ssh pin` prints it).");
  }
  return {};
}

std::string HostKeyPins::digest() const {
  std::vector<std::string> texts = impl_->texts;
  texts.insert(texts.end(), impl_->fingerprints.begin(), impl_->fingerprints.end());
  std::sort(texts.begin(), texts.end());
  return to_hex(sha256(join(texts, "\n")));
}

bool HostKeyPins::knows(const std::string& host, std::uint16_t port) const {
  return !describe(host, port).empty();
}

bool HostKeyPins::has_fingerprints() const { return !impl_->fingerprints.empty(); }

std::string HostKeyPins::preferred_types(const std::string& host, std::uint16_t port) const {
  std::vector<std::string> methods;
  for (const KeyType& type : key_types) {
    const bool pinned =
        std::any_of(impl_->lines.begin(), impl_->lines.end(), [&](const Line& line) {
          return line.marker == Marker::none && line.key.type == type.name &&
                 impl_->may_vouch(line, host, port);
        });
    if (pinned) methods.emplace_back(type.methods);
  }
  return join(methods, ",");
}

HostKeyVerdict HostKeyPins::judge(const std::string& host, std::uint16_t port,
                                  const HostKey& key) const {
  bool vouched = false;
  bool contradicted = has_fingerprints();
  for (const Line& line : impl_->lines) {
    if (!impl_->may_vouch(line, host, port)) continue;
    const bool same = line.key.blob == key.blob;
    if (line.marker == Marker::revoked && same) return HostKeyVerdict::revoked;
    if (line.marker != Marker::none) continue;
    vouched |= same;
    contradicted |= impl_->is_about(line, host, port);
  }
  const auto& fingerprints = impl_->fingerprints;
  vouched |=
      std::find(fingerprints.begin(), fingerprints.end(), key.fingerprint()) != fingerprints.end();
  if (vouched) return HostKeyVerdict::trusted;
  return contradicted ? HostKeyVerdict::mismatch : HostKeyVerdict::unknown;
}

std::vector<std::string> HostKeyPins::describe(const std::string& host, std::uint16_t port) const {
  std::vector<std::string> found;
  for (const Line& line : impl_->lines) {
    if (line.marker != Marker::none || !impl_->may_vouch(line, host, port)) continue;
    found.push_back(fmt::format("{} {} (known-hosts line {})", line.key.type,
                                line.key.fingerprint(), line.number));
  }
  for (const std::string& fingerprint : impl_->fingerprints) {
    found.push_back(fingerprint + " (host-key)");
  }
  return found;
}

}  // namespace pca
