#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "support/process.hpp"
#include "support/temp_folder.hpp"

namespace pca::testing {

// A private-cloud-sandbox that runs as long as this object: the real executable, on free ports.
class SandboxProcess {
 public:
  // Starts it with `environment` added to a plain one and waits for its ready line; a test that
  // gets none has failed.
  SandboxProcess(const std::string& command, const std::vector<std::string>& arguments,
                 const test::ProcessEnvironment& environment);
  // Ends it; a test whose sandbox does not end well (a sanitizer found something) has failed.
  ~SandboxProcess();
  SandboxProcess(const SandboxProcess&) = delete;
  SandboxProcess& operator=(const SandboxProcess&) = delete;

  // Ends it by SIGTERM and gives its exit code. Safe to call twice.
  int stop();
  [[nodiscard]] static const char* executable();
  [[nodiscard]] int pid() const { return process_.pid(); }
  [[nodiscard]] const Json& where() const { return where_; }  // its ready line
  // The port in the ready line's `key`, 0 when it has none.
  [[nodiscard]] std::uint16_t port_of(const char* key) const;

 private:
  test::Process process_;
  bool is_running_ = true;
  int exit_code_ = -1;
  Json where_;
};

// The lines of `kind` that a server of the sandbox has written into its record so far.
[[nodiscard]] std::vector<Json> read_records(const std::string& file, const std::string& kind);

// `private-cloud-sandbox edge`. Its certificate is for localhost, 127.0.0.1 and what --name adds.
class SandboxEdge {
 public:
  // A service token and a JWT for those who need some. The edge knows them only when told, by
  // --client-id, INPUT_CLIENT_SECRET and INPUT_JWT.
  static constexpr const char* client_id = "4f1c9bd0a7.access";
  static constexpr const char* client_secret = "canary-client-secret-6b1f27c4d90e";
  static constexpr const char* jwt = "eyJhbGciOiJub25lIn0.canary-jwt.c2lnbmF0dXJl";

  explicit SandboxEdge(const std::vector<std::string>& arguments,
                       const test::ProcessEnvironment& environment = {});

  [[nodiscard]] std::uint16_t port() const { return process_.port_of("edge"); }
  [[nodiscard]] std::uint16_t proxy_port() const {  // with --proxy
    return process_.port_of("proxy");
  }
  [[nodiscard]] std::string ca_file() const { return folder_.path("ca.pem"); }
  int stop() { return process_.stop(); }
  [[nodiscard]] int pid() const { return process_.pid(); }
  // What is recorded about connections that have ended so far; `kind` is edge or proxy.
  [[nodiscard]] std::vector<Json> records(const std::string& kind = "edge") const;
  // The same once there are at least `count`; a test that has to wait 10 s for them has failed.
  [[nodiscard]] std::vector<Json> wait_for_records(std::size_t count,
                                                   const std::string& kind = "edge") const;

 private:
  test::TempFolder folder_;  // outlives the process that writes into it
  SandboxProcess process_;
};

// `private-cloud-sandbox delay`.
class SandboxDelay {
 public:
  explicit SandboxDelay(const std::vector<std::string>& arguments)
      : process_("delay", arguments, {}) {}
  [[nodiscard]] std::uint16_t port() const { return process_.port_of("delay"); }

 private:
  SandboxProcess process_;
};

}  // namespace pca::testing
