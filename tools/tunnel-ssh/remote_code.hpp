#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace pca::tunnel_ssh {

// Pieces of POSIX sh for blocks of a RemoteShell, and of what such blocks say.

// "name='value'" on a line.
[[nodiscard]] std::string assignment(const char* name, const std::string& value);
// " 'a' 'b'": to stand behind a command.
[[nodiscard]] std::string as_words(const std::vector<std::string>& items);
// Each ended by a NUL, for xargs -0 and for take_record().
[[nodiscard]] std::string as_records(const std::vector<std::string>& items);
// What stands before the next NUL, taken off `rest`; failed when there is none.
[[nodiscard]] Result<std::string_view> take_record(std::string_view& rest);

// The shell functions "apart CODE A B", which runs CODE in a session of its own that the end of the
// connection does not touch, with A and B as $1 and $2, and "end_of PID", which ends all of that
// session; an empty PID is none. $leader is that PID once there is a session: the substitution ends
// when CODE begins, because that lets go of its output.
inline constexpr std::string_view apart_functions = R"sh(
apart() {
  leader=$(setsid sh -c "exec >/dev/null; trap '' HUP; $1" sh "$2" "$3" </dev/null 2>/dev/null & echo $!)
}
end_of() { [ -z "$1" ] || kill -s TERM -- "-$1" 2>/dev/null; }
)sh";

}  // namespace pca::tunnel_ssh
