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

# A file of the job with one JSON object or array, as the variable `json`; what is wrong in it the host says.
read_json() { # first character, last character, input, file
  json=
  if [ ! -f "$4" ] || [ ! -r "$4" ]; then
    mistake "$3" "no file that can be read" "Name a file of the job, below the folder it runs in."
  elif [ "$(wc -c <"$4")" -gt 1048576 ]; then
    mistake "$3" "more than 1 MiB" "Apply it in parts."
  else
    json=$(cat "$4")
    case $(printf %s "$json" | tr -d '[:space:]') in "$1"*"$2") ;; *)
      mistake "$3" "no JSON in the file that begins with $1 and ends with $2" "The README shows one."
      ;;
    esac
  fi
}

quote() { # value: as one word of sh
  printf "'"
  printf %s "$1" | sed "s/'/'\\\\''/g"
  printf "'"
}

# Where an HTTPS API is and what vouches for it, as the variables url, address and server_certificate.
read_server() { # the inputs url, address, server-certificate
  url=$1
  case $url in
  '') must_be_given url "" ;;
  https://*[!A-Za-z0-9.:_-]*) mistake url "not only a server's name" "Write it without a path: https://gateway.example.com" ;;
  https://?*) ;;
  *) mistake url "no https address" "Write it as https://gateway.example.com" ;;
  esac
  address=$2
  case $address in *[!A-Za-z0-9.:_-]*) mistake address "no address" "Write where the server is really found: 192.168.1.1" ;; esac
  case $address in *:*) address="[$address]" ;; esac
  server_certificate=$3
  case $server_certificate in
  '' | *'-----BEGIN CERTIFICATE-----'*'-----END CERTIFICATE-----'*) ;;
  *) mistake server-certificate "no PEM certificate" "It begins with -----BEGIN CERTIFICATE-----" ;;
  esac
}

must_be_api_key() { # input, value
  case $2 in
  '') must_be_given "$1" "" ;;
  *[!A-Za-z0-9+/=_.~-]*) mistake "$1" "holds what no API key does" "Copy it again, without blanks and quotes." ;;
  esac
}

# Ends with exit code 2 where there were mistakes. Else $script is a file with the shell variables that are named here
# and, behind them, on_host.sh and the files that are.
write_script() { # file..., --, variable...
  [ "$mistakes" = 0 ] || exit 2
  script=$(mktemp "${RUNNER_TEMP:-/tmp}/recipe.XXXXXX") || exit
  trap 'rm -f "$script"' EXIT
  files=$here/../on_host.sh$line_break
  while [ "$1" != -- ]; do
    files=$files$1$line_break
    shift
  done
  shift
  {
    for name; do
      eval "value=\$$name"
      printf '%s=%s\n' "$name" "$(quote "$value")"
    done
    printf %s "$files" | while IFS= read -r file; do cat "$file" || exit; done
  } >"$script" || exit
  # The file has no name any more when the tool starts.
  exec <"$script"
  rm -f "$script"
  trap - EXIT
}

run_on_host() { # file..., --, variable...
  write_script "$@"
  export INPUT_SCRIPT_FILE=- INPUT_SHELL=sh INPUT_ERREXIT=false INPUT_PASS_EXIT_CODE=true
  exec "$PCA_BIN/tunnel-ssh" exec
}

# The script is the candidate of a guarded change: called with validate, apply, verify (over a new connection) and, where
# it comes to that, revert, in a folder that only its user can read and that is gone afterwards. The revert has a session
# of its own: it ends what it began even if the connection does not last.
guard_on_host() { # file..., --, variable...
  write_script "$@"
  export INPUT_CANDIDATE=- INPUT_VALIDATE='sh "$CANDIDATE" validate' INPUT_APPLY='sh "$CANDIDATE" apply' \
    INPUT_HEALTH_COMMAND='sh "$CANDIDATE" verify' INPUT_REVERT='setsid --wait sh "$CANDIDATE" revert'
  exec "$PCA_BIN/tunnel-ssh" guard apply
}
