#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# memfs in a daemon, wait style uring; mirror, which reads and writes in the same ring.

# shellcheck source=selftests/fs.sh
. "$(dirname "$(realpath "$0")")/fs.sh"
need_modules
work_dir
echo "TAP version 13"
run_fs_tests user-uring memfs names rename rw direct mmap cache readdir fsx stress
mkdir -p "$work/host" "$work/mnt"
mount -t tmpfs tmpfs "$work/host"
run_fs_tests user-uring "mirror:$work/host,passthrough=no" rw sparse direct mmap fsx

waits() { grep -q ferry_ "/proc/$1/wchan"; }

tracing=/sys/kernel/tracing
# not_traced COMMAND...: whatever comes of it, nothing is traced nor mounted afterwards
not_traced() {
	local status
	"$@"
	status=$?
	pkill -CONT -x ferryd
	[ ! -e "$tracing/events/enable" ] || echo 0 >"$tracing/events/enable"
	! mountpoint -q "$work/mnt" || unmount_fs "$work/mnt" || status=1
	return "$status"
}

# A daemon that was stopped finds eight clients at once.
batches() {
	local daemon pid pids=() enters fetches
	mountpoint -q "$tracing" || mount -t tracefs tracefs "$tracing" ||
		{ skips "no tracefs"; return; }
	[ -d "$tracing/events/syscalls/sys_enter_io_uring_enter" ] ||
		{ skips "this kernel does not trace system calls"; return; }
	mount_fs user-uring memfs "$work/mnt" queues=1,attr_timeout=0,on_death=fail || return
	touch "$work/mnt/"{1..8}
	daemon=$(pgrep -x ferryd)
	kill -STOP "$daemon"
	for file in "$work/mnt/"{1..8}; do
		stat "$file" >/dev/null &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		for _ in {1..200}; do waits "$pid" && break; sleep 0.05; done
		waits "$pid" || return
	done
	echo >"$tracing/trace"
	echo 1 >"$tracing/events/syscalls/sys_enter_io_uring_enter/enable"
	echo 1 >"$tracing/events/ferry/ferry_fetch/enable"
	kill -CONT "$daemon"
	wait "${pids[@]}" || return
	echo 0 >"$tracing/events/enable"
	enters=$(grep -c sys_io_uring_enter "$tracing/trace")
	fetches=$(grep -c ferry_fetch: "$tracing/trace")
	echo "$enters calls, $fetches requests"
	[ "$fetches" -ge 8 ] && [ $((enters * 2)) -le "$fetches" ]
}

! wanted batches || claim "batches: a system call answers and fetches several requests" \
	not_traced batches

# wake_at TRACE: for how many completions somebody has waited at most; below 10 there
wake_at() {
	sed -n 's/.* sys_io_uring_enter(.* min_complete: \([0-9a-f]*\),.*/\1/p' "$1" | sort -u | tail -n 1
}

# Thirty-two at a time: soon its server waits for four, which it does only where two came in time.
gathers() {
	local disk most=0 _ event=$tracing/events/syscalls/sys_enter_io_uring_enter
	if ferry version --features | grep -qE '^wait +uring-gather +no '; then
		skips "this kernel has no uring-gather"
		return
	fi
	mountpoint -q "$tracing" || mount -t tracefs tracefs "$tracing" ||
		{ skips "no tracefs"; return; }
	[ -d "$event" ] || { skips "this kernel does not trace system calls"; return; }
	disk=$(ferry disk add -o wait=uring,queues=1 ramdisk:size=16M) || return
	echo "min_complete > 1" >"$event/filter"
	echo >"$tracing/trace"
	echo 1 >"$event/enable"
	for _ in {1..20}; do
		fio --name=read --filename="$disk" --direct=1 --ioengine=libaio --iodepth=32 --rw=randread \
			--bs=4k --size=16M --output-format=terse >/dev/null || break
		most=$(wake_at "$tracing/trace")
		[ "$((0x${most:-0}))" -lt 4 ] || break
	done
	echo 0 >"$event/filter"
	ferry disk del "$disk"
	no_daemon_left || return
	echo "it is woken for ${most:-none} at most"
	[ "$((0x${most:-0}))" -ge 4 ]
}

! wanted gathers || claim "gathers: a busy disk's server is woken for several requests at once" \
	not_traced gathers
# The one thread that serves it looks at others while a disk that has stopped is to sync.
syncs_beside() {
	local disk daemons sync status=0
	disk=$(ferry disk add -o wait=sync ramdisk:size=64M) && mkfs.ext4 -q "$disk" &&
		mkdir -p "$work/on-disk" && mount "$disk" "$work/on-disk" || return
	mapfile -t daemons < <(pgrep -x ferryd)
	touch "$work/on-disk/"{1..8}
	if mount_fs user-uring "mirror:$work/on-disk,passthrough=no" "$work/mnt" queues=1,attr_timeout=0; then
		echo x >"$work/mnt/f"
		kill -STOP "${daemons[@]}"
		sync "$work/mnt/f" &
		sync=$!
		for _ in {1..200}; do waits "$sync" && break; sleep 0.05; done
		waits "$sync" && timeout 30 stat "$work/mnt/"{1..8} >/dev/null && waits "$sync" || status=1
		kill -CONT "${daemons[@]}"
		wait "$sync" && unmount_fs "$work/mnt" || status=1
	else
		status=1
	fi
	umount "$work/on-disk" && ferry disk del "$disk" && no_daemon_left || status=1
	return "$status"
}

! wanted syncs || claim "syncs: who waits for the host's disk keeps no other from being served" \
	not_traced syncs_beside
unload_claim
finish
