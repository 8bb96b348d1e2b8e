#!/bin/sh
# A plain log file, on disk line for line.
. /etc/lines
add() { cat >>/var/log/messages && sync; }
tell() { echo "@@disk messages $(cat /run/boot) $i" >/dev/console; }
mkdir -p /var/log
# A power cut may have torn the last line.
[ ! -s /var/log/messages ] || [ -z "$(tail -c 1 /var/log/messages)" ] || echo >>/var/log/messages
lines messages add tell
