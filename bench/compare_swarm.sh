#!/usr/bin/env bash
# swarm-deploy side by side with docker stack deploy, in one run: a real Engine, a real sshd, all in namespaces and on
# loopback. Prints Markdown tables. Needs root; takes about 20 minutes, nearly all of it the docker command's.
# Fails where a target is missed.
# usage: bash bench/compare_swarm.sh [SIZES]   default "1 10 30" services
set -euo pipefail
cd "$(dirname "$0")/.."

usage() { sed -n '2,5s/^# //p' bench/compare_swarm.sh; }
sizes=${1:-1 10 30}
case $sizes in
-h | --help) usage && exit 0 ;;
*[!0-9\ ]*) usage >&2 && exit 2 ;;
esac
common/cmake/prepare.sh packages build test bench >&2
[ -e build/bench/build.ninja ] || cmake --preset release -B build/bench -DPCA_BENCH=ON -DPCA_TESTS=OFF >&2
cmake --build build/bench --target swarm-deploy private-cloud-sandbox measure >&2
bin=$PWD/build/bench/bin
export PATH=$PATH:/usr/sbin:/sbin
cache=${PCA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/private-cloud-actions}
docker=$cache/docker-cli/usr/bin/docker
[ -x "$docker" ] || docker=$(command -v docker)

work=$(mktemp -d)
pids=()
cleanup() {
  exec 4>&- || true # the swarm ends with it
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
. bench/support.sh

start_swarm() {
  mkfifo "$work/hold"
  tests/support/swarm.sh "$work/swarm" 1 <"$work/hold" >"$work/swarm.ready" 2>"$work/swarm.log" &
  pids+=($!)
  exec 4>"$work/hold"
  for _ in $(seq 300); do
    if grep -q ready "$work/swarm.ready"; then break; fi
    sleep 0.1
  done
  grep -q ready "$work/swarm.ready" || { cat "$work/swarm.ready" "$work/swarm.log" >&2 && exit 1; }
  socket=$work/swarm/1/docker.sock
}

# The manager's sshd, behind a network of 40 ms.
start_host() {
  local port delay
  port=$(free_port)
  ssh-keygen -q -t ed25519 -N '' -f "$work/host"
  ssh-keygen -q -t ed25519 -N '' -f "$work/key"
  printf '%s\n' 'ListenAddress 127.0.0.1' "Port $port" "HostKey $work/host" "AuthorizedKeysFile $work/key.pub" 'PidFile none' \
    'StrictModes no' 'UsePAM no' "SetEnv HOME=$work DOCKER_HOST=unix://$socket" >"$work/sshd_config"
  mkdir -p /run/sshd
  "$(command -v sshd)" -D -e -f "$work/sshd_config" 2>"$work/sshd.log" &
  pids+=($!)
  wait_for_port "$port"
  "$bin/private-cloud-sandbox" delay --rtt 40ms --to "127.0.0.1:$port" >"$work/delay.ready" 2>"$work/delay.log" &
  pids+=($!)
  delay=$(ready_field "$work/delay.ready" delay)
  delay=${delay##*:}
  echo "[127.0.0.1]:$delay $(cut -d' ' -f1,2 "$work/host.pub")" >"$work/known_hosts"
  printf '%s\n' 'Host manager' 'HostName 127.0.0.1' "Port $delay" "User $(id -un)" "IdentityFile $work/key" \
    "UserKnownHostsFile $work/known_hosts" 'BatchMode yes' >"$work/ssh_config"
  mkdir "$work/bin"
  printf '#!/bin/sh\nexec %s -F %s "$@"\n' "$(command -v ssh)" "$work/ssh_config" >"$work/bin/ssh" # the docker command starts it
  chmod +x "$work/bin/ssh"
  by_ssh="--host $(id -un)@127.0.0.1:$delay --key-file $work/key --known-hosts-file $work/known_hosts"
}

stack_file() { # services
  echo 'services:'
  for i in $(seq "$1"); do
    printf '  s%s:\n    image: app:v1\n    command: [sleep, "100000"]\n    stop_grace_period: 100ms\n    deploy: {endpoint_mode: dnsrr}\n' "$i"
  done
}

# The settle time is left out, because it is waiting by choice. What the swarm itself needs: the docker command waits for nothing, and the tasks are looked at until all run.
cat >"$work/bare" <<'EOF'
#!/bin/sh
# docker socket file stack services
"$1" -H "unix://$2" stack deploy --detach=true --resolve-image=never -c "$3" "$4" >/dev/null 2>&1
until [ "$(curl --silent --unix-socket "$2" --get --data-urlencode "filters={\"label\":[\"com.docker.stack.namespace=$4\"],\"desired-state\":[\"running\"]}" \
  http://docker/v1.40/tasks | grep -o '"State":"running"' | wc -l)" -ge "$5" ]; do sleep 0.1; done
EOF
chmod +x "$work/bare"

remove_all() {
  "$docker" -H "unix://$socket" stack rm $("$docker" -H "unix://$socket" stack ls --format '{{.Name}}') >/dev/null 2>&1
  until [ -z "$(curl --silent --unix-socket "$socket" http://docker/v1.40/containers/json | tr -d '[]\n')" ]; do sleep 0.3; done
}

compare() { # title, [--target=...], NAME=COMMAND...
  local title=$1
  shift
  printf '\n### %s\n\n' "$title"
  "$bin/measure" 1 "$@" | tee "$work/table"
  sed -n "s!^| \(wall\|cpu\): !| $title | \1: !p" "$work/table" >>"$work/verdicts"
}

start_swarm
start_host
ours="$bin/swarm-deploy deploy --resolve-image never --settle 0s --timeout 10m --engine unix://$socket"
theirs="$docker -H unix://$socket stack deploy --resolve-image=never --detach=false"
over_ssh="PATH=$work/bin:\$PATH $docker -H ssh://manager stack deploy --resolve-image=never --detach=false"

new='$(date +%s%N)' # each command runs twice, the first time for the caches: each time another stack
for size in $sizes; do
  stack_file "$size" >"$work/$size.yml"
  file=$work/$size.yml
  large=() # what the docker command's way of waiting, one service after another, is measured by
  [ "$size" -lt 30 ] || large=(--target=wall,0.05,"docker stack deploy")
  compare "first deploy of $size services, until all run" --target=wall,1.3,"the swarm itself" "${large[@]/0.05/0.1}" \
    "swarm-deploy=$ours --stack ours$new --files $file >/dev/null 2>&1" \
    "the swarm itself=$work/bare $docker $socket $file bare$new $size" \
    "docker stack deploy=$theirs -c $file theirs$new >/dev/null 2>&1"
  remove_all
  compare "the same file again, $size services" --target=wall,0.05,"docker stack deploy" \
    "swarm-deploy=$ours --stack ours$size --files $file >/dev/null 2>&1" \
    "docker stack deploy=$theirs -c $file theirs$size >/dev/null 2>&1"
  compare "the same file again over SSH, 40 ms round trip, $size services" "${large[@]}" \
    "swarm-deploy=$ours $by_ssh --stack ours$size --files $file >/dev/null 2>&1" \
    "docker stack deploy=$over_ssh -c $file theirs$size >/dev/null 2>&1"
  remove_all
done

conclude swarm-deploy
