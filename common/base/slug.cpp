#include "base/slug.hpp"

#include <algorithm>

#include "base/digest.hpp"
#include "base/text.hpp"

namespace pca {

namespace {

constexpr std::size_t digest_size = 8;
constexpr std::size_t least_room = digest_size + 2;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return c >= 'a' && c <= 'z'; }

// Letters and digits, with single dashes between them.
std::string cleaned(std::string_view branch) {
  std::string clean;
  for (const char c : to_lower(branch)) {
    if (is_letter(c) || is_digit(c)) {
      clean += c;
    } else if (!clean.empty() && clean.back() != '-') {
      clean += '-';
    }
  }
  if (clean.ends_with('-')) clean.pop_back();
  if (!clean.empty() && is_digit(clean.front())) clean.insert(0, "b-");
  return clean;
}

}  // namespace

std::string slug_digest(std::string_view repository, std::string_view branch) {
  std::string whole(repository);
  (whole += '\0') += branch;
  return to_hex(sha256(whole)).substr(0, digest_size);
}

Result<std::string> make_slug(std::string_view repository, std::string_view branch,
                              std::size_t room) {
  if (room < least_room) {
    return bad_input("there is room for " + std::to_string(room) + " characters of a slug only",
                     "It needs 10: shorten what stands around it.");
  }
  std::string name = cleaned(branch).substr(0, room - digest_size - 1);
  while (name.ends_with('-')) name.pop_back();
  if (name.empty()) name = "b";
  return name + "-" + slug_digest(repository, branch);
}

bool is_slug(std::string_view text) {
  if (text.size() < least_room || text.size() > longest_label || !is_letter(text.front()) ||
      text.find("--") != std::string_view::npos) {
    return false;
  }
  const std::string_view digest = text.substr(text.size() - digest_size);
  return text[text.size() - digest_size - 1] == '-' &&
         digest.find_first_not_of("0123456789abcdef") == std::string_view::npos &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_letter(c) || is_digit(c) || c == '-'; });
}

}  // namespace pca
