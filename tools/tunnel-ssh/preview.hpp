#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "deploy/preview.hpp"

namespace pca::tunnel_ssh {

// A branch's release beside the others of an application: a folder of releases of its own in
// previews/SLUG, with the file .deploy/preview that says whose it is.

[[nodiscard]] Error no_preview(const std::string& host, const std::string& slug);
// Hostile text: failed when it is no label.
[[nodiscard]] Result<Preview> parse_label(std::string_view text);
// What ReleaseFolder reads, exposed for its tests: all that a host says it has. Hostile text: what
// is no preview is left out.
[[nodiscard]] Result<Previews> parse_previews(std::string_view text);

}  // namespace pca::tunnel_ssh
