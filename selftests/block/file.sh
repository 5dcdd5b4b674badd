# SPDX-License-Identifier: GPL-2.0-only OR MIT
# shellcheck shell=bash
#
# Disks in files: which file is whose, and who goes on with it. A part of block-life.sh.

# same_file OPTIONS TO: a disk's path comes to mean another file. Where the first is open still, it is
# served on; where it is not, nobody serves the other one.
same_file() {
	local host=$work/host disk status=0
	truncate -s 8M "$host/a"
	disk=$(add_disk user-sync "file:path=$host/a" "$1") || return
	mv "$host/a" "$host/b" && truncate -s 8M "$host/a"
	if [ "$2" = user ]; then
		pkill -KILL -n -x ferryd
		dd if="$host/data" of="$disk" bs=64k oflag=direct status=none || status=1
		pkill -KILL -n -x ferryd
		dd if="$host/data" of="$disk" bs=64k seek=1 oflag=direct status=none || status=1
	fi
	refused "put back what it serves" ferry upgrade "$disk" || status=1
	refused "put back what it serves" ferry move "$disk" --to kernel || status=1
	kill_servers || status=1
	refused "$host/a: is not the file that is this disk's" ferry recover "$disk" --to "$2" || status=1
	rm "$host/a"
	refused "$host/a: is not there any more" ferry recover "$disk" --to "$2" || status=1
	mv "$host/b" "$host/a" && ferry recover "$disk" --to "$2" || status=1
	[ "$2" = kernel ] || cmp "$host/a" <(cat "$host/data" "$host/data" /dev/zero) 2>&1 |
		grep "EOF on $host/a" || status=1
	dd if="$host/data" of="$disk" bs=64k seek=2 oflag=direct status=none || status=1
	cmp -i 131072:0 "$host/a" "$host/data" 2>&1 | grep "EOF on $host/data" || status=1
	ferry disk del "$disk" || status=1
	no_disk_left || status=1
	rm -f "$host/a" "$host/b"
	return "$status"
}

# A file is one disk's at a time, whoever serves it.
one_disk() { # DISK
	refused "is in use" ferry disk add "file:path=$work/host/one" &&
		refused "is in use" ferry disk add --in-kernel "file:path=$work/host/one,ro"
}

# Those that do not write share it.
many_disks() { # DISK
	ferry disk del "$(add_disk kernel "file:path=$work/host/one,ro")" &&
		refused "is in use" ferry disk add "file:path=$work/host/one"
}

# one_after_all DISK: the next servers have it as the first one did
one_after_all() {
	local file=$work/host/one status=0
	kill_server && is_followed && ferry upgrade "$1" && ferry move "$1" --to kernel &&
		refused "is in use" ferry disk add "file:path=$file" &&
		ferry move "$1" --to user && kill_servers && ferry recover "$1" &&
		refused "is in use" ferry disk add "file:path=$file" || status=1
	# Who is to go on does not stumble over the one before.
	log_lacks "is in use" || status=1
	return "$status"
}

if wanted one_disk; then
	truncate -s 8M "$work/host/one"
	for placement in user-sync kernel; do
		mark_log "one_disk $placement"
		claim "$placement: of one file there is one disk that writes" \
			on_disk "file:path=$work/host/one" $placement "" one_disk
	done
	mark_log many_disks
	claim "of one file there are many disks if none writes" \
		on_disk "file:path=$work/host/one,ro" user-sync "" many_disks
	mark_log one_after_all
	claim "of one file there is one disk after a death, moves and an upgrade" \
		on_disk "file:path=$work/host/one" user-sync "" one_after_all
	rm "$work/host/one"
fi

if wanted same_file; then
	mark_log same_file
	head -c 64k /dev/urandom >"$work/host/data"
	claim "file: who follows serves the same file, whatever its path means" same_file "" user
	claim "file: who follows it in the kernel, too" without_rescue same_file on_death=kernel kernel
fi

reads_some() { timeout 30 dd if="$1" of=/dev/null bs=4k count=1 iflag=direct status=none; }

# Somebody has made it longer.
not_whole() { # DISK
	local file=$work/host/one
	truncate -s +1000 "$file" && kill_server && is_followed && reads_some "$1" &&
		ferry upgrade "$1" && ferry move "$1" --to kernel && ferry move "$1" --to user &&
		reads_some "$1" && is size "$(bytes "$1")" 8388608
}

if wanted not_whole; then
	mark_log not_whole
	truncate -s 8M "$work/host/one"
	claim "file: served on although it is no whole number of blocks any more" \
		on_disk "file:path=$work/host/one" user-sync "" not_whole
	rm "$work/host/one"
fi

# on_small LOSETUP-OPTION... -- FUNCTION...: on a loop device of 8 MiB, in a filesystem of 2 MiB
on_small() {
	local loop options=() status=0
	while [ "$1" != -- ]; do options+=("$1"); shift; done
	shift
	mkdir -p "$work/small" && truncate -s 2M "$work/host/small" &&
		mkfs.ext4 -q -F "$work/host/small" && mount -o loop "$work/host/small" "$work/small" &&
		truncate -s 8M "$work/small/img" &&
		loop=$(losetup -f --show "${options[@]}" "$work/small/img") || return
	"$@" "$loop" || status=1
	losetup -d "$loop" && umount "$work/small" || status=1
	rm -f "$work/host/small"
	return "$status"
}

on_file() { # PLACEMENT FUNCTION FILE
	on_disk "file:path=$3" "$1" "" "$2"
}

not_safe() { refused "input/output error" sync "$1"; }
too_much() { dd if=/dev/urandom of="$1" bs=1M count=4 oflag=direct status=none; }

# What was answered could not be written: no flush forgets that, whoever makes it, and who serves.
lost_for_good() { # DISK
	too_much "$1" && not_safe "$1" && not_safe "$1" || return
	refused "input/output error" dd if=/dev/zero of="$1" bs=4k count=1 oflag=direct,dsync status=none &&
		reads_some "$1" || return
	[ "$(field placement)" = kernel ] || { kill_server && is_followed && not_safe "$1" &&
		ferry upgrade "$1" && not_safe "$1" && ferry move "$1" --to kernel && not_safe "$1"; } || return
	ferry move "$1" --to user && not_safe "$1"
}

# Killed while the host writes: it is told to nobody but the one who dies.
lost_in_death() { # DISK
	local sync status=0
	too_much "$1" && fsfreeze -f "$work/small" || return
	sync "$1" 2>"$work/err" &
	sync=$!
	until_so flushing "$1" && kill_server || status=1
	fsfreeze -u "$work/small" && is_followed || status=1
	wait "$sync" && { echo "it is said to be safe"; status=1; }
	not_safe "$1" && kill_server && is_followed && not_safe "$1" || status=1
	return "$status"
}

flushing() { [ "$(stat_of "$1" FLUSH in_flight)" = 1 ]; }

if wanted lost_writes; then
	for placement in user-sync kernel; do
		mark_log "lost_writes $placement"
		claim "file, $placement: what could not be written is told by each flush from then on" \
			on_small -- on_file $placement lost_for_good
	done
	mark_log lost_in_death
	claim "file: what could not be written is told although the server was killed in the flush" \
		on_small -- on_file user-sync lost_in_death
fi

# What is smaller than the device's blocks it cannot discard or zero; the client writes zeros then.
less_than_blocks() { # DISK
	dd if=/dev/urandom of="$1" bs=4k count=2 oflag=direct status=none &&
		dd if="$1" of="$work/host/data" bs=4k count=2 iflag=direct status=none &&
		blkdiscard -f -o 512 -l 512 "$1" && blkdiscard -f -z -o 4608 -l 1024 "$1" &&
		dd if=/dev/zero of="$work/host/data" bs=512 seek=9 count=2 conv=notrunc status=none || return
	cmp <(dd if="$1" bs=4k count=2 iflag=direct status=none) "$work/host/data"
}

if wanted less_than_blocks; then
	for placement in user-sync kernel; do
		mark_log "less_than_blocks $placement"
		claim "file, $placement: on a device of larger blocks small pieces are discarded and zeroed" \
			on_small -b 4096 -- on_file $placement less_than_blocks
	done
fi
