#pragma once

#include <string_view>

namespace pca::tunnel_ssh {

// Shell functions for scripts on a host that run when nobody is there; $path is the folder of
// releases, $stop a command of the user's.
// run: a command of the user's in the current release. is_silent: whether nobody listens on a port.
// end_instance: ends the one on $PORT; what `stop` could not end must not listen any more, because
// its exit code alone tells little: the instance may have ended by itself.
inline constexpr std::string_view script_functions = R"sh(
run() {
  cd "$path/current" 2>/dev/null || cd "$path" || return
  RELEASE_HOOK=$2 timeout -k 5 "$1" sh -c 'eval "$RELEASE_HOOK"' </dev/null
}
is_silent() {
  [ -r /proc/net/tcp ] || return
  ! cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
    grep -q "^ *[0-9]*: [0-9A-F]*:$(printf %04X "$1") [0-9A-F]*:0000 0A "
}
end_instance() {
  run 60 "$stop" && return
  stopped=$?
  is_silent "$PORT" && return
  echo "stop ended with exit code $stopped, and port $PORT is still in use" >&2
  return 1
}
)sh";

}  // namespace pca::tunnel_ssh
