// action.yml and the tables of the READMEs say what the option table says. With UPDATE_DOCUMENTS=1
// the files are written anew instead.

#include "contract/action_documents.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

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
    const ToolSpec tool = spec_of_tool(action.tool);
    const CommandSpec* command = find_command(tool, action.command);
    ASSERT_NE(command, nullptr) << action.command;
    expect_contents(source_dir / "actions" / action.folder / "action.yml",
                    action_yml(action, *command));
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
    const ToolSpec tool = spec_of_tool(action.tool);
    const CommandSpec* command = find_command(tool, action.command);
    ASSERT_NE(command, nullptr) << action.command;
    expect_tables(source_dir / "actions" / action.folder / "README.md",
                  inputs_of_action(action, *command));
  }
  const ToolSpec tool = spec_of_tool("tunnel-ssh");
  expect_tables(source_dir / "README.md", *find_command(tool, "exec"));
}

TEST(ActionDocuments, ABlockIsReplacedAndTheRestKept) {
  EXPECT_EQ(with_block("a\n<!-- x -->\nold\n<!-- /x -->\nb\n", "x", "new\n"),
            "a\n<!-- x -->\nnew\n<!-- /x -->\nb\n");
  EXPECT_EQ(with_block("a\n", "x", "new\n"), "a\n");
}

}  // namespace
}  // namespace pca::test
