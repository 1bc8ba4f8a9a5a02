#include "tunnel-ssh/results.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/text.hpp"
#include "net/host_address.hpp"
#include "runner/markdown.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr std::array<OutcomeRow, 8> outcomes{{
    {Outcome::succeeded, "succeeded", "done; of a command: it ended with 0"},
    {Outcome::skipped, "skipped", "never started: an earlier batch failed"},
    {Outcome::failed, "failed", "the command did, or could not be started"},
    {Outcome::unreachable, "unreachable", "no connection came about"},
    {Outcome::timed_out, "timed-out", "the command took too long and was ended"},
    {Outcome::refused, "refused", "by host key, login or Access"},
    {Outcome::unknown, "unknown", "the connection broke while the command ran"},
    {Outcome::cancelled, "cancelled", "ended by a signal, or not started because of one"},
}};

const OutcomeRow& row_of(Outcome outcome) {
  return *std::find_if(outcomes.begin(), outcomes.end(),
                       [&](const OutcomeRow& row) { return row.outcome == outcome; });
}

std::ptrdiff_t gravity(Outcome outcome) { return &row_of(outcome) - outcomes.data(); }

bool is_failure(const HostResult& result) {
  return result.outcome != Outcome::succeeded && result.outcome != Outcome::skipped;
}

std::string exit_text(const HostResult& result) {
  if (!result.exit_signal.empty()) return fmt::format("signal {}", visible(result.exit_signal));
  return result.exit_code ? std::to_string(*result.exit_code) : std::string("-");
}

std::string seconds(double ms) { return fmt::format("{:.1f} s", ms / 1000); }

std::string error_text(const HostResult& result) {
  return result.error ? visible(result.error->message) : std::string();
}

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.';
}

// `text` with HOST in place of `name`, where that is not a part of a longer name.
std::string without_name(std::string text, std::string_view name) {
  constexpr std::string_view placeholder = "HOST";
  for (std::size_t at = text.find(name); at != std::string::npos; at = text.find(name, at)) {
    const std::size_t end = at + name.size();
    if ((at > 0 && is_name_character(text[at - 1])) ||
        (end < text.size() && is_name_character(text[end]))) {
      at = end;
      continue;
    }
    text.replace(at, name.size(), placeholder);
    at += placeholder.size();
  }
  return text;
}

void drop_prefix(std::string& text, std::string_view prefix) {
  if (text.starts_with(prefix)) text.erase(0, prefix.size());
}

// The error as it reads for every host that has it: such errors differ in the hosts' names only.
std::string shared_error(const HostResult& result) {
  std::string text = without_name(error_text(result), result.host);
  if (auto address = parse_host_address(result.host)) {
    address->user.clear();
    text = without_name(std::move(text), address->text());
    text = without_name(std::move(text), address->name);
  }
  drop_prefix(text, "while connecting to HOST: ");
  drop_prefix(text, "HOST: ");
  return text;
}

// "web1, web2: cannot connect to HOST: connection refused", a line for each error there is.
std::string errors_by_hosts(std::span<const HostResult> results) {
  struct Group {
    std::string error;
    std::vector<const HostResult*> members;
  };
  std::vector<Group> groups;
  for (const HostResult& result : results) {
    if (!result.error) continue;
    std::string error = shared_error(result);
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&](const Group& one) { return one.error == error; });
    if (group == groups.end()) group = groups.insert(group, Group{std::move(error), {}});
    group->members.push_back(&result);
  }
  std::string out;
  for (const Group& group : groups) {
    std::vector<std::string> hosts;
    for (const HostResult* member : group.members) hosts.push_back(member->host);
    std::string error = group.error;
    if (hosts.size() == 1) {
      error = error_text(*group.members.front());
      drop_prefix(error, hosts.front() + ": ");
    }
    out += fmt::format("\n{}: {}", join(hosts, ", "), error);
  }
  return out;
}

Json phases_json(const HostResult& result) {
  Json phases = Json::object();
  for (const Phase& phase : result.phases) phases.set(phase.name, std::round(phase.ms * 10) / 10);
  return phases;
}

}  // namespace

std::span<const OutcomeRow> outcome_table() { return outcomes; }

std::string_view outcome_name(Outcome outcome) { return row_of(outcome).name; }

Outcome outcome_of(const Error& error, bool timed_out) {
  if (timed_out) return Outcome::timed_out;
  switch (error.kind) {
    case ErrorKind::permission:
      return Outcome::refused;
    case ErrorKind::unreachable:
      return Outcome::unreachable;
    case ErrorKind::outcome_unknown:
      return Outcome::unknown;
    case ErrorKind::cancelled:
      return Outcome::cancelled;
    default:
      return Outcome::failed;
  }
}

double HostResult::ms() const {
  if (phases.empty()) return 0;
  double end = 0;
  for (const Phase& phase : phases) end = std::max(end, phase.start_ms + phase.ms);
  return end - phases.front().start_ms;
}

void cancel_unstarted(std::span<HostResult> results) {
  for (HostResult& result : results) {
    if (result.outcome != Outcome::skipped) continue;
    result.outcome = Outcome::cancelled;
    result.error = cancelled("cancelled before it was started");
  }
}

Outcome overall_outcome(std::span<const HostResult> results) {
  Outcome worst = Outcome::succeeded;
  for (const HostResult& result : results) {
    if (gravity(result.outcome) > gravity(worst)) worst = result.outcome;
  }
  return worst;
}

std::vector<std::string> failed_hosts(std::span<const HostResult> results) {
  std::vector<std::string> hosts;
  for (const HostResult& result : results) {
    if (is_failure(result)) hosts.push_back(result.host);
  }
  return hosts;
}

std::optional<Error> overall_error(std::span<const HostResult> results) {
  const HostResult* worst = nullptr;
  for (const HostResult& result : results) {
    if (!is_failure(result)) continue;
    if (worst == nullptr || gravity(result.outcome) > gravity(worst->outcome)) worst = &result;
  }
  if (worst == nullptr || !worst->error) return std::nullopt;
  if (results.size() == 1) return worst->error;
  const auto skipped = std::count_if(results.begin(), results.end(), [](const HostResult& result) {
    return result.outcome == Outcome::skipped;
  });
  std::string message = fmt::format("{} of {} hosts failed ({})", failed_hosts(results).size(),
                                    results.size(), join(failed_hosts(results), ", "));
  if (skipped > 0) message += fmt::format(", {} not started", skipped);
  return Error{worst->error->kind, message + "; the gravest: " + worst->error->message,
               worst->error->hint, false};
}

Json results_json(std::span<const HostResult> results, CapturedText text) {
  Json list = Json::array();
  for (const HostResult& result : results) {
    Json entry = Json::object();
    entry.set("host", result.host);
    entry.set("outcome", outcome_name(result.outcome));
    entry.set("exit-code", result.exit_code ? Json(*result.exit_code) : Json());
    entry.set("exit-signal", result.exit_signal.empty() ? Json() : Json(result.exit_signal));
    entry.set("error", result.error ? Json(result.error->message) : Json());
    entry.set("hint",
              result.error && !result.error->hint.empty() ? Json(result.error->hint) : Json());
    entry.set("shell", result.shell.empty() ? Json() : Json(result.shell));
    entry.set("ms", std::round(result.ms()));
    entry.set("phases-ms", phases_json(result));
    entry.set("stdout-bytes", result.out_bytes);
    entry.set("stderr-bytes", result.err_bytes);
    if (text == CapturedText::included) {
      entry.set("stdout", result.out);
      entry.set("stderr", result.err);
    }
    list.push(std::move(entry));
  }
  return list;
}

std::string results_table(std::span<const HostResult> results) {
  std::size_t width = 4;
  for (const HostResult& result : results) width = std::max(width, result.host.size());
  std::string out =
      fmt::format("{:<{}}  {:<11}  {:<11}  {:>8}\n", "host", width, "outcome", "exit", "time");
  for (const HostResult& result : results) {
    out += fmt::format("{:<{}}  {:<11}  {:<11}  {:>8}\n", result.host, width,
                       outcome_name(result.outcome), exit_text(result), seconds(result.ms()));
  }
  const std::string errors = errors_by_hosts(results);
  if (errors.empty()) out.pop_back();
  return out + errors;
}

std::string results_summary(std::span<const HostResult> results, const Redactor& redactor) {
  // Redacted first: afterwards a secret is spelled in a way that nobody recognises but a browser.
  const auto safe_cell = [&](std::string_view text) {
    return markdown_cell(redactor.redact(text));
  };
  std::string out = "| host | outcome | exit | time | stdout | stderr | error |\n";
  out += "|---|---|---|---:|---:|---:|---|\n";
  for (const HostResult& result : results) {
    out += fmt::format("| {} | {} | {} | {} | {} B | {} B | {} |\n", safe_cell(result.host),
                       outcome_name(result.outcome), safe_cell(exit_text(result)),
                       seconds(result.ms()), result.out_bytes, result.err_bytes,
                       safe_cell(result.error ? result.error->message : std::string()));
  }
  for (const HostResult& result : results) {
    if (!is_failure(result) || result.last_words.empty()) continue;
    out += fmt::format("\n<details><summary>Last lines of {}</summary>\n\n{}\n</details>\n",
                       safe_cell(result.host), markdown_code(redactor.redact(result.last_words)));
  }
  std::vector<HostPhases> phases;
  for (const HostResult& result : results) phases.push_back({result.host, result.phases});
  return out + phases_gantt(phases);
}

std::string joined_output(std::span<const HostResult> results, std::string HostResult::*text,
                          std::size_t limit) {
  if (results.size() == 1) return results.front().*text;
  std::string out;
  for (const HostResult& result : results) {
    for (const std::string& line : split_lines(result.*text)) {
      out += fmt::format("{}: {}\n", result.host, line);
    }
  }
  if (out.size() <= limit) return out;
  return fmt::format("{}\n[cut at {}]", cut_utf8(out, limit), format_size(limit));
}

}  // namespace pca::tunnel_ssh
