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

if wanted idle; then
	mark_log idle
	claim "idle: a daemon without requests takes no processor time" idle
fi
unload_claim
finish
