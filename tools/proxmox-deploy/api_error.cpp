#include "proxmox-deploy/api_error.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.hpp"
#include "base/text.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr std::size_t longest_cause = 600;

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::string one_line(std::string_view text) {
  std::vector<std::string> lines;
  for (const std::string& line : split_lines(text)) {
    const std::string_view words = trim(line);
    if (!words.empty()) lines.emplace_back(words);
  }
  return visible(cut_utf8(to_valid_utf8(join(lines, "; ")), longest_cause));
}

// "Permission check failed (/vms/201, VM.PowerMgmt)" as "/vms/201" and "VM.PowerMgmt".
std::pair<std::string, std::string> missing_right(std::string_view text) {
  const std::size_t begin = text.find('(');
  const std::size_t end = text.find(')', begin == std::string_view::npos ? 0 : begin);
  if (begin == std::string_view::npos || end == std::string_view::npos) return {};
  const auto parts = split(text.substr(begin + 1, end - begin - 1), ',');
  if (parts.size() < 2) return {};
  return {std::string(trim(parts[0])), std::string(trim(parts[1]))};
}

std::string right_cure(std::string_view text) {
  const auto [path, privilege] = missing_right(text);
  if (path.empty())
    return "\"proxmox-deploy doctor\" prints the lines that give the token its role.";
  return fmt::format(
      "Give the token a role with {} on {}: \"proxmox-deploy doctor\" prints the lines.",
      visible(privilege), visible(path));
}

}  // namespace

Trouble trouble_of(int status, std::string_view text) {
  if (status == 401) return Trouble::token;
  if (status == 403 || has(text, "Permission check failed")) return Trouble::right;
  // 595 and 596 are those of pveproxy, the others of what stands before it.
  if (status == 595 || status == 596 || (status >= 502 && status <= 504)) return Trouble::node_away;
  // Without a quorum the files of a cluster can only be read.
  const bool is_read_only = has(text, "/etc/pve/") && has(text, "Permission denied");
  if (has(text, "no quorum") || is_read_only) return Trouble::no_quorum;
  const bool is_lock = (has(text, "can't lock file") && has(text, "got timeout")) ||
                       has(text, "got lock request timeout") || has(text, "VM is locked (") ||
                       has(text, "CT is locked (") || has(text, "unable to acquire lock");
  if (is_lock) return Trouble::busy;
  if (has(text, "already exists") &&
      (has(text, "config file") || has(text, "VM ") || has(text, "CT "))) {
    return Trouble::id_taken;
  }
  if (has(text, "checksum mismatch (file change by other user?)") ||
      has(text, "detected modified configuration")) {
    return Trouble::changed;
  }
  if ((has(text, "Configuration file") && has(text, "does not exist")) ||
      has(text, "unable to find configuration file")) {
    return Trouble::gone;
  }
  if (has(text, "No QEMU guest agent configured")) return Trouble::agent_off;
  const bool is_slow_agent = has(text, "command 'guest-") && has(text, "timeout");
  if (has(text, "QEMU guest agent is not running") || has(text, "guest-ping' failed") ||
      is_slow_agent) {
    return Trouble::agent_away;
  }
  return Trouble::other;
}

std::string cause_in(const HttpResponse& response) {
  const auto body = parse_json(response.body, {.bytes = 1U << 20U, .depth = 16, .values = 10'000});
  std::string text;
  if (body) {
    const Json* errors = body->find("errors");
    if (errors != nullptr && errors->as_object() != nullptr) {
      for (const auto& [name, why] : *errors->as_object()) {
        if (!text.empty()) text += "; ";
        text += name + ": " + std::string(trim(why.as_string() ? *why.as_string() : why.dump()));
      }
    }
    if (text.empty()) text = body->text_of("message");
  }
  if (trim(text).empty()) text = response.reason;
  if (trim(text).empty()) text = body ? std::string() : response.body;
  return one_line(text);
}

Error api_error(const std::string& what, int status, std::string_view text) {
  std::string cause = one_line(text);
  if (cause.empty()) cause = status == 0 ? "no reason is given" : fmt::format("status {}", status);
  const std::string message = fmt::format("{}: {}", what, cause);
  switch (trouble_of(status, text)) {
    case Trouble::token:
      return permission_denied(
          fmt::format("{}: the API does not take the token ({})", what, cause),
          "Check api-token: USER@REALM!ID=UUID, as `pveum user token add` printed it, that it has "
          "not expired, and that its user is enabled.");
    case Trouble::right:
      return permission_denied(message, right_cure(text));
    case Trouble::busy:
      return conflict(message,
                      "Somebody else works on it: look who in the list of tasks, then "
                      "run it again.")
          .as_transient();
    case Trouble::id_taken:
      return conflict(message, "Another guest has this ID.");
    case Trouble::changed:
      return conflict(message, "Somebody else changed it meanwhile: look who, then run it again.");
    case Trouble::no_quorum:
      return unreachable(message,
                         "The cluster takes no writes until more than half of its nodes see each "
                         "other: `pvecm status` on a node shows them.");
    case Trouble::node_away:
      return unreachable(fmt::format("{}: the node cannot be reached ({})", what, cause),
                         "Check that the node runs, and its name: \"proxmox-deploy status\" and "
                         "\"doctor\" show the nodes.");
    case Trouble::agent_off:
      return failed(message, "Set agent=1 on the template, and install qemu-guest-agent in it.");
    case Trouble::agent_away:
      return failed(message, "Check that qemu-guest-agent is installed and starts in the guest.")
          .as_transient();
    case Trouble::gone:
    case Trouble::other:
      break;
  }
  return failed(message);
}

}  // namespace pca::proxmox_deploy
