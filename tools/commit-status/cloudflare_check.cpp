#include "commit-status/cloudflare_check.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace pca::commit_status {

namespace {

constexpr std::size_t longest_summary = 65'535;
constexpr std::size_t longest_url = 500;
constexpr std::size_t longest_gap = 200;  // between a label and its address, with the markup
constexpr std::size_t longest_host = 253;
constexpr std::string_view scheme = "https://";

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool is_host_name(std::string_view text) {
  const bool is_plain = std::all_of(text.begin(), text.end(), [](char c) {
    return is_lower_or_digit(c) || c == '-' || c == '.';
  });
  return is_plain && !text.empty() && text.size() <= longest_host && text.front() != '.' &&
         text.front() != '-' && text.back() != '.' && text.find("..") == std::string_view::npos;
}

bool is_below(std::string_view host, std::string_view parent) {
  return host == parent || (host.size() > parent.size() && host.ends_with(parent) &&
                            host[host.size() - parent.size() - 1] == '.');
}

bool is_allowed(std::string_view url, const std::vector<std::string>& hosts) {
  const std::string_view rest = url.substr(scheme.size());
  const std::string_view host = rest.substr(0, rest.find('/'));
  const std::string_view path = rest.substr(host.size());
  return is_host_name(host) &&
         std::all_of(path.begin(), path.end(),
                     [](char c) {
                       return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') ||
                              std::string_view("/-._~").find(c) != std::string_view::npos;
                     }) &&
         std::any_of(hosts.begin(), hosts.end(),
                     [&](const std::string& parent) { return is_below(host, parent); });
}

// The address behind the label, before the next line of the table or of the text.
std::string url_behind(std::string_view summary, std::size_t label_end,
                       const std::vector<std::string>& hosts) {
  std::string_view rest = summary.substr(label_end, longest_gap + longest_url);
  rest = rest.substr(0, std::min(rest.find("</tr"), rest.find("URL:")));
  const std::size_t begin = rest.find(scheme);
  if (begin == std::string_view::npos || begin > longest_gap) return {};
  rest.remove_prefix(begin);
  const std::string_view url = rest.substr(0, rest.find_first_of("'\"<>()[] \t\r\n`|"));
  if (url.size() > longest_url || !is_allowed(url, hosts)) return {};
  return std::string(url);
}

bool is_uuid(std::string_view text) {
  return text.size() == 36 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '-';
         });
}

std::string version_in(std::string_view summary) {
  constexpr std::string_view label = "Version ID:";
  const std::size_t at = summary.find(label);
  if (at == std::string_view::npos) return {};
  std::string_view rest = summary.substr(at + label.size());
  rest.remove_prefix(std::min(rest.find_first_not_of(" *`"), rest.size()));
  const std::string_view id = rest.substr(0, 36);
  return is_uuid(id) ? std::string(id) : std::string();
}

}  // namespace

CloudflareBuild read_cloudflare_summary(std::string_view summary,
                                        const std::vector<std::string>& hosts) {
  summary = summary.substr(0, longest_summary);
  CloudflareBuild build;
  build.version_id = version_in(summary);
  constexpr std::string_view label = "URL:";
  for (std::size_t at = summary.find(label); at != std::string_view::npos;
       at = summary.find(label, at + label.size())) {
    const std::string_view before = summary.substr(0, at);
    const bool is_of_branch =
        before.ends_with("Branch Preview ") || before.ends_with("Preview Alias ");
    const bool is_of_build = !is_of_branch && before.ends_with("Preview ");
    std::string& url = is_of_branch ? build.branch_url : build.preview_url;
    if ((is_of_branch || is_of_build) && url.empty()) {
      url = url_behind(summary, at + label.size(), hosts);
    }
  }
  return build;
}

Result<> check_preview_host(std::string_view host) {
  if (is_host_name(host) && host.find('.') != std::string_view::npos) return {};
  return bad_input(fmt::format("{} is no name of a host", shown(host)),
                   "Write a domain in small letters, such as pages.dev.");
}

std::string build_id_of(std::string_view details_url) {
  constexpr std::size_t uuid = 36;
  std::string_view id = details_url.substr(0, details_url.find_first_of("?#"));
  // The whole page may be a query's: dash.cloudflare.com/?to=/ACCOUNT/pages/view/PROJECT/ID.
  if (const std::size_t page = details_url.find("?to="); page != std::string_view::npos) {
    id = details_url.substr(page);
  }
  id = id.substr(id.rfind('/') + 1);
  const bool is_uuid = id.size() == uuid && std::all_of(id.begin(), id.end(), [](char c) {
                         return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '-';
                       });
  return is_uuid ? std::string(id) : std::string();
}

}  // namespace pca::commit_status
