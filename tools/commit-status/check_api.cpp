#include "commit-status/check_api.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace pca::commit_status {

namespace {

constexpr int page_size = 100;

Result<KnownCheck> known_in(const Result<GitHubAnswer>& answer) {
  if (answer) {
    KnownCheck known = read_check(answer->body);
    if (known.id > 0) return known;
    return failed("GitHub's answer about a check run has no id",
                  "Check the API's URL: this is not what GitHub answers.");
  }
  Error error = answer.error();
  const bool is_personal = error.message.find("personal access token") != std::string::npos ||
                           error.message.find("via a GitHub App") != std::string::npos;
  if (error.kind == ErrorKind::permission && is_personal) {
    error.hint =
        "Only apps write check runs: give the job's own token, with permissions: {checks: write}.";
  }
  return error;
}

}  // namespace

Result<Json> CheckApi::find(const Budget& budget, const Check& check) {
  if (check.external_id.empty()) return Json();
  PCA_TRY(const GitHubAnswer answer,
          api_.get(budget, repository_.path(fmt::format(
                               "/commits/{}/check-runs?check_name={}&filter=latest&per_page={}",
                               check.sha, url_part(check.name), page_size))));
  const Json* runs = answer.body.find("check_runs");
  if (runs == nullptr || runs->as_array() == nullptr) {
    return failed("GitHub's answer about the commit has no check_runs",
                  "Check the API's URL: this is not what GitHub answers.");
  }
  for (const Json& run : *runs->as_array()) {
    const KnownCheck known = read_check(run);
    const bool is_same =
        known.id > 0 && known.external_id == check.external_id && run.text_of("name") == check.name;
    if (is_same) return run;
  }
  return Json();
}

Result<KnownCheck> CheckApi::read(const Budget& budget, std::int64_t id) {
  return known_in(api_.get(budget, path(fmt::format("/{}", id))));
}

Result<KnownCheck> CheckApi::create(const Budget& budget, const Check& check,
                                    const std::vector<CheckAnnotation>& annotations) {
  return known_in(api_.create(budget, path(""), to_new_json(check, annotations),
                              [&](const Budget& left) { return find(left, check); }));
}

Result<KnownCheck> CheckApi::update(const Budget& budget, const KnownCheck& known,
                                    const Check& check,
                                    const std::vector<CheckAnnotation>& annotations) {
  return patch(budget, known, to_json(check, annotations),
               std::min(annotations.size(), annotations_a_request));
}

Result<KnownCheck> CheckApi::add(const Budget& budget, const KnownCheck& known, const Check& check,
                                 const std::vector<CheckAnnotation>& annotations,
                                 std::size_t first) {
  return patch(budget, known, more_annotations(check, annotations, first),
               std::min(annotations.size() - first, annotations_a_request));
}

Result<KnownCheck> CheckApi::patch(const Budget& budget, const KnownCheck& known, const Json& body,
                                   std::size_t count) {
  const std::string its_path = path(fmt::format("/{}", known.id));
  const auto wanted = known.annotations + static_cast<std::int64_t>(count);
  // A change without annotations says the same twice.
  const auto find_added = [&](const Budget& left) -> Result<Json> {
    if (count == 0) return Json();
    PCA_TRY(GitHubAnswer answer, api_.get(left, its_path));
    return read_check(answer.body).annotations >= wanted ? std::move(answer.body) : Json();
  };
  return known_in(api_.patch(budget, its_path, body, find_added));
}

}  // namespace pca::commit_status
