#include "base/github_repository.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace pca {

namespace {

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 100 && text != "." && text != ".." &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.';
         });
}

}  // namespace

std::string GitHubRepository::path(std::string_view rest) const {
  return fmt::format("/repos/{}/{}{}", owner, name, rest);
}

Result<GitHubRepository> parse_github_repository(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash != std::string_view::npos && is_name(text.substr(0, slash)) &&
      is_name(text.substr(slash + 1))) {
    return GitHubRepository{std::string(text.substr(0, slash)),
                            std::string(text.substr(slash + 1))};
  }
  return bad_input(fmt::format("{} is no repository", shown(text)), "Write it as owner/name.");
}

}  // namespace pca
