#include "net/ssh_key.hpp"

#include <fmt/format.h>
#include <libssh2.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <utility>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "net/ssh_wire.hpp"

namespace pca {

namespace {

constexpr std::size_t longest_text = 65536;  // a key of 16,384 bits has 13,000 characters
constexpr std::string_view begin_mark = "-----BEGIN ";
constexpr std::string_view mark_end = "-----";
constexpr std::string_view blanks = " \t\r\n\v\f";
constexpr std::string_view openssh_label = "OPENSSH PRIVATE KEY";
constexpr std::string_view openssh_magic{"openssh-key-v1\0", 15};
constexpr std::size_t openssh_width = 70;    // of base64 lines, as ssh-keygen writes them
constexpr std::size_t pem_width = 64;        // RFC 7468 section 2
constexpr std::uint32_t most_rounds = 2000;  // of bcrypt: a minute; ssh-keygen makes 16 or 24

Error cut_short(const std::string& why) {
  return bad_input(fmt::format("the private key is cut short or damaged: {}", why),
                   "Paste the whole file again, from the -----BEGIN to the -----END line.");
}

Error not_usable(const std::string& what, const std::string& hint) {
  return bad_input("the private key cannot be used: " + what, hint);
}

constexpr const char* make_ed25519 =
    "Make another key: ssh-keygen -t ed25519 -f key, and put key.pub into authorized_keys.";

bool is_public_key_line(std::string_view text) {
  return text.starts_with("ssh-") || text.starts_with("ecdsa-sha2-") || text.starts_with("sk-");
}

// The text of a key on its way from what users paste to what libssh2 reads.
class Repair {
 public:
  explicit Repair(std::string_view text) : text_(std::string(text)) {}

  Result<RepairedKey> run() {
    PCA_CHECK(unwrap());
    PCA_TRY(const Block block, find_block());
    return rewrite(block);
  }

 private:
  struct Block {
    std::string_view label;  // "RSA PRIVATE KEY"
    std::string_view body;
    std::string_view whole;  // with both marker lines
  };

  void say(const char* repair) {
    if (std::find(repairs_.begin(), repairs_.end(), repair) == repairs_.end()) {
      repairs_.emplace_back(repair);
    }
  }

  // What editors, shells and secret stores put around a text.
  Result<> unwrap() {
    std::string& text = text_.text;
    if (text.size() > longest_text) {
      return not_usable(fmt::format("it is longer than {}", format_size(longest_text)),
                        "Give the private key only.");
    }
    if (text.find('\0') != std::string::npos) {
      return not_usable("it holds NUL bytes, as UTF-16 text or a binary file does",
                        "Save it as plain text (UTF-8).");
    }
    if (text.starts_with(byte_order_mark)) {
      replace_by(text.substr(byte_order_mark.size()));
      say("byte order mark");
    }
    strip_around();
    const std::string_view visible_part = trim(text);
    if (visible_part.size() >= 2 && (visible_part[0] == '"' || visible_part[0] == '\'') &&
        visible_part.back() == visible_part[0]) {
      replace_by(std::string(visible_part.substr(1, visible_part.size() - 2)));
      say("surrounding quotes");
      strip_around();
    }
    if (replace_all("\\r\\n", "\n") + replace_all("\\n", "\n") > 0) say("literal \\n");
    if (replace_all("\r\n", "\n") + replace_all("\r", "\n") > 0) say("CRLF line ends");
    if (text.find(begin_mark) == std::string::npos) PCA_CHECK(decode_whole());
    if (!text.ends_with('\n')) say("missing last newline");
    return {};
  }

  void replace_by(std::string text) {
    std::swap(text_.text, text);
    wipe(text);
  }

  void strip_around() {
    std::string& text = text_.text;
    if (trim(text).empty()) return;
    const std::size_t start = text.find_first_not_of(blanks);
    const std::size_t last = text.find_last_not_of(blanks);
    // One line end at the end belongs there; trailing blanks of a line are told later.
    const std::string_view behind = std::string_view(text).substr(last + 1);
    const bool blank_lines = start > 0 || std::count(behind.begin(), behind.end(), '\n') > 1;
    if (!blank_lines) return;
    replace_by(text.substr(start, last + 1 - start) + "\n");
    say("blank lines around");
  }

  std::size_t replace_all(std::string_view from, std::string_view to) {
    std::string& text = text_.text;
    std::size_t count = 0;
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
      text.replace(at, from.size(), to);
      ++count;
    }
    return count;
  }

  // No marker line: base64 of the whole text, or no private key at all.
  Result<> decode_whole() {
    const std::string_view text = trim(text_.text);
    if (text.empty()) return not_usable("it is empty", "Check that the secret exists and is set.");
    PCA_CHECK(check_not_another_kind(text));
    WipedText compact;
    for (const char c : text) {
      if (blanks.find(c) == std::string_view::npos) compact.text += c;
    }
    auto decoded = base64_decode(compact.text);
    if (!decoded || decoded->find(begin_mark) == std::string::npos) {
      if (decoded) wipe(*decoded);
      return not_usable("it has no -----BEGIN ... PRIVATE KEY----- line",
                        "Give the text of the private key file, all lines of it.");
    }
    replace_by(*std::move(decoded));
    say("base64 of the whole text");
    if (replace_all("\r\n", "\n") > 0) say("CRLF line ends");
    return {};
  }

  static Result<> check_not_another_kind(std::string_view text) {
    if (text.starts_with("PuTTY-User-Key-File-")) {
      return not_usable("it is in PuTTY's format",
                        "Convert it: puttygen key.ppk -O private-openssh -o key");
    }
    if (is_public_key_line(text)) {
      return not_usable("it is a public key", "Give the file without .pub at its end.");
    }
    if (text.starts_with("---- BEGIN SSH2 PUBLIC KEY")) {
      return not_usable("it is a public key", "Give the private key that belongs to it.");
    }
    if (text.starts_with("---- BEGIN SSH2 ")) {
      return not_usable("it is in the format of SSH.com", make_ed25519);
    }
    return {};
  }

  // The one private key among the PEM blocks of the text.
  Result<Block> find_block() {
    const std::string_view text = text_.text;
    std::vector<Block> keys;
    std::string_view other;
    for (std::size_t at = 0; (at = text.find(begin_mark, at)) != std::string_view::npos;) {
      const std::size_t label_start = at + begin_mark.size();
      const std::size_t label_end = text.find(mark_end, label_start);
      if (label_end == std::string_view::npos) return cut_short("its first line is not complete");
      const std::string_view label = text.substr(label_start, label_end - label_start);
      const std::size_t body_start = label_end + mark_end.size();
      const std::string end_mark = fmt::format("-----END {}-----", label);
      const std::size_t body_end = text.find(end_mark, body_start);
      const bool is_key = label.ends_with("PRIVATE KEY");
      if (body_end == std::string_view::npos) {
        if (is_key) return cut_short("its -----END line is missing");
        at = body_start;
        continue;
      }
      const std::size_t end = body_end + end_mark.size();
      if (is_key) {
        keys.push_back(
            {label, text.substr(body_start, body_end - body_start), text.substr(at, end - at)});
      } else {
        other = label;
      }
      at = end;
    }
    if (keys.size() > 1) {
      return not_usable(fmt::format("there are {} private keys in it", keys.size()),
                        "Give one key.");
    }
    if (keys.empty()) {
      return not_usable(
          other.ends_with("PUBLIC KEY") ? "it is a public key" : "it holds no private key",
          "Give the private key that belongs to it.");
    }
    if (trim(text) != keys[0].whole) say("text around the key");
    return keys[0];
  }

  Result<RepairedKey> rewrite(const Block& block) {
    PCA_CHECK(check_label(block.label));
    std::vector<std::string_view> words = words_of(block.body);
    std::string headers;
    std::size_t first = 0;
    while (first + 1 < words.size() && words[first].ends_with(':')) {
      headers += fmt::format("{} {}\n", words[first], words[first + 1]);
      first += 2;
    }
    if (!headers.empty()) headers += '\n';
    WipedText digits;
    for (std::size_t i = first; i < words.size(); ++i) digits.text += words[i];

    const std::size_t width = block.label == openssh_label ? openssh_width : pem_width;
    RepairedKey key;
    key.text = fmt::format("-----BEGIN {}-----\n{}", block.label, headers);
    for (std::size_t at = 0; at < digits.text.size(); at += width) {
      key.text.append(digits.text, at, width);
      key.text += '\n';
    }
    key.text += fmt::format("-----END {}-----\n", block.label);
    note_layout(block.whole, key.text);

    auto understood = understand(block.label, headers, digits.text, key);
    if (!understood) {
      wipe(key.text);
      return std::move(understood).error();
    }
    key.repairs = std::move(repairs_);
    return key;
  }

  static Result<> check_label(std::string_view label) {
    if (label == "DSA PRIVATE KEY") return not_usable("DSA keys are no longer safe", make_ed25519);
    constexpr std::array<std::string_view, 5> known{
        "RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY", "ENCRYPTED PRIVATE KEY", openssh_label};
    if (std::find(known.begin(), known.end(), label) != known.end()) return {};
    return not_usable(fmt::format("its kind \"{}\" is not known", visible(cut_utf8(label, 60))),
                      make_ed25519);
  }

  static std::vector<std::string_view> words_of(std::string_view text) {
    std::vector<std::string_view> words;
    while (true) {
      const std::size_t start = text.find_first_not_of(blanks);
      if (start == std::string_view::npos) return words;
      text.remove_prefix(start);
      const std::size_t size = std::min(text.find_first_of(blanks), text.size());
      words.push_back(text.substr(0, size));
      text.remove_prefix(size);
    }
  }

  // Which repairs of the layout the rewriting was.
  void note_layout(std::string_view before, std::string_view after) {
    std::vector<std::string> lines = split(before, '\n');
    for (std::string& line : lines) {
      const std::string_view content = trim(line);
      if (!content.empty() && content.front() != line.front()) say("indentation");
      if (!content.empty() && content.back() != line.back()) say("trailing spaces");
      line = std::string(content);
    }
    if (join(lines, "\n") + "\n" != after) say("body wrapped at another width");
    for (std::string& line : lines) wipe(line);
  }

  // Fills in encryption and type, and refuses what libssh2 could not use.
  static Result<> understand(std::string_view label, std::string_view headers,
                             std::string_view digits, RepairedKey& key) {
    auto decoded = base64_decode(digits);
    if (!decoded || decoded->empty()) return cut_short("its body is not base64");
    const WipedText bytes(std::move(*decoded));
    if (label == openssh_label) return understand_openssh(bytes.text, key);
    key.encrypted =
        label == "ENCRYPTED PRIVATE KEY" || headers.find("ENCRYPTED") != std::string_view::npos;
    if (label == "RSA PRIVATE KEY") key.type = "rsa";
    if (label == "EC PRIVATE KEY") key.type = "ecdsa";
    if (key.encrypted) return {};
    return understand_pem(key);
  }

  // OpenSSH's PROTOCOL.key. Its public half is never encrypted.
  static Result<> understand_openssh(std::string_view bytes, RepairedKey& key) {
    if (!bytes.starts_with(openssh_magic)) return cut_short("its body is something else");
    WireReader reader(bytes.substr(openssh_magic.size()));
    const auto cipher = reader.string();
    const auto kdf = reader.string();
    const auto kdf_options = reader.string();
    const auto count = reader.number();
    const auto public_key = reader.string();
    const auto private_part = reader.string();
    if (!cipher || !kdf || !kdf_options || !count || !public_key || !private_part) {
      return cut_short("its end is missing");
    }
    if (*count != 1) return not_usable(fmt::format("it holds {} keys", *count), "Give one key.");
    key.encrypted = *cipher != "none";
    WireReader options(*kdf_options);
    options.string();  // salt
    if (const auto rounds = options.number(); rounds && *rounds > most_rounds) {
      return not_usable(fmt::format("{} rounds protect its passphrase, {} at most are tried",
                                    *rounds, most_rounds),
                        "Save it with fewer: ssh-keygen -p -a 100 -f key");
    }
    const std::string_view type = WireReader(*public_key).string().value_or("");
    if (type == "ssh-ed25519") {
      key.type = "ed25519";
    } else if (type == "ssh-rsa") {
      key.type = "rsa";
    } else if (type.starts_with("ecdsa-sha2-nistp")) {
      key.type = "ecdsa";
    } else if (type == "ssh-dss") {
      return not_usable("DSA keys are no longer safe", make_ed25519);
    } else if (type.starts_with("sk-")) {
      return not_usable("it stands for a hardware token, which has to be at hand",
                        "Load it into an ssh-agent, or use a key without a token.");
    } else {
      return not_usable(fmt::format("its type \"{}\" is not known", visible(cut_utf8(type, 60))),
                        make_ed25519);
    }
    return {};
  }

  static Result<> understand_pem(RepairedKey& key) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
        BIO_new_mem_buf(key.text.data(), static_cast<int>(key.text.size())), BIO_free);
    // Without a callback libcrypto would ask for a passphrase on the terminal.
    const auto no_passphrase = [](char*, int, int, void*) { return -1; };
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> parsed(
        PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr), EVP_PKEY_free);
    ERR_clear_error();
    if (parsed == nullptr) return cut_short("its content makes no sense");
    switch (EVP_PKEY_base_id(parsed.get())) {
      case EVP_PKEY_RSA:
        key.type = "rsa";
        return {};
      case EVP_PKEY_ED25519:
        key.type = "ed25519";
        return {};
      case EVP_PKEY_EC:
        key.type = "ecdsa";
        return check_curve(parsed.get());
      default:
        return not_usable("it is neither RSA, ECDSA nor Ed25519", make_ed25519);
    }
  }

  static Result<> check_curve(EVP_PKEY* key) {
    std::array<char, 64> name{};
    EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, name.data(), name.size(),
                                   nullptr);
    constexpr std::array<std::string_view, 3> known{"prime256v1", "secp384r1", "secp521r1"};
    const std::string_view curve = name.data();
    if (std::find(known.begin(), known.end(), curve) != known.end()) return {};
    return not_usable(fmt::format("SSH does not know its curve \"{}\"", visible(curve)),
                      make_ed25519);
  }

  WipedText text_;
  std::vector<std::string> repairs_;
};

// Whether libssh2 can read the key. It makes the login request of a session that has no
// stream: the request is as good as sent when it "would block".
bool libssh2_can_read(std::string_view key, const std::string& passphrase) {
  const std::unique_ptr<LIBSSH2_SESSION, decltype(&libssh2_session_free)> session(
      libssh2_session_init(), libssh2_session_free);
  if (session == nullptr) return false;
  const auto takes_nothing =
      +[](libssh2_socket_t, const void*, std::size_t, int, void**) -> ssize_t { return -EAGAIN; };
  libssh2_session_callback_set2(session.get(), LIBSSH2_CALLBACK_SEND,
                                reinterpret_cast<libssh2_cb_generic*>(takes_nothing));
  libssh2_session_set_blocking(session.get(), 0);
  // RSA keys sign with a hash of the server's choice, which only a session knows of: making their
  // public half has read the key, and that is what counts here.
  const int code = libssh2_userauth_publickey_frommemory(
      session.get(), "user", 4, nullptr, 0, key.data(), key.size(), passphrase.c_str());
  ERR_clear_error();
  return code == LIBSSH2_ERROR_EAGAIN || code == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED;
}

// Of the text that repair_key() gives.
std::string openssh_public_half(std::string_view text) {
  const std::size_t start = text.find('\n');
  auto decoded = base64_decode(text.substr(start, text.find("-----END") - start));
  if (!decoded) return {};
  const WipedText bytes(std::move(*decoded));
  WireReader reader(std::string_view(bytes.text).substr(openssh_magic.size()));
  reader.string();  // cipher
  reader.string();  // key derivation
  reader.string();  // and its options
  reader.number();  // how many keys: 1
  return std::string(reader.string().value_or(""));
}

std::string pem_public_half(std::string_view text, const Secret& passphrase) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free);
  const auto give_passphrase = [](char* into, int size, int, void* from) {
    const auto* secret = static_cast<const Secret*>(from);
    return static_cast<int>(secret->expose().copy(into, static_cast<std::size_t>(size)));
  };
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, give_passphrase,
                              const_cast<Secret*>(&passphrase)),
      EVP_PKEY_free);
  unsigned char* made = nullptr;
  const int size = key == nullptr ? 0 : i2d_PUBKEY(key.get(), &made);
  ERR_clear_error();
  if (size <= 0) return {};
  std::string half(reinterpret_cast<const char*>(made), static_cast<std::size_t>(size));
  OPENSSL_free(made);
  return half;
}

}  // namespace

Result<RepairedKey> repair_key(std::string_view text) { return Repair(text).run(); }

Result<> check_passphrase(const Secret& key, const Secret& passphrase) {
  PCA_TRY(RepairedKey repaired, repair_key(key.expose()));
  const bool encrypted = repaired.encrypted;
  const WipedText secret{std::string(passphrase.expose())};
  const bool opens =
      (!encrypted || !passphrase.empty()) && libssh2_can_read(repaired.text, secret.text);
  wipe(repaired.text);
  if (opens) return {};
  if (!encrypted) return cut_short("it cannot be read");
  if (passphrase.empty()) {
    return bad_input("the private key is encrypted, and there is no passphrase",
                     "Set the input passphrase, or use a key without one.");
  }
  return bad_input("the passphrase does not open the private key",
                   "Check it with: ssh-keygen -y -f key. If it is right, the key's encryption is "
                   "not known here: save it again with ssh-keygen -p -f key");
}

Result<std::string> public_half(const Secret& key, const Secret& passphrase) {
  PCA_TRY(RepairedKey repaired, repair_key(key.expose()));
  const bool is_openssh = repaired.text.find(openssh_label) != std::string::npos;
  std::string half =
      is_openssh ? openssh_public_half(repaired.text) : pem_public_half(repaired.text, passphrase);
  wipe(repaired.text);
  if (half.empty()) return bad_input("the private key does not tell its public half");
  return half;
}

}  // namespace pca
