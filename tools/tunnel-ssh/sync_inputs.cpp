#include "tunnel-ssh/sync_inputs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "base/text.hpp"
#include "cli/transfer.hpp"
#include "tunnel-ssh/exec_inputs.hpp"

namespace pca::tunnel_ssh {

namespace {

// Folders that are a whole system's or somebody's, as patterns below the root.
const std::vector<std::string> precious_folders{"/*",        "/home/*", "/usr/*",   "/var/*",
                                                "!/var/www", "/etc/**", "/boot/**", "/proc/**",
                                                "/sys/**",   "/dev/**"};

std::string_view without_slashes(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return path;
}

PathPatterns read_patterns(const Inputs& inputs, std::string_view name, BadInputs& bad) {
  auto patterns = PathPatterns::parse(inputs.list(name));
  if (patterns) return *std::move(patterns);
  bad.add(std::string(name), patterns.error());
  return {};
}

}  // namespace

Result<> check_host_path(const std::string& path) {
  if (!path.starts_with('/') && path != "~" && !path.starts_with("~/")) {
    return bad_input(fmt::format("\"{}\" is no whole path on the host", visible(path)),
                     "Begin it with / or with ~/ for the user's home.");
  }
  const std::vector<std::string> names = split(path, '/');
  if (std::find(names.begin(), names.end(), "..") != names.end()) {
    return bad_input(fmt::format("\"{}\" has .. in it", visible(path)),
                     "Write the path that is meant.");
  }
  if (path.find('\0') != std::string::npos || path.find('\n') != std::string::npos) {
    return bad_input("a path on the host has a line break in it", "Write one a line.");
  }
  return {};
}

TreeFilter read_filter(const Inputs& inputs, BadInputs& bad) {
  return {read_patterns(inputs, "include", bad), read_patterns(inputs, "exclude", bad)};
}

Result<Upload> parse_upload(std::string_view text) {
  PCA_TRY(auto sides, parse_transfer(text));
  auto& [source, destination] = sides;
  std::error_code problem;
  if (source.empty() || !std::filesystem::exists(source, problem)) {
    return bad_input(fmt::format("there is no \"{}\" here", visible(source)),
                     "Check the path; it starts from the step's working directory.");
  }
  PCA_CHECK(check_host_path(destination));
  return Upload{std::move(source), std::move(destination)};
}

Result<Download> parse_download(std::string_view text) {
  PCA_TRY(auto sides, parse_transfer(text));
  auto& [source, destination] = sides;
  PCA_CHECK(check_host_path(source));
  std::error_code problem;
  if (destination.empty() || (std::filesystem::exists(destination, problem) &&
                              !std::filesystem::is_directory(destination, problem))) {
    return bad_input(fmt::format("\"{}\" is no folder here", visible(destination)),
                     "Give the folder that the content goes to; it is made where it is missing.");
  }
  return Download{std::move(source), std::move(destination)};
}

bool is_precious(std::string_view folder) {
  folder = without_slashes(folder);
  if (folder == "/" || folder == "~") return true;
  if (!folder.starts_with('/')) return false;
  const auto patterns = PathPatterns::parse(precious_folders);
  return patterns && patterns->match(folder.substr(1), true).value_or(false);
}

SyncInputs read_sync_inputs(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  SyncInputs sync;
  sync.connection = read_connection_inputs(context, inputs, bad, Login::hosts);
  sync.rules.filter = read_filter(inputs, bad);
  sync.rules.delete_others = inputs.flag("delete");
  if (auto share = parse_share(inputs.text("delete-limit"))) {
    sync.rules.delete_limit = *share;
  } else {
    bad.add("delete-limit", share.error());
  }
  for (const std::string& text : inputs.list("upload")) {
    auto upload = parse_upload(text);
    if (!upload) {
      bad.add("upload", upload.error());
      continue;
    }
    if (sync.rules.delete_others && is_precious(upload->destination)) {
      bad.add("delete",
              fmt::format("would delete what else is in {}", visible(upload->destination)),
              "Give a folder that only this upload fills, such as /srv/app/public.");
    }
    sync.uploads.push_back(*std::move(upload));
  }
  for (const std::string& text : inputs.list("download")) {
    auto download = parse_download(text);
    if (download) {
      const auto whole = std::filesystem::absolute(download->destination).lexically_normal();
      if (sync.rules.delete_others && is_precious(whole.native())) {
        bad.add("delete",
                fmt::format("would delete what else is in {}", visible(download->destination)),
                "Give a folder that only this download fills.");
      }
      sync.downloads.push_back(*std::move(download));
    } else {
      bad.add("download", download.error());
    }
  }
  if (!sync.downloads.empty() && sync.connection.hosts.size() > 1) {
    bad.add("download", "several hosts cannot go to one folder", "Run it for each host.");
  }
  if (inputs.list("upload").empty() && inputs.list("download").empty()) {
    bad.add("upload", "nothing to send or to fetch was given",
            "Write upload: dist/ -> /srv/app, or download: /srv/app/logs -> logs.");
  }
  sync.rollout = read_rollout(inputs, sync.connection.hosts.size(), bad);
  sync.dry_run = inputs.flag("dry-run");
  sync.become = read_become(inputs, bad);
  sync.timeout = read_timeout(inputs);
  return sync;
}

}  // namespace pca::tunnel_ssh
