#include "deploy-policy/branch_pattern.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace pca::deploy_policy {

namespace {

constexpr std::size_t longest_name = 1024;
constexpr std::string_view forbidden = " ~^:?[\\*";

// What neither a branch name nor a pattern may hold, or empty.
std::string forbidden_part(std::string_view name, bool stars_allowed) {
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return "a control character";
    if (c == '*' && stars_allowed) continue;
    if (forbidden.find(c) != std::string_view::npos) return fmt::format("\"{}\"", c);
  }
  for (const std::string_view part : {"..", "@{", "//"}) {
    if (name.find(part) != std::string_view::npos) return fmt::format("\"{}\"", part);
  }
  return {};
}

}  // namespace

Result<> check_branch_name(std::string_view name) {
  const std::string cure = "Write it as git does, such as feature/login.";
  if (name.empty()) return bad_input("is empty", cure);
  if (name.size() > longest_name) {
    return bad_input(fmt::format("is longer than {} bytes", longest_name), cure);
  }
  if (const std::string part = forbidden_part(name, false); !part.empty()) {
    return bad_input(fmt::format("{} is no branch: no name holds {}", shown(name), part), cure);
  }
  const bool is_odd = name.front() == '/' || name.front() == '-' || name.back() == '/' ||
                      name.back() == '.' || name == "@" || name.ends_with(".lock");
  if (is_odd) return bad_input(fmt::format("{} is no name of a branch", shown(name)), cure);
  return {};
}

Result<BranchPattern> BranchPattern::parse(std::string_view text) {
  if (text.empty()) return bad_input("a pattern is empty", "Write a branch, or a prefix and *.");
  if (text.size() > longest_name) {
    return bad_input(fmt::format("a pattern is longer than {} bytes", longest_name),
                     "Write a branch, or a prefix and *.");
  }
  if (text.starts_with("refs/")) {
    return bad_input(fmt::format("{} is a ref", shown(text)), "Write the branch alone, as main.");
  }
  if (text.front() == '!') {
    return bad_input(fmt::format("{} begins with \"!\"", shown(text)),
                     "List what is not to be deployed under exclude.");
  }
  if (text.find("**") != std::string_view::npos) {
    return bad_input(fmt::format("{} holds \"**\"", shown(text)),
                     "Write one *: it crosses slashes here, as on Cloudflare Pages.");
  }
  const auto stars = std::count(text.begin(), text.end(), '*');
  const bool is_first = text.front() == '*';
  const bool is_last = text.back() == '*';
  if (stars > 1 || (stars == 1 && !is_first && !is_last)) {
    return bad_input(fmt::format("{} has a * in the middle", shown(text)),
                     "Write one * at the start or at the end; Cloudflare Pages knows no other.");
  }
  if (const std::string part = forbidden_part(text, true); !part.empty()) {
    return bad_input(fmt::format("{} can match no branch: no name holds {}", shown(text), part),
                     "Write a branch, or a prefix and *.");
  }
  Star star = Star::none;
  if (text == "*") {
    star = Star::alone;
  } else if (stars == 1) {
    star = is_first ? Star::first : Star::last;
  }
  return BranchPattern(std::string(text), star);
}

bool BranchPattern::matches(std::string_view branch) const {
  const std::string_view text = text_;
  switch (star_) {
    case Star::none:
      return branch == text;
    case Star::alone:
      return true;
    case Star::first:
      return branch.ends_with(text.substr(1));
    case Star::last:
      return branch.starts_with(text.substr(0, text.size() - 1));
  }
  return false;
}

bool BranchPattern::may_match_below(std::string_view prefix) const {
  if (star_ == Star::alone || star_ == Star::first) return true;
  const std::string_view text =
      is_exact() ? text_ : std::string_view(text_).substr(0, text_.size() - 1);
  return text.starts_with(prefix) || (!is_exact() && prefix.starts_with(text));
}

std::string BranchPattern::github_filter() const {
  // "+" and "!" mean something there and are legal in a branch's name.
  std::string out;
  for (const char c : text_) {
    if (c == '*') {
      out += "**";
    } else if (c == '+' || (c == '!' && out.empty())) {
      out += fmt::format("\\{}", c);
    } else {
      out += c;
    }
  }
  return out;
}

std::vector<std::string> BranchPattern::environment_patterns() const {
  const std::string& text = text_;
  switch (star_) {
    case Star::none:
      return {text};
    case Star::alone:
      return {"*", "**/*"};
    case Star::first:
      return {"*" + text.substr(1), "**/*" + text.substr(1)};
    case Star::last: {
      const std::string prefix = text.substr(0, text.size() - 1);
      if (prefix.ends_with('/')) return {prefix + "*", prefix + "**/*"};
      return {prefix + "*", prefix + "*/**/*"};
    }
  }
  return {};
}

}  // namespace pca::deploy_policy
