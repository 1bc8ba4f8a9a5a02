#include "commit-status/commit_summary.hpp"

#include <gtest/gtest.h>

namespace pca::commit_status {
namespace {

Mark mark(const char* name, Mark::State state, const char* said, const char* url = "") {
  return {.name = name, .state = state, .said = said, .url = url};
}

CommitSummary shop() {
  CommitSummary summary;
  summary.repository = "acme/shop";
  summary.sha = std::string(40, 'a');
  summary.verdict =
      judge_marks({mark("lint", Mark::State::success, "success", "https://example.com/1"),
                   mark("tests", Mark::State::failure, "timed_out", "javascript:alert(1)"),
                   mark("build", Mark::State::pending, "queued")},
                  {});
  return summary;
}

TEST(CommitSummaries, ShowWhatIsBadFirst) {
  EXPECT_EQ(markdown_of(shop()),
            "### aaaaaaaaaa of acme/shop: failure\n\n"
            "| State | Status or check | Said |\n|---|---|---|\n"
            "| failure | tests | timed&#95;out |\n"
            "| pending | build | queued |\n"
            "| success | [lint](https://example.com/1) | success |\n");
}

TEST(CommitSummaries, ShowDeploymentsAndWhatTheUserAdds) {
  CommitSummary summary = shop();
  summary.deployments = {
      {{.id = 2, .environment = "preview", .slug = "cart-1a2b3c4d"},
       {.state = "success", .environment_url = "https://cart.example.com"}},
      {{.id = 1, .environment = "production", .task = "rollback"}, {.state = "inactive"}},
      {{.id = 3, .environment = "<b>", .task = "deploy"}, {}}};
  summary.more = "## Sizes";
  EXPECT_TRUE(
      markdown_of(summary).ends_with("\n| Environment | Deployment | Where |\n|---|---|---|\n"
                                     "| preview/cart-1a2b3c4d | success | "
                                     "[https://cart.example.com](https://cart.example.com) |\n"
                                     "| production | inactive (rollback) |  |\n"
                                     "| &#60;b&#62; | no status |  |\n"
                                     "\n## Sizes\n"))
      << markdown_of(summary);
}

TEST(CommitSummaries, SayWhenNothingIsKnown) {
  CommitSummary summary;
  EXPECT_EQ(state_of(summary), "none");
  EXPECT_NE(markdown_of(summary).find("No status and no check says anything of it."),
            std::string::npos);
  summary.verdict = judge_marks({}, {.wanted = {"tests"}});
  EXPECT_EQ(state_of(summary), "pending");
  EXPECT_NE(markdown_of(summary).find("| absent | tests | |"), std::string::npos);
  summary.verdict = judge_marks({mark("a", Mark::State::success, "success")}, {});
  EXPECT_EQ(state_of(summary), "success");
}

TEST(CommitSummaries, HaveTheLatestDeploymentOfEachPlace) {
  const std::vector<KnownDeployment> all = {{.id = 5, .environment = "production"},
                                            {.id = 4, .environment = "preview", .slug = "a"},
                                            {.id = 3, .environment = "preview", .slug = "b"},
                                            {.id = 2, .environment = "preview", .slug = "a"},
                                            {.id = 1, .environment = "production"}};
  std::vector<std::int64_t> ids;
  for (const KnownDeployment& each : latest_of_each(all)) ids.push_back(each.id);
  EXPECT_EQ(ids, (std::vector<std::int64_t>{5, 4, 3}));
}

}  // namespace
}  // namespace pca::commit_status
