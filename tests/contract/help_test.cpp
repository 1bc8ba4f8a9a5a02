// What the executables themselves print is what the documents say: --help --json, --help and
// action.yml name the same inputs, outputs and defaults, in the same order.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/json.hpp"
#include "base/text.hpp"
#include "contract/action_documents.hpp"
#include "support/process.hpp"

namespace pca::test {
namespace {

using namespace std::chrono_literals;
using Names = std::vector<std::string>;

Finished run_tool(const std::string& tool, const Names& arguments) {
  ProcessSpec spec;
  spec.argv = {PCA_BIN_DIR "/" + tool};
  spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
  return run_process(spec, 60s);
}

const Json::Array& list(const Json& json, std::string_view key) {
  static const Json::Array none;
  const Json* value = json.find(key);
  return value == nullptr || value->as_array() == nullptr ? none : *value->as_array();
}

// The command in the tool's own description of itself.
Json described(const std::string& tool, const std::string& command) {
  const auto json = parse_json(run_tool(tool, {"--help", "--json"}).out);
  if (!json) {
    ADD_FAILURE() << json.error().message;
    return {};
  }
  for (const Json& each : list(*json, "commands")) {
    if (each.text_of("name") == command) return each;
  }
  ADD_FAILURE() << "no command " << command;
  return {};
}

Names names_of(const Json::Array& rows) {
  Names names;
  for (const Json& row : rows) names.push_back(row.text_of("name"));
  return names;
}

// The names under `section:` of an action.yml of ours.
Names names_in(const Action& action, const std::string& section) {
  std::ifstream file(std::filesystem::path(PCA_SOURCE_DIR) / "actions" / action.folder /
                     "action.yml");
  Names names;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(' ')) inside = line == section + ":";
    if (!inside || !line.starts_with("  ") || line.starts_with("   ")) continue;
    names.emplace_back(trim(line.substr(0, line.find(':'))));
  }
  return names;
}

TEST(Help, TheInputsOfAnActionAreThoseOfItsCommand) {
  for (const Action& action : all_actions()) {
    if (!action.recipe_inputs.empty()) continue;  // it has those of its script as well
    const Json command = described(action.tool, action.command);
    Names expected = names_of(list(command, "options"));
    std::erase_if(expected, [&](const std::string& name) {
      return std::any_of(action.fixed_inputs.begin(), action.fixed_inputs.end(),
                         [&](const std::string& fixed) { return fixed.starts_with(name + ": "); });
    });
    expected.insert(expected.end(), {"binaries", "download-base"});  // of the setup step
    EXPECT_EQ(names_in(action, "inputs"), expected) << action.folder;
  }
}

TEST(Help, TheOutputsOfAnActionAreThoseOfItsCommand) {
  for (const Action& action : all_actions()) {
    if (!action.recipe_inputs.empty()) continue;  // it has those of its script as well
    const Json command = described(action.tool, action.command);
    EXPECT_EQ(names_in(action, "outputs"), names_of(list(command, "outputs"))) << action.folder;
  }
}

TEST(Help, TheTextNamesEveryFlagSecretAndOutput) {
  const std::pair<const char*, const char*> commands[] = {
      {"tunnel-ssh", "exec"},    {"tunnel-ssh", "stdio"},     {"tunnel-ssh", "forward"},
      {"tunnel-ssh", "pin"},     {"tunnel-ssh", "check"},     {"deploy-policy", "classify"},
      {"deploy-policy", "exec"}, {"commit-status", "status"}, {"commit-status", "run"},
      {"swarm-deploy", "config"}};
  for (const auto& [tool, command] : commands) {
    const Finished help = run_tool(tool, {command, "--help"});
    EXPECT_EQ(help.code, 0) << command;
    const Json json = described(tool, command);
    EXPECT_FALSE(list(json, "options").empty()) << command;
    for (const Json& option : list(json, "options")) {
      const std::string flag = "  " + option.text_of("flag");
      const bool is_there = help.out.find(flag) != std::string::npos ||
                            help.out.find(", " + option.text_of("flag")) != std::string::npos;
      EXPECT_TRUE(is_there) << command << " does not name " << flag;
      if (option.text_of("type") == "secret") {
        EXPECT_NE(help.out.find(option.text_of("variable")), std::string::npos)
            << command << " does not name " << option.text_of("variable");
      }
    }
    for (const Json& output : list(json, "outputs")) {
      EXPECT_NE(help.out.find("\n  " + output.text_of("name")), std::string::npos) << command;
    }
  }
}

}  // namespace
}  // namespace pca::test
