// Compiled by tests only, see CMakeLists.txt: with DROP it must not compile.
#include "base/result.hpp"

namespace pca {

Result<> may_fail();
Result<int> may_give();

Result<int> both() {
#ifdef DROP
  DROP();
#endif
  PCA_CHECK(may_fail());
  PCA_TRY(const int given, may_give());
  return given;
}

}  // namespace pca
