#pragma once

#include <string>

#include "cli/report_file.hpp"

namespace pca {

// See cli/report_file.hpp.
[[nodiscard]] inline std::string write_report(ToolContext& context, const Json& report) {
  return pca::write_report(context, "tunnel-ssh", report);
}

}  // namespace pca
