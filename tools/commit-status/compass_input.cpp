#include "commit-status/compass_input.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <span>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "cli/input_file.hpp"
#include "commit-status/deployment.hpp"
#include "commit-status/status.hpp"

namespace pca::commit_status {

namespace {

constexpr Milliseconds reading_limit{30'000};
constexpr std::uint64_t file_limit = 1024ULL * 1024;
constexpr std::size_t most_components = 50;
constexpr std::size_t longest_id = 255;
constexpr Milliseconds clock_skew{300'000};
constexpr const char* default_file = "compass.yml";

class CompassReader {
 public:
  CompassReader(ToolContext& context, Inputs& inputs, BadInputs& bad)
      : context_(context), inputs_(inputs), bad_(bad) {}

  CompassPlan read() {
    CompassPlan plan;
    read_event(plan);
    plan.via = plan.event.kind == CompassKind::build && inputs_.text("via") == "auto"
                   ? "rest"
                   : inputs_.text("via");
    if (plan.event.kind == CompassKind::build && plan.via == "github") {
      bad_.add("via", "is github, which keeps no builds",
               "Leave it out, or give event: deployment.");
    }
    if (plan.via == "github") return plan;
    read_authorization(plan);
    if (!plan.read_only_reason.empty()) return plan;
    read_server(plan.settings);
    read_targets(plan);
    if (plan.via == "auto" && !inputs_.flag("dry-run")) {
      plan.github = read_target(context_, inputs_,
                                {.permission = "deployments: read",
                                 .has_commit = false,
                                 .takes_sha = false,
                                 .writes = false},
                                bad_);
    } else if (const auto proxy = check_proxy_variables(); !proxy) {
      bad_.add("", proxy.error());
    }
    return plan;
  }

 private:
  [[nodiscard]] std::string variable_of(const char* name) const {
    return variable_in(context_.environment, name);
  }
  void check(const char* input, const Result<>& good) {
    if (!good && !bad_.names(input)) bad_.add(input, good.error());
  }
  // The value, or an empty one and a mistake.
  template <typename T>
  T good(const char* input, Result<T> value) {
    if (value) return *std::move(value);
    if (!bad_.names(input)) bad_.add(input, value.error());
    return T();
  }

  void read_event(CompassPlan& plan) {
    CompassEvent& event = plan.event;
    if (inputs_.text("event") == "build") event.kind = CompassKind::build;
    event.state = good("state", compass_state(event.kind, inputs_.text("state")));
    event.kind == CompassKind::build ? refuse_environment() : read_environment(plan);
    read_number(event);
    read_times(event);
    event.url = inputs_.has("url") ? inputs_.text("url") : url_of_run(context_.environment);
    if (event.url.empty()) {
      bad_.add("url", "is missing outside of a run of GitHub", "Say where the log is.");
    } else {
      check("url", check_target_url(event.url));
    }
    read_texts(event);
  }

  void refuse_environment() {
    for (const char* input : {"environment", "slug", "category"}) {
      if (inputs_.has(input)) bad_.add(input, "goes with no build", "Leave it out.");
    }
  }

  void read_environment(CompassPlan& plan) {
    plan.environment = inputs_.text("environment");
    check("environment", check_environment(plan.environment));
    plan.event.environment = plan.environment;
    if (inputs_.has("slug")) {
      check("slug", check_slug(inputs_.text("slug")));
      plan.event.environment += "/" + inputs_.text("slug");
    }
    const std::string& category = inputs_.text("category");
    plan.event.category = category == "auto" ? category_of(plan.environment) : to_upper(category);
  }

  void read_number(CompassEvent& event) {
    if (inputs_.has("number")) {
      event.number = inputs_.integer("number");
      return;
    }
    const auto number =
        number_of_run(variable_of("GITHUB_RUN_ID"), variable_of("GITHUB_RUN_ATTEMPT"));
    event.number = number.value_or(0);
    if (number || bad_.names("number")) return;
    bad_.add("number", "is missing outside of a run of GitHub",
             "Give this deploy a number that is greater than that of the one before.");
  }

  void read_times(CompassEvent& event) {
    event.reported = utc_now();
    read_time("started-at", event.began);
    read_time("ended-at", event.ended);
    const bool has_ended = !event.state.empty() && is_end(event.state);
    if (!has_ended) {
      if (event.ended) bad_.add("ended-at", "goes with no state that goes on", "Leave it out.");
      if (!event.began && event.state == "IN_PROGRESS") event.began = event.reported;
      return;
    }
    if (event.began && event.ended && *event.ended < *event.began) {
      bad_.add("ended-at", "is before started-at", "Give both from the same clock.");
    }
    // Clocks of two machines may differ a little.
    if (!event.ended) event.ended = std::max(event.reported, event.began.value_or(event.reported));
    if (!event.began && event.kind == CompassKind::build) {
      bad_.add("started-at", "is missing, which Compass wants of a build",
               "Give the output started-at of the call with in_progress.");
    }
  }

  void read_time(const char* input, std::optional<UtcTime>& time) {
    if (!inputs_.has(input)) return;
    const auto read = parse_utc(inputs_.text(input));
    if (!read) {
      bad_.add(input, read.error());
    } else if (*read > utc_now() + clock_skew) {
      bad_.add(input, "is in the future", "Check this machine's clock.");
    } else {
      time = *read;
    }
  }

  void read_texts(CompassEvent& event) {
    const std::string workflow = variable_of("GITHUB_WORKFLOW");
    event.pipeline = fit_compass(inputs_.has("pipeline") ? inputs_.text("pipeline") : workflow);
    if (event.pipeline.empty()) {
      bad_.add("pipeline", "is missing outside of a run of GitHub", "Name what deploys or builds.");
    }
    const std::string what = event.kind == CompassKind::build
                                 ? event.pipeline
                                 : event.pipeline + " to " + event.environment;
    event.display_name =
        fit_compass(inputs_.has("display-name") ? inputs_.text("display-name") : what);
    event.description =
        fit_compass(inputs_.has("description") ? inputs_.text("description") : commit_text());
    if (event.description.empty()) event.description = event.display_name;
  }

  // "aaaaaaaaaa on main of acme/shop"; of a pull request its branch alone, because the commit is a
  // merge that nobody knows.
  [[nodiscard]] std::string commit_text() const {
    const std::string repository = variable_of("GITHUB_REPOSITORY");
    const std::string branch = variable_of("GITHUB_HEAD_REF");
    const std::string commit = variable_of("GITHUB_SHA").substr(0, 10);
    if (repository.empty()) return {};
    if (!branch.empty()) return fmt::format("{} of {}", branch, repository);
    const std::string ref = variable_of("GITHUB_REF_NAME");
    if (commit.empty() || ref.empty()) return repository;
    return fmt::format("{} on {} of {}", commit, ref, repository);
  }

  void read_authorization(CompassPlan& plan) {
    const std::string& user = inputs_.text("compass-user");
    const Secret token = inputs_.take_secret("compass-token");
    if (token.empty()) {
      plan.read_only_reason = read_only_reason_of_run(context_);
      if (!plan.read_only_reason.empty()) return;
      bad_.add("compass-token", "is missing",
               "Keep an API token from id.atlassian.com in a secret, and give it.");
    }
    const auto has_blank = [](std::string_view text) {
      return std::any_of(text.begin(), text.end(), [](char c) { return c <= ' ' || c == '\x7F'; });
    };
    if (has_blank(token.expose())) {
      bad_.add("compass-token", "holds blanks or line breaks", "Give the token alone.");
    }
    const bool is_user = user.find('@') != std::string::npos && !has_blank(user) &&
                         user.find(':') == std::string::npos && visible(user) == user;
    if (!is_user) {
      bad_.add("compass-user", user.empty() ? "is missing" : shown(user) + " is no e-mail address",
               "Give that of the token's user.");
    }
    std::string basic = user + ":" + std::string(token.expose());
    plan.settings.authorization = context_.redactor.protect(
        "Basic " + base64_encode(std::span(reinterpret_cast<const std::uint8_t*>(basic.data()),
                                           basic.size())));
    wipe(basic);
  }

  void read_server(CompassSettings& settings) {
    if (inputs_.has("compass-url")) {
      auto root = check_github_root(inputs_.text("compass-url"), false);
      root ? settings.root = *std::move(root)
           : (bad_.add("compass-url", root.error().message,
                       "Write https://HOST/gateway/api/compass/v1."),
              std::string());
    } else if (inputs_.has("site")) {
      settings.root = good("site", compass_root(inputs_.text("site")));
    } else {
      bad_.add("site", "is missing", "Write acme for https://acme.atlassian.net.");
    }
    settings.ca_file = inputs_.text("compass-ca");
    read_patience(inputs_, settings, bad_);
  }

  std::vector<CompassComponent> read_components() {
    std::vector<CompassComponent> components;
    for (const std::string& each : inputs_.list("component")) {
      auto component = parse_component(each);
      component ? components.push_back(*std::move(component))
                : bad_.add("component", component.error());
    }
    std::vector<std::string> files = inputs_.list("compass-file");
    const bool has_source = inputs_.has("source");
    std::error_code ignored;
    if (files.empty() && inputs_.list("component").empty() &&
        (!has_source || std::filesystem::exists(default_file, ignored))) {
      files.emplace_back(default_file);
    }
    const Budget budget = Budget::of(reading_limit, context_.stop);
    for (const std::string& file : files) {
      const auto text = read_input_file(budget, file, file_limit);
      auto component = text ? component_of_file(*text) : Result<CompassComponent>(text.error());
      if (component) {
        components.push_back(*std::move(component));
      } else if (inputs_.has("compass-file")) {
        bad_.add("compass-file", shown(file) + " " + component.error().message,
                 component.error().hint);
      } else {
        bad_.add("component",
                 fmt::format("is missing, and {} {}", default_file, component.error().message),
                 "Give the component's id, or the file's place as compass-file.");
      }
    }
    return components;
  }

  void read_targets(CompassPlan& plan) {
    const std::string& cloud = inputs_.text("cloud-id");
    const std::string& source = inputs_.text("source");
    for (const char* input : {"source", "cloud-id"}) {
      if (inputs_.text(input).size() > longest_id) {
        bad_.add(input, fmt::format("is longer than {} characters", longest_id), "Shorten it.");
      }
    }
    const std::vector<CompassComponent> components = read_components();
    if (components.size() > most_components) {
      bad_.add("component", fmt::format("are more than {}", most_components),
               "Compass takes 100 requests a minute of a user.");
    }
    for (const CompassComponent& component : components) {
      plan.targets.push_back({.cloud_id = cloud.empty() ? component.cloud_id : cloud,
                              .component = component.ari,
                              .source = source.empty() ? "commit-status/" + component.id : source});
    }
    if (!components.empty() || !bad_.empty()) return;
    if (cloud.empty()) {
      bad_.add("cloud-id", "is missing", "Without a component nothing else names the site's.");
    }
    plan.targets.push_back({.cloud_id = cloud, .source = source});
  }

  ToolContext& context_;
  Inputs& inputs_;
  BadInputs& bad_;
};

}  // namespace

CompassPlan read_compass_plan(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  return CompassReader(context, inputs, bad).read();
}

}  // namespace pca::commit_status
