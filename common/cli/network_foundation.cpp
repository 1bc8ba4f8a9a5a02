#include "base/build_info.hpp"
#include "cli/foundation.hpp"
#include "net/tls.hpp"

namespace pca {

Foundation network_foundation() {
  return {early_init,
          {{"libcurl", std::string(curl_revision())},
           {"libssh2", std::string(libssh2_revision())},
           {"OpenSSL", std::string(openssl_revision())}}};
}

}  // namespace pca
