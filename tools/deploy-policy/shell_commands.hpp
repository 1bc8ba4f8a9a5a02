#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace pca::deploy_policy {

// A simple command of a shell script: its words without quotes, and where it begins. Words keep
// what only a run could fill in ("$NAME", "${{ inputs.name }}").
struct ShellCommand {
  std::vector<std::string> words;
  std::size_t offset = 0;
};

// The simple commands of a script in the order in which they stand there, also those inside of
// "$(...)", of groups and of conditions; not those of here-documents. It never fails: what is no
// shell gives words like any other text. For a linter, not for running anything.
[[nodiscard]] std::vector<ShellCommand> shell_commands(std::string_view script);

}  // namespace pca::deploy_policy
