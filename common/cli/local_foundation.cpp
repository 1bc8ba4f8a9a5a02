#include "base/build_info.hpp"
#include "base/isolation.hpp"
#include "cli/foundation.hpp"

namespace pca {

Foundation local_foundation() {
  return {keep_host_modules_out, {{"OpenSSL", std::string(openssl_revision())}}};
}

}  // namespace pca
