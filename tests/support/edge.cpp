#include "support/edge.hpp"

#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <utility>

#include "base/text.hpp"

namespace pca::testing {

namespace {

constexpr std::chrono::milliseconds patience{10'000};

test::ProcessSpec make_spec(const std::string& command, const std::vector<std::string>& arguments,
                            const test::ProcessEnvironment& environment) {
  test::ProcessSpec spec;
  spec.argv = {PCA_SANDBOX_EXECUTABLE, command, "--die-with-parent"};
  spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
  spec.environment.insert(environment.begin(), environment.end());
  return spec;
}

std::vector<std::string> edge_arguments(const test::TempFolder& folder,
                                        const std::vector<std::string>& own) {
  std::vector<std::string> arguments{"--ca-out", folder.path("ca.pem"), "--record",
                                     folder.path("record.jsonl")};
  arguments.insert(arguments.end(), own.begin(), own.end());
  return arguments;
}

}  // namespace

SandboxProcess::SandboxProcess(const std::string& command,
                               const std::vector<std::string>& arguments,
                               const test::ProcessEnvironment& environment)
    : process_(make_spec(command, arguments, environment)) {
  const bool is_ready = process_.wait_for("}\n", patience);
  auto where = parse_json(process_.out());
  EXPECT_TRUE(is_ready && where) << "the sandbox did not say where it is, but: " << process_.out()
                                 << process_.err();
  if (where) where_ = *std::move(where);
}

SandboxProcess::~SandboxProcess() {
  if (!is_running_) return;
  EXPECT_EQ(stop(), 0) << process_.err();
}

const char* SandboxProcess::executable() { return PCA_SANDBOX_EXECUTABLE; }

int SandboxProcess::stop() {
  if (!is_running_) return exit_code_;
  is_running_ = false;
  process_.send(SIGTERM);
  exit_code_ = process_.wait(patience).value_or(-1);
  return exit_code_;
}

std::uint16_t SandboxProcess::port_of(const char* key) const {
  const Json* address = where_.find(key);
  if (address == nullptr || address->as_string() == nullptr) return 0;
  const std::string& text = *address->as_string();
  return static_cast<std::uint16_t>(
      parse_integer(text.substr(text.rfind(':') + 1), 0, 65535).value_or(0));
}

std::vector<Json> read_records(const std::string& path, const std::string& kind) {
  std::vector<Json> found;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    auto record = parse_json(line);
    EXPECT_TRUE(record.has_value()) << line;
    if (!record) continue;
    const Json* its_kind = record->find("kind");
    if (its_kind != nullptr && *its_kind->as_string() == kind) found.push_back(*std::move(record));
  }
  return found;
}

SandboxEdge::SandboxEdge(const std::vector<std::string>& arguments,
                         const test::ProcessEnvironment& environment)
    : process_("edge", edge_arguments(folder_, arguments), environment) {}

std::vector<Json> SandboxEdge::records(const std::string& kind) const {
  return read_records(folder_.path("record.jsonl"), kind);
}

std::vector<Json> SandboxEdge::wait_for_records(std::size_t count, const std::string& kind) const {
  const auto limit = std::chrono::steady_clock::now() + patience;
  std::vector<Json> found = records(kind);
  while (found.size() < count && std::chrono::steady_clock::now() < limit) {
    ::poll(nullptr, 0, 2);
    found = records(kind);
  }
  EXPECT_GE(found.size(), count) << "connections that have ended";
  found.resize(std::max(found.size(), count));
  return found;
}

}  // namespace pca::testing
