#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/budget.hpp"
#include "cli/shell_script.hpp"

namespace pca::tunnel_ssh {

// What shall run on the hosts, the same on each.
struct ProgramSpec : ShellScript {
  std::string become = {};  // the user that sudo runs the shell as; empty = the one who logged in
};

// A program on its way to one host: `command` is the exec request, a launcher that any login shell
// understands (no quotes within its quotes, no backslash, no "!", no line break) and that shows
// nothing of the user's in the host's process list but the name to become. It reads `input` to the
// end before it runs any of it, and only when `token` is at both ends: neither a cut connection nor
// a login file that reads stdin can leave half a script running. Then it says on stdout
// "<token> started <process group> <shell>", on stderr "<token>", gives the script /dev/null as
// stdin and runs it. Anything said before that comes from login files.
struct RemoteProgram {
  std::string command;
  std::string input;   // may hold secrets: wipe() it when it was sent
  std::string token;   // random, no secret
  std::string become;  // as in its spec: who may end it
};
[[nodiscard]] RemoteProgram make_program(const ProgramSpec& spec, std::string token);

// Ends process group `group` on the host: TERM, KILL after `patience`, and looks whether anything
// but zombies is left, until `limit`. Prints "gone" or "alive".
[[nodiscard]] std::string reap_command(std::int64_t group, const std::string& become,
                                       Milliseconds patience, Milliseconds limit);
// Prints "PID (NAME)" for each process of the group or of the session it leads.
[[nodiscard]] std::string holders_command(std::int64_t group, const std::string& become);

}  // namespace pca::tunnel_ssh
