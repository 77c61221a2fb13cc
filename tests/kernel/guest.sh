#!/bin/busybox sh
# The first process of the machine that boot.py boots: what every proof needs, then /play.sh, which is the proof.

/bin/busybox mount -t proc proc /proc
/bin/busybox --install -s /bin
export PATH=/usr/sbin:/usr/bin:/bin
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
ip() { /usr/sbin/ip "$@"; } # not busybox's own, which its shell prefers

# step NAME COMMAND...: says whether the command succeeded. When not, also what it printed, and that is all: the later steps need it.
step() {
  name=$1
  shift
  if "$@" >/tmp/step.log 2>&1; then
    grep -E '^(100,000 peers|flood|\[  PASSED)' /tmp/step.log
    echo "@@ ok $name"
  else
    echo "@@ failed $name, of which the last lines are"
    tail -n 60 /tmp/step.log
    if [ -f /tmp/gateway.log ]; then
      echo "--- and of the gateway's log"
      tail -n 20 /tmp/gateway.log
    fi
    poweroff -f
  fi
}

# expect WHAT GOT WANTED
expect() {
  [ "$2" = "$3" ] && return
  echo "$1: expected '$3', got '$2'"
  return 1
}

# within SECONDS COMMAND...: the command succeeds within so many seconds, tried again and again.
within() {
  deadline=$(($(hundredths) + $1 * 100))
  shift
  until "$@"; do
    if [ "$(hundredths)" -gt $deadline ]; then
      echo "too late: $*"
      return 1
    fi
  done
}

hundredths() { sed 's/^\([0-9]*\)\.\([0-9]*\) .*/\1\2/' /proc/uptime; }

load() {
  while read -r module; do
    insmod "/lib/modules/$module.ko" || return
  done <"/lib/modules/$1"
}

step modules-are-loaded load first
. /play.sh
poweroff -f
