#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/json.hpp"
#include "base/result.hpp"

namespace pca {

// The JSON of the event that started a run, the file of GITHUB_EVENT_PATH: strangers wrote parts of
// it. The greatest that GitHub sends has 25 MB.
inline constexpr std::uint64_t largest_event = std::uint64_t{32} * 1024 * 1024;

// An object; bad_input when it is none.
[[nodiscard]] Result<Json> parse_event(std::string_view json);
[[nodiscard]] Result<> check_event(const Json& event);

using EventPath = std::initializer_list<std::string_view>;  // {"pull_request", "head", "ref"}
// The text there: empty when a part of the path is absent or null; bad_input when it is of another
// kind, or unreasonably long.
[[nodiscard]] Result<std::string> event_text(const Json& event, EventPath path);
// bad_input when it is empty, too.
[[nodiscard]] Result<std::string> required_event_text(const Json& event, EventPath path);

}  // namespace pca
