#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/slug.hpp"

namespace pca {

inline constexpr std::size_t longest_hostname = 253;  // without the last dot

// Lower case labels with dots between them, each of at most 63 and all of at most 253.
[[nodiscard]] Result<> check_hostname(std::string_view name);

// What a template's {slug}, {project}, {customer} and {domain} stand for.
struct HostnameParts {
  std::string customer;
  std::string project;
  std::string slug;
  std::string domain;
};

// bad_input for another placeholder, for one that is not closed, and for a preview's template
// without {slug}: all previews would share one name.
[[nodiscard]] Result<> check_hostname_template(std::string_view text, bool is_preview);

// The template filled in; empty when a part that it names is empty.
[[nodiscard]] std::string fill_hostname(std::string_view text, const HostnameParts& parts);

// How many bytes {slug} may have so that its label is a legal one.
[[nodiscard]] std::size_t slug_room(std::string_view text, const HostnameParts& parts);

}  // namespace pca
