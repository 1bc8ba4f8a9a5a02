#include "tunnel-ssh/release_inputs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/slug.hpp"
#include "base/text.hpp"
#include "tunnel-ssh/exec_inputs.hpp"
#include "tunnel-ssh/sync_inputs.hpp"

namespace pca::tunnel_ssh {

namespace {

bool has_parent_step(std::string_view path) {
  const std::vector<std::string> names = split(path, '/');
  return std::find(names.begin(), names.end(), "..") != names.end();
}

// Of a path within a release, also as the user may write it.
bool is_inner_path(std::string_view path) {
  return !path.empty() && !path.starts_with('/') && !path.ends_with('/') &&
         path.find("//") == std::string_view::npos && !has_parent_step(path);
}

bool lies_in(std::string_view path, std::string_view folder) {
  return path == folder ||
         (path.starts_with(folder) && path.substr(folder.size()).starts_with('/'));
}

std::vector<std::string> read_shared(const Inputs& inputs, BadInputs& bad) {
  std::vector<std::string> paths;
  for (std::string path : inputs.list("shared")) {
    while (path.ends_with('/')) path.pop_back();
    if (!is_inner_path(path)) {
      bad.add("shared", fmt::format("\"{}\" is no path within a release", visible(path)),
              "Write it like storage or config/local.json.");
      continue;
    }
    paths.push_back(std::move(path));
  }
  return paths;
}

// What is wrong with a line is told by its number: it may hold a secret by mistake.
Result<SecretFile> read_secret_file(const ToolContext& context, std::string_view line,
                                    std::size_t number) {
  constexpr std::string_view arrow = "->";
  constexpr std::string_view shared = "shared/";
  const std::size_t at = line.find(arrow);
  const std::string name(trim(line.substr(0, at)));
  std::string_view path =
      at == std::string_view::npos ? std::string_view() : trim(line.substr(at + arrow.size()));
  const bool is_in_shared = path.starts_with(shared);
  if (is_in_shared) path.remove_prefix(shared.size());
  if (!is_variable_name(name) || !is_in_shared || !is_inner_path(path)) {
    return bad_input(fmt::format("item {} is not NAME -> shared/PATH", number),
                     "Write it like APP_ENV -> shared/.env, and set APP_ENV under env: of the "
                     "step.");
  }
  const std::string value = variable_in(context.environment, name);
  if (value.empty()) {
    return bad_input(fmt::format("{} is not set in this step's environment, or empty", name),
                     "Add it under env: of the step.");
  }
  return SecretFile{std::string(path), context.redactor.protect(value)};
}

void read_secret_files(const ToolContext& context, const Inputs& inputs, ReleaseInputs& release,
                       BadInputs& bad) {
  std::vector<std::string> taken = release.shared;
  std::size_t number = 0;
  for (const std::string& line : inputs.list("secret-files")) {
    auto secret = read_secret_file(context, line, ++number);
    if (!secret) {
      bad.add("secret-files", secret.error());
      continue;
    }
    for (const std::string& path : taken) {
      if (!lies_in(secret->path, path) && !lies_in(path, secret->path)) continue;
      bad.add("secret-files",
              fmt::format("shared/{} is taken by \"{}\"", visible(secret->path), visible(path)),
              "No two of shared and secret-files may be the same or lie in each other.");
    }
    taken.push_back(secret->path);
    release.secrets.push_back(*std::move(secret));
  }
}

bool is_unit_name(std::string_view text) {
  const auto is_good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view(":-_.\\@").find(c) != std::string_view::npos;
  };
  return !text.empty() && text.front() != '-' && std::all_of(text.begin(), text.end(), is_good);
}

// With two instances a unit is a template's, and its instance the port.
std::string unit_word(const std::string& unit, bool is_one_of_two) {
  const std::size_t at = unit.find('@');
  if (!is_one_of_two || at == std::string::npos) return shell_quote(unit);
  return shell_quote(unit.substr(0, at + 1)) + "\"$PORT\"" + shell_quote(unit.substr(at + 1));
}

// The slug of this job's branch, or one that was given. Its end tells whose it is.
std::string read_slug(const Inputs& inputs, const Provenance& from, BadInputs& bad) {
  constexpr std::size_t room = 40;  // of the 63 that a label may have, which names more than this
  const std::string& given = inputs.text("preview");
  if (given == "auto") {
    if (!from.repository.empty() && !from.branch.empty()) {
      return make_slug(from.repository, from.branch, room).value_or(std::string());
    }
    bad.add("preview", "nothing says whose preview it is",
            "Give branch, and the repository in GITHUB_REPOSITORY, or the slug itself.");
  } else if (!is_slug(given)) {
    bad.add("preview", fmt::format("{} is no slug", shown(given)),
            "Write auto, or the slug of deploy-policy: feature-x-1a2b3c4d.");
  } else if (!from.repository.empty() && !from.branch.empty() &&
             !given.ends_with(slug_digest(from.repository, from.branch))) {
    bad.add("preview",
            fmt::format("{} is no slug of branch {} of {}", given, shown(from.branch),
                        visible(from.repository)),
            fmt::format("It must end in -{}; auto makes one.",
                        slug_digest(from.repository, from.branch)));
  }
  return given;
}

void read_preview(const Inputs& inputs, ReleaseInputs& release, BadInputs& bad) {
  Provenance& from = release.provenance;
  if (inputs.has("branch")) from.branch = inputs.text("branch");
  if (!inputs.has("preview")) return;
  PreviewPlan plan;
  plan.preview.slug = read_slug(inputs, from, bad);
  plan.preview.repository = from.repository;
  plan.preview.branch = from.branch;
  release.path += "/previews/" + plan.preview.slug;
  release.preview = plan;
}

void read_preview_plan(const Inputs& inputs, ReleaseInputs& release, BadInputs& bad) {
  constexpr std::int64_t most_ports = 1000;
  const std::vector<std::string> bounds = split(inputs.text("preview-ports"), '-');
  const auto first = parse_integer(trim(bounds.front()), 1, 65535);
  const auto last = parse_integer(trim(bounds.back()), 1, 65535);
  if (bounds.size() != 2 || !first || !last || *first > *last || *last - *first >= most_ports) {
    bad.add("preview-ports",
            fmt::format("{} is no range of at most {} ports", shown(inputs.text("preview-ports")),
                        most_ports),
            "Write it like 20000-20099.");
    return;
  }
  for (const std::string& port : split(inputs.text("ports"), ',')) {
    if (const auto number = parse_integer(trim(port), *first, *last); !number) continue;
    bad.add("preview-ports", fmt::format("holds {}, which is one of ports", trim(port)),
            "Give previews ports of their own.");
  }
  if (!release.preview) return;
  PreviewPlan& plan = *release.preview;
  plan.first = static_cast<std::uint16_t>(*first);
  plan.last = static_cast<std::uint16_t>(*last);
  plan.lifetime = read_preview_ttl(inputs, bad);
  plan.preview.commit = release.provenance.commit;
  if (plan.preview.branch.empty() && inputs.command() == "release deploy") {
    bad.add("preview", "nothing says which branch it is of", "Give branch.");
  }
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
    const std::string word = unit_word(unit, inputs.has("ports") || inputs.has("preview"));
    release.restart = "systemctl restart -- " + word;
    if (release.log_command.empty()) {
      release.log_command = "journalctl --no-pager --lines 20 --unit " + word;
    }
  }
}

void read_blue_green(const Inputs& inputs, ReleaseInputs& release, BadInputs& bad) {
  BlueGreen& two = release.blue_green;
  const std::string& strategy = inputs.text("strategy");
  two.stop = trim(inputs.text("stop"));
  two.drain = inputs.duration("drain");
  two.route = {inputs.text("route"), inputs.text("route-template"),
               std::string(trim(inputs.text("route-reload")))};
  const bool is_preview = release.preview.has_value();  // which has one port, and is restarted
  if (inputs.has("ports") && strategy != "restart" && !is_preview) {
    for (const std::string& port : split(inputs.text("ports"), ',')) {
      const auto number = parse_integer(trim(port), 1, 65535);
      if (number) two.ports.push_back(std::to_string(*number));
    }
    if (two.ports.size() != 2 || two.ports[0] == two.ports[1]) {
      bad.add("ports", "these are not two ports", "Write them like 8081,8082.");
    }
  }
  const bool is_on = !two.ports.empty();
  if (strategy == "blue-green" && !inputs.has("ports") && !is_preview) {
    bad.add("strategy", "blue-green needs two ports", "Give ports, like 8081,8082.");
  }
  const bool has_unit = !inputs.text("unit").empty();
  if ((is_on || is_preview) && has_unit && inputs.text("unit").find("@.") == std::string::npos) {
    bad.add("unit", "instances beside each other need a template unit",
            "Write it like app@.service.");
  } else if (is_on && !has_unit && (release.restart.empty() || two.stop.empty())) {
    bad.add("ports", "nothing says how an instance starts and ends",
            "Give unit, or restart and stop, which find the port in $PORT.");
  } else if (is_preview && !has_unit && release.restart.empty() != two.stop.empty()) {
    bad.add("preview", "restart and stop belong together",
            "Give both, which find the port in $PORT, or unit.");
  } else if ((is_on || is_preview) && has_unit && two.stop.empty()) {
    two.stop = "systemctl stop -- " + unit_word(inputs.text("unit"), true);
  }
  const bool has_slug = two.route.file.find(slug_mark) != std::string::npos;
  if (two.route.file.empty() != two.route.text.empty() ||
      (!two.route.file.empty() && !is_on && !is_preview)) {
    bad.add("route", "route, route-template and ports belong together", "Give all of them.");
  } else if (!two.route.file.empty() && has_slug != is_preview) {
    bad.add("route",
            is_preview ? "is the same file for all previews" : "holds @slug@, but is no preview's",
            is_preview ? "Write @slug@ in its name: /etc/nginx/conf.d/app-@slug@.conf."
                       : "Give preview, or the file's whole name.");
  } else if (!two.route.file.empty()) {
    if (const auto checked = check_host_path(two.route.file);
        !checked || !two.route.file.starts_with('/') || two.route.file.ends_with('/')) {
      bad.add("route", fmt::format("\"{}\" is no whole path of a file", visible(two.route.file)),
              "Write it like /etc/nginx/conf.d/app.conf.");
    }
  }
  if (is_preview) {
    const std::string& slug = release.preview->preview.slug;
    for (std::string* text : {&two.route.file, &two.route.text, &release.health.url}) {
      *text = with_value(*text, slug_mark, slug);
    }
  }
  if (!is_on && !is_preview && release.health.url.find(port_mark) != std::string::npos) {
    bad.add("health-url", "holds @port@, but there are no ports", "Give ports, or the port.");
  }
}

Hooks read_hooks(const Inputs& inputs, BadInputs& bad) {
  Hooks hooks;
  for (std::size_t i = 0; i < moment_names.size(); ++i) {
    const std::string name = "hook-" + std::string(moment_names[i]);
    hooks.on_host[i] = trim(inputs.text(name));
    hooks.on_runner[i] = trim(inputs.text("runner-" + name));
  }
  hooks.limit = inputs.duration("hook-timeout");
  if (hooks.limit < std::chrono::seconds(1)) {
    bad.add("hook-timeout", "less than a second", "Write 5m, or another time.");
  }
  return hooks;
}

void read_source(const ToolContext& context, const Inputs& inputs, ReleaseInputs& release,
                 BadInputs& bad) {
  release.source = inputs.text("source");
  release.filter = read_filter(inputs, bad);
  release.shared = read_shared(inputs, bad);
  read_secret_files(context, inputs, release, bad);
  release.dry_run = inputs.flag("dry-run");
  std::error_code problem;
  if (!release.source.empty() && !std::filesystem::is_directory(release.source, problem)) {
    bad.add("source", fmt::format("there is no folder \"{}\" here", visible(release.source)),
            "Check the path; it starts from the step's working directory.");
  }
}

}  // namespace

// It has to be a folder of its own: the releases' user may delete in it.
std::string read_release_path(const Inputs& inputs, BadInputs& bad) {
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

Result<> check_places(const FileTree& tree, const ReleaseInputs& inputs) {
  for (const TreeEntry& entry : tree) {
    for (const std::string& path : inputs.shared) {
      if (entry.path != path) continue;
      return bad_input(fmt::format("shared: \"{}\" is in the source too", visible(path)),
                       "Exclude it, or take it out of shared.");
    }
    for (const SecretFile& secret : inputs.secrets) {
      const bool is_in_the_way = entry.path == secret.path || (entry.kind != EntryKind::folder &&
                                                               lies_in(secret.path, entry.path));
      if (!is_in_the_way) continue;
      return bad_input(
          fmt::format("secret-files: \"{}\" is in the source too", visible(entry.path)),
          "Exclude it, or choose another path.");
    }
  }
  return {};
}

std::string with_value(std::string text, std::string_view mark, std::string_view value) {
  for (std::size_t at = text.find(mark); at != std::string::npos;
       at = text.find(mark, at + value.size())) {
    text.replace(at, mark.size(), value);
  }
  return text;
}

HealthCheck read_health(const Inputs& inputs, BadInputs& bad) {
  HealthCheck health;
  health.command = trim(inputs.text("health-command"));
  health.port = static_cast<std::uint16_t>(inputs.integer("health-port"));
  health.url = inputs.text("health-url");
  health.timeout = inputs.duration("health-timeout");
  if (!health.url.empty()) {
    if (const auto host =
            host_of_url(with_value(with_value(health.url, port_mark, "80"), slug_mark, "a"));
        !host) {
      bad.add("health-url", host.error());
    }
  }
  if (health.timeout < std::chrono::seconds(1)) {
    bad.add("health-timeout", "less than a second", "Write 30s, or another time.");
  }
  return health;
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
  release.path = read_release_path(inputs, bad);
  release.become = read_become(inputs, bad);
  release.timeout = read_timeout(inputs);
  release.provenance = read_provenance(context);
  if (is_deploy) read_commit(context, inputs, release.provenance, bad);
  read_preview(inputs, release, bad);
  if (release.preview) {
    require_own_branch(context, release.provenance.repository, release.provenance.branch, bad);
  }
  if (is_deploy || is_rollback) read_preview_plan(inputs, release, bad);
  if (is_deploy) read_source(context, inputs, release, bad);
  if (is_deploy || is_rollback) {
    read_restart(inputs, release, bad);
    release.hooks = read_hooks(inputs, bad);
    release.health = read_health(inputs, bad);
    read_blue_green(inputs, release, bad);
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
