#include "commit-status/status.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/grapheme.hpp"
#include "base/text.hpp"

namespace pca::commit_status {

namespace {

constexpr std::size_t longest_url = 2048;
constexpr std::size_t most_statuses = 100;
constexpr std::string_view ellipsis = "\xE2\x80\xA6";

std::string one_line(std::string_view text) {
  std::string out = to_valid_utf8(text);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return (c >= 0 && c < ' ') || c == '\x7F'; }, ' ');
  return std::string(trim(out));
}

Error in_entry(std::size_t number, const Error& error) {
  return bad_input(fmt::format("entry {}: {}", number, error.message), error.hint);
}

// The text of `key`; empty when it is absent or null.
Result<std::string> entry_text(const Json& entry, std::string_view key) {
  const Json* value = entry.find(key);
  if (value == nullptr || value->is_null()) return std::string();
  if (value->as_string() != nullptr) return *value->as_string();
  return bad_input(fmt::format("{} is no text", key), "Write it in double quotes.");
}

Result<Status> parse_entry(const Json& entry, bool strict) {
  const std::vector<std::string> known{"context", "state", "description", "target_url"};
  const std::string cure = "Write {\"context\": \"deploy\", \"state\": \"success\"}.";
  if (entry.as_object() == nullptr) return bad_input("is no JSON object", cure);
  for (const auto& [key, value] : *entry.as_object()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const std::string near = nearest(key, known);
    return bad_input(fmt::format("the key {} is unknown", shown(key)),
                     near.empty() ? cure : fmt::format("Did you mean {}?", near));
  }
  Status status;
  PCA_TRY(const std::string state, entry_text(entry, "state"));
  PCA_TRY(status.state, parse_state(state));
  PCA_TRY(status.context, entry_text(entry, "context"));
  PCA_CHECK(check_context(status.context));
  PCA_TRY(const std::string description, entry_text(entry, "description"));
  if (strict && is_too_long(description)) {
    return bad_input(
        fmt::format("its description is longer than {} characters", longest_description),
        "Shorten it, or leave out strict.");
  }
  status.description = fit_description(description);
  PCA_TRY(status.target_url, entry_text(entry, "target_url"));
  if (!status.target_url.empty()) PCA_CHECK(check_target_url(status.target_url));
  return status;
}

}  // namespace

Result<std::string> parse_state(std::string_view text) {
  if (text == "cancelled") return std::string("error");
  if (text == "skipped") return std::string("success");
  for (const char* state : {"error", "failure", "pending", "success"}) {
    if (text == state) return std::string(state);
  }
  return bad_input(text.empty() ? "state is missing" : fmt::format("{} is no state", shown(text)),
                   "Write success, failure, error, pending, cancelled or skipped.");
}

bool is_too_long(std::string_view description) {
  return count_code_points(one_line(description)) > longest_description;
}

std::string fit_line(std::string_view text, std::size_t most) {
  std::string line = one_line(text);
  if (count_code_points(line) <= most) return line;
  return std::string(cut_characters(line, most - 1)).append(ellipsis);
}

std::string fit_description(std::string_view text) { return fit_line(text, longest_description); }

Result<> check_context(std::string_view text) {
  if (trim(text).empty()) return bad_input("a context is empty", "Name what the status is about.");
  if (visible(text) != text || text.find('\t') != std::string_view::npos) {
    return bad_input(fmt::format("the context {} holds control characters", shown(text)),
                     "Write it in one line of plain text.");
  }
  if (count_code_points(text) > longest_context) {
    return bad_input(fmt::format("a context is longer than {} characters", longest_context),
                     "Shorten it.");
  }
  return {};
}

Result<> check_target_url(std::string_view text) {
  const std::string cure = "Write an address that begins with https:// or http://.";
  const std::size_t host = text.find("://") + 3;
  if (!text.starts_with("https://") && !text.starts_with("http://")) {
    return bad_input("is no web address", cure);
  }
  if (text.size() > longest_url) {
    return bad_input(fmt::format("is longer than {} characters", longest_url), cure);
  }
  const std::string_view authority = text.substr(host, text.find_first_of("/?#", host) - host);
  if (authority.empty()) return bad_input("names no host", cure);
  // Not shown: it may hold a password.
  if (authority.find('@') != std::string_view::npos) {
    return bad_input("holds a user or password, which everybody would see", "Leave them out.");
  }
  if (std::any_of(text.begin(), text.end(), [](char c) { return c <= ' ' || c == '\x7F'; })) {
    return bad_input("holds blanks or characters that no address has", "Percent-encode them.");
  }
  return {};
}

Batch parse_batch(std::string_view json, bool strict) {
  Batch batch;
  const std::string cure = "Write a JSON array of objects with context and state.";
  const auto parsed =
      parse_json(json, {.bytes = std::size_t{1024} * 1024, .depth = 8, .values = 10'000});
  if (!parsed) {
    batch.mistakes.push_back(bad_input(parsed.error().message, cure));
    return batch;
  }
  const Json::Array* entries = parsed->as_array();
  if (entries == nullptr || entries->empty() || entries->size() > most_statuses) {
    batch.mistakes.push_back(bad_input(
        entries == nullptr
            ? "is no JSON array"
            : fmt::format("has {} entries instead of 1 to {}", entries->size(), most_statuses),
        cure));
    return batch;
  }
  std::size_t number = 0;
  for (const Json& entry : *entries) {
    auto status = parse_entry(entry, strict);
    ++number;
    status ? batch.statuses.push_back(*std::move(status))
           : batch.mistakes.push_back(in_entry(number, status.error()));
  }
  return batch;
}

std::vector<Status> without_doubles(std::vector<Status> statuses, int& dropped) {
  std::vector<Status> kept;
  for (auto status = statuses.rbegin(); status != statuses.rend(); ++status) {
    const bool comes_later = std::any_of(kept.begin(), kept.end(), [&](const Status& other) {
      return equals_ignoring_case(other.context, status->context);
    });
    comes_later ? static_cast<void>(++dropped) : kept.push_back(std::move(*status));
  }
  std::reverse(kept.begin(), kept.end());
  return kept;
}

Json to_json(const Status& status) {
  Json body = Json::object();
  body.set("state", status.state).set("context", status.context);
  body.set("description", status.description);
  if (!status.target_url.empty()) body.set("target_url", status.target_url);
  return body;
}

}  // namespace pca::commit_status
