#pragma once

// Names that users' workflows rely on: outputs, outcomes, keys of the JSON report. Changing one is
// a breaking change.
namespace pca::tunnel_ssh::contract {

// Outputs of exec.
inline constexpr const char* stdout_text = "stdout";
inline constexpr const char* stderr_text = "stderr";
inline constexpr const char* exit_code = "exit-code";
inline constexpr const char* exit_signal = "exit-signal";
inline constexpr const char* results = "results";
inline constexpr const char* failed_hosts = "failed-hosts";
inline constexpr const char* outcome = "outcome";
inline constexpr const char* duration_ms = "duration-ms";
inline constexpr const char* report = "report";

// Outputs of sync.
inline constexpr const char* changed = "changed";

// Outputs of release.
inline constexpr const char* release = "release";
inline constexpr const char* previous = "previous";
inline constexpr const char* preview = "preview";

// Outputs of guard.
inline constexpr const char* reverts_at = "reverts-at";

// Outputs of forward.
inline constexpr const char* port = "port";
inline constexpr const char* ports = "ports";
inline constexpr const char* pid = "pid";

// Outputs of the session commands, with pid.
inline constexpr const char* sessions = "sessions";

// Outputs of pin.
inline constexpr const char* known_hosts = "known-hosts";
inline constexpr const char* fingerprints = "fingerprints";

}  // namespace pca::tunnel_ssh::contract
