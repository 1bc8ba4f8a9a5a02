#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "base/result.hpp"

namespace pca::commit_status {

// What GitHub is told of a commit under one name. A value type.
struct Status {
  std::string state;  // error, failure, pending or success
  std::string context;
  std::string description;
  std::string target_url;
};

// GitHub keeps so many characters of a description and of a context.
inline constexpr std::size_t longest_description = 140;
inline constexpr std::size_t longest_context = 255;

// GitHub's state for one of its own or for a job's status: cancelled is error, skipped success.
[[nodiscard]] Result<std::string> parse_state(std::string_view text);

// One line of valid UTF-8, of at most `most` code points: a longer one ends in an ellipsis and is
// cut before a character that people see as one (an accent, a joined emoji, a flag stay whole).
[[nodiscard]] std::string fit_line(std::string_view text, std::size_t most);
[[nodiscard]] std::string fit_description(std::string_view text);  // at most 140
[[nodiscard]] bool is_too_long(std::string_view description);

[[nodiscard]] Result<> check_context(std::string_view text);
[[nodiscard]] Result<> check_target_url(std::string_view text);

// A JSON array of {context, state, description, target_url}, the first two required. Every mistake
// is an Error of its own, "entry 2: what is wrong".
struct Batch {
  std::vector<Status> statuses;
  std::vector<Error> mistakes;
};
[[nodiscard]] Batch parse_batch(std::string_view json, bool strict);

// Statuses without those whose context comes again later, in any case; `dropped` counts them.
[[nodiscard]] std::vector<Status> without_doubles(std::vector<Status> statuses, int& dropped);

[[nodiscard]] Json to_json(const Status& status);  // the body of a request

}  // namespace pca::commit_status
