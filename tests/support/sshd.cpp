#include "support/sshd.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <map>
#include <sstream>

#include "base/text.hpp"
#include "support/loopback.hpp"
#include "support/process.hpp"

namespace pca::test {

namespace {

using std::chrono::milliseconds;

constexpr const char* sshd_path = "/usr/sbin/sshd";  // it re-executes itself by this path
constexpr const char* separation_folder = "/run/sshd";
// tester_password as crypt(3) stores it.
constexpr const char* tester_hash =
    "$6$pcatester$"
    "t43MjHZ2lbOmbl7dBIq59zohUkOcmd4zwP5py1Lj25zmcxSddc52H4A1jYTl5KWQIDjPqFiM5cd6V72IGCAjW0";
constexpr milliseconds patience{10'000};
constexpr milliseconds look_again{5};

ProcessSpec program(const std::vector<std::string>& argv) {
  ProcessSpec spec;
  spec.argv = argv;
  return spec;
}

void pause(milliseconds length) { ::poll(nullptr, 0, static_cast<int>(length.count())); }

void run(const std::vector<std::string>& argv) {
  const Finished finished = run_process(program(argv), milliseconds{60'000});
  if (finished.code != 0) {
    throw std::runtime_error(argv[0] + " failed: " + finished.out + finished.err);
  }
}

// From /proc: R, S, Z, ... and the parent.
struct ProcessState {
  char letter = 0;  // 0: there is no such process
  int parent = 0;
};
ProcessState state_of(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/stat");
  std::string stat;
  std::getline(file, stat);
  // "pid (name) state parent ...": the name may hold anything.
  const std::size_t name_end = stat.rfind(')');
  std::istringstream rest(name_end == std::string::npos ? "" : stat.substr(name_end + 1));
  ProcessState state;
  rest >> state.letter >> state.parent;
  return state;
}

std::multimap<int, int> children_by_parent() {
  std::multimap<int, int> children;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    children.emplace(state_of(name).parent, std::stoi(name));
  }
  return children;
}

}  // namespace

bool ends(int pid) {
  const auto has_ended = [pid] {
    const char letter = state_of(std::to_string(pid)).letter;
    return letter == 0 || letter == 'Z' || letter == 'X';
  };
  for (milliseconds waited{0}; waited < patience && !has_ended(); waited += look_again) {
    pause(look_again);
  }
  return has_ended();
}

std::vector<int> descendants_of(int pid) {
  const std::multimap<int, int> children = children_by_parent();
  std::vector<int> found{pid};
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto [first, last] = children.equal_range(found[i]);
    for (auto child = first; child != last; ++child) found.push_back(child->second);
  }
  found.erase(found.begin());
  return found;
}

KeyPair make_key(const TempFolder& folder, const std::string& name,
                 const std::vector<std::string>& arguments, const std::string& passphrase) {
  std::vector<std::string> argv{"ssh-keygen", "-q", "-N", passphrase,
                                "-C",         name, "-f", folder.path(name)};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  run(argv);
  KeyPair pair{folder.read(name), folder.read(name + ".pub"), folder.path(name)};
  pair.public_line = std::string(trim(pair.public_line));
  return pair;
}

struct Sshd::Impl {
  TempFolder folder;
  std::map<std::string, std::string> host_keys;  // public line by type
  std::uint16_t port = 0;
  ProcessEnvironment environment = plain_environment();
  bool has_tester = false;
  std::unique_ptr<Process> process;

  void configure(const SshdSettings& settings) {
    has_tester = settings.has_tester;
    if (has_tester) {
      std::filesystem::permissions(folder.path(), std::filesystem::perms(0755));
      environment["LD_PRELOAD"] = PCA_FAKE_USERS;
      environment["PCA_TESTER_HOME"] = folder.path();
      environment["PCA_TESTER_PASSWORD"] = tester_hash;
    }
    std::string config = settings.config + "\n";
    for (const std::string& type : settings.host_keys) {
      std::vector<std::string> arguments{"-t", type};
      if (type == "rsa") arguments.insert(arguments.end(), {"-b", "2048"});
      host_keys[type] = make_key(folder, "host_" + type, arguments).public_line;
      config += "HostKey " + folder.path("host_" + type) + "\n";
    }
    config += "AuthorizedKeysFile " + folder.write("authorized_keys", settings.authorized_keys) +
              "\n"
              "ListenAddress 127.0.0.1\n"
              "UsePAM " +
              (settings.has_tester ? "yes" : "no") +
              "\n"
              // What this user's shell reads at its start is no part of a test.
              "SetEnv HOME=" +
              folder.path() +
              "\n"
              "StrictModes no\n"  // the folder is under /tmp
              "PidFile none\n"
              "PermitRootLogin yes\n"
              "PrintMotd no\n"
              "PrintLastLog no\n"
              "LogLevel VERBOSE\n"
              "UseDNS no\n"
              "Subsystem sftp internal-sftp -d " +
              (settings.home.empty() ? folder.path() : settings.home) + "\n";
    folder.write("config", config);
  }

  // sshd cannot choose a free port by itself, and another program may be faster than it.
  bool start() {
    port = pca::testing::Listener().port();
    std::filesystem::remove(folder.path("log"));
    ProcessSpec spec = program({sshd_path, "-D", "-f", folder.path("config"), "-E",
                                folder.path("log"), "-p", std::to_string(port)});
    spec.environment = environment;
    process = std::make_unique<Process>(std::move(spec));
    for (milliseconds waited{0}; waited < patience; waited += look_again) {
      if (folder.read("log").find("Server listening on") != std::string::npos) return true;
      if (process->wait(look_again)) break;
    }
    if (folder.read("log").find("Address already in use") != std::string::npos) return false;
    throw std::runtime_error("sshd does not start: " + folder.read("log") + process->err());
  }
};

Sshd::Sshd(const SshdSettings& settings) : impl_(std::make_unique<Impl>()) {
  // Left in place: other tests, running now, may use it too.
  if (::geteuid() == 0) ::mkdir(separation_folder, 0755);
  impl_->configure(settings);
  for (int tries = 0; tries < 5; ++tries) {
    if (impl_->start()) return;
  }
  throw std::runtime_error("no free port for sshd");
}

Sshd::~Sshd() {
  if (impl_->process != nullptr) {
    // Sessions live on without the sshd that started them, so they are looked up first.
    const std::vector<int> sessions = descendants_of(pid());
    impl_->process.reset();
    for (const int session : sessions) ::kill(session, SIGKILL);
  }
  if (::testing::Test::HasFailure()) std::cerr << "sshd's log:\n" << log();
}

std::string Sshd::missing(bool with_tester) {
  if (::access(sshd_path, X_OK) != 0) return "no sshd here (package openssh-server)";
  if (with_tester && ::geteuid() != 0) return "only root can log in others";
  if (::geteuid() == 0) {
    ::mkdir(separation_folder, 0755);
    if (::access(separation_folder, X_OK) != 0) return "cannot make /run/sshd for sshd";
  }
  return "";
}

std::uint16_t Sshd::port() const { return impl_->port; }

std::string Sshd::user() const {
  if (impl_->has_tester) return "tester";
  const passwd* entry = ::getpwuid(::geteuid());
  return entry == nullptr ? "" : entry->pw_name;
}

int Sshd::pid() const { return impl_->process->pid(); }

std::string Sshd::log() const { return impl_->folder.read("log"); }

const TempFolder& Sshd::folder() const { return impl_->folder; }

std::string Sshd::known_hosts(const std::string& type) const {
  const auto& keys = impl_->host_keys;
  const auto key = keys.find(type.empty() && keys.contains("ed25519") ? "ed25519" : type);
  const std::string& line = key == keys.end() ? keys.begin()->second : key->second;
  return "[127.0.0.1]:" + std::to_string(port()) + " " + line + "\n";
}

std::string Sshd::fingerprint(const std::string& type) const {
  const Finished finished = run_process(
      program({"ssh-keygen", "-l", "-f", impl_->folder.path("host_" + type + ".pub")}), patience);
  return split(finished.out, ' ').at(1);
}

bool Sshd::wait_for_log(const std::string& text) {
  for (milliseconds waited{0}; waited < patience; waited += look_again) {
    if (log().find(text) != std::string::npos) return true;
    if (impl_->process->wait(look_again)) return false;
  }
  return false;
}

}  // namespace pca::test
