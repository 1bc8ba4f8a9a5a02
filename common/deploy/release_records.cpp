#include "deploy/release_records.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "runner/markdown.hpp"

namespace pca {

namespace {

constexpr std::size_t short_size = 7;

std::string with_run(std::string text, const Json& json) {
  const std::string url = json.text_of("run-url");
  return url.empty() ? text : text + " (" + url + ")";
}

std::string actor_of(const Json& json) {
  std::string actor = json.text_of("actor");
  return actor.empty() ? "somebody" : actor;
}

}  // namespace

std::string short_commit(std::string_view commit) {
  return std::string(commit.substr(0, short_size));
}

std::string reason_of(const Json& entry) {
  std::vector<std::string> reasons;
  if (const std::string reason = entry.text_of("reason"); !reason.empty()) {
    reasons.push_back(reason);
  }
  if (const std::string commit = entry.text_of("revert-of"); !commit.empty()) {
    reasons.push_back("reverts " + short_commit(commit));
  }
  if (const std::string health = entry.text_of("health"); !health.empty()) {
    reasons.push_back(health);
  }
  return join(reasons, "; ");
}

std::string describe_hold(const Json& hold) {
  const std::string held = hold.text_of("held");
  std::string text =
      held.empty() ? "on hold by " + actor_of(hold)
                   : fmt::format("on hold since {} was rolled back by {}", held, actor_of(hold));
  text = with_run(std::move(text), hold);
  const std::string reason = hold.text_of("reason");
  return reason.empty() ? text : text + ": " + reason;
}

bool hold_refuses(const Json& hold, std::span<const std::string> commits, const Provenance& from) {
  const std::string held = hold.text_of("commit");
  if (held.empty() || from.commit.empty() || from.commit == held) return true;
  for (const std::string& commit : commits) {
    if (commit == from.commit) return true;  // shown before the held one
    if (commit == held) break;
  }
  const std::string held_time = hold.text_of("commit-time");
  return !held_time.empty() && !from.commit_time.empty() && from.commit_time <= held_time;
}

std::string describe_lock(std::string_view line) {
  const auto json = parse_json(line);
  if (!json || json->as_object() == nullptr) return std::string(line);
  const std::string release = json->text_of("release");
  const std::string action = json->text_of("action");
  std::string text = actor_of(*json);
  if (!release.empty()) {
    text += ", who deploys " + release;
  } else if (!action.empty()) {
    text += ": " + action;
  }
  return with_run(std::move(text), *json);
}

void show(ToolContext& context, const std::string& host, const TextTable& table,
          const std::vector<std::string>& notes, std::string& summary) {
  std::string text = host + ":";
  summary += fmt::format("\n**{}**\n\n{}", markdown_cell(context.redactor.redact(host)),
                         markdown_table(table, context.redactor));
  for (const std::string& line : split_lines(aligned_table(table))) text += "\n  " + line;
  for (const std::string& note : notes) {
    text += "\n  " + visible(note);
    summary += fmt::format("\n{}\n", markdown_cell(context.redactor.redact(note)));
  }
  context.reporter.info(text);
}

}  // namespace pca
