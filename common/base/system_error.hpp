#pragma once

#include <string>
#include <string_view>

namespace pca {

// What the system says about an errno value, ready for the middle of a sentence: "connection
// refused".
[[nodiscard]] std::string errno_text(int error);

// Writes all of it, waiting out a full pipe whose other end made it non-blocking: 0, or the errno
// value that says why the rest could not be written.
[[nodiscard]] int write_all(int fd, std::string_view text);

// Whether it says no more than that a call which never waits would have had to; to be called again.
[[nodiscard]] bool would_block(int error);

// Whether a connection that failed with this errno value may succeed a moment later.
[[nodiscard]] bool may_pass(int error);

}  // namespace pca
