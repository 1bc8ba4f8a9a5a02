#include "deploy/hostname.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>

#include "base/text.hpp"

namespace pca {

namespace {

struct Placeholder {
  std::string_view name;
  std::string HostnameParts::*part;
};
constexpr std::array<Placeholder, 4> placeholders{{
    {"customer", &HostnameParts::customer},
    {"project", &HostnameParts::project},
    {"slug", &HostnameParts::slug},
    {"domain", &HostnameParts::domain},
}};

const Placeholder* find_placeholder(std::string_view name) {
  const auto found = std::find_if(placeholders.begin(), placeholders.end(),
                                  [&](const Placeholder& one) { return one.name == name; });
  return found == placeholders.end() ? nullptr : &*found;
}

// Calls `fixed` with each text between placeholders and `named` with each name in braces.
void walk(std::string_view text, const std::function<void(std::string_view)>& fixed,
          const std::function<void(std::string_view)>& named) {
  while (!text.empty()) {
    const std::size_t open = text.find('{');
    fixed(text.substr(0, open));
    if (open == std::string_view::npos) return;
    text.remove_prefix(open + 1);
    const std::size_t close = std::min(text.find('}'), text.size());
    named(text.substr(0, close));
    text.remove_prefix(std::min(close + 1, text.size()));
  }
}

bool is_label_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

}  // namespace

Result<> check_hostname(std::string_view name) {
  const std::string cure = "Write it in lower case, as app.example.com.";
  if (name.empty()) return bad_input("a hostname is empty", cure);
  if (name.size() > longest_hostname) {
    return bad_input(fmt::format("{} is longer than {} bytes", shown(name), longest_hostname),
                     cure);
  }
  const std::vector<std::string> labels = split(name, '.');
  if (labels.size() < 2) return bad_input(fmt::format("{} has no dot", shown(name)), cure);
  for (const std::string& label : labels) {
    if (label.size() > longest_label) {
      return bad_input(fmt::format("{} has {} characters between two dots, where {} fit",
                                   shown(name), label.size(), longest_label),
                       "Shorten that part.");
    }
    const bool is_good = !label.empty() && label.front() != '-' && label.back() != '-' &&
                         std::all_of(label.begin(), label.end(), is_label_character);
    if (!is_good) {
      return bad_input(fmt::format("{} is no hostname because of {}", shown(name), shown(label)),
                       cure);
    }
  }
  return {};
}

Result<> check_hostname_template(std::string_view text, bool is_preview) {
  const std::string cure = "Write it as {project}-{slug}.{domain}.";
  std::string problem;
  bool has_slug = false;
  if (std::count(text.begin(), text.end(), '{') != std::count(text.begin(), text.end(), '}')) {
    problem = "has a brace without its other half";
  }
  const auto note = [&](std::string_view name) {
    has_slug = has_slug || name == "slug";
    if (find_placeholder(name) == nullptr && problem.empty()) {
      problem = fmt::format(
          "has {{{}}}, but there are only {{customer}}, {{project}}, {{slug}} and {{domain}}",
          visible(name));
    }
  };
  walk(
      text, [](std::string_view) {}, note);
  if (problem.empty() && is_preview && !has_slug)
    problem = "has no {slug}, so previews would share it";
  if (problem.empty() && !is_preview && has_slug) problem = "has {slug}, which only previews have";
  if (problem.empty()) {
    const std::string sample = fill_hostname(text, {"c", "p", "s", "example.com"});
    if (const auto good = check_hostname(sample); !good) {
      problem = fmt::format("gives {}, which is no hostname", shown(sample));
    }
  }
  if (problem.empty()) return {};
  return bad_input(fmt::format("{} {}", shown(text), problem), cure);
}

std::string fill_hostname(std::string_view text, const HostnameParts& parts) {
  std::string out;
  bool is_whole = true;
  walk(
      text, [&](std::string_view fixed) { out += fixed; },
      [&](std::string_view name) {
        const Placeholder* placeholder = find_placeholder(name);
        const std::string value = placeholder == nullptr ? "" : parts.*(placeholder->part);
        is_whole = is_whole && !value.empty();
        out += value;
      });
  return is_whole ? out : std::string();
}

std::size_t slug_room(std::string_view text, const HostnameParts& parts) {
  HostnameParts marked = parts;
  // A byte that no hostname has stands for the slug.
  marked.slug = "\x01";
  const std::string name = fill_hostname(text, marked);
  if (name.empty()) return longest_label;
  std::size_t room = longest_hostname - std::min(name.size() - 1, longest_hostname);
  for (const std::string& label : split(name, '.')) {
    if (label.find('\x01') == std::string::npos) continue;
    room = std::min(room, longest_label - std::min(label.size() - 1, longest_label));
  }
  return room;
}

}  // namespace pca
