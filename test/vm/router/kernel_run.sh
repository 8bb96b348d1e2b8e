#!/bin/sh
# Lines of the kernel's log: one write is one record.
. /etc/lines
form='<5>%s %09d \n'
say() { while IFS= read -r line; do echo "$line" >/dev/kmsg; done; }
tell() { echo "@@said kernel $(cat /run/boot) $i" >/dev/console; }
lines kernel say tell
