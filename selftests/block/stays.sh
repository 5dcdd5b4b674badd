# SPDX-License-Identifier: GPL-2.0-only OR MIT
# shellcheck shell=bash
#
# Part of block-life.sh: a disk is to have another server, and that one does not come up.

# fails COMMAND...: what it says is in $work/err
fails() { ! "$@" 2>"$work/err" || { echo "$* does not fail"; return 1; }; }
said() { grep -q -e "$1" "$work/err" || { echo "not said: $1"; cat "$work/err"; return 1; }; }

# elsewhere COMMAND...: where the path of the disk's file means another one, which who is to go on from
# there finds out. It fails.
elsewhere() {
	# shellcheck disable=SC2016 # that is for the other shell
	fails unshare -m bash -c 'mount --bind "$1/other" "$1/a" && shift && exec "$@"' bash \
		"$work/host" "$@"
}

# with_ferryd TEXT: another ferryd for the ferry in $work/bin
with_ferryd() {
	mkdir -p "$work/bin" && cp "$(command -v ferry)" "$work/bin" &&
		ln -sfn "$(realpath "$(dirname "$(command -v ferry)")/../lib")" "$work/lib" &&
		printf '#!/bin/sh\n%s\n' "$1" >"$work/bin/ferryd" && chmod +x "$work/bin/ferryd"
}

serves() { # SIDE DISK
	local said
	said=$(ferry disk list | awk -v disk="$(basename "$2")" '$1 == disk { print $5 }')
	is "placement" "$said" "$1" &&
		dd if="$2" bs=64k count=1 iflag=direct status=none | cmp - "$work/host/data"
}

# What the kernel does not load has not been let go of.
stays_out() { # DISK
	local daemon
	dd if="$work/host/data" of="$1" oflag=direct bs=64k status=none || return
	daemon=$(serving)
	elsewhere ferry move --to kernel "$1" && said "was not moved: what it serves is away" &&
		is "its server" "$(serving)" "$daemon" && serves user "$1"
}

# Who takes the place of a daemon finds out when that one has gone.
did_not_load() { # DISK
	dd if="$work/host/data" of="$1" oflag=direct bs=64k status=none || return
	elsewhere ferry upgrade "$1" && said "has no server now: starting a daemon" &&
		said "waits 3600 s for a server: .*'ferry recover" && is_detached &&
		ferry recover "$1" && serves user "$1" || return
	# shellcheck disable=SC2016 # that is for the other shell
	with_ferryd 'case "$*" in *wait=*) ;; *) umount '"$work/host/a"' ;; esac
		exec '"$(command -v ferryd)"' "$@"' &&
		elsewhere "$work/bin/ferry" upgrade -o wait=poll "$1" &&
		said "starting a daemon without -o wait=poll" && serves user "$1"
}

# The kernel cannot look at its device before its server has let go of it, and then it is empty.
lost_device() { # LOOP DISK
	cp "$work/host/a" "$work/host/b" && truncate -s 0 "$work/host/a" && losetup -c "$1" &&
		fails ferry move --to kernel "$2" && said "waits 3600 s" && is_detached &&
		cat "$work/host/b" >"$work/host/a" && losetup -c "$1"
}

# Who is called then does not try that again, though he could.
is_called_for() { # LOOP
	local disk status=0
	disk=$(add_disk user-sync "file:path=$1" on_death=kernel) || return
	dd if="$work/host/data" of="$disk" oflag=direct bs=64k conv=fsync status=none || status=1
	without_rescue lost_device "$1" "$disk" || status=1
	until_so serves user "$disk" || status=1
	! tr '\0' ' ' <"/proc/$(serving)/cmdline" | grep -e --to-kernel || status=1
	ferry move --to kernel "$disk" && serves kernel "$disk" || status=1
	ferry disk del --force "$disk" || status=1
	no_disk_left || status=1
	return "$status"
}

on_loop() { # FUNCTION
	local loop status=0
	loop=$(losetup -f --show "$work/host/a") || return
	"$1" "$loop" || status=1
	losetup -d "$loop" || status=1
	return "$status"
}

if wanted did_not_load; then
	mark_log did_not_load
	head -c 64k /dev/urandom >"$work/host/data"
	truncate -s 8M "$work/host/a" "$work/host/other"
	claim "what the kernel does not load is served on by who served it" \
		on_disk "file:path=$work/host/a" user-sync "" stays_out
	claim "a daemon that does not come up is followed by one without its options, and it is said what waits" \
		on_disk "file:path=$work/host/a" user-sync "" did_not_load
	claim "with on_death=kernel somebody is called where the kernel could not go on, to serve himself" \
		on_loop is_called_for
	rm "$work/host/a" "$work/host/other"
fi

# sent_home CHANNEL: as who takes its place does first
sent_home() {
	perl -e 'my ($id, $path) = @ARGV;
		open my $dev, "+<", "/dev/ferry" or die "/dev/ferry: $!\n";
		open my $file, "+>", $path or die "$path: $!\n";
		my $move = pack "LLLlQ", 24, 1, $id, fileno $file, 0;
		ioctl $dev, 0xc018fe06, $move or die "move: $!\n"' "$1" "$work/host/moved"
}

# And then he is killed. Half of 20 s: from then on whoever is called has all the time that he wants.
is_forgotten() { # DISK
	dd if="$work/host/data" of="$1" oflag=direct bs=64k status=none &&
		ferry set "$1" grace=20 &&
		sent_home "$(cat "/sys/block/$(basename "$1")/ferry/channel")" &&
		ferry set "$1" grace=3600 && until_so serves kernel "$1"
}

if wanted is_forgotten; then
	mark_log is_forgotten
	head -c 64k /dev/urandom >"$work/host/data"
	claim "with on_death=kernel somebody is called where who had a server sent home does not come" \
		on_disk ramdisk:size=8M user-sync on_death=kernel is_forgotten
fi

# modprobe lies on the disk that moves.
without_module() { # DISK
	local modprobe=/proc/sys/kernel/modprobe was status=0
	was=$(<"$modprobe")
	printf '#!/bin/sh\nexec </dev/null >/dev/null 2>&1\n%s && insmod %s\n' \
		"dd if=$1 of=/dev/null bs=4k count=1 iflag=direct" "$tree/ferry-ramdisk.ko" >"$work/modprobe"
	chmod +x "$work/modprobe"
	dd if="$work/host/data" of="$1" oflag=direct bs=64k status=none && rmmod ferry-ramdisk || return
	echo /nonexistent >"$modprobe"
	refused "none of its name in the kernel" ferry move "$1" --to kernel && serves user "$1" || status=1
	echo "$work/modprobe" >"$modprobe"
	timeout -k 5 60 ferry move "$1" --to kernel && serves kernel "$1" || status=1
	echo "$was" >"$modprobe"
	[ -d /sys/module/ferry_ramdisk ] || insmod "$tree/ferry-ramdisk.ko"
	return "$status"
}

if wanted without_module; then
	mark_log without_module
	head -c 64k /dev/urandom >"$work/host/data"
	claim "modprobe can read from a disk that moves and whose filter stands before what is not loaded" \
		on_disk delay:us=1+ramdisk:size=8M user-sync "" without_module
fi
