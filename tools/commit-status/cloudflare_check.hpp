#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace pca::commit_status {

// The GitHub app by which Cloudflare Pages and Workers Builds tell of their builds. A check's name
// alone may be anybody's.
inline constexpr std::int64_t cloudflare_app = 85455;

// What the summary of such a check says; empty where it says nothing.
struct CloudflareBuild {
  std::string preview_url = {};  // of this very build
  std::string branch_url = {};   // of its branch's latest
  std::string version_id = {};
};

// Reads the summary's HTML table (Pages) or Markdown (Workers). Strangers may have written it: only
// https addresses on one of `hosts` or below are taken, without user, port, query or fragment.
[[nodiscard]] CloudflareBuild read_cloudflare_summary(std::string_view summary,
                                                      const std::vector<std::string>& hosts);

// The id of the deployment or build that a check's page is about: the UUID at the end of its
// address. Empty where there is none.
[[nodiscard]] std::string build_id_of(std::string_view details_url);

// A name under which previews may be, such as pages.dev.
[[nodiscard]] Result<> check_preview_host(std::string_view host);

}  // namespace pca::commit_status
