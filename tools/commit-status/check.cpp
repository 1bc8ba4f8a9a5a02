#include "commit-status/check.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "commit-status/status.hpp"

namespace pca::commit_status {

namespace {

constexpr std::size_t longest_title = 255;
constexpr std::size_t longest_message = std::size_t{64} * 1024 - 1;
constexpr std::int64_t last_line = 10'000'000;
constexpr JsonLimits file_limits{
    .bytes = std::size_t{8} * 1024 * 1024, .depth = 16, .values = 500'000};

// What an entry is that is no annotation: its key, and what is wrong with it.
using Mistake = std::string;

class AnnotationReader {
 public:
  AnnotationReader(const Json& entry, std::string_view workspace)
      : entry_(entry), workspace_(workspace) {}

  Result<CheckAnnotation, Mistake> read() {
    if (entry_.as_object() == nullptr) return Mistake("is no JSON object");
    CheckAnnotation made;
    made.path = relative(text("path"));
    made.start_line = number("start_line", 0);
    made.end_line = number("end_line", made.start_line);
    made.level = text("annotation_level");
    made.message = std::string(cut_utf8(text("message"), longest_message));
    made.title = fit_line(text("title"), longest_title);
    made.raw_details = std::string(cut_utf8(text("raw_details"), longest_message));
    if (made.start_line == made.end_line) {
      made.start_column = number("start_column", 0);
      made.end_column = number("end_column", made.start_column);
    }
    if (made.path.empty()) return Mistake("has no path");
    if (made.start_line < 1) return Mistake("has no start_line");
    if (made.end_line < made.start_line) return Mistake("ends before it starts");
    if (made.message.empty()) return Mistake("has no message");
    if (made.level != "notice" && made.level != "warning" && made.level != "failure") {
      return Mistake("has no annotation_level of notice, warning or failure");
    }
    return made;
  }

 private:
  [[nodiscard]] std::string text(std::string_view key) const {
    return to_valid_utf8(entry_.text_of(key));
  }
  [[nodiscard]] std::int64_t number(std::string_view key, std::int64_t otherwise) const {
    const Json* value = entry_.find(key);
    if (value == nullptr || value->as_int() == nullptr) return otherwise;
    return *value->as_int() > last_line ? 0 : *value->as_int();
  }
  [[nodiscard]] std::string relative(std::string path) const {
    if (!workspace_.empty() && path.starts_with(workspace_) &&
        path.substr(workspace_.size()).starts_with('/')) {
      return path.substr(workspace_.size() + 1);
    }
    return path.starts_with("./") ? path.substr(2) : path;
  }

  const Json& entry_;
  std::string_view workspace_;
};

void add_entry(const Json& entry, std::size_t number, std::string_view workspace,
               Annotations& annotations) {
  auto annotation = AnnotationReader(entry, workspace).read();
  if (annotation) {
    annotations.all.push_back(*std::move(annotation));
    return;
  }
  if (annotations.dropped++ == 0) {
    annotations.first_mistake = fmt::format("entry {} {}", number, annotation.error());
  }
}

Json page_of(const std::vector<CheckAnnotation>& annotations, std::size_t first) {
  Json page = Json::array();
  const std::size_t end = std::min(first + annotations_a_request, annotations.size());
  for (std::size_t i = first; i < end; ++i) page.push(to_json(annotations[i]));
  return page;
}

Json output_of(const Check& check) {
  Json output = Json::object();
  output.set("title", check.title).set("summary", check.summary);
  if (!check.text.empty()) output.set("text", check.text);
  return output;
}

}  // namespace

Json to_json(const CheckAnnotation& annotation) {
  Json json = Json::object();
  json.set("path", annotation.path).set("start_line", annotation.start_line);
  json.set("end_line", annotation.end_line);
  if (annotation.start_column > 0) {
    json.set("start_column", annotation.start_column);
    json.set("end_column", std::max(annotation.start_column, annotation.end_column));
  }
  json.set("annotation_level", annotation.level).set("message", annotation.message);
  if (!annotation.title.empty()) json.set("title", annotation.title);
  if (!annotation.raw_details.empty()) json.set("raw_details", annotation.raw_details);
  return json;
}

Result<Annotations> parse_annotations(std::string_view text, std::string_view workspace) {
  while (workspace.ends_with('/')) workspace.remove_suffix(1);
  Annotations annotations;
  std::size_t number = 0;
  const auto whole = parse_json(text, file_limits);
  if (whole && whole->as_array() != nullptr) {
    for (const Json& entry : *whole->as_array()) {
      add_entry(entry, ++number, workspace, annotations);
    }
    return annotations;
  }
  if (text.size() > file_limits.bytes) return bad_input(whole.error().message, "Shorten it.");
  for (const std::string& line : split_lines(text)) {
    if (trim(line).empty()) continue;
    const auto entry = parse_json(line, {.bytes = 1024 * 1024, .depth = 16, .values = 1'000});
    if (!entry) {
      // A broken array says itself where it is broken.
      const bool is_array = trim(text).starts_with('[');
      return bad_input(is_array ? whole.error().message
                                : fmt::format("entry {}: {}", number + 1, entry.error().message),
                       "Write a JSON array of annotations, or one annotation a line.");
    }
    add_entry(*entry, ++number, workspace, annotations);
  }
  return annotations;
}

Json to_json(const Check& check, const std::vector<CheckAnnotation>& annotations) {
  Json body = Json::object();
  body.set("name", check.name);
  if (!check.external_id.empty()) body.set("external_id", check.external_id);
  if (!check.details_url.empty()) body.set("details_url", check.details_url);
  body.set("status", check.status);
  if (!check.conclusion.empty()) body.set("conclusion", check.conclusion);
  Json output = output_of(check);
  if (!annotations.empty()) output.set("annotations", page_of(annotations, 0));
  return body.set("output", std::move(output));
}

Json to_new_json(const Check& check, const std::vector<CheckAnnotation>& annotations) {
  return to_json(check, annotations).set("head_sha", check.sha);
}

Json more_annotations(const Check& check, const std::vector<CheckAnnotation>& annotations,
                      std::size_t first) {
  Json output = output_of(check);
  output.set("annotations", page_of(annotations, first));
  return Json::object().set("output", std::move(output));
}

void set_state(Check& check, std::string_view state) {
  const bool goes_on = state == "pending" || state == "queued";
  check.status = state == "pending" ? "in_progress" : goes_on ? "queued" : "completed";
  check.conclusion = goes_on ? "" : state == "error" ? "failure" : std::string(state);
}

std::string fit_output(std::string_view text) {
  const std::string valid = to_valid_utf8(text);
  if (valid.size() <= longest_output) return valid;
  constexpr std::string_view note = "\n\n*Cut: GitHub keeps no more than 65,535 bytes.*\n";
  const std::string_view kept = cut_utf8(valid, longest_output - note.size());
  const std::size_t line_end = kept.rfind('\n');
  const bool leaves_most = line_end != std::string_view::npos && line_end > kept.size() / 2;
  return std::string(leaves_most ? kept.substr(0, line_end) : kept).append(note);
}

KnownCheck read_check(const Json& json) {
  KnownCheck known;
  if (const Json* id = json.find("id"); id != nullptr && id->as_int() != nullptr) {
    known.id = std::max<std::int64_t>(*id->as_int(), 0);
  }
  known.url = json.text_of("html_url");
  known.sha = json.text_of("head_sha");
  known.external_id = json.text_of("external_id");
  const Json* output = json.find("output");
  const Json* count = output == nullptr ? nullptr : output->find("annotations_count");
  if (count != nullptr && count->as_int() != nullptr) known.annotations = *count->as_int();
  return known;
}

}  // namespace pca::commit_status
