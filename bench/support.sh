# What the comparisons share; sourced by them. $work is their folder of temporary files, $bin has what was built.

free_port() {
  local port
  while port=$(shuf -i 20000-60000 -n 1) && (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
  echo "$port"
}

wait_for_port() { # port
  for _ in $(seq 100); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then return; fi
    sleep 0.05
  done
  echo "error: nothing listens on port $1; see $work" >&2
  exit 1
}

ready_field() { # file field
  for _ in $(seq 100); do
    [ -s "$1" ] && sed -n "s/.*\"$2\": *\"\([^\"]*\)\".*/\1/p" "$1" && return
    sleep 0.05
  done
  echo "error: the sandbox did not start; see $1" >&2
  exit 1
}

# What the next table has to show: our wall time or CPU is at most this part of a peer's.
targets=()
target() { targets+=("--target=$1,$2,$3"); } # wall or cpu, at most, peer

compare() { # title, then NAME=COMMAND...
  local title=$1
  printf '\n### %s\n\n' "$title"
  shift
  "$bin/measure" "$rounds" "${targets[@]}" "$@" | tee "$work/table"
  targets=()
  sed -n "s!^| \(wall\|cpu\): !| $title | \1: !p" "$work/table" >>"$work/verdicts"
}

# What ends each comparison; fails where a target is missed.
conclude() { # whose figures
  printf '\n## All targets\n\n| | %s / peer | is | at most | |\n|---|---|---|---|---|\n' "$1"
  cat "$work/verdicts"
  ! grep -q MISSED "$work/verdicts"
}
