#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace pca::deploy_policy {

// A rule over branch names, read as Cloudflare Pages reads its branch controls: a name, or one `*`
// at its start or its end, which stands for anything, slashes included. Case counts.
class BranchPattern {
 public:
  // bad_input for what no branch can be called, and for what Cloudflare would not understand.
  static Result<BranchPattern> parse(std::string_view text);

  [[nodiscard]] bool matches(std::string_view branch) const;
  // Whether it matches any branch that begins so.
  [[nodiscard]] bool may_match_below(std::string_view prefix) const;
  [[nodiscard]] bool is_exact() const { return star_ == Star::none; }
  [[nodiscard]] const std::string& text() const { return text_; }

  // The same in GitHub's workflow filters, where `*` stops at a slash: "feature/**".
  [[nodiscard]] std::string github_filter() const;
  // The same for GitHub's environments (Ruby's File.fnmatch with FNM_PATHNAME).
  [[nodiscard]] std::vector<std::string> environment_patterns() const;

 private:
  enum class Star : char { none, alone, first, last };

  BranchPattern(std::string text, Star star) : text_(std::move(text)), star_(star) {}

  std::string text_;
  Star star_;
};

// What git calls a branch (git-check-ref-format(1)); says what is wrong with another name.
[[nodiscard]] Result<> check_branch_name(std::string_view name);

}  // namespace pca::deploy_policy
