#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# Allocations fail, one after the other: ENOMEM, nothing leaks, and all goes on.

# shellcheck source=selftests/lib.sh
. "$(dirname "$(realpath "$0")")/lib.sh"
need_modules
[ -d /sys/kernel/debug/failslab ] || skip_all "this kernel injects no faults: make check-debug"
# All allocations may fail, without a word: also those that may sleep.
for dir in /sys/kernel/debug/failslab /sys/kernel/debug/fail_page_alloc; do
	for setting in ignore-gfp-wait=N ignore-gfp-highmem=N min-order=0 verbose=0; do
		[ ! -e "$dir/${setting%=*}" ] || echo "${setting#*=}" >"$dir/${setting%=*}"
	done
done
# vmalloc() shows where it was called when it fails.
bad_in_log=${bad_in_log/|Call Trace:/}
work_dir
echo "TAP version 13"

mark_log devices
points_of devices timeout -k 10 600 "$programs/hostile/faults" "$work" ${FERRY_CLAIMS:+"$FERRY_CLAIMS"}
claim "devices: leaves a clean log" log_is_clean
for placement in kernel user-sync; do
	fs_test $placement memfs "$programs/fs/faults"
done
unload_claim
finish
