#include "base/isolation.hpp"

#include <nss.h>
#include <openssl/crypto.h>

#include <initializer_list>

namespace pca {

void keep_host_modules_out() {
  // A static glibc that meets another glibc's NSS modules dies with SIGFPE, so none is ever loaded.
  for (const char* database :
       {"passwd", "group", "shadow", "gshadow", "initgroups", "services", "protocols", "networks",
        "netgroup", "aliases", "ethers", "rpc", "publickey"}) {
    __nss_configure_lookup(database, "files");
  }
  __nss_configure_lookup("hosts", "files dns");
  // The same for provider modules that the host's openssl.cnf may name.
  OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
}

}  // namespace pca
