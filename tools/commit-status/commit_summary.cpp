#include "commit-status/commit_summary.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "commit-status/status.hpp"
#include "runner/markdown.hpp"

namespace pca::commit_status {

namespace {

// A link only to what may be one.
std::string linked(std::string_view text, std::string_view url) {
  return check_target_url(url) ? markdown_link(text, url) : markdown_cell(text);
}

std::string rows_of(const std::vector<Mark>& marks) {
  std::string rows;
  for (const Mark& mark : marks) {
    rows += fmt::format("| {} | {} | {} |\n", name_of(mark.state), linked(mark.name, mark.url),
                        markdown_cell(mark.said));
  }
  return rows;
}

std::string checks_of(const Verdict& verdict) {
  if (verdict.counted.empty() && verdict.absent.empty()) {
    return "No status and no check says anything of it.\n";
  }
  std::string table = "| State | Status or check | Said |\n|---|---|---|\n";
  for (const auto state : {Mark::State::failure, Mark::State::pending, Mark::State::success}) {
    table += rows_of(verdict.of(state));
  }
  for (const std::string& name : verdict.absent) {
    table += fmt::format("| absent | {} | |\n", markdown_cell(name));
  }
  return table;
}

std::string deployments_of(const std::vector<DeploymentState>& deployments) {
  if (deployments.empty()) return {};
  std::string table = "\n| Environment | Deployment | Where |\n|---|---|---|\n";
  for (const auto& [deployment, status] : deployments) {
    const std::string name = deployment.slug.empty()
                                 ? deployment.environment
                                 : deployment.environment + "/" + deployment.slug;
    const std::string state = status.state.empty() ? "no status" : status.state;
    table += fmt::format(
        "| {} | {} | {} |\n", markdown_cell(name),
        linked(deployment.task == "rollback" ? state + " (rollback)" : state, status.log_url),
        linked(status.environment_url, status.environment_url));
  }
  return table;
}

}  // namespace

std::string state_of(const CommitSummary& summary) {
  const Verdict& verdict = summary.verdict;
  if (verdict.state == Verdict::State::failed) return "failure";
  if (verdict.state == Verdict::State::passed) return "success";
  return verdict.counted.empty() && verdict.absent.empty() ? "none" : "pending";
}

std::string markdown_of(const CommitSummary& summary) {
  std::string out = fmt::format("### {} of {}: {}\n\n", summary.sha.substr(0, 10),
                                markdown_cell(summary.repository), state_of(summary));
  out += checks_of(summary.verdict);
  out += deployments_of(summary.deployments);
  if (!summary.more.empty())
    out += "\n" + summary.more + (summary.more.ends_with('\n') ? "" : "\n");
  return out;
}

std::vector<KnownDeployment> latest_of_each(const std::vector<KnownDeployment>& all) {
  std::vector<KnownDeployment> latest;
  for (const KnownDeployment& each : all) {
    const bool is_older =
        std::any_of(latest.begin(), latest.end(), [&](const KnownDeployment& newer) {
          return newer.environment == each.environment && newer.slug == each.slug;
        });
    if (!is_older) latest.push_back(each);
  }
  return latest;
}

}  // namespace pca::commit_status
