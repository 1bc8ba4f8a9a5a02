#include "deploy/commit_facts.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "base/text.hpp"
#include "base/utc_time.hpp"
#include "cli/input_file.hpp"
#include "deploy/release_records.hpp"
#include "deploy/runner_command.hpp"

namespace pca {

namespace {

constexpr Milliseconds git_limit{5000};
constexpr std::size_t most_text = std::size_t{64} * 1024;
constexpr std::int64_t last_second = 253402300799;  // of the year 9999

// As git revert writes it.
std::string reverted_by(std::string_view message) {
  constexpr std::string_view words = "This reverts commit ";
  const std::size_t at = message.find(words);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = message.substr(at + words.size());
  const std::size_t size = std::min(rest.find_first_not_of("0123456789abcdef"), rest.size());
  return size < 7 || size > 64 ? std::string() : std::string(rest.substr(0, size));
}

// Never asks anybody over the network: what is not here is not known.
std::string ask_git(const Budget& budget, Environment environment, const std::string& source,
                    const std::string& commit) {
  environment["ASKED_SOURCE"] = source;
  environment["ASKED_COMMIT"] = commit;
  environment["GIT_NO_LAZY_FETCH"] = "1";
  environment["GIT_TERMINAL_PROMPT"] = "0";
  std::string answer;
  const auto asked = run_on_runner(
      budget.at_most(git_limit), nullptr,
      [&](std::string_view text) {
        answer += text.substr(0, most_text - std::min(most_text, answer.size()));
      },
      "exec 2>/dev/null\n"
      "for folder in \"$ASKED_SOURCE\" \"${GITHUB_WORKSPACE:-.}\"; do\n"
      "  git -C \"$folder\" show -s --no-show-signature --format='%ct%n%B' "
      "\"$ASKED_COMMIT^{commit}\" -- && exit\ndone\nexit 1",
      environment);
  return asked ? answer : std::string();
}

}  // namespace

CommitFacts parse_git_answer(std::string_view text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const auto seconds = parse_integer(text.substr(0, end), 0, last_second);
  if (!seconds) return {};
  return {utc_text(UtcTime(std::chrono::seconds{*seconds})), reverted_by(text.substr(end))};
}

CommitFacts parse_event(std::string_view json, std::string_view commit) {
  const auto event = parse_json(json);
  const Json* head = event ? event->find("head_commit") : nullptr;
  if (head == nullptr || head->text_of("id") != commit) return {};
  const auto time = parse_utc(head->text_of("timestamp"));
  return {time ? utc_text(*time) : std::string(), reverted_by(head->text_of("message"))};
}

CommitFacts find_commit_facts(const Budget& budget, const Environment& environment,
                              const std::string& source, const std::string& commit) {
  if (commit.empty()) return {};
  CommitFacts facts = parse_git_answer(ask_git(budget, environment, source, commit));
  const std::string event = variable_in(environment, "GITHUB_EVENT_PATH");
  if (!facts.time.empty() || event.empty()) return facts;
  const auto text = read_input_file(budget, event, JsonLimits{}.bytes);
  return text ? parse_event(*text, commit) : CommitFacts{};
}

}  // namespace pca
