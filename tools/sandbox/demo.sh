#!/usr/bin/env bash
# Shows the main job on this machine, with real components: a script runs on a real OpenSSH server behind a
# Cloudflare Access edge (the sandbox's), done by one static executable. Everything stays on loopback.
# usage: bash tools/sandbox/demo.sh
#   It takes nothing: it installs what is missing, builds, and shows it.
set -euo pipefail
cd "$(dirname "$0")/../.."

usage() { sed -n '2,5s/^# //p' tools/sandbox/demo.sh; }
case ${1:-} in
'') ;;
-h | --help) usage && exit 0 ;;
*) usage >&2 && exit 2 ;;
esac

common/cmake/prepare.sh packages build demo
common/cmake/prepare.sh build release tunnel-ssh private-cloud-sandbox
bin=$PWD/build/release/bin

work=$(mktemp -d)
pids=()
clean_up() {
  [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true
  wait
  rm -rf "$work"
}
trap clean_up EXIT

step=0
say() {
  step=$((step + 1))
  printf '\n--- %d. %s\n\n' "$step" "$1"
}
fail() { # what, a log
  printf 'error: %s\n' "$1" >&2
  sed 's/^/  /' "$2" >&2
  exit 1
}
wait_for() { # text, log, pid
  until grep -qs "$1" "$2"; do
    kill -0 "$3" 2>/dev/null || return 1
    sleep 0.05
  done
}

me=$(id -un)
name=vm1.localhost

make_keys() {
  ssh-keygen -q -t ed25519 -N '' -C host -f "$work/host"
  ssh-keygen -q -t ed25519 -N '' -C job -f "$work/key"
  # The host's line for known_hosts, as `tunnel-ssh pin` prints it.
  echo "$name $(cut -d' ' -f1,2 "$work/host.pub")" >"$work/known_hosts"
  head -c 24 /dev/urandom | od -An -vtx1 | tr -d ' \n' >"$work/token"
  printf 'expired-last-week' >"$work/wrong-token"
}

# sshd cannot say which free port it found, so it is given one after the other until it can listen.
start_sshd() {
  # Only with PAM does sshd let a root in by key whose password is locked, as Debian's installer leaves it.
  local pam=no sshd pid
  if [ "$(id -u)" = 0 ]; then
    mkdir -p /run/sshd
    ! grep -q '^root:!' /etc/shadow || pam=yes
  fi
  sshd=$(command -v sshd || echo /usr/sbin/sshd)
  for _ in 1 2 3 4 5; do
    sshd_port=$((20000 + RANDOM % 10000))
    cat >"$work/sshd_config" <<EOF
ListenAddress 127.0.0.1
Port $sshd_port
HostKey $work/host
AuthorizedKeysFile $work/key.pub
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UsePAM $pam
SetEnv HOME=$work
PidFile none
EOF
    : >"$work/sshd.log"
    "$sshd" -D -e -f "$work/sshd_config" 2>"$work/sshd.log" &
    pid=$!
    if wait_for 'Server listening' "$work/sshd.log" "$pid"; then
      pids+=("$pid")
      return
    fi
  done
  fail "sshd does not start" "$work/sshd.log"
}

start_edge() {
  "$bin/private-cloud-sandbox" edge --origin "127.0.0.1:$sshd_port" --name "$name" --ca-out "$work/ca.pem" \
    --client-id demo.access --client-secret-file "$work/token" --record "$work/record" >"$work/edge.ready" 2>"$work/edge.log" &
  pids+=($!)
  wait_for '"edge"' "$work/edge.ready" "$!" || fail "the edge does not start" "$work/edge.log"
  edge_port=$(sed -n 's/.*"edge":"127\.0\.0\.1:\([0-9]*\)".*/\1/p' "$work/edge.ready")
}

show_path() {
  cat <<EOF
    +--------------+  WebSocket over TLS   +------------------+      TCP       +-----------------+
    |  tunnel-ssh  | --------------------> |   Access edge    | -------------> |  sshd           |
    |  (the job)   |  service token        |  127.0.0.1:$edge_port |                |  127.0.0.1:$sshd_port |
    +--------------+                       +------------------+                +-----------------+
EOF
}

run_script() { # token file
  local command=("$bin/tunnel-ssh" exec --host "$me@$name" --via access --access-port "$edge_port" --access-ca "$work/ca.pem"
    --access-client-id demo.access --access-client-secret-file "$1" --key-file "$work/key" --known-hosts-file "$work/known_hosts"
    --script-file "$work/script.sh")
  printf '%q ' "${command[@]}" | sed "s|^$bin/|    \$ |; s|$work/||g; s| --| \\\\\n        --|g; s| \$|\n\n|"
  "${command[@]}"
}

cat >"$work/script.sh" <<'EOF'
echo "Hello from $(uname -n), as $(id -un), by bash $BASH_VERSION"
for part in images database web; do
  echo "updating $part"
done
EOF

make_keys
say "A real OpenSSH server starts: it stands for a VM of yours"
start_sshd
"$(command -v sshd || echo /usr/sbin/sshd)" -V 2>&1 | sed 's/^/    /' || true
echo "    host key: $(ssh-keygen -lf "$work/host.pub")"

say "An edge starts in front of it, which asks for a service token"
start_edge
show_path

say "This script runs on that server, through that edge"
sed 's/^/    | /' "$work/script.sh"
echo
run_script "$work/token"

say "What came by at the edge: one connection, and no message of more than 16384 bytes"
sed -n 's/.*"status":\([0-9]*\).*"bytes-up":\([0-9]*\),"bytes-down":\([0-9]*\).*"largest-message":\([0-9]*\).*"ended":"\([^"]*\)".*/    status \1, \2 bytes up, \3 bytes down, largest message \4, ended by: \5/p' "$work/record"

say "With a wrong token nothing reaches the server, and the error says why"
code=0
run_script "$work/wrong-token" || code=$?
printf '\n    exit code %d: identity or permission\n' "$code"
[ "$code" = 5 ] || fail "the exit code should be 5" "$work/edge.log"

say "Done: sshd, edge and keys are removed"
printf '    The same from a workflow: README.md, "Use it in a workflow".\n'
