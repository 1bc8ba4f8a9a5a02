// Runs cases/*.json. Each file is an array of cases:
//   name         what is shown, a sentence
//   tool         the executable; default tunnel-ssh
//   args         its arguments
//   env          its environment (PATH comes by itself)
//   stdin        what it reads there
//   files        files to make in @FOLDER@, by name
//   code         the exit code
//   stdout_has, stderr_has, stdout_hasnt, stderr_hasnt   texts
//   outputs      what is written to GITHUB_OUTPUT, by name, all of it
//   contacted    whether somebody connected to @HOST@; never with code 2
// In all texts @HOST@, @PORT@ and @FOLDER@ stand for a listening loopback socket and a temporary
// folder; @KEY@, @RSA_KEY@, @ENCRYPTED_KEY@ (its passphrase is "correct horse") and @PUBLIC_KEY@
// for key texts made for this run.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>

#include "base/json.hpp"
#include "base/text.hpp"
#include "support/loopback.hpp"
#include "support/output_file.hpp"
#include "support/process.hpp"
#include "support/test_keys.hpp"

namespace pca {
namespace {

using test::Finished;
using test::ProcessSpec;

constexpr std::chrono::milliseconds enough{60'000};

std::string read_file(const std::filesystem::path& path) {
  std::stringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}

// One object of a case file.
struct Case {
  std::string file;
  Json json;

  [[nodiscard]] std::string text(const char* key, const std::string& otherwise = {}) const {
    const Json* value = json.find(key);
    return value == nullptr || value->as_string() == nullptr ? otherwise : *value->as_string();
  }
  [[nodiscard]] std::vector<std::string> texts(const char* key) const {
    std::vector<std::string> found;
    const Json* value = json.find(key);
    if (value == nullptr || value->as_array() == nullptr) return found;
    for (const Json& item : *value->as_array()) found.push_back(*item.as_string());
    return found;
  }
  [[nodiscard]] std::map<std::string, std::string> pairs(const char* key) const {
    std::map<std::string, std::string> found;
    const Json* value = json.find(key);
    if (value == nullptr || value->as_object() == nullptr) return found;
    for (const auto& [name, item] : *value->as_object()) found[name] = *item.as_string();
    return found;
  }
};

// A misspelt key would be a check that never runs.
void check_keys(const Case& c) {
  static const std::vector<std::string> known{
      "name",       "tool",       "args",         "env",          "stdin",   "files",    "code",
      "stdout_has", "stderr_has", "stdout_hasnt", "stderr_hasnt", "outputs", "contacted"};
  ASSERT_NE(c.json.as_object(), nullptr) << c.file;
  for (const auto& [key, value] : *c.json.as_object()) {
    EXPECT_NE(std::find(known.begin(), known.end(), key), known.end())
        << c.file << ": unknown key " << key;
  }
  ASSERT_NE(c.json.find("code"), nullptr) << c.file << ": " << c.text("name");
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const auto& entry : std::filesystem::directory_iterator(PCA_CASES)) {
    const std::string file = entry.path().stem().string();
    const auto json = parse_json(read_file(entry.path()));
    if (!json || json->as_array() == nullptr) {
      cases.push_back({file, Json(json ? "not an array" : json.error().message)});
      continue;
    }
    for (const Json& each : *json->as_array()) cases.push_back({file, each});
  }
  std::stable_sort(cases.begin(), cases.end(),
                   [](const Case& a, const Case& b) { return a.file < b.file; });
  return cases;
}

const std::map<std::string, std::string>& keys() {
  static const std::map<std::string, std::string> texts{
      {"@KEY@", test::ed25519_openssh},
      {"@PEM_KEY@", test::ecdsa_pem},
      {"@ENCRYPTED_KEY@", test::ed25519_openssh_encrypted},
      {"@PUBLIC_KEY@",
       "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKNBVAF905U6niRdRieSOfQgDIcHWfaVrCcY7vsXnjsI test\n"},
  };
  return texts;
}

std::string replace_all(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
    text.replace(at, from.size(), to);
    at += to.size();
  }
  return text;
}

// "input: problem. Cure." for each mistake: which input, and what to do. At the end stands that
// nothing was contacted.
void check_form(const std::string& err) {
  static const std::regex form(R"((\S.*: .+|[A-Z_]+ .+|no command was given)\. \S.+)");
  std::vector<std::string> lines = split_lines(err);
  if (!lines.empty() && lines.front().starts_with("warning: ")) lines.erase(lines.begin());
  ASSERT_GE(lines.size(), 2U) << err;
  EXPECT_TRUE(lines.front().starts_with("error: ")) << err;
  EXPECT_TRUE(lines.back().starts_with("  Nothing was contacted. ")) << err;
  lines.front().erase(0, std::string_view("error: ").size());
  lines.pop_back();
  for (const std::string& line : lines) {
    EXPECT_TRUE(std::regex_match(std::string(trim(line)), form)) << line;
  }
}

class CommandLineCase : public ::testing::TestWithParam<Case> {
 protected:
  CommandLineCase() : folder_(::testing::TempDir() + "cli-" + std::to_string(::getpid())) {
    std::filesystem::create_directories(folder_);
  }
  ~CommandLineCase() override { std::filesystem::remove_all(folder_); }

  std::string filled(std::string text) {
    text = replace_all(std::move(text), "@HOST@", "127.0.0.1:" + std::to_string(listener_.port()));
    text = replace_all(std::move(text), "@PORT@", std::to_string(listener_.port()));
    text = replace_all(std::move(text), "@FOLDER@", folder_);
    if (text.find("KEY@") == std::string::npos) return text;
    for (const auto& [name, key] : keys()) text = replace_all(std::move(text), name, key);
    return text;
  }

  ProcessSpec spec_of(const Case& c) {
    for (const auto& [name, content] : c.pairs("files")) {
      const std::filesystem::path path = std::filesystem::path(folder_) / name;
      std::filesystem::create_directories(path.parent_path());
      std::ofstream(path, std::ios::binary) << filled(content);
    }
    ProcessSpec spec;
    spec.argv = {std::string(PCA_BIN "/") + c.text("tool", "tunnel-ssh")};
    for (const std::string& argument : c.texts("args")) spec.argv.push_back(filled(argument));
    for (const auto& [name, value] : c.pairs("env")) spec.environment[name] = filled(value);
    spec.input = filled(c.text("stdin"));
    std::ofstream(output_file()).flush();
    spec.environment["GITHUB_OUTPUT"] = output_file();
    return spec;
  }

  [[nodiscard]] std::string output_file() const { return folder_ + "/github-output"; }

  // Whether anybody has connected: the kernel completes a connection that nobody accepts.
  [[nodiscard]] bool was_contacted() const {
    pollfd waiting{listener_.fd(), POLLIN, 0};
    return ::poll(&waiting, 1, 0) == 1;
  }

  pca::testing::Listener listener_;
  std::string folder_;
};

TEST_P(CommandLineCase, EndsAsItSays) {
  const Case& c = GetParam();
  check_keys(c);
  if (HasFatalFailure()) return;
  const Finished done = test::run_process(spec_of(c), enough);
  const std::string both = "\nstdout: " + done.out + "\nstderr: " + done.err;
  ASSERT_FALSE(done.timed_out) << both;
  const auto code = static_cast<int>(*c.json.find("code")->as_int());
  EXPECT_EQ(done.code, code) << both;
  for (const std::string& text : c.texts("stdout_has")) {
    EXPECT_NE(done.out.find(filled(text)), std::string::npos) << "no \"" << text << "\"" << both;
  }
  for (const std::string& text : c.texts("stderr_has")) {
    EXPECT_NE(done.err.find(filled(text)), std::string::npos) << "no \"" << text << "\"" << both;
  }
  for (const std::string& text : c.texts("stdout_hasnt")) {
    EXPECT_EQ(done.out.find(filled(text)), std::string::npos) << "\"" << text << "\"" << both;
  }
  for (const std::string& text : c.texts("stderr_hasnt")) {
    EXPECT_EQ(done.err.find(filled(text)), std::string::npos) << "\"" << text << "\"" << both;
  }
  if (c.json.find("outputs") != nullptr) {
    std::map<std::string, std::string> expected;
    for (const auto& [name, value] : c.pairs("outputs")) expected[name] = filled(value);
    EXPECT_EQ(test::parse_output_file(read_file(output_file())), expected);
  }
  if (const Json* contacted = c.json.find("contacted"); contacted != nullptr) {
    EXPECT_EQ(was_contacted(), *contacted->as_bool()) << both;
  }
  if (code == 2) {
    EXPECT_FALSE(was_contacted());
    EXPECT_FALSE(c.texts("stderr_has").empty()) << "a case of bad input checks its message";
    check_form(done.err);
  }
}

std::string test_name(const ::testing::TestParamInfo<Case>& info) {
  std::string name =
      info.param.file + "_" + std::to_string(info.index) + "_" + info.param.text("name", "unnamed");
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Cases, CommandLineCase, ::testing::ValuesIn(all_cases()), test_name);

void PrintTo(const Case& c, std::ostream* out) { *out << c.text("name"); }

// The suite is worth something only when the executables were contacted-proof in the first place:
// shows that the listener sees a connection.
TEST(CommandLineCases, TheListenerSeesWhoComes) {
  const pca::testing::Listener listener;
  const FileDescriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = pca::testing::loopback_address("127.0.0.1", listener.port());
  ASSERT_EQ(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
            0);
  pollfd waiting{listener.fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&waiting, 1, 0), 1);
}

}  // namespace
}  // namespace pca
