#!/bin/sh
# lines STREAM FUNCTION: numbered lines until /run/stop is there, 20 at a time; FUNCTION takes each 20 on stdin.
name() { echo "$(cat /etc/run)$1$(cat /run/boot)"; }

twenty() {
  n=0
  while [ $n -lt 20 ]; do
    printf "$form" "$run" $((i + n))
    n=$((n + 1))
  done
}

lines() {
  run=$(name "$1")
  i=0
  while [ ! -e /run/stop ]; do
    twenty | "$2"
    i=$((i + 20))
    "${3:-:}"
    sleep "$(cat /etc/pause)"
  done
  echo "@@end $1 $(cat /run/boot) $i" >/dev/console
  exec sleep 100000
}

form='%s %09d \n'
