# Runs on a host with the ceph command and an admin keyring, behind on_host.sh and the variables that run.sh names. POSIX sh.

one_command=120  # seconds: ceph waits for ever where no monitor answers

# What it prints is in $said.
ceph_says() { # arguments; the spec is its input
  said=$(printf '%s\n' "$spec" | timeout -k 5 "$one_command" ceph "$@" 2>&1)
}

is_allowed() { # code
  for allowed in $allow_warnings; do
    if [ "$1" = "$allowed" ]; then return 0; fi
  done
  return 1
}

# HEALTH_OK, or nothing but warnings that are allowed by name. Else $trouble says what is wrong. Muted checks have
# another beginning of their lines, and what this does not understand is not healthy.
is_healthy() {
  ceph_says health detail || {
    trouble="ceph health detail fails: $(printf '%s\n' "$said" | tail -n 3)"
    return 1
  }
  trouble=
  case $said in
  HEALTH_OK*) return 0 ;;
  HEALTH_WARN*) ;;
  *)
    trouble="ceph health detail says: $(printf '%s\n' "${said:-nothing}" | head -n 20)"
    return 1
    ;;
  esac
  codes=$(printf '%s\n' "$said" | sed -n 's/^\[[A-Z]*\] \([A-Z0-9_]*\): .*/\1/p')
  for code in $codes; do
    is_allowed "$code" || trouble="$trouble$(printf '%s\n' "$said" | grep "^\[[A-Z]*\] $code: ")
"
  done
  if printf '%s\n' "$said" | grep -q '^\[ERR\] '; then trouble=$said; fi
  [ -n "$codes" ] || trouble=$said
  [ -z "$trouble" ]
}

show_preview() {
  deadline=$(ends_at "$health_seconds")
  while :; do
    ceph_says orch apply -i - --dry-run || {
      printf '%s\n' "$said" >&2
      fail 1 "ceph does not take the specification; nothing was applied" "What it says stands above: correct the file."
    }
    # A preview of OSDs is made in the background.
    case $said in *'Preview data is being generated'*) ;; *) break ;; esac
    [ "$(date +%s)" -lt "$deadline" ] ||
      fail 6 "ceph still makes the preview; nothing was applied" "Try again later, or give health-timeout more time."
    sleep "$pause"
  done
  printf '%s\n' "$said"
}

# Specifications may hold keys and passwords: only this user can read the file.
keep_old_specs() {
  kept=${XDG_STATE_HOME:-$HOME/.local/state}/tunnel-ssh/ceph-apply/before.yaml
  (
    umask 077
    mkdir -p -- "$(dirname "$kept")" && timeout -k 5 "$one_command" ceph orch ls --export >"$kept.new" </dev/null &&
      mv -f -- "$kept.new" "$kept"
  ) || fail 1 "the specifications that hold now cannot be kept; nothing was applied" \
    "Look at ceph orch ls --export on the host, and whether there is room in $(dirname "$kept")."
}

# Whether each service runs as often as it is to: RUNNING is "2/3" until then, and has no second number where none is
# asked for (OSDs). Else $trouble says which does not.
is_settled() {
  trouble=
  for service in $scheduled; do
    ceph_says orch ls --service_name "$service" --refresh || {
      trouble="ceph orch ls fails: $(printf '%s\n' "$said" | tail -n 3)"
      return 1
    }
    running=$(printf '%s\n' "$said" | awk -v name="$service" '$1 == name {
      for (i = 2; i <= NF; ++i) if ($i ~ /^[0-9]+\/[0-9]+$/) { print $i; exit }
      print "all"; exit }')
    if [ "${running%/*}" != "${running#*/}" ] || [ -z "$running" ]; then
      trouble="$trouble$service: running ${running:-nowhere}
"
    fi
  done
  [ -z "$trouble" ]
}

is_well() { is_settled && is_healthy; }

command -v ceph >/dev/null || fail 1 "there is no ceph command on the host" \
  "Install ceph-common there (cephadm install ceph-common), or choose a host that has the label _admin."

is_healthy || {
  printf '%s\n' "$trouble" | sed '/^$/d' >&2
  fail 1 "the cluster is not healthy; nothing was applied" \
    "Repair it first, or name the warnings to go on with in allow-warnings."
}
show_preview
if [ "$dry_run" = true ]; then
  echo 'dry run: nothing was applied'
  exit 0
fi

keep_old_specs
ceph_says orch apply -i - || {
  printf '%s\n' "$said" >&2
  fail 4 "ceph orch apply failed: a part of the specification may be applied" \
    "Compare ceph orch ls --export with what held before, which is in $kept on the host."
}
printf '%s\n' "$said"
scheduled=$(printf '%s\n' "$said" | sed -n 's/^Scheduled \([A-Za-z0-9._-]*\) update\.\.\.$/\1/p')
wait_until_well || {
  printf '%s\n' "$trouble" | sed '/^$/d' >&2
  fail 4 "applied, but the cluster is not well within $health_seconds s" \
    "Look at ceph orch ps. What held before is in $kept on the host: never apply an old OSD specification unread."
}
echo 'applied: the services run as specified, and the cluster is healthy'
