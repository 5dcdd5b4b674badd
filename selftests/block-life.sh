#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# Disks that outlive things: servers killed and moved under I/O, NBD servers that go and come
# back, filters that delay and fail, removal and tuning in the middle of it all.
# FERRY_TEST_WHOLE=1, as in make check-all: nbd in each wait style, and more moves.

# shellcheck source=selftests/block/lib.sh
. "$(dirname "$(realpath "$0")")/block/lib.sh"
begin_disks mkfs.ext4 fio

# busy DISK: I/O on it until the file $work/busy goes; then its status is that of reading
# all back, and right.
busy() {
	local status=0
	while [ -e "$work/busy" ] && [ "$status" = 0 ]; do
		verifies "$1" || status=1
	done
	[ "$status" = 0 ] || echo "fio noticed"
	return "$status"
}

# Reads and writes that disks have had until now
ios() { awk '{ n += $1 + $5 } END { print n + 0 }' /dev/null /sys/block/ferryb*/stat; }
have_had() { [ "$(ios)" -ge "$1" ]; }

# When it returns there is I/O.
begin_busy() { # DISK
	local before
	before=$(ios)
	touch "$work/busy"
	busy "$1" &
	busy=$!
	until_so have_had $((before + 20))
}

end_busy() {
	rm -f "$work/busy"
	wait "$busy"
}

gone() { # DISK: within 5 s
	for _ in {1..50}; do
		[ -e "/sys/block/$(basename "$1")" ] || return 0
		sleep 0.1
	done
	echo "$1 is there after 5 s"
	return 1
}

bytes() { blockdev --getsize64 "$1"; }

# --- servers that are killed, and moved -------------------------------------------------------

replaced() { # STYLE SOURCE
	local disk ios fio status=0
	disk=$(add_disk "$1" "$2") && mkfs.ext4 -q -F "$disk" && mount "$disk" "$work/mnt" &&
		cp -a "$work/tree/linux" "$work/mnt" && umount "$work/mnt" || return
	dd if="$disk" of="$work/host/before" bs=1M count=32 iflag=direct status=none
	ios=$(ios)
	fio --name=verify --filename="$disk" --direct=1 --ioengine=libaio --iodepth=16 --rw=randwrite \
		--bsrange=4k-256k --offset=32M --size=12M --verify=crc32c --do_verify=1 --verify_fatal=1 \
		--output-format=terse >/dev/null &
	fio=$!
	until_so have_had $((ios + 20)) || status=1
	for _ in 1 2 3 4; do
		kill_server || status=1
	done
	wait "$fio" || { echo "fio noticed"; status=1; }
	is_followed || status=1
	cmp -n 33554432 "$disk" "$work/host/before" || status=1
	mount "$disk" "$work/mnt" && diff -r "$work/tree/linux" "$work/mnt/linux" &&
		umount "$work/mnt" && e2fsck -fn "$disk" >/dev/null || status=1
	ferry disk del "$disk" || status=1
	no_disk_left || status=1
	return "$status"
}

truncate -s 64M "$work/host/img"
for case in "user-sync ramdisk:size=64M" "user-uring ramdisk:size=64M" \
	"user-poll file:path=$work/host/img" \
	"user-sync delay:us=200+ramdisk:size=64M"; do
	read -r style source <<<"$case"
	wanted "replaced/${source%%:*}/$style" || continue
	mark_log "replaced $case"
	claim "${source%%:*}, $style: servers are killed under I/O, nobody notices, nothing is lost" \
		replaced "$style" "$source"
done

keeps_size() {
	local disk status=0
	disk=$(add_disk user-sync ramdisk:size=16M,max=64M) && ferry disk resize "$disk" 48M || return
	dd if=/dev/urandom of="$work/host/data" bs=1M count=1 status=none
	dd if="$work/host/data" of="$disk" bs=1M seek=40 oflag=direct status=none
	blkdiscard -o 0 -l 1M "$disk"
	kill_server || status=1
	cmp <(dd if="$disk" bs=1M skip=40 count=1 iflag=direct status=none) "$work/host/data" || status=1
	is size "$(bytes "$disk")" 50331648 || status=1
	ferry disk resize "$disk" 64M && is "size, once more" "$(bytes "$disk")" 67108864 || status=1
	ferry disk del "$disk" || status=1
	no_disk_left || status=1
	return "$status"
}

if wanted keeps_size; then
	mark_log keeps_size
	claim "a ramdisk that was resized has its size after its server's death" keeps_size
fi

is_detached() { [[ $(ferry list) == *" detached "* ]]; }

kill_servers() { # all that there are, so that nobody follows
	pkill -KILL -o -x ferryd
	pkill -KILL -x ferryd
	until_so is_detached
}

rescue=/sys/module/ferry/parameters/rescue

# without_rescue COMMAND...: nobody can be called meanwhile
without_rescue() {
	local was status
	was=$(<"$rescue")
	echo /nonexistent >"$rescue"
	"$@"
	status=$?
	echo "$was" >"$rescue"
	return "$status"
}

# shellcheck source=selftests/block/file.sh
. "$here/block/file.sh"

# --- the new server does not come up -------------------------------------------------------------

# shellcheck source=selftests/block/stays.sh
. "$here/block/stays.sh"

# --- moves ----------------------------------------------------------------------------------------

moves() { # SOURCE DISK
	local to status=0
	begin_busy "$2" || status=1
	for to in kernel user ${FERRY_TEST_WHOLE:+kernel user}; do
		ferry move "$2" --to "$to" || status=1
		is "placement" "$(ferry disk list | awk -v disk="$(basename "$2")" '$1 == disk { print $5 }')" \
			"$to" || status=1
	done
	ferry upgrade "$2" || status=1
	end_busy || status=1
	return "$status"
}

kept_over_moves() { # DISK
	ferry disk resize "$1" 96M || return
	dd if=/dev/urandom of="$work/host/data" bs=1M count=8 status=none
	dd if="$work/host/data" of="$1" bs=1M seek=80 oflag=direct status=none
	ferry move "$1" --to kernel || return
	cmp <(dd if="$1" bs=1M skip=80 count=8 iflag=direct status=none) "$work/host/data" &&
		is "size" "$(bytes "$1")" 100663296 && ferry move "$1" --to user &&
		cmp <(dd if="$1" bs=1M skip=80 count=8 iflag=direct status=none) "$work/host/data"
}

for source in ramdisk:size=64M "file:path=$work/host/img" delay:us=200+ramdisk:size=64M; do
	wanted "moves/${source%%:*}" || continue
	mark_log "moves $source"
	claim "${source%%:*}: moves to and fro and is replaced under I/O" \
		on_disk "$source" user-sync "" moves "$source"
done
if wanted kept_over_moves; then
	mark_log kept_over_moves
	claim "a ramdisk that was resized and written keeps both over moves" \
		on_disk ramdisk:size=64M,max=128M user-sync "" kept_over_moves
fi

# Its last close() writes back what is in the device's cache, after the daemon was sent home.
on_slow_device() {
	local slow disk status=0
	slow=$(add_disk kernel delay:ms=5000,write+ramdisk:size=64M) || return
	disk=$(add_disk user-sync "file:path=$slow") || return
	dd if=/dev/urandom of="$work/host/data" bs=1M count=1 status=none
	dd if="$work/host/data" of="$disk" bs=1M oflag=direct status=none || status=1
	ferry upgrade "$disk" || status=1
	cmp <(dd if="$disk" bs=1M count=1 iflag=direct status=none) "$work/host/data" || status=1
	ferry disk del "$disk" || status=1
	ferry disk del "$slow" || status=1
	no_disk_left || status=1
	return "$status"
}
if wanted moves/slow; then
	mark_log moves/slow
	claim "file: on a device that takes its time to write back it is replaced" on_slow_device
fi

moves_mounted() { # DISK
	mkfs.ext4 -q -F "$1" && mount "$1" "$work/mnt" || return
	cp -a "$work/tree/linux" "$work/mnt/" &
	ferry move "$1" --to kernel && wait $! && umount "$work/mnt" && mount "$1" "$work/mnt" &&
		diff -r "$work/tree/linux" "$work/mnt/linux" && umount "$work/mnt" && e2fsck -fn "$1"
}

# moves_both_ways DISK BUSY: while there is I/O on BUSY
moves_both_ways() {
	local status=0
	begin_busy "$2" || status=1
	ferry move "$1" --to kernel && ferry move "$1" --to user || status=1
	end_busy || status=1
	return "$status"
}

below_a_loop() { # DISK
	local loop status=0
	loop=$(losetup -f --show --direct-io=on "$1") || return
	moves_both_ways "$1" "$loop" && holds_tree ext4 "$loop" || status=1
	losetup -d "$loop" || status=1
	return "$status"
}

above_a_loop() { # ARGS
	local loop status=0
	loop=$(losetup -f --show "$work/host/img") || return
	above() { moves_both_ways "$1" "$1" && holds_tree ext4 "$1"; }
	on_disk "file:path=$loop$1" user-sync "" above || status=1
	losetup -d "$loop" || status=1
	return "$status"
}

if wanted loop; then
	mark_log loop
	claim "a disk below a loop device moves both ways under I/O" \
		on_disk ramdisk:size=64M user-sync "" below_a_loop
	for args in "" ,direct; do
		claim "a disk on a loop device${args:+, direct,} moves both ways under I/O" \
			above_a_loop "$args"
	done
fi

# The file that the disk is in lies on a filesystem of the same type.
if wanted moves_mounted; then
	mark_log moves_mounted
	mkdir "$work/below"
	truncate -s 200M "$work/host/below" && mkfs.ext4 -q -F "$work/host/below" &&
		mount -o loop "$work/host/below" "$work/below" && truncate -s 64M "$work/below/img"
	claim "a mounted disk in a file on the same type of filesystem moves into the kernel" \
		on_disk "file:path=$work/below/img" user-sync "" moves_mounted
	umount "$work/below"
fi

# --- filters ----------------------------------------------------------------------------------

reads() { dd if="$1" of=/dev/null bs=512 skip="$2" count=1 iflag=direct status=none 2>>"$work/err"; }
writes() { dd if=/dev/zero of="$1" bs=4k count=1 oflag=direct status=none 2>>"$work/err"; }

# Two writes pass, two fail, the rest passes; reads fail in two ranges; discards and flushes always,
# though a ramdisk by itself is sent none.
fails_as_told() { # DISK
	local seen='' _
	: >"$work/err"
	for _ in 1 2 3 4 5 6; do writes "$1" && seen+=+ || seen+=-; done
	is "writes" "$seen" ++--++ || return
	is "of them with ENOSPC" "$(grep -c "No space left" "$work/err")" 2 || return
	reads "$1" 2047 && ! reads "$1" 2048 && ! reads "$1" 2055 && reads "$1" 2056 &&
		! reads "$1" 9000 && reads "$1" 9001 &&
		is "reads with EIO" "$(grep -c "Input/output error" "$work/err")" 3 &&
		! blkdiscard -f -o 0 -l 1M "$1" 2>/dev/null && blkdiscard -f -z -o 0 -l 1M "$1" || return
	! dd if=/dev/zero of="$1" bs=4k count=1 oflag=direct conv=fsync 2>/dev/null || { echo "it flushes"; return 1; }
}

# took FIELD DISK OPTION...: milliseconds of fio's reads (field 9) or writes (50), without its own start
took() {
	fio --name=t --filename="$2" --direct=1 --bs=4k --output-format=terse "${@:3}" | cut -d ';' -f "$1"
}

# Eight at a time wait beside each other, and only those that are to.
waits_as_told() { # DISK
	local ms
	ms=$(took 9 "$1" --ioengine=libaio --iodepth=8 --rw=randread --number_ios=24)
	[ "$ms" -ge 1200 ] || { echo "24 reads took $ms ms"; return 1; }
	[ "$ms" -lt 7000 ] || { echo "24 reads took $ms ms: one after the other"; return 1; }
	ms=$(took 50 "$1" --ioengine=psync --rw=write --number_ios=10)
	[ "$ms" -lt 4000 ] || { echo "10 writes took $ms ms"; return 1; }
}

some_fail() { # DISK: a quarter, by chance
	local n=0
	for _ in {1..60}; do reads "$1" 0 || n=$((n + 1)); done
	if [ "$n" -lt 3 ] || [ "$n" -gt 35 ]; then echo "$n of 60 failed"; return 1; fi
}

third=error:read,sectors=2048-2055:9000+delay:us=100+error:discard,flush+ramdisk:size=64M
for placement in user-sync user-rw kernel; do
	wanted "filters/$placement" || continue
	mark_log "filters $placement"
	claim "$placement: error fails what it is told to, four filters deep" \
		on_disk "error:write,after=2,count=2,errno=ENOSPC+$third" $placement "" fails_as_told
	claim "$placement: delay lets wait what it is told to, side by side" \
		on_disk delay:ms=400,read,sectors=0-131071+ramdisk:size=64M $placement "" waits_as_told
	claim "$placement: error fails some by chance" \
		on_disk error:read,percent=25+delay:us=1,percent=0+null $placement "" some_fail
done

# Whatever was told to filters is known to all who take the place of the first server.
filters_stay() { # DISK
	local next status=0
	dd if=/dev/urandom of="$work/host/data" bs=512k count=1 status=none
	dd if="$work/host/data" of="$1" bs=512k oflag=direct status=none || return
	for next in kernel user death; do
		case $next in
		death) kill_server || return ;;
		*) ferry move "$1" --to "$next" || return ;;
		esac
		: >"$work/err"
		if ! { reads "$1" 2047 && ! reads "$1" 2048 && ! reads "$1" 4103 && reads "$1" 4104 &&
			is "reads with ENODATA" "$(grep -c "No data available" "$work/err")" 2 &&
			dd if="$1" bs=512k count=1 iflag=direct status=none |
			cmp - "$work/host/data"; }; then
			echo "after $next"
			status=1
		fi
	done
	return "$status"
}

if wanted filters/stay; then
	mark_log filters_stay
	claim "filters know what they were told after moves and a death" on_disk \
		error:read,sectors=2048-2055:4096-4103,errno=ENODATA+delay:us=100+ramdisk:size=64M \
		user-sync "" filters_stay
fi

# A filesystem above notices, is unmounted, and the disk goes.
ext4_above_errors() { # DISK
	mkfs.ext4 -q -F -b 4096 -O ^has_journal "$1" && mount "$1" "$work/mnt" || return
	dd if=/dev/zero of="$work/mnt/f" bs=1M count=55 conv=fsync 2>"$work/err"
	grep -q "Input/output error\|Read-only" "$work/err" || { cat "$work/err"; return 1; }
	umount "$work/mnt"
}

for placement in user-sync kernel; do
	wanted "ext4_above/$placement" || continue
	mark_log "ext4_above $placement"
	claim "$placement: ext4 above a disk that begins to fail is told, and goes" \
		on_disk error:write,sectors=70000-120000+ramdisk:size=64M $placement "" ext4_above_errors
done

# --- NBD ------------------------------------------------------------------------------------------

socket=$work/nbd.sock
uri="nbd+unix:///?socket=$socket"
export_pid=
nbdkit_options=()

# export_file FILE [OPTION]...: until end_export; nbdkit's options, and its filters'
export_file() {
	local file=$1
	shift
	rm -f "$socket" "$work/nbdkit.pid"
	nbdkit -f -P "$work/nbdkit.pid" -U "$socket" --filter=blocksize-policy "${nbdkit_options[@]}" \
		file "$file" "$@" 2>"$work/nbdkit" &
	export_pid=$!
	# It writes that when it listens, not when there is a socket.
	for _ in {1..100}; do
		[ ! -s "$work/nbdkit.pid" ] || return 0
		sleep 0.05
	done
	cat "$work/nbdkit"
	return 1
}

end_export() {
	[ -z "$export_pid" ] || kill -KILL "$export_pid" 2>/dev/null
	wait "$export_pid" 2>/dev/null
	export_pid=
}

on_nbd() { # PLACEMENT FILTERS ARGS FUNCTION...
	local placement=$1 filters=$2 args=$3 status=0
	shift 3
	truncate -s 64M "$work/host/nbd"
	export_file "$work/host/nbd" || return
	on_disk "${filters}nbd:uri=$uri$args" "$placement" "" "$@" || { status=1; tail -n 3 "$work/nbdkit"; }
	end_export
	rm -f "$work/host/nbd"
	return "$status"
}

# nbdkit 1.32 aborts when a client dies while several of its threads answer it.
in_one_thread() { # COMMAND...
	local nbdkit_options=(--threads=1)
	"$@"
}

server_restarts() { # DISK
	local status=0 _
	begin_busy "$1" || status=1
	for _ in 1 2 3; do
		sleep 0.3
		end_export
		sleep 0.3
		export_file "$work/host/nbd" || status=1
	done
	end_busy || status=1
	return "$status"
}

now_ms() { date +%s%3N; }

# While the server is away requests wait, and those of two seconds ago fail.
server_stays_away() { # DISK
	local begin status=0
	end_export
	begin=$(now_ms)
	dd if="$1" of=/dev/null bs=4k count=1 iflag=direct 2>"$work/err" && { echo "it reads"; status=1; }
	begin=$(($(now_ms) - begin))
	grep -q "Input/output error" "$work/err" || { cat "$work/err"; status=1; }
	if [ "$begin" -lt 1500 ] || [ "$begin" -gt 10000 ]; then echo "after $begin ms"; status=1; fi
	dd if="$1" of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null && { echo "it reads"; status=1; }
	export_file "$work/host/nbd" || return
	for _ in {1..40}; do
		dd if="$1" of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null && return "$status"
		sleep 0.1
	done
	echo "it does not come back"
	return 1
}

# It does not answer one who connects now. Only the resize that asks waits for that.
connects_slowly() { # DISK
	local asker listener status=0
	mv "$socket" "$socket.away"
	perl -MIO::Socket::UNIX -e '
		my ($path, $seen) = @ARGV;
		my $s = IO::Socket::UNIX->new(Local => $path, Listen => 5) or die "$path: $!\n";
		my $c = $s->accept;
		open my $f, ">", $seen;
		close $f;
		sleep 1000' "$socket" "$work/connected" &
	listener=$!
	until_so [ -S "$socket" ] || status=1
	ferry disk resize "$1" 32M 2>/dev/null &
	asker=$!
	until_so [ -e "$work/connected" ] || status=1
	for _ in 1 2 3 4 5 6 7 8; do
		timeout 60 dd if="$1" of=/dev/null bs=4k count=1 iflag=direct status=none ||
			{ echo "who reads waits for it"; status=1; break; }
	done
	kill "$listener"
	wait "$asker" && { echo "it was resized"; status=1; }
	rm -f "$socket" "$work/connected"
	mv "$socket.away" "$socket"
	ferry disk resize "$1" 32M && is size "$(bytes "$1")" 33554432 || status=1
	return "$status"
}

# What lies behind the old end can be used, by all connections; those that use the disk notice nothing.
export_grows() { # DISK
	local status=0 _
	begin_busy "$1" || status=1
	truncate -s 128M "$work/host/nbd" && ferry disk resize "$1" &&
		is "size" "$(bytes "$1")" 134217728 && sync "$1" || status=1
	end_busy && sync "$1" || status=1
	head -c 64k /dev/urandom >"$work/host/data"
	for _ in 1 2 3 4; do
		dd if="$work/host/data" of="$1" bs=64k seek=2047 oflag=direct status=none &&
			cmp <(dd if="$1" bs=64k skip=2047 iflag=direct status=none) "$work/host/data" || status=1
	done
	cmp -i 134152192:0 "$work/host/nbd" "$work/host/data" || status=1
	return "$status"
}

removed_without_server() {
	local disk status=0
	truncate -s 64M "$work/host/nbd"
	export_file "$work/host/nbd" || return
	disk=$(add_disk user-sync "nbd:uri=$uri") || return
	end_export
	dd if="$disk" of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null &
	soon ferry disk del --force "$disk" || status=1
	wait $! && { echo "it reads"; status=1; }
	gone "$disk" || status=1
	no_disk_left || status=1
	return "$status"
}

daemon_killed_without_server() { # DISK
	local status=0
	end_export
	kill_server || status=1
	(sleep 1; export_file "$work/host/nbd"; wait) &
	dd if="$1" of=/dev/null bs=4k count=1 iflag=direct 2>"$work/err" || { cat "$work/err"; status=1; }
	pkill -KILL -x nbdkit
	wait $!
	return "$status"
}

daemons_killed() { # DISK
	local status=0 _
	begin_busy "$1" || status=1
	for _ in 1 2 3; do
		sleep 0.3
		kill_server || status=1
	done
	is_followed || status=1
	end_busy || status=1
	ferry upgrade "$1" || status=1
	holds_tree ext4 "$1" || status=1
	return "$status"
}

# Who is called tries the kernel once, which lacks what stands below the filter.
stays_with_daemon() { # DISK
	ferry set "$1" on_death=kernel && pkill -KILL -o -x ferryd || return
	for _ in 1 2; do
		mark_log "nbd alone"
		kill_server && is_followed && until_so tried || return
	done
	sleep 3
	is "its server" "$(serving)" "$server" && dd if="$1" of=/dev/null bs=4k count=1 iflag=direct
}

tried() { ! log_lacks 'there is no backend "nbd"'; }

like_export() { # DISK
	is logical_block_size "$(queue "$1" logical_block_size)" 4096 &&
		is physical_block_size "$(queue "$1" physical_block_size)" 4096 &&
		is ro "$(cat "/sys/block/$(basename "$1")/ro")" 1 &&
		is max_hw_sectors_kb "$(queue "$1" max_hw_sectors_kb)" 128 &&
		is size "$(bytes "$1")" 67108864 || return
	truncate -s 80M "$work/host/nbd" && ferry disk resize "$1" &&
		is "size, grown" "$(bytes "$1")" 83886080 &&
		! ferry disk resize "$1" 1G 2>/dev/null
}

export_like() {
	local status=0
	truncate -s 64M "$work/host/nbd"
	export_file "$work/host/nbd" -r blocksize-minimum=4k blocksize-preferred=4k \
		blocksize-maximum=128k || return
	on_disk "nbd:uri=$uri" user-sync "" like_export || status=1
	end_export
	rm -f "$work/host/nbd"
	return "$status"
}

image() {
	local status=0 pid
	# An earlier server that was killed has left one; and --fork returns when this one listens.
	rm -f "$socket"
	qemu-img create -q -f qcow2 "$work/host/image.qcow2" 64M &&
		qemu-nbd -t -k "$socket" --fork --pid-file="$work/qemu-nbd.pid" -f qcow2 -x '' \
			"$work/host/image.qcow2" || return
	on_disk "nbd:uri=$uri" user-uring "" good_disk ext4 || status=1
	pid=$(<"$work/qemu-nbd.pid")
	kill "$pid"
	timeout 60 tail -s 0.1 --pid="$pid" -f /dev/null || status=1
	qemu-img check -q "$work/host/image.qcow2" || status=1
	rm -f "$work/host/image.qcow2"
	return "$status"
}

nbd_claim() { # NAME TEXT COMMAND...
	local name=$1 text=$2
	shift 2
	wanted "nbd/$name" || return
	mark_log "nbd $name"
	if [ ! -e "$tree/build/backends/nbd.so" ]; then
		skip "nbd: $text" "no libnbd-dev when it was built"
	elif ! command -v nbdkit >/dev/null; then
		skip "nbd: $text" "no nbdkit"
	else
		claim "nbd: $text" "$@"
	fi
}

for style in user-poll user-uring ${FERRY_TEST_WHOLE:+user-sync user-rw}; do
	nbd_claim "ext4/$style" "$style: fio verifies, ext4 holds a tree and is clean" \
		on_nbd "$style" "" "" good_disk ext4
done
nbd_claim delayed "below a filter: fio verifies, ext4 holds a tree and is clean" \
	on_nbd user-sync delay:us=300,percent=20+ "" good_disk ext4
nbd_claim discard "discard and zeroes work" on_nbd user-sync "" "" discards
nbd_claim restarts "its server is killed and comes back under I/O: nobody notices" \
	on_nbd user-sync "" ,connections=2 server_restarts
nbd_claim away "while its server is away requests wait as long as they may, then EIO" \
	on_nbd user-sync "" ,reconnect=2 server_stays_away
# shellcheck source=selftests/block/nbd-upgrade.sh
. "$here/block/nbd-upgrade.sh"
# shellcheck source=selftests/block/nbd-flush.sh
. "$here/block/nbd-flush.sh"
# shellcheck source=selftests/block/nbd-part.sh
. "$here/block/nbd-part.sh"
nbd_claim slow "its server lets a resize wait that connects: nobody else does" \
	on_nbd user-sync "" "" connects_slowly
nbd_claim grows "what its export has grown by is used after a resize, under I/O" \
	on_nbd user-sync "" ,connections=2 export_grows
nbd_claim removed "removed by force within 5 s although its server is away" removed_without_server
nbd_claim daemons "daemons are killed under I/O, and replaced: nobody notices" \
	in_one_thread on_nbd user-sync "" "" daemons_killed
nbd_claim alone "with on_death=kernel, and not there, it is served by who is called, and stays" \
	on_nbd user-sync delay:ms=1+ "" stays_with_daemon
nbd_claim both "a daemon is killed while its server is away: the next one waits for it" \
	on_nbd user-sync "" "" daemon_killed_without_server
nbd_claim like "size, blocks and read-only are the export's" export_like
if command -v qemu-nbd >/dev/null; then
	nbd_claim image "behind qemu-nbd, ext4 in a qcow2 image is clean" image
elif wanted nbd/image; then
	skip "nbd: behind qemu-nbd, ext4 in a qcow2 image is clean" "no qemu-nbd"
fi

# --- in the middle of it all ----------------------------------------------------------------------

# shellcheck source=selftests/block/busy.sh
. "$here/block/busy.sh"

two_servers() { # DISK
	local channel
	channel=$(cat "/sys/block/$(basename "$1")/ferry/channel")
	refused "$channel" ferryd -f --attach "$channel" --disk ramdisk:size=64M && verifies "$1"
}

if wanted two_servers; then
	mark_log two_servers
	claim "a second server for a disk is refused, and the first goes on" \
		on_disk ramdisk:size=64M user-sync "" two_servers
fi

unload_claim
finish
