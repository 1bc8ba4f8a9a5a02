#!/usr/bin/env bash
# Side by side with what people use today, in one run: OpenSSH directly and, where it is on PATH,
# OpenSSH through cloudflared. Real sshd, the sandbox's edge, all on loopback. Prints Markdown tables. Then compare_github.sh.
# Fails where a target is missed.
# usage: bash bench/compare.sh [ROUNDS]   default 7
set -euo pipefail
cd "$(dirname "$0")/.."

usage() { sed -n '2,5s/^# //p' bench/compare.sh; }
rounds=${1:-7}
case $rounds in
-h | --help) usage && exit 0 ;;
0 | *[!0-9]*) usage >&2 && exit 2 ;;
esac
common/cmake/prepare.sh packages build test bench >&2
[ -e build/bench/build.ninja ] || cmake --preset release -B build/bench -DPCA_BENCH=ON -DPCA_TESTS=OFF >&2
cmake --build build/bench >&2
bin=$PWD/build/bench/bin

work=$(mktemp -d)
pids=()
cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work" "${store:-$work}"
}
trap cleanup EXIT
. bench/support.sh

make_keys() {
  mkdir "$work/home" # no login files: they are not what is measured
  ssh-keygen -q -t ed25519 -N '' -f "$work/host"
  ssh-keygen -q -t ed25519 -N '' -f "$work/key"
}

# Ten hosts, 127.0.0.1 to 127.0.0.10: one sshd takes no more than 16 addresses.
start_sshd() { # sets sshd_port
  sshd_port=$(free_port)
  cat >"$work/sshd_config.$sshd_port" <<EOF
$(printf 'ListenAddress 127.0.0.%s\n' {1..10})
Port $sshd_port
HostKey $work/host
AuthorizedKeysFile $work/key.pub
PidFile none
StrictModes no
UsePAM no
SetEnv HOME=$work/home
MaxStartups 100
MaxSessions 100
Subsystem sftp internal-sftp
EOF
  [ "$(id -u)" != 0 ] || mkdir -p /run/sshd
  "$(command -v sshd || echo /usr/sbin/sshd)" -D -e -f "$work/sshd_config.$sshd_port" 2>"$work/sshd.log" &
  pids+=($!)
  wait_for_port "$sshd_port"
  for i in {1..10}; do
    know_host "$sshd_port" "127.0.0.$i"
    hosts+=("127.0.0.$i:$sshd_port")
  done
}

start_edge() { # name [options]: sets edge_port
  local name=$1
  shift
  INPUT_CLIENT_SECRET=bench-secret "$bin/private-cloud-sandbox" edge --origin "127.0.0.1:$sshd_port" --ca-out "$work/$name.pem" \
    --client-id bench "$@" >"$work/$name.ready" 2>"$work/$name.log" &
  pids+=($!)
  edge_port=$(ready_field "$work/$name.ready" edge)
  edge_port=${edge_port##*:}
}

start_delay() { # rtt: sets delay_port
  "$bin/private-cloud-sandbox" delay --rtt "$1" --to "127.0.0.1:$sshd_port" >"$work/delay-$1.ready" 2>"$work/delay-$1.log" &
  pids+=($!)
  delay_port=$(ready_field "$work/delay-$1.ready" delay)
  delay_port=${delay_port##*:}
}

know_host() { # port [address]
  echo "[${2:-127.0.0.1}]:$1 $(cut -d' ' -f1,2 "$work/host.pub")" >>"$work/known_hosts"
}

me=$(id -un)
ours() { # port: the connection inputs of a direct connection
  echo "--user $me --key-file $work/key --known-hosts-file $work/known_hosts --host 127.0.0.1:$1"
}
theirs() { # port: the same for ssh
  echo "-F none -i $work/key -o UserKnownHostsFile=$work/known_hosts -o BatchMode=yes -p $1 $me@127.0.0.1"
}
through() { # edge name, edge port
  echo "--via access --access-hostname localhost --access-port $2 --access-ca $work/$1.pem --access-client-id bench --access-client-secret-file $work/secret"
}
cloudflared_proxy() { # edge name, edge port
  echo "-o 'ProxyCommand=SSL_CERT_FILE=$work/$1.pem TUNNEL_SERVICE_TOKEN_ID=bench TUNNEL_SERVICE_TOKEN_SECRET=bench-secret cloudflared access ssh --hostname localhost:$2'"
}
peer() { command -v cloudflared >/dev/null; }

verdict() { # title, what, figure, at most: of a figure that is not a ratio
  awk -v title="$1" -v what="$2" -v figure="$3" -v most="$4" \
    'BEGIN {printf "| %s | %s | %s | %s | %s |\n", title, what, figure, most, figure + 0 <= most + 0 ? "met" : "MISSED"}' >>"$work/verdicts"
}

# The least of three, because whatever else the machine does only adds.
milliseconds_of() { # command
  local least=999999 start took
  for _ in 1 2 3; do
    start=$(date +%s%N)
    sh -c "$1"
    took=$((($(date +%s%N) - start) / 1000000))
    [ "$took" -ge "$least" ] || least=$took
  done
  echo "$least"
}

# How often a command waits for the other side: what a delay adds, divided by the delay. One is TCP's own.
trips_row() { # name, command without delay, the same through a delay of trip_ms, the most it may be
  local near far trips
  near=$(milliseconds_of "$2")
  far=$(milliseconds_of "$3")
  trips=$(awk -v added=$((far - near)) -v trip="$trip_ms" 'BEGIN {printf "%.1f", added / trip - 1}')
  echo "| $1 | $trips |"
  [ -z "${4:-}" ] || verdict "round trips" "$1" "$trips" "$4"
}

printf 'bench-secret' >"$work/secret"
: >"$work/known_hosts"
hosts=()
make_keys
start_sshd
start_sshd
start_delay 50ms
know_host "$delay_port"
near_delay_port=$delay_port
trip_ms=500 # so long that scheduling does not count
start_delay "${trip_ms}ms"
know_host "$delay_port"
start_edge near
near_port=$edge_port
start_edge far --rtt 50ms
far_port=$edge_port

exec_rows() { # title, direct port, edge name, edge port, the most of the peer's time
  compare "exec of true, $1" "tunnel-ssh=$bin/tunnel-ssh exec $(ours "$2") --command true >/dev/null" "ssh=ssh $(theirs "$2") true"
  local rows=("tunnel-ssh, edge=$bin/tunnel-ssh exec $(ours "$sshd_port") $(through "$3" "$4") --command true >/dev/null"
    "ssh, direct=ssh $(theirs "$2") true")
  if peer; then rows+=("ssh + cloudflared, edge=ssh $(cloudflared_proxy "$3" "$4") $(theirs "$sshd_port") true"); fi
  target wall "$5" "ssh + cloudflared, edge"
  compare "exec of true through the edge, $1" "${rows[@]}"
}

bulk_rows() { # title, what to do with ssh's arguments %s
  local row=$2 stdio="-o 'ProxyCommand=$bin/tunnel-ssh stdio $(through near "$near_port") 127.0.0.1 $sshd_port'"
  local rows=("ssh + tunnel-ssh stdio=${row//%s/ssh $stdio $(theirs "$sshd_port")}"
    "ssh, direct=${row//%s/ssh $(theirs "$sshd_port")}")
  if peer; then rows+=("ssh + cloudflared=${row//%s/ssh $(cloudflared_proxy near "$near_port") $(theirs "$sshd_port")}"); fi
  target cpu 0.7 "ssh + cloudflared"
  target wall 0.909 "ssh + cloudflared" # 1.1 times the throughput
  compare "$1" "${rows[@]}"
}

echo "On $(date -u +%F), $(nproc) cores, load average $(cut -d' ' -f1 /proc/loadavg)."
echo
echo "## tunnel-ssh beside its peers, $rounds rounds, medians; ratios pair by pair against the first row"
exec_rows "no delay" "$sshd_port" near "$near_port" 0.8
exec_rows "50 ms round trip" "$near_delay_port" far "$far_port" 0.9

printf '\n### Round trips of one exec, the TCP handshake apart\n\n| | trips |\n|---|---|\n'
trips_row "tunnel-ssh, direct" "$bin/tunnel-ssh exec $(ours "$sshd_port") --command true >/dev/null" "$bin/tunnel-ssh exec $(ours "$delay_port") --command true >/dev/null" 7
trips_row "ssh, direct" "ssh $(theirs "$sshd_port") true" "ssh $(theirs "$delay_port") true"

compare "five execs one after the other" \
  "tunnel-ssh=for i in 1 2 3 4 5; do $bin/tunnel-ssh exec $(ours "$sshd_port") --command true >/dev/null || exit 1; done" \
  "ssh=for i in 1 2 3 4 5; do ssh $(theirs "$sshd_port") true || exit 1; done"

# Each with the login, all five and the goodbye.
mux="-o ControlPath=$work/mux"
target wall 1 "ssh ControlMaster"
compare "five execs in a job with a session" \
  "tunnel-ssh session=export RUNNER_TEMP=$work; $bin/tunnel-ssh session open $(ours "$sshd_port") >/dev/null && for i in 1 2 3 4 5; do $bin/tunnel-ssh exec $(ours "$sshd_port") --command true >/dev/null || exit 1; done && $bin/tunnel-ssh session close >/dev/null" \
  "ssh ControlMaster=ssh -o ControlMaster=yes -fN $mux $(theirs "$sshd_port") && for i in 1 2 3 4 5; do ssh $mux $(theirs "$sshd_port") true || exit 1; done && ssh $mux -O exit $(theirs "$sshd_port") 2>/dev/null"
target wall 1 "ssh ControlMaster"
compare "five execs in a job with a session, 50 ms round trip" \
  "tunnel-ssh session=export RUNNER_TEMP=$work; $bin/tunnel-ssh session open $(ours "$near_delay_port") >/dev/null && for i in 1 2 3 4 5; do $bin/tunnel-ssh exec $(ours "$near_delay_port") --command true >/dev/null || exit 1; done && $bin/tunnel-ssh session close >/dev/null" \
  "ssh ControlMaster=ssh -o ControlMaster=yes -fN $mux $(theirs "$near_delay_port") && for i in 1 2 3 4 5; do ssh $mux $(theirs "$near_delay_port") true || exit 1; done && ssh $mux -O exit $(theirs "$near_delay_port") 2>/dev/null"

compare "20 hosts" \
  "tunnel-ssh=$bin/tunnel-ssh exec $(ours "$sshd_port" | sed 's/--host .*//') $(printf -- '--host %s ' "${hosts[@]}") --command true >/dev/null" \
  "ssh, 16 at once=printf '%s\n' ${hosts[*]} | xargs -P 16 -I{} ssh -F none -i $work/key -o UserKnownHostsFile=$work/known_hosts -o BatchMode=yes ssh://$me@{} true"

head -c 268435456 /dev/urandom >"$work/blob"
bulk_rows "256 MiB up through the edge" "%s 'cat >/dev/null' <$work/blob"
bulk_rows "256 MiB down through the edge" "%s 'cat $work/blob' >/dev/null"
head -c 199333259 "$work/blob" | base64 --wrap 100 >"$work/text" # a build log is lines, not zeros
compare "256 MiB of text down by exec" \
  "tunnel-ssh exec, edge=$bin/tunnel-ssh exec $(ours "$sshd_port") $(through near "$near_port") --capture none --command 'cat $work/text' >/dev/null" \
  "ssh, direct=ssh $(theirs "$sshd_port") 'cat $work/text' >/dev/null"

# 5,000 files of code-like text in 100 folders, 30 MiB, sizes as in real trees: many small, few large.
make_tree() { # folder
  local folder
  for folder in $(seq -w 0 99); do mkdir -p "$1/folder-$folder"; done
  awk -v root="$1" 'BEGIN {
    srand(7)
    for (n = 0; n < 5000; n++) {
      file = sprintf("%s/folder-%02d/module-%d.js", root, n / 50, n)
      left = -log(1 - rand()) * 6290
      do {
        line = sprintf("  const value%d = await load(\"%d\", options.%c);", rand() * 100, rand() * 10000, 97 + rand() * 26)
        print line >file
        left -= length(line) + 1
      } while (left > 0)
      close(file)
    }
  }'
}
# In memory: sync waits for the disk, its peers do not.
store=$work/store
if [ -w /dev/shm ]; then store=$(mktemp -d -p /dev/shm); fi
mkdir -p "$store/fresh"
make_tree "$store/tree"
change_ten="for i in 0 1 2 3 4 5 6 7 8 9; do date +%N >>$store/tree/folder-\${i}0/module-\$((i * 500)).js; done"
sync_to() { # what it goes to, port
  echo "$bin/tunnel-ssh sync $(ours "$2") --upload \"$1\" >/dev/null"
}
ssh_for_rsync="ssh -F none -i $work/key -o UserKnownHostsFile=$work/known_hosts -o BatchMode=yes -p"

target wall 1.1 "tar to tar by ssh"
target wall 0.8 "rsync -a"
compare "5,000 files, 30 MiB, into a new folder" \
  "tunnel-ssh sync=to=$store/fresh/\$(date +%N); $(sync_to "$store/tree -> \$to" "$sshd_port")" \
  "tar to tar by ssh=to=$store/fresh/\$(date +%N); tar -cf - -C $store/tree . | ssh $(theirs "$sshd_port") \"mkdir \$to && tar -xf - -C \$to\"" \
  "rsync -a=rsync -a -e '$ssh_for_rsync $sshd_port' $store/tree/ $me@127.0.0.1:$store/fresh/\$(date +%N)/"
rm -rf "$store/fresh"
sh -c "$(sync_to "$store/tree -> $store/mine" "$sshd_port")"
rsync -a -e "$ssh_for_rsync $sshd_port" "$store/tree/" "$me@127.0.0.1:$store/theirs/"
target wall 0.8 "rsync -a"
compare "10 of them changed (sync never looks at our times, rsync may trust them)" \
  "tunnel-ssh sync=$change_ten; $(sync_to "$store/tree -> $store/mine" "$sshd_port")" \
  "rsync -a=$change_ten; rsync -a -e '$ssh_for_rsync $sshd_port' $store/tree/ $me@127.0.0.1:$store/theirs/"
head -c 67108864 "$work/blob" >"$work/64m"
target wall 0.5 scp
compare "64 MiB at 50 ms round trip" \
  "tunnel-ssh sync=rm -f $store/there; $(sync_to "$work/64m -> $store/there" "$near_delay_port")" \
  "scp=scp -q -F none -i $work/key -o UserKnownHostsFile=$work/known_hosts -o BatchMode=yes -P $near_delay_port $work/64m $me@127.0.0.1:$store/there2"
printf '\n### Round trips of one 1 KiB file that is new, the TCP handshake apart\n\n| | trips |\n|---|---|\n'
head -c 1024 "$work/blob" >"$work/1k"
one() { echo "rm -f $store/there; $(sync_to "$work/1k -> $store/there" "$1")"; }
trips_row "tunnel-ssh sync" "$(one "$sshd_port")" "$(one "$delay_port")" 8
trips_row "scp" "scp -q -F none -i $work/key -o UserKnownHostsFile=$work/known_hosts -P $sshd_port $work/1k $me@127.0.0.1:$store/there2" \
  "scp -q -F none -i $work/key -o UserKnownHostsFile=$work/known_hosts -P $delay_port $work/1k $me@127.0.0.1:$store/there2"

compare "start-up" "tunnel-ssh --version=$bin/tunnel-ssh --version >/dev/null" "ssh -V=ssh -V 2>/dev/null" "true=true"
printf '\n### Size\n\n| executable | bytes |\n|---|---|\n'
for file in "$bin/tunnel-ssh" "$(command -v ssh)"; do printf '| %s | %s |\n' "$(basename "$file")" "$(stat -c %s "$file")"; done
verdict "size" "tunnel-ssh, bytes" "$(stat -c %s "$bin/tunnel-ssh")" 8000000
printf '\n### Micro benchmarks\n\n```\n'
tunnel_cost=met
"$bin/access_tunnel_bench" 2>/dev/null || tunnel_cost=MISSED
echo '```'
echo "| 256 MiB each way, CPU of the client's thread | Access tunnel / plain TLS | see above | 1.30 | $tunnel_cost |" >>"$work/verdicts"

missed=0
conclude tunnel-ssh || missed=1
echo
bash bench/compare_github.sh $((rounds * 3)) || missed=1
exit $missed
