#include "base/glob.hpp"

#include <fmt/format.h>
#include <fnmatch.h>

#include "base/text.hpp"

namespace pca {

namespace {

constexpr const char* any_folders = "**";

// Whether `names` from `at` on match `parts` from `from` on. A row of answers is kept for each
// name, so many `**` cost no more than names times parts.
bool matches(const std::vector<std::string>& names, const std::vector<std::string>& parts) {
  std::vector<bool> reached(parts.size() + 1, false);  // the names so far match that many parts
  reached[0] = true;
  for (std::size_t i = 0; i < names.size(); ++i) {
    std::vector<bool> next(parts.size() + 1, false);
    const bool is_last = i + 1 == names.size();
    for (std::size_t done = 0; done <= parts.size(); ++done) {
      if (!reached[done]) continue;
      if (names[i] == any_folders) {
        // "a/**" is everything in a, but not a itself.
        for (std::size_t to = done + (is_last ? 1 : 0); to <= parts.size(); ++to) next[to] = true;
      } else if (done < parts.size() && ::fnmatch(names[i].c_str(), parts[done].c_str(), 0) == 0) {
        next[done + 1] = true;
      }
    }
    reached = std::move(next);
  }
  return reached[parts.size()];
}

// A blank at the end is dropped unless a backslash stands before it.
std::string_view without_blanks(std::string_view line) {
  while (line.ends_with(' ') || line.ends_with('\t') || line.ends_with('\r')) {
    if (line.size() > 1 && line[line.size() - 2] == '\\') break;
    line.remove_suffix(1);
  }
  return line;
}

Result<> check(std::string_view pattern) {
  bool in_set = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '\\' && ++i == pattern.size()) {
      return bad_input(fmt::format("the pattern \"{}\" ends with a backslash", visible(pattern)),
                       "Put the character that it stands for behind it.");
    }
    if (pattern[i] == '[' && !in_set) {
      in_set = true;
      if (i + 1 < pattern.size() && (pattern[i + 1] == '!' || pattern[i + 1] == '^')) ++i;
      if (i + 1 < pattern.size() && pattern[i + 1] == ']') ++i;
    } else if (pattern[i] == ']') {
      in_set = false;
    }
  }
  if (!in_set) return {};
  return bad_input(fmt::format("the pattern \"{}\" has a [ without a ]", visible(pattern)),
                   "Close it, or write \\[ for the character itself.");
}

}  // namespace

Result<PathPatterns> PathPatterns::parse(std::span<const std::string> lines) {
  PathPatterns all;
  for (const std::string& line : lines) {
    std::string_view text = without_blanks(line);
    if (text.empty() || text.starts_with('#')) continue;
    Pattern pattern;
    pattern.takes_back = text.starts_with('!');
    if (pattern.takes_back) text.remove_prefix(1);
    PCA_CHECK(check(text));
    pattern.folders_only = text.ends_with('/');
    if (pattern.folders_only) text.remove_suffix(1);
    const bool is_tied = text.find('/') != std::string_view::npos;
    if (text.starts_with('/')) text.remove_prefix(1);
    if (!is_tied) pattern.names.emplace_back(any_folders);
    for (std::string& name : split(text, '/')) {
      if (name.empty()) {
        return bad_input(fmt::format("the pattern \"{}\" has an empty name in it", visible(line)),
                         "Write a name, *, or ** between slashes.");
      }
      pattern.names.push_back(std::move(name));
    }
    all.patterns_.push_back(std::move(pattern));
  }
  return all;
}

std::optional<bool> PathPatterns::match(std::string_view path, bool is_folder) const {
  const std::vector<std::string> parts = split(path, '/');
  for (auto pattern = patterns_.rbegin(); pattern != patterns_.rend(); ++pattern) {
    if (pattern->folders_only && !is_folder) continue;
    if (matches(pattern->names, parts)) return !pattern->takes_back;
  }
  return std::nullopt;
}

bool PathPatterns::takes(std::string_view path, bool is_folder) const {
  for (std::size_t at = path.find('/'); at != std::string_view::npos; at = path.find('/', at + 1)) {
    if (match(path.substr(0, at), true).value_or(false)) return true;
  }
  return match(path, is_folder).value_or(false);
}

}  // namespace pca
