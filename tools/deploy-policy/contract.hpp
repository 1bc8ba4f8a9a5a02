#pragma once

// Names that users' workflows rely on: outputs and keys of the JSON report. Changing one is a
// breaking change.
namespace pca::deploy_policy::contract {

// Outputs of classify.
inline constexpr const char* deploy_class = "class";
inline constexpr const char* environment = "environment";
inline constexpr const char* slug = "slug";
inline constexpr const char* hostname = "hostname";
inline constexpr const char* url = "url";
inline constexpr const char* stack = "stack";
inline constexpr const char* branch = "branch";
inline constexpr const char* reason = "reason";

// Outputs of the name commands, with environment, slug and reason.
inline constexpr const char* name = "name";
inline constexpr const char* valid = "valid";
inline constexpr const char* room = "room";
inline constexpr const char* customer = "customer";
inline constexpr const char* project = "project";
inline constexpr const char* component = "component";

// Outputs of lint.
inline constexpr const char* findings = "findings";
inline constexpr const char* errors = "errors";
inline constexpr const char* warnings = "warnings";
inline constexpr const char* notes = "notes";
inline constexpr const char* sarif_file = "sarif-file";

// Outputs of export and migrate.
inline constexpr const char* settings = "settings";
inline constexpr const char* migrations = "migrations";

}  // namespace pca::deploy_policy::contract
