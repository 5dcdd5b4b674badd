#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# Servers that lie, hang and die: clients get the right errno, and nothing hangs past SIGKILL.

# shellcheck source=selftests/lib.sh
. "$(dirname "$(realpath "$0")")/lib.sh"
need_modules
work_dir
echo "TAP version 13"

no_mount_left() {
	local status=0
	grep " $work/" /proc/mounts && status=1
	log_is_clean || status=1
	return $status
}

for program in device replies death; do
	wanted "$program" || continue
	mark_log "$program"
	points_of "$program" timeout -k 10 600 "$programs/hostile/$program" "$work" ${FERRY_CLAIMS:+"$FERRY_CLAIMS"}
	claim "$program: leaves a clean log and no mount" no_mount_left
done
unload_claim
finish
