#include "tunnel-ssh/program.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace pca::tunnel_ssh {

namespace {

// The scripts below stand in single quotes on a line that a login shell reads, be it bash, dash,
// busybox, zsh, mksh, fish or csh. So they hold no single quote, no backslash (fish), no "!" and no
// line break (csh).

// $0 = reader, $1 = token, $2 = shell. Without a process group of its own (a login shell that does
// not exec, sudo without a terminal, dropbear) it makes one, so that it can be ended alone. The
// program comes on descriptor 3, so that login files cannot read it. bash would read ~/.bashrc once
// more for a child of sshd, which the login shell has done if it is to be read at all.
constexpr std::string_view launcher =
    "{ read -r _s </proc/$$/stat; } 2>/dev/null; _s=${_s##*) }; _s=${_s#* }; _s=${_s#* }; "
    "if [ \"${_s%% *}\" = $$ ]; then _w=; else _w=$(command -v setsid); fi; _c=$2; "
    "if [ $_c = auto ]; then if command -v bash >/dev/null; then _c=bash; else _c=sh; fi; fi; "
    "case $_c in login) _c=bash; _l=-l;; bash) _l=--norc;; *) _l=;; esac; "
    "exec $_w $_c $_l -c \"$0\" script \"$1\" 3<&0 </dev/null";

// $1 = token. Fields of /proc/PID/stat behind the name: state, parent, group (see proc(5)).
constexpr std::string_view reader =
    "_p=$(cat <&3); exec 3<&-; _t=$1; "
    "{ read -r _s </proc/$$/stat; } 2>/dev/null; set -- ${_s##*) }; _g=$3; "
    "[ \"$_g\" ] || _g=$(ps -o pgid= -p $$); "
    "case $_p in \"$_t\"*\"$_t\") ;; *) echo \"$_t incomplete\"; exit 1;; esac; "
    "echo \"$_t\" started $_g ${BASH_VERSION:+ba}sh; echo \"$_t\" >&2; "
    "_p=${_p#\"$_t\"}; _p=${_p%\"$_t\"}; set --; eval \"unset _p _t _s _g;$_p\"";

// $1 = group, $2 and $3 = patience and limit in hundredths of a second, as /proc/uptime counts.
// Where there is none the naps are counted instead; not every sleep knows tenths.
constexpr std::string_view reaper =
    "alive() { if [ -r /proc/self/stat ]; then for f in /proc/[0-9]*/stat; do "
    "{ read -r s <$f; } 2>/dev/null || continue; set -- ${s##*) }; "
    "case $1 in [ZX]*) continue;; esac; if [ \"$3\" = $g ]; then return 0; fi; done; return 1; fi; "
    "kill -0 -$g; }; "
    "nap() { if sleep 0.1; then u=$((u+10)); else sleep 1; u=$((u+100)); fi; }; "
    "clock() { if read -r s x </proc/uptime; then u=${s%.*}${s#*.}; fi; }; "
    "g=$1; u=0; clock 2>/dev/null; b=$u; kill -TERM -$g; "
    "while alive; do if [ $((u-b)) -ge $2 ]; then kill -KILL -$g; fi; "
    "if [ $((u-b)) -ge $3 ]; then echo alive; exit 1; fi; nap; clock; "
    "done 2>/dev/null; echo gone";

// $1 = group.
constexpr std::string_view holders =
    "g=$1; for f in /proc/[0-9]*/stat; do { read -r s <$f; } 2>/dev/null || continue; "
    "set -- ${s##*) }; case $1 in [ZX]*) continue;; esac; "
    "if [ \"$3\" = $g ] || [ \"$4\" = $g ]; then echo \"${s%)*})\"; fi; done";

std::string sudo(const std::string& user) {
  return user.empty() ? std::string() : fmt::format("sudo -n -u {} -- ", shell_quote(user));
}

std::int64_t hundredths(Milliseconds value) { return value.count() / 10; }

}  // namespace

RemoteProgram make_program(const ProgramSpec& spec, std::string token) {
  RemoteProgram program;
  program.become = spec.become;
  program.command = fmt::format("{}sh -c '{}' '{}' {} {}", sudo(spec.become), launcher, reader,
                                token, shell_word(spec.shell));
  std::string before = prelude_of(spec);
  program.input.reserve(before.size() + spec.script.size() + 2 * token.size() + 1);
  program.input = token;
  program.input += before;
  program.input += spec.script;
  program.input += '\n';
  program.input += token;
  program.token = std::move(token);
  wipe(before);
  return program;
}

std::string reap_command(std::int64_t group, const std::string& become, Milliseconds patience,
                         Milliseconds limit) {
  return fmt::format("{}sh -c '{}' tunnel-ssh {} {} {}", sudo(become), reaper, group,
                     hundredths(patience), hundredths(limit));
}

std::string holders_command(std::int64_t group, const std::string& become) {
  return fmt::format("{}sh -c '{}' tunnel-ssh {}", sudo(become), holders, group);
}

}  // namespace pca::tunnel_ssh
