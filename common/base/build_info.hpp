#pragma once

#include <string_view>

namespace pca {

// What this executable was built from; fixed when the project is configured.
[[nodiscard]] std::string_view project_version();   // "1.2.3"
[[nodiscard]] std::string_view curl_revision();     // Debian's revision: "8.14.1-2+deb13u5"
[[nodiscard]] std::string_view libssh2_revision();  // "1.11.1-1+deb13u2"
[[nodiscard]] std::string_view openssl_revision();  // of libcrypto, as linked: "3.0.17"

}  // namespace pca
