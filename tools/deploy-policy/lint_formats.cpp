#include "deploy-policy/lint_formats.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/build_info.hpp"
#include "base/text.hpp"
#include "runner/markdown.hpp"

namespace pca::deploy_policy {

namespace {

constexpr std::string_view home =
    "https://github.com/private-cloud-actions/private-cloud-actions/blob/main/actions/"
    "deploy-policy-lint/README.md";
constexpr std::size_t most_rows = 200;  // of the job summary

std::string indented(std::string_view text, std::string_view indent) {
  std::string out;
  for (const std::string& line : split_lines(text)) {
    out += fmt::format("{}{}\n", indent, visible(line));
  }
  return out;
}

// A path as a relative URI (RFC 3986): each byte that is not unreserved is escaped.
std::string uri_of(std::string_view path) {
  std::string out;
  for (const char c : path) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~' ||
                          c == '/';
    if (is_plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

Json location_of(const Place& place) {
  Json artifact = Json::object();
  artifact.set("uri", uri_of(place.file)).set("uriBaseId", "%SRCROOT%");
  Json physical = Json::object();
  physical.set("artifactLocation", std::move(artifact))
      .set("region", Json::object().set("startLine", std::max(place.line, 1)));
  return Json::object().set("physicalLocation", std::move(physical));
}

Json sarif_rules() {
  Json rules = Json::array();
  for (const RuleRow& row : rule_table()) {
    Json rule = Json::object();
    rule.set("id", row.id)
        .set("shortDescription", Json::object().set("text", row.summary))
        .set("helpUri", fmt::format("{}#{}", home, row.id))
        .set("defaultConfiguration", Json::object().set("level", level_name(row.level)));
    rules.push(std::move(rule));
  }
  return rules;
}

Json sarif_result(const Finding& finding) {
  const RuleRow* rule = find_rule(finding.rule);
  Json related = Json::array();
  for (const Place& place : finding.via) related.push(location_of(place));
  Json result = Json::object();
  result.set("ruleId", finding.rule)
      .set("ruleIndex", static_cast<std::int64_t>(rule - rule_table().data()))
      .set("level", level_name(level_of(finding)))
      .set("message", Json::object().set("text", finding.message + ". " + finding.cure))
      .set("locations", Json::array().push(location_of(finding.at)));
  if (!finding.via.empty()) result.set("relatedLocations", std::move(related));
  return result;
}

}  // namespace

FindingCounts count(const std::vector<Finding>& findings) {
  FindingCounts counts;
  for (const Finding& finding : findings) {
    const Level level = level_of(finding);
    if (level == Level::error) ++counts.errors;
    if (level == Level::warning) ++counts.warnings;
    if (level == Level::note) ++counts.notes;
  }
  return counts;
}

std::string as_text(const std::vector<Finding>& findings, FixHints hints) {
  std::string out;
  for (const Finding& finding : findings) {
    out += fmt::format("{}:{}: {}: {} [{}]\n", visible(finding.at.file), finding.at.line,
                       level_name(level_of(finding)), visible(finding.message), finding.rule);
    for (const Place& place : finding.via) {
      out += fmt::format("    by {}:{}\n", visible(place.file), place.line);
    }
    out += fmt::format("    {}\n", visible(finding.cure));
    if (hints == FixHints::shown && !finding.fix.empty()) {
      out += "    to write there:\n" + indented(finding.fix, "      ");
    }
  }
  if (!out.empty()) out.pop_back();
  return out;
}

Json as_json(const std::vector<Finding>& findings) {
  const FindingCounts counts = count(findings);
  Json list = Json::array();
  for (const Finding& finding : findings) list.push(to_json(finding));
  Json json = Json::object();
  json.set("findings", std::move(list))
      .set("errors", counts.errors)
      .set("warnings", counts.warnings)
      .set("notes", counts.notes);
  return json;
}

Json as_sarif(const std::vector<Finding>& findings) {
  Json driver = Json::object();
  driver.set("name", "deploy-policy")
      .set("version", project_version())
      .set("informationUri", home)
      .set("rules", sarif_rules());
  Json results = Json::array();
  for (const Finding& finding : findings) results.push(sarif_result(finding));
  Json run = Json::object();
  run.set("tool", Json::object().set("driver", std::move(driver)))
      .set("columnKind", "unicodeCodePoints")
      .set("results", std::move(results));
  Json sarif = Json::object();
  sarif.set("$schema", "https://json.schemastore.org/sarif-2.1.0.json")
      .set("version", "2.1.0")
      .set("runs", Json::array().push(std::move(run)));
  return sarif;
}

std::string as_summary(const std::vector<Finding>& findings) {
  if (findings.empty()) return "**deploy-policy lint**: no findings\n";
  std::string out = "| where | level | rule | what | cure |\n|---|---|---|---|---|\n";
  for (std::size_t i = 0; i < std::min(findings.size(), most_rows); ++i) {
    const Finding& finding = findings[i];
    out += fmt::format("| {} | {} | {} | {} | {} |\n",
                       markdown_cell(fmt::format("{}:{}", finding.at.file, finding.at.line)),
                       level_name(level_of(finding)), finding.rule, markdown_cell(finding.message),
                       markdown_cell(finding.cure));
  }
  if (findings.size() > most_rows) {
    out += fmt::format("\nand {} more, in the log\n", findings.size() - most_rows);
  }
  return out;
}

}  // namespace pca::deploy_policy
