#!/usr/bin/env bash
# Gets a machine ready and builds. Used by tests/run.sh, tools/sandbox/demo.sh and bench/compare.sh.
# usage: prepare.sh packages SET...   install what is missing of the sets: build demo test bench full
#        prepare.sh build PRESET [TARGET...]   configure where needed, then build
set -euo pipefail
cd "$(dirname "$0")/../.."

say() { printf '\n== %s\n' "$*"; }

fail() { # what, what to do next
  printf 'error: %s\n%s\n' "$1" "$2" >&2
  exit 1
}

# Boost.Process v2 came with Boost 1.80; Debian 12's default is older.
boost_package() {
  if [ "$(. /etc/os-release && echo "${VERSION_ID:-}")" = 12 ]; then echo libboost1.81-dev; else echo libboost-dev; fi
}

# Debian's nodejs comes without npm, others' bring it along.
npm_package() { command -v npm >/dev/null || echo npm; }

packages_of() { # set
  case $1 in
  build)
    echo g++ cmake ninja-build ccache patch xz-utils ca-certificates libssl-dev zlib1g-dev \
      "$(boost_package)" rapidjson-dev libcli11-dev libfmt-dev libexpected-dev libyaml-cpp-dev libtomlplusplus-dev libutf8proc-dev libgtest-dev
    ;;
  demo) echo openssh-server openssh-client ;;
  test) # clang for the sanitizers, the rest as peers and hosts of the end-to-end tests
    echo clang libclang-rt-dev clang-format file binutils openssh-server openssh-client rsync \
      curl jq wget gcc git nodejs shellcheck openssl iproute2 nftables dnsmasq-base util-linux procps sudo nginx-light \
      busybox zsh mksh tcsh fish debootstrap docker.io strace python3-proxmoxer python3-requests $(npm_package)
    ;;
  bench) echo libbenchmark-dev openssh-server openssh-client rsync time gh ;;
  full) echo clang-tidy g++-aarch64-linux-gnu qemu-user-static libssl-dev:arm64 zlib1g-dev:arm64 \
    libutf8proc-dev:arm64 ;;
  *) fail "unknown set of packages: $1" "The sets are build, demo, test, bench and full." ;;
  esac
}

is_installed() { # package
  dpkg-query --show --showformat '${db:Status-Abbrev}' "$1" 2>/dev/null | grep -q '^.i'
}

# Debian starts what it installs, and nobody who tries the demo or runs the tests has asked for a server that listens:
# the tests start their own. Uses as_root of install_packages.
keep_off() { # package, program, unit...
  local package=$1 program=$2
  shift 2
  if [ -d /run/systemd/system ]; then
    echo "$package is needed for its $program program only: its service is masked, so that nothing"
    echo "listens ('systemctl unmask $*' undoes it)."
    "${as_root[@]}" systemctl mask "$@"
  elif forbid_starts; then
    echo "$package is needed for its $program program only: no service is started while it is installed"
    echo "(/usr/sbin/policy-rc.d says so, and is removed again)."
  fi
}

# Debian's own way to install a service without starting it, only for this once. False where the machine has a
# policy of its own.
forbid_starts() {
  [ -z "$starts_forbidden" ] || return 0
  [ ! -e /usr/sbin/policy-rc.d ] || return 1
  trap "${as_root[*]} rm -f /usr/sbin/policy-rc.d" EXIT
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee /usr/sbin/policy-rc.d >/dev/null
  "${as_root[@]}" chmod +x /usr/sbin/policy-rc.d
  starts_forbidden=yes
}

# Debian's package of yaml-cpp cannot be installed beside that of another architecture: only its library is taken.
unpack_yaml_for_arm64() {
  local folder=${PCA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/private-cloud-actions}/arm64
  [ ! -e "$folder/usr/lib/aarch64-linux-gnu/libyaml-cpp.a" ] || return 0
  say "Unpacking yaml-cpp for arm64 into $folder"
  mkdir -p "$folder"
  (cd "$folder" && rm -f ./*.deb && apt-get download -qq libyaml-cpp-dev:arm64 && dpkg-deb --extract ./*.deb . && rm ./*.deb)
}

# The tests compare with the docker command, of which Debian 12's is too old: Debian 13's is unpacked and not
# installed, unless a newer one is on the PATH. apt-get works on a state of its own.
unpack_docker_command() {
  local folder=${PCA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/private-cloud-actions}/docker-cli scratch main
  local keyring=/usr/share/keyrings/debian-archive-keyring.gpg options
  [ "$(docker --version 2>/dev/null | sed 's/[^0-9]*\([0-9]*\).*/\1/')" -ge 26 ] 2>/dev/null && return 0
  [ ! -x "$folder/usr/bin/docker" ] || return 0
  say "Unpacking Debian 13's docker command into $folder"
  main=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -E '/debian/?$' | head -n 1)
  scratch=$(mktemp -d)
  mkdir -p "$folder" "$scratch/lists/partial" "$scratch/cache/archives/partial"
  echo "deb [signed-by=$keyring] $main trixie main" >"$scratch/sources.list"
  options=(-qq -o "Dir::Etc::SourceList=$scratch/sources.list" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$scratch/lists"
    -o "Dir::Cache=$scratch/cache" -o "APT::Sandbox::User=$(id -un)" -o Acquire::Retries=3)
  if (apt-get "${options[@]}" update && cd "$scratch" && apt-get "${options[@]}" download docker-cli &&
    dpkg-deb --extract docker-cli_*.deb "$folder"); then
    rm -rf "$scratch"
  else
    rm -rf "$scratch"
    fail "Debian 13's docker-cli cannot be fetched" "Put a docker command of version 26 or later on the PATH."
  fi
}

# A registry for the tests' swarms to pull from; installed, it would listen.
unpack_registry() {
  local folder=${PCA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/private-cloud-actions}/docker-registry
  [ ! -x "$folder/usr/bin/docker-registry" ] || return 0
  say "Unpacking Debian's docker-registry into $folder"
  mkdir -p "$folder"
  (cd "$folder" && rm -f ./*.deb && apt-get download -qq docker-registry && dpkg-deb --extract ./*.deb . && rm ./*.deb)
}

install_packages() { # set...
  command -v apt-get >/dev/null || fail "there is no apt-get on this machine" \
    "Build on Debian 12 or 13, or install by hand what $0 names and use the CMake presets."
  local as_root=() set package missing=() starts_forbidden=
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  if [[ " $* " == *" full "* ]] && ! dpkg --print-foreign-architectures | grep -q '^arm64$'; then
    say "Adding the architecture arm64 to dpkg, for the libraries of the cross build"
    "${as_root[@]}" dpkg --add-architecture arm64
    "${as_root[@]}" apt-get update -qq
  fi
  [[ " $* " != *" full "* ]] || unpack_yaml_for_arm64
  [[ " $* " != *" test "* ]] || unpack_docker_command
  [[ " $* " != *" test "* ]] || unpack_registry
  for set in "$@"; do
    for package in $(packages_of "$set"); do
      is_installed "$package" || missing+=("$package")
    done
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  [ ${#as_root[@]} -eq 0 ] || command -v sudo >/dev/null || fail "packages are missing, and there is neither root nor sudo: ${missing[*]}" \
    "Install them as root, then run this again."
  say "Installing Debian packages that are missing: ${missing[*]}"
  [[ " ${missing[*]} " != *" openssh-server "* ]] || keep_off openssh-server sshd ssh.service ssh.socket
  [[ " ${missing[*]} " != *" nginx-light "* ]] || keep_off nginx-light nginx nginx.service
  [[ " ${missing[*]} " != *" docker.io "* ]] || keep_off docker.io dockerd docker.service docker.socket containerd.service
  "${as_root[@]}" apt-get update -qq
  # Stay inside this release, also where a newer one is listed: its libraries would be linked in.
  local release
  release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    -o "APT::Default-Release=/^$release(|-security|-updates)\$/" "${missing[@]}" >/dev/null
}

build() { # preset target...
  local preset=$1
  shift
  say "Building the preset $preset"
  # Once configured, ninja does it again by itself when a build file changed.
  [ -e "build/$preset/build.ninja" ] || cmake --preset "$preset"
  cmake --build --preset "$preset" ${1:+--target "$@"}
}

case ${1:-} in
packages) shift && install_packages "$@" ;;
build) shift && build "$@" ;;
*) sed -n '2,5s/^# //p' "$0" && exit 2 ;;
esac
