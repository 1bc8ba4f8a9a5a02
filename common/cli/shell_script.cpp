#include "cli/shell_script.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace pca {

namespace {

std::string change_directory(const std::string& directory) {
  const bool in_home = directory == "~" || directory.starts_with("~/");
  const std::string path =
      in_home ? "\"$HOME\"" + shell_quote(directory.substr(1)) : shell_quote(directory);
  return fmt::format("CDPATH= cd -- {} || exit 1; ", path);
}

}  // namespace

std::string_view shell_word(Shell shell) {
  switch (shell) {
    case Shell::automatic:
      return "auto";
    case Shell::bash:
      return "bash";
    case Shell::sh:
      return "sh";
    case Shell::login:
      return "login";
  }
  return "auto";
}

std::string prelude_of(const ShellScript& script) {
  std::string out;
  if (script.errexit) {
    out += "set -e; if (set -o pipefail) 2>/dev/null; then set -o pipefail; fi; ";
  }
  for (const EnvironmentLine& line : script.environment) {
    std::string quoted = shell_quote(line.secret.empty() ? line.value : line.secret.expose());
    out += fmt::format("export {}=", line.name);
    out += quoted;
    out += "; ";
    wipe(quoted);
  }
  if (!script.umask.empty()) out += fmt::format("umask {}; ", script.umask);
  if (!script.cwd.empty()) out += change_directory(script.cwd);
  return out;
}

}  // namespace pca
