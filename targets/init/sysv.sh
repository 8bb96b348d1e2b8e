#!/bin/sh
# Written by agent service install.
### BEGIN INIT INFO
# Provides:          @NAME@
# Required-Start:    $local_fs
# Required-Stop:     $local_fs
# Should-Start:      $network
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: agent @COMMAND@: logs and evidence off this machine
### END INIT INFO

pidfile=/var/run/@NAME@.pid
log=/var/log/@NAME@.log

# A loop in place of a supervisor: it starts the agent again when it dies, and ends it when it is ended itself.
supervise() {
	child=
	trap 'kill -TERM "$child"; wait "$child"; exit 0' TERM INT
	trap 'kill -HUP "$child"' HUP
	while :; do
		@PROGRAM@ @ARGUMENTS@ >>"$log" 2>&1 &
		child=$!
		# wait ends early at a signal that is trapped; the agent is then still there.
		while kill -0 "$child" 2>/dev/null; do wait "$child"; done
		sleep 2
	done
}

# The id may be somebody else's by now: our loop is this script, whatever name it was started by.
running() {
	[ -s "$pidfile" ] && grep -q "@NAME@" "/proc/$(cat "$pidfile")/cmdline" 2>/dev/null
}

start() {
	if running; then
		echo "@NAME@ is running"
		return 0
	fi
	umask 077
	mkdir -p "@STATE@" /var/run/@NAME@
	# exec, not a redirection of the call: the shell would keep the caller's output open meanwhile.
	(
		exec </dev/null >/dev/null 2>&1
		supervise
	) &
	echo $! >"$pidfile"
	echo "@NAME@ started"
}

stop() {
	if ! running; then
		echo "@NAME@ is not running"
		return 0
	fi
	pid=$(cat "$pidfile")
	kill -TERM "$pid"
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		running || break
		sleep 1
	done
	if running; then
		echo "@NAME@ does not stop" >&2
		return 1
	fi
	rm -f "$pidfile"
	echo "@NAME@ stopped"
}

case "$1" in
	start) start ;;
	stop) stop ;;
	restart | force-reload)
		stop && start
		;;
	reload) running && kill -HUP "$(cat "$pidfile")" ;;
	status)
		if running; then
			echo "@NAME@ is running"
		else
			echo "@NAME@ is not running"
			exit 3
		fi
		;;
	*)
		echo "usage: $0 start|stop|restart|reload|status" >&2
		exit 2
		;;
esac
