#pragma once

// Names that users' workflows rely on: outputs and keys of the JSON report. Changing one is a
// breaking change.
namespace pca::proxmox_deploy::contract {

inline constexpr const char* outcome = "outcome";
inline constexpr const char* release = "release";
inline constexpr const char* previous = "previous";
inline constexpr const char* url = "url";
inline constexpr const char* changed = "changed";
inline constexpr const char* vmid = "vmid";
inline constexpr const char* node = "node";
inline constexpr const char* ip = "ip";
inline constexpr const char* volid = "volid";
inline constexpr const char* name = "name";
inline constexpr const char* removed = "removed";
inline constexpr const char* exit_code = "exit-code";
inline constexpr const char* stdout_text = "stdout";
inline constexpr const char* stderr_text = "stderr";
inline constexpr const char* duration_ms = "duration-ms";
inline constexpr const char* report = "report";

}  // namespace pca::proxmox_deploy::contract
