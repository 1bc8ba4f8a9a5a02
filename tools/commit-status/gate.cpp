#include "commit-status/gate.hpp"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>

#include "base/text.hpp"

namespace pca::commit_status {

namespace {

// "/runs/7" and not of "/runs/71".
bool is_of_run(std::string_view url, const std::string& run) {
  const std::string part = "/runs/" + run;
  const std::size_t at = run.empty() ? std::string_view::npos : url.find(part);
  if (at == std::string_view::npos) return false;
  const std::size_t end = at + part.size();
  return end == url.size() || url[end] == '/';
}

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool counts(const Mark& mark, const GateRules& rules) {
  if (rules.app != 0 && mark.app != rules.app) return false;
  if (matches_name(mark.name, rules.ignored)) return false;
  const bool is_named =
      std::find(rules.wanted.begin(), rules.wanted.end(), mark.name) != rules.wanted.end();
  if (is_of_run(mark.url, rules.own_run) && !is_named) return false;
  return rules.wanted.empty() || matches_name(mark.name, rules.wanted);
}

}  // namespace

const char* name_of(Mark::State state) {
  switch (state) {
    case Mark::State::success:
      return "success";
    case Mark::State::failure:
      return "failure";
    case Mark::State::pending:
      break;
  }
  return "pending";
}

Mark read_status_mark(const Json& status) {
  Mark mark;
  mark.name = status.text_of("context");
  mark.said = status.text_of("state");
  mark.url = status.text_of("target_url");
  if (mark.said == "success") mark.state = Mark::State::success;
  if (is_one_of(mark.said, {"failure", "error"})) mark.state = Mark::State::failure;
  return mark;
}

Mark read_check_mark(const Json& check) {
  Mark mark;
  mark.name = check.text_of("name");
  mark.said = check.text_of("status");
  mark.url = check.text_of("details_url");
  if (mark.said == "completed") {
    mark.said = check.text_of("conclusion");
    mark.state = is_one_of(mark.said, {"success", "neutral", "skipped"}) ? Mark::State::success
                                                                         : Mark::State::failure;
  }
  const Json* app = check.find("app");
  const Json* id = app == nullptr ? nullptr : app->find("id");
  if (id != nullptr && id->as_int() != nullptr) mark.app = *id->as_int();
  if (const Json* output = check.find("output")) mark.summary = output->text_of("summary");
  return mark;
}

bool matches_name(std::string_view name, const std::vector<std::string>& patterns) {
  const std::string text(name);
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    return pattern == text || ::fnmatch(pattern.c_str(), text.c_str(), 0) == 0;
  });
}

std::string Verdict::fingerprint() const {
  std::string text;
  for (const Mark& mark : counted)
    text += fmt::format("{}\n{}\n{}\n", mark.name, mark.said, mark.url);
  return text;
}

std::vector<Mark> Verdict::of(Mark::State wanted) const {
  std::vector<Mark> all;
  std::copy_if(counted.begin(), counted.end(), std::back_inserter(all),
               [&](const Mark& mark) { return mark.state == wanted; });
  return all;
}

Verdict judge_marks(const std::vector<Mark>& marks, const GateRules& rules) {
  Verdict verdict;
  std::copy_if(marks.begin(), marks.end(), std::back_inserter(verdict.counted),
               [&](const Mark& mark) { return counts(mark, rules); });
  std::stable_sort(verdict.counted.begin(), verdict.counted.end(),
                   [](const Mark& a, const Mark& b) { return a.name < b.name; });
  for (const std::string& wanted : rules.wanted) {
    const bool is_there =
        std::any_of(verdict.counted.begin(), verdict.counted.end(),
                    [&](const Mark& mark) { return matches_name(mark.name, {wanted}); });
    if (!is_there) verdict.absent.push_back(wanted);
  }
  const std::size_t least = std::max<std::size_t>(rules.at_least, 1);
  if (!verdict.of(Mark::State::failure).empty()) {
    verdict.state = Verdict::State::failed;
  } else if (verdict.of(Mark::State::pending).empty() &&
             (verdict.absent.empty() || rules.may_be_absent) && verdict.counted.size() >= least) {
    verdict.state = Verdict::State::passed;
  }
  return verdict;
}

}  // namespace pca::commit_status
