#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# memfs in a daemon, wait style poll: what differs from sync is the wake-up.

# shellcheck source=selftests/fs.sh
. "$(dirname "$(realpath "$0")")/fs.sh"
need_modules
work_dir
echo "TAP version 13"
run_fs_tests user-poll memfs names rename rw direct mmap cache readdir fsx stress

# Processor time of all of ferryd, in hundredths of a second
ticks() {
	local pid
	for pid in $(pgrep -x ferryd); do
		sed 's/.*) //' "/proc/$pid/stat"
	done | awk '{ n += $12 + $13 } END { print n + 0 }'
}

# Whoever spins while there is work sleeps when there is none.
idle() {
	local before after status=0
	mkdir -p "$work/mnt"
	mount_fs user-poll memfs "$work/mnt" attr_timeout=0 || return
	perl -e 'for (1 .. 2000) { stat $ARGV[0] }' "$work/mnt"
	sleep 0.5
	before=$(ticks)
	sleep 2
	after=$(ticks)
	[ $((after - before)) -le 1 ] ||
		{ echo "$((after - before)) hundredths of a second in 2 s without a request"; status=1; }
	after_test || status=1
	return "$status"
}

# Where client and server are both awake neither gives its processor away: no answer is waited
# for asleep, and none is told of by a system call. In one of many batches at least: the machine
# has other things to do as well, and where it has too many nothing can be said. A server that
# sleeps can be so quick to wake that its client need not sleep; that is none of these batches.
hot() {
	[ "$(nproc)" -gt 1 ] || { skips "needs two processors"; return; }
	local least=200 spun=0 status=0 said before
	mkdir -p "$work/mnt"
	mount_fs user-poll memfs "$work/mnt" attr_timeout=0 || return
	for _ in {1..20}; do
		before=$(stat_of "$work/mnt" "" spun)
		"$programs/control/batches" "$work/mnt" 20 200 >"$work/batches" || { least=200; break; }
		spun=$(($(stat_of "$work/mnt" "" spun) - before))
		said=$(sort -n "$work/batches" | head -1)
		[ "$said" -ge "$least" ] || least=$said
		[ "$said" != 0 ] || [ "$spun" -lt 100 ] || break
		said=
	done
	if [ "$least" -gt 100 ]; then
		echo "$least of 200 round trips at least cost a switch"
		status=1
	elif [ -z "$said" ]; then
		skips "the machine is too busy: of 200 round trips $least at least cost a switch, \
and $spun of the last 4,000 were spun for"
		status=$?
	else
		said=$(stat_of "$work/mnt" "" posted)
		[ "$said" -ge 100 ] || { echo "$said of $spun are posted"; status=1; }
	fi
	after_test || status=1
	return "$status"
}

# Neither side looks for what another task on its own processor would have to do.
one_processor() {
	local cpu=/sys/devices/system/cpu/cpu1/online way status=0
	if [ "$(nproc)" -gt 1 ]; then
		if [ "$(nproc)" != 2 ] || [ ! -w "$cpu" ]; then
			skips "cannot leave one processor"
			return
		fi
		echo 0 >"$cpu"
	fi
	mkdir -p "$work/mnt"
	if mount_fs user-poll memfs "$work/mnt" attr_timeout=0; then
		"$programs/control/batches" "$work/mnt" 2 200 >/dev/null || status=1
		for way in posted spun spun_out; do
			is "$way" "$(stat_of "$work/mnt" "" "$way")" 0 || status=1
		done
		after_test || status=1
	else
		status=1
	fi
	[ ! -w "$cpu" ] || echo 1 >"$cpu"
	return "$status"
}

# A client that comes back later than the server looks: 100 looks of 20 ms would be 2 s.
adapts() {
	local before after status=0
	mkdir -p "$work/mnt"
	mount_fs user-poll memfs "$work/mnt" attr_timeout=0,spin_us=5000 || return
	before=$(ticks)
	perl -e 'for (1 .. 100) { stat $ARGV[0]; select undef, undef, undef, 0.03 }' "$work/mnt"
	after=$(ticks)
	[ $((after - before)) -le 60 ] ||
		{ echo "$((after - before)) hundredths of a second for nothing"; status=1; }
	after_test || status=1
	return "$status"
}

if wanted idle; then
	mark_log idle
	claim "idle: a daemon without requests takes no processor time" idle
fi
if wanted spin; then
	mark_log spin
	claim "spin: no round trip between two who are awake costs a switch" hot
	claim "spin: on one processor nobody spins" one_processor
	claim "spin: what does not pay is soon left" adapts
fi
unload_claim
finish
