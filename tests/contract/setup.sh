#!/usr/bin/env bash
# actions/setup.sh against a real HTTPS server on loopback: each place that executables come from, and each
# way that must end without them.
# usage: setup.sh SOURCE_DIR
set -euo pipefail
source_dir=$1
work=$(mktemp -d)
server=
cleanup() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
fail() { echo "FAILED: $1" >&2; cat "$work/out" >&2 2>/dev/null || true; exit 1; }

version=$(cat "$source_dir/VERSION")
asset=tunnel-ssh-linux-x64
mkdir -p "$work/bin" "$work/cache" "$work/home"
printf '#!/bin/sh\necho my own\n' >"$work/bin/tunnel-ssh"
chmod +x "$work/bin/tunnel-ssh"
arm_asset=tunnel-ssh-linux-arm64
printf '#!/bin/sh\necho the release\n' >"$work/$asset"
printf '#!/bin/sh\necho the release for arm64\n' >"$work/$arm_asset"
(cd "$work" && sha256sum "$asset" "$arm_asset") >"$work/checksums"
publish() { # status, file, path of the releases, asset: what the server answers there
  mkdir -p "$work/www/$3/v$version"
  { printf 'HTTP/1.0 %s\r\n\r\n' "$1" && cat "$2"; } >"$work/www/$3/v$version/${4:-$asset}"
}
publish '200 OK' "$work/$asset" releases
publish '200 OK' "$work/$arm_asset" releases $arm_asset
sed 's/^......../00000000/' "$work/checksums" >"$work/wrong-checksums"
: >"$work/no-checksums"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$work/server.key" -out "$work/server.pem" -days 2 \
  -subj /CN=localhost -addext subjectAltName=DNS:localhost,DNS:github.com 2>/dev/null
start_server() {
  # A FIFO that stays open on our side: s_server ends when its input does.
  mkfifo "$work/input" 2>/dev/null || true
  (cd "$work/www" && exec openssl s_server -HTTP -accept 127.0.0.1:0 -cert "$work/server.pem" -key "$work/server.key" <"$work/input" >>"$work/server.log" 2>&1) &
  server=$!
  exec 7>"$work/input"
  for _ in $(seq 100); do
    port=$(sed -n 's/^ACCEPT 127.0.0.1:\([0-9]*\).*/\1/p' "$work/server.log")
    if [ -n "$port" ]; then
      # Every name leads to it.
      echo "connect-to = \"::127.0.0.1:$port\"" >"$work/home/.curlrc"
      return
    fi
    sleep 0.05
  done
  fail "the HTTPS server did not start: $(cat "$work/server.log")"
}

setup() { # variables...: runs it for $names as the runner would, leaves out and outputs
  : >"$work/outputs"
  env -i PATH="$PATH" HOME="$work/home" GITHUB_OUTPUT="$work/outputs" RUNNER_TOOL_CACHE="$work/cache" RUNNER_ARCH=X64 CURL_CA_BUNDLE="$work/server.pem" NO_PROXY='*' \
    PCA_CHECKSUMS="$work/checksums" INPUT_DOWNLOAD_BASE="https://localhost:${port:-1}/releases" "$@" ${shell:-} "$source_dir/actions/setup.sh" ${names-tunnel-ssh} >"$work/out" 2>&1
}
gives() { # what, source, variables...
  local what=$1 source=$2
  shift 2
  setup "$@" || fail "$what: exit $?"
  grep -qx "source=$source" "$work/outputs" || fail "$what: came from $(grep source= "$work/outputs") instead of $source"
  folder=$(sed -n 's/^path=//p' "$work/outputs")
  [ -x "$folder/tunnel-ssh" ] || fail "$what: no executable in $folder"
  echo "good: $what"
}
refuses() { # what, code, text, variables...
  local what=$1 code=$2 text=$3 actual=0
  shift 3
  setup "$@" || actual=$?
  [ "$actual" = "$code" ] || fail "$what: exit $actual instead of $code"
  grep -q "$text" "$work/out" || fail "$what: does not say \"$text\""
  ! grep -q '^path=' "$work/outputs" || fail "$what: gives a path all the same"
  [ -z "$(find "$work/cache" -type f)" ] || fail "$what: leaves files in the tool cache: $(find "$work/cache" -type f)"
  echo "good: $what"
}

gives "a folder given as input is used, nothing is downloaded" path INPUT_BINARIES="$work/bin"
refuses "a folder without the executables" 2 "does not hold the executables" INPUT_BINARIES="$work/www"
names="" refuses "a folder without one of all the executables" 2 "does not hold the executables: tunnel-ssh deploy-policy commit-status swarm-deploy proxmox-deploy" INPUT_BINARIES="$work/bin"
refuses "a folder whose name would write an output of its own" 2 "more than one line" \
  INPUT_BINARIES="$work/bin"$'\npath=/evil\n::error::evil'
! grep -q evil "$work/out" "$work/outputs" || fail "a second line of the input binaries is shown or handed on"
refuses "an unknown architecture" 2 "x64 or arm64" RUNNER_ARCH=X86
refuses "an executable without a checksum in the tree" 5 "no checksum" PCA_CHECKSUMS="$work/no-checksums"
# What tells how it was called, then does it.
mkdir "$work/noting"
printf '#!/bin/sh\necho "$0 $*" >>"%s/calls"\nexec "%s" "$@"\n' "$work" "$(command -v curl)" >"$work/noting/curl"
printf '#!/bin/sh\necho "$0 $*" >>"%s/calls"\nexec "%s" "$@"\n' "$work" "$(command -v wget)" >"$work/noting/wget"
printf '#!/bin/sh\necho "$0 $*" >>"%s/calls"\nexec "%s" "$@"\n' "$work" "$(command -v timeout)" >"$work/noting/timeout"
chmod +x "$work/noting"/*
number_after() { sed -n "s/.* $1 \([0-9]*\).*/\1/p" "$work/calls"; } # option
refuses "a server that is not there" 6 "could not be downloaded" PATH="$work/noting:$PATH"
grep -q -- '--retry 3 --retry-connrefused ' "$work/calls" || fail "curl does not try again where nobody listens yet: $(cat "$work/calls")"
[ $(($(number_after --retry-max-time) + $(number_after --max-time))) -le 300 ] || fail "curl may take more than five minutes: $(cat "$work/calls")"
start_server
refuses "a download with another checksum" 5 "does not have the SHA256" PCA_CHECKSUMS="$work/wrong-checksums"
head -c 20 "$work/$asset" >"$work/truncated"
publish '200 OK' "$work/truncated" releases
refuses "a download that ends too early" 5 "does not have the SHA256"
publish '200 OK' "$work/$asset" releases
refuses "a server with an unknown certificate" 6 "could not be downloaded" CURL_CA_BUNDLE=/dev/null
refuses "plain HTTP" 6 "could not be downloaded" INPUT_DOWNLOAD_BASE="http://localhost:$port/releases"
gives "a verified download" download
[ "$("$folder/tunnel-ssh")" = "the release" ] || fail "something else was downloaded"
gives "a verified download for arm64" download RUNNER_ARCH=ARM64
[ "$("$folder/tunnel-ssh")" = "the release for arm64" ] || fail "something else was downloaded for arm64"

# Jobs at once that share the tool cache.
rm -rf "$work/cache" && mkdir "$work/cache"
jobs=()
for job in 1 2 3 4; do
  setup GITHUB_OUTPUT="$work/outputs-$job" &
  jobs+=($!)
done
for job in "${jobs[@]}"; do wait "$job" || fail "one of several jobs at once: exit $?"; done
[ "$(cat "$work"/outputs-? | grep -c '^path=')" = 4 ] || fail "not all of several jobs at once have the executables"
[ -z "$(find "$work/cache" -name '.partial*')" ] || fail "several jobs at once leave parts"
[ "$("$(sed -n 's/^path=//p' "$work/outputs-1")/tunnel-ssh")" = "the release" ] || fail "several jobs at once have something else"
echo "good: several jobs at once"

# A container of Alpine or the like: busybox, and curl.
mkdir "$work/container"
for applet in sh cat chmod dirname env mkdir mktemp mv rm sed sha256sum touch uname; do ln -s "$(command -v busybox)" "$work/container/$applet"; done
ln -s "$(command -v curl)" "$work/container/curl"
rm -rf "$work/cache" && mkdir "$work/cache"
shell="$(command -v busybox) sh" gives "a verified download in a container of busybox" download PATH="$work/container:/nowhere"
shell="$(command -v busybox) sh" gives "the tool cache in a container of busybox" tool-cache PATH="$work/container:/nowhere"

# A runner without curl: all that is needed but that, and wget in its place.
mkdir "$work/programs"
for program in sh cat chmod dirname env mkdir mktemp mv rm sed sha256sum touch uname wget; do
  ln -s "$(command -v $program)" "$work/programs/$program" || fail "there is no $program here"
done
echo "ca_certificate = $work/server.pem" >"$work/wgetrc"
no_curl=(PATH="$work/programs" WGETRC="$work/wgetrc")
rm -rf "$work/cache" && mkdir "$work/cache"
refuses "a server with an unknown certificate, by wget" 6 "could not be downloaded" PATH="$work/programs"
refuses "plain HTTP, by wget" 6 "could not be downloaded" "${no_curl[@]}" INPUT_DOWNLOAD_BASE="http://localhost:$port/releases"
gives "a verified download by wget" download "${no_curl[@]}"
ln -sf "$work/noting/wget" "$work/noting/timeout" "$work/programs"
rm -rf "$work/cache" "$work/calls" && mkdir "$work/cache"
gives "a verified download by wget, with a limit of its time" download "${no_curl[@]}"
grep -q '/timeout 300 wget .*-t 3 -T 30 ' "$work/calls" || fail "wget has no limit: $(cat "$work/calls")"
rm "$work/programs/wget"
rm -rf "$work/cache" && mkdir "$work/cache"
refuses "a runner with neither curl nor wget" 1 "neither curl nor wget" "${no_curl[@]}"

# What later steps get to see.
: >"$work/path" && : >"$work/env"
gives "for one action only" download GITHUB_PATH="$work/path" GITHUB_ENV="$work/env"
[ ! -s "$work/path" ] && [ ! -s "$work/env" ] || fail "an action of this repository changes the PATH of later steps"
gives "for all later steps" tool-cache GITHUB_PATH="$work/path" GITHUB_ENV="$work/env" PCA_SETUP_PATH=true
[ "$(cat "$work/path")" = "$folder" ] && [ "$(cat "$work/env")" = "PCA_BIN=$folder" ] || fail "the executables are not on the PATH of later steps"
gives "what an earlier step has set up" path PCA_BIN="$folder"

# Without the input download-base.
own=private-cloud-actions/private-cloud-actions
default() { # refuses or gives with what they take
  rm -rf "$work/cache" && mkdir "$work/cache"
  "$@" INPUT_DOWNLOAD_BASE=
}
gives_from() { # path, what, variables...
  local path=$1 what=$2
  shift 2
  : >"$work/server.log"
  default gives "$what" download "$@"
  [ "$(sed -n 's/^FILE://p' "$work/server.log" | tail -n 1)" = "$path/v$version/$asset" ] || fail "$what: asked for $(cat "$work/server.log")"
}
publish '404 Not Found' /dev/null outer/action/releases/download
publish '404 Not Found' /dev/null $own/releases/download
default refuses "a release that is not there" 6 "from https://github.com/outer/action/releases/download or https://github.com/$own/releases/download" \
  ACTION_REPOSITORY=outer/action
publish '200 OK' "$work/$asset" $own/releases/download
gives_from $own/releases/download "the project's release, where the runner names no repository" ACTION_REPOSITORY=
gives_from $own/releases/download "the project's release, where the runner names an action around this one" ACTION_REPOSITORY=outer/action
gives_from $own/releases/download "the project's release, where the server of the workflow has none" ACTION_REPOSITORY=$own GITHUB_SERVER_URL=https://git.example.com
publish '200 OK' "$work/$asset" fork/of-it/releases/download
gives_from fork/of-it/releases/download "the release of the repository that the action is from" ACTION_REPOSITORY=fork/of-it

kill "$server" && server=
gives "the tool cache, with the server gone" tool-cache
echo tampered >>"$folder/tunnel-ssh"
code=0
setup || code=$?
[ "$code" = 6 ] || fail "a changed executable in the tool cache is used, or misreported (exit $code)"
echo "good: a changed executable in the tool cache is not used"
code=0
setup GITHUB_ACTIONS=true PCA_CHECKSUMS="$work/no-checksums" || code=$?
grep -q '^::error title=.*%0A' "$work/out" || fail "on a runner the error is no annotation"
echo "good: on a runner an error is an annotation"
