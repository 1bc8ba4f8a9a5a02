#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "net/connect.hpp"
#include "net/http.hpp"
#include "net/ssh_dialer.hpp"

namespace pca {

// One SSH connection that carries all HTTP connections to one target: an open session's where there
// is one, made with the first request, and again when it is lost. Thread safe.
class SshWay {
 public:
  // The first of `targets` that the host lets through.
  SshWay(std::vector<SshTarget> targets, std::shared_ptr<const ConnectionSettings> settings,
         HostAddress host, ConnectObserver observer);
  ~SshWay();
  SshWay(const SshWay&) = delete;
  SshWay& operator=(const SshWay&) = delete;

  [[nodiscard]] Result<FileDescriptor> dial(const Budget& budget);
  // How many connections at once it bears.
  [[nodiscard]] std::size_t most_connections() const;
  // What the host said last of a channel that did not work; empty also while somebody connects.
  [[nodiscard]] std::string last_words();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A transport whose connections go that way. A GET that was cut short is sent once
// more, through another SSH connection when that was lost. `peer` is for messages.
[[nodiscard]] std::unique_ptr<HttpTransport> make_http_over_ssh(std::shared_ptr<SshWay> way,
                                                                const std::string& peer);

}  // namespace pca
