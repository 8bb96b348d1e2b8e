#!/bin/sh
# Written by agent service install.
mkdir -p "@LOG@"
exec s6-log -bp t n10 s1000000 "@LOG@"
