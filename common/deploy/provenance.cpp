#include "deploy/provenance.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "base/digest.hpp"
#include "base/text.hpp"

namespace pca {

namespace {

constexpr std::size_t longest_id = 80;
constexpr std::size_t id_hash_size = 7;

}  // namespace

Provenance read_provenance(const ToolContext& context) {
  Provenance from;
  from.branch = variable_in(context.environment, "GITHUB_HEAD_REF");  // of a pull request
  if (from.branch.empty()) from.branch = variable_in(context.environment, "GITHUB_REF_NAME");
  from.repository = variable_in(context.environment, "GITHUB_REPOSITORY");
  from.actor = variable_in(context.environment, "GITHUB_ACTOR");
  if (const std::string run = variable_in(context.environment, "GITHUB_RUN_ID"); !run.empty()) {
    from.run_url =
        fmt::format("{}/{}/actions/runs/{}", variable_in(context.environment, "GITHUB_SERVER_URL"),
                    from.repository, run);
  }
  return from;
}

std::vector<Option> commit_options(const std::string& group) {
  return {
      {.name = "commit",
       .help = "What is deployed, for names, history and holds; GITHUB_SHA by default",
       .placeholder = "SHA",
       .group = group},
      {.name = "commit-time",
       .help = "When it was committed, so that a hold lets only newer ones pass: "
               "2026-01-31T12:00:00Z; what git or the job's event says by default",
       .placeholder = "TIME",
       .group = group},
  };
}

// Both decide what a hold lets pass, so neither may be something that only looks like it.
void read_commit(const ToolContext& context, const Inputs& inputs, Provenance& from,
                 BadInputs& bad) {
  from.commit = to_lower(inputs.text("commit"));
  if (from.commit.empty()) from.commit = to_lower(variable_in(context.environment, "GITHUB_SHA"));
  const bool is_hex = from.commit.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!from.commit.empty() && (!is_hex || from.commit.size() < 7 || from.commit.size() > 64)) {
    bad.add("commit", fmt::format("\"{}\" is no commit", visible(from.commit)),
            "Give its whole SHA, as git rev-parse HEAD prints it.");
  }
  from.commit_time = inputs.text("commit-time");
  constexpr std::string_view shape = "0000-00-00T00:00:00Z";
  const auto fits = [](char have, char want) {
    return want == '0' ? have >= '0' && have <= '9' : have == want;
  };
  if (!from.commit_time.empty() && !std::equal(from.commit_time.begin(), from.commit_time.end(),
                                               shape.begin(), shape.end(), fits)) {
    bad.add("commit-time", fmt::format("\"{}\" is no time in UTC", visible(from.commit_time)),
            "Write it like 2026-01-31T12:00:00Z: TZ=UTC git log -1 --format=%cd "
            "--date=format-local:%Y-%m-%dT%H:%M:%SZ");
  }
}

bool is_release_id(std::string_view text) {
  const auto is_good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  };
  return !text.empty() && text.size() <= longest_id && text.front() != '-' &&
         std::all_of(text.begin(), text.end(), is_good);
}

std::string make_release_id(const std::string& commit, std::string_view content) {
  std::string hash = to_lower(std::string_view(commit).substr(0, id_hash_size));
  if (hash.size() < id_hash_size || !is_release_id(hash)) {
    hash = to_hex(sha256(content)).substr(0, id_hash_size);
  }
  return fmt::format("{:%Y%m%dT%H%M%SZ}-{}", fmt::gmtime(std::time(nullptr)), hash);
}

}  // namespace pca
