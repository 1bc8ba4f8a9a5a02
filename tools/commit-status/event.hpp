#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace pca::commit_status {

// Which commit an event is about, and whether its token may write. A value type.
struct Event {
  std::string name = {};        // GITHUB_EVENT_NAME
  std::string repository = {};  // GITHUB_REPOSITORY
  std::string actor = {};       // GITHUB_ACTOR
  std::string github_sha = {};  // GITHUB_SHA
  // From the event's JSON, where the event has them.
  std::string head_sha = {};
  std::string head_repository = {};  // of a pull request; empty when it is gone
};

// Whether a commit of this event has to be taken from its JSON.
[[nodiscard]] bool needs_payload(std::string_view event);

// Adds to `event` what its JSON says, which strangers wrote. bad_input when it is no JSON object,
// or the commit in it no text.
[[nodiscard]] Result<> read_payload(std::string_view json, Event& event);

// The commit that a status about this event belongs to: of a pull request its head, because
// GITHUB_SHA is a merge commit that nobody looks at. bad_input where the event has none.
[[nodiscard]] Result<std::string> commit_of(const Event& event);

// Why GitHub gives this event's GITHUB_TOKEN no right to write; empty when it may have it.
[[nodiscard]] std::string read_only_reason(const Event& event);

// 40 or 64 hex digits.
[[nodiscard]] bool is_full_sha(std::string_view text);

}  // namespace pca::commit_status
