#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# What must work on every kernel, in a minute: modules load, a tree is copied and comes back
# right in each placement and wait style, on a mount and on a disk, also where servers die and
# move meanwhile, 32-bit servers are served, modules unload.

# shellcheck source=selftests/lib.sh
. "$(dirname "$(realpath "$0")")/lib.sh"
need_modules
work_dir
echo "TAP version 13"
mnt=$work/mnt
mkdir "$mnt"

# Packed once: the machine's way to these files is slow, and none of what is looked at.
original() {
	mkdir "$work/original" && cp -a "$tree"/{lib,backends,include,selftests/fs} "$work/original" &&
		find "$work/original" -name '*.o' -delete &&
		(cd "$work/original" && find . -type f -exec sha256sum {} + >"$work/sums") &&
		[ "$(wc -l <"$work/sums")" -gt 40 ]
}

drop() { sync; echo 3 >/proc/sys/vm/drop_caches; }

right() { (cd "$1" && sha256sum --quiet -c "$work/sums"); }

round() { # PLACEMENT
	local status=0
	mount_fs "$1" memfs "$mnt" || return
	{
		cp -a "$work/original" "$mnt/copy" && drop && right "$mnt/copy" &&
			mv "$mnt/copy" "$mnt/moved" && right "$mnt/moved" &&
			dd if="$mnt/moved/include/ferry/env.h" of="$mnt/direct" bs=4096 count=1 \
				oflag=direct conv=sync status=none &&
			cmp -n 4096 "$mnt/direct" "$mnt/moved/include/ferry/env.h" &&
			rm -r "$mnt/moved" "$mnt/direct" && [ -z "$(ls -A "$mnt")" ]
	} || status=1
	after_test || status=1
	return "$status"
}

smoke() { # NAME COMMAND...: a claim of its own, which leaves a clean log
	wanted "$1" || return 0
	mark_log "$1"
	claim "$@"
}

claim "there is a tree to copy" original
for placement in user-sync user-rw user-poll kernel; do
	smoke "$placement: a tree is copied, found right, moved and removed" round $placement
done

# Each name on the way to a file is asked for again.
walk() { # PLACEMENT
	local status=0
	mount_fs "$1" memfs "$mnt" entry_timeout=0,attr_timeout=0 || return
	cp -a "$work/original" "$mnt/copy" && right "$mnt/copy" && right "$mnt/copy" || status=1
	after_test || status=1
	return "$status"
}

for placement in user-sync user-rw kernel; do
	smoke "$placement: a tree is walked whose names hold for no time" walk $placement
done

# The server dies three times while a tree is copied.
deaths() {
	local copy status=0
	mount_fs user-sync memfs "$mnt" || return
	cp -a "$work/original" "$mnt/copy" &
	copy=$!
	for _ in 1 2 3; do
		sleep 0.2
		kill_server || status=1
	done
	is_followed && wait "$copy" && drop && right "$mnt/copy" || status=1
	after_test || status=1
	return "$status"
}
smoke "servers die and are followed, and a tree is copied meanwhile" deaths

# It dies for good, and the kernel goes on; then another daemon does.
takeover() {
	local copy status=0
	mount_fs user-sync memfs "$mnt" on_death=kernel || return
	cp -a "$work/original" "$mnt/copy" &
	copy=$!
	sleep 0.3
	pkill -9 -x ferryd
	wait "$copy" && drop && right "$mnt/copy" || status=1
	for _ in {1..100}; do
		! ferry list | grep -q " kernel .* live " || break
		sleep 0.1
	done
	ferry move memfs --to user && drop && right "$mnt/copy" || status=1
	after_test || status=1
	return "$status"
}
smoke "the kernel takes over from a server that died, and gives back" takeover

# On a disk, which changes sides if it is a daemon's.
disk_round() { # PLACEMENT
	local source=delay:us=100,percent=5+ramdisk:size=64M disk status=0
	case $1 in
	user-*) disk=$(ferry disk add -o "wait=${1#user-}" "$source" </dev/null) ;;
	kernel) disk=$(ferry disk add --in-kernel "$source") ;;
	esac || return
	{
		mkfs.ext4 -q -F "$disk" && mount "$disk" "$mnt" && cp -a "$work/original" "$mnt/copy" &&
			{ [ "$1" = kernel ] || ferry move "$disk" --to kernel; } &&
			drop && right "$mnt/copy" && ferry move "$disk" --to user &&
			drop && right "$mnt/copy" && umount "$mnt" && e2fsck -fn "$disk"
	} || { umount -l "$mnt" 2>/dev/null; status=1; }
	ferry disk del "$disk" || ferry disk del --force "$disk" || status=1
	no_daemon_left && log_is_clean || status=1
	return "$status"
}

for placement in user-sync kernel; do
	smoke "$placement: a disk holds a tree and moves" disk_round $placement
done

served_32() {
	local output=$work/served-32 why
	why=$(why_not_32 "$programs/hostile/device32")
	[ -z "$why" ] || { skips "$why"; return; }
	mkdir -p "$work/32"
	"$programs/hostile/device32" "$work/32" >"$output" 2>&1 || { cat "$output"; return 1; }
	log_is_clean
}
smoke "a 32-bit server finds /dev/ferry as the header has it" served_32

# What the module says, the command knows; and what must be there on each kernel is.
features() {
	local feature
	ferry version --features >"$work/features" || return
	cat "$work/features"
	for feature in rw sync poll slot copy reissue kernel move timeout stall ferryfs; do
		grep -q -E "^[a-z]+ +$feature +yes " "$work/features" ||
			{ echo "no $feature"; return 1; }
	done
	# What not every kernel has, and there a line says what one has instead.
	for feature in uring-cancel uring-gather pin folio-bound folio-write; do
		grep -q -E "^[a-z]+ +$feature +(yes|no +this kernel) " "$work/features" ||
			{ echo "no word of $feature"; return 1; }
	done
	! grep "unknown to this command" "$work/features"
}
smoke "ferry version --features knows what there is" features

unload_claim
finish
