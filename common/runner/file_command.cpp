#include "runner/file_command.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/digest.hpp"
#include "base/system_error.hpp"
#include "base/text.hpp"

namespace pca {

namespace {

constexpr std::size_t summary_limit = std::size_t{1024} * 1024;
constexpr std::string_view summary_note =
    "\n\n_The rest was cut: a summary holds at most 1 MiB._\n";

Error file_error(std::string_view doing, const std::string& path, int code) {
  return failed(fmt::format("cannot {} {}: {}", doing, visible(path), errno_text(code)),
                "The runner makes this file for each step; check that the variable naming it was "
                "not changed and that the file is writable.");
}

// Owns a file open for appending.
class AppendFile {
 public:
  static Result<AppendFile> open(const std::string& path) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0) return file_error("open", path, errno);
    return AppendFile(path, fd);
  }
  AppendFile(AppendFile&& other) noexcept
      : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;
  AppendFile& operator=(AppendFile&&) = delete;
  ~AppendFile() {
    if (fd_ >= 0) ::close(fd_);
  }

  [[nodiscard]] std::size_t size() const {
    struct stat status {};
    return ::fstat(fd_, &status) == 0 ? static_cast<std::size_t>(status.st_size) : 0;
  }

  Result<> append(std::string_view text) {
    while (!text.empty()) {
      const ssize_t written = ::write(fd_, text.data(), text.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return file_error("write to", path_, errno);
      text.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
  }

 private:
  AppendFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  std::string path_;
  int fd_;
};

}  // namespace

std::string file_command_record(std::string_view name, std::string_view value) {
  std::string safe_name(name);
  std::replace_if(
      safe_name.begin(), safe_name.end(),
      [](char c) { return c == '\n' || c == '\r' || c == '=' || c == '<' || c == '\0'; }, '_');
  std::string delimiter;
  do {
    delimiter = "ghadelimiter_" + random_hex(16);
  } while (value.find(delimiter) != std::string_view::npos ||
           safe_name.find(delimiter) != std::string::npos);
  return fmt::format("{}<<{}\n{}\n{}\n", safe_name, delimiter, value, delimiter);
}

Result<> append_file_command(const std::string& path, std::string_view record) {
  if (path.empty()) return {};
  PCA_TRY(AppendFile file, AppendFile::open(path));
  return file.append(record);
}

Result<> append_step_summary(const std::string& path, std::string_view markdown) {
  if (path.empty()) return {};
  PCA_TRY(AppendFile file, AppendFile::open(path));
  const std::size_t used = file.size();
  const std::size_t room = used < summary_limit ? summary_limit - used : 0;
  if (markdown.size() <= room) return file.append(markdown);
  if (room < summary_note.size()) return {};  // an earlier part was cut and says so
  return file.append(
      fmt::format("{}{}", cut_utf8(markdown, room - summary_note.size()), summary_note));
}

}  // namespace pca
