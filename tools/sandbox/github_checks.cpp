#include "sandbox/github_checks.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "base/text.hpp"
#include "sandbox/github_objects.hpp"

namespace pca::sandbox {

namespace {

constexpr std::size_t longest_output = 65'535;
constexpr std::size_t most_annotations = 50;
// Behind those of the file, which are counted from 1.
constexpr std::int64_t first_id = 1001;

Answer invalid(const char* field, const std::string& message) {
  return github_invalid("CheckRun", field, message);
}

std::int64_t number_of(const Json& json, const char* key) {
  const Json* value = json.find(key);
  return value == nullptr || value->as_int() == nullptr ? 0 : *value->as_int();
}

bool is_annotation(const Json& annotation) {
  static const std::set<std::string> levels{"notice", "warning", "failure"};
  const std::int64_t start = number_of(annotation, "start_line");
  const std::int64_t end = number_of(annotation, "end_line");
  const bool has_columns = annotation.find("start_column") != nullptr;
  return !annotation.text_of("path").empty() && start > 0 && end >= start &&
         levels.contains(annotation.text_of("annotation_level")) &&
         !annotation.text_of("message").empty() && (!has_columns || start == end);
}

std::optional<Answer> check_output(const Json& output) {
  for (const char* key : {"title", "summary"}) {
    if (output.text_of(key).empty()) return invalid(key, std::string(key) + " is missing");
  }
  for (const char* key : {"summary", "text"}) {
    if (output.text_of(key).size() > longest_output) {
      return invalid(key, std::string(key) + " exceeds a maximum bytesize of 65535");
    }
  }
  const Json* annotations = output.find("annotations");
  if (annotations == nullptr) return std::nullopt;
  if (annotations->as_array() == nullptr || annotations->as_array()->size() > most_annotations) {
    return invalid("annotations", "annotations exceeds a maximum quantity of 50");
  }
  if (!std::all_of(annotations->as_array()->begin(), annotations->as_array()->end(),
                   is_annotation)) {
    return invalid("annotations", "an annotation is invalid");
  }
  return std::nullopt;
}

// What is wrong with a body, of a new run or a change of one.
std::optional<Answer> check_body(const Json& body) {
  static const std::set<std::string> statuses{"queued", "in_progress", "completed"};
  static const std::set<std::string> conclusions{
      "action_required", "cancelled", "failure", "neutral", "success", "skipped", "timed_out"};
  const std::string status = body.text_of("status");
  const std::string conclusion = body.text_of("conclusion");
  const std::string url = body.text_of("details_url");
  if (!status.empty() && !statuses.contains(status)) return invalid("status", "is not included");
  if (!conclusion.empty() && !conclusions.contains(conclusion)) {
    return invalid("conclusion", "is not included");
  }
  if (status == "completed" && conclusion.empty()) {
    return invalid("conclusion", "is required where the status is completed");
  }
  if (!url.empty() && !url.starts_with("http://") && !url.starts_with("https://")) {
    return invalid("details_url", "must use http(s) scheme");
  }
  const Json* output = body.find("output");
  return output == nullptr ? std::nullopt : check_output(*output);
}

}  // namespace

Json* GithubChecks::find(const std::string& id) {
  const auto number =
      parse_integer(id, first_id, first_id - 1 + static_cast<std::int64_t>(all_.size()));
  return number ? &all_[static_cast<std::size_t>(*number - first_id)] : nullptr;
}

void GithubChecks::apply(Json& run, const Json& body, std::int64_t now) const {
  for (const char* key : {"name", "external_id", "details_url"}) {
    if (const Json* value = body.find(key); value != nullptr) run.set(key, *value);
  }
  const bool is_completed = !body.text_of("conclusion").empty();
  if (is_completed || !body.text_of("status").empty()) {
    run.set("status", is_completed ? "completed" : body.text_of("status"));
    run.set("conclusion", is_completed ? Json(body.text_of("conclusion")) : Json());
    run.set("completed_at", is_completed ? Json(github_time(now)) : Json());
  }
  const Json* given = body.find("output");
  if (given == nullptr) return;
  Json output = *run.find("output");
  for (const char* key : {"title", "summary", "text"}) {
    if (const Json* value = given->find(key); value != nullptr) output.set(key, *value);
  }
  const Json* annotations = given->find("annotations");
  const std::size_t more = annotations == nullptr ? 0 : annotations->as_array()->size();
  output.set("annotations_count",
             number_of(output, "annotations_count") + static_cast<std::int64_t>(more));
  run.set("output", std::move(output));
}

Answer GithubChecks::create(const Json& body, const std::string& sha, std::int64_t now) {
  if (body.text_of("name").empty()) return invalid("name", "name is missing");
  if (sha.empty()) {
    return github_error(422, "No commit found for SHA: " + body.text_of("head_sha"));
  }
  if (auto wrong = check_body(body)) return *std::move(wrong);
  const std::int64_t id = first_id + static_cast<std::int64_t>(all_.size());
  Json run = github_check_run(repository_, id, sha, now);
  apply(run, body, now);
  all_.push_back(run);
  return github_answer(201, run);
}

Answer GithubChecks::update(const std::string& id, const Json& body, std::int64_t now) {
  Json* run = find(id);
  if (run == nullptr) return github_error(404, "Not Found");
  if (auto wrong = check_body(body)) return *std::move(wrong);
  apply(*run, body, now);
  return github_answer(200, *run);
}

Answer GithubChecks::show(const std::string& id) const {
  const Json* run = const_cast<GithubChecks*>(this)->find(id);
  return run == nullptr ? github_error(404, "Not Found") : github_answer(200, *run);
}

std::vector<Json> GithubChecks::of(const std::string& sha) const {
  std::vector<Json> found;
  for (auto run = all_.rbegin(); run != all_.rend(); ++run) {
    const bool is_old = std::any_of(found.begin(), found.end(), [&](const Json& newer) {
      return newer.text_of("name") == run->text_of("name") &&
             newer.text_of("external_id") == run->text_of("external_id");
    });
    if (run->text_of("head_sha") == sha && !is_old) found.push_back(*run);
  }
  return found;
}

}  // namespace pca::sandbox
