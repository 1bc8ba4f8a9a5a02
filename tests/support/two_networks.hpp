#pragma once

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "net/file_descriptor.hpp"
#include "support/process.hpp"

namespace pca::test {

// Two network namespaces with a cable (veth) between them: the runner's and the host's. They have
// no names and no way to this machine's network, and are gone when the last process in them ends.
// The thread that makes the object is in the runner's until it ends; what it starts is there too.
// Needs root; throws std::runtime_error when the machine does not allow it.
class TwoNetworks {
 public:
  static constexpr const char* runner_address = "192.0.2.1";
  static constexpr const char* host_address = "192.0.2.2";

  // Why there can be none on this machine; empty when there can.
  static std::string missing() {
    if (::geteuid() != 0) return "only root makes network namespaces";
    for (const std::vector<std::string>& argv :
         {std::vector<std::string>{"unshare", "--net", "true"}, {"ip", "-Version"}}) {
      if (!succeeds(argv)) return "no network namespaces here: " + argv[0] + " fails";
    }
    return {};
  }

  TwoNetworks() {
    try {
      make();
    } catch (...) {
      go_back();
      throw;
    }
  }
  ~TwoNetworks() { go_back(); }
  TwoNetworks(const TwoNetworks&) = delete;
  TwoNetworks& operator=(const TwoNetworks&) = delete;

  // What is started within `work` is on the host's side.
  void on_host(const std::function<void()>& work) const {
    enter(host_);
    work();
    enter(runner_);
  }

 private:
  static bool succeeds(const std::vector<std::string>& argv) {
    ProcessSpec spec;
    spec.argv = argv;
    try {
      return run_process(spec, std::chrono::seconds(20)).code == 0;
    } catch (const std::runtime_error&) {
      return false;
    }
  }
  static void run(const std::vector<std::string>& argv) {
    if (!succeeds(argv)) throw std::runtime_error("failed: " + argv[0] + " " + argv[1]);
  }
  static FileDescriptor current() {
    return FileDescriptor(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  }
  static FileDescriptor make_namespace() {
    if (::unshare(CLONE_NEWNET) != 0) throw std::runtime_error("no network namespace");
    run({"ip", "link", "set", "lo", "up"});
    return current();
  }
  static void enter(const FileDescriptor& network) {
    if (::setns(network.get(), CLONE_NEWNET) != 0) throw std::runtime_error("cannot enter it");
  }
  static void give_address(const std::string& device, const std::string& address) {
    run({"ip", "address", "add", address + "/24", "dev", device});
    run({"ip", "link", "set", device, "up"});
  }

  void make() {
    runner_ = make_namespace();
    host_ = make_namespace();
    run({"ip", "link", "add", "host", "type", "veth", "peer", "name", "runner"});
    run({"ip", "link", "set", "runner", "netns",
         "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(runner_.get())});
    give_address("host", host_address);
    enter(runner_);
    give_address("runner", runner_address);
  }
  void go_back() noexcept {
    if (::setns(before_.get(), CLONE_NEWNET) != 0) ::abort();
  }

  FileDescriptor before_ = current();
  FileDescriptor runner_;
  FileDescriptor host_;
};

}  // namespace pca::test
