#include "tunnel-ssh/commit_facts.hpp"

#include <fmt/chrono.h>

#include <algorithm>
#include <ctime>
#include <optional>

#include "base/json.hpp"
#include "base/text.hpp"
#include "cli/input_file.hpp"
#include "tunnel-ssh/release_hooks.hpp"
#include "tunnel-ssh/release_records.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr Milliseconds git_limit{5000};
constexpr std::size_t most_text = std::size_t{64} * 1024;
constexpr std::int64_t last_second = 253402300799;  // of the year 9999

std::string utc(std::time_t seconds) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(seconds));
}

// "2026-01-31T12:00:00+01:00" or with a Z at its end.
std::optional<std::time_t> parse_time(std::string_view text) {
  constexpr std::string_view shape = "0000-00-00T00:00:00";
  const auto fits = [](char have, char want) {
    return want == '0' ? have >= '0' && have <= '9' : have == want;
  };
  if (text.size() < shape.size() + 1 ||
      !std::equal(shape.begin(), shape.end(), text.begin(),
                  [&](char want, char have) { return fits(have, want); })) {
    return std::nullopt;
  }
  const auto number = [&](std::size_t at, std::size_t size) {
    return static_cast<int>(parse_integer(text.substr(at, size), 0, 9999).value_or(0));
  };
  std::tm time{};
  time.tm_year = number(0, 4) - 1900;
  time.tm_mon = number(5, 2) - 1;
  time.tm_mday = number(8, 2);
  time.tm_hour = number(11, 2);
  time.tm_min = number(14, 2);
  time.tm_sec = number(17, 2);
  const std::string_view zone = text.substr(shape.size());
  if (zone == "Z") return ::timegm(&time);
  if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':') return std::nullopt;
  const auto hours = parse_integer(zone.substr(1, 2), 0, 23);
  const auto minutes = parse_integer(zone.substr(4, 2), 0, 59);
  if (!hours || !minutes) return std::nullopt;
  const auto offset = static_cast<std::time_t>(*hours * 3600 + *minutes * 60);
  return ::timegm(&time) + (zone[0] == '-' ? offset : -offset);
}

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
  return {utc(static_cast<std::time_t>(*seconds)), reverted_by(text.substr(end))};
}

CommitFacts parse_event(std::string_view json, std::string_view commit) {
  const auto event = parse_json(json);
  const Json* head = event ? event->find("head_commit") : nullptr;
  if (head == nullptr || head->text_of("id") != commit) return {};
  const auto time = parse_time(head->text_of("timestamp"));
  return {time ? utc(*time) : std::string(), reverted_by(head->text_of("message"))};
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

}  // namespace pca::tunnel_ssh
