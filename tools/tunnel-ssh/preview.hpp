#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "base/result.hpp"

namespace pca::tunnel_ssh {

// A branch's release beside the others of an application: a folder of releases of its own in
// previews/SLUG, with the file .deploy/preview that says whose it is.
struct Preview {
  std::string slug;
  std::string repository;
  std::string branch;
  std::string commit;    // of the release that is there; empty = none has been healthy yet
  std::string deployed;  // the last time, by the host's clock, RFC 3339 in UTC
  std::string expires;
  std::uint16_t port = 0;  // of its instance; 0 = none

  [[nodiscard]] bool is_of(std::string_view whose_repository, std::string_view whose_branch) const;
};
[[nodiscard]] Error no_preview(const std::string& host, const std::string& slug);
// What the host keeps of it and cannot tell by itself.
[[nodiscard]] Json label_of(const Preview& preview);
// Hostile text: failed when it is no label.
[[nodiscard]] Result<Preview> parse_label(std::string_view text);

// All previews that a host says it has, with its own idea of what is old.
struct Previews {
  std::string now;
  std::string long_ago;  // what was deployed before is old
  std::vector<Preview> all;
};
// What ReleaseFolder reads, exposed for its tests. Hostile text: what is no preview is left out.
[[nodiscard]] Result<Previews> parse_previews(std::string_view text);

// Which previews are to go. What is not given takes none.
struct ReapRules {
  std::string repository = {};             // whose previews these are about; empty = anybody's
  std::vector<std::string> slugs = {};     // these
  std::vector<std::string> branches = {};  // those of these branches
  std::vector<std::string> live = {};      // those of other branches than these
  bool expired = false;
  bool old = false;                     // those deployed before `long_ago`
  std::optional<std::size_t> cap = {};  // the oldest, until so many are left
};
struct Doomed {
  Preview preview;
  std::string why;
};
[[nodiscard]] std::vector<Doomed> choose_doomed(const Previews& previews, const ReapRules& rules);

}  // namespace pca::tunnel_ssh
