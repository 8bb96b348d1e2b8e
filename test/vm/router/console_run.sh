#!/bin/sh
# A shell for the test: one command per line, and its exit code behind what it says.
port=$(echo /dev/vport*p1)
exec <>"$port" >&0 2>&1
echo "@@ready $(cat /run/boot) $(cut -d ' ' -f 1 /proc/uptime)"
while read -r line; do
  eval "$line" </dev/null
  echo "@@done $?"
done
