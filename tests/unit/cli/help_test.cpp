#include "cli/help.hpp"

#include <gtest/gtest.h>

#include "base/text.hpp"

namespace pca {
namespace {

ToolSpec example_tool() {
  Option host;
  host.name = "host";
  host.type = OptionType::list;
  host.help = "Where to go | as [user@]name[:port]";
  host.placeholder = "HOST";
  host.required = true;
  host.group = "Connection";
  Option key;
  key.name = "key";
  key.type = OptionType::secret;
  key.help = "Private key";
  key.group = "Connection";
  Option key_file;
  key_file.name = "key-file";
  key_file.help = "File with the private key";
  key_file.group = "Connection";
  Option via;
  via.name = "via";
  via.type = OptionType::choice;
  via.choices = {"access", "direct"};
  via.default_value = "direct";
  via.help =
      "How to get there, which is a long story that does not fit into one line of a terminal";
  via.group = "Connection";
  Option script;
  script.name = "script";
  script.type = OptionType::verbatim;
  script.help = "What to run";
  CommandSpec run;
  run.name = "run";
  run.summary = "run a script";
  run.options = {script, host, key, key_file, via};
  run.positionals = {"host"};
  run.words = "script";
  run.outputs = {{"exit-code", "What the host said"},
                 {"outcome", "How it went", {{"good", "well"}, {"so-so", "partly | not"}}}};
  run.examples = {{"The usual way", "example run web1 -- uptime"}};
  ToolSpec tool;
  tool.name = "example";
  tool.summary = "shows how help looks";
  tool.commands = {run};
  return tool;
}

TEST(Help, ACommandShowsGroupsDefaultsOutputsExamplesAndExitCodes) {
  EXPECT_EQ(help_text(example_tool(), "run"),
            R"(example run: run a script

Usage: example run [FLAGS] [HOST...] [-- SCRIPT...]
Every --some-name may come as the variable INPUT_SOME_NAME too; the flag wins. A list is one
item a line, or a repeated flag. Durations and sizes need a unit: 15s, 30m, 64KiB.

Options
  --script TEXT                 What to run

Connection
  --host HOST                   Where to go | as [user@]name[:port] (required)
  --key-file PATH|-             Private key; the text itself only as INPUT_KEY
  --via access|direct           How to get there, which is a long story that does not fit into one
                                line of a terminal (default: direct)

General
  --json                        Print the report as JSON on stdout; the log goes to stderr
  --debug                       Say more about what is going on
  --no-color                    No colour on a terminal; so does the variable NO_COLOR
  -h, --help                    Show this; with --json, everything as JSON
  --version                     Show the versions of the tool and its libraries

Outputs
  exit-code                     What the host said
  outcome                       How it went
                                good   well
                                so-so  partly | not

Examples
  # The usual way
  example run web1 -- uptime

Exit codes
     0  done, or nothing to do
     1  the thing asked for failed; nothing needed undoing
     2  bad input; nothing was contacted
     3  failed and rolled back: the target is as before
     4  rollback failed or the outcome is unknown: someone must look
     5  identity or permission: host key, TLS, token, Access, rights
     6  unreachable or timed out
     7  conflict: lock held, release on hold, changed meanwhile
     8  `plan --exit-code`: there are changes
    70  a bug in the tool: please report it
   128  plus n: ended by signal n, after clean-up
)");
}

TEST(Help, TheToolListsItsCommands) {
  const std::string text = help_text(example_tool(), "");
  EXPECT_NE(text.find("Usage: example COMMAND [FLAGS]\n\nCommands\n"
                      "  run                           run a script\n"),
            std::string::npos)
      << text;
}

TEST(Help, NoLineIsWiderThanAHundredColumns) {
  for (const std::string& line : split_lines(help_text(example_tool(), "run"))) {
    EXPECT_LE(line.size(), 100U) << line;
  }
}

TEST(Help, JsonHasEveryOption) {
  const Json json = help_json(example_tool());
  const Json* command = &json.find("commands")->as_array()->front();
  const Json::Array& options = *command->find("options")->as_array();
  ASSERT_EQ(options.size(), 5U);
  EXPECT_EQ(options[2].dump(),
            R"({"name":"key","type":"secret","flag":"--key-file","variable":"INPUT_KEY",)"
            R"("required":false,"default":"","help":"Private key","group":"Connection"})");
  EXPECT_EQ(options[4].find("choices")->dump(), R"(["access","direct"])");
  EXPECT_EQ(*json.find("exit_codes")->as_array()->back().find("code")->as_int(), 128);
}

TEST(Help, JsonHasTheWordsOfAnOutput) {
  const Json json = help_json(example_tool());
  const Json* outputs = json.find("commands")->as_array()->front().find("outputs");
  EXPECT_EQ(outputs->dump(),
            R"([{"name":"exit-code","help":"What the host said"},)"
            R"({"name":"outcome","help":"How it went","values":[{"name":"good","meaning":"well"},)"
            R"({"name":"so-so","meaning":"partly | not"}]}])");
}

TEST(Help, ReadmeTablesEscapeWhatMarkdownWouldTakeForACell) {
  const CommandSpec command = example_tool().commands.front();
  EXPECT_EQ(
      readme_input_table(command),
      "| Input | Default | Meaning |\n|---|---|---|\n"
      "| `script` |  | What to run |\n"
      "| `host` | required | Where to go \\| as [user@]name[:port] |\n"
      "| `key` |  | Private key |\n"
      "| `key-file` |  | File with the private key |\n"
      "| `via` | `direct` | How to get there, which is a long story that does not fit into one "
      "line of a terminal: `access` `direct` |\n");
  EXPECT_EQ(readme_output_table(command),
            "| Output | Meaning |\n|---|---|\n| `exit-code` | What the host said |\n"
            "| `outcome` | How it went<br>`good`: well<br>`so-so`: partly \\| not |\n");
  EXPECT_EQ(split_lines(readme_exit_code_table()).size(), 13U);
}

TEST(Help, TheVersionNamesTheLibrariesItWasBuiltFrom) {
  const std::vector<std::string> lines = split_lines(version_text(example_tool()));
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[0].substr(0, 8), "example ");
  EXPECT_EQ(lines[1].substr(0, 8), "libcurl ");
  EXPECT_EQ(lines[2].substr(0, 8), "libssh2 ");
  EXPECT_EQ(lines[3].substr(0, 8), "OpenSSL ");
  for (const std::string& line : lines) EXPECT_GT(line.size(), 12U) << line;
}

}  // namespace
}  // namespace pca
