#include "proxmox-deploy/property_string.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace pca::proxmox_deploy {

namespace {

bool is_mac(std::string_view text) {
  constexpr std::size_t length = 17;
  constexpr std::size_t step = 3;
  if (text.size() != length) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_colon = i % step == step - 1;
    const bool is_good = is_colon ? text[i] == ':'
                                  : std::string_view("0123456789ABCDEFabcdef").find(text[i]) !=
                                        std::string_view::npos;
    if (!is_good) return false;
  }
  return true;
}

}  // namespace

PropertyString::PropertyString(std::string_view text) {
  for (const std::string& part : split(text, ',')) {
    const std::string_view piece = trim(part);
    if (piece.empty()) continue;
    const std::size_t equals = piece.find('=');
    if (equals == std::string_view::npos) {
      parts_.emplace_back("", piece);
    } else {
      parts_.emplace_back(trim(piece.substr(0, equals)), trim(piece.substr(equals + 1)));
    }
  }
}

std::string PropertyString::get(std::string_view key) const {
  for (const auto& [name, value] : parts_) {
    if (name == key) return value;
  }
  return {};
}

bool PropertyString::has(std::string_view key) const {
  return std::any_of(parts_.begin(), parts_.end(),
                     [&](const auto& part) { return part.first == key; });
}

void PropertyString::set(std::string_view key, std::string_view value) {
  for (auto& [name, old] : parts_) {
    if (name != key) continue;
    old = value;
    return;
  }
  parts_.emplace_back(key, value);
}

std::string PropertyString::text() const {
  std::string out;
  for (const auto& [name, value] : parts_) {
    if (!out.empty()) out += ',';
    out += name.empty() ? value : name + "=" + value;
  }
  return out;
}

std::string mac_of_net(std::string_view net) {
  const PropertyString parts(net);
  for (const auto& [name, value] : parts.parts()) {
    if (is_mac(value)) return to_upper(value);
  }
  return {};
}

std::vector<std::string> split_tags(std::string_view text) {
  std::vector<std::string> tags;
  std::string tag;
  const auto end_tag = [&] {
    if (!tag.empty()) tags.push_back(std::move(tag));
    tag.clear();
  };
  for (const char c : text) {
    if (c == ';' || c == ',' || c == ' ') {
      end_tag();
    } else {
      tag += c;
    }
  }
  end_tag();
  return tags;
}

std::string join_tags(std::vector<std::string> tags) {
  std::sort(tags.begin(), tags.end());
  tags.erase(std::unique(tags.begin(), tags.end()), tags.end());
  return join(tags, ";");
}

}  // namespace pca::proxmox_deploy
