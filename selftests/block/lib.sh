# SPDX-License-Identifier: GPL-2.0-only OR MIT
# shellcheck shell=bash
#
# What the scripts about disks share; for lib.sh's users.

# shellcheck source=selftests/lib.sh
. "$(dirname "$(realpath "$0")")/lib.sh"

# A place to work in, with a tree to copy; $work/host is a tmpfs.
begin_disks() {
	local tool
	need_modules
	for tool in "$@"; do
		command -v "$tool" >/dev/null || skip_all "no $tool: make deps"
	done
	work_dir
	mkdir "$work/mnt" "$work/host" "$work/tree"
	mount -t tmpfs none "$work/host"
	mkdir "$work/tree/linux"
	cp -a /usr/include/linux/n[a-e]* "$work/tree/linux"
	trap clean_disks EXIT
	echo "TAP version 13"
}

clean_disks() {
	local disk
	while umount -l "$work/mnt" 2>/dev/null; do :; done
	for disk in /sys/block/ferryb*; do
		ferry disk del --force "$(basename "$disk")"
	done
	clean_up
}

# add_disk PLACEMENT SOURCE [OPTIONS]: its name is on stdout
add_disk() {
	case $1 in
	user-*) ferry disk add -o "wait=${1#user-}${3:+,$3}" "$2" ;;
	kernel) ferry disk add --in-kernel ${3:+-o "$3"} "$2" ;;
	esac </dev/null
}

no_disk_left() {
	local disks=(/sys/block/ferryb*)
	[ ${#disks[@]} = 0 ] || { echo "left: ${disks[*]}"; ferry disk list; return 1; }
	no_daemon_left && log_is_clean
}

# chosen PAIR...: is what stands in $pair among them, or is all wanted?
chosen() { [ -n "${FERRY_TEST_WHOLE:-}" ] || [[ " $* " == *" $pair "* ]]; }

# on_disk SOURCE PLACEMENT OPTIONS FUNCTION...: what is claimed of a fresh disk
on_disk() {
	local source=$1 placement=$2 options=$3 disk status
	shift 3
	disk=$(add_disk "$placement" "$source" "$options") || return
	"$@" "$disk"
	status=$?
	mountpoint -q "$work/mnt" && umount "$work/mnt"
	# A program's last file may be closed by a worker of the kernel, after it has gone.
	until_so ferry disk del "$disk" || status=1
	no_disk_left || status=1
	return "$status"
}

check_ext4() { e2fsck -fn "$1"; }
check_xfs() { xfs_repair -n "$1"; }
check_btrfs() { btrfs check "$1"; }
make_ext4() { mkfs.ext4 -q -F -N 1024 "$1"; }
make_xfs() { mkfs.xfs -q -f "$1"; }
make_btrfs() { mkfs.btrfs -q -f "$1"; }

# Mounted anew, it is read from the disk. (Caches that are dropped are all programs' as well.)
holds_tree() { # FSTYPE DISK
	"make_$1" "$2" && mount -t "$1" "$2" "$work/mnt" || return
	cp -a "$work/tree/linux" "$work/mnt/" && umount "$work/mnt" &&
		mount -t "$1" "$2" "$work/mnt" || return
	diff -r "$work/tree/linux" "$work/mnt/linux" || return
	rm -rf "$work/mnt/linux/netfilter" || return
	fstrim "$work/mnt" 2>/dev/null
	if [ "$1" = btrfs ]; then btrfs scrub start -B "$work/mnt" || return; fi
	umount "$work/mnt" && "check_$1" "$2"
}

verifies() { # DISK
	fio --name=verify --filename="$1" --direct=1 --ioengine=libaio --iodepth=16 --rw=randwrite \
		--bsrange=4k-256k --size=3M --verify=crc32c --do_verify=1 --verify_fatal=1 \
		--output-format=terse >/dev/null
}

good_disk() { # FSTYPE DISK
	verifies "$2" && holds_tree "$1" "$2"
}

queue() { cat "/sys/block/$(basename "$1")/queue/$2"; }

discards() { # DISK
	local disk=$1
	dd if=/dev/urandom of="$disk" bs=1M count=4 oflag=direct 2>/dev/null &&
		blkdiscard -o 1048576 -l 1048576 "$disk" &&
		blkdiscard -z -o 2097152 -l 4096 "$disk" || return
	cmp <(dd if="$disk" bs=1M skip=1 count=1 iflag=direct 2>/dev/null) <(head -c 1M /dev/zero) &&
		cmp <(dd if="$disk" bs=4k skip=512 count=1 iflag=direct 2>/dev/null) <(head -c 4k /dev/zero) &&
		! cmp -s <(dd if="$disk" bs=1M skip=3 count=1 iflag=direct 2>/dev/null) <(head -c 1M /dev/zero)
}
