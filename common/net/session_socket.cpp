#include "net/session_socket.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/backoff.hpp"
#include "base/system_error.hpp"
#include "base/text.hpp"

namespace pca {

namespace {

constexpr int waiting_connections = 128;
constexpr std::size_t most_names = 256;
constexpr std::size_t name_length = 64;
constexpr const char* lock_name = "lock";
constexpr Milliseconds lock_pause{10};

Error broken() { return unreachable("a session's socket broke: " + errno_text(errno)); }

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

FileDescriptor new_socket() {
  return FileDescriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

bool is_own(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
         peer.uid == ::geteuid();
}

bool is_name(std::string_view name) {
  return name.size() == name_length &&
         name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

Result<bool> SessionSocket::receive() {
  bool came = false;
  while (!at_end_) {
    const std::span<char> room = reader_.room();
    if (room.empty()) return came;
    const ssize_t size = ::recv(socket_.get(), room.data(), room.size(), 0);
    if (size < 0 && would_block(errno)) return came;
    if (size < 0 && errno != ECONNRESET) return broken();
    at_end_ = size <= 0;
    if (size > 0) reader_.filled(static_cast<std::size_t>(size));
    came = true;
  }
  return came;
}

Result<std::optional<SessionFrame>> SessionSocket::front() {
  PCA_TRY(auto frame, reader_.front());
  if (frame) return frame;
  PCA_CHECK(receive());
  return reader_.front();
}

void SessionSocket::send(SessionFrameType type, std::string_view payload) {
  if (!is_congested()) {
    out_.clear();
    sent_ = 0;
  }
  append_session_frame(out_, type, payload);
}

Result<bool> SessionSocket::flush() {
  while (is_congested()) {
    const ssize_t size =
        ::send(socket_.get(), out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
    if (size < 0 && would_block(errno)) return false;
    if (size < 0) {
      sent_ = out_.size();  // nobody will have it
      return broken();
    }
    sent_ += static_cast<std::size_t>(size);
  }
  return true;
}

PollHandle SessionSocket::poll_handle() {
  int events = 0;
  if (!at_end_ && !reader_.room().empty()) events |= POLLIN;
  if (is_congested()) events |= POLLOUT;
  // A closed socket that nothing is wanted of would wake poll() again and again.
  return {events == 0 ? -1 : socket_.get(), static_cast<short>(events)};
}

Result<SessionFolder> SessionFolder::make(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return failed(fmt::format("cannot make the folder {}: {}", visible(path), errno_text(errno)),
                  "It holds the sockets of open sessions; RUNNER_TEMP must name a folder that may "
                  "be written.");
  }
  return open(path);
}

Result<SessionFolder> SessionFolder::open(const std::string& path) {
  FileDescriptor folder(::open(path.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat status {};
  if (!folder.is_open() || ::fstat(folder.get(), &status) != 0) {
    return unreachable(fmt::format("cannot open {}: {}", visible(path), errno_text(errno)));
  }
  if (status.st_uid != ::geteuid() || (status.st_mode & 077U) != 0) {
    return permission_denied(
        fmt::format("{} belongs to somebody else or is open to others", visible(path)),
        "Sessions are not looked for there. Remove it if it is yours.");
  }
  return SessionFolder(std::move(folder), path);
}

std::string SessionFolder::path_of(const std::string& name) const {
  return fmt::format("/proc/self/fd/{}/{}", folder_.get(), name);
}

std::vector<std::string> SessionFolder::names() const {
  std::vector<std::string> found;
  std::error_code unreadable;
  for (const auto& entry : std::filesystem::directory_iterator(path_of(""), unreadable)) {
    std::string name = entry.path().filename().native();
    if (is_name(name) && found.size() < most_names) found.push_back(std::move(name));
  }
  std::sort(found.begin(), found.end());
  return found;
}

Result<SessionSocket> SessionFolder::connect(const std::string& name) const {
  FileDescriptor socket = new_socket();
  const sockaddr_un address = address_of(path_of(name));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int reason = errno;
    if (reason == ECONNREFUSED) remove(name);
    return unreachable("no session answers: " + errno_text(reason));
  }
  if (!is_own(socket.get())) return permission_denied("a session is somebody else's");
  return SessionSocket(std::move(socket));
}

Result<FileDescriptor> SessionFolder::listen(const std::string& name) const {
  if (connect(name)) return conflict("this session is open already");
  FileDescriptor socket = new_socket();
  // It gets its name when it listens: whoever finds a socket that does not removes it.
  const std::string unfinished = fmt::format("{}.{}", name, ::getpid());
  const sockaddr_un address = address_of(path_of(unfinished));
  const bool is_bound =
      ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  const bool listens = is_bound && ::chmod(path_of(unfinished).c_str(), 0600) == 0 &&
                       ::listen(socket.get(), waiting_connections) == 0 &&
                       ::rename(path_of(unfinished).c_str(), path_of(name).c_str()) == 0;
  if (listens) return socket;
  const int reason = errno;
  if (is_bound) remove(unfinished);
  return failed(fmt::format("cannot listen in {}: {}", visible(path_), errno_text(reason)));
}

void SessionFolder::remove(const std::string& name) const {
  ::unlinkat(folder_.get(), name.c_str(), 0);
}

Result<FileDescriptor> SessionFolder::lock(const Budget& budget) const {
  FileDescriptor file(
      ::open(path_of(lock_name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  while (file.is_open() && ::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) file.reset();
    PCA_CHECK(pause_for(budget, lock_pause));
  }
  if (file.is_open()) return file;
  return failed(fmt::format("cannot lock {}: {}", visible(path_), errno_text(errno)));
}

FileDescriptor accept_own(const FileDescriptor& listener) {
  FileDescriptor socket(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (socket.is_open() && !is_own(socket.get())) socket.reset();
  return socket;
}

int peer_process(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  const bool known = ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
  return known ? peer.pid : 0;
}

}  // namespace pca
