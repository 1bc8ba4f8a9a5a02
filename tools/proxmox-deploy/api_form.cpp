#include "proxmox-deploy/api_form.hpp"

#include "base/percent.hpp"
#include "base/text.hpp"

namespace pca::proxmox_deploy {

std::string form_encoded(const Parameters& parameters) {
  std::string out;
  for (const auto& [name, value] : parameters) {
    if (!out.empty()) out += '&';
    out += percent_encoded(name) + "=" + percent_encoded(value);
  }
  return out;
}

std::string ssh_keys_value(std::string_view keys) {
  std::string lines;
  for (const std::string& line : split_lines(keys)) {
    const std::string_view key = trim(line);
    if (key.empty() || key.starts_with('#')) continue;
    if (!lines.empty()) lines += '\n';
    lines += key;
  }
  return percent_encoded(lines);
}

}  // namespace pca::proxmox_deploy
