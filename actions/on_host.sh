# What the scripts of recipes share on the host, in front of each. POSIX sh.
set -u
export LC_ALL=C

pause=2        # seconds between two looks
is_lost=false  # an is_well that finds that waiting is of no use makes it true

fail() { # exit code, what, what to do next
  printf 'error: %s\n%s\n' "$2" "$3" >&2
  exit "$1"
}

ends_at() { # seconds from now
  echo $(($(date +%s) + $1))
}

# A command of the user's is in the environment of a shell of its own, never in its arguments.
run_command() { # command
  if [ -z "$1" ]; then return 0; fi
  command=$1 sh -e -c 'eval "$command"' </dev/null
}

# In the foreground, so that a cancel, which ends this process group, is not waited out.
limited() { # seconds, command...
  limit=$1
  shift
  timeout --foreground -k 5 "$limit" "$@"
}

run_health_command() {
  if [ -z "$health_command" ]; then return 0; fi
  command=$health_command timeout --foreground -k 5 60 sh -e -c 'eval "$command"' </dev/null
}

# Until is_well, which the script has, was true twice in a row: what was just started may end at once. Within
# $health_seconds; else $trouble says what is_well found.
wait_until_well() { # arguments of is_well
  deadline=$(ends_at "$health_seconds")
  good=0
  while :; do
    if is_well "$@"; then good=$((good + 1)); else good=0; fi
    if [ "$good" = 2 ]; then return 0; fi
    if [ "$is_lost" = true ] || [ "$(date +%s)" -ge "$deadline" ]; then return 1; fi
    sleep "$pause"
  done
}
