#include "deploy/preview.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/slug.hpp"
#include "base/text.hpp"
#include "base/utc_time.hpp"
#include "cli/input_file.hpp"

namespace pca {

namespace {

bool has(const std::vector<std::string>& items, const std::string& item) {
  return std::find(items.begin(), items.end(), item) != items.end();
}

}  // namespace

bool Preview::is_of(std::string_view whose_repository, std::string_view whose_branch) const {
  const bool is_one_unknown = repository.empty() || whose_repository.empty();
  return branch == whose_branch && (is_one_unknown || repository == whose_repository);
}

Json label_of(const Preview& preview) {
  Json json = Json::object();
  json.set("slug", preview.slug);
  json.set("repository", preview.repository);
  json.set("branch", preview.branch);
  json.set("commit", preview.commit);
  return json;
}

std::optional<Preview> preview_of(const Json& label) {
  Preview preview{.slug = label.text_of("slug"),
                  .repository = label.text_of("repository"),
                  .branch = label.text_of("branch"),
                  .commit = label.text_of("commit"),
                  .deployed = label.text_of("deployed"),
                  .expires = label.text_of("expires")};
  if (!is_slug(preview.slug)) return std::nullopt;
  // What is no time neither expires nor is old.
  for (std::string* time : {&preview.deployed, &preview.expires}) {
    if (!parse_utc(*time)) time->clear();
  }
  return preview;
}

void sort_by_age(std::vector<Preview>& previews) {
  std::stable_sort(previews.begin(), previews.end(),
                   [](const Preview& a, const Preview& b) { return a.deployed < b.deployed; });
}

std::vector<Doomed> choose_doomed(const Previews& previews, const ReapRules& rules) {
  std::vector<Doomed> doomed;
  std::vector<const Preview*> kept;
  for (const Preview& preview : previews.all) {
    const bool is_ours = rules.repository.empty() || preview.repository.empty() ||
                         preview.repository == rules.repository;
    const bool is_in_view = is_ours || !rules.is_shared_place;
    std::string why;
    if (has(rules.slugs, preview.slug)) {
      why = "asked for";
    } else if (is_ours && has(rules.branches, preview.branch)) {
      why = "of branch " + preview.branch;
    } else if (is_ours && !rules.live.empty() && !has(rules.live, preview.branch)) {
      why = "branch " + preview.branch + " is gone";
    } else if (rules.expired && !preview.expires.empty() && preview.expires <= previews.now) {
      why = "expired " + preview.expires;
    } else if (rules.old && is_in_view && !preview.deployed.empty() &&
               preview.deployed < previews.long_ago) {
      why = "deployed " + preview.deployed;
    } else if (rules.remains && is_in_view && preview.is_gone) {
      why = "only volumes are left";
    }
    if (!why.empty()) {
      doomed.push_back({preview, why});
    } else if (is_in_view && !preview.is_gone) {
      kept.push_back(&preview);
    }
  }
  for (std::size_t i = 0; rules.cap && i + *rules.cap < kept.size(); ++i) {
    doomed.push_back({*kept[i], "more than " + std::to_string(*rules.cap)});
  }
  return doomed;
}

Option preview_branch_option(const std::string& group) {
  return {.name = "branch",
          .help =
              "Whose preview; by default the branch of the job, GITHUB_HEAD_REF or "
              "GITHUB_REF_NAME",
          .placeholder = "BRANCH",
          .group = group};
}

Option preview_ttl_option(const std::string& group) {
  return {.name = "preview-ttl",
          .type = OptionType::duration,
          .default_value = "7d",
          .help = "How long after its last deploy a preview expires, for preview reap",
          .group = group};
}

Milliseconds read_preview_ttl(const Inputs& inputs, BadInputs& bad) {
  const Milliseconds lifetime = inputs.duration("preview-ttl");
  if (lifetime < std::chrono::minutes(1)) {
    bad.add("preview-ttl", "less than a minute", "Write 7d, or another time.");
  }
  return lifetime;
}

std::vector<Option> reap_options(const std::string& group) {
  return {
      {.name = "branch",
       .type = OptionType::list,
       .help = "Remove the previews of these branches of GITHUB_REPOSITORY, which were closed",
       .placeholder = "BRANCH",
       .group = group},
      {.name = "preview",
       .type = OptionType::list,
       .help = "Remove these previews",
       .placeholder = "SLUG",
       .group = group},
      {.name = "live-branches",
       .type = OptionType::list,
       .help = "Remove the previews of all branches of GITHUB_REPOSITORY but these; an empty list "
               "removes none",
       .placeholder = "BRANCH",
       .group = group},
      {.name = "expired",
       .type = OptionType::boolean,
       .default_value = "false",
       .help = "Remove what has expired, by the preview-ttl of its last deploy",
       .group = group},
      {.name = "older-than",
       .type = OptionType::duration,
       .help = "Remove what was not deployed for so long",
       .group = group},
      {.name = "cap",
       .type = OptionType::integer,
       .help = "Remove those whose last deploy is the longest ago, until so many are left",
       .least = 1,
       .most = 1000,
       .group = group},
      {.name = "lock-wait",
       .type = OptionType::duration,
       .default_value = "15m",
       .help = "How long to wait for a deploy to a preview that shall go",
       .group = group},
      {.name = "dry-run",
       .type = OptionType::boolean,
       .default_value = "false",
       .help = "Only list what would be removed",
       .group = group},
  };
}

ReapRules read_reap_rules(const ToolContext& context, const Inputs& inputs,
                          const std::string& repository, std::string_view tool, BadInputs& bad) {
  ReapRules rules;
  rules.repository = repository;
  rules.slugs = inputs.list("preview");
  rules.branches = inputs.list("branch");
  rules.live = inputs.list("live-branches");
  rules.expired = inputs.flag("expired");
  rules.old = inputs.has("older-than");
  if (inputs.has("cap")) rules.cap = static_cast<std::size_t>(inputs.integer("cap"));
  for (const std::string& slug : rules.slugs) {
    if (is_slug(slug)) continue;
    bad.add("preview", fmt::format("{} is no slug", shown(slug)),
            fmt::format("\"{} preview list\" shows them.", tool));
  }
  // Half a list, or what a failed query said, would take the previews of all other branches.
  constexpr std::string_view heads = "refs/heads/";
  const std::string ref = variable_in(context.environment, "GITHUB_REF");
  if (!rules.live.empty() && ref.starts_with(heads) && !has(rules.live, ref.substr(heads.size()))) {
    bad.add("live-branches",
            fmt::format("{} is not among them, and this job runs on it, so others are missing too",
                        shown(ref.substr(heads.size()))),
            "Give all branches of the repository, from all pages of the answer.");
  }
  const bool says_which = !rules.slugs.empty() || !rules.branches.empty() || !rules.live.empty() ||
                          rules.expired || rules.old || rules.cap;
  if (!says_which) {
    bad.add("branch", "nothing says which previews are to go",
            "Give branch, preview, live-branches, expired, older-than or cap.");
  }
  return rules;
}

std::string stranger_in_event(std::string_view json, const std::string& repository,
                              const std::string& branch) {
  const auto event = parse_json(json);
  if (!event) return {};
  if (event->text_of("ref_type") == "tag" && event->text_of("ref") == branch)
    return "the job's event is about a tag of this name";
  const Json* pull = event->find("pull_request");
  const Json* head = pull == nullptr ? nullptr : pull->find("head");
  if (head == nullptr || head->text_of("ref") != branch) return {};
  const Json* from = head->find("repo");
  const std::string name = from == nullptr ? std::string() : from->text_of("full_name");
  if (name == repository) return {};
  return name.empty() ? "the pull request comes from a repository that is gone"
                      : "the pull request comes from " + visible(name);
}

void require_own_branch(const ToolContext& context, const std::string& repository,
                        const std::string& branch, BadInputs& bad) {
  const std::string path = variable_in(context.environment, "GITHUB_EVENT_PATH");
  if (path.empty() || branch.empty() || repository.empty()) return;
  constexpr Milliseconds reading_limit{10'000};
  const auto text =
      read_input_file(Budget::of(reading_limit, context.stop), path, JsonLimits{}.bytes);
  if (!text) return;
  const std::string stranger = stranger_in_event(*text, repository, branch);
  if (stranger.empty()) return;
  bad.add("branch",
          fmt::format("{} is no branch of {}: {}", shown(branch), visible(repository), stranger),
          "Leave this step out there, by its if.");
}

}  // namespace pca
