#!/bin/sh
mkdir -p /var/log
exec s6-log -b t n5 s100000 /var/log/agent
