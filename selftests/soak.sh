#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# Servers that are killed or moved, at random moments, while clients work and look at all that they
# get; and all that comes and goes, again and again. `make soak` does fifty times as much.

# shellcheck source=selftests/lib.sh
. "$(dirname "$(realpath "$0")")/lib.sh"
need_modules
for tool in fio mkfs.ext4; do
	command -v $tool >/dev/null || skip_all "no $tool: make deps"
done
work_dir
mnt=$work/mnt
mkdir "$mnt" "$work/host"
mount -t tmpfs none "$work/host"
RANDOM=${FERRY_TEST_SEED:-1}
: "${FERRY_TEST_SCALE:=50}"
echo "TAP version 13"

# --- clients ------------------------------------------------------------------------

complain() { echo "$*" >>"$work/errors"; }

# Lines to a file that all share: each is there once, at the end.
appends() { # WHO
	local n=0
	while [ ! -e "$work/stop" ]; do
		{ echo "$1 $n" >>"$mnt/log"; } 2>/dev/null || complain "line $n of $1 was not appended"
		n=$((n + 1))
	done
	echo "$n" >>"$work/appended"
}

verifies() {
	while [ ! -e "$work/stop" ]; do
		timeout -k 5 300 fio --name=verify --directory="$mnt" --rw=randwrite --bsrange=1k-64k \
			--size=2M --fsync=50 --verify=crc32c --do_verify=1 --verify_fatal=1 \
			--verify_state_save=0 --output-format=terse >"$work/fio" 2>&1 ||
			complain "fio: $(tail -n 3 "$work/fio")"
	done
}

# Names, against a model.
names() {
	mkdir -p "$mnt/names"
	while [ ! -e "$work/stop" ]; do
		FERRY_TEST_SEED=$RANDOM FERRY_TEST_SCALE=2 FERRY_TEST_SECONDS=300 \
			"$programs/fs/stress" "$mnt/names" agree >"$work/stress" 2>&1 ||
			complain "stress: $(grep -v '^ok' "$work/stress" | head -n 5)"
	done
}

# under_load COMMAND...: the command, while clients work
under_load() {
	local status=0
	rm -f "$work/stop" "$work/errors" "$work/appended"
	appends a & appends b & appends c & verifies & names &
	until_so test -s "$mnt/log" && "$@" || status=1
	touch "$work/stop"
	wait
	if [ -s "$work/errors" ]; then head -n 20 "$work/errors"; status=1; fi
	each_line_once || status=1
	return "$status"
}

each_line_once() {
	local lines all
	lines=$(wc -l <"$mnt/log")
	all=$(awk '{ n += $1 } END { print n }' "$work/appended")
	if [ "$lines" != "$all" ] || [ "$(sort -u "$mnt/log" | wc -l)" != "$all" ]; then
		echo "$all lines were appended, $lines are there, of which differ $(sort -u "$mnt/log" | wc -l)"
		return 1
	fi
	rm "$mnt/log"
}

# --- a database as client ----------------------------------------------------------

# pg PROGRAM ARGUMENT...: of PostgreSQL's, which are not root's to run
pg() {
	local program
	program=$(printf '%s\n' /usr/lib/postgresql/*/bin/"$1" | sort -V | tail -n 1)
	setpriv --reuid=postgres --regid=postgres --clear-groups \
		env -C "$work" PGHOST="$work/socket" PGUSER=postgres PGDATA="$mnt/base" "$program" "${@:2}"
}

# Short pieces of its log, and checkpoints often, so that much is written and renamed.
starts() {
	pg pg_ctl -s -w -t 600 -l "$work/socket/log" start -o "-k $work/socket -c listen_addresses='' \
		-c max_wal_size=8MB -c min_wal_size=2MB -c checkpoint_timeout=30s -c wal_recycle=off" &&
		return
	tail -n 10 "$work/socket/log"
	return 1
}

# pgbench's transactions move money: what the accounts, tellers and branches have is what history says.
# Each that was acknowledged is there, once.
balance() { # N
	is "what the database has" "$(pg psql -A -t -F ' ' -c 'select count(*), sum(delta) =
		(select sum(abalance) from pgbench_accounts), sum(delta) =
		(select sum(tbalance) from pgbench_tellers), sum(delta) =
		(select sum(bbalance) from pgbench_branches) from pgbench_history' postgres 2>&1)" \
		"$1 t t t" && pg pg_amcheck --install-missing --heapallindexed postgres
}

transacts() {
	local n=0
	while [ ! -e "$work/stop" ]; do
		if pg pgbench -n -c 4 -t 25 postgres >"$work/pgbench" 2>&1 &&
			grep -q '^number of failed transactions: 0 ' "$work/pgbench"; then
			n=$((n + 100))
			echo "$n" >"$work/transacted"
		else
			complain "pgbench: $(tail -n 5 "$work/pgbench")"
		fi
	done
}

# with_database COMMAND...
with_database() {
	compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null || { skips "no PostgreSQL"; return; }
	"$@"
}

makes_database() {
	mkdir -p "$mnt/base" "$work/socket" && chown postgres: "$mnt/base" "$work/socket" &&
		pg initdb -k -A trust --locale=C --wal-segsize=1 && starts && pg pgbench -q -i postgres
} >"$work/made" 2>&1

# under_database COMMAND...: the command, while transactions go on. Afterwards the database is
# stopped as by a crash, and starts from its log; then as it should be.
under_database() {
	local status=0 n
	rm -rf "$work/stop" "$work/errors" "$work/transacted" "$work/socket"
	if ! makes_database; then
		tail -n 10 "$work/made"
		pg pg_ctl -s -m immediate stop
		return 1
	fi
	transacts &
	until_so test -s "$work/transacted" && "$@" || status=1
	touch "$work/stop"
	wait $!
	if [ -s "$work/errors" ]; then head -n 20 "$work/errors"; status=1; fi
	n=$(<"$work/transacted")
	balance "$n" && pg pg_ctl -s -m immediate stop && starts && balance "$n" || status=1
	pg pg_ctl -s -w -t 600 stop || status=1
	pg pg_checksums -c >"$work/checksums" 2>&1 || { cat "$work/checksums"; status=1; }
	! grep -E 'PANIC|could not|corrupt|invalid page|verification failed' "$work/socket/log" || status=1
	return "$status"
}

# --- killers ----------------------------------------------------------------------------

kills() { # N
	local i
	for ((i = 0; i < $1; i++)); do
		until_so served_by_other "$killed" || return 1
		sleep "0.0$((RANDOM % 100))"
		kill_server || return 1
	done
	is_followed
}

moves() { # N
	local i
	for ((i = 0; i < $1; i++)); do
		ferry move "$mnt" --to kernel && ferry move "$mnt" --to user || return 1
	done
}

# on_mount SOURCE OPTIONS CLIENTS COMMAND...: CLIENTS is a function as under_load
on_mount() {
	local status=0
	ferry mount ${2:+-o "$2"} "$1" "$mnt" || return
	"${@:3}" || status=1
	after_test || status=1
	return "$status"
}

no_io_error() {
	log_lacks 'I/O error|EXT4-fs (error|warning)|JBD2'
}

# on_disk SOURCE OPTIONS CLIENTS COMMAND...: ext4 on a disk
on_disk() {
	local disk status=0
	disk=$(ferry disk add ${2:+-o "$2"} "$1") || return
	if [ "$(pgrep -c -x ferryd)" = 1 ]; then
		ferry disk del "$disk"
		echo "its server has no successor"
		return 1
	fi
	if mkfs.ext4 -q -F "$disk" && mount "$disk" "$mnt"; then
		"${@:3}" || status=1
		unmount_fs "$mnt" || status=1
		e2fsck -fn "$disk" >"$work/fsck" 2>&1 || { cat "$work/fsck"; status=1; }
	else
		status=1
	fi
	ferry disk del "$disk" || status=1
	no_daemon_left && log_is_clean && no_io_error || status=1
	return "$status"
}

n=$(scaled 8)
for case in "mount memfs sync" "mount memfs poll" "mount memfs uring" "mount mirror:$work/host sync" \
	"mount mirror:$work/host,passthrough=no sync" \
	"disk file:path=$work/host/img sync" "disk ramdisk:size=48M sync"; do
	read -r kind source style <<<"$case"
	backend=${source%%:*}
	# Passed through, its server is asked to open files, but not to read and write them: where there
	# is time for both.
	case $source in
	*passthrough=no) backend+=-served ;;
	mirror:*) [ "$FERRY_TEST_SCALE" -gt 100 ] || continue ;;
	esac
	# In the other styles block-life has the deaths of a disk's.
	[ "$style" = sync ] || [ "$FERRY_TEST_SCALE" -gt 100 ] || continue
	wanted "kills/$backend/$style" || continue
	case $backend in file) truncate -s 48M "$work/host/img" ;; esac
	mark_log "$case"
	claim "$backend, $style: $n deaths of its server are not noticed" \
		"on_$kind" "$source" "wait=$style" under_load kills "$n"
done
n=$(scaled 2)
if wanted moves; then
	mark_log moves
	claim "memfs: it moves to and fro $n times, and nobody notices" \
		on_mount memfs "" under_load moves "$n"
fi

# A database needs minutes to come into being.
for case in "mount memfs:size=512M kills" "mount memfs:size=512M moves" \
	"disk file:path=$work/host/img kills" "disk ramdisk:size=256M kills"; do
	read -r kind source what <<<"$case"
	backend=${source%%:*}
	if [ "$FERRY_TEST_SCALE" -le 100 ] || ! wanted "database/$backend/$what"; then continue; fi
	case $backend in file) truncate -s 256M "$work/host/img" ;; esac
	n=$(scaled 1)
	mark_log "$case"
	claim "$backend: a database on it does not notice $n $what, and each transaction is there once" \
		with_database "on_$kind" "$source" "" under_database "$what" "$n"
done

# --- what comes and goes -------------------------------------------------------------------

# kB that the kernel has for itself
kernel_memory() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	sleep 0.5
	awk '$1 ~ /^(SUnreclaim|VmallocUsed|Percpu|KernelStack):/ { n += $2 } END { print n }' /proc/meminfo
}

mounts() {
	local placement
	for placement in user-sync user-poll user-uring user-rw kernel; do
		mount_fs "$placement" memfs "$mnt" && echo x >"$mnt/f" && [ "$(<"$mnt/f")" = x ] &&
			unmount_fs "$mnt" || return 1
	done
	no_daemon_left
}

disks() {
	local disk options
	for options in --in-kernel "-o wait=sync" "-o wait=rw"; do
		# shellcheck disable=SC2086 # two words
		disk=$(ferry disk add $options ramdisk:size=8M) &&
			dd if=/dev/zero of="$disk" bs=64k count=4 oflag=direct 2>/dev/null &&
			ferry disk del "$disk" || return 1
	done
	no_daemon_left
}

loads() { "$tree/tools/modules" unload && "$tree/tools/modules" load; }

again() { # N COMMAND
	local i
	for ((i = 0; i < $1; i++)); do
		"$2" || return 1
	done
}

leaks_nothing() { # N COMMAND
	local before after
	again 2 "$2" || return 1
	before=$(kernel_memory)
	again "$1" "$2" || return 1
	after=$(kernel_memory)
	[ $((after - before)) -lt 1024 ] && log_is_clean && return
	echo "the kernel has $((after - before)) kB more than before $1 times"
	return 1
}

n=$(scaled 4)
mark_log again
! wanted mounts || claim "mount and unmount, $n times in each placement: leaks nothing" \
	leaks_nothing "$n" mounts
! wanted disks || claim "add and delete a disk, $n times: leaks nothing" leaks_nothing "$n" disks
! wanted loads || claim "load and unload, $n times: leaks nothing" leaks_nothing "$n" loads
unload_claim
if wanted loads; then
	claim "unloaded, nothing of ferry is in the kernel's memory" \
		sh -c '! grep -h -i ferry /proc/vmallocinfo /proc/slabinfo /proc/devices'
fi
umount "$work/host"
finish
