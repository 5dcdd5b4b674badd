# SPDX-License-Identifier: GPL-2.0-only OR MIT
# shellcheck shell=bash
#
# Upgrades of a disk whose NBD server is not what it was; block-life.sh's.

reads_now() { dd if="$1" of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null; }

# Who serves stays, when nobody could go on from there: not while the export is away, nor when it is less.
upgraded_without_server() { # DISK
	local pid size status=0
	reads_now "$1" && pid=$(serving) || return
	for size in '' 32M; do
		end_export
		[ -z "$size" ] || { truncate -s "$size" "$work/host/nbd" && export_file "$work/host/nbd"; } || return
		refused "put back what it serves" ferry upgrade "$1" || status=1
		is "server, with an export of ${size:-nothing}" "$(serving)" "$pid" || status=1
	done
	end_export
	truncate -s 64M "$work/host/nbd" && export_file "$work/host/nbd" && until_so reads_now "$1" &&
		ferry upgrade "$1" && reads_now "$1" || status=1
	[ "$(serving)" != "$pid" ] || { echo "it is not replaced"; status=1; }
	return "$status"
}

# It is there, but does not answer one who connects: who goes on knows what the disk is.
upgraded_while_slow() { # DISK
	local status=0
	head -c 64k /dev/urandom >"$work/host/data"
	dd if="$work/host/data" of="$1" bs=64k oflag=direct status=none || return
	kill -STOP "$export_pid"
	ferry upgrade "$1" || status=1
	kill -CONT "$export_pid"
	dd if="$1" bs=64k count=1 iflag=direct status=none | cmp - "$work/host/data" || status=1
	is size "$(bytes "$1")" 67108864 || status=1
	return "$status"
}

nbd_claim upgrade "while its server is away, or has less, an upgrade changes nothing" \
	on_nbd user-sync "" ,reconnect=600 upgraded_without_server
nbd_claim upgrade "it is upgraded although its server answers nobody in that moment" \
	on_nbd user-sync delay:us=1+ ,reconnect=600,connections=2 upgraded_while_slow
