#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"

namespace pca::commit_status {

// One status or check run of a commit. A value type.
struct Mark {
  enum class State : std::uint8_t { pending, success, failure };
  std::string name = {};
  State state = State::pending;
  std::string said = {};  // GitHub's own word: "in_progress", "timed_out"
  std::string url = {};
  std::int64_t app = 0;      // of a check run: which app made it
  std::string summary = {};  // of a check run: what strangers wrote
};
[[nodiscard]] const char* name_of(Mark::State state);

// What GitHub says of one; what it does not know how to read is pending (a status that is still to
// come), or a failure (a conclusion).
[[nodiscard]] Mark read_status_mark(const Json& status);
[[nodiscard]] Mark read_check_mark(const Json& check);

// What has to be there, and good, for the gate to open.
struct GateRules {
  std::vector<std::string> wanted = {};   // names, with * and ?; empty: all
  std::vector<std::string> ignored = {};  // the same
  std::string own_run = {};               // its id: what this run says does not count by itself
  std::size_t at_least = 1;
  std::int64_t app = 0;        // only check runs of this app count; 0: all
  bool may_be_absent = false;  // what is wanted and not there is skipped, but not all of it
};

struct Verdict {
  enum class State : std::uint8_t { pending, passed, failed };
  State state = State::pending;
  std::vector<Mark> counted = {};        // in the order of their names
  std::vector<std::string> absent = {};  // wanted, and nothing is called so

  // Equal for two verdicts that say the same.
  [[nodiscard]] std::string fingerprint() const;
  [[nodiscard]] std::vector<Mark> of(Mark::State wanted) const;
};
// Failed with the first failure; passed when there are enough, none is absent and all are
// successes. Nothing at all is never a success.
[[nodiscard]] Verdict judge_marks(const std::vector<Mark>& marks, const GateRules& rules);

[[nodiscard]] bool matches_name(std::string_view name, const std::vector<std::string>& patterns);

}  // namespace pca::commit_status
