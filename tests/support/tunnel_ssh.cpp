#include "support/tunnel_ssh.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/output_file.hpp"

namespace pca::test {

namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr milliseconds patience{60'000};

std::string read_file(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

fs::path folder_of(int pid) { return fs::path("/proc") / std::to_string(pid); }

std::vector<int> processes() {
  std::vector<int> pids;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") == std::string::npos) pids.push_back(std::stoi(name));
  }
  return pids;
}

std::string command_line_of(const fs::path& process) {
  std::string text = read_file(process / "cmdline");
  std::replace(text.begin(), text.end(), '\0', ' ');
  return text;
}

}  // namespace

HostForTests::HostForTests(const std::string& config)
    : key_(make_key(keys_, "id", {"-t", "ed25519"})) {
  SshdSettings settings;
  settings.host_keys = {"ed25519"};
  settings.authorized_keys = key_.public_line + "\n";
  settings.config = config + "\nSetEnv HOME=" + home_.path() + " TMPDIR=" + temporary_.path() +
                    "\nMaxStartups 100\n";
  sshd_ = std::make_unique<Sshd>(settings);
}

std::string HostForTests::address() const {
  return sshd_->user() + "@127.0.0.1:" + std::to_string(sshd_->port());
}

bool HostForTests::falls_silent() const {
  const auto is_of_host = [this](int pid) {
    return environment_of(pid).find("HOME=" + home_.path()) != std::string::npos;
  };
  while (true) {
    const std::vector<int> pids = processes();
    const auto found = std::find_if(pids.begin(), pids.end(), is_of_host);
    if (found == pids.end()) return true;
    if (!ends(*found)) return false;
  }
}

bool HostForTests::stops_running(const std::string& text) {
  for (const int pid : processes()) {
    if (command_line_of(folder_of(pid)).find(text) != std::string::npos && !ends(pid)) return false;
  }
  return true;
}

void HostForTests::end_running(const std::string& text) {
  for (const int pid : processes()) {
    if (command_line_of(folder_of(pid)).find(text) == std::string::npos) continue;
    if (const pid_t group = ::getpgid(pid); group > 1) ::kill(-group, SIGKILL);
  }
}

void HostForTests::cut() const {
  for (const int pid : descendants_of(sshd_->pid())) {
    if (command_line_of(folder_of(pid)).starts_with("sshd: ")) {
      ::kill(pid, SIGKILL);
    }
  }
}

StepForTests::StepForTests(const HostForTests& host) {
  inputs["INPUT_HOST"] = host.address();
  inputs["INPUT_KEY"] = host.key();
  inputs["INPUT_KNOWN_HOSTS"] = host.sshd().known_hosts();
  inputs["INPUT_CONNECT_TIMEOUT"] = "20s";
}

void StepForTests::go_through(const pca::testing::SandboxEdge& edge) {
  inputs["INPUT_VIA"] = "access";
  inputs["INPUT_ACCESS_HOSTNAME"] = "localhost";
  inputs["INPUT_ACCESS_PORT"] = std::to_string(edge.port());
  inputs["INPUT_ACCESS_CA"] = edge.ca_file();
  inputs["INPUT_ACCESS_CLIENT_ID"] = pca::testing::SandboxEdge::client_id;
  inputs["INPUT_ACCESS_CLIENT_SECRET"] = pca::testing::SandboxEdge::client_secret;
}

// PCA_TUNNEL_SSH in the environment names another one, of another architecture say.
std::string StepForTests::executable() {
  const char* other = std::getenv("PCA_TUNNEL_SSH");
  return other == nullptr ? PCA_TUNNEL_SSH : other;
}

ProcessSpec StepForTests::spec_of(const std::vector<std::string>& arguments,
                                  const std::string& input) {
  ProcessSpec spec;
  spec.argv = {executable()};
  spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
  for (const auto& [name, value] : variables) spec.environment[name] = value;
  for (const auto& [name, value] : inputs) spec.environment[name] = value;
  spec.environment.emplace("RUNNER_TEMP", folder_.path());
  spec.environment.emplace("GITHUB_OUTPUT", folder_.write("output", ""));
  spec.environment["GITHUB_STEP_SUMMARY"] = folder_.write("summary", "");
  spec.input = input;
  return spec;
}

Process StepForTests::start(const std::vector<std::string>& arguments, const std::string& input) {
  return Process(spec_of(arguments, input));
}

StepResult StepForTests::result_of(Process& process, milliseconds deadline) const {
  StepResult result;
  const auto code = process.wait(deadline);
  EXPECT_TRUE(code) << "tunnel-ssh still runs\n" << process.out() << process.err();
  result.code = code.value_or(-1);
  result.out = process.out();
  result.err = process.err();
  result.outputs = parse_output_file(folder_.read("output"));
  result.summary = folder_.read("summary");
  return result;
}

StepResult StepForTests::run(const std::vector<std::string>& arguments, const std::string& input) {
  Process process = start(arguments, input);
  return result_of(process, patience);
}

std::string all_command_lines() {
  std::string all;
  for (const int pid : processes()) all += command_line_of(folder_of(pid)) + "\n";
  return all;
}

std::string command_line_of_process(int pid) { return command_line_of(folder_of(pid)); }

std::string environment_of(int pid) { return read_file(folder_of(pid) / "environ"); }

std::string all_files_below(const std::string& path) {
  std::string all;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) all += read_file(entry.path());
  }
  return all;
}

long process_status(int pid, const std::string& key) {
  std::istringstream lines(read_file(folder_of(pid) / "status"));
  std::string word;
  while (lines >> word) {
    long number = 0;
    if (word == key + ":" && lines >> number) return number;
  }
  return 0;
}

}  // namespace pca::test
