#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# One processor that is not preempted (selftests/boot sees to it): nothing that a dying server
# waits for may need the processor that it waits on.

# shellcheck source=selftests/lib.sh
. "$(dirname "$(realpath "$0")")/lib.sh"
need_modules
[ "$(nproc)" = 1 ] || skip_all "wants one CPU without preemption: tools/vm/run --smp 1 --append preempt=none"
work_dir
mark_log alone
echo "TAP version 13"

for program in uring death; do
	! wanted "$program" ||
		points_of "$program" timeout -k 10 300 "$programs/hostile/$program" "$work" ${FERRY_CLAIMS:+"$FERRY_CLAIMS"}
done
claim "a clean log" log_is_clean
unload_claim
finish
