#!/bin/sh
# Written by agent service install.
mkdir -p "@LOG@"
exec svlogd -tt "@LOG@"
