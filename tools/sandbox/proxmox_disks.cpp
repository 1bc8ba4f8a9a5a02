#include "sandbox/proxmox_disks.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "base/digest.hpp"
#include "base/system_error.hpp"
#include "net/file_descriptor.hpp"

namespace pca::sandbox::proxmox {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t output_limit = std::size_t{16} * 1024 * 1024;

bool write_text(const char* file, std::string_view text) {
  const FileDescriptor fd(::open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  return fd.get() >= 0 &&
         ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

std::string read_text(const std::string& file, std::size_t limit) {
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str().substr(0, limit);
}

// Opens what lies below `folder`; no link leads out of it.
FileDescriptor open_inside(const std::string& folder, const std::string& path, int flags) {
  const FileDescriptor root(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags) | O_CLOEXEC;
  how.mode = (flags & O_CREAT) != 0 ? 0644 : 0;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return FileDescriptor(
      static_cast<int>(::syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof how)));
}

// What a fresh guest has. The programs are mounted by each command for itself.
void make_root(const fs::path& root) {
  std::error_code ignored;
  for (const char* folder :
       {"usr", "dev", "proc", "etc", "srv", "var", "root", "home", "tmp", "run", "opt"}) {
    fs::create_directories(root / folder, ignored);
  }
  for (const char* link : {"bin", "sbin", "lib", "lib64"}) {
    fs::create_symlink(std::string("usr/") + link, root / link, ignored);
  }
  std::ofstream(root / "etc/passwd") << "root:x:0:0:root:/root:/bin/sh\n";
  std::ofstream(root / "etc/hostname") << "debian\n";
  std::ofstream(root / "dev/null");
}

// Namespaces of its own, in which it is root. False where this machine gives none.
bool leave_machine() {
  const unsigned uid = ::getuid();
  const unsigned gid = ::getgid();
  constexpr int all =
      CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID;
  if (::unshare(all) != 0) return false;
  write_text("/proc/self/setgroups", "deny");
  return write_text("/proc/self/uid_map", fmt::format("0 {} 1", uid)) &&
         write_text("/proc/self/gid_map", fmt::format("0 {} 1", gid));
}

bool enter_root(const std::string& root) {
  const std::string programs = root + "/usr";
  const std::string null = root + "/dev/null";
  const std::string processes = root + "/proc";
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("/usr", programs.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0 ||
      ::mount("/dev/null", null.c_str(), nullptr, MS_BIND, nullptr) != 0) {
    return false;
  }
  ::mount(nullptr, programs.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr);
  ::mount("proc", processes.c_str(), "proc", 0,
          nullptr);  // few need it, and some machines forbid it
  return ::chroot(root.c_str()) == 0 && ::chdir("/") == 0;
}

int wait_status_of(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

// Ends this process as another has ended.
[[noreturn]] void end_like(int status) {
  if (WIFSIGNALED(status)) {
    ::prctl(PR_SET_DUMPABLE, 0);
    ::signal(WTERMSIG(status), SIG_DFL);
    ::kill(::getpid(), WTERMSIG(status));
  }
  ::_Exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

// In the child, which is alone from here on: the guest's first process waits for the command, and
// with it ends whatever that has left behind. 126: this machine gives no namespaces.
[[noreturn]] void become_guest(const std::string& root, const std::vector<char*>& argv) {
  int status_pipe[2];
  if (!leave_machine() || ::pipe2(status_pipe, O_CLOEXEC) != 0) ::_Exit(126);
  const pid_t first = ::fork();
  if (first < 0) ::_Exit(126);
  if (first > 0) {
    ::close(status_pipe[1]);
    int status = 0;
    const bool is_told = ::read(status_pipe[0], &status, sizeof status) == sizeof status;
    const int own = wait_status_of(first);
    end_like(is_told ? status : own);
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (!enter_root(root)) ::_Exit(126);
  const pid_t command = ::fork();
  if (command == 0) {
    char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    char home[] = "HOME=/root";
    char* environment[] = {path, home, nullptr};
    ::execvpe(argv.front(), argv.data(), environment);
    ::_Exit(errno == ENOENT ? 127 : 126);
  }
  const int status = command < 0 ? 126 << 8 : wait_status_of(command);
  const bool told = ::write(status_pipe[1], &status, sizeof status) == sizeof status;
  ::_Exit(told ? 0 : 126);
}

}  // namespace

GuestProcess::GuestProcess(GuestProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      out_file_(std::move(other.out_file_)),
      err_file_(std::move(other.err_file_)) {}

GuestProcess& GuestProcess::operator=(GuestProcess&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(out_file_, other.out_file_);
  std::swap(err_file_, other.err_file_);
  return *this;
}

GuestProcess::~GuestProcess() {
  if (pid_ <= 0) return;
  ::kill(-pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::optional<GuestProcess::Ended> GuestProcess::ended() {
  int status = 0;
  if (pid_ <= 0 || ::waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
  pid_ = -1;
  Ended ended;
  if (WIFSIGNALED(status)) {
    ended.signal = WTERMSIG(status);
  } else {
    ended.code = WEXITSTATUS(status);
  }
  ended.out = read_text(out_file_, output_limit);
  ended.err = read_text(err_file_, output_limit);
  std::error_code ignored;
  fs::remove(out_file_, ignored);
  fs::remove(err_file_, ignored);
  return ended;
}

GuestDisks::GuestDisks() : root_(fs::temp_directory_path() / ("sandbox-proxmox-" + random_hex(8))) {
  std::error_code ignored;
  fs::create_directories(root_, ignored);
  fs::permissions(root_, fs::perms::owner_all, ignored);
}

GuestDisks::~GuestDisks() {
  std::error_code ignored;
  fs::remove_all(root_, ignored);
}

std::string GuestDisks::folder(const std::string& name) {
  const fs::path path = fs::path(root_) / "guests" / name;
  std::error_code ignored;
  if (!fs::exists(path, ignored)) make_root(path);
  return path;
}

void GuestDisks::copy(const std::string& from, const std::string& to) {
  std::error_code ignored;
  const fs::path source = fs::path(root_) / "guests" / from;
  remove(to);
  if (!fs::exists(source, ignored)) return;
  fs::copy(source, fs::path(root_) / "guests" / to,
           fs::copy_options::recursive | fs::copy_options::copy_symlinks, ignored);
}

void GuestDisks::remove(const std::string& name) {
  std::error_code ignored;
  fs::remove_all(fs::path(root_) / "guests" / name, ignored);
}

Result<> GuestDisks::write(const std::string& name, const std::string& path,
                           std::string_view content) {
  const FileDescriptor file = open_inside(folder(name), path, O_WRONLY | O_CREAT | O_TRUNC);
  if (file.get() < 0) {
    return failed(
        fmt::format("failed to open file '{}' (mode: 'wb'): {}", path, errno_text(errno)));
  }
  while (!content.empty()) {
    const ssize_t written = ::write(file.get(), content.data(), content.size());
    if (written <= 0) return failed(fmt::format("failed to write '{}'", path));
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<std::string> GuestDisks::read(const std::string& name, const std::string& path,
                                     std::size_t limit) {
  const FileDescriptor file = open_inside(folder(name), path, O_RDONLY | O_NONBLOCK);
  if (file.get() < 0) {
    return failed(fmt::format("failed to open file '{}' (mode: 'r'): {}", path, errno_text(errno)));
  }
  std::string text;
  char buffer[65536];
  ssize_t got = 0;
  while (text.size() < limit && (got = ::read(file.get(), buffer, sizeof buffer)) > 0) {
    text.append(buffer, static_cast<std::size_t>(got));
  }
  return text.substr(0, limit);
}

std::string GuestDisks::digest(const std::string& name) {
  const fs::path path = fs::path(root_) / "guests" / name;
  std::error_code error;
  // What nobody has looked at yet is as a fresh one.
  if (!fs::exists(path, error)) return digest(fs::path(folder("fresh")).filename());
  std::vector<std::string> lines;
  for (auto entry = fs::recursive_directory_iterator(path, error);
       entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    if (error) break;
    std::string line = fs::relative(entry->path(), path, error).string();
    if (line.starts_with("tmp/") || line.starts_with("run/")) continue;
    if (entry->is_symlink(error)) {
      line += " -> " + fs::read_symlink(entry->path(), error).string();
    } else if (entry->is_regular_file(error)) {
      line += " " + to_hex(sha256(read_text(entry->path(), output_limit)));
    }
    lines.push_back(std::move(line));
  }
  std::sort(lines.begin(), lines.end());
  std::string all;
  for (const std::string& line : lines) all += line + "\n";
  return to_hex(sha256(all));
}

Result<GuestProcess> GuestDisks::run(const std::string& name, const std::vector<std::string>& argv,
                                     std::string_view input) {
  const std::string root = folder(name);
  const std::string stem = fmt::format("{}/run-{}", root_, ++runs_);
  GuestProcess process;
  process.out_file_ = stem + ".out";
  process.err_file_ = stem + ".err";
  const std::string in_file = stem + ".in";
  if (!write_text(in_file.c_str(), input)) return failed("cannot write the command's input");
  const FileDescriptor in(::open(in_file.c_str(), O_RDONLY | O_CLOEXEC));
  const FileDescriptor out(::open(process.out_file_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  const FileDescriptor err(::open(process.err_file_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  ::unlink(in_file.c_str());
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  process.pid_ = ::fork();
  if (process.pid_ < 0) return failed("cannot start a process: " + errno_text(errno));
  if (process.pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::setpgid(0, 0);
    ::dup2(in.get(), 0);
    ::dup2(out.get(), 1);
    ::dup2(err.get(), 2);
    ::close_range(3, ~0U, 0);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    become_guest(root, words);
  }
  ::setpgid(process.pid_, process.pid_);
  return process;
}

}  // namespace pca::sandbox::proxmox
