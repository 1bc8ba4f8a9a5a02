#!/usr/bin/env bash
# A Docker Swarm of real Engines on this machine, in namespaces of its own: process IDs, mounts, network. Nothing of
# it is outside of them but FOLDER (sockets and logs) and empty control groups, and both go with it.
# usage: swarm.sh FOLDER NODES    as root. Writes "ready" when the swarm is up: the first node is its manager, and
#   FOLDER/N/docker.sock is the Engine of node N. It ends when stdin does, or whoever holds it.
#   REGISTRY=PROGRAM starts that docker-registry too, with app:v1 and app:v2 for the user deploy.
set -euo pipefail

folder=$(realpath "$1") nodes=$2 role=${3:-start}
parent=pca-swarm-$(basename "$(dirname "$folder")")
net=192.168.213

fail() {
  echo "failed: $1"
  tail -n 5 "$folder/errors" "$folder"/*/log 2>/dev/null || true
  exit 1
}

wait_until() { # what, command...
  local what=$1
  shift
  for _ in $(seq 300); do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.1
  done
  fail "$what did not happen"
}

api() { # node, method, path, [body]
  curl --silent --show-error --fail-with-body --max-time 60 --unix-socket "$folder/$1/docker.sock" --request "$2" \
    --header 'Content-Type: application/json' ${4+--data-binary "$4"} "http://docker/v1.40$3"
}

# An image of this machine's busybox and the libraries that it needs.
make_image() {
  local root=/run/image file
  mkdir -p $root/bin $root/tmp $root/etc $root/proc $root/dev $root/sys
  cp "$(command -v busybox)" $root/bin/busybox
  for file in $(ldd "$root/bin/busybox" 2>/dev/null | grep -o '/[^ ]*' || true); do
    mkdir -p "$root$(dirname "$file")"
    cp -L "$file" "$root$file"
  done
  for file in sh sleep httpd cat echo false true wget nc ls test; do ln -sf busybox $root/bin/$file; done
  tar -C $root -cf /run/image.tar .
}

# An authority, and a certificate of it for the Engines and one for whoever asks them.
make_certificates() {
  local tls=$folder/tls names node name
  names=$(for node in $(seq "$nodes"); do printf 'IP:%s.%s,' $net "$node"; done)
  mkdir -p "$tls"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=authority \
    -keyout "$tls/ca-key.pem" -out "$tls/ca.pem" 2>/dev/null
  for name in server client; do
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$name" \
      -keyout "$tls/$name-key.pem" -out "$tls/$name.csr" 2>/dev/null
    openssl x509 -req -in "$tls/$name.csr" -CA "$tls/ca.pem" -CAkey "$tls/ca-key.pem" -CAcreateserial -days 2 \
      -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\n' "${names%,}") -out "$tls/$name.pem" 2>/dev/null
  done
}

load_image() { # node
  for tag in v1 v2; do
    curl --silent --show-error --fail --max-time 60 --unix-socket "$folder/$1/docker.sock" --request POST --upload-file /run/image.tar \
      --header 'Content-Type: application/x-tar' "http://docker/v1.40/images/create?fromSrc=-&repo=app&tag=$tag&changes=LABEL%20v=$tag" >/dev/null
  done
}

# Pushes the images into it; no node keeps them under their names there.
start_registry() {
  local address=$net.254:5000 auth tag
  # bcrypt, the only kind that it takes.
  perl -e 'print "deploy:", crypt("open-sesame", q($2y$05$abcdefghijklmnopqrstuu)), "\n"' >/run/htpasswd
  printf '%s\n' 'version: 0.1' 'storage: {filesystem: {rootdirectory: /run/registry}}' \
    "http: {addr: '$address'}" 'auth: {htpasswd: {realm: tests, path: /run/htpasswd}}' >/run/registry.yml
  "$REGISTRY" serve /run/registry.yml >"$folder/registry.log" 2>&1 </dev/null &
  wait_until 'the start of the registry' curl --silent --max-time 5 "http://$address/v2/"
  auth=$(printf '{"username":"deploy","password":"open-sesame","serveraddress":"%s"}' "$address" | base64 -w 0)
  for tag in v1 v2; do
    api 1 POST "/images/app:$tag/tag?repo=$address/app&tag=$tag" || fail 'an image was not tagged'
    curl --silent --show-error --fail --max-time 60 --unix-socket "$folder/1/docker.sock" --request POST \
      --header "X-Registry-Auth: $auth" "http://docker/v1.40/images/$address/app/push?tag=$tag" >"$folder/push.log" ||
      fail 'an image was not pushed'
    if grep error "$folder/push.log"; then fail 'an image was not pushed'; fi
    api 1 DELETE "/images/$address/app:$tag" >/dev/null || fail 'an image stayed'
  done
}

add_node() { # number
  ip netns add "n$1"
  ip link add "v$1" type veth peer name eth0 netns "n$1"
  ip link set "v$1" master br0 up
  ip -n "n$1" addr add "$net.$1/24" dev eth0
  ip -n "n$1" link set eth0 up
  ip -n "n$1" link set lo up
  ip -n "n$1" route add default via $net.254
  mkdir -p "$folder/$1" "/run/nodes/$1"
  # nsenter, because "ip netns exec" hides the control groups. Where there is FOLDER/N/restart an Engine that ends is
  # started again, as a service manager does.
  nsenter --net="/run/netns/n$1" unshare --uts bash -c "hostname node$1; while dockerd --config-file /run/daemon.json \
    --data-root /run/nodes/$1/data --exec-root /run/nodes/$1/exec --pidfile /run/nodes/$1/pid --host 'unix://$folder/$1/docker.sock' \
    --host tcp://$net.$1:2376 --tlsverify --tlscacert '$folder/tls/ca.pem' --tlscert '$folder/tls/server.pem' --tlskey '$folder/tls/server-key.pem' \
    --cgroup-parent '/$parent' --insecure-registry $net.0/24; [ -e '$folder/$1/restart' ]; do :; done" >"$folder/$1/log" 2>&1 </dev/null &
}

all_ready() { [ "$(api 1 GET /nodes | grep -o '"State":"ready"' | wc -l)" = "$nodes" ]; }

# The first process of the namespaces: when it ends, all of them do.
inside() {
  mount --make-rprivate /
  mount -t tmpfs tmpfs /run
  mkdir -p /run/etc /run/netns
  cp -a /etc/. /run/etc
  mount --bind /run/etc /etc # the Engine writes there
  # Without it each look for an image waits for a name server.
  rm -f /etc/resolv.conf
  printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n' >/etc/resolv.conf
  echo '{}' >/run/daemon.json
  ip link set lo up
  ip link add br0 type bridge
  ip addr add $net.254/24 dev br0
  ip link set br0 up
  make_image
  make_certificates
  local node token
  for node in $(seq "$nodes"); do add_node "$node"; done
  for node in $(seq "$nodes"); do
    wait_until "the start of Engine $node" api "$node" GET /info
    load_image "$node" || fail "Engine $node did not take the image"
  done
  api 1 POST /swarm/init "{\"ListenAddr\":\"$net.1:2377\",\"AdvertiseAddr\":\"$net.1\"}" >/dev/null || fail "no swarm"
  [ -z "${REGISTRY:-}" ] || start_registry
  token=$(api 1 GET /swarm | grep -o '"Worker":"[^"]*"' | cut -d'"' -f4)
  for node in $(seq 2 "$nodes"); do
    api "$node" POST /swarm/join "{\"ListenAddr\":\"$net.$node:2377\",\"AdvertiseAddr\":\"$net.$node\",\"RemoteAddrs\":[\"$net.1:2377\"],\"JoinToken\":\"$token\"}" ||
      fail "node $node did not join"
  done
  wait_until "all nodes' readiness" all_ready
  echo ready
  # A shell takes leave of the dead that others left behind; an Engine waits for a containerd that is one of them.
  while :; do sleep 3600; done
}

# Outside of the namespaces and of the test's processes, so that it also cleans up behind a test that was killed.
keep() {
  unshare --pid --fork --kill-child --mount --mount-proc --net --uts "$0" "$folder" "$nodes" inside </dev/null 3<&- 2>"$folder/errors" &
  local namespaces=$! rest code
  # Until whoever asked for the swarm is gone, or it did not start.
  while kill -0 $namespaces 2>/dev/null; do
    code=0
    read -r -t 1 rest <&3 || code=$?
    [ $code != 1 ] || break # the end of stdin; a larger one is only the time
  done
  # Their first process, not what waits for it: it has ended when all the others have.
  pkill -KILL -P $namespaces 2>/dev/null || true
  wait $namespaces 2>/dev/null || true
  for _ in $(seq 50); do
    find /sys/fs/cgroup -depth -type d -path "*/$parent*" -exec rmdir {} + 2>/dev/null || true
    [ -n "$(find /sys/fs/cgroup -type d -name "$parent" -print -quit)" ] || break
    sleep 0.1
  done
  rm -rf "$folder"
}

case $role in
start)
  mkdir -p "$folder"
  exec 3<&0
  setsid "$0" "$folder" "$nodes" keep </dev/null &
  exec 3<&-
  wait
  ;;
keep) keep ;;
inside) inside ;;
esac
