# What the run.sh of all recipes share; to be sourced. POSIX sh.
#
# A recipe is an action whose work is a script of ours on the host. Its run.sh checks the recipe's inputs, which are
# RECIPE_ in its environment, and tells all mistakes together before anything is contacted. Then it becomes tunnel-ssh,
# which reads the connection's INPUT_ and sends host.sh to the host by stdin, with the recipe's inputs in front of it. So
# they are in no command line, here or there, and a cancel reaches the host.

mistakes=0
line_break='
'

mistake() { # input, problem, cure; never a value: it may be a secret or hold a command for the runner
  mistakes=$((mistakes + 1))
  if [ "${GITHUB_ACTIONS:-}" = true ]; then
    printf '::error title=%s::%s: %s. %s\n' "$1" "$1" "$2" "$3"
  else
    printf 'error: %s: %s. %s\n' "$1" "$2" "$3" >&2
  fi
}

must_be_given() { # input, value
  [ -n "$2" ] || mistake "$1" "missing" "Give it in the step's with."
}

must_be_boolean() { # input, value
  case $2 in true | false) ;; *) mistake "$1" "neither true nor false" "Write one of them." ;; esac
}

# The duration in seconds, as the variable `seconds`.
read_duration() { # input, value
  seconds=0
  case $2 in
  *[0-9]s) factor=1 ;;
  *[0-9]m) factor=60 ;;
  *[0-9]h) factor=3600 ;;
  *) factor=0 ;;
  esac
  number=${2%?}
  case $number in '' | *[!0-9]* | ???????*) factor=0 ;; esac
  if [ "$factor" = 0 ]; then
    mistake "$1" "no duration" "Write 90s, 10m or 2h."
    return
  fi
  # Without leading zeros: those would make it octal.
  while [ "$number" != "${number#0}" ]; do number=${number#0}; done
  seconds=$((${number:-0} * factor))
  [ "$seconds" -gt 0 ] || mistake "$1" "no time at all" "Write 1s or more."
}

quote() { # value: as one word of sh
  printf "'"
  printf %s "$1" | sed "s/'/'\\\\''/g"
  printf "'"
}

# Ends with exit code 2 where there were mistakes. Else the script goes to the host, with the shell variables that are
# named here. The file has no name any more when the tool starts.
run_on_host() { # host.sh, variable...
  [ "$mistakes" = 0 ] || exit 2
  script=$(mktemp "${RUNNER_TEMP:-/tmp}/recipe.XXXXXX") || exit
  trap 'rm -f "$script"' EXIT
  host_script=$1
  shift
  {
    for name; do
      eval "value=\$$name"
      printf '%s=%s\n' "$name" "$(quote "$value")"
    done
    cat "$host_script"
  } >"$script" || exit
  exec <"$script"
  rm -f "$script"
  trap - EXIT
  export INPUT_SCRIPT_FILE=- INPUT_SHELL=sh INPUT_ERREXIT=false INPUT_PASS_EXIT_CODE=true
  exec "$PCA_BIN/tunnel-ssh" exec
}
