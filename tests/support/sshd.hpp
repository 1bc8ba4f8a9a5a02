#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "support/temp_folder.hpp"

namespace pca::test {

// A key pair that ssh-keygen makes in `folder`.
struct KeyPair {
  std::string private_text;
  std::string public_line;  // "ssh-ed25519 AAAA... comment", without a newline
  std::string path;         // of the private file; the public one has .pub behind
};
// `arguments` go to ssh-keygen: {"-t", "rsa", "-b", "2048", "-m", "PEM"}.
[[nodiscard]] KeyPair make_key(const TempFolder& folder, const std::string& name,
                               const std::vector<std::string>& arguments,
                               const std::string& passphrase = "");

struct SshdSettings {
  std::vector<std::string> host_keys{"ed25519", "ecdsa", "rsa"};  // -t of ssh-keygen
  std::string authorized_keys{};                                  // lines
  std::string config{};  // more sshd_config lines; the first value of a keyword counts
  std::string home{};    // where SFTP starts; default: the folder of this sshd
  // Let the user "tester" in, whom the machine need not have, by key or by `tester_password`, and
  // answer through PAM. Needs root.
  bool has_tester = false;
};

inline const std::string tester_password = "open sesame";

// The distribution's real sshd on loopback, run by and for the current user. Ends with the object,
// its sessions and what they started included. Throws std::runtime_error when it does not start.
class Sshd {
 public:
  explicit Sshd(const SshdSettings& settings);
  ~Sshd();
  Sshd(const Sshd&) = delete;
  Sshd& operator=(const Sshd&) = delete;

  // Why sshd cannot be tested on this machine; empty when it can.
  static std::string missing(bool with_tester = false);

  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] std::string user() const;  // who can log in
  [[nodiscard]] int pid() const;
  [[nodiscard]] std::string log() const;
  [[nodiscard]] const TempFolder& folder() const;
  // A known_hosts line for 127.0.0.1 and this port; of any key unless a type is asked for.
  [[nodiscard]] std::string known_hosts(const std::string& type = "") const;
  [[nodiscard]] std::string fingerprint(const std::string& type) const;  // SHA256:...
  // Waits until the log has `text`, 10 s at most.
  [[nodiscard]] bool wait_for_log(const std::string& text);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Whether the process ends within 10 s; one that nobody has waited for counts as ended.
[[nodiscard]] bool ends(int pid);
// The processes that descend from `pid`, children of children included.
[[nodiscard]] std::vector<int> descendants_of(int pid);

}  // namespace pca::test
