# SPDX-License-Identifier: GPL-2.0-only OR MIT
# shellcheck shell=bash
#
# What flushes of an NBD server stand for; block-life.sh's.

away_and_back() { # OPTION...: of the server that comes where one was killed
	end_export
	export_file "$work/host/nbd" "$@"
}

# A flush by one of two connections would say nothing of the other one's writes.
promises_less() { # DISK
	local nbdkit_options=(--filter=multi-conn) status=0
	reads_now "$1" && away_and_back multi-conn-mode=disable || return
	! reads_now "$1" || { echo "it is used all the same"; status=1; }
	away_and_back multi-conn-mode=plugin && until_so reads_now "$1" || status=1
	return "$status"
}

nbd_claim multi "a server that does not promise any more what several connections need is not used" \
	on_nbd user-sync "" ,connections=2,reconnect=2 promises_less
