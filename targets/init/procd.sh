#!/bin/sh /etc/rc.common
# Written by agent service install.
START=15
STOP=85
USE_PROCD=1

start_service() {
	mkdir -p "@STATE@" "/var/run/@NAME@"
	chmod 0700 "@STATE@"
	procd_open_instance
	procd_set_param command @PROGRAM@ @ARGUMENTS@
	procd_set_param respawn 3600 2 0
	procd_set_param term_timeout 10
	procd_set_param reload_signal HUP
	procd_set_param file "@CONFIG@"
	procd_set_param stderr 1
	procd_close_instance
}

reload_service() {
	procd_send_signal @NAME@ '*' HUP
}
