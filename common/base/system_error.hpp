#pragma once

#include <string>

namespace pca {

// What the system says about an errno value, ready for the middle of a sentence: "connection
// refused".
[[nodiscard]] std::string errno_text(int error);

// Whether it says no more than that a call which never waits would have had to; to be called again.
[[nodiscard]] bool would_block(int error);

// Whether a connection that failed with this errno value may succeed a moment later.
[[nodiscard]] bool may_pass(int error);

}  // namespace pca
