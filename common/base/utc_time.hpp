#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace pca {

// A point in time, from 1970 to 9999, as people and APIs write it.
using UtcTime = std::chrono::sys_time<std::chrono::milliseconds>;
[[nodiscard]] UtcTime utc_now();

// "2026-01-31T12:00:00Z", with ".250" behind the seconds where they are not whole.
[[nodiscard]] std::string utc_text(UtcTime time);
// The same, with any offset ("+01:00") and any number of decimals, of which three count. The error
// (bad_input) shows the right spelling.
[[nodiscard]] Result<UtcTime> parse_utc(std::string_view text);

}  // namespace pca
