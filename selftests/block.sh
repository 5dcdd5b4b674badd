#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# Disks: filesystems on backends, placements and wait styles; sizes, limits, removal.
#
# Of the matrix {backend x placement and wait style} half is tried, in which each backend, each
# placement and each style is, those in more than one company. FERRY_TEST_WHOLE=1, as in
# make check-all, tries all of it.

# shellcheck source=selftests/block/lib.sh
. "$(dirname "$(realpath "$0")")/block/lib.sh"
begin_disks mkfs.ext4 mkfs.xfs mkfs.btrfs sfdisk fio
modprobe -q brd rd_nr=1 rd_size=65536

truncate -s 64M "$work/host/img"
half=(ramdisk/user-{sync,uring} ramdisk/kernel file/user-{poll,rw} file/kernel
	direct/user-{sync,uring} filters/user-rw filtered/kernel)
before=delay:us=300,percent=30+error:percent=0
filters=$before+ramdisk:size=64M
for placement in user-sync user-poll user-uring user-rw kernel; do
	for source in ramdisk:size=64M "file:path=$work/host/img" file:path=/dev/ram0,direct $filters \
		"$before+file:path=$work/host/img"; do
		name=${source%%:*} pair=$name
		case $source in
		*direct) name+=" on a device, direct" pair=direct ;;
		delay*file*) name="delay, error and file" pair=filtered ;;
		delay*) name="delay, error and ramdisk" pair=filters ;;
		esac
		pair+=/$placement
		if ! chosen "${half[@]}" || ! wanted "ext4/$name/$placement"; then continue; fi
		mark_log "$name $placement"
		claim "$name, $placement: fio verifies, ext4 holds a tree and is clean" \
			on_disk "$source" $placement "" good_disk ext4
	done
done

# Filesystem over filesystem of the same type: no caller's transaction is in the way.
on_upper() { # ARGS DISK
	local upper status
	mkfs.ext4 -q -F "$2" && mkdir -p "$work/lower" && mount "$2" "$work/lower" &&
		truncate -s 64M "$work/lower/img" || return
	upper=$(add_disk kernel "file:path=$work/lower/img$1") || return
	holds_tree ext4 "$upper"
	status=$?
	mountpoint -q "$work/mnt" && umount "$work/mnt"
	ferry disk del "$upper" || status=1
	umount "$work/lower" || status=1
	return "$status"
}

for args in "" ,direct; do
	wanted "stacked$args" || continue
	mark_log stacked
	claim "a disk in a file$args on a filesystem on a disk, in the kernel" \
		on_disk ramdisk:size=128M kernel "" on_upper "$args"
done

for case in "xfs user-sync" "btrfs kernel"; do
	read -r fs placement <<<"$case"
	wanted "$fs" || continue
	mark_log "$fs"
	claim "$fs on a ramdisk, $placement" \
		on_disk ramdisk:size=400M "$placement" "" good_disk "$fs"
done

# A server whose backend answers from a thread of its own.
asynchronous() {
	local disk pid status=0
	"$tree/build/example-disk" >"$work/out" &
	pid=$!
	for _ in {1..100}; do
		read -r disk _ <"$work/out" && break
		sleep 0.1
	done
	verifies "$disk" && holds_tree ext4 "$disk" || status=1
	ferry disk del "$disk" || status=1
	wait "$pid" || status=1
	no_disk_left || status=1
	return "$status"
}

if wanted example; then
	mark_log example
	claim "the example in the documentation serves a disk" asynchronous
fi

# --- what a disk looks like --------------------------------------------------------------

limits() { # DISK
	is logical_block_size "$(queue "$1" logical_block_size)" 4096 &&
		is physical_block_size "$(queue "$1" physical_block_size)" 16384 &&
		is minimum_io_size "$(queue "$1" minimum_io_size)" 32768 &&
		is optimal_io_size "$(queue "$1" optimal_io_size)" 1048576 &&
		is rotational "$(queue "$1" rotational)" 1 &&
		is io_timeout "$(queue "$1" io_timeout)" "$timeout" &&
		is ro "$(cat "/sys/block/$(basename "$1")/ro")" 1 &&
		is serial "$(cat "/sys/block/$(basename "$1")/ferry/serial")" abc-1 &&
		{ ! dd if=/dev/zero of="$1" bs=4k count=1 oflag=direct 2>/dev/null; } &&
		is size "$(lsblk -b -n -d -o SIZE "$1")" 67108864
}

# Nothing smaller than a block is read or written, and each of them by itself.
blocks_of() { # BYTES DISK
	is logical_block_size "$(queue "$2" logical_block_size)" "$1" || return
	dd if=/dev/urandom of="$work/host/data" bs="$1" count=5 status=none
	dd if="$work/host/data" of="$2" bs="$1" count=5 seek=3 oflag=direct status=none &&
		dd if=/dev/zero of="$2" bs="$1" count=1 seek=5 oflag=direct status=none &&
		dd if=/dev/zero of="$work/host/data" bs="$1" count=1 seek=2 conv=notrunc status=none || return
	cmp <(dd if="$2" bs="$1" count=5 skip=3 iflag=direct status=none) "$work/host/data" &&
		! dd if="$2" of=/dev/null bs=512 count=1 iflag=direct 2>/dev/null
}

# Not even the device mapper writes to it, which some kernels let have it for that.
stays_as_it_is() { # DISK
	local status=0
	if ! command -v dmsetup >/dev/null || ! modprobe -q dm-mod; then
		skips "no device mapper"
		return
	fi
	if echo "0 2048 linear $1 0" | dmsetup create --noudevsync --noudevrules ferry-ro; then
		dd if=/dev/urandom bs=4k count=1 oflag=direct conv=nocreat status=none \
			of="/dev/$(dmsetup info -c --noheadings -o blkdevname ferry-ro)" &&
			{ echo "it can be written to"; status=1; }
		dmsetup remove --noudevsync --noudevrules ferry-ro || status=1
	fi
	dd if="$1" bs=4k count=1 iflag=direct status=none | cmp -n 4096 - /dev/zero || status=1
	return "$status"
}

many_limits=ro,rotational,logical=4096,physical=16K,io_min=32K,io_opt=1M,serial=abc-1

partitions() { # DISK
	echo 'size=16M' | sfdisk -q "$1" && [ -b "${1}p1" ] && mkfs.ext4 -q -F "${1}p1" &&
		is "blkid" "$(blkid -p -o value -s TYPE "${1}p1")" ext4 && mount "${1}p1" "$work/mnt" &&
		umount "$work/mnt"
}

grows() { # DISK
	mkfs.ext4 -q -F "$1" && mount "$1" "$work/mnt" && ferry disk resize "$1" 128M &&
		is size "$(lsblk -b -n -d -o SIZE "$1")" 134217728 && resize2fs "$1" &&
		[ "$(stat -f -c %b "$work/mnt")" -gt 80000 ] && umount "$work/mnt" &&
		e2fsck -fn "$1" && ferry disk resize "$1" &&
		is "size, all there is" "$(lsblk -b -n -d -o SIZE "$1")" 268435456 &&
		! ferry disk resize "$1" 1T 2>/dev/null && ! ferry disk resize "$1" 1000 2>/dev/null
}

# All that there is are blocks of the server's.
grows_to_blocks() { # DISK
	ferry disk resize "$1" && is size "$(blockdev --getsize64 "$1")" 16777216 &&
		ferry disk resize "$1" 8M && is "size, as asked" "$(blockdev --getsize64 "$1")" 8388608
}

# What iostat shows: since the last time, requests and sectors of reads and writes, discards and
# their sectors, flushes; and how many are under way.
counted() { # DISK
	local now
	read -r -a now <"/sys/block/$(basename "$1")/stat"
	echo $((now[0] - stat[0])) $((now[2] - stat[2])) $((now[4] - stat[4])) $((now[6] - stat[6])) \
		$((now[11] - stat[11])) $((now[13] - stat[13])) $((now[15] - stat[15])) "${now[8]}"
}

counts() { # DISK
	local stat
	udevadm settle -t 20 2>/dev/null	# somebody may be looking at a new disk
	read -r -a stat <"/sys/block/$(basename "$1")/stat"
	dd if="$1" of=/dev/null bs=4k count=100 iflag=direct status=none &&
		is "after 100 reads of 4 KiB" "$(counted "$1")" "100 800 0 0 0 0 0 0" &&
		dd if=/dev/zero of="$1" bs=16k count=50 oflag=direct status=none &&
		is "after 50 writes of 16 KiB" "$(counted "$1")" "100 800 50 1600 0 0 0 0" &&
		blkdiscard -f -o 1M -l 1M "$1" &&
		is "after a discard of 1 MiB" "$(counted "$1")" "100 800 50 1600 1 2048 0 0" &&
		dd if=/dev/zero of="$1" bs=4k count=1 conv=fsync oflag=direct status=none || return
	# Some kernels count what asks for a flush as a write of nothing, too.
	is "after a write and a flush" "$(counted "$1" | cut -d ' ' -f 1,2,4-)" \
		"100 800 1608 1 2048 1 0" || return
	until_so is_busy "$1"
}

# The kernel looks at its clock's ticks, and a disk may be quicker.
is_busy() { # DISK
	local stat
	dd if="$1" of=/dev/null bs=1M count=16 iflag=direct status=none
	read -r -a stat <"/sys/block/$(basename "$1")/stat"
	[ "${stat[9]}" -gt 0 ]
}

# queues_of DISK: its hardware queues and the requests that each has room for
queues_of() { cat "/sys/block/$(basename "$1")"/mq/*/nr_tags | tr '\n' ' '; }

# A hardware queue a server queue; as deep as that, or as asked for.
queues_are() { is "depth of the queues" "$(queues_of "$2")" "$1 "; }

# Its server's reads and writes by system call, in KiB: what the kernel moves is not in them.
touched() {
	awk '/^[rw]char/ { n += $2 } END { printf "%d", n / 1024 }' "/proc/$(pgrep -n -x ferryd)/io"
}

transfers() { # DISK: 16 MiB each way
	local before after
	before=$(touched)
	dd if=/dev/urandom of="$1" bs=1M count=16 oflag=direct status=none || return
	cmp -n 16777216 "$1" "$work/host/img" || return
	after=$(touched)
	[ $((after - before)) -lt 1024 ] && return
	echo "the server touched $((after - before)) KiB"
	return 1
}

# A disk and its partition are found by the serial, and not when they are gone.
# with_udev COMMAND...: with our rule, and a group as make install makes it
with_udev() {
	local status=0
	groupadd -rf ferry && mkdir -p /run/udev/rules.d &&
		cp "$tree/tools/60-ferry.rules" /run/udev/rules.d/ && $udevd --daemon || return
	"$@" || status=1
	udevadm control --exit
	return "$status"
}

group_serves() {
	udevadm trigger --action=change --name-match=/dev/ferry && udevadm settle -t 20 &&
		is /dev/ferry "$(stat -c %U:%G:%a /dev/ferry)" root:ferry:660
}

seen_by_udev() {
	local disk status=0 link=/dev/disk/by-id/ferry-shelf-7
	disk=$(add_disk user-sync ramdisk:size=64M serial=shelf-7) || return
	{
		echo 'size=16M' | sfdisk -q "$disk" && udevadm settle -t 20 &&
			is by-id "$(readlink -f "$link")" "$disk" &&
			is "by-id of the partition" "$(readlink -f "$link"-part1)" "${disk}p1" &&
			is "serial in lsblk" "$(lsblk -n -d -o SERIAL "$disk")" shelf-7 &&
			is "type in lsblk" "$(lsblk -n -o TYPE "${disk}p1")" part &&
			mkfs.ext4 -q -F -L shelf "${disk}p1" && udevadm settle -t 20 &&
			is "label in blkid" "$(blkid -o value -s LABEL "${disk}p1")" shelf
	} || status=1
	ferry disk del "$disk" && udevadm settle -t 20 || status=1
	[ ! -L "$link" ] || { echo "$link is there"; status=1; }
	no_disk_left || status=1
	return "$status"
}

if wanted udev; then
	mark_log udev
	udevd=/lib/systemd/systemd-udevd
	claim "udev, lsblk and blkid see a disk with a serial, and its partition" \
		with_udev seen_by_udev
	claim "udev gives /dev/ferry to the group ferry" with_udev group_serves
fi

for placement in user-sync kernel; do
	mark_log "looks $placement"
	timeout=30000 given=$many_limits
	[ $placement = kernel ] || { timeout=7000; given+=,io_timeout=7; }
	! wanted limits || claim "$placement: limits, timeout, serial and read-only are as given" \
		on_disk ramdisk:size=64M $placement "$given" limits
	! wanted read-only || claim "$placement: nothing writes to a disk that is read-only" \
		on_disk ramdisk:size=64M $placement ro stays_as_it_is
	size=1024
	[ $placement = user-sync ] || size=2048
	! wanted blocks || claim "$placement: blocks of $size bytes" \
		on_disk ramdisk:size=8M,block=$size $placement "" blocks_of $size
	for source in ramdisk:size=64M "file:path=$work/host/img"; do
		! wanted discard || claim "${source%%:*}, $placement: discard and zeroes work" \
			on_disk "$source" $placement "" discards
	done
	! wanted partitions || claim "$placement: partitions are made and found" \
		on_disk ramdisk:size=64M $placement "" partitions
	! wanted resize || claim "$placement: a mounted disk grows" \
		on_disk ramdisk:size=64M,max=256M $placement "" grows
	! wanted resize || claim "$placement: a disk of larger blocks than its server's grows to all of them" \
		on_disk ramdisk:size=8M,max=16777728 $placement logical=4096 grows_to_blocks
	! wanted stat || claim "$placement: its I/O is counted" \
		on_disk "file:path=$work/host/img" $placement "" counts
done

all=$(nproc)
each() { local i; for ((i = 1; i < all; i++)); do echo -n "$1 "; done; echo "$1"; }
mark_log queues
for case in "user-sync queues=1 64" "user-sync queues=1,depth=5 5" \
	"user-uring depth=200 $(each 200)" "user-rw queues=$((all + 1)) $(each 64)" \
	"user-poll queues=$all $(each 64)" "kernel depth=7 $(each 7)"; do
	read -r placement options depths <<<"$case"
	! wanted "queues/$placement" || claim "$placement, $options: hardware queues as deep as $depths" \
		on_disk ramdisk:size=64M "$placement" "$options" queues_are "$depths"
done

for placement in user-sync user-poll user-uring; do
	! wanted "transfers/$placement" || claim "$placement: a file's data goes past its server" \
		on_disk "file:path=$work/host/img" $placement "" transfers
done

# open_direct FILE: who serves has it so
open_direct() {
	local fd flags pid
	pid=$(pgrep -n -x ferryd)
	for fd in "/proc/$pid/fd"/*; do
		[ "$(readlink "$fd")" = "$1" ] || continue
		flags=$(sed -n 's/^flags:\t*//p' "/proc/$pid/fdinfo/${fd##*/}")
		[ $((8#$flags & 8#40000)) = 0 ] || return 0
	done
	echo "$1 is not open for direct I/O"
	return 1
}

past_the_cache() { # DISK
	open_direct "$work/lower/img" &&
		dd if=/dev/urandom of="$work/host/data" bs=4k count=3 status=none &&
		dd if="$work/host/data" of="$1" bs=4k seek=5 oflag=direct status=none &&
		cmp <(dd if="$1" bs=4k skip=5 count=3 iflag=direct status=none) "$work/host/data" &&
		cmp -n 12288 -i 20480:0 "$work/lower/img" "$work/host/data"
}

direct_file() {
	local status=0
	make_ext4 /dev/ram0 && mkdir -p "$work/lower" && mount /dev/ram0 "$work/lower" &&
		truncate -s 16M "$work/lower/img" || return
	on_disk "file:path=$work/lower/img,direct" user-sync "" past_the_cache || status=1
	umount "$work/lower" || status=1
	return "$status"
}
! wanted direct_file || claim "user-sync: direct I/O to a regular file" direct_file

names() { # EXPECTED DISK
	is "in the list" "$(ferry disk list | awk -v disk="$(basename "$2")" '$1 == disk { print $8 }')" "$1"
}

for placement in user-sync kernel; do
	! wanted names || claim "$placement: the list shows filters and what is behind them" \
		on_disk $filters $placement "" names delay+error+ramdisk
done

# As in a container: the memory of a state counts whole against what may be locked.
may_not_lock() {
	local disk status=0
	disk=$(setpriv --bounding-set=-ipc_lock,-sys_resource --inh-caps=-ipc_lock,-sys_resource \
		ferry disk add ramdisk:size=64M 2>"$work/err" </dev/null) || { cat "$work/err"; return 1; }
	is "said" "$(grep -c "cannot be locked.*CAP_IPC_LOCK" "$work/err")" 1 && verifies "$disk" || status=1
	ferry disk del "$disk" && no_disk_left || status=1
	return "$status"
}
! wanted lock || claim "who may not lock memory serves a disk, and says so" may_not_lock

locked_memory() { # DISK
	[ "$(awk '/^VmLck/ { print $2 }' "/proc/$(pgrep -n -x ferryd)/status")" -gt 1000 ]
}
! wanted lock || claim "who may has it locked" on_disk ramdisk:size=64M user-sync "" locked_memory

# --- what is refused, and what breaks ---------------------------------------------------------

refusal() { # NAME TEXT COMMAND...
	local name=$1
	shift
	! wanted "$name" || claim "$name" refused "$@"
}

mark_log refused
refusal "a size that is no multiple of the block" "multiple of the block size" \
	ferry disk add ramdisk:size=1000
refusal "the same in the kernel" "size=1000.*dmesg" ferry disk add --in-kernel ramdisk:size=1000
refusal "an empty file" "is empty" ferry disk add "file:path=$work/out"
refusal "a file that is not there" "/missing" ferry disk add "file:path=$work/missing"
refusal "a directory" "regular file" ferry disk add "file:path=$work"
refusal "no path" "path=" ferry disk add file
refusal "an unknown option" "nonsense" ferry disk add -o nonsense ramdisk
refusal "an unknown option before another" "nonsense" ferry disk add -o nonsense -o serial=x ramdisk
refusal "a filesystem is no disk" "ferry mount" ferry disk add memfs
refusal "a filesystem is no disk in the kernel" "ferry mount" ferry disk add --in-kernel memfs
refusal "a disk is no filesystem" "ferry disk" ferry mount ramdisk "$work/mnt"
refusal "a backend that is not there" "nosuch" ferry disk add nosuch
refusal "a depth of 0" "depth" ferry disk add -o depth=0 ramdisk
refusal "a depth of a million" "depth" ferry disk add -o depth=1000000 ramdisk
refusal "a block of 513 bytes" "out of range|fit" ferry disk add -o logical=513 ramdisk
refusal "a block of nothing" "logical= .*from 1" ferry disk add -o logical=0 ramdisk
refusal "a serial of nothing" "serial= wants .* 1 to" ferry disk add -o serial= ramdisk
refusal "a serial that is not said" "serial= wants .* 1 to" ferry disk add -o serial ramdisk
refusal "a deadline of nothing" "io_timeout= .*from 1" ferry disk add -o io_timeout=0 ramdisk
refusal "a deadline in the kernel" "io_timeout.* no deadline" \
	ferry disk add --in-kernel -o io_timeout=7 ramdisk
refusal "a disk that is not there" "ferryb77.*list" ferry disk del ferryb77
refusal "what is no disk" "sda" ferry disk del sda
for placement in "" --in-kernel; do
	refusal "a filter before nothing${placement:+, $placement}" "which, as in|dmesg" \
		ferry disk add $placement error
done
refusal "a filter before what is not there" "nosuch" ferry disk add error+nosuch
refusal "nine filters" "too many filters" ferry disk add "$(printf 'error+%.0s' {1..9})null"
refusal "an errno that no disk has" "errno=" ferry disk add error:errno=EPERM+null
refusal "a delay of nothing" "how long" ferry disk add delay:ms=0+null
refusal "a delay beyond all numbers" "how long" \
	ferry disk add delay:us=18446744073709551615,ms=2+null
refusal "an NBD server that is not there" "No such file" \
	ferry disk add "nbd:uri=nbd+unix:///?socket=$work/nosuch"
refusal "an NBD server's socket that is not where it was to a daemon" "absolute path" \
	ferry disk add "nbd:uri=nbd+unix:///?socket=nosuch"

refusal "no time for an NBD server to come" "reconnect= seconds from 1" \
	ferry disk add "nbd:uri=nbd+unix:///?socket=$work/nosuch,reconnect=0"

mounted_stays() { # DISK
	mkfs.ext4 -q -F "$1" && mount "$1" "$work/mnt" && refused "in use.*force" ferry disk del "$1" &&
		touch "$work/mnt/f" && umount "$work/mnt"
}

for placement in user-sync kernel; do
	! wanted mounted || claim "$placement: a mounted disk stays" \
		on_disk ramdisk:size=64M $placement "" mounted_stays
done

# noticed COMMAND...: it fails by itself, for its disk is gone
noticed() {
	local status
	"$@" 2>"$work/err" >&2
	status=$?
	[ "$status" = 1 ] && grep -q -i "input/output error\|read-only" "$work/err" && return
	echo "$*: status $status"
	cat "$work/err"
	return 1
}

forced() {
	local disk status=0
	disk=$(add_disk "$1" ramdisk:size=64M) && mkfs.ext4 -q -F "$disk" &&
		mount "$disk" "$work/mnt" && touch "$work/mnt/f" || return
	soon ferry disk del --force "$disk" || status=1
	[ ! -e "/sys/block/$(basename "$disk")" ] || { echo "$disk is there"; status=1; }
	noticed soon sync -f "$work/mnt" || status=1
	soon umount "$work/mnt" || status=1
	no_disk_left || status=1
	return "$status"
}

for placement in user-sync kernel; do
	! wanted forced || claim "$placement: a mounted disk is removed by force, within 5 s" \
		forced $placement
done

killed() {
	local disk dd status=0
	disk=$(add_disk "$1" ramdisk:size=64M on_death=fail) && mkfs.ext4 -q -F "$disk" &&
		mount "$disk" "$work/mnt" || return
	noticed timeout 20 dd if=/dev/zero of="$work/mnt/f" bs=64k count=400 conv=fsync &
	dd=$!
	pkill -KILL -x ferryd
	wait "$dd" || status=1
	soon umount "$work/mnt" || status=1
	for _ in {1..50}; do
		[ -e "/sys/block/$(basename "$disk")" ] || break
		sleep 0.1
	done
	no_disk_left || status=1
	return "$status"
}

for style in user-sync user-poll user-rw; do
	! wanted killed || claim "$style: a killed daemon's disk goes, mounted or not" killed $style
done

shrinks() { # DISK
	dd if=/dev/zero of="$1" bs=1M count=64 oflag=direct 2>/dev/null || return
	truncate -s 8M "$work/host/shrink"
	dd if="$1" of=/dev/null bs=1M skip=32 count=1 iflag=direct 2>"$work/err" && return 1
	grep -q "Input/output error" "$work/err" || { cat "$work/err"; return 1; }
	dd if="$1" of=/dev/null bs=1M count=8 iflag=direct 2>/dev/null
}

for placement in user-sync user-rw kernel; do
	wanted shrinks || continue
	truncate -s 64M "$work/host/shrink"
	claim "$placement: a file that shrinks underneath is EIO where it was" \
		on_disk "file:path=$work/host/shrink" $placement "" shrinks
done

if wanted rogue; then
	mark_log rogue
	points_of rogue timeout -k 10 $((${FERRY_TEST_SECONDS:-60} * 10 / 3)) "$programs/block/rogue" "$work" ${FERRY_CLAIMS:+"$FERRY_CLAIMS"}
	claim "rogue: leaves no disk, and a clean log" no_disk_left
fi

if wanted resizes; then
	mark_log resizes
	points_of resizes timeout -k 10 $((${FERRY_TEST_SECONDS:-60} * 10 / 3)) "$programs/block/resize" "$work" ${FERRY_CLAIMS:+"$FERRY_CLAIMS"}
	claim "resizes: leaves no disk, and a clean log" no_disk_left
fi

# /dev/ferryblk, and a disk's requests, as a 32-bit program sees them.
why=$(why_not_32 "$programs/block/rogue32")
if wanted rogue32 && [ -n "$why" ]; then
	skip rogue32 "$why"
elif wanted rogue32; then
	mark_log rogue32
	points_of rogue32 timeout -k 10 $((${FERRY_TEST_SECONDS:-60} * 10 / 3)) "$programs/block/rogue32" "$work" \
		"${FERRY_CLAIMS:-reads, writes|arguments of ADD|is not there|short read|in a resize}"
	claim "rogue32: leaves no disk, and a clean log" no_disk_left
fi

unload_claim
finish
