#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# Servers that die are followed by others, and their clients see nothing but a delay.

# shellcheck source=selftests/lib.sh
. "$(dirname "$(realpath "$0")")/lib.sh"
need_modules
work_dir
mnt=$work/mnt
echo "TAP version 13"

for program in recover attach detached; do
	wanted "$program" || continue
	mark_log "$program"
	points_of "$program" timeout -k 10 600 "$programs/hostile/$program" "$work" ${FERRY_CLAIMS:+"$FERRY_CLAIMS"}
	claim "$program: leaves a clean log" log_is_clean
done

# --- ferryd -------------------------------------------------------------------

# BACKEND WAIT. One line for each backend that goes on where a dead server was; use_BACKEND
# does some work on a mount of it, and fails if anything is not as it should be.
servers=(
	"null sync"
	"null poll"
	"template sync"
)

use_null() { [ -f "$mnt/N1" ] && echo x >"$mnt/N2" && [ "$(stat -f -c %T "$mnt")" ]; }
use_template() { local text; read -r text <"$mnt/hello" && [ "$text" = "Hello from ferry" ]; }

options=on_death=reissue,grace=20

# channel: sets id, state, server of the only one; supervisor, worker
channel() {
	{ read -r _ && read -r id _ _ _ state _ _ server _; } < <(ferry list)
	supervisor=$(pgrep -x -o ferryd)
	worker=
	[ -z "$supervisor" ] || worker=$(pgrep -P "$supervisor" -x ferryd)
}

is_detached() { channel && [ "$state" = detached ]; }
is_served() { channel && [ "$state" = live ] && [ "$server" = "$worker" ]; }
is_served_by_other() { is_served && [ "$worker" != "$1" ]; }
is_unmounted() { ! mountpoint -q "$mnt"; }

# load BACKEND: until there is a file "stop"; errors are in "errors"
load() {
	local n=0
	while [ ! -e "$work/stop" ]; do
		"use_$1" 2>>"$work/errors" || echo "$1: use $n failed" >>"$work/errors"
		n=$((n + 1))
	done
	echo "$n" >>"$work/uses"
}

# worker_is_killed BACKEND WAIT N: so often under load
worker_is_killed() {
	local i pid=0
	rm -f "$work/stop" "$work/errors" "$work/uses"
	mkdir -p "$mnt"
	ferryd -o "wait=$2,$options" "$1" "$mnt" || return 1
	for _ in 1 2 3; do load "$1" & done
	for ((i = 0; i < $3; i++)); do
		until_so is_served_by_other "$pid" || break
		sleep "0.$((RANDOM % 3))"
		pid=$worker
		kill -9 "$pid"
	done
	touch "$work/stop"
	wait
	[ "$i" = "$3" ] && [ ! -s "$work/errors" ] && [ "$(wc -l <"$work/uses")" = 3 ] && return
	head -n 20 "$work/errors"
	return 1
}

# all_are_killed BACKEND WAIT: then ferryd --attach goes on, and who waited has waited only
all_are_killed() {
	local pid was client
	until_so is_served || return 1
	pid=$supervisor was=$id
	kill -9 "$pid" "$worker"
	until_so is_detached || return 1
	"use_$1" &
	client=$!
	sleep 0.3
	kill -0 "$client" || return 1
	ferryd -o "wait=$2" --attach="$was" "$1" "$mnt" || return 1
	wait "$client" || return 1
	until_so is_served || return 1
	[ "$id" = "$was" ] && [ "$supervisor" != "$pid" ] && "use_$1"
}

term_unmounts() {
	channel
	kill -TERM "$supervisor"
	until_so is_unmounted && no_daemon_left
}

left_clean() { is_unmounted && no_daemon_left && log_is_clean; }

for server in "${servers[@]}"; do
	read -r backend wait <<<"$server"
	wanted "$backend" || continue
	mark_log "$backend"
	n=$(scaled 8)
	claim "$backend, $wait: $n deaths of the process that serves are not noticed" \
		worker_is_killed "$backend" "$wait" "$n"
	claim "$backend, $wait: all of ferryd dies, and ferryd --attach goes on" \
		all_are_killed "$backend" "$wait"
	claim "$backend, $wait: SIGTERM to the supervisor unmounts" term_unmounts
	claim "$backend, $wait: leaves a clean log, no mount and no daemon" left_clean
done

# --- what cannot go on ----------------------------------------------------------

# begin_without_device GRACE: sets daemon; its server is killed while there is no /dev/ferry
begin_without_device() {
	ferryd -f -o "on_death=reissue,grace=$1" null "$mnt" 2>"$work/err" &
	daemon=$!
	until_so is_served || return 1
	mv /dev/ferry /dev/ferry.away
	kill -9 "$worker"
}

# There is no next server, as long as requests wait for one: one line says that there will be none.
gives_up() {
	local daemon status
	begin_without_device 3 || return 1
	wait "$daemon"
	status=$?
	mv /dev/ferry.away /dev/ferry
	[ "$status" = 1 ] && [ "$(grep -c 'trying again' "$work/err")" = 1 ] &&
		[ "$(grep -c 'giving up' "$work/err")" = 1 ] && return
	echo "status $status"
	cat "$work/err"
	return 1
}

# What was missing comes back. Then the terminal goes.
comes_late() {
	local daemon pid status=0
	begin_without_device 3600 || return 1
	pid=$worker
	until_so grep -q 'trying again' "$work/err" || status=1
	mv /dev/ferry.away /dev/ferry
	until_so is_served_by_other "$pid" && use_null || status=1
	kill -HUP "$daemon"
	wait "$daemon" || status=1
	is_unmounted || status=1
	[ "$status" = 0 ] || cat "$work/err"
	return "$status"
}

# Nobody who could unmount it serves, or will.
stops_trying() {
	local daemon status
	begin_without_device 20 || return 1
	until_so grep -q 'trying again' "$work/err"
	kill -TERM "$daemon"
	wait "$daemon"
	status=$?
	mv /dev/ferry.away /dev/ferry
	[ "$status" = 1 ] && [ "$(grep -c 'giving up' "$work/err")" = 1 ] && return
	echo "status $status"
	cat "$work/err"
	return 1
}

fragile() { # FILE OPTIONS
	[ -e "$programs/backend/fragile.so" ] || { echo "not built"; return 4; }
	FERRY_BACKENDS_DIR=$programs/backend ferryd --disk ${2:+-o "$2"} "fragile:exit=$1"
}

read_disk() { dd if="$1" of=/dev/null bs=4k count=1 skip=64 iflag=direct status=none; }

no_disk() { local disks=(/sys/block/ferryb*); [ ${#disks[@]} = 0 ]; }

# Its process does not die, but ends with an error: a library has called exit().
error_is_followed() {
	local disk status=0 _
	disk=$(fragile "$work/exit" "$options") || return
	for _ in 1 2 3; do
		until_so is_served || return
		touch "$work/exit"
		read_disk "$disk" || status=1
		[ ! -e "$work/exit" ] || { echo "it has not ended"; status=1; }
	done
	until_so is_served || status=1
	# Whose channel is aborted is not followed.
	ferry abort "$id" || status=1
	until_so no_disk || status=1
	no_daemon_left || status=1
	return "$status"
}

# Its state is that of its process alone. It moves all the same, and what was written is there.
moved_is_the_last() {
	local disk status=0 pid
	disk=$(fragile "$work/none" "") || return
	head -c 1M /dev/urandom >"$work/data"
	dd if="$work/data" of="$disk" bs=64k oflag=direct status=none || status=1
	pid=$(pgrep -x ferryd)
	FERRY_BACKENDS_DIR=$programs/backend ferry upgrade "$disk" || status=1
	[ "$(pgrep -x ferryd)" != "$pid" ] || { echo "it was not replaced"; status=1; }
	dd if="$disk" bs=64k iflag=direct status=none | cmp - "$work/data" || status=1
	ferry set "$disk" grace=3600
	pkill -KILL -x ferryd
	until_so no_disk || { FERRY_BACKENDS_DIR=$programs/backend ferry recover "$disk" &&
		dd if="$disk" bs=64k iflag=direct status=none | cmp - "$work/data"; status=1; }
	for disk in /sys/block/ferryb*; do
		ferry disk del --force "$(basename "$disk")"
	done
	no_daemon_left || status=1
	return "$status"
}

dead_unmounts() { umount "$mnt" && no_daemon_left; }
detached_unmounts() { is_detached && umount "$mnt" && no_daemon_left; }

signal_all() { # WAY: one that reaches the supervisor, and who serves as well
	case $1 in
	group) kill -INT -- "-$group" ;;	# as ^C does
	name) pkill -TERM -x ferryd ;;
	esac
}

there() { # WAY: what that one is sent to: a mount, or a disk
	case $1 in
	group) mountpoint -q "$mnt" ;;
	name) [ -b /dev/ferryb0 ] ;;
	esac
}

not_there() { ! there "$1"; }

# What is in use stays after one signal, whoever has got it, and goes after another one.
one_is_one() { # WAY OPTION...
	local way=$1 fd status=0 group
	shift
	setsid ferryd -f "$@" >"$work/out" 2>"$work/err" &
	group=$!
	until_so there "$way" && until_so is_served || return 1
	case $way in group) exec {fd}<"$mnt" ;; name) exec {fd}</dev/ferryb0 ;; esac
	kill -STOP "$supervisor"
	signal_all "$way"
	until_so grep -q "in use" "$work/err" || status=1
	kill -CONT "$supervisor"
	sleep 1
	there "$way" || { echo "one signal counts as two"; status=1; }
	signal_all "$way"
	until_so not_there "$way" || status=1
	exec {fd}<&-
	wait "$group" || status=1
	[ "$status" = 0 ] || cat "$work/err"
	return "$status"
}

type_at() { findmnt -n -o FSTYPE --mountpoint "$1" | tail -n 1; }

# DIR counts from where ferryd was called. Who follows is in /, from where the same words lead to
# somebody else's mount.
relative_dir() {
	local ours=$work$mnt pid status=0
	mkdir -p "$ours"
	mount -t tmpfs other "$mnt" || return
	(cd "$work" && ferryd -o "$options" memfs "${mnt#/}") && until_so is_served || status=1
	pid=$worker
	kill -9 "$pid"
	until_so is_served_by_other "$pid" || status=1
	kill -TERM "$supervisor"
	no_daemon_left || status=1
	[ -z "$(type_at "$ours")" ] || { echo "ours stays"; umount -l "$ours"; status=1; }
	[ "$(type_at "$mnt")" = tmpfs ] || { echo "another's is gone"; return 1; }
	umount "$mnt" || status=1
	return "$status"
}

# Something else has been mounted over it, which no signal takes away.
under_another() {
	local pid status=0
	ferryd -f -o "$options" memfs "$mnt" 2>"$work/err" &
	until_so is_served || return 1
	pid=$worker
	kill -9 "$pid"
	mount -t tmpfs other "$mnt" || status=1
	until_so is_served_by_other "$pid" || status=1
	kill -TERM "$supervisor"
	until_so grep -q "not unmounted" "$work/err" || status=1
	[ "$(type_at "$mnt")" = tmpfs ] || { echo "another's is gone"; cat "$work/err"; status=1; }
	umount "$mnt"
	[ "$(type_at "$mnt")" != ferry ] || kill -TERM "$supervisor"
	until_so is_unmounted && no_daemon_left || status=1
	return "$status"
}

refuses_attach() { # TEXT ID
	timeout 10 ferryd --attach="$2" null "$mnt" 2>"$work/err" && return 1
	[ "$(wc -l <"$work/err")" = 1 ] && grep -q -e "$1" "$work/err" && return
	cat "$work/err"
	return 1
}

if wanted ferryd; then
	mark_log ferryd
	mkdir -p "$mnt"
	claim "ferryd: a server that cannot be followed is given up when nobody waits any more" gives_up
	claim "ferryd: its mount can be unmounted" dead_unmounts
	claim "ferryd: a server is followed when what was missing for that comes back; SIGHUP unmounts" \
		comes_late
	claim "ferryd: SIGTERM ends the tries" stops_trying
	claim "ferryd: its mount is detached, and can be unmounted" detached_unmounts
	claim "ferryd: a server that ends with an error is followed, and not when it was aborted" \
		error_is_followed
	claim "ferryd: --attach to no channel says so" refuses_attach "no such channel" 4711
	ferryd -o "$options" null "$mnt"
	until_so is_served
	claim "ferryd: --attach to a channel with a server says so" \
		refuses_attach "has a server" "$id"
	claim "ferryd: SIGTERM unmounts" term_unmounts
	claim "ferryd: ^C, which the supervisor gets too, is one signal to a mount in use" \
		one_is_one group memfs "$mnt"
	claim "ferryd: pkill, which finds them both, is one signal to a disk in use" \
		one_is_one name --disk ramdisk:size=16M
	claim "ferryd: a relative DIR is the same one for who follows" relative_dir
	claim "ferryd: what else is mounted on DIR is not unmounted" under_another
	claim "ferryd: leaves a clean log" log_is_clean
fi
if wanted moved; then
	mark_log moved
	claim "moved: one that moves and does not recover is on_death=fail after that, too" \
		moved_is_the_last
	claim "moved: leaves a clean log" log_is_clean
fi
unload_claim
finish
