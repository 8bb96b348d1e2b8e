#!/bin/sh
# Written by agent service install.
umask 077
mkdir -p "@STATE@" "/run/@NAME@"
chmod 0700 "@STATE@"
exec 2>&1
exec @PROGRAM@ @ARGUMENTS@
