// action.yml and the tables of the READMEs say what the option table says. With UPDATE_DOCUMENTS=1
// the files are written anew instead.

#include "contract/action_documents.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "base/text.hpp"
#include "cli/help.hpp"

namespace pca::test {
namespace {

const std::filesystem::path source_dir = PCA_SOURCE_DIR;

std::string contents(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void expect_contents(const std::filesystem::path& file, const std::string& expected) {
  if (std::getenv("UPDATE_DOCUMENTS") != nullptr) {
    std::ofstream(file, std::ios::binary) << expected;
  }
  EXPECT_EQ(contents(file), expected)
      << file << " differs from the option table. To write it anew:\n"
      << "  UPDATE_DOCUMENTS=1 ctest --preset dev -R '^contract$'";
}

TEST(ActionDocuments, EveryActionFileIsWhatTheOptionTableSays) {
  for (const Action& action : all_actions()) {
    expect_contents(source_dir / "actions" / action.folder / "action.yml",
                    action_yml(action, command_of_action(action)));
  }
}

void expect_tables(const std::filesystem::path& readme, const CommandSpec& command) {
  std::string text = contents(readme);
  for (const char* mark : {"<!-- inputs -->", "<!-- outputs -->", "<!-- exit codes -->"}) {
    ASSERT_NE(text.find(mark), std::string::npos) << readme << " has no " << mark;
  }
  text = with_block(text, "inputs", readme_input_table(command));
  text = with_block(text, "outputs", readme_output_table(command));
  text = with_block(text, "exit codes", readme_exit_code_table());
  expect_contents(readme, text);
}

TEST(ActionDocuments, EveryReadmeTableIsWhatTheOptionTableSays) {
  for (const Action& action : all_actions()) {
    expect_tables(source_dir / "actions" / action.folder / "README.md",
                  inputs_of_action(action, command_of_action(action)));
  }
  const ToolSpec tool = spec_of_tool("tunnel-ssh");
  expect_tables(source_dir / "README.md", *find_command(tool, "exec"));
}

// A recipe's own inputs stand beside those of the connection.
TEST(ActionDocuments, NoActionHasTwoInputsOfOneName) {
  for (const Action& action : all_actions()) {
    std::set<std::string> names;
    for (const Option& option : inputs_of_action(action, command_of_action(action)).options) {
      EXPECT_TRUE(names.insert(option.name).second) << action.folder << ": " << option.name;
    }
  }
}

// By the variable that the step makes of it, with the default that the documents tell.
TEST(ActionDocuments, EveryInputOfARecipeIsReadByItsScript) {
  for (const Action& action : all_actions()) {
    for (const Option& input : action.recipe_inputs) {
      std::string variable = "RECIPE_" + to_upper(input.name);
      std::replace(variable.begin(), variable.end(), '-', '_');
      const std::string script = contents(source_dir / "actions" / action.folder / "run.sh");
      EXPECT_NE(script.find(variable), std::string::npos) << action.folder << ": " << input.name;
      if (input.default_value.empty()) continue;
      EXPECT_NE(script.find(variable + ":-" + input.default_value + "}"), std::string::npos)
          << action.folder << ": the default of " << input.name;
    }
  }
}

TEST(ActionDocuments, ABlockIsReplacedAndTheRestKept) {
  EXPECT_EQ(with_block("a\n<!-- x -->\nold\n<!-- /x -->\nb\n", "x", "new\n"),
            "a\n<!-- x -->\nnew\n<!-- /x -->\nb\n");
  EXPECT_EQ(with_block("a\n", "x", "new\n"), "a\n");
}

}  // namespace
}  // namespace pca::test
