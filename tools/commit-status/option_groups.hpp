#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include "cli/options.hpp"

namespace pca::commit_status {

// What several commands take: which commit at which GitHub, and what to do in trouble.
[[nodiscard]] std::vector<Option> github_options();
[[nodiscard]] std::vector<Option> trouble_options();
// Adds both to a command's own, but for those named.
void add_common_options(std::vector<Option>& options,
                        std::initializer_list<std::string_view> but = {});

// A command's own outputs, and those of every talk: whether nothing was sent and why, a dry run,
// the number of requests, the report.
[[nodiscard]] std::vector<Output> with_common_outputs(
    std::vector<Output> own, std::string_view why_skipped = "the token may not write");

// The commands, each with its whole option table.
[[nodiscard]] CommandSpec status_command();
[[nodiscard]] CommandSpec run_command();
[[nodiscard]] CommandSpec check_command();
[[nodiscard]] CommandSpec deployment_start_command();
[[nodiscard]] CommandSpec deployment_finish_command();
[[nodiscard]] CommandSpec wait_command();
[[nodiscard]] CommandSpec summary_command();
[[nodiscard]] CommandSpec compass_command();

}  // namespace pca::commit_status
