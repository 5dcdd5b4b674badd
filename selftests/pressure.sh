#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# Little memory, and servers that reclaim waits for: a swap disk, and far more dirty pages than
# there is memory, of a mount's own or of a filesystem on a server's disk. In a machine of 512 MB
# with an empty disk.

# shellcheck source=selftests/lib.sh
. "$(dirname "$(realpath "$0")")/lib.sh"
need_modules
command -v fio >/dev/null || skip_all "no fio: make deps"
modprobe -q virtio_blk
[ -b /dev/vda ] || skip_all "no empty disk: tools/vm/run --mem 512M --disk 4G"
work_dir
mnt=$work/mnt
mkdir "$mnt" "$work/host"
scale=${FERRY_TEST_SCALE:-100}
echo "TAP version 13"

megabytes() { awk -v what="$1:" '$1 == what { print int($2 / 1024) }' /proc/meminfo; }

# In huge pages, which are not swapped, lies what would only make the test longer.
leave() { # MEGABYTES
	echo 0 >/proc/sys/vm/nr_hugepages
	echo $((($(megabytes MemAvailable) - $1) / 2)) >/proc/sys/vm/nr_hugepages
}

# Nobody was killed for memory; and whoever serves is who served before.
no_oom() { log_lacks 'Out of memory|oom-kill|oom_reaper'; }

# servers: the processes, the oldest first
servers() { pgrep -x ferryd | paste -s -d ' '; }


# All threads of a server are IO_FLUSHERs (PF_MEMALLOC_NOIO and PF_LOCAL_THROTTLE).
are_flushers() {
	local task stat flags
	for task in $(for pid in $(servers); do echo "/proc/$pid/task/"*; done); do
		read -r stat <"$task/stat"
		read -r _ _ _ _ _ _ flags _ <<<"${stat##*) }"
		if [ $((flags & 0x80000)) = 0 ] || [ $((flags & 0x100000)) = 0 ]; then
			printf '%s: flags %x\n' "$task" "$flags"
			return 1
		fi
	done
}

are_locked() {
	local pid locked
	for pid in $(servers); do
		locked=$(awk '$1 == "VmLck:" { print $2 }' "/proc/$pid/status")
		[ "$locked" -gt 0 ] && [ "$(cat "/proc/$pid/oom_score_adj")" = -1000 ] && continue
		echo "process $pid has $locked kB locked"
		return 1
	done
}

# swaps STYLE KILLS: a program that needs more than there is, swapped to a server's disk
swaps() {
	local disk before need swapped status=0 i
	disk=$(ferry disk add -o "wait=$1" file:path=/dev/vda,direct) || return
	mkswap "$disk" >/dev/null && swapon "$disk" || return
	are_flushers && are_locked || status=1
	before=$(servers)
	swapped=$(awk '$1 == "pswpout" { print $2 }' /proc/vmstat)
	[ "$scale" -gt 100 ] || leave 80
	need=$(($(megabytes MemAvailable) + 40))
	timeout -k 5 300 "$programs/pressure/need" "$need" &
	for ((i = 0; i < $2; i++)); do
		sleep 1
		pkill -KILL -n -x ferryd
	done
	wait $! || { echo "$need MB: status $?"; status=1; }
	[ "$(awk '$1 == "pswpout" { print $2 }' /proc/vmstat)" -gt "$swapped" ] ||
		{ echo "nothing was swapped"; status=1; }
	echo 0 >/proc/sys/vm/nr_hugepages
	[ "$2" != 0 ] || [ "$(servers)" = "$before" ] || { echo "other servers than before"; status=1; }
	swapoff "$disk" || status=1
	ferry disk del "$disk" || status=1
	no_daemon_left && no_oom && log_is_clean || status=1
	return "$status"
}

# dirties MEGABYTES ENGINE...: far more than memory, by write() or by a map, and reads it again
dirties() {
	local engine
	[ "$scale" -gt 100 ] || leave 80
	for engine in "${@:2}"; do
		timeout -k 5 300 fio --name=dirty --directory="$mnt" --ioengine="$engine" --rw=write \
			--bs=256k --size="$1M" --numjobs=2 --verify=crc32c --do_verify=1 \
			--verify_fatal=1 --verify_state_save=0 --output-format=terse >"$work/fio" 2>&1 ||
			{ tail -n 5 "$work/fio"; return 1; }
		rm -f "$mnt"/dirty*
	done
	echo 0 >/proc/sys/vm/nr_hugepages
}

# were_ours MEGABYTES: the pages were the mount's own, and it is its server that cleaned them; but
# for some, maybe, of the files that are gone.
were_ours() {
	local written
	written=$(($(stat_of "$mnt" WRITE bytes_in) >> 20))
	[ "$written" -ge $(($1 / 2)) ] || { echo "of $1 MB its server was given $written"; return 1; }
}

# on_mount SOURCE MEGABYTES ENGINE...
on_mount() {
	local status=0 before
	ferry mount "$1" "$mnt" || return
	before=$(servers)
	are_flushers || status=1
	dirties "${@:2}" && were_ours $((2 * $2 * ($# - 2))) || status=1
	[ "$(servers)" = "$before" ] || { echo "other servers than before"; status=1; }
	umount "$mnt" || status=1
	no_daemon_left && no_oom && log_is_clean || status=1
	return "$status"
}

# with_swap COMMAND...: what has no file goes to a disk
with_swap() {
	local status=0
	mkswap /dev/vda >/dev/null && swapon /dev/vda || return
	"$@" || status=1
	swapoff /dev/vda || status=1
	return "$status"
}

# on_host COMMAND...: the server's files are on a disk
on_host() {
	local status=0
	mkfs.ext4 -q -F /dev/vda && mount /dev/vda "$work/host" || return
	"$@" || status=1
	umount "$work/host" || status=1
	return "$status"
}

# ext4 on a server's disk
on_disk() { # MEGABYTES
	local disk status=0
	disk=$(ferry disk add file:path=/dev/vda) && mkfs.ext4 -q -F "$disk" &&
		mount "$disk" "$mnt" || return
	dirties "$1" psync mmap || status=1
	umount "$mnt" || status=1
	e2fsck -fn "$disk" >"$work/fsck" 2>&1 || { cat "$work/fsck"; status=1; }
	ferry disk del "$disk" || status=1
	no_daemon_left && no_oom && log_is_clean || status=1
	return "$status"
}

# --- moves: what a server knows is there once more meanwhile ----------------------------------------

# It is refused, and all goes on.
has_no_room() { # COMMAND...
	refused "not enough memory" "$@" && [ "$(<"$mnt/text")" = text ]
}

# A memfs of 96 MB where there is memory for not all of it, or for one copy more.
moves() {
	local status=0
	ferry mount memfs:size=256M "$mnt" && echo text >"$mnt/text" &&
		dd if=/dev/zero of="$mnt/zeroes" bs=1M count=96 status=none || return
	leave 72
	has_no_room ferry move "$mnt" --to kernel && side user || status=1
	leave 160
	timeout -k 5 120 ferry move "$mnt" --to kernel && side kernel || status=1
	leave 72
	has_no_room ferry move "$mnt" --to user && side kernel || status=1
	echo 0 >/proc/sys/vm/nr_hugepages
	umount "$mnt" || status=1
	no_daemon_left && no_oom && log_is_clean || status=1
	return "$status"
}

# Twice that, and twice.
far=$((75 * scale / 100))
[ $far -le 1000 ] || far=1000
for style in sync poll uring; do
	wanted "swap/$style" || continue
	mark_log "swap $style"
	claim "swap on a disk in a daemon, $style: a program that needs more than there is" \
		swaps $style 0
done
if wanted swap/killed; then
	mark_log "swap killed"
	claim "swap on a disk whose server is killed, again and again" swaps sync $((3 * scale / 100))
fi
if wanted moves; then
	mark_log moves
	claim "a move that would not fit into memory changes nothing, and one that just does is done" moves
fi
if wanted mirror; then
	mark_log mirror
	claim "mirror, which writes to a disk: more dirty pages than memory" \
		on_host on_mount "mirror:$work/host,passthrough=no" $far psync mmap
fi
if wanted memfs; then
	mark_log memfs
	claim "memfs, written back, which is swapped to a disk: more dirty pages than memory" \
		with_swap on_mount memfs:size=4G,writeback $((far * 3 / 5)) psync
fi
if wanted ext4; then
	mark_log ext4
	claim "ext4 on a disk in a daemon: more dirty pages than memory" on_disk $far
fi
unload_claim
finish
