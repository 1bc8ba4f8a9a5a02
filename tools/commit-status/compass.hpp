#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.hpp"
#include "base/result.hpp"
#include "base/utc_time.hpp"

namespace pca::commit_status {

// A component of Atlassian Compass, as ari:cloud:compass:CLOUD:component/WORKSPACE/ID names it.
struct CompassComponent {
  std::string ari = {};
  std::string cloud_id = {};
  std::string id = {};
};
[[nodiscard]] Result<CompassComponent> parse_component(std::string_view text);
// The one whose compass.yml this is: strangers may have written it.
[[nodiscard]] Result<CompassComponent> component_of_file(std::string_view yaml);

// Where a site's events are sent, of "acme", "acme.atlassian.net" or its URL. No site is elsewhere,
// so no token goes elsewhere.
[[nodiscard]] Result<std::string> compass_root(std::string_view site);

enum class CompassKind : std::uint8_t { deployment, build };
// Compass's word for one of ours, of job.status, or of the output outcome of a deploy; bad_input
// where a thing of this kind has no such state.
[[nodiscard]] Result<std::string> compass_state(CompassKind kind, std::string_view text);
[[nodiscard]] bool is_end(std::string_view state);  // of Compass's words

// PRODUCTION, STAGING, TESTING, DEVELOPMENT or UNMAPPED, by what an environment is called.
[[nodiscard]] std::string category_of(std::string_view environment);

// One line of at most 255 UTF-16 units, which is how Atlassian counts.
[[nodiscard]] std::string fit_compass(std::string_view text);

// Who an event is for.
struct CompassTarget {
  std::string cloud_id = {};
  std::string component = {};  // empty: whose event source has the id `source`
  std::string source = {};
};

// What happened. A value type. The same deploy is the same to Compass by source, environment and
// number; of two reports of it the later one counts.
struct CompassEvent {
  CompassKind kind = CompassKind::deployment;
  std::string state = {};  // Compass's word
  std::string display_name = {};
  std::string description = {};
  std::string url = {};
  std::string pipeline = {};     // what deploys or builds
  std::string environment = {};  // of a deployment
  std::string category = {};     // of the environment
  std::int64_t number = 0;       // rises from deploy to deploy
  UtcTime reported = {};         // rises from report to report
  std::optional<UtcTime> began = {};
  std::optional<UtcTime> ended = {};
};
// The body of a request.
[[nodiscard]] Json to_json(const CompassEvent& event, const CompassTarget& target);

// Later than the report that it had begun, also where another machine with another clock made that.
[[nodiscard]] std::int64_t report_number(const CompassEvent& event);

// The number of a deploy in a run of GitHub: it rises with the runs and their attempts, and stays
// exact in every JSON reader. Nothing where one of them is no number.
[[nodiscard]] std::optional<std::int64_t> number_of_run(std::string_view run_id,
                                                        std::string_view attempt);
inline constexpr std::int64_t greatest_number = 9'007'199'254'740'991;

}  // namespace pca::commit_status
