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
#include <set>

#include "base/environment.hpp"
#include "base/text.hpp"
#include "base/yaml.hpp"
#include "compose_schema.hpp"
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
    std::vector<std::string> folders = split(environment_variable("PATH"), ':');
    folders.push_back(test::cache_folder() + "/docker-cli/usr/bin");
    for (const std::string& folder : folders) {
      const std::string docker = folder + "/docker";
      if (fs::exists(docker) && major_version(docker) >= oldest_oracle) return docker;
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
  static const std::set<std::string, std::less<>> of_28{"healthchecks",
                                                        "label-date",
                                                        "networks",
                                                        "network-addresses",
                                                        "merge-network-first-options",
                                                        "merge-network-options",
                                                        "oom-score-adj",
                                                        "whole-words",
                                                        "yaml-number-keys",
                                                        "twice-a-key"};
  return is_old_oracle() && of_28.contains(name);
}

std::string no_oracle() {
  if (!oracle().empty()) return {};
  return fmt::format("there is no docker command of version {} or later", oldest_oracle);
}

struct Case {
  std::string name;
  std::vector<std::string> files;
};

std::vector<Case> all_cases_in(const fs::path& folder) {
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
    cases.push_back({name, files});
  }
  return cases;
}

std::vector<Case> cases_in(const fs::path& folder) {
  std::vector<Case> cases = all_cases_in(folder);
  std::erase_if(cases, [](const Case& c) { return needs_newer_oracle(c.name); });
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

  [[nodiscard]] Finished docker_deploy(const FakeEngine& engine, const Case& c,
                                       const std::string& resolve = "never") const {
    std::vector<std::string> argv{oracle(),
                                  "-H",
                                  "unix://" + engine.socket(),
                                  "stack",
                                  "deploy",
                                  "--detach=true",
                                  "--resolve-image=" + resolve};
    for (const std::string& file : c.files) argv.insert(argv.end(), {"-c", file});
    argv.emplace_back("s");
    return run(argv);
  }

  [[nodiscard]] Finished own_deploy(const FakeEngine& engine, const Case& c,
                                    const std::string& resolve = "never") const {
    std::vector<std::string> argv{
        PCA_SWARM_DEPLOY,  "deploy", "--engine",          "unix://" + engine.socket(),
        "--stack",         "s",      "--wait=false",      "--rotate=false",
        "--resolve-image", resolve,  "--unset-variables", "empty"};
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

// What was sent, by what it is: {"services": {"s_web": {...}}}.
Json bodies_of(const FakeEngine& engine) {
  Json kinds = Json::object();
  for (const FakeEngine::Request& request : engine.writes()) {
    if (is_record(request)) continue;
    const std::string kind = split(request.path, '/').at(1);
    Json bodies = kinds.find(kind) == nullptr ? Json::object() : *kinds.find(kind);
    kinds.set(kind, bodies.set(request.body.text_of("Name"),
                               normal(request.body, kind == std::string("networks"))));
  }
  return normal(kinds, false);
}

Json printed(const std::string& yaml) { return *parse_json(meaning_of(yaml)); }

// The value at "/services/s_a/Mode", null where there is none.
Json value_at(const Json& root, const std::string& path) {
  const Json* at = &root;
  for (const std::string& key : split(path.substr(1), '/')) {
    at = at->find(key);
    if (at == nullptr) return {};
  }
  return *at;
}

Json without(const Json& root, const std::string& path) {
  const std::size_t slash = path.find('/', 1);
  const std::string key = path.substr(1, slash - 1);
  Json::Object members;
  for (const auto& [name, value] : *root.as_object()) {
    if (name != key) {
      members.emplace_back(name, value);
    } else if (slash != std::string::npos) {
      members.emplace_back(name, without(value, path.substr(slash)));
    }
  }
  return members;
}

ConfigValue tree_of(const std::string& file) {
  std::ifstream in(file);
  auto tree = parse_yaml(std::string{std::istreambuf_iterator<char>(in), {}});
  return tree ? *std::move(tree) : ConfigValue();
}

// Forms that the schema lets pass although nothing comes of them: the docker command makes the
// address "%!s(int=5)" of a number.
const std::set<std::string> useless_forms{"services.*.extra_hosts.*: number",
                                          "services.*.build.extra_hosts.*: number"};

// Every key of the docker command's own schema, with every kind of value that it may have.
TEST_F(Conformance, EveryKeyHasACase) {
  const ComposeSchema schema(oracle());
  std::set<std::string> seen;
  for (const fs::path& folder : {fs::path(PCA_CASES), fs::path(PCA_CASES) / "differences"}) {
    for (const Case& c : all_cases_in(folder)) {
      for (const std::string& file : c.files) seen.merge(schema.forms_of(tree_of(file)));
    }
  }
  const std::set<std::string> forms = schema.forms();
  EXPECT_GE(forms.size(), 250U) << "that is not the whole schema";
  for (const std::string& form : forms) {
    EXPECT_NE(seen.contains(form), useless_forms.contains(form)) << form << " has no case";
  }
}

TEST_F(Conformance, BothSendTheSame) {
  const std::vector<Case> cases = cases_in(PCA_CASES);
  ASSERT_GE(cases.size(), is_old_oracle() ? 125U : 130U);
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

// Each image gets its digest, and where it runs is written down; also of those that name a digest.
TEST_F(Conformance, BothResolveImagesTheSame) {
  const auto registry =
      [](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
    if (!request.path.starts_with("/distribution/")) return std::nullopt;
    // That of an image with a digest is the same one.
    const std::size_t at = request.path.find("@sha256:");
    const std::string digest = at == std::string::npos ? "sha256:" + std::string(64, 'a')
                                                       : request.path.substr(at + 1, 71);
    return FakeEngine::Answer{
        200,
        fmt::format(R"({{"Descriptor":{{"mediaType":"application/vnd.oci.image.index.v1+json",)"
                    R"("digest":"{}","size":9}},"Platforms":[{{"architecture":"amd64",)"
                    R"("os":"linux"}},{{"architecture":"arm","os":"linux","variant":"v7"}}]}})",
                    digest)};
  };
  const auto names_digest = [](const Case& c) {
    return std::any_of(c.files.begin(), c.files.end(), [](const std::string& file) {
      std::ifstream in(file);
      const std::string text{std::istreambuf_iterator<char>(in), {}};
      return text.find("@sha256:") != std::string::npos;
    });
  };
  std::size_t place = 0;
  std::size_t with_digest = 0;
  for (const Case& c : cases_in(PCA_CASES)) {
    const bool is_about_digests = names_digest(c);
    if (place++ % 10 != 0 && !is_about_digests) continue;
    SCOPED_TRACE(c.name);
    FakeEngine of_docker;
    FakeEngine of_ours;
    of_docker.set_answer(registry);
    of_ours.set_answer(registry);
    const Finished docker = docker_deploy(of_docker, c, "always");
    EXPECT_EQ(docker.code, 0) << docker.err;
    const Finished ours = own_deploy(of_ours, c, "always");
    EXPECT_EQ(ours.code, 0) << ours.out << ours.err;
    EXPECT_EQ(sent_to(of_ours), sent_to(of_docker));
    if (is_about_digests) ++with_digest;
  }
  EXPECT_GT(with_digest, 0U);
}

TEST_F(Conformance, BothPrintTheSame) {
  for (const Case& c : cases_in(PCA_CASES)) {
    SCOPED_TRACE(c.name);
    const Finished docker = docker_config(c);
    ASSERT_EQ(docker.code, 0) << docker.err;
    const Finished ours = own_config(c);
    ASSERT_EQ(ours.code, 0) << ours.err;
    EXPECT_EQ(meaning_of(ours.out), meaning_of(docker.out));
  }
}

TEST_F(Conformance, BothRefuseTheSame) {
  const std::vector<Case> cases = cases_in(fs::path(PCA_CASES) / "refused");
  ASSERT_GE(cases.size(), 75U);
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const FakeEngine of_docker;
    const FakeEngine of_ours;
    EXPECT_NE(docker_deploy(of_docker, c).code, 0);
    const Finished ours = own_deploy(of_ours, c);
    EXPECT_EQ(ours.code, 2) << ours.out << ours.err;
    EXPECT_EQ(of_ours.requests().size(), 0U);
    // With the place in the file.
    EXPECT_NE(ours.err.find("/" + c.name + "."), std::string::npos) << ours.err;
  }
}

// What only the Compose specification has: the docker command refuses it, and ours is what the
// docker command makes of the same said in its own words.
TEST_F(Conformance, KeysOfTheComposeSpecificationAreTranslated) {
  const fs::path folder = fs::path(PCA_CASES) / "translated";
  const std::vector<Case> cases = cases_in(folder);
  // What the docker command says of each.
  const std::map<std::string, std::string> refusals{
      {"config-content", "Additional property"},
      {"cpus", "Set resource limits using deploy.resources"},
      {"depends-map", "services.web.depends_on must be a list"},
      {"env-file-object", "services.web.env_file.0 must be a string"},
      {"platform", "services.web Additional property"},
      {"profiles", "services.tool Additional property profiles is not allowed"},
      {"published-text", "services.web.ports.0.published must be a integer"},
      {"secret-environment", "secrets.s Additional property environment is not allowed"},
      {"stack-name", "(root) Additional property name is not allowed"}};
  ASSERT_EQ(cases.size(), refusals.size());
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Case plain{c.name, {(folder / "plain" / (c.name + ".yml")).string()}};
    const FakeEngine of_docker;
    const FakeEngine of_plain;
    const FakeEngine of_ours;
    const Finished docker = docker_deploy(of_docker, c);
    EXPECT_NE(docker.code, 0) << "the docker command knows it now";
    EXPECT_NE(docker.err.find(refusals.at(c.name)), std::string::npos) << docker.err;
    ASSERT_EQ(docker_deploy(of_plain, plain).code, 0);
    const Finished ours = own_deploy(of_ours, c);
    EXPECT_EQ(ours.code, 0) << ours.out << ours.err;
    EXPECT_EQ(sent_to(of_ours), sent_to(of_plain));
  }
}

// What one of both makes of a case: what it sends and prints, or what it says instead.
struct Outcome {
  bool refuses = false;
  std::string says;
  Json sends;
  Json prints;
};

// The whole without the places of an entry, which hold what it says.
Json rest_of(const Json& whole, const Json* places) {
  Json rest = whole;
  if (places == nullptr) return rest;
  for (const auto& [path, value] : *places->as_object()) {
    EXPECT_EQ(normal(value_at(whole, path), false).dump_pretty(),
              normal(value, false).dump_pretty())
        << path;
    if (!value_at(rest, path).is_null()) rest = without(rest, path);
  }
  return rest;
}

// Where ours differs on purpose: what both make of it, place by place, and nothing else differs.
class Differences : public Conformance {
 protected:
  [[nodiscard]] Outcome of_docker(const Case& c) const {
    const FakeEngine engine;
    return outcome(docker_deploy(engine, c), docker_config(c), engine);
  }
  [[nodiscard]] Outcome of_ours(const Case& c) const {
    const FakeEngine engine;
    return outcome(own_deploy(engine, c), own_config(c), engine);
  }

  // Refused as the entry says, or as good as another file that needs no difference.
  void expect(const Json& entry, const Outcome& outcome) const {
    EXPECT_EQ(outcome.refuses, entry.find("refuses") != nullptr) << outcome.says;
    EXPECT_NE(outcome.says.find(entry.text_of("refuses")), std::string::npos) << outcome.says;
    if (const Json* warnings = entry.find("warns")) {
      for (const Json& text : *warnings->as_array())
        EXPECT_NE(outcome.says.find(*text.as_string()), std::string::npos) << outcome.says;
    }
    const std::string plain = entry.text_of("as");
    if (plain.empty()) return;
    const Outcome same = of_docker({plain, {folder() / plain}});
    EXPECT_FALSE(same.refuses) << same.says;
    EXPECT_EQ(outcome.sends.dump_pretty(), same.sends.dump_pretty());
    EXPECT_EQ(outcome.prints.dump_pretty(), same.prints.dump_pretty());
  }

  static fs::path folder() { return fs::path(PCA_CASES) / "differences"; }

 private:
  static Outcome outcome(const Finished& deploy, const Finished& config, const FakeEngine& engine) {
    if (deploy.code != 0) return {true, deploy.err, {}, {}};
    EXPECT_EQ(config.code, 0) << config.err;
    return {false, deploy.err, bodies_of(engine), printed(config.out)};
  }
};

TEST_F(Differences, AreThoseOfTheList) {
  std::ifstream in(folder() / "differences.json");
  const auto list = parse_json(std::string{std::istreambuf_iterator<char>(in), {}});
  ASSERT_TRUE(list) << list.error().message;
  const std::vector<Case> cases = cases_in(folder());
  EXPECT_EQ(all_cases_in(folder()).size(), list->as_object()->size());
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Json* entry = list->find(c.name);
    ASSERT_NE(entry, nullptr) << "it is not on the list";
    const Json& by_docker = *entry->find("docker");
    const Json& by_ours = *entry->find("ours");
    const Outcome docker = of_docker(c);
    const Outcome ours = of_ours(c);
    expect(by_docker, docker);
    expect(by_ours, ours);
    EXPECT_TRUE(docker.refuses != ours.refuses || docker.sends.dump() != ours.sends.dump() ||
                docker.prints.dump() != ours.prints.dump())
        << "they no longer differ";
    const Json ours_else = rest_of(ours.sends, by_ours.find("sends"));
    const Json ours_printed_else = rest_of(ours.prints, by_ours.find("prints"));
    if (docker.refuses || ours.refuses) continue;
    EXPECT_EQ(ours_else.dump_pretty(),
              rest_of(docker.sends, by_docker.find("sends")).dump_pretty());
    EXPECT_EQ(ours_printed_else.dump_pretty(),
              rest_of(docker.prints, by_docker.find("prints")).dump_pretty());
  }
}

// The docker command has them in an order of chance, so that a second deploy may restart all tasks.
TEST_F(Differences, OneSecretMountedTwiceKeepsItsOrder) {
  const Case c{"secret-twice", {folder() / "by-chance" / "secret-twice.yml"}};
  const std::string at = "/services/s_a/TaskTemplate/ContainerSpec/Secrets";
  const Json ours = value_at(of_ours(c).sends, at);
  ASSERT_NE(ours.as_array(), nullptr);
  ASSERT_EQ(ours.as_array()->size(), 2U);
  EXPECT_EQ(ours.as_array()->at(0).find("File")->text_of("Name"), "one");
  EXPECT_EQ(ours.as_array()->at(1).find("File")->text_of("Name"), "two");
  const Json turned = Json::array().push(ours.as_array()->at(1)).push(ours.as_array()->at(0));
  constexpr int tries = 60;
  std::set<std::string> seen;
  for (int i = 0; i < tries && !seen.contains(turned.dump()); ++i) {
    seen.insert(value_at(of_docker(c).sends, at).dump());
    EXPECT_EQ(value_at(of_ours(c).sends, at).dump(), ours.dump());
  }
  EXPECT_TRUE(seen.contains(turned.dump())) << "the docker command keeps the order now";
  for (const std::string& order : seen) EXPECT_TRUE(order == ours.dump() || order == turned.dump());
}

// What a later file says in vain, here as there, is told; so is what only ours keeps. Neither is a
// mistake where `strict` makes mistakes of warnings.
TEST_F(Conformance, WhatALaterFileDoesIsTold) {
  const std::vector<std::array<std::string, 3>> notes{
      {"merge-switches", "merge-switches.2.yml:3:14: services.stays-on.tty: ", "replaces nothing"},
      {"merge-environment", "services.a.environment.A: ", "replaces nothing"},
      {"merge-scalars", "services.a.stop_grace_period: ", "replaces nothing"},
      {"merge-aliases", "services.lost.networks.net: ", "they are lost. Repeat the aliases here."},
      {"merge-volumes-networks", "networks.net: ", "driver, labels of that one is lost"},
      {"differences/merge-ports-protocols", "services.a.ports: ", "are all kept"}};
  for (const auto& [name, where, what] : notes) {
    SCOPED_TRACE(name);
    const std::string file = fmt::format("{}/{}", PCA_CASES, name);
    const Finished strict = run({PCA_SWARM_DEPLOY, "config", "--strict", "--files", file + ".yml",
                                 "--files", file + ".2.yml"});
    EXPECT_EQ(strict.code, 0) << strict.err;
    const std::size_t at = strict.err.find(where);
    ASSERT_NE(at, std::string::npos) << strict.err;
    EXPECT_NE(strict.err.find(what, at), std::string::npos) << strict.err;
  }
  // One file, nothing to tell.
  const Finished alone = run({PCA_SWARM_DEPLOY, "config", "--strict", "--files",
                              fmt::format("{}/merge-switches.2.yml", PCA_CASES)});
  EXPECT_EQ(alone.err, "");
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
