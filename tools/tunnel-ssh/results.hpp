#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"
#include "runner/redactor.hpp"
#include "tunnel-ssh/phases.hpp"

namespace pca::tunnel_ssh {

// What became of a host; outcome_table() has their meanings.
enum class Outcome : std::uint8_t {
  succeeded,
  skipped,
  failed,
  unreachable,
  timed_out,
  refused,
  unknown,
  cancelled,
};
struct OutcomeRow {
  Outcome outcome;
  std::string_view name;
  std::string_view meaning;
};
// From the least to the gravest: what nobody can tell comes before what surely failed.
[[nodiscard]] std::span<const OutcomeRow> outcome_table();
[[nodiscard]] std::string_view outcome_name(Outcome outcome);
[[nodiscard]] Outcome outcome_of(const Error& error, bool timed_out);

// What became of one host.
struct HostResult {
  std::string host;  // "user@name:port", as HostAddress::text() has it
  Outcome outcome = Outcome::skipped;
  std::optional<int> exit_code;  // 124 when timed out, 128 + n when killed by signal n
  std::string exit_signal;       // "TERM"
  std::optional<Error> error;
  std::vector<Phase> phases;
  std::uint64_t out_bytes = 0;
  std::uint64_t err_bytes = 0;
  std::string shell;
  std::string out;         // captured
  std::string err;         // captured
  std::string last_words;  // the end of both, for the summary

  [[nodiscard]] double ms() const;  // from the first phase to the end of the last
};

// After a cancel: hosts that were not started will not be.
void cancel_unstarted(std::span<HostResult> results);

// The gravest outcome decides the tool's exit code.
[[nodiscard]] Outcome overall_outcome(std::span<const HostResult> results);
// Nothing when all is well. For one host its own error; else one that counts them.
[[nodiscard]] std::optional<Error> overall_error(std::span<const HostResult> results);
[[nodiscard]] std::vector<std::string> failed_hosts(std::span<const HostResult> results);

enum class CapturedText : bool { left_out, included };
[[nodiscard]] Json results_json(std::span<const HostResult> results,
                                CapturedText text = CapturedText::left_out);
// For the log: a line for each host, then one for each error with the hosts that have it.
[[nodiscard]] std::string results_table(std::span<const HostResult> results);
// For the job summary: a table, the last words of failed hosts, a Mermaid gantt of the phases.
[[nodiscard]] std::string results_summary(std::span<const HostResult> results,
                                          const Redactor& redactor);
// The captured texts of all hosts as one: alone as it is; of several every line behind "host: ", so
// that none can speak for another.
[[nodiscard]] std::string joined_output(std::span<const HostResult> results,
                                        std::string HostResult::*text, std::size_t limit);

}  // namespace pca::tunnel_ssh
