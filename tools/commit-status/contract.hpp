#pragma once

// Names that users' workflows rely on: outputs and keys of the JSON report. Changing one is a
// breaking change.
namespace pca::commit_status::contract {

inline constexpr const char* id = "id";
inline constexpr const char* url = "url";
inline constexpr const char* state = "state";
inline constexpr const char* context = "context";
inline constexpr const char* sha = "sha";
inline constexpr const char* changed = "changed";
inline constexpr const char* skipped = "skipped";
inline constexpr const char* dry_run = "dry-run";
inline constexpr const char* results = "results";
inline constexpr const char* attempts = "attempts";
inline constexpr const char* exit_code = "exit-code";
inline constexpr const char* exit_signal = "exit-signal";
inline constexpr const char* report = "report";
inline constexpr const char* deployment_id = "deployment-id";
inline constexpr const char* deployment_url = "deployment-url";
inline constexpr const char* environment = "environment";
inline constexpr const char* environment_url = "environment-url";
inline constexpr const char* created = "created";
inline constexpr const char* failed = "failed";
inline constexpr const char* preview_url = "preview-url";
inline constexpr const char* branch_url = "branch-url";
inline constexpr const char* details_url = "details-url";
inline constexpr const char* version_id = "version-id";
inline constexpr const char* deactivated = "deactivated";
inline constexpr const char* name = "name";
inline constexpr const char* check_id = "check-id";
inline constexpr const char* check_url = "check-url";
inline constexpr const char* annotations = "annotations";
inline constexpr const char* via = "via";
inline constexpr const char* sent = "sent";
inline constexpr const char* number = "number";
inline constexpr const char* started_at = "started-at";
inline constexpr const char* ended_at = "ended-at";
inline constexpr const char* components = "components";

}  // namespace pca::commit_status::contract
