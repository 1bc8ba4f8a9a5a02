#include "tunnel-ssh/results.hpp"

#include <gtest/gtest.h>

namespace pca::tunnel_ssh {
namespace {

HostResult good(std::string host) {
  HostResult result;
  result.host = std::move(host);
  result.outcome = Outcome::succeeded;
  result.exit_code = 0;
  result.phases = {{"tcp", 0, 10}, {"command", 10, 1490}};
  return result;
}

HostResult bad(std::string host, Error error, bool timed_out = false) {
  HostResult result = good(std::move(host));
  result.outcome = outcome_of(error, timed_out);
  result.exit_code.reset();
  result.error = std::move(error);
  return result;
}

TEST(PhasesTest, ThoseToldTogetherLieOneAfterTheOther) {
  // Told at 30 ms, all three, after a pause; then one told at once.
  std::vector<Phase> phases{{"dns", 29, 1}, {"tcp", 25, 5}, {"tls", 10, 20}, {"login", 40, 2}};
  one_after_the_other(phases);
  const auto start = [&](std::size_t i) { return phases[i].start_ms; };
  EXPECT_EQ(std::vector({start(0), start(1), start(2), start(3)}),
            (std::vector<double>{4, 5, 10, 40}));
  one_after_the_other(phases);  // they do already
  EXPECT_EQ(start(0), 4);
}

TEST(ResultsTest, TheGravestOutcomeDecides) {
  using List = std::vector<HostResult>;
  EXPECT_EQ(overall_outcome(List{good("a"), good("b")}), Outcome::succeeded);
  EXPECT_FALSE(overall_error(List{good("a"), good("b")}));
  const List list{bad("a", failed("no")), bad("b", unreachable("gone")),
                  bad("c", outcome_unknown("who knows", "Look.")),
                  bad("d", permission_denied("key"))};
  EXPECT_EQ(overall_outcome(list), Outcome::unknown);
  const Error error = *overall_error(list);
  EXPECT_EQ(error.kind, ErrorKind::outcome_unknown);
  EXPECT_EQ(error.message, "4 of 4 hosts failed (a, b, c, d); the gravest: who knows");
  EXPECT_EQ(error.hint, "Look.");
}

TEST(ResultsTest, OneHostsErrorIsTheToolsError) {
  const std::vector<HostResult> list{bad("a", failed("a: the command failed with exit code 3"))};
  EXPECT_EQ(overall_error(list)->message, "a: the command failed with exit code 3");
}

TEST(ResultsTest, HostsThatNeverStartedAreCountedApart) {
  HostResult skipped;
  skipped.host = "c";
  const std::vector<HostResult> list{good("a"), bad("b", failed("no")), skipped};
  EXPECT_EQ(overall_error(list)->message,
            "1 of 3 hosts failed (b), 1 not started; the gravest: no");
  EXPECT_EQ(failed_hosts(list), std::vector<std::string>{"b"});
}

TEST(ResultsTest, HostsThatACancelKeptFromStartingAreCancelled) {
  HostResult unstarted;
  unstarted.host = "b";
  std::vector<HostResult> list{good("a"), unstarted};
  cancel_unstarted(list);
  EXPECT_EQ(list[0].outcome, Outcome::succeeded);
  EXPECT_EQ(list[1].outcome, Outcome::cancelled);
  EXPECT_EQ(overall_error(list)->kind, ErrorKind::cancelled);
  EXPECT_EQ(overall_error(list)->message,
            "1 of 2 hosts failed (b); the gravest: cancelled before it was started");
}

TEST(ResultsTest, EveryOutcomeHasARowInTheOrderOfGravity) {
  int number = 0;
  for (const OutcomeRow& row : outcome_table()) {
    EXPECT_EQ(static_cast<int>(row.outcome), number++);
    EXPECT_EQ(outcome_name(row.outcome), row.name);
    EXPECT_FALSE(row.meaning.empty()) << row.name;
  }
  EXPECT_EQ(number, static_cast<int>(Outcome::cancelled) + 1);
}

TEST(ResultsTest, ATimeoutIsItsOwnOutcome) {
  EXPECT_EQ(outcome_of(unreachable("late"), true), Outcome::timed_out);
  EXPECT_EQ(outcome_of(unreachable("gone"), false), Outcome::unreachable);
}

TEST(ResultsTest, TheTableHasALineForEachHost) {
  HostResult killed = bad("deploy@web10", failed("ended by signal KILL"));
  killed.exit_code = 137;
  killed.exit_signal = "KILL";
  EXPECT_EQ(results_table(std::vector<HostResult>{good("web1"), killed}),
            "host          outcome      exit             time\n"
            "web1          succeeded    0               1.5 s\n"
            "deploy@web10  failed       signal KILL     1.5 s\n\n"
            "deploy@web10: ended by signal KILL");
}

TEST(ResultsTest, HostsWithTheSameErrorShareALineBelowTheTable) {
  const auto refused = [](const std::string& host, const std::string& peer) {
    return bad(host, unreachable("while connecting to " + host + ": cannot connect to " + peer +
                                 ": connection refused"));
  };
  const std::string table = results_table(std::vector<HostResult>{
      refused("web1", "web1:22"), bad("web2", failed("web2: the command failed with exit code 7")),
      refused("deploy@web3", "web3:22"), refused("web1.old", "web1.old:22"),
      refused("[::1]:2222", "[::1]:2222")});
  EXPECT_EQ(table.substr(table.find("\n\n")),
            "\n\nweb1, deploy@web3, web1.old: cannot connect to HOST:22: connection refused\n"
            "web2: the command failed with exit code 7\n"
            "[::1]:2222: while connecting to [::1]:2222: cannot connect to [::1]:2222: connection "
            "refused");
}

TEST(ResultsTest, ErrorsThatDifferKeepTheirLines) {
  const std::string table = results_table(
      std::vector<HostResult>{bad("web1", permission_denied("web1 showed SHA256:abc")),
                              bad("web2", permission_denied("web2 showed SHA256:def")),
                              bad("web3", permission_denied("web3 showed SHA256:def"))});
  EXPECT_EQ(table.substr(table.find("\n\n")),
            "\n\nweb1: web1 showed SHA256:abc\nweb2, web3: HOST showed SHA256:def");
}

TEST(ResultsTest, TheJsonHasEverythingOfAHost) {
  HostResult result = bad("web1", failed("no", "Do it."));
  result.exit_code = 3;
  result.shell = "bash";
  result.out_bytes = 5;
  EXPECT_EQ(results_json(std::vector<HostResult>{result}).dump(),
            R"([{"host":"web1","outcome":"failed","exit-code":3,"exit-signal":null,"error":"no",)"
            R"("hint":"Do it.","shell":"bash","ms":1500.0,"phases-ms":{"tcp":10.0,)"
            R"("command":1490.0},"stdout-bytes":5,"stderr-bytes":0}])");
  result.out = "hello";
  const std::string text =
      results_json(std::vector<HostResult>{result}, CapturedText::included).dump();
  EXPECT_NE(text.find(R"("stdout":"hello","stderr":"")"), std::string::npos) << text;
}

TEST(ResultsTest, TheSummaryCannotBeBrokenByAHost) {
  HostResult result = bad("web|1", failed("<b>`x`|\ny"));
  result.last_words = "</details>\n```\n<script>";
  const std::string summary = results_summary(std::vector<HostResult>{result}, Redactor());
  EXPECT_NE(summary.find("| web&#124;1 | failed | - | 1.5 s | 0 B | 0 B | "
                         "&#60;b&#62;&#96;x&#96;&#124;&#92;x0Ay |\n"),
            std::string::npos)
      << summary;
  EXPECT_NE(summary.find("\n\n    </details>\n    ```\n    <script>\n\n</details>\n"),
            std::string::npos)
      << summary;
  EXPECT_NE(summary.find("  section web_1\n  tcp :0, 10\n  command :10, 1500\n```\n"),
            std::string::npos)
      << summary;
}

TEST(ResultsTest, OutputsOfSeveralHostsAreToldApart) {
  std::vector<HostResult> list{good("a"), good("b"), good("c")};
  list[0].out = "one";
  list[2].out = "three\n";
  EXPECT_EQ(joined_output(list, &HostResult::out, 100), "a: one\nc: three\n");
  EXPECT_EQ(joined_output(list, &HostResult::out, 9), "a: one\nc:\n[cut at 9B]");
  list.resize(1);
  EXPECT_EQ(joined_output(list, &HostResult::out, 100), "one");
}

TEST(ResultsTest, NoHostSpeaksForAnother) {
  std::vector<HostResult> list{good("a"), good("b")};
  list[0].out = "one\nb: two\r\n== b ==\n";
  EXPECT_EQ(joined_output(list, &HostResult::out, 100), "a: one\na: b: two\na: == b ==\n");
}

}  // namespace
}  // namespace pca::tunnel_ssh
