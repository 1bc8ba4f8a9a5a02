#pragma once

// Names that users' workflows rely on: outputs and keys of the JSON report. Changing one is a
// breaking change.
namespace pca::swarm_deploy::contract {

inline constexpr const char* outcome = "outcome";
inline constexpr const char* release = "release";
inline constexpr const char* previous = "previous";
inline constexpr const char* changed = "changed";
inline constexpr const char* created = "created";
inline constexpr const char* updated = "updated";
inline constexpr const char* unchanged = "unchanged";
inline constexpr const char* removed = "removed";
inline constexpr const char* services = "services";
inline constexpr const char* nodes = "nodes";
inline constexpr const char* failed_service = "failed-service";
inline constexpr const char* failure_reason = "failure-reason";
// Of previews.
inline constexpr const char* preview = "preview";
inline constexpr const char* stack = "stack";
inline constexpr const char* hostname = "hostname";
inline constexpr const char* url = "url";
inline constexpr const char* expires = "expires";

inline constexpr const char* duration_ms = "duration-ms";
inline constexpr const char* report = "report";

}  // namespace pca::swarm_deploy::contract
