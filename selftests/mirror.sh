#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# mirror serves a directory: of an ext4 of its own, or of tmpfs where that cannot be had.

# shellcheck source=selftests/fs.sh
. "$(dirname "$(realpath "$0")")/fs.sh"
need_modules
work_dir
echo "TAP version 13"
mkdir "$work/host" "$work/mnt"
truncate -s 1G "$work/image"
if mkfs.ext4 -q -i 4096 "$work/image" && mount -o loop "$work/image" "$work/host" 2>/dev/null; then
	say "on ext4"
else
	say "on tmpfs, which forgets its place in a listing when names go"
	mount -t tmpfs tmpfs "$work/host"
fi
run_fs_tests user-sync "mirror:$work/host" \
	names link rename attr special perm xattr rw sparse direct mmap cache readdir fsx stress tree

# Nobody waits for a RELEASE: it goes along with the next OPEN, and the server is woken once for
# both. On one processor, where a server that is woken for it would be asleep again by then.
releases() {
	local handed
	taskset -c 0 ferry mount -o wait=sync,queues=1 "mirror:$work/host,passthrough=no" \
		"$work/mnt" </dev/null || return
	echo text >"$work/mnt/file"
	handed=$(stat_of "$work/mnt" "" handed)
	# shellcheck disable=SC2016 # perl's
	taskset -c 0 perl -e 'for (1 .. 200) { open my $f, "<", $ARGV[0] or die; close $f }' \
		"$work/mnt/file"
	handed=$(($(stat_of "$work/mnt" "" handed) - handed))
	[ "$(stat_of "$work/mnt" RELEASE requests)" -ge 200 ] || { echo "few RELEASEs"; return 1; }
	[ "$handed" -le 300 ] || { echo "woken $handed times for 200 files"; return 1; }
	after_test
}

if wanted releases; then
	mark_log releases
	claim "releases: a server is not woken for them alone" releases
fi

add_slow() { ferry disk add -o io_timeout=600 ramdisk:size=64M </dev/null; }
fsyncs() { [ "$(stat_of mirror FSYNC in_flight)" = "$1" ]; }

# A file that lies on a disk which does not answer, and a directory that does not
disk_hangs() { # STYLE
	local disk sync status=0 _ busy=()
	mkdir -p "$work/host/slow" && disk=$(add_slow) &&
		mkfs.ext4 -q -F "$disk" && mount "$disk" "$work/host/slow" &&
		ferry mount -o "queues=2,wait=$1" "mirror:$work/host,passthrough=no,timeout=0" \
			"$work/mnt" </dev/null || return
	echo text >"$work/mnt/slow/file" || status=1
	pkill -STOP -f "ferryd.*ramdisk"
	taskset -c 1 sync "$work/mnt/slow/file" &
	sync=$!
	until_so fsyncs 1 || status=1
	# The other queue's server never finds that empty.
	for _ in 1 2 3; do
		taskset -c 0 perl -e '1 while lstat $ARGV[0]' "$work/mnt" &
		busy+=($!)
	done
	timeout -s KILL 20 taskset -c 1 mkdir "$work/mnt/two" || { echo "nothing else goes on"; status=1; }
	kill "${busy[@]}"
	fsyncs 1 || { echo "it did not hang"; status=1; }
	pkill -CONT -f "ferryd.*ramdisk"
	wait "$sync" && rmdir "$work/mnt/two" || status=1
	unmount_fs "$work/mnt" && umount "$work/host/slow" && ferry disk del "$disk" || status=1
	rmdir "$work/host/slow"
	no_daemon_left || status=1
	log_is_clean || status=1
	return "$status"
}

if wanted disk_hangs; then
	mark_log disk_hangs
	for style in sync poll; do
		claim "disk_hangs: $style: an fsync that takes long holds nobody else up" disk_hangs $style
	done
fi

# on_lossy COMMAND...: $work/host/lossy cannot write much, which it learns when it writes
on_lossy() {
	local small=$work/small status=0
	mkdir -p "$small" "$work/host/lossy" && truncate -s 2M "$work/host/small" &&
		mkfs.ext4 -q -F "$work/host/small" && mount -o loop "$work/host/small" "$small" &&
		truncate -s 16M "$small/image" && mkfs.ext4 -q -F -N 16 -O ^has_journal "$small/image" &&
		mount -o loop "$small/image" "$work/host/lossy" || return
	"$@" || status=1
	umount "$work/host/lossy" "$small" || status=1
	rm -r "$small" "$work/host/small" "$work/host/lossy"
	log_is_clean || status=1
	return "$status"
}

# The host writes, and who is told that it could not is killed.
killed_in_sync() { # STYLE
	local sync status=0
	ferry mount -o "wait=$1" "mirror:$work/host/lossy,passthrough=no" "$work/mnt" </dev/null &&
		dd if=/dev/urandom of="$work/mnt/file" bs=1M count=4 status=none &&
		fsfreeze -f "$work/small" || return
	sync "$work/mnt/file" 2>"$work/err" &
	sync=$!
	until_so fsyncs 1 && kill_server || status=1
	fsfreeze -u "$work/small" && is_followed || status=1
	wait "$sync" && { echo "it is said to be safe"; status=1; }
	# The first was the disk's, the second comes through a loop device of newer kernels.
	grep -q "Input/output error\|No space left" "$work/err" || { cat "$work/err"; status=1; }
	rm "$work/mnt/file" && after_test || status=1
	return "$status"
}

if wanted killed_in_sync; then
	for style in sync uring; do
		mark_log "killed_in_sync $style"
		claim "killed_in_sync: $style: what could not be written is told although the server was killed" \
			on_lossy killed_in_sync $style
	done
fi

# Whoever watched over the server has its files open as well, and does not get to closing them here.
lets_go() {
	local watcher status=0
	ferry mount "mirror:$work/host" "$work/mnt" </dev/null && ls -R "$work/mnt" >/dev/null || return
	watcher=$(pgrep -x -o ferryd)
	kill -STOP "$watcher"
	ferry umount "$work/mnt" && umount "$work/host" || status=1
	kill -CONT "$watcher"
	no_daemon_left || status=1
	log_is_clean || status=1
	return "$status"
}

if wanted lets_go; then
	mark_log lets_go
	claim "lets_go: what was served can be unmounted when its mount is gone" lets_go
fi

as_stranger() { setpriv --reuid 2003 --regid 2003 --clear-groups "$@"; }

# A name that is not there, as far as is known here: it came to be at the host since.
made_since() {
	local status=0
	ferry mount "mirror:$work/host,timeout=600" "$work/mnt" </dev/null || return
	mkdir -m 777 "$work/host/common" && ! as_stranger stat "$work/mnt/common/file" 2>/dev/null &&
		echo secret >"$work/host/common/file" && chmod 600 "$work/host/common/file" || status=1
	# shellcheck disable=SC2016 # perl's
	as_stranger perl -MFcntl -e '
		sysopen my $f, $ARGV[0], O_CREAT | O_RDWR | O_TRUNC or exit($!{EACCES} ? 0 : 2);
		exit 1' "$work/mnt/common/file" || { echo "a stranger opens it: $?"; status=1; }
	is "what it holds" "$(<"$work/host/common/file")" secret || status=1
	# Whoever may open it does.
	! stat "$work/mnt/common/other" 2>/dev/null && echo one >"$work/host/common/other" &&
		echo two >>"$work/mnt/common/other" &&
		is "the other" "$(<"$work/host/common/other")" $'one\ntwo' || status=1
	rm -r "$work/mnt/common" && after_test || status=1
	return "$status"
}

if wanted made_since; then
	mark_log made_since
	claim "made_since: open(O_CREAT) of a name that came to be meanwhile is checked" made_since
fi

# What is seen of a tree that holds the place where it is mounted, and a directory bound from there.
# Attributes are asked for anew each time.
looks_into_itself() {
	local status=0
	soon ls -l "$work/mnt" "$work/mnt$work" >/dev/null &&
		is "what is under the mount" "$(soon ls "$work/mnt$work/mnt")" below &&
		is "and under what is bound" "$(soon ls "$work/mnt$work/bound")" beside &&
		soon find "$work/mnt$work" -xdev >"$work/found" && grep -q "/mnt/below$" "$work/found" &&
		soon du -s "$work/mnt$work" >/dev/null && soon mkdir "$work/mnt$work/mnt/new" &&
		soon rmdir "$work/mnt$work/mnt/new" || status=1
	! soon rmdir "$work/mnt$work/mnt" 2>"$work/err" && grep -q busy "$work/err" ||
		{ cat "$work/err"; status=1; }
	return "$status"
}

own_place() {
	local status=0
	mkdir "$work/bound" && touch "$work/mnt/below" "$work/bound/beside" &&
		ferry mount mirror:/,timeout=0 "$work/mnt" </dev/null || return
	mount --bind "$work/mnt$work/host" "$work/bound" || status=1
	looks_into_itself && kill_server && is_followed && looks_into_itself ||
		{ ferry abort mirror; status=1; }
	umount "$work/bound" && soon ferry umount "$work/mnt" || { unmount_fs "$work/mnt"; status=1; }
	rm "$work/mnt/below" && rm -r "$work/bound" || status=1
	no_daemon_left || status=1
	log_is_clean || status=1
	return "$status"
}

if wanted own_place; then
	mark_log own_place
	claim "own_place: a tree that holds its own mount point shows what is under the mount" own_place
fi

unload_claim
finish
