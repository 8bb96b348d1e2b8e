#!/bin/sh
# A shell for the test: one command per line, and its exit code behind what it says.
exec </dev/hvc0 >/dev/hvc0 2>&1
stty raw -echo
echo "@@ready $(cat /run/boot) $(cut -d ' ' -f 1 /proc/uptime)"
while read -r line; do
  eval "$line" </dev/null
  echo "@@done $?"
done
