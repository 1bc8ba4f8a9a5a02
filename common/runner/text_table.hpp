#pragma once

#include <string>
#include <vector>

#include "runner/redactor.hpp"

namespace pca {

// A table for people, in the log and in the job summary. Its cells may be hostile.
struct TextTable {
  std::vector<std::string> headings;
  std::vector<std::vector<std::string>> rows;  // each as long as headings
};
// Lines whose columns stand below each other; nothing when there are no rows.
[[nodiscard]] std::string aligned_table(const TextTable& table);
[[nodiscard]] std::string markdown_table(const TextTable& table, const Redactor& redactor);

}  // namespace pca
