#include "cli/report_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/digest.hpp"
#include "net/file_descriptor.hpp"

namespace pca {

namespace {

constexpr std::size_t name_bytes = 8;

}  // namespace

std::string write_report(ToolContext& context, const Json& report) {
  const std::string folder = variable_in(context.environment, "RUNNER_TEMP");
  if (folder.empty()) return {};
  const std::string path = fmt::format("{}/report-{}.json", folder, random_hex(name_bytes));
  const std::string text = context.reporter.redact(report.dump_pretty()) + "\n";
  const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file.is_open() ||
      ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    context.reporter.warning(fmt::format("The report could not be written to {}.", path));
    return {};
  }
  return path;
}

}  // namespace pca
