#include "commit-status/check.hpp"

#include <gtest/gtest.h>

#include "base/text.hpp"

namespace pca::commit_status {
namespace {

Check lint() {
  Check check;
  check.name = "lint";
  check.sha = std::string(40, 'a');
  check.external_id = "7/lint";
  check.details_url = "https://example.com";
  check.title = "3 findings";
  check.summary = "# Findings";
  set_state(check, "failure");
  return check;
}

std::string entry(int line) {
  return R"({"path": "a.sh", "start_line": )" + std::to_string(line) +
         R"(, "annotation_level": "warning", "message": "Quote this."})";
}

TEST(Checks, HaveTheStateThatGitHubHasForOurs) {
  Check check;
  for (const auto& [state, status, conclusion] :
       {std::tuple("pending", "in_progress", ""), std::tuple("queued", "queued", ""),
        std::tuple("success", "completed", "success"),
        std::tuple("failure", "completed", "failure"), std::tuple("error", "completed", "failure"),
        std::tuple("cancelled", "completed", "cancelled"),
        std::tuple("skipped", "completed", "skipped")}) {
    set_state(check, state);
    EXPECT_EQ(check.status, status) << state;
    EXPECT_EQ(check.conclusion, conclusion) << state;
  }
}

TEST(Checks, AreSentWithTheFirstFiftyAnnotations) {
  std::vector<CheckAnnotation> annotations(120,
                                           {.path = "a.sh", .level = "notice", .message = "m"});
  const Json body = to_json(lint(), annotations);
  EXPECT_EQ(body.text_of("name"), "lint");
  EXPECT_EQ(body.text_of("conclusion"), "failure");
  EXPECT_EQ(body.find("output")->text_of("summary"), "# Findings");
  EXPECT_EQ(body.find("output")->find("text"), nullptr);
  EXPECT_EQ(body.find("output")->find("annotations")->as_array()->size(), 50U);
  const auto more = [&](std::size_t first) {
    const Json rest = more_annotations(lint(), annotations, first);
    EXPECT_EQ(rest.find("conclusion"), nullptr);
    EXPECT_EQ(rest.find("output")->text_of("title"), "3 findings");
    return rest.find("output")->find("annotations")->as_array()->size();
  };
  EXPECT_EQ(more(50), 50U);
  EXPECT_EQ(more(100), 20U);
  EXPECT_EQ(to_json(lint(), {}).find("output")->find("annotations"), nullptr);
  Check going;
  set_state(going, "pending");
  EXPECT_EQ(to_json(going, {}).find("conclusion"), nullptr);
}

TEST(CheckAnnotations, AreReadFromAnArrayOrLines) {
  for (const std::string& text :
       {"[" + entry(1) + "," + entry(2) + "]", entry(1) + "\n\n" + entry(2) + "\n"}) {
    const auto read = parse_annotations(text, "");
    ASSERT_TRUE(read) << read.error().message;
    ASSERT_EQ(read->all.size(), 2U) << text;
    EXPECT_EQ(read->dropped, 0U);
    EXPECT_EQ(read->all[1].start_line, 2);
    EXPECT_EQ(to_json(read->all[1]).dump(),
              R"({"path":"a.sh","start_line":2,"end_line":2,"annotation_level":"warning",)"
              R"("message":"Quote this."})");
  }
  EXPECT_TRUE(parse_annotations("[]", "")->all.empty());
  EXPECT_TRUE(parse_annotations("", "")->all.empty());
}

TEST(CheckAnnotations, HavePathsOfTheRepository) {
  const auto path_of = [](const std::string& path) {
    const auto read = parse_annotations(
        R"([{"path": ")" + path +
            R"(", "start_line": 1, "annotation_level": "notice", "message": "m"}])",
        "/home/runner/shop/");
    return read->all.at(0).path;
  };
  EXPECT_EQ(path_of("/home/runner/shop/src/a.cpp"), "src/a.cpp");
  EXPECT_EQ(path_of("./src/a.cpp"), "src/a.cpp");
  EXPECT_EQ(path_of("/home/runner/shopping/a"), "/home/runner/shopping/a");
}

TEST(CheckAnnotations, ThatAreNoneAreLeftOutAndCounted) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {R"("text")", "is no JSON object"},
      {R"({"start_line": 1, "annotation_level": "notice", "message": "m"})", "has no path"},
      {R"({"path": "a", "annotation_level": "notice", "message": "m"})", "has no start_line"},
      {R"({"path": "a", "start_line": "1", "annotation_level": "notice", "message": "m"})",
       "has no start_line"},
      {R"({"path": "a", "start_line": 99999999999, "annotation_level": "notice", "message": "m"})",
       "has no start_line"},
      {R"({"path": "a", "start_line": 3, "end_line": 2, "annotation_level": "notice",
          "message": "m"})",
       "ends before it starts"},
      {R"({"path": "a", "start_line": 1, "annotation_level": "error", "message": "m"})",
       "has no annotation_level of notice, warning or failure"},
      {R"({"path": "a", "start_line": 1, "annotation_level": "notice"})", "has no message"}};
  for (const auto& [text, mistake] : bad) {
    const auto read = parse_annotations("[" + entry(1) + "," + text + "]", "");
    ASSERT_TRUE(read) << text;
    EXPECT_EQ(read->all.size(), 1U) << text;
    EXPECT_EQ(read->dropped, 1U) << text;
    EXPECT_EQ(read->first_mistake, "entry 2 " + mistake);
  }
}

TEST(CheckAnnotations, WhatIsNoJsonIsAMistake) {
  for (const char* text : {"{", "[1,", "no", "{\"path\": \"a\"}\n{"}) {
    const auto read = parse_annotations(text, "");
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().kind, ErrorKind::bad_input);
    EXPECT_NE(read.error().hint, "");
  }
  EXPECT_NE(parse_annotations("{\"path\": \"a\"}\n{", "").error().message.find("entry 2"),
            std::string::npos);
}

TEST(CheckAnnotations, HaveColumnsOfOneLineOnly) {
  const auto columns = [](int end_line) {
    const auto read = parse_annotations(
        R"([{"path": "a", "start_line": 1, "end_line": )" + std::to_string(end_line) +
            R"(, "start_column": 3, "annotation_level": "notice", "message": "m"}])",
        "");
    return to_json(read->all.at(0)).find("end_column") != nullptr;
  };
  EXPECT_TRUE(columns(1));
  EXPECT_FALSE(columns(2));
}

TEST(CheckOutput, IsCutBetweenLinesAndSaysSo) {
  EXPECT_EQ(fit_output(std::string(65'535, 'x')), std::string(65'535, 'x'));
  std::string lines;
  while (lines.size() < 80'000) lines += "a line of text\n";
  const std::string cut = fit_output(lines);
  EXPECT_LE(cut.size(), longest_output);
  EXPECT_GT(cut.size(), longest_output - 100);
  EXPECT_NE(cut.find("a line of text\n\n*Cut: GitHub keeps no more than 65,535 bytes.*\n"),
            std::string::npos);
  std::string one_line;
  while (one_line.size() < 80'000) one_line += "\xC3\xA9";
  const std::string cut_line = fit_output(one_line);
  EXPECT_LE(cut_line.size(), longest_output);
  EXPECT_EQ(to_valid_utf8(cut_line), cut_line);
  EXPECT_EQ(fit_output("\xFF"), "\xEF\xBF\xBD");
}

TEST(Checks, OfOthersAreReadAsFarAsTheyGo) {
  for (const char* text : {"null", "[]", "{}", R"({"id": "5", "output": []})",
                           R"({"id": -5, "output": {"annotations_count": "x"}})"}) {
    const KnownCheck known = read_check(*parse_json(text));
    EXPECT_EQ(known.id, 0) << text;
    EXPECT_EQ(known.annotations, 0) << text;
  }
  const KnownCheck known = read_check(*parse_json(
      R"({"id": 5, "html_url": "u", "external_id": "e", "output": {"annotations_count": 3}})"));
  EXPECT_EQ(known.id, 5);
  EXPECT_EQ(known.annotations, 3);
}

}  // namespace
}  // namespace pca::commit_status
