#!/bin/sh
# The chain of a router: a stamp, a copy for the shipper, the log.
mkdir -p /var/log
s6-log -bp t 1 | agent tap --socket /run/agent/tap.sock | s6-log -b n50 s20000 /var/log/app
