#!/usr/bin/env bash
# A Debian host of the tests with its own systemd as PID 1 and its own sshd, in namespaces. What it writes goes to
# memory; everything is gone when this script ends, and it ends by SIGTERM and with whoever started it.
# usage: systemd_host.sh make               make the root once (see debian_root.sh)
#        systemd_host.sh boot PORT KEYFILE  run it: sshd on 127.0.0.1:PORT, root may log in with the public key in
#                                           KEYFILE; prints the type and text of the host's key
set -euo pipefail
root() { "$(dirname "$0")/debian_root.sh" bookworm dbus nodejs openssh-server python3 systemd systemd-sysv; }

if [ "${1:-}" = make ]; then
  root >/dev/null
  exit
fi
[ "${1:-}" = boot ] && [ $# = 3 ] || { sed -n '4,7s/^# //p' "$0" >&2; exit 2; }

# In namespaces of mounts, so that nothing of this is seen outside.
if [ "${PCA_SYSTEMD_HOST:-}" != mounts ]; then
  lower=$(root)
  PCA_SYSTEMD_HOST=mounts exec setpriv --pdeathsig TERM unshare --mount --propagation private bash "$0" "$@" 8<"$lower"
fi
port=$2 key=$(cat "$3") lower=/proc/self/fd/8
place=$(mktemp -d /run/systemd-host.XXXXXX)
mount -t tmpfs -o mode=755 tmpfs "$place"
host=$place/root groups=$place/groups
mkdir "$place/upper" "$place/work" "$host" "$groups"
mount -t overlay -o "lowerdir=$(readlink -f "$lower"),upperdir=$place/upper,workdir=$place/work" overlay "$host"

echo systemd-host >"$host/etc/hostname"
echo '127.0.0.1 localhost systemd-host' >"$host/etc/hosts"
printf 'Port %s\nListenAddress 127.0.0.1\nPermitRootLogin prohibit-password\n' "$port" >"$host/etc/ssh/sshd_config.d/tests.conf"
mkdir -m 700 -p "$host/root/.ssh"
echo "$key" >"$host/root/.ssh/authorized_keys"

cut -d' ' -f1,2 "$host/etc/ssh/ssh_host_ed25519_key.pub"

# A control group of its own, below which systemd makes those of its units.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mount -t cgroup2 cgroup2 "$groups"
else
  mount -t cgroup -o none,name=systemd,xattr cgroup "$groups"
fi
group=$groups/$(basename "$place")
mkdir "$group"

clean_up() {
  [ -z "${boot:-}" ] || kill -9 "$boot" 2>/dev/null || true
  wait
  # The processes of the host may take a moment to end after its PID 1.
  for _ in $(seq 100); do
    ! find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || break
    sleep 0.05
  done
  umount -R "$host" && umount "$groups" "$place" && rmdir "$place"
}
trap clean_up EXIT
trap 'exit 143' TERM INT

# shellcheck disable=SC2016
setpriv --pdeathsig KILL unshare --fork --pid --kill-child --mount --ipc --uts bash -euc '
  host=$0 group=$1
  echo 1 >"$group/cgroup.procs"
  exec unshare --cgroup --mount bash -euc "
    host=$host
    hostname systemd-host
    mount --make-rprivate /
    mount -t proc proc $host/proc
    mount -t sysfs -o ro sysfs $host/sys
    if [ -e $group/cgroup.controllers ]; then
      mount -t cgroup2 cgroup2 $host/sys/fs/cgroup
    else
      mount -t tmpfs -o mode=755 tmpfs $host/sys/fs/cgroup
      mkdir $host/sys/fs/cgroup/systemd
      mount -t cgroup -o none,name=systemd,xattr cgroup $host/sys/fs/cgroup/systemd
    fi
    mount -t tmpfs -o mode=755 tmpfs $host/dev
    for device in null zero full random urandom tty; do touch $host/dev/\$device; mount --bind /dev/\$device $host/dev/\$device; done
    mkdir $host/dev/pts $host/dev/shm
    mount -t devpts -o newinstance,ptmxmode=0666 devpts $host/dev/pts
    ln -s pts/ptmx $host/dev/ptmx
    mount -t tmpfs -o mode=755 tmpfs $host/run
    mount -t tmpfs -o mode=1777 tmpfs $host/tmp
    exec env -i container=tests PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot $host /lib/systemd/systemd --system --log-target=journal --show-status=false
  "
' "$host" "$group" 8<&- &
boot=$!
wait "$boot"
