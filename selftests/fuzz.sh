#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# A server that does anything at random: nothing hangs, and the kernel stays whole.

# shellcheck source=selftests/lib.sh
. "$(dirname "$(realpath "$0")")/lib.sh"
need_modules
work_dir
# Files of the servers' own lie there: on a filesystem that has O_DIRECT and holes.
mount -t tmpfs none "$work"
echo "TAP version 13"

mark_log fuzz
points_of fuzz "$programs/fuzz/fuzz" "$work" ${FERRY_CLAIMS:+"$FERRY_CLAIMS"}
claim "fuzz: leaves a clean log" log_is_clean
umount "$work"
unload_claim
finish
