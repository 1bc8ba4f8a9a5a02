# What recipes for HTTPS APIs share on the host, behind on_host.sh. POSIX sh, curl and jq.
#
# $url, $address and $server_certificate are the recipe's inputs, $credentials lines of curl's configuration, which curl
# reads by stdin. A host.sh makes the folder $work, which only its user can read.

request_limit=10 # seconds
most_of_an_answer=4194304

need_commands() {
  for need in curl jq; do
    command -v "$need" >/dev/null || fail 1 "there is no $need command on the host" "Install it there: apt-get install $need"
  done
}

# The server's code is in $status, its answer in $work/answer; 000 where there is none, and why in $work/problem.
request() { # method, path, file with the JSON to send
  # A part of it may come from an answer, and stands in curl's configuration.
  case $2 in *[!A-Za-z0-9/._~%?=\&-]*)
    status=000
    echo "it was to be asked for a path that no API has" >"$work/problem"
    return 1
    ;;
  esac
  printf '%s\n' "$server_certificate" >"$work/certificate"
  : >"$work/answer"
  status=$(
    {
      printf 'url = "%s%s"\nrequest = "%s"\n%s\n' "$url" "$2" "$1" "$credentials"
      if [ -n "$server_certificate" ]; then printf 'cacert = "%s"\n' "$work/certificate"; fi
      if [ -n "$address" ]; then printf 'connect-to = "::%s:"\n' "$address"; fi
      if [ -n "${3:-}" ]; then
        printf 'header = "Content-Type: application/json"\ndata-binary = "@%s"\n' "$3"
      elif [ "$1" != GET ]; then
        printf 'data = ""\n'
      fi
    } | curl -q --config - --silent --show-error --globoff --proto =https --max-time "$request_limit" \
      --max-filesize "$most_of_an_answer" --output "$work/answer" --write-out '%{http_code}' 2>"$work/problem"
  )
  case $status in 2*) return 0 ;; *) return 1 ;; esac
}

# Why the last request failed. What servers say may be long.
problem() {
  case $status in
  000) echo "no answer from $url: $(tail -n 1 "$work/problem")" ;;
  401 | 403) echo "$url refuses the API key (HTTP $status)" ;;
  *) echo "$url answers with HTTP $status: $(head -c 500 "$work/answer" | tr '\n' ' ')" ;;
  esac
}

cure_of_problem() {
  case $status in
  000) echo "Look whether the host reaches it, and whether the certificate is the one that it shows." ;;
  401 | 403) echo "Look whether the API key is right, and what its owner may do." ;;
  *) echo "Look at what it says, and at its log." ;;
  esac
}

code_of_problem() {
  case $status in 000) echo 6 ;; 401 | 403) echo 5 ;; *) echo 1 ;; esac
}
