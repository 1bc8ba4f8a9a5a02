#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.hpp"

namespace pca {

enum class Shell : std::uint8_t {
  automatic,  // bash if there, else sh
  bash,
  sh,
  login,  // bash -l: reads the login files first
};
[[nodiscard]] std::string_view shell_word(Shell shell);  // "auto", "bash", ...

// One variable for the script. The value may be secret: it goes by stdin, never by argv.
struct EnvironmentLine {
  std::string name;
  std::string value;  // empty when `secret` is set
  Secret secret;
};

// A script that shall run elsewhere, the same wherever it does.
struct ShellScript {
  std::string script;  // no NUL bytes
  Shell shell = Shell::automatic;
  bool errexit = true;  // stop at the first error, also within pipes where the shell can
  std::vector<EnvironmentLine> environment = {};
  std::string cwd = {};    // "~/..." is the user's home
  std::string umask = {};  // octal digits
};

// What has to run in the same shell before `script`: no line break, so that the line numbers in
// the shell's messages stay true. May hold secrets: wipe() it.
[[nodiscard]] std::string prelude_of(const ShellScript& script);

}  // namespace pca
