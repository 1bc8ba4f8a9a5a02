#pragma once

#include <span>

#include "base/error.hpp"

namespace pca {

// One exit-code table for all tools. Signals end with 128 + number, after clean-up.
struct ExitCode {
  int code;
  const char* meaning;
};
[[nodiscard]] std::span<const ExitCode> exit_code_table();
[[nodiscard]] int exit_code_for(ErrorKind kind);

}  // namespace pca
