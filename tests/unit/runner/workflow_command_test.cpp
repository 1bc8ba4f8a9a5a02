#include "runner/workflow_command.hpp"

#include <gtest/gtest.h>

#include "support/runner_model.hpp"

namespace pca {
namespace {

using test::RunnerModel;

TEST(WorkflowCommand, DataHidesPercentAndLineEnds) {
  EXPECT_EQ(escape_command_data("50% of\r\n:a,b"), "50%25 of%0D%0A:a,b");
  EXPECT_EQ(escape_command_data("%0A"), "%250A");
}

TEST(WorkflowCommand, PropertiesHideColonAndCommaToo) {
  EXPECT_EQ(escape_command_property("a:b,c%\r\n"), "a%3Ab%2Cc%25%0D%0A");
}

TEST(WorkflowCommand, HasPropertiesThenData) {
  EXPECT_EQ(workflow_command("endgroup", {}, ""), "::endgroup::");
  EXPECT_EQ(workflow_command("error", {{"title", "x"}, {"file", ""}, {"line", "3"}}, "bad\nworse"),
            "::error title=x,line=3::bad%0Aworse");
}

TEST(WorkflowCommand, TheRunnerReadsBackWhatWasMeant) {
  const std::string nasty = "%25%0A::add-mask::x,\r\n ##[error]y: 100%";
  RunnerModel runner;
  runner.feed(workflow_command("warning", {{"title", nasty}}, nasty) + "\n");
  runner.finish();
  ASSERT_EQ(runner.commands().size(), 1U);
  EXPECT_EQ(runner.commands()[0].properties.at("title"), nasty);
  EXPECT_EQ(runner.commands()[0].data, nasty);
}

}  // namespace
}  // namespace pca
