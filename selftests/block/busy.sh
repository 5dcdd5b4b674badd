# SPDX-License-Identifier: GPL-2.0-only OR MIT
# shellcheck shell=bash
#
# Part of block-life.sh: disks that go, and are changed, in the middle of a scan and of I/O.

# Its server, supervisor and all, dies while partitions are looked for: there is none to wait for,
# long as the grace time may be, as nobody is there who asked for the disk.
under_way() { awk '{ n += $1 + $2 } END { print n + 0 }' /dev/null /sys/block/ferryb*/inflight; }
scans() { [ "$(under_way)" -gt 0 ]; }
no_disk() { local disks=(/sys/block/ferryb*); [ ${#disks[@]} = 0 ]; }

killed_in_scan() { # STYLE
	local disk asked status=0
	add_disk "$1" delay:ms=60000,read+ramdisk:size=64M on_death=reissue,grace=3600 \
		>"$work/out" 2>&1 &
	asked=$!
	until_so scans || status=1
	pkill -KILL -x ferryd
	wait "$asked" && { cat "$work/out"; status=1; }
	until_so no_disk || status=1
	no_disk_left || status=1
	disk=$(add_disk "$1" ramdisk:size=64M) && ferry disk del "$disk" || status=1
	return "$status"
}

for style in user-sync user-poll user-uring; do
	wanted "killed_in_scan/$style" || continue
	mark_log "killed_in_scan $style"
	claim "$style: all of its server is killed while partitions are looked for: the disk goes" \
		killed_in_scan "$style"
done

# A write that was given up, whose server answers when the disk and the module of the class are gone.
late_answer() {
	local disk status=0
	disk=$(add_disk user-sync delay:ms=60000,write+ramdisk:size=64M io_timeout=1) || return
	dd if=/dev/zero of="$disk" bs=4k count=1 oflag=direct 2>"$work/out" &&
		{ echo "was not given up"; status=1; }
	pkill -STOP -x ferryd
	ferry disk del --force "$disk" || status=1
	rmmod ferryblk || status=1
	pkill -CONT -x ferryd
	no_daemon_left || status=1
	"$tree/tools/modules" load || status=1
	no_disk_left || status=1
	return "$status"
}

if wanted late; then
	mark_log late
	claim "an answer may come after the disk, and after its module" late_answer
fi

# What was under way fails; all is gone within 5 s.
removed_busy() { # PLACEMENT SOURCE
	local disk ios status=0
	disk=$(add_disk "$1" "$2") || return
	ios=$(ios)
	fio --name=w --filename="$disk" --direct=1 --ioengine=libaio --iodepth=32 --rw=randrw --bs=16k \
		--time_based --runtime=30 --numjobs=2 --output-format=terse >/dev/null 2>&1 &
	until_so have_had $((ios + 20)) || status=1
	soon ferry disk del --force "$disk" || status=1
	gone "$disk" || status=1
	wait $! && { echo "fio did not notice"; status=1; }
	no_disk_left || status=1
	return "$status"
}

# Its server dies in the same moment.
removed_and_killed() { # STYLE
	local disk status=0 _
	for _ in 1 2 3; do
		disk=$(add_disk "$1" ramdisk:size=64M) || return
		dd if=/dev/zero of="$disk" bs=64k oflag=direct 2>/dev/null &
		sleep 0.2
		pkill -KILL -x ferryd &
		# It may be gone already.
		soon ferry disk del --force "$disk" 2>/dev/null
		[ $? != 124 ] || status=1
		gone "$disk" || status=1
		wait
	done
	no_disk_left || status=1
	return "$status"
}

for case in "user-sync ramdisk:size=64M" "user-poll delay:ms=20+ramdisk:size=64M" \
	"user-uring file:path=$work/host/img" "kernel ramdisk:size=64M" \
	"kernel delay:ms=20+ramdisk:size=64M"; do
	read -r placement source <<<"$case"
	wanted "removed_busy/$placement" || continue
	mark_log "removed_busy $case"
	claim "$placement, ${source%%:*}: removed by force under heavy I/O, within 5 s" \
		removed_busy "$placement" "$source"
done
if wanted removed_and_killed; then
	mark_log removed_and_killed
	claim "removed by force while its server is killed" removed_and_killed user-sync
fi

# "ferry abort", which does not wait for the server: one in the kernel stays, one may be stopped, and
# where another is awaited there is none.
aborted() { # SERVER
	local disk placement=user-sync fd status=0
	[ "$1" != kernel ] || placement=kernel
	disk=$(add_disk "$placement" ramdisk:size=64M "${2-}") || return
	exec {fd}<"$disk"
	case $1 in
	stopped) pkill -STOP -x ferryd ;;
	awaited) pkill -KILL -x ferryd; until_so is_detached || status=1 ;;
	esac
	ferry abort "$disk" || status=1
	until_so no_disk || status=1
	exec {fd}<&-
	[ "$1" != stopped ] || pkill -CONT -x ferryd
	no_disk_left || status=1
	return "$status"
}

while read -r server options text; do
	wanted "aborted/$server" || continue
	mark_log "aborted $server"
	claim "ferry abort removes an open disk whose server $text" aborted "$server" "$options"
done <<-'EOF'
	kernel depth=32 is in the kernel
	stopped on_death=fail is stopped
	awaited on_death=reissue,grace=3600 is awaited
EOF

# Schedulers, queue sizes and processors change under I/O.
tuned_busy() { # DISK
	local sys status=0 cpu=/sys/devices/system/cpu/cpu1/online
	sys=/sys/block/$(basename "$1")/queue
	modprobe -q -a mq-deadline bfq kyber-iosched
	begin_busy "$1" || status=1
	for scheduler in $(tr -d '[]' <"$sys/scheduler") none; do
		echo "$scheduler" >"$sys/scheduler" || status=1
		echo 8 >"$sys/nr_requests"
		echo 64 >"$sys/max_sectors_kb"
		sleep 0.2
	done
	if [ -e "$cpu" ]; then
		echo 0 >"$cpu" && sleep 0.3 && echo 1 >"$cpu" || status=1
	fi
	echo 2 >"$sys/nomerges"
	end_busy || status=1
	return "$status"
}

for placement in user-sync kernel; do
	wanted "tuned/$placement" || continue
	mark_log "tuned $placement"
	claim "$placement: scheduler, limits and processors change under I/O" \
		on_disk ramdisk:size=64M $placement "" tuned_busy
done

# Not what that processor's own file says: who reads that waits until it has gone.
is_offline() { ! grep -q "^cpu1 " /proc/stat; }

# While its server is stopped, and a write from that processor is under way.
processor_goes() { # DISK
	local cpu=/sys/devices/system/cpu/cpu1/online status=0 writer goes
	[ -e "$cpu" ] || { skips "no processor that can go"; return; }
	pkill -STOP -x ferryd
	taskset -c 1 dd if=/dev/zero of="$1" bs=4k count=1 oflag=direct status=none &
	writer=$!
	until_so scans || status=1
	echo 0 >"$cpu" &
	goes=$!
	until_so is_offline || status=1
	scans || { echo "the write was answered"; status=1; }
	pkill -CONT -x ferryd
	wait "$writer" || { echo "it was not written"; status=1; }
	wait "$goes" || status=1
	echo 1 >"$cpu" || status=1
	return "$status"
}

if wanted processor_goes; then
	mark_log processor_goes
	claim "a processor goes although the server does not answer what was asked from it" \
		on_disk ramdisk:size=64M user-sync io_timeout=3600 processor_goes
fi

# As far as that goes before devices stop: all tasks are frozen for a second, the server's too.
suspended() { # DISK
	local power=/sys/power status=0
	[ -w $power/pm_test ] || { skips "this kernel has no $power/pm_test"; return; }
	begin_busy "$1" || status=1
	echo freezer >$power/pm_test && echo 1 >/sys/module/suspend/parameters/pm_test_delay &&
		echo freeze >$power/state || status=1
	echo none >$power/pm_test
	end_busy || status=1
	return "$status"
}

for placement in user-sync user-poll user-uring user-rw kernel; do
	wanted "suspended/$placement" || continue
	mark_log "suspended $placement"
	claim "$placement: the machine is suspended under I/O" \
		on_disk ramdisk:size=64M $placement "" suspended
done
