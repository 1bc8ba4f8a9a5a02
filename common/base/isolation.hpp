#pragma once

namespace pca {

// To be called once, before anything is looked up, encrypted or connected (reading argv is not): in
// a static executable it keeps glibc from loading NSS modules of the host, and OpenSSL from loading
// its configuration; either may belong to another libc and crash the process. Names known only to
// mDNS or sssd do not resolve afterwards; files and DNS do.
void keep_host_modules_out();

}  // namespace pca
