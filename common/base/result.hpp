#pragma once

#include <tl/expected.hpp>
#include <utility>

#include "base/error.hpp"

namespace pca {

// A value or what stood in its way: an Error, or what says more where somebody further up knows the
// rest. Results are never dropped silently.
template <typename T = void, typename E = Error>
class [[nodiscard]] Result : public tl::expected<T, E> {
 public:
  using tl::expected<T, E>::expected;
  Result(E error) : tl::expected<T, E>(tl::unexpect, std::move(error)) {}  // NOLINT
};

}  // namespace pca

// PCA_TRY(auto value, call()) gives the value of a Result or returns its Error to the caller.
// PCA_CHECK(call()) does the same for a Result<> whose value nobody needs.
#define PCA_CONCAT_INNER(a, b) a##b
#define PCA_CONCAT(a, b) PCA_CONCAT_INNER(a, b)
#define PCA_TRY_NAMED(result, target, expression) \
  auto result = (expression);                     \
  if (!result) return std::move(result).error();  \
  target = *std::move(result)
#define PCA_TRY(target, expression) \
  PCA_TRY_NAMED(PCA_CONCAT(pca_result_, __LINE__), target, expression)
#define PCA_CHECK(expression)                                                                 \
  do {                                                                                        \
    if (auto pca_checked = (expression); !pca_checked) return std::move(pca_checked).error(); \
  } while (false)
