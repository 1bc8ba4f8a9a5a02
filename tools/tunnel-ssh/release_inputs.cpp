#include "tunnel-ssh/release_inputs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/text.hpp"
#include "tunnel-ssh/exec_inputs.hpp"
#include "tunnel-ssh/release_folder.hpp"
#include "tunnel-ssh/sync_inputs.hpp"

namespace pca::tunnel_ssh {

namespace {

std::string variable(const ToolContext& context, const char* name) {
  const auto found = context.environment.find(name);
  return found == context.environment.end() ? std::string() : found->second;
}

bool has_parent_step(std::string_view path) {
  const std::vector<std::string> names = split(path, '/');
  return std::find(names.begin(), names.end(), "..") != names.end();
}

// A folder of its own on the host: the releases' user may delete in it.
std::string read_path(const Inputs& inputs, BadInputs& bad) {
  std::string path = inputs.text("path");
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  if (path.empty()) return path;  // missing, which was told
  if (const auto checked = check_host_path(path); !checked) {
    bad.add("path", checked.error());
  } else if (is_precious(path)) {
    bad.add("path", fmt::format("{} is no folder for the releases of one application", path),
            "Give it a folder of its own, such as /srv/app.");
  }
  return path;
}

std::vector<std::string> read_shared(const Inputs& inputs, BadInputs& bad) {
  std::vector<std::string> paths;
  for (std::string path : inputs.list("shared")) {
    while (path.ends_with('/')) path.pop_back();
    if (path.empty() || path.starts_with('/') || path.find("//") != std::string::npos ||
        has_parent_step(path)) {
      bad.add("shared", fmt::format("\"{}\" is no path within a release", visible(path)),
              "Write it like storage or config/local.json.");
      continue;
    }
    paths.push_back(std::move(path));
  }
  return paths;
}

bool is_unit_name(std::string_view text) {
  const auto is_good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view(":-_.\\@").find(c) != std::string_view::npos;
  };
  return !text.empty() && text.front() != '-' && std::all_of(text.begin(), text.end(), is_good);
}

void read_restart(const Inputs& inputs, ReleaseInputs& release, BadInputs& bad) {
  release.restart = trim(inputs.text("restart"));
  release.log_command = trim(inputs.text("log-command"));
  const std::string& unit = inputs.text("unit");
  if (unit.empty()) return;
  if (!release.restart.empty()) {
    bad.add("unit", "given together with restart", "Give the systemd unit or a command, not both.");
  } else if (!is_unit_name(unit)) {
    bad.add("unit", fmt::format("\"{}\" is no name of a systemd unit", visible(unit)),
            "Write it like app.service.");
  } else {
    release.restart = "systemctl restart -- " + shell_quote(unit);
    if (release.log_command.empty()) {
      release.log_command = "journalctl --no-pager --lines 20 --unit " + shell_quote(unit);
    }
  }
}

void read_source(const Inputs& inputs, ReleaseInputs& release, BadInputs& bad) {
  release.source = inputs.text("source");
  release.filter = read_filter(inputs, bad);
  release.shared = read_shared(inputs, bad);
  release.dry_run = inputs.flag("dry-run");
  std::error_code problem;
  if (!release.source.empty() && !std::filesystem::is_directory(release.source, problem)) {
    bad.add("source", fmt::format("there is no folder \"{}\" here", visible(release.source)),
            "Check the path; it starts from the step's working directory.");
  }
}

// Both decide what a hold lets pass, so neither may be something that only looks like it.
void read_commit(const ToolContext& context, const Inputs& inputs, Provenance& from,
                 BadInputs& bad) {
  from.commit = to_lower(inputs.text("commit"));
  if (from.commit.empty()) from.commit = to_lower(variable(context, "GITHUB_SHA"));
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

}  // namespace

HealthCheck read_health(const Inputs& inputs, BadInputs& bad) {
  HealthCheck health;
  health.command = trim(inputs.text("health-command"));
  health.port = static_cast<std::uint16_t>(inputs.integer("health-port"));
  health.url = inputs.text("health-url");
  health.timeout = inputs.duration("health-timeout");
  if (!health.url.empty()) {
    if (const auto host = host_of_url(health.url); !host) bad.add("health-url", host.error());
  }
  if (health.timeout < std::chrono::seconds(1)) {
    bad.add("health-timeout", "less than a second", "Write 30s, or another time.");
  }
  return health;
}

Provenance read_provenance(const ToolContext& context) {
  Provenance from;
  from.branch = variable(context, "GITHUB_REF_NAME");
  from.repository = variable(context, "GITHUB_REPOSITORY");
  from.actor = variable(context, "GITHUB_ACTOR");
  if (const std::string run = variable(context, "GITHUB_RUN_ID"); !run.empty()) {
    from.run_url = fmt::format("{}/{}/actions/runs/{}", variable(context, "GITHUB_SERVER_URL"),
                               from.repository, run);
  }
  return from;
}

ReleaseInputs read_release_inputs(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const std::string& command = inputs.command();
  const bool is_deploy = command == "release deploy";
  const bool is_rollback = command == "release rollback";
  ReleaseInputs release;
  release.connection = read_connection_inputs(context, inputs, bad, Login::hosts);
  // Hosts are locked in the order of their names, so that two runs never wait for each other.
  std::sort(release.connection.hosts.begin(), release.connection.hosts.end(),
            [](const HostAddress& a, const HostAddress& b) { return a.text() < b.text(); });
  release.path = read_path(inputs, bad);
  release.become = read_become(inputs, bad);
  release.timeout = read_timeout(inputs);
  release.provenance = read_provenance(context);
  if (is_deploy) read_commit(context, inputs, release.provenance, bad);
  if (is_deploy) read_source(inputs, release, bad);
  if (is_deploy || is_rollback) {
    read_restart(inputs, release, bad);
    release.health = read_health(inputs, bad);
    release.lock_wait = inputs.duration("lock-wait");
  }
  if (is_deploy || command == "release prune") {
    release.keep = static_cast<std::size_t>(inputs.integer("keep"));
  }
  if (is_rollback) {
    release.to = inputs.text("to");
    release.sets_hold = inputs.text("hold") == "auto";
    if (!release.to.empty() && !is_release_id(release.to)) {
      bad.add("to", fmt::format("\"{}\" is no name of a release", visible(release.to)),
              "\"tunnel-ssh release list\" shows them.");
    }
  }
  if (is_rollback || command == "release hold") release.reason = inputs.text("reason");
  return release;
}

}  // namespace pca::tunnel_ssh
