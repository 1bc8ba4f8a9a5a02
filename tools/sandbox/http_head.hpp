#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "sandbox/access_gate.hpp"

namespace pca::sandbox {

constexpr std::size_t request_head_limit = std::size_t{64} * 1024;

// A request's head at the front of what has come in, and how many bytes it took.
struct ParsedHead {
  RequestHead request;
  std::size_t size = 0;
};

// Nothing while the head is not complete. Errors: failed, for what is not HTTP or too long.
[[nodiscard]] Result<std::optional<ParsedHead>> parse_request_head(std::string_view bytes);

}  // namespace pca::sandbox
