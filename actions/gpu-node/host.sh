# Runs on a node with NVIDIA GPUs, behind on_host.sh and the variables that run.sh names. POSIX sh.

one_command=60  # seconds: nvidia-smi may hang for ever once a GPU has fallen off the bus

run_step() { # name, command
  if [ -n "$2" ]; then echo "$1"; fi
  run_command "$2"
}

# The driver's messages about errors of GPUs, which the kernel's log has.
list_xids() { # file
  limited "$one_command" dmesg >"$work/log" 2>"$work/problem" || return 1
  grep 'NVRM: Xid' "$work/log" | sort >"$1"
  return 0
}

# Else $trouble says what is wrong, and $is_lost whether waiting is of any use.
is_well() {
  trouble=
  is_lost=false
  seen=$(limited "$one_command" nvidia-smi --query-gpu=index --format=csv,noheader 2>&1)
  code=$?
  case $code in
  0)
    count=$(printf '%s\n' "$seen" | grep -c '^[0-9][0-9]*$')
    [ "$count" = "$gpus" ] || trouble="nvidia-smi counts $count GPUs instead of $gpus"
    ;;
  18)
    trouble='the driver in the kernel and its library have different versions: the node needs a reboot'
    is_lost=true
    ;;
  *) trouble="nvidia-smi ends with exit code $code: $(printf '%s\n' "$seen" | tail -n 3)" ;;
  esac
  if list_xids "$work/now"; then
    new=$(comm -13 "$work/before" "$work/now")
    if [ -n "$new" ]; then
      trouble="${trouble:+$trouble; }the driver reports errors since the deploy began:
$new"
      is_lost=true
    fi
  else
    trouble="dmesg fails: $(tail -n 3 "$work/problem")"
  fi
  if [ -n "$trouble" ]; then return 1; fi
  run_step probe "$probe" || {
    trouble='the probe fails'
    return 1
  }
}

# After the deploy began. Ends with 4 where somebody must see to the node.
give_up() { # what
  trap '' INT TERM HUP
  if [ "$on_failure" = undrain ] && run_step undrain "$undrain"; then
    fail 1 "$1; the node was undrained and takes work again" "Look at it, then deploy again."
  elif [ "$on_failure" = undrain ]; then
    fail 4 "$1; and undrain fails" "Look at the node: it may be drained still."
  elif [ -n "$drain" ]; then
    fail 4 "$1; the node stays drained" "Repair it and deploy again, or undrain it by hand."
  fi
  fail 4 "$1" "Repair the node and deploy again."
}

work=$(mktemp -d) || exit 1
trap 'rm -rf -- "$work"' EXIT
command -v nvidia-smi >/dev/null || fail 1 "there is no nvidia-smi on the host" "Install NVIDIA's driver there first."
list_xids "$work/before" || fail 1 "the kernel's log cannot be read: $(tail -n 1 "$work/problem")" \
  "Log in as root or give become: true."

# Nothing is deployed yet: what drain has done so far is taken back whatever on-failure says.
take_drain_back() { # what
  trap '' INT TERM HUP
  run_step undrain "$undrain" ||
    fail 4 "$1, and so does undrain; nothing was deployed" "Look at the node: it may be drained."
  fail 1 "$1; nothing was deployed, and the node was undrained" "Its last words stand above."
}
trap 'take_drain_back "cancelled"' INT TERM HUP
run_step drain "$drain" || take_drain_back "drain fails"

trap 'give_up "cancelled while it was deployed"' INT TERM HUP
run_step deploy "$deploy" || give_up "deploy fails"
wait_until_well || give_up "the node is not well: $trouble"
run_step undrain "$undrain" || fail 4 "deployed and well, but undrain fails" "Undrain the node by hand."
trap - INT TERM HUP
echo "deployed: $gpus GPUs, and no new errors of the driver"
