#include "cli/inputs.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace pca {
namespace {

using std::chrono::milliseconds;
using Arguments = std::vector<std::string>;

Option option(std::string name, OptionType type, std::string default_value = {}) {
  Option made;
  made.name = std::move(name);
  made.type = type;
  made.default_value = std::move(default_value);
  made.help = "Help";
  return made;
}

ToolSpec example_tool() {
  CommandSpec run;
  run.name = "run";
  run.options = {
      option("host", OptionType::list),
      option("user", OptionType::text),
      option("script", OptionType::verbatim),
      option("key", OptionType::secret),
      option("key-file", OptionType::text),
      option("password", OptionType::secret),
      option("strict-mode", OptionType::boolean, "true"),
      option("port", OptionType::integer, "22"),
      option("connect-timeout", OptionType::duration, "15s"),
      option("capture-limit", OptionType::size, "64KiB"),
      option("via", OptionType::choice, "direct"),
      option("local", OptionType::list),
      option("input", OptionType::text),
  };
  run.options[7].least = 1;
  run.options[7].most = 65535;
  run.options[10].choices = {"access", "direct"};
  run.options[11].short_flag = 'L';
  run.options[12].takes_stdin = true;
  run.positionals = {"user", "host"};
  run.words = "script";
  CommandSpec watch;
  watch.name = "watch";
  watch.options = {option("token", OptionType::secret), option("ref", OptionType::text)};
  watch.options[0].required = true;
  watch.options[1].required = true;
  CommandSpec words;
  words.name = "words";
  words.options = {option("argv", OptionType::list)};
  words.words = "argv";
  ToolSpec tool;
  tool.name = "example";
  CommandSpec two_words;
  two_words.name = "room open";
  two_words.options = {option("host", OptionType::list)};
  two_words.positionals = {"host"};
  tool.commands = {run, watch, words, two_words};
  return tool;
}

// Reads a command line with an environment that is a plain map.
class InputsTest : public testing::Test {
 protected:
  InputsTest() : folder_(testing::TempDir() + "inputs-" + std::to_string(::getpid())) {
    std::filesystem::create_directories(folder_);
  }
  ~InputsTest() override { std::filesystem::remove_all(folder_); }

  Inputs read(const Arguments& arguments) {
    line_ = parse_command_line(tool_, arguments, bad_);
    return read_inputs(Budget::of(milliseconds{5000}), {tool_, environment_, redactor_}, line_,
                       bad_);
  }

  std::string file(const std::string& name, const std::string& content) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }

  [[nodiscard]] std::string mistakes() const { return bad_.to_error().message; }

  ToolSpec tool_ = example_tool();
  Environment environment_;
  Redactor redactor_;
  BadInputs bad_;
  CommandLine line_;
  std::string folder_;
};

TEST_F(InputsTest, EachTypeIsReadFromItsFlag) {
  Inputs inputs =
      read({"run", "--host", "a", "--host=b", "--user", " deploy ", "--strict-mode=false", "--port",
            "2222", "--connect-timeout", "2m", "--capture-limit=1MiB", "--via", "access",
            "--script", " x \n", "-L", "1:h:2", "-L3:h:4"});
  ASSERT_TRUE(bad_.empty()) << mistakes();
  EXPECT_EQ(inputs.command(), "run");
  EXPECT_EQ(inputs.list("host"), (Arguments{"a", "b"}));
  EXPECT_EQ(inputs.text("user"), "deploy");
  EXPECT_FALSE(inputs.flag("strict-mode"));
  EXPECT_EQ(inputs.integer("port"), 2222);
  EXPECT_EQ(inputs.duration("connect-timeout"), milliseconds{120'000});
  EXPECT_EQ(inputs.size("capture-limit"), 1024U * 1024U);
  EXPECT_EQ(inputs.text("via"), "access");
  EXPECT_EQ(inputs.text("script"), " x \n");  // verbatim
  EXPECT_EQ(inputs.list("local"), (Arguments{"1:h:2", "3:h:4"}));
  EXPECT_FALSE(inputs.has("key"));
}

TEST_F(InputsTest, EachTypeIsReadFromItsVariable) {
  environment_ = {{"INPUT_HOST", "a\n\n  b  \n"},
                  {"INPUT_USER", " deploy\n"},
                  {"INPUT_STRICT_MODE", "False"},
                  {"INPUT_PORT", "2222"},
                  {"INPUT_CONNECT-TIMEOUT", "2m"},
                  {"INPUT_CAPTURE_LIMIT", "1MiB"},
                  {"INPUT_VIA", "access"},
                  {"INPUT_SCRIPT", " x \n"},
                  {"INPUT_PASSWORD", "hunter two\n"},
                  {"INPUT_JSON", "true"}};
  Inputs inputs = read({"run"});
  ASSERT_TRUE(bad_.empty()) << mistakes();
  EXPECT_EQ(inputs.list("host"), (Arguments{"a", "b"}));
  EXPECT_EQ(inputs.blank_items("host"), 1U);
  EXPECT_EQ(inputs.text("user"), "deploy");
  EXPECT_FALSE(inputs.flag("strict-mode"));
  EXPECT_EQ(inputs.integer("port"), 2222);
  EXPECT_EQ(inputs.duration("connect-timeout"), milliseconds{120'000});
  EXPECT_EQ(inputs.size("capture-limit"), 1024U * 1024U);
  EXPECT_EQ(inputs.text("via"), "access");
  EXPECT_EQ(inputs.text("script"), " x \n");
  EXPECT_EQ(inputs.take_secret("password").expose(), "hunter two");
  EXPECT_TRUE(inputs.flag("json"));
}

TEST_F(InputsTest, DefaultsStandInForWhatIsNotGiven) {
  environment_ = {{"INPUT_PORT", ""}, {"INPUT_VIA", " \n"}, {"INPUT_NOSUCH", ""}};
  const Inputs inputs = read({"run"});
  ASSERT_TRUE(bad_.empty()) << mistakes();
  EXPECT_EQ(inputs.integer("port"), 22);
  EXPECT_EQ(inputs.duration("connect-timeout"), milliseconds{15'000});
  EXPECT_EQ(inputs.size("capture-limit"), 65536U);
  EXPECT_EQ(inputs.text("via"), "direct");
  EXPECT_TRUE(inputs.flag("strict-mode"));
  EXPECT_FALSE(inputs.has("port"));
  EXPECT_FALSE(inputs.flag("json"));
}

TEST_F(InputsTest, AFlagWinsOverAVariableAndTheDashedSpellingOverTheOther) {
  environment_ = {{"INPUT_PORT", "1"},
                  {"INPUT_CONNECT-TIMEOUT", "1s"},
                  {"INPUT_CONNECT_TIMEOUT", "2s"},
                  {"INPUT_HOST", "from-variable"}};
  const Inputs inputs = read({"run", "--port", "2", "--host", "from-flag"});
  ASSERT_TRUE(bad_.empty()) << mistakes();
  EXPECT_EQ(inputs.integer("port"), 2);
  EXPECT_EQ(inputs.duration("connect-timeout"), milliseconds{1000});
  EXPECT_EQ(inputs.list("host"), Arguments{"from-flag"});
}

TEST_F(InputsTest, OnlyInputVariablesAreRead) {
  environment_ = {{"HOST", "evil"},    {"SSH_HOST", "evil"}, {"PORT", "1"},
                  {"SSH_PORT", "1"},   {"USER", "evil"},     {"SSH_USERNAME", "evil"},
                  {"SSH_KEY", "evil"}, {"PASSWORD", "evil"}, {"input_host", "evil"},
                  {"KEY", "evil"},     {"JSON", "true"},     {"PLUGIN_HOST", "evil"},
                  {"PLUGIN_PORT", "1"}};
  Inputs inputs = read({"run"});
  ASSERT_TRUE(bad_.empty()) << mistakes();
  EXPECT_TRUE(inputs.list("host").empty());
  EXPECT_EQ(inputs.integer("port"), 22);
  EXPECT_EQ(inputs.text("user"), "");
  EXPECT_TRUE(inputs.take_secret("key").empty());
  EXPECT_TRUE(inputs.take_secret("password").empty());
  EXPECT_FALSE(inputs.flag("json"));
}

TEST_F(InputsTest, BooleansHaveTheSixSpellingsOfYaml12) {
  for (const char* text : {"true", "True", "TRUE"}) {
    environment_ = {{"INPUT_STRICT_MODE", text}};
    EXPECT_TRUE(read({"run"}).flag("strict-mode")) << text;
  }
  for (const char* text : {"false", "False", "FALSE"}) {
    environment_ = {{"INPUT_STRICT_MODE", text}};
    EXPECT_FALSE(read({"run"}).flag("strict-mode")) << text;
  }
  EXPECT_TRUE(bad_.empty()) << mistakes();
  environment_ = {{"INPUT_STRICT_MODE", "yes"}};
  static_cast<void>(read({"run", "--json=1"}));
  EXPECT_EQ(mistakes(),
            "strict-mode: \"yes\" is neither true nor false. Write true or false.\n"
            "json: \"1\" is neither true nor false. Write true or false.");
}

TEST_F(InputsTest, WordsWithoutAFlagGoToThePositionalsAndTheLastListTakesTheRest) {
  const Inputs inputs = read({"run", "deploy", "--port", "1", "a", "b"});
  ASSERT_TRUE(bad_.empty()) << mistakes();
  EXPECT_EQ(inputs.text("user"), "deploy");
  EXPECT_EQ(inputs.list("host"), (Arguments{"a", "b"}));
}

TEST_F(InputsTest, AListThatIsNotTheLastPositionalTakesOneWord) {
  tool_.commands.front().positionals = {"host", "port"};
  const Inputs inputs = read({"run", "web1", "2222"});
  ASSERT_TRUE(bad_.empty()) << mistakes();
  EXPECT_EQ(inputs.list("host"), Arguments{"web1"});
  EXPECT_EQ(inputs.integer("port"), 2222);
}

TEST_F(InputsTest, WordsBehindDashesBecomeOneQuotedText) {
  const Inputs inputs = read({"run", "--user", "u", "--", "echo", "it's", "--json", "*"});
  ASSERT_TRUE(bad_.empty()) << mistakes();
  EXPECT_EQ(inputs.text("script"), R"('echo' 'it'\''s' '--json' '*')");
  EXPECT_FALSE(inputs.flag("json"));
}

TEST_F(InputsTest, WordsBehindDashesStayAsTheyAreInAList) {
  const Inputs inputs = read({"words", "--", "printf", " a\nb ", ""});
  ASSERT_TRUE(bad_.empty()) << mistakes();
  EXPECT_EQ(inputs.list("argv"), (Arguments{"printf", " a\nb ", ""}));
}

TEST_F(InputsTest, WordsBehindDashesAndTheFlagTogetherAreAMistake) {
  static_cast<void>(read({"run", "--script", "x", "--", "y"}));
  EXPECT_EQ(mistakes(), "script: was given twice, by a flag and behind \"--\". Give it once.");
}

TEST_F(InputsTest, ValuesMayLookLikeFlags) {
  const Inputs inputs =
      read({"run", "--script", "-----BEGIN X-----", "--user", "-x", "--host=--port"});
  ASSERT_TRUE(bad_.empty()) << mistakes();
  EXPECT_EQ(inputs.text("script"), "-----BEGIN X-----");
  EXPECT_EQ(inputs.text("user"), "-x");
  EXPECT_EQ(inputs.list("host"), Arguments{"--port"});
}

TEST_F(InputsTest, BracketsInValuesAreNoLists) {
  const Inputs inputs = read({"run", "--host", "[::1]", "--host", "[::2]:22"});
  ASSERT_TRUE(bad_.empty()) << mistakes();
  EXPECT_EQ(inputs.list("host"), (Arguments{"[::1]", "[::2]:22"}));
}

TEST_F(InputsTest, AllMistakesAreToldTogetherEachWithItsCure) {
  environment_ = {
      {"INPUT_HOTS", "x"}, {"INPUT_CAPTURE_LIMIT", "64"}, {"INPUT_TOKEN", "s3cr3t-token"}};
  static_cast<void>(read({"run", "--prot", "22", "--port", "99999", "--connect-timeout", "15",
                          "--via", "acess", "--user", "a\nb"}));
  EXPECT_EQ(
      mistakes(),
      "--prot: is not a flag of example run. Did you mean --port?\n"
      "user: \"a\\x0Ab\" holds a line break or another control character. Write one value, in one "
      "line.\n"
      "port: \"99999\" is not a whole number from 1 to 65535. Write a number from 1 to 65535.\n"
      "connect-timeout: \"15\" has no unit. Write a whole number and a unit: 90s, 15m, 6h, 7d or "
      "250ms.\n"
      "capture-limit: \"64\" has no unit. Write a whole number and a unit: 64KiB, 2MiB, 1GiB or "
      "512B.\n"
      "via: \"acess\" is not one of its values. Did you mean access? Write one of: access, "
      "direct.\n"
      "INPUT_HOTS: is set, but no input of example run. Did you mean INPUT_HOST?\n"
      "INPUT_TOKEN: is set, but no input of example run. It belongs to example watch; leave it out "
      "here.");
  EXPECT_EQ(bad_.to_error().kind, ErrorKind::bad_input);
}

TEST_F(InputsTest, AFlagWithoutItsValueIsAMistakeAndTheRestIsStillRead) {
  const Inputs inputs = read({"run", "--user", "--port", "1", "--script=", "--via"});
  EXPECT_EQ(mistakes(),
            "--user: has no value. Write --user=TEXT, or leave it out.\n"
            "--script: has no value. Write --script=TEXT, or leave it out.\n"
            "--via: has no value. Write --via=access|direct, or leave it out.");
  EXPECT_EQ(inputs.integer("port"), 1);
}

TEST_F(InputsTest, AnEmptyFlagIsAMistakeButAnEmptyVariableIsNot) {
  environment_ = {{"INPUT_USER", ""}};
  static_cast<void>(read({"run", "--port", "", "--host", "", "--host", " "}));
  EXPECT_EQ(mistakes(),
            "host: is empty. Leave --host out, or give it a value.\n"
            "port: is empty. Leave --port out, or give it a value.");
}

TEST_F(InputsTest, AFlagThatIsNoListCanBeGivenOnce) {
  static_cast<void>(read({"run", "--port", "1", "--port", "1"}));
  EXPECT_EQ(mistakes(), "port: was given 2 times. Give it once.");
}

TEST_F(InputsTest, AWordTooManyIsAMistake) {
  static_cast<void>(
      read({"watch", "--ref", "x", "--token-file", file("t", "abcd"), "true", "extra"}));
  EXPECT_EQ(mistakes(),
            "\"true\": is one word too many for example watch. Quote a value that holds blanks; "
            "example watch --help shows the usage.\n"
            "\"extra\": is one word too many for example watch. Quote a value that holds blanks; "
            "example watch --help shows the usage.");
}

TEST_F(InputsTest, ASecretHasNoFlagAndWhatStandsThereIsNotShown) {
  const std::string told =
      "--password: is a secret, which no flag may hold: other processes could read it. Give "
      "INPUT_PASSWORD, or --password-file PATH (- for stdin).";
  for (const Arguments& arguments : {Arguments{"run", "--password", "hunter2"},
                                     {"run", "--password=hunter2"},
                                     {"run", "--password", "-----BEGIN hunter2"}}) {
    bad_ = {};
    static_cast<void>(read(arguments));
    EXPECT_EQ(mistakes(), told);
  }
}

TEST_F(InputsTest, WhatStandsBehindAMisspeltFlagIsNotShown) {
  static_cast<void>(
      read({"run", "--pasword", "hunter2", "--pasword", "-----BEGIN hunter2", "--nosuch"}));
  EXPECT_EQ(mistakes(),
            "--pasword: is not a flag of example run. Did you mean --password-file?\n"
            "--pasword: is not a flag of example run. Did you mean --password-file?\n"
            "--nosuch: is not a flag of example run. example run --help lists all flags.");
}

TEST_F(InputsTest, ADefaultStandsInForAMistake) {
  const Inputs inputs = read({"run", "--port", "x", "--via", "y", "--connect-timeout", "1"});
  EXPECT_EQ(bad_.items().size(), 3U);
  EXPECT_TRUE(bad_.names("port"));
  EXPECT_FALSE(bad_.names("user"));
  EXPECT_EQ(inputs.integer("port"), 22);
  EXPECT_EQ(inputs.text("via"), "direct");
  EXPECT_EQ(inputs.duration("connect-timeout"), milliseconds{15'000});
}

TEST_F(InputsTest, RequiredInputsThatAreMissingAreNamed) {
  static_cast<void>(read({"watch"}));
  EXPECT_EQ(mistakes(),
            "token: is required. Give --token-file PATH|-, or set INPUT_TOKEN.\n"
            "ref: is required. Give --ref TEXT, or set INPUT_REF.");
}

TEST_F(InputsTest, ASecretFileIsReadAndProtected) {
  Inputs inputs = read({"run", "--password-file", file("password", "correct horse\r\n"),
                        "--key-file", file("key", "line one\nline two\n")});
  ASSERT_TRUE(bad_.empty()) << mistakes();
  EXPECT_EQ(inputs.take_secret("password").expose(), "correct horse");
  EXPECT_EQ(inputs.take_secret("key").expose(), "line one\nline two\n");
  EXPECT_EQ(redactor_.redact("a correct horse, line two"), "a ***, ***");
  EXPECT_TRUE(inputs.has("key"));
}

TEST_F(InputsTest, ASecretFileCanBeNamedByAVariable) {
  environment_ = {{"INPUT_KEY-FILE", file("key", "from the file") + "\n"}};
  Inputs inputs = read({"run"});
  ASSERT_TRUE(bad_.empty()) << mistakes();
  EXPECT_EQ(inputs.take_secret("key").expose(), "from the file");
}

TEST_F(InputsTest, TheFlagOfASecretFileWinsOverItsVariables) {
  environment_ = {{"INPUT_KEY", "from the variable"}, {"INPUT_KEY_FILE", "/nonexistent"}};
  Inputs inputs = read({"run", "--key-file", file("key", "from the flag")});
  ASSERT_TRUE(bad_.empty()) << mistakes();
  EXPECT_EQ(inputs.take_secret("key").expose(), "from the flag");
}

TEST_F(InputsTest, ASecretAndItsFileTogetherAreAMistake) {
  environment_ = {{"INPUT_KEY", "text"}, {"INPUT_KEY_FILE", "path"}};
  static_cast<void>(read({"run"}));
  EXPECT_EQ(mistakes(), "key: was given twice, as key and as key-file. Give one of the two.");
}

TEST_F(InputsTest, SecretFilesThatCannotBeRightAreNamed) {
  using namespace std::string_literals;
  environment_ = {{"INPUT_KEY_FILE", folder_}};
  static_cast<void>(read({"run", "--password-file", folder_ + "/none"}));
  static_cast<void>(
      read({"run", "--key-file", file("empty", " \n"), "--password-file", file("nul", "a\0b"s)}));
  static_cast<void>(read({"run", "--key-file", file("large", std::string(65537, 'x'))}));
  EXPECT_EQ(mistakes(), "key-file: cannot read \"" + folder_ +
                            "\": it is a folder. Name a file that exists and "
                            "can be read.\n"
                            "password-file: cannot read \"" +
                            folder_ +
                            "/none\": no such file or directory. Name a "
                            "file that exists and can be read.\n"
                            "key-file: \"" +
                            folder_ +
                            "/empty\" is empty. Check that it is the right file; it has "
                            "to be text.\n"
                            "password-file: \"" +
                            folder_ +
                            "/nul\" holds a NUL byte. Check that it is the right "
                            "file; it has to be text.\n"
                            "key-file: \"" +
                            folder_ +
                            "/large\" holds more than 64KiB. Check that it is the right "
                            "file.");
}

TEST_F(InputsTest, OnlyOneInputCanReadStdin) {
  std::vector<Option>& options = tool_.commands.front().options;
  std::rotate(options.begin(), options.end() - 1, options.end());  // so that nothing is read here
  environment_ = {{"INPUT_KEY_FILE", "-"}};
  static_cast<void>(read({"run", "--input", "-"}));
  EXPECT_EQ(
      mistakes(),
      "key-file: reads stdin (-), which input reads already. Give a path for one of the two.");
}

TEST_F(InputsTest, AWrongNameInOurOwnCodeIsNotHidden) {
  const Inputs inputs = read({"run"});
  EXPECT_THROW(static_cast<void>(inputs.text("nosuch")), std::logic_error);
}

TEST_F(InputsTest, ACommandMayHaveTwoWords) {
  const Inputs inputs = read({"room", "open", "a", "b"});
  ASSERT_TRUE(bad_.empty()) << mistakes();
  EXPECT_EQ(inputs.command(), "room open");
  EXPECT_EQ(inputs.list("host"), (Arguments{"a", "b"}));
  static_cast<void>(read({"room"}));
  EXPECT_EQ(mistakes(),
            "\"room\": is not a command of example. Write one of: run, watch, words, room open.");
}

TEST_F(InputsTest, CommandsAreNamedExactly) {
  static_cast<void>(read({"rnu"}));
  static_cast<void>(read({"--debug"}));
  static_cast<void>(read({}));
  EXPECT_EQ(mistakes(),
            "\"rnu\": is not a command of example. Write one of: run, watch, words, room open.\n"
            "no command was given. Write one of: run, watch, words, room open.\n"
            "no command was given. Write one of: run, watch, words, room open.");
}

TEST_F(InputsTest, GeneralFlagsMayStandBeforeTheCommand) {
  const Inputs inputs = read({"--json", "run"});
  ASSERT_TRUE(bad_.empty()) << mistakes();
  EXPECT_TRUE(inputs.flag("json"));
}

TEST_F(InputsTest, QuestionsWinOverMistakes) {
  using Kind = CommandLine::Kind;
  const auto kind = [&](const Arguments& arguments) {
    BadInputs ignored;
    return parse_command_line(tool_, arguments, ignored).kind;
  };
  EXPECT_EQ(kind({"--help"}), Kind::help);
  EXPECT_EQ(kind({"help"}), Kind::help);
  EXPECT_EQ(kind({"help", "run"}), Kind::help);
  EXPECT_EQ(kind({"help", "--json"}), Kind::help_json);
  EXPECT_EQ(kind({"-h"}), Kind::help);
  EXPECT_EQ(kind({"run", "--nosuch", "--help"}), Kind::help);
  EXPECT_EQ(kind({"--help", "--json"}), Kind::help_json);
  EXPECT_EQ(kind({"--version"}), Kind::version);
  EXPECT_EQ(kind({"run", "--version"}), Kind::version);
  EXPECT_EQ(kind({"run", "--", "--help"}), Kind::run);
  EXPECT_EQ(kind({"run", "help"}), Kind::run);
  EXPECT_EQ(kind({"run", "--script=--help"}), Kind::run);
}

TEST_F(InputsTest, AToolWithOneNamelessCommandNeedsNoWord) {
  tool_.commands = {tool_.commands[0]};
  tool_.commands[0].name.clear();
  const Inputs inputs = read({"deploy", "web1", "--port", "1"});
  ASSERT_TRUE(bad_.empty()) << mistakes();
  EXPECT_EQ(inputs.text("user"), "deploy");
  EXPECT_EQ(inputs.list("host"), Arguments{"web1"});
}

TEST_F(InputsTest, HostileNamesAreMadeVisibleAndCut) {
  static_cast<void>(read({"run", "--\x1b[2J" + std::string(500, 'x')}));
  EXPECT_EQ(mistakes(), "--\\x1B[2J" + std::string(58, 'x') +
                            ": is not a flag of example run. example run --help lists all flags.");
}

}  // namespace
}  // namespace pca
