#!/sbin/openrc-run
# Written by agent service install.
description="agent @COMMAND@: logs and evidence off this machine"
command="@PROGRAM@"
command_args="@ARGUMENTS@"
supervisor=supervise-daemon
respawn_delay=2
respawn_max=0
umask=0077
extra_started_commands="reload"
output_logger="logger -t @NAME@"
error_logger="logger -t @NAME@"

depend() {
	# Not "need": Debian's OpenRC has no localmount, and a service that needs what is missing never starts.
	use localmount net
	after bootmisc
}

start_pre() {
	checkpath --directory --mode 0700 "@STATE@"
	checkpath --directory --mode 0755 /run/@NAME@
}

reload() {
	ebegin "Reloading $RC_SVCNAME"
	supervise-daemon "$RC_SVCNAME" --signal HUP
	eend $?
}
