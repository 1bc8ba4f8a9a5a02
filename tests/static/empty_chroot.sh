#!/usr/bin/env bash
# The release executable in a chroot that holds only /etc/resolv.conf and /etc/hosts: names resolve, TLS
# verifies, a script runs on a real sshd through the edge. And with traps laid for what a static executable
# must never load: an NSS module and an OpenSSL provider of the host.
# Runs in namespaces of its own, which end every process with it.
# usage: empty_chroot.sh TUNNEL_SSH SANDBOX COMMIT_STATUS
set -euo pipefail

skip() {
  echo "SKIPPED: $1" >&2
  [ "${REQUIRE_E2E:-}" != 1 ] || exit 1
  exit 77
}

if [ "${inside_namespaces:-}" != yes ]; then
  [ "$(id -u)" = 0 ] || skip "a chroot needs root"
  unshare --net --mount --pid --fork true 2>/dev/null || skip "namespaces cannot be made here"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  inside_namespaces=yes work=$work unshare --net --mount --mount-proc --pid --fork --kill-child "$0" "$@"
  exit
fi

tool=$(realpath "$1") sandbox=$(realpath "$2") status=$(realpath "$3")
fail() {
  echo "FAILED: $1" >&2
  tail -n 20 "$work"/*.log >&2 || true
  exit 1
}
wait_until() { # what, command...
  local what=$1
  shift
  for _ in $(seq 100); do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.05
  done
  fail "$what did not happen"
}

ip link set lo up
cd "$work"

# A DNS server that knows one name, and an sshd behind an edge.
dnsmasq --keep-in-foreground --port=53 --listen-address=127.0.0.1 --bind-interfaces --no-resolv --no-hosts --conf-file=/dev/null \
  --user=root --pid-file= --address=/vm.example.test/127.0.0.1 --log-queries --log-facility="$work/dns.log" &
ssh-keygen -q -t ed25519 -N '' -f host
ssh-keygen -q -t ed25519 -N '' -f key
cat >sshd_config <<EOF
ListenAddress 127.0.0.1
Port 2222
HostKey $work/host
AuthorizedKeysFile $work/key.pub
PidFile none
StrictModes no
UsePAM no
SetEnv HOME=$work
EOF
mkdir -p /run/sshd
/usr/sbin/sshd -D -e -f sshd_config 2>sshd.log &
INPUT_CLIENT_SECRET=canary "$sandbox" edge --origin 127.0.0.1:2222 --ca-out "$work/ca.pem" --name vm.example.test --name hosts.example.test \
  --client-id id >ready 2>edge.log &
wait_until "the edge's start" test -s ready
wait_until "the DNS server's start" grep -q started dns.log
port=$(sed -n 's/.*"edge": *"127.0.0.1:\([0-9]*\)".*/\1/p' ready)

mkdir -p root/etc
echo 'nameserver 127.0.0.1' >root/etc/resolv.conf
echo '127.0.0.1 hosts.example.test' >root/etc/hosts
cp "$tool" root/tunnel-ssh
cp ca.pem root/ca.pem

# The connection's inputs come by environment, as in a workflow.
run() { # name, variables...
  local name=$1
  shift
  env -i PATH="$PATH" INPUT_HOST="root@$name" INPUT_VIA=access INPUT_ACCESS_PORT="$port" INPUT_ACCESS_CLIENT_ID=id INPUT_ACCESS_CLIENT_SECRET=canary \
    INPUT_KEY="$(cat key)" INPUT_KNOWN_HOSTS="$name $(cut -d' ' -f1,2 host.pub)" INPUT_COMMAND='echo ran on $((40 + 2))' "$@" \
    chroot root /tunnel-ssh exec >out 2>&1
}
runs() { # what, run's arguments
  local what=$1
  shift
  run "$@" || fail "$what: exit $? $(cat out)"
  grep -q 'ran on 42' out || fail "$what: the script's output is missing: $(cat out)"
  echo "good: $what"
}

runs "a name from the DNS server" vm.example.test SSL_CERT_FILE=/ca.pem
grep -q 'query\[A\] vm.example.test' dns.log || fail "the DNS server was never asked"
runs "a name from /etc/hosts" hosts.example.test SSL_CERT_FILE=/ca.pem
runs "CA certificates by the input access-ca" vm.example.test INPUT_ACCESS_CA=/ca.pem

"$sandbox" github --ca-out "$work/github-ca.pem" --name vm.example.test >github-ready 2>github.log &
wait_until "the GitHub's start" test -s github-ready
cp github-ca.pem root/github-ca.pem

mkdir root/certs
cp ca.pem "root/certs/$(openssl x509 -hash -noout -in ca.pem).0"
runs "CA certificates by SSL_CERT_DIR" vm.example.test SSL_CERT_DIR=/certs
runs "CA certificates by SSL_CERT_FILE beside an SSL_CERT_DIR that is not there" vm.example.test SSL_CERT_FILE=/ca.pem SSL_CERT_DIR=/no-certs
code=0
run vm.example.test SSL_CERT_FILE=/github-ca.pem SSL_CERT_DIR=/no-certs || code=$?
[ "$code" = 5 ] || fail "with another's CA certificate the exit code is $code instead of 5: $(cat out)"
grep -q 'now /github-ca.pem (without "/no-certs" of SSL_CERT_DIR, which cannot be read) is used' out ||
  fail "an SSL_CERT_DIR that is not there goes unsaid: $(cat out)"
echo "good: an SSL_CERT_DIR that is not there is told where it matters"
for place in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem \
  /etc/ssl/ca-bundle.pem /etc/ssl/cert.pem /usr/local/share/certs/ca-root-nss.crt "/etc/ssl/certs/$(openssl x509 -hash -noout -in ca.pem).0"; do
  mkdir -p "root$(dirname "$place")"
  cp ca.pem "root$place"
  runs "CA certificates at $place" vm.example.test
  rm -r "root$place"
done
cp "$status" root/commit-status
env -i PATH="$PATH" GITHUB_TOKEN=canary GITHUB_API_URL="https://vm.example.test:$(sed -n 's/.*"github": *"127.0.0.1:\([0-9]*\)".*/\1/p' github-ready)" \
  SSL_CERT_FILE=/github-ca.pem chroot root /commit-status status --state success --context test --repo acme/shop --sha "$(printf '%040d' 1)" >out 2>&1 ||
  fail "a status: exit $? $(cat out)"
echo "good: a status of a commit"

code=0
run vm.example.test || code=$?
[ "$code" = 5 ] || fail "without CA certificates the exit code is $code instead of 5: $(cat out)"
grep -q 'no CA certificates found' out && grep -q 'SSL_CERT_FILE' out || fail "the missing CA certificates are not explained: $(cat out)"
echo "good: without CA certificates it says where it looked and what to do"

# An NSS module that ends whoever loads it. A plain static program shows that the trap bites.
trap_module() { # exit code, file
  printf '__attribute__((constructor)) static void bite(void) { __asm__ volatile("syscall" : : "a"(231), "D"(%s)); }\n' "$1" >trap.c
  gcc -shared -fPIC -nostdlib -o "$2" trap.c
}
printf '#include <netdb.h>\nint main(void) { struct addrinfo *found; return getaddrinfo("vm.example.test", 0, 0, &found) != 0; }\n' >plain.c
gcc -static -o root/plain plain.c 2>/dev/null
mkdir -p "root/lib/$(gcc -print-multiarch)"
trap_module 99 "root/lib/$(gcc -print-multiarch)/libnss_trap.so.2"
echo 'hosts: trap files dns' >root/etc/nsswitch.conf
code=0
chroot root /plain || code=$?
[ "$code" = 99 ] || fail "the NSS trap does not bite a plain static program (exit $code), so it proves nothing"
runs "an NSS module of the host is never loaded" vm.example.test SSL_CERT_FILE=/ca.pem

# The same for an OpenSSL provider. A static program that reads OpenSSL's configuration, as every one does that
# does not decline it, shows that the trap bites.
trap_module 98 root/provider.so
printf '#include <openssl/crypto.h>\nint main(void) { return !OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, 0); }\n' >configured.c
gcc -static -o root/configured configured.c -lcrypto 2>/dev/null
cat >root/openssl.cnf <<EOF
openssl_conf = init
[init]
providers = providers
[providers]
trap = trap
[trap]
module = /provider.so
activate = 1
EOF
code=0
OPENSSL_CONF=/openssl.cnf chroot root /configured || code=$?
[ "$code" = 98 ] || fail "the OpenSSL trap does not bite a static program (exit $code), so it proves nothing"
runs "an OpenSSL provider of the host is never loaded" vm.example.test SSL_CERT_FILE=/ca.pem OPENSSL_CONF=/openssl.cnf
