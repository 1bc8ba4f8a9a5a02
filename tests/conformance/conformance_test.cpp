// Each case is a compose file of cases/ (with NAME.2.yml and so on over NAME.yml). The docker
// command and swarm-deploy deploy it to Engines that only remember what they are asked: both must
// send the same. `docker stack config` and `swarm-deploy config` must print the same. What one
// refuses (cases/refused/), the other refuses too.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "base/text.hpp"
#include "base/yaml.hpp"
#include "support/cache_folder.hpp"
#include "support/fake_engine.hpp"
#include "support/process.hpp"
#include "support/require.hpp"
#include "support/temp_folder.hpp"
#include "swarm-deploy/go_values.hpp"

namespace pca::swarm_deploy {
namespace {

namespace fs = std::filesystem;
using test::FakeEngine;
using test::Finished;
using test::ProcessSpec;
using test::TempFolder;

constexpr std::chrono::milliseconds enough{30'000};
constexpr std::int64_t oldest_oracle = 26;  // of whose files the newest schema is 3.13

// 0 for what is no docker command.
std::int64_t major_version(const std::string& docker) {
  ProcessSpec spec;
  spec.argv = {docker, "--version"};
  try {
    const std::string said = test::run_process(spec, enough).out;  // "Docker version 28.2.2, ..."
    const std::size_t at = said.find("version ");
    if (at == std::string::npos) return 0;
    const std::size_t from = at + std::string_view("version ").size();
    return parse_integer(said.substr(from, said.find('.', from) - from), 0, 1000).value_or(0);
  } catch (const std::runtime_error&) {
    return 0;
  }
}

// The docker command to compare with: that on the PATH, else the one that prepare.sh unpacked;
// empty when there is none that is new enough.
const std::string& oracle() {
  static const std::string found = [] {
    for (const std::string& docker :
         {std::string("docker"), test::cache_folder() + "/docker-cli/usr/bin/docker"}) {
      if (major_version(docker) >= oldest_oracle) return docker;
    }
    return std::string();
  }();
  return found;
}

// Version 28 reads YAML by another library, and knows keys that 26 does not.
bool is_old_oracle() {
  static const bool is_old = major_version(oracle()) < 28;
  return is_old;
}
bool needs_newer_oracle(const std::string& name) {
  constexpr std::array<std::string_view, 6> of_28{"healthchecks", "label-date",  "networks",
                                                  "oom",          "whole-words", "twice-a-key"};
  return is_old_oracle() && std::find(of_28.begin(), of_28.end(), name) != of_28.end();
}

std::string no_oracle() {
  if (!oracle().empty()) return {};
  return fmt::format("there is no docker command of version {} or later", oldest_oracle);
}

struct Case {
  std::string name;
  std::vector<std::string> files;
};

std::vector<Case> cases_in(const fs::path& folder) {
  std::map<std::string, std::vector<std::string>> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string file = entry.path().filename().string();
    if (!file.ends_with(".yml")) continue;
    found[file.substr(0, file.find('.'))].push_back(entry.path().string());
  }
  std::vector<Case> cases;
  for (auto& [name, files] : found) {
    // NAME.yml, NAME.2.yml, NAME.3.yml
    std::sort(files.begin(), files.end(), [](const std::string& a, const std::string& b) {
      return std::pair(a.size(), a) < std::pair(b.size(), b);
    });
    if (!needs_newer_oracle(name)) cases.push_back({name, files});
  }
  return cases;
}

class Conformance : public ::testing::Test {
 protected:
  void SetUp() override { PCA_REQUIRE(no_oracle()); }

  [[nodiscard]] test::ProcessEnvironment variables() const {
    test::ProcessEnvironment environment = test::plain_environment();
    environment["HOME"] = home_.path();
    environment["DOCKER_CLI_HINTS"] = "false";
    for (const auto& [name, value] : {std::pair{"TAG", "v2"},
                                      {"EMPTY", ""},
                                      {"PORT", "8080"},
                                      {"COUNT", "3"},
                                      {"SWITCH", "yes"},
                                      {"RATIO", "0.25"},
                                      {"NAME", "shop"}}) {
      environment[name] = value;
    }
    return environment;
  }

  [[nodiscard]] Finished run(std::vector<std::string> argv) const {
    ProcessSpec spec;
    spec.argv = std::move(argv);
    spec.environment = variables();
    return test::run_process(spec, enough);
  }

  [[nodiscard]] Finished docker_deploy(const FakeEngine& engine, const Case& c) const {
    std::vector<std::string> argv{oracle(),
                                  "-H",
                                  "unix://" + engine.socket(),
                                  "stack",
                                  "deploy",
                                  "--detach=true",
                                  "--resolve-image=never"};
    for (const std::string& file : c.files) argv.insert(argv.end(), {"-c", file});
    argv.emplace_back("s");
    return run(argv);
  }

  [[nodiscard]] Finished own_deploy(const FakeEngine& engine, const Case& c) const {
    std::vector<std::string> argv{
        PCA_SWARM_DEPLOY,  "deploy", "--engine",          "unix://" + engine.socket(),
        "--stack",         "s",      "--wait=false",      "--rotate=false",
        "--resolve-image", "never",  "--unset-variables", "empty"};
    for (const std::string& file : c.files) argv.insert(argv.end(), {"--files", file});
    return run(argv);
  }

  [[nodiscard]] Finished docker_config(const Case& c) const {
    std::vector<std::string> argv{oracle(), "stack", "config"};
    for (const std::string& file : c.files) argv.insert(argv.end(), {"-c", file});
    return run(argv);
  }

  [[nodiscard]] Finished own_config(const Case& c) const {
    std::vector<std::string> argv{PCA_SWARM_DEPLOY, "config", "--unset-variables", "empty"};
    for (const std::string& file : c.files) argv.insert(argv.end(), {"--files", file});
    return run(argv);
  }

 private:
  TempFolder home_;
};

// Members by name, 1.0 as 1; without what says nothing, where `drops`.
Json normal(const Json& value, bool drops) {
  if (const auto* list = value.as_array()) {
    Json out = Json::array();
    for (const Json& item : *list) out.push(normal(item, drops));
    return out;
  }
  if (const double* number = value.as_double()) {
    const auto whole = static_cast<std::int64_t>(*number);
    return static_cast<double>(whole) == *number ? Json(whole) : value;
  }
  if (value.as_object() == nullptr) return value;
  Json::Object members;
  for (const auto& [key, member] : *value.as_object()) {
    const Json inner = normal(member, drops);
    const std::string text = inner.dump();
    if (drops &&
        (text == "null" || text == "false" || text == "\"\"" || text == "[]" || text == "{}"))
      continue;
    members.emplace_back(key, inner);
  }
  std::sort(members.begin(), members.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  return members;
}

// Of our history of releases and its lock, which the docker command has not.
bool is_record(const FakeEngine::Request& request) {
  const Json* labels = request.body.find("Labels");
  return (labels != nullptr && labels->find("private-cloud-actions.kind") != nullptr) ||
         (request.method == "DELETE" && request.path.starts_with("/configs/"));
}

// What was sent, in an order of its own: which request comes first is nobody's concern here.
std::string sent_to(const FakeEngine& engine) {
  std::vector<std::string> lines;
  for (const FakeEngine::Request& request : engine.writes()) {
    if (is_record(request)) continue;
    // The docker command writes out what a network has not.
    const bool drops = request.path.starts_with("/networks");
    lines.push_back(fmt::format("{} {} {}\n{}", request.method, request.path,
                                request.body.text_of("Name"),
                                normal(request.body, drops).dump_pretty()));
  }
  std::sort(lines.begin(), lines.end());
  return join(lines, "\n");
}

Json json_of(const ConfigValue& value) {
  if (value.is_map()) {
    Json map = Json::object();
    for (const ConfigValue::Member& member : value.members)
      map.set(member.key, json_of(member.value));
    return map;
  }
  if (value.is_list()) {
    Json list = Json::array();
    for (const ConfigValue& item : value.items) list.push(json_of(item));
    return list;
  }
  return go_scalar(value);
}

std::string meaning_of(const std::string& yaml) {
  auto tree = parse_yaml(yaml);
  // Without a version in the file each docker command names its own.
  if (tree && is_old_oracle())
    std::erase_if(tree->members, [](const auto& member) { return member.key == "version"; });
  return tree ? normal(json_of(*tree), false).dump_pretty() : "no YAML: " + tree.error().text;
}

TEST_F(Conformance, BothSendTheSame) {
  const std::vector<Case> cases = cases_in(PCA_CASES);
  ASSERT_GE(cases.size(), 20U);
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const FakeEngine of_docker;
    const FakeEngine of_ours;
    const Finished docker = docker_deploy(of_docker, c);
    EXPECT_EQ(docker.code, 0) << docker.err;
    const Finished ours = own_deploy(of_ours, c);
    EXPECT_EQ(ours.code, 0) << ours.out << ours.err;
    EXPECT_EQ(sent_to(of_ours), sent_to(of_docker));
  }
}

TEST_F(Conformance, BothPrintTheSame) {
  for (const Case& c : cases_in(PCA_CASES)) {
    SCOPED_TRACE(c.name);
    const Finished docker = docker_config(c);
    ASSERT_EQ(docker.code, 0) << docker.err;
    const Finished ours = own_config(c);
    ASSERT_EQ(ours.code, 0) << ours.err;
    if (c.name == "oom") {
      // The docker command deploys oom_score_adj and does not print it.
      EXPECT_EQ(docker.out.find("oom_score_adj"), std::string::npos);
      EXPECT_NE(ours.out.find("oom_score_adj: -500"), std::string::npos);
      continue;
    }
    EXPECT_EQ(meaning_of(ours.out), meaning_of(docker.out));
  }
}

TEST_F(Conformance, BothRefuseTheSame) {
  const std::vector<Case> cases = cases_in(fs::path(PCA_CASES) / "refused");
  ASSERT_GE(cases.size(), 20U);
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const FakeEngine of_docker;
    const FakeEngine of_ours;
    EXPECT_NE(docker_deploy(of_docker, c).code, 0);
    const Finished ours = own_deploy(of_ours, c);
    EXPECT_EQ(ours.code, 2) << ours.out << ours.err;
    EXPECT_EQ(of_ours.requests().size(), 0U);
    // With the place in the file.
    EXPECT_NE(ours.err.find(c.name + ".yml:"), std::string::npos) << ours.err;
  }
}

// What only the Compose specification has: the docker command refuses it, and ours is what the
// docker command makes of the same said in its own words.
TEST_F(Conformance, KeysOfTheComposeSpecificationAreTranslated) {
  const fs::path folder = fs::path(PCA_CASES) / "translated";
  const std::vector<Case> cases = cases_in(folder);
  ASSERT_GE(cases.size(), 9U);
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Case plain{c.name, {(folder / "plain" / (c.name + ".yml")).string()}};
    const FakeEngine of_docker;
    const FakeEngine of_plain;
    const FakeEngine of_ours;
    EXPECT_NE(docker_deploy(of_docker, c).code, 0) << "the docker command knows it now";
    ASSERT_EQ(docker_deploy(of_plain, plain).code, 0);
    const Finished ours = own_deploy(of_ours, c);
    EXPECT_EQ(ours.code, 0) << ours.out << ours.err;
    EXPECT_EQ(sent_to(of_ours), sent_to(of_plain));
  }
}

// A second deploy of the same files writes nothing.
TEST_F(Conformance, WhatDockerDeployedIsUnchanged) {
  for (const Case& c : cases_in(PCA_CASES)) {
    SCOPED_TRACE(c.name);
    const FakeEngine engine;
    ASSERT_EQ(docker_deploy(engine, c).code, 0);
    const std::size_t writes = engine.writes().size();
    const Finished ours = own_deploy(engine, c);
    EXPECT_EQ(ours.code, 0) << ours.out << ours.err;
    EXPECT_EQ(engine.writes().size(), writes) << ours.out;
  }
}

}  // namespace
}  // namespace pca::swarm_deploy
