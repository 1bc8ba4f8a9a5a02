# The candidate of a guarded change, on a host that reaches the firewall's API, behind on_host.sh, https.sh and the
# variables that run.sh names. POSIX sh. Called with validate, apply, verify and revert: what one call finds out lies
# beside this file.

work=$(dirname -- "$0")
credentials="user = \"$api_key:$api_secret\""
most_of_rules=50

# In one line: guard tells the last one.
fail() { # exit code, what, what to do next
  printf '%s. %s\n' "$2" "$3" >&2
  exit "$1"
}

# The filter of OPNsense's rules in firewall/filter. A rule is known by its description, as in OPNsense's own examples.
call() { # method, path below the filter's, file with the JSON to send
  request "$1" "/api/firewall/filter/$2" "${3:-}"
}

fail_call() { # what
  fail "$(code_of_problem)" "$1: $(problem)" "$(cure_of_problem)"
}

answered() { # key
  jq -r --arg key "$1" 'if type == "object" then .[$key] // "" else "" end | tostring' "$work/answer" 2>/dev/null
}

# getRule tells all the values that a field may have; setRule takes the selected one.
as_set() { # file
  jq '{rule: (.rule | map_values(
    if type == "object" then [to_entries[] | select((.value | type) == "object" and .value.selected == 1) | .key] | join(",")
    elif type == "array" then join(",") else tostring end))}' "$work/answer" >"$1"
}

read_rules() {
  printf '%s\n' "$rules" >"$work/rules"
  count=$(jq 'length' "$work/rules" 2>"$work/problem") ||
    fail 1 "rules is no JSON: $(head -n 1 "$work/problem")" "Correct the file."
  jq -e --argjson most "$most_of_rules" 'length > 0 and length <= $most' "$work/rules" >/dev/null ||
    fail 1 "rules holds $count rules instead of 1 to $most_of_rules" "Apply them in parts."
  jq -e 'all(.[]; type == "object" and all(.[]; type == "string") and (.description // "") != "")' "$work/rules" >/dev/null ||
    fail 1 "not every rule is an object of texts with a description" \
      'Write {"description": "...", "enabled": "1", ...}, with the names and values that getRule tells.'
  jq -e '(map(.description) | unique | length) == length' "$work/rules" >/dev/null ||
    fail 1 "two rules have the same description" "It is what a rule is known by: give each its own."
}

description_of() { jq -r ".[$1].description" "$work/rules"; }
uuid_of() { cat "$work/uuid.$1" 2>/dev/null; }

# Its UUID is in $uuids, or those of several; nothing where there is none.
find_rule() { # description
  call GET "searchRule?current=1&rowCount=-1&searchPhrase=$(jq -rn --arg text "$1" '$text | @uri')" || return 1
  uuids=$(jq -r --arg name "$1" '.rows[] | select(.description == $name and .uuid != null) | .uuid' "$work/answer")
}

# What is there now, as setRule takes it back; and nothing for a rule that is new.
look_up() { # number
  name=$(description_of "$1")
  find_rule "$name" || fail_call "no rules are told"
  case $uuids in
  '') return 0 ;;
  *[!0-9a-fA-F-]*) fail 1 "more than one rule is called $name" "Give each its own description in OPNsense." ;;
  esac
  call GET "getRule/$uuids" || fail_call "$name is not told"
  as_set "$work/old.$1" || fail 1 "$name is told in another form than known" "Look at getRule of this OPNsense."
  printf '%s\n' "$uuids" >"$work/uuid.$1"
}

set_rule() { # number
  jq "{rule: .[$1]}" "$work/rules" >"$work/new"
  uuid=$(uuid_of "$1")
  call POST "${uuid:+setRule/}${uuid:-addRule}" "$work/new" || fail_call "$(description_of "$1") is not taken"
  [ "$(answered result)" = saved ] ||
    fail 1 "$(description_of "$1") is not taken: $(head -c 500 "$work/answer" | tr '\n' ' ')" "Correct the rule."
  if [ -z "$uuid" ]; then answered uuid >"$work/uuid.$1"; fi
}

# OPNsense 26.7 and later have no savepoints. Then only the guard on this host goes back.
make_savepoint() {
  revision=
  if call POST savepoint; then
    revision=$(answered revision)
    case $revision in '' | *[!0-9.]*) fail 1 "the savepoint has no revision" "Look at OPNsense's log." ;; esac
    printf '%s\n' "$revision" >"$work/revision"
    echo "savepoint $revision: OPNsense goes back by itself, too, 60 s after apply"
  elif [ "$status" = 404 ]; then
    echo 'this OPNsense has no savepoints: only the guard on this host goes back'
  else
    fail_call "no savepoint"
  fi
}

load_rules() { # revision to go back to
  call POST "apply${1:+/$1}" || fail_call "apply fails"
  case $(answered status) in [Oo][Kk]*) ;; *)
    fail 1 "apply fails: $(head -c 500 "$work/answer" | tr '\n' ' ')" "Look at OPNsense's log."
    ;;
  esac
}

each_rule() { # function
  number=0
  count=$(jq length "$work/rules") || return
  while [ "$number" -lt "$count" ]; do
    "$1" "$number" || return
    number=$((number + 1))
  done
}

# Nothing takes it back any more but the guard. Once only: OPNsense forgets the revision.
cancel_rollback() {
  if [ ! -e "$work/revision" ] || [ -e "$work/cancelled" ]; then return 0; fi
  call POST "cancelRollback/$(cat "$work/revision")" || fail_call "cancelRollback fails"
  : >"$work/cancelled"
}

is_as_asked_for() { # number
  call GET "getRule/$(uuid_of "$1")" && as_set "$work/now" || fail_call "$(description_of "$1") is gone"
  jq -e --slurpfile now "$work/now" ".[$1] | to_entries | all(\$now[0].rule[.key] == .value)" "$work/rules" >/dev/null ||
    fail 1 "$(description_of "$1") is not as asked for" "Somebody changed it, or OPNsense writes a value otherwise: compare with getRule."
}

# Goes on whatever fails: one rule more that is as before is better than none. A new rule is looked for by its
# description: apply may have been ended before it knew its UUID.
put_back() { # number
  if [ -e "$work/old.$1" ]; then
    call POST "setRule/$(uuid_of "$1")" "$work/old.$1" && [ "$(answered result)" = saved ] && return 0
  elif find_rule "$(description_of "$1")"; then
    if [ -z "$uuids" ]; then return 0; fi
    call POST "delRule/$uuids" && return 0
  fi
  echo "error: $(description_of "$1") is not put back: $(problem)" >&2
  failures=$((failures + 1))
}

case $1 in
validate)
  need_commands
  command -v setsid >/dev/null || fail 1 "there is no setsid command on the host" "This needs a Linux host beside the firewall."
  read_rules
  each_rule look_up
  ;;
apply)
  make_savepoint
  each_rule set_rule
  load_rules "$revision"
  echo "applied: $count rules"
  ;;
verify)
  run_command "$health_command" || fail 1 "the health command fails" "It ran on this host."
  cancel_rollback
  each_rule is_as_asked_for
  ;;
revert)
  failures=0
  each_rule put_back
  load_rules ""
  [ "$failures" = 0 ]
  ;;
esac
