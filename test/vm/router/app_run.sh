#!/bin/sh
# A program that logs to stdout; how much of it is on the disk for certain is said after each pause.
. /etc/lines
to_disk() {
  while :; do
    # The lines are counted first: what is added before sync is there, too.
    there=$(cat /var/log/app/@* /var/log/app/current 2>/dev/null | grep -c "$(name app)")
    sync
    echo "@@disk app $(cat /run/boot) $there" >/dev/console
    sleep "$(cat /etc/pause)"
  done
}
to_disk 2>/dev/null &
lines app cat
