#include "sandbox/record.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/system_error.hpp"
#include "base/text.hpp"

namespace pca::sandbox {

namespace {

constexpr std::array<std::string_view, 6> secret_headers{
    "Cf-Access-Client-Secret", "Cf-Access-Token", "Authorization",
    "Proxy-Authorization",     "Cookie",          "Cf-Access-Jwt-Assertion"};

bool is_secret(std::string_view name) {
  return std::any_of(secret_headers.begin(), secret_headers.end(),
                     [&](std::string_view secret) { return equals_ignoring_case(name, secret); });
}

}  // namespace

Result<Recorder> Recorder::open(const std::string& file) {
  if (file.empty()) return Recorder(-1);
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) {
    return failed(fmt::format("cannot write the record {}: {}", file, errno_text(errno)),
                  "Name a file in a folder that exists and is writable.");
  }
  return Recorder(fd);
}

Recorder::Recorder(Recorder&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Recorder::~Recorder() {
  if (fd_ >= 0) ::close(fd_);
}

void Recorder::add(const Json& line) {
  if (fd_ < 0) return;
  // One write, so that whoever reads the file meanwhile sees whole lines.
  const std::string text = line.dump() + "\n";
  [[maybe_unused]] const ssize_t written = ::write(fd_, text.data(), text.size());
}

Json record_headers(const Headers& headers) {
  Json out = Json::object();
  for (const auto& [name, value] : headers) {
    out.set(name, is_secret(name) && !value.empty() ? std::string("(set)") : value);
  }
  return out;
}

}  // namespace pca::sandbox
