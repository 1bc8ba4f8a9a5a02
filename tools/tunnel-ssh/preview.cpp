#include "tunnel-ssh/preview.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "deploy/release_records.hpp"
#include "tunnel-ssh/remote_code.hpp"

namespace pca::tunnel_ssh {

namespace {

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

Error no_preview(const std::string& host, const std::string& slug) {
  return failed(fmt::format("{}: there is no preview {}", host, slug),
                "\"tunnel-ssh preview list\" shows them.");
}

Result<Preview> parse_label(std::string_view text) {
  PCA_TRY(const Json json, parse_json(trim(text)));
  if (auto preview = preview_of(json)) return *std::move(preview);
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
  sort_by_age(previews.all);
  return previews;
}

}  // namespace pca::tunnel_ssh
