#!/sbin/openrc-run
# Written by agent service install.
description="agent @COMMAND@: logs and evidence off this machine"
command="@PROGRAM@"
command_args="@ARGUMENTS@"
supervisor=supervise-daemon
respawn_delay=2
respawn_max=0
# What is in flight is confirmed or kept within 5 s.
retry="TERM/10/KILL/5"
umask=0077
extra_started_commands="reload"
# Files: supervise-daemon knows no output_logger before 0.54.
output_log="/var/log/@NAME@.log"
error_log="/var/log/@NAME@.log"

depend() {
	# Not "need": Debian's OpenRC has no localmount, and a service that needs what is missing never starts.
	use localmount net
	after bootmisc
}

start_pre() {
	checkpath --directory --mode 0700 "@STATE@"
	checkpath --directory --mode 0755 /run/@NAME@
}

# Agents of this service that no supervisor has; not those of containers.
left_behind() {
	for process in /proc/[0-9]*; do
		[ "$process/ns/pid" -ef /proc/self/ns/pid ] || continue
		case "$(tr '\0' ' ' <"$process/cmdline" 2>/dev/null)" in
			*" @ARGUMENTS@ ") echo "${process##*/}" ;;
		esac
	done
}

# Where the supervisor was killed, its agent runs on, and OpenRC takes it for stopped.
stop_post() {
	left=$(left_behind)
	[ -z "$left" ] || kill -TERM $left
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ -n "$left" ] || return 0
		sleep 1
		left=$(left_behind)
	done
	kill -KILL $left
}

reload() {
	ebegin "Reloading $RC_SVCNAME"
	supervise-daemon "$RC_SVCNAME" --signal HUP
	eend $?
}
