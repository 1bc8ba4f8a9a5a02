#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "base/result.hpp"

namespace pca::commit_status {

// A mark at a line of a file, which GitHub shows beside it. A value type.
struct CheckAnnotation {
  std::string path = {};
  std::int64_t start_line = 1;
  std::int64_t end_line = 1;
  std::int64_t start_column = 0;  // 0: none; columns are of one line only
  std::int64_t end_column = 0;
  std::string level = {};  // notice, warning, failure
  std::string title = {};
  std::string message = {};
  std::string raw_details = {};
};
[[nodiscard]] Json to_json(const CheckAnnotation& annotation);

// GitHub takes so many in one request, and so many bytes of a text.
inline constexpr std::size_t annotations_a_request = 50;
inline constexpr std::size_t longest_output = 65'535;

// A JSON array of GitHub's annotations, or one a line. Paths below `workspace` become relative.
// Those that are none are left out: `dropped` says how many, `first_mistake` what is wrong with the
// first. bad_input where the text is no JSON at all.
struct Annotations {
  std::vector<CheckAnnotation> all;
  std::size_t dropped = 0;
  std::string first_mistake;
};
[[nodiscard]] Result<Annotations> parse_annotations(std::string_view text,
                                                    std::string_view workspace);

// What GitHub is asked to keep of a check run. A value type.
struct Check {
  std::string name = {};
  std::string sha = {};
  std::string external_id = {};  // the same check has the same one, also when it is run again
  std::string status = {};       // queued, in_progress, completed
  std::string conclusion = {};   // of a completed one
  std::string details_url = {};
  std::string title = {};
  std::string summary = {};  // Markdown
  std::string text = {};     // Markdown, below it
};
// The body of a request that changes it, with the first annotations.
[[nodiscard]] Json to_json(const Check& check, const std::vector<CheckAnnotation>& annotations);
// That of one that makes it, which says the commit besides.
[[nodiscard]] Json to_new_json(const Check& check, const std::vector<CheckAnnotation>& annotations);
// That of one that adds the annotations from number `first` on.
[[nodiscard]] Json more_annotations(const Check& check,
                                    const std::vector<CheckAnnotation>& annotations,
                                    std::size_t first);

// GitHub's status and conclusion for a state of ours or of a job.
void set_state(Check& check, std::string_view state);

// At most 65,535 bytes: a longer text is cut between lines where that leaves most of it, else
// between code points, and says so.
[[nodiscard]] std::string fit_output(std::string_view text);

// What GitHub says of a check run that there is.
struct KnownCheck {
  std::int64_t id = 0;  // 0: nothing useful was said
  std::string url = {};
  std::string sha = {};
  std::string external_id = {};
  std::int64_t annotations = 0;
};
[[nodiscard]] KnownCheck read_check(const Json& json);

}  // namespace pca::commit_status
