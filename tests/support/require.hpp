#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string_view>

namespace pca::test {

inline bool must_run_everything() {
  const char* value = std::getenv("REQUIRE_E2E");
  return value != nullptr && std::string_view(value) == "1";
}

}  // namespace pca::test

// Ends a test that this machine cannot run. `problem` is a std::string that says why, empty when it
// can. With REQUIRE_E2E=1 that is a failure, so that nothing is left out unseen.
#define PCA_REQUIRE(problem)                                                          \
  if (const std::string pca_problem = (problem); !pca_problem.empty()) {              \
    if (::pca::test::must_run_everything()) FAIL() << "REQUIRE_E2E: " << pca_problem; \
    GTEST_SKIP() << pca_problem;                                                      \
  }                                                                                   \
  static_cast<void>(0)
