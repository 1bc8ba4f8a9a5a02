#include "cli/input_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/secret.hpp"
#include "base/system_error.hpp"
#include "base/text.hpp"
#include "net/byte_stream.hpp"
#include "net/file_descriptor.hpp"

namespace pca {

namespace {

Error cannot_read(const std::string& name, const std::string& why) {
  return bad_input(fmt::format("cannot read {}: {}", name, why),
                   "Name a file that exists and can be read.");
}

Result<> wait_for_input(const Budget& budget, int fd, const std::string& name) {
  const PollHandle input{fd, POLLIN};
  auto waited = wait_ready(budget, {&input, 1}, budget.deadline(), "reading " + name);
  if (waited && waited->any_ready) return {};
  if (!waited && waited.error().kind != ErrorKind::unreachable) return waited.error();
  return bad_input(fmt::format("nothing came from {} in time", name),
                   "Write the text to it and close it, or name a file.");
}

// Grown by hand, so that no copy of a secret stays behind in a buffer that was outgrown.
void append_without_trace(std::string& text, std::string_view more) {
  if (text.size() + more.size() > text.capacity()) {
    std::string longer;
    longer.reserve(2 * (text.size() + more.size()));
    longer += text;
    wipe(text);
    text = std::move(longer);
  }
  text += more;
}

}  // namespace

Result<std::string> read_input_file(const Budget& budget, const std::string& path,
                                    std::uint64_t limit) {
  const bool is_stdin = path == "-";
  const std::string name = is_stdin ? "stdin" : fmt::format("\"{}\"", visible(path));
  // Not blocking, so that opening a pipe nobody writes to does not hang.
  const FileDescriptor opened(is_stdin ? -1
                                       : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!is_stdin && !opened.is_open()) return cannot_read(name, errno_text(errno));
  const int fd = is_stdin ? STDIN_FILENO : opened.get();
  struct stat facts {};
  if (::fstat(fd, &facts) != 0) return cannot_read(name, errno_text(errno));
  if (S_ISDIR(facts.st_mode)) return cannot_read(name, "it is a folder");

  std::string text;
  std::array<char, 16384> chunk{};
  while (true) {
    PCA_CHECK(wait_for_input(budget, fd, name));
    const ssize_t size = ::read(fd, chunk.data(), chunk.size());
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (size < 0) return cannot_read(name, errno_text(errno));
    if (size == 0) return text;
    append_without_trace(text, {chunk.data(), static_cast<std::size_t>(size)});
    chunk.fill('\0');
    if (text.size() > limit) {
      wipe(text);
      return bad_input(fmt::format("{} holds more than {}", name, format_size(limit)),
                       "Check that it is the right file.");
    }
  }
}

}  // namespace pca
