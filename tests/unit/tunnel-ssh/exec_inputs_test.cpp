#include "tunnel-ssh/exec_inputs.hpp"

#include <gtest/gtest.h>

#include "base/text.hpp"
#include "tunnel-ssh/options.hpp"

namespace pca::tunnel_ssh {
namespace {

// Reads the inputs of exec from INPUT_ variables, as an action gives them.
class ExecInputsTest : public testing::Test {
 protected:
  Inputs inputs(Environment environment) {
    environment.emplace("INPUT_HOST", "web1");
    CommandLine line;
    line.command = "exec";
    const ToolSpec tool = tool_spec();
    return read_inputs(Budget::of(Milliseconds{5000}), {tool, environment, redactor_}, line, bad_);
  }

  std::string script(const Environment& environment) {
    return read_script(Budget::of(Milliseconds{5000}), inputs(environment), sources(),
                       ScriptLimits().bytes, bad_);
  }

  ScriptSources sources() {
    return {job_, redactor_, [this](const std::string& text) { said_ += text + "\n"; }};
  }

  [[nodiscard]] std::string mistakes() const {
    return bad_.empty() ? std::string() : bad_.to_error().message;
  }

  Environment job_;
  Redactor redactor_;
  BadInputs bad_;
  std::string said_;
};

TEST_F(ExecInputsTest, AScriptIsTakenAsItIs) {
  EXPECT_EQ(script({{"INPUT_SCRIPT", "  echo a\n\n\techo b \n"}}), "  echo a\n\n\techo b \n");
  EXPECT_EQ(mistakes(), "");
  EXPECT_EQ(said_, "");
}

TEST_F(ExecInputsTest, WindowsLineEndsAndMarksAreMendedAndSaid) {
  EXPECT_EQ(script({{"INPUT_SCRIPT",
                     "\xEF\xBB\xBF"
                     "echo a\r\necho b\r\n"}}),
            "echo a\necho b\n");
  EXPECT_EQ(said_,
            "script: a byte order mark was removed.\n"
            "script: CRLF line ends were converted to LF.\n");
}

TEST_F(ExecInputsTest, ASingleCarriageReturnIsLeftAlone) {
  EXPECT_EQ(script({{"INPUT_SCRIPT", "printf 'a\r\n'\necho b\n"}}), "printf 'a\r\n'\necho b\n");
  EXPECT_EQ(said_, "");
}

TEST_F(ExecInputsTest, PassedVariablesAreSecretUnlessTheRunnerMadeThem) {
  job_ = {{"API_TOKEN", "s3cr3t value"}, {"GITHUB_REF", "refs/heads/main"}, {"lower", "kept"}};
  const auto lines = read_environment_lines(
      inputs({{"INPUT_PASS_ENV", "API_TOKEN\nGITHUB_REF\nlower"}, {"INPUT_ENV", "A=b=c\nEMPTY="}}),
      sources(), bad_);
  ASSERT_EQ(mistakes(), "");
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_EQ(lines[0].name + "|" + lines[0].value, "A|b=c");
  EXPECT_EQ(lines[1].name + "|" + lines[1].value, "EMPTY|");
  EXPECT_EQ(lines[2].secret.expose(), "s3cr3t value");
  EXPECT_EQ(lines[3].value, "refs/heads/main");
  EXPECT_EQ(lines[4].name, "lower");
  EXPECT_EQ(redactor_.redact("s3cr3t value on refs/heads/main"), "*** on refs/heads/main");
}

TEST_F(ExecInputsTest, AllMistakesComeTogether) {
  (void)read_environment_lines(
      inputs({{"INPUT_PASS_ENV", "NOT_THERE\nA\n1x"}, {"INPUT_ENV", "A=b\nno equals\n9=x"}}),
      sources(), bad_);
  for (const char* part :
       {"env: item 2 has no =", "env: item 3 has no name for a variable before its =",
        "pass-env: NOT_THERE is not set in this step's environment",
        "pass-env: \"1x\" is no name for a variable", "env: A is given twice"}) {
    EXPECT_NE(mistakes().find(part), std::string::npos) << part << "\n" << mistakes();
  }
}

TEST_F(ExecInputsTest, TheNearestNameIsOffered) {
  job_ = {{"API_TOKEN", "x"}};
  (void)read_environment_lines(inputs({{"INPUT_PASS_ENV", "API_TOKN"}}), sources(), bad_);
  EXPECT_NE(mistakes().find("did you mean API_TOKEN?"), std::string::npos) << mistakes();
}

TEST_F(ExecInputsTest, AValueInPassEnvIsNotRepeatedInTheMessage) {
  (void)read_environment_lines(inputs({{"INPUT_PASS_ENV", "TOKEN=s3cr3t"}}), sources(), bad_);
  EXPECT_EQ(mistakes().find("s3cr3t"), std::string::npos) << mistakes();
}

}  // namespace
}  // namespace pca::tunnel_ssh
