#include "commit-status/target.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "cli/input_file.hpp"
#include "commit-status/event.hpp"
#include "runner/event.hpp"

namespace pca::commit_status {

namespace {

constexpr Milliseconds reading_limit{30'000};
constexpr std::size_t longest_ref = 255;

// What git allows no name to hold, and with it all that could change a path.
Result<> check_ref(std::string_view text) {
  const bool is_good = text.size() <= longest_ref && visible(text) == text &&
                       !text.starts_with('-') && text.find("..") == std::string_view::npos &&
                       text.find_first_of(" \t~^:?*[\\") == std::string_view::npos &&
                       !text.ends_with('/');
  if (is_good) return {};
  return bad_input(fmt::format("{} is no commit", shown(text)),
                   "Write a SHA of 40 hex digits, a branch or a tag.");
}

// The event of the run, and what is wrong with its JSON where that is needed.
struct RunEvent {
  Event event;
  Result<> payload;
};
RunEvent read_run_event(const ToolContext& context) {
  const auto variable = [&](const char* name) { return variable_in(context.environment, name); };
  RunEvent run{.event = {.name = variable("GITHUB_EVENT_NAME"),
                         .repository = variable("GITHUB_REPOSITORY"),
                         .actor = variable("GITHUB_ACTOR"),
                         .github_sha = variable("GITHUB_SHA")},
               .payload = {}};
  if (!needs_payload(run.event.name)) return run;
  const std::string path = variable("GITHUB_EVENT_PATH");
  const Budget budget = Budget::of(reading_limit, context.stop);
  const auto text = path.empty() ? Result<std::string>(bad_input("GITHUB_EVENT_PATH is not set",
                                                                 "Give the commit by --sha."))
                                 : read_input_file(budget, path, largest_event);
  run.payload = text ? read_payload(*text, run.event) : Result<>(text.error());
  return run;
}

class TargetReader {
 public:
  TargetReader(ToolContext& context, Inputs& inputs, const TargetNeeds& needs, BadInputs& bad)
      : context_(context), inputs_(inputs), needs_(needs), bad_(bad) {}

  Target read() {
    Target target;
    read_repository(target);
    read_commit(target);
    read_server(target.settings);
    read_token(target);
    return target;
  }

 private:
  [[nodiscard]] std::string variable_of(const char* name) const {
    return variable_in(context_.environment, name);
  }

  void read_repository(Target& target) {
    const std::string text =
        inputs_.has("repo") ? inputs_.text("repo") : variable_of("GITHUB_REPOSITORY");
    if (text.empty()) {
      bad_.add("repo", "is not known outside of a run of GitHub", "Write it as owner/name.");
      return;
    }
    auto repository = parse_github_repository(text);
    repository ? target.repository = *std::move(repository)
               : (bad_.add("repo", repository.error()), GitHubRepository{});
  }

  // The runner's event also tells whose token this is, so it is read where the commit is given too;
  // then nothing about it is a mistake.
  void read_commit(Target& target) {
    const bool is_given = needs_.takes_sha && inputs_.has("sha");
    const bool is_needed = !is_given && needs_.has_commit;
    const RunEvent run = read_run_event(context_);
    if (run.payload) target.read_only_reason = read_only_reason(run.event);
    if (!run.payload && is_needed) bad_.add("sha", run.payload.error());
    if (is_given) {
      target.ref = inputs_.text("sha");
      if (const auto good = check_ref(target.ref); !good) bad_.add("sha", good.error());
    } else if (is_needed && !bad_.names("sha")) {
      auto sha = commit_of(run.event);
      sha ? target.ref = *std::move(sha) : (bad_.add("sha", sha.error()), std::string());
    }
  }

  void read_server(GitHubSettings& settings) {
    std::string root =
        inputs_.has("api-url") ? inputs_.text("api-url") : variable_of("GITHUB_API_URL");
    if (root.empty()) root = settings.root;
    auto checked = check_github_root(root, inputs_.flag("allow-insecure"));
    checked ? settings.root = *std::move(checked)
            : (bad_.add("api-url", checked.error()), std::string());
    settings.ca_file = inputs_.text("api-ca");
    read_patience(inputs_, settings, bad_);
    if (const auto good = check_proxy_variables(); !good) bad_.add("", good.error());
  }

  void read_token(Target& target) {
    Secret token = inputs_.take_secret("token");
    target.has_token_input = !token.empty();
    for (const char* name : {"GITHUB_TOKEN", "GH_TOKEN"}) {
      if (token.empty()) token = context_.redactor.protect(std::string(trim(variable_of(name))));
    }
    target.has_token = !token.empty();
    const std::string_view text = token.expose();
    if (std::any_of(text.begin(), text.end(), [](char c) { return c <= ' ' || c == '\x7F'; })) {
      bad_.add("token", "holds blanks or line breaks", "Give the token alone.");
    } else if (target.has_token) {
      target.settings.authorization = context_.redactor.protect("Bearer " + std::string(text));
    } else if (!needs_.writes || (!inputs_.flag("dry-run") && target.read_only_reason.empty())) {
      bad_.add("token", "is missing",
               fmt::format("Set token or GITHUB_TOKEN to ${{{{ github.token }}}}, in a job with "
                           "permissions: {{{}}}.",
                           needs_.permission));
    }
  }

  ToolContext& context_;
  Inputs& inputs_;
  const TargetNeeds& needs_;
  BadInputs& bad_;
};

}  // namespace

std::string url_of_run(const Environment& environment) {
  const std::string server = variable_in(environment, "GITHUB_SERVER_URL");
  const std::string repository = variable_in(environment, "GITHUB_REPOSITORY");
  const std::string run = variable_in(environment, "GITHUB_RUN_ID");
  const std::string attempt = variable_in(environment, "GITHUB_RUN_ATTEMPT");
  if (server.empty() || repository.empty() || run.empty()) return {};
  return fmt::format("{}/{}/actions/runs/{}{}", server, repository, run,
                     attempt.empty() ? std::string() : "/attempts/" + attempt);
}

std::string read_only_reason_of_run(const ToolContext& context) {
  const RunEvent run = read_run_event(context);
  return run.payload ? read_only_reason(run.event) : std::string();
}

void read_patience(const Inputs& inputs, Patience& patience, BadInputs& bad) {
  patience.retries = static_cast<int>(inputs.integer("retries"));
  patience.request_limit = inputs.duration("timeout");
  patience.most_waiting = inputs.duration("max-wait");
  const bool is_in_range = patience.request_limit >= Milliseconds{1'000} &&
                           patience.request_limit <= Milliseconds{120'000};
  if (!is_in_range && !bad.names("timeout")) {
    bad.add("timeout", "is out of range", "Write 1s to 2m.");
  }
  if (patience.most_waiting > Milliseconds{7'200'000} && !bad.names("max-wait")) {
    bad.add("max-wait", "is out of range", "Write at most 2h.");
  }
}

Target read_target(ToolContext& context, Inputs& inputs, const TargetNeeds& needs, BadInputs& bad) {
  return TargetReader(context, inputs, needs, bad).read();
}

Result<std::string> resolve_commit(const Budget& budget, GitHubApi& api, const Target& target) {
  if (is_full_sha(target.ref)) return to_lower(target.ref);
  PCA_TRY(const GitHubAnswer answer,
          api.get(budget, target.repository.path("/commits/" + url_part(target.ref))));
  const std::string sha = answer.body.text_of("sha");
  if (is_full_sha(sha)) return to_lower(sha);
  return failed(fmt::format("GitHub does not say which commit {} is", shown(target.ref)),
                "Give the whole SHA.");
}

}  // namespace pca::commit_status
