#include "support/tunnel_ssh.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "base/text.hpp"
#include "support/output_file.hpp"
#include "support/runner_model.hpp"

namespace pca::test {

namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr milliseconds patience{200'000};

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

constexpr std::size_t recognizable = 8;  // what is shorter may be anywhere by chance

// The lines of everything secret among a step's inputs.
std::vector<std::string> secrets_of(const std::map<std::string, std::string>& inputs) {
  std::vector<std::string> secrets;
  for (const char* name :
       {"INPUT_ACCESS_CLIENT_SECRET", "INPUT_ACCESS_TOKEN", "INPUT_KEY", "INPUT_PASSPHRASE",
        "INPUT_PASSWORD", "INPUT_JUMP_KEYS", "INPUT_JUMP_PASSPHRASES"}) {
    const auto input = inputs.find(name);
    if (input == inputs.end()) continue;
    for (const std::string& line : split_lines(input->second)) {
      if (line.size() >= recognizable && !line.starts_with("-----")) secrets.push_back(line);
    }
  }
  return secrets;
}

bool has_one_of(const std::string& text, const std::vector<std::string>& secrets) {
  return std::any_of(secrets.begin(), secrets.end(), [&](const std::string& secret) {
    return text.find(secret) != std::string::npos;
  });
}

std::set<std::string> files_with_one_of(const std::string& folder,
                                        const std::vector<std::string>& secrets) {
  std::set<std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && has_one_of(read_file(entry.path()), secrets)) {
      found.insert(entry.path().string());
    }
  }
  return found;
}

}  // namespace

HostForTests::HostForTests(const std::string& config)
    : key_(make_key(keys_, "id", {"-t", "ed25519"})) {
  SshdSettings settings;
  settings.host_keys = {"ed25519"};
  settings.home = home_.path();
  settings.authorized_keys = key_.public_line + "\n";
  settings.config =
      config + "\nSetEnv HOME=" + home_.path() + " TMPDIR=" + temporary_.path() +
      " PATH=" + home_.path("bin") +
      ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nMaxStartups 100\n";
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
    const std::string line = command_line_of(folder_of(*found));
    if (ends(*found)) continue;
    std::cerr << "still runs on the host: " << line << "\n";
    return false;
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

std::size_t HostForTests::commands() const {
  const std::vector<std::string> lines = split_lines(sshd_->log());
  return static_cast<std::size_t>(std::count_if(lines.begin(), lines.end(), [](const auto& line) {
    return line.starts_with("Starting session: command");
  }));
}

void HostForTests::cut() const {
  for (const int pid : descendants_of(sshd_->pid())) {
    // OpenSSH 9.8 and later serve a connection by sshd-session.
    const std::string title = command_line_of(folder_of(pid));
    if (title.starts_with("sshd: ") || title.starts_with("sshd-session: ")) {
      ::kill(pid, SIGKILL);
    }
  }
}

StepForTests::StepForTests(const HostForTests& host) {
  go_straight(host);
  inputs["INPUT_KEY"] = host.key();
  inputs["INPUT_CONNECT_TIMEOUT"] = "20s";
}

StepForTests::StepForTests(const SystemdHost& host) {
  inputs["INPUT_HOST"] = host.address();
  inputs["INPUT_KEY"] = host.key();
  inputs["INPUT_KNOWN_HOSTS"] = host.known_hosts();
  inputs["INPUT_CONNECT_TIMEOUT"] = "20s";
}

void StepForTests::go_straight(const HostForTests& host) {
  inputs["INPUT_HOST"] = host.address();
  inputs["INPUT_KNOWN_HOSTS"] = host.sshd().known_hosts();
}

void StepForTests::go_by(const HostForTests& host, std::uint16_t port) {
  const std::string own = "]:" + std::to_string(host.sshd().port()) + " ";
  std::string known = host.sshd().known_hosts();
  known.replace(known.find(own), own.size(), "]:" + std::to_string(port) + " ");
  inputs["INPUT_HOST"] = host.sshd().user() + "@127.0.0.1:" + std::to_string(port);
  inputs["INPUT_KNOWN_HOSTS"] = known;
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
  secrets_ = secrets_of(inputs);
  told_by_the_test_ = files_with_one_of(folder_.path(), secrets_);
  return Process(spec_of(arguments, input));
}

StepResult StepForTests::result_of(Process& process, milliseconds deadline) const {
  StepResult result;
  for (const std::string& line : split_lines(all_command_lines())) {
    // By which other tests make their keys.
    if (line.substr(0, line.find(' ')).ends_with("ssh-keygen")) continue;
    EXPECT_FALSE(has_one_of(line, secrets_)) << "a secret is in the command line " << line;
  }
  const auto code = process.wait(deadline);
  EXPECT_TRUE(code) << "tunnel-ssh still runs\n" << process.out() << process.err();
  result.code = code.value_or(-1);
  result.out = process.out();
  result.err = process.err();
  result.outputs = parse_output_file(folder_.read("output"));
  result.summary = folder_.read("summary");
  EXPECT_FALSE(has_one_of(as_logged(result.out), secrets_)) << "a secret is in stdout";
  EXPECT_FALSE(has_one_of(as_logged(result.err), secrets_)) << "a secret is in stderr";
  for (const std::string& file : files_with_one_of(folder_.path(), secrets_)) {
    EXPECT_TRUE(told_by_the_test_.contains(file)) << "a secret is in " << file;
  }
  return result;
}

StepResult StepForTests::run(const std::vector<std::string>& arguments, const std::string& input) {
  Process process = start(arguments, input);
  return result_of(process, patience);
}

std::string as_logged(const std::string& stream) {
  RunnerModel runner;
  runner.feed(stream);
  runner.finish();
  std::string logged = join(runner.log(), "\n");
  for (const RunnerModel::Command& one : runner.commands()) {
    if (one.name != "add-mask") logged += "\n" + one.name + " " + one.data;
  }
  return logged;
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
