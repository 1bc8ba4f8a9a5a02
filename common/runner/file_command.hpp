#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace pca {

// One record for GITHUB_OUTPUT, GITHUB_ENV or GITHUB_STATE: heredoc form with a random delimiter,
// which occurs in neither name nor value. Characters of `name` that would end it early become '_'.
[[nodiscard]] std::string file_command_record(std::string_view name, std::string_view value);

// Appends in one write(). An empty path is not an error: outside Actions there is no such file. The
// file itself must exist, as the runner makes it.
Result<> append_file_command(const std::string& path, std::string_view record);

// Appends Markdown to the job summary, cut on a code point border with a note, so that the whole
// file stays under GitHub's 1 MiB (a larger file is dropped whole).
Result<> append_step_summary(const std::string& path, std::string_view markdown);

}  // namespace pca
