#include "tunnel-ssh/preview.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/slug.hpp"
#include "base/text.hpp"
#include "deploy/release_records.hpp"
#include "tunnel-ssh/remote_code.hpp"

namespace pca::tunnel_ssh {

namespace {

bool has(const std::vector<std::string>& items, const std::string& item) {
  return std::find(items.begin(), items.end(), item) != items.end();
}

// "9001 ../previews/SLUG/current" a line: which preview has which port.
std::map<std::string, std::uint16_t> parse_ports(std::string_view text) {
  constexpr std::string_view from = "../previews/";
  constexpr std::string_view to = "/current";
  std::map<std::string, std::uint16_t> ports;
  for (const std::string& line : split_lines(text)) {
    const std::size_t blank = line.find(' ');
    if (blank == std::string::npos) continue;
    const auto port = parse_integer(std::string_view(line).substr(0, blank), 1, 65535);
    std::string_view target = std::string_view(line).substr(blank + 1);
    if (!port || !target.starts_with(from) || !target.ends_with(to)) continue;
    target.remove_prefix(from.size());
    target.remove_suffix(std::min(to.size(), target.size()));
    ports.emplace(target, static_cast<std::uint16_t>(*port));
  }
  return ports;
}

}  // namespace

bool Preview::is_of(std::string_view whose_repository, std::string_view whose_branch) const {
  const bool is_one_unknown = repository.empty() || whose_repository.empty();
  return branch == whose_branch && (is_one_unknown || repository == whose_repository);
}

Error no_preview(const std::string& host, const std::string& slug) {
  return failed(fmt::format("{}: there is no preview {}", host, slug),
                "\"tunnel-ssh preview list\" shows them.");
}

Json label_of(const Preview& preview) {
  Json json = Json::object();
  json.set("slug", preview.slug);
  json.set("repository", preview.repository);
  json.set("branch", preview.branch);
  json.set("commit", preview.commit);
  return json;
}

Result<Preview> parse_label(std::string_view text) {
  PCA_TRY(const Json json, parse_json(trim(text)));
  Preview preview{json.text_of("slug"),   json.text_of("repository"), json.text_of("branch"),
                  json.text_of("commit"), json.text_of("deployed"),   json.text_of("expires")};
  if (is_slug(preview.slug)) return preview;
  return failed("a preview's label on the host cannot be read",
                "It is .deploy/preview in the preview's folder, which must not be written to by "
                "hand.");
}

Result<Previews> parse_previews(std::string_view text) {
  Previews previews;
  PCA_TRY(previews.now, take_record(text));
  PCA_TRY(previews.long_ago, take_record(text));
  PCA_TRY(const std::string_view listed, take_record(text));
  const auto ports = parse_ports(listed);
  while (!text.empty()) {
    PCA_TRY(const std::string_view slug, take_record(text));
    PCA_TRY(const std::string_view label, take_record(text));
    auto preview = parse_label(label);
    if (!preview || preview->slug != slug) continue;
    if (const auto port = ports.find(preview->slug); port != ports.end()) {
      preview->port = port->second;
    }
    previews.all.push_back(*std::move(preview));
  }
  std::stable_sort(previews.all.begin(), previews.all.end(),
                   [](const Preview& a, const Preview& b) { return a.deployed < b.deployed; });
  return previews;
}

std::vector<Doomed> choose_doomed(const Previews& previews, const ReapRules& rules) {
  std::vector<Doomed> doomed;
  std::vector<const Preview*> kept;
  for (const Preview& preview : previews.all) {
    const bool is_ours = rules.repository.empty() || preview.repository.empty() ||
                         preview.repository == rules.repository;
    std::string why;
    if (has(rules.slugs, preview.slug)) {
      why = "asked for";
    } else if (is_ours && has(rules.branches, preview.branch)) {
      why = "of branch " + preview.branch;
    } else if (is_ours && !rules.live.empty() && !has(rules.live, preview.branch)) {
      why = "branch " + preview.branch + " is gone";
    } else if (rules.expired && !preview.expires.empty() && preview.expires <= previews.now) {
      why = "expired " + preview.expires;
    } else if (rules.old && !preview.deployed.empty() && preview.deployed < previews.long_ago) {
      why = "deployed " + preview.deployed;
    }
    if (why.empty()) {
      kept.push_back(&preview);
    } else {
      doomed.push_back({preview, why});
    }
  }
  for (std::size_t i = 0; rules.cap && i + *rules.cap < kept.size(); ++i) {
    doomed.push_back({*kept[i], "more than " + std::to_string(*rules.cap)});
  }
  return doomed;
}

}  // namespace pca::tunnel_ssh
