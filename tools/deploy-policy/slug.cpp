#include "deploy-policy/slug.hpp"

#include <algorithm>

#include "base/digest.hpp"
#include "base/text.hpp"

namespace pca::deploy_policy {

namespace {

bool is_letter(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Lower case, with one "-" for each run of anything else, and none at the ends: so "xn--" cannot
// come about.
std::string cleaned(std::string_view branch) {
  std::string out;
  for (const char c : to_lower(branch)) {
    if (is_letter(c) || is_digit(c)) {
      out += c;
    } else if (!out.empty() && out.back() != '-') {
      out += '-';
    }
  }
  while (out.ends_with('-')) out.pop_back();
  if (out.empty()) return "b";
  return is_digit(out.front()) ? "b-" + out : out;
}

}  // namespace

std::string make_slug(std::string_view repository, std::string_view branch, std::size_t room) {
  std::string source(repository);
  source += '\0';
  source += branch;
  const std::string digest = to_hex(sha256(source)).substr(0, slug_digest);
  std::string out = cleaned(branch).substr(0, std::max(room, least_slug) - slug_digest - 1);
  while (out.ends_with('-')) out.pop_back();
  return out + "-" + digest;
}

bool is_slug(std::string_view text) {
  if (text.size() < least_slug || text.size() > 63 || !is_letter(text.front())) return false;
  if (text.find("--") != std::string_view::npos) return false;
  const std::string_view digest = text.substr(text.size() - slug_digest);
  const auto is_hex = [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); };
  const auto is_allowed = [](char c) { return is_letter(c) || is_digit(c) || c == '-'; };
  return text[text.size() - slug_digest - 1] == '-' &&
         std::all_of(digest.begin(), digest.end(), is_hex) &&
         std::all_of(text.begin(), text.end(), is_allowed);
}

}  // namespace pca::deploy_policy
