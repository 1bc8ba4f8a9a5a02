#include "support/swarm.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "support/cache_folder.hpp"
#include "support/process.hpp"
#include "support/swarm_step.hpp"
#include "support/tunnel_ssh.hpp"

namespace pca::test {

namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr milliseconds start_limit{90'000};
constexpr milliseconds end_limit{60'000};

bool succeeds(const std::vector<std::string>& argv) {
  ProcessSpec spec;
  spec.argv = argv;
  try {
    return run_process(spec, milliseconds(20'000)).code == 0;
  } catch (const std::runtime_error&) {
    return false;
  }
}

std::string content(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

ProcessSpec start_of(const std::string& folder, int nodes, Swarm::Registry registry) {
  ProcessSpec spec;
  spec.argv = {Swarm::script(), folder, std::to_string(nodes)};
  spec.environment["PATH"] += ":/usr/sbin:/sbin";
  spec.keep_input_open = true;
  if (registry == Swarm::Registry::with_login)
    spec.environment["REGISTRY"] = cache_folder() + "/docker-registry/usr/bin/docker-registry";
  return spec;
}

}  // namespace

struct Swarm::Impl {
  Impl(int number, Registry registry)
      : nodes(number), process(start_of(temporary.path("swarm"), number, registry)) {}

  const int nodes;
  TempFolder temporary;
  Process process;
};

std::string SwarmStep::executable() { return PCA_SWARM_DEPLOY; }

std::string Swarm::script() { return PCA_SWARM_SCRIPT; }

std::string Swarm::missing() {
  if (::geteuid() != 0) return "only root starts Docker Engines";
  for (const char* file : {"/usr/sbin/dockerd", "/usr/bin/containerd"}) {
    if (!fs::exists(file)) return std::string("there is no ") + file + ": install docker.io";
  }
  if (content("/proc/filesystems").find("\toverlay\n") == std::string::npos) {
    return "this kernel has no overlay file system";
  }
  const std::vector<std::string> probe{
      "unshare",
      "--pid",
      "--fork",
      "--mount",
      "--net",
      "sh",
      "-c",
      "ip link add probe0 type bridge && ip link add probe1 type veth peer name probe2 && "
      "ip link add probe3 type vxlan id 1 dstport 4789"};
  if (!succeeds(probe)) return "no namespaces, bridges, veth or vxlan devices can be made here";
  return {};
}

std::string Swarm::left_of(const std::string& folder) {
  if (fs::exists(folder)) return "the folder";
  if (all_command_lines().find(folder) != std::string::npos) return "a process";
  const std::string group = "pca-swarm-" + fs::path(folder).parent_path().filename().string();
  // Other tests' groups come and go meanwhile, which find takes and an iterator throws at.
  ProcessSpec find;
  find.argv = {"find", "/sys/fs/cgroup", "-name", group, "-print", "-quit"};
  const std::string groups = run_process(std::move(find), std::chrono::seconds(60)).out;
  if (!groups.empty()) return "the control group " + groups;
  if (content("/proc/self/mountinfo").find(folder) != std::string::npos) return "a mount";
  return {};
}

Swarm::Swarm(int nodes, Registry registry) : impl_(std::make_unique<Impl>(nodes, registry)) {
  if (!impl_->process.wait_for("ready\n", start_limit)) {
    throw std::runtime_error("no swarm: " + impl_->process.out() + impl_->process.err());
  }
}

Swarm::~Swarm() {
  impl_->process.close_input();
  (void)impl_->process.wait(end_limit);
}

std::string Swarm::folder() const { return impl_->temporary.path("swarm"); }

std::string Swarm::socket(int node) const {
  return folder() + "/" + std::to_string(node) + "/docker.sock";
}

std::string Swarm::tcp_address(int node) {
  return "tcp://192.168.213." + std::to_string(node) + ":2376";
}

std::string Swarm::tls_folder() const { return folder() + "/tls"; }

int Swarm::engine_pid(int node) const {
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string line = content(entry.path() / "cmdline");
    if (line.starts_with("dockerd") && line.find("unix://" + socket(node)) != std::string::npos)
      return std::stoi(name);
  }
  throw std::runtime_error("the Engine does not run");
}

void Swarm::restart_engines() const {
  for (int node = 1; node <= impl_->nodes; ++node)
    std::ofstream(folder() + "/" + std::to_string(node) + "/restart");
}

std::string Swarm::log(int node) const {
  return content(folder() + "/" + std::to_string(node) + "/log");
}

}  // namespace pca::test
