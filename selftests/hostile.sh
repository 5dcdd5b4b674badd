#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# Servers that lie, hang and die: clients get the right errno, and nothing hangs past SIGKILL.

# shellcheck source=selftests/lib.sh
. "$(dirname "$(realpath "$0")")/lib.sh"
need_modules
work_dir
echo "TAP version 13"

for program in device replies styles death left stuck unsure older misuse road transfer xfer \
	backing uring device32 replies32 styles32 xfer32 transfer32 backing32; do
	wanted "$program" || continue
	why=
	case $program in *32) why=$(why_not_32 "$programs/hostile/$program") ;; esac
	if [ -n "$why" ]; then
		skip "$program" "$why"
		continue
	fi
	mark_log "$program"
	points_of "$program" timeout -k 10 600 "$programs/hostile/$program" "$work" ${FERRY_CLAIMS:+"$FERRY_CLAIMS"}
	claim "$program: leaves a clean log" log_is_clean
done
unload_claim
finish
