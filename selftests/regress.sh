#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# The road is as short as it was: instructions, next to Documentation/results. Wants a
# machine whose clock counts them (selftests/boot sees to it).

# shellcheck source=selftests/lib.sh
. "$(dirname "$(realpath "$0")")/lib.sh"
need_modules
[ "$(nproc)" = 1 ] || skip_all "wants one CPU whose clock counts instructions: tools/vm/run --icount"
kernel=$(uname -r | cut -d . -f 1,2)
stored=$tree/Documentation/results/icount-$kernel.json
[ -e "$stored" ] || skip_all "no $stored: tools/figures measure"
[ -x "$bin/fuse-peer" ] || skip_all "no fuse-peer, which instructions are compared with: make deps"
work_dir
mark_log regress
echo "TAP version 13"

# All of ferry that is stored but what the kernel has cached. Once, as instructions need no more; nor
# do they need FUSE's on a kernel of the stored one's series.
not_worse() {
	ferry bench --icount --runs 1 --regress "$stored" \
		--systems ferry-sync,ferry-poll,ferry-uring,ferry-rw,ferry-copy,ferry-slot,ferry-transfer,ferry-kernel \
		--cases "stat,fstat,create-*,read-4k,write-4k,seq-read,mirror-*"
}

# A file that says it once took half as many: the test above can fail, and says where.
can_fail() {
	local status
	perl -pe 's/("median":)([\d.]+)/$1 . $2 \/ 2/e if $ferry; $ferry = /"system":"ferry"/ if /"system"/' \
		"$stored" >"$work/half.json"
	ferry bench --icount --runs 1 --systems ferry-kernel,fuse --cases fstat \
		--regress "$work/half.json" 2>"$work/err"
	status=$?
	[ "$status" = 1 ] || { echo "status $status"; return 1; }
	grep -q "fstat on ferry kernel takes .* % more than in .*half.json, 3 % are allowed" "$work/err" ||
		{ cat "$work/err"; return 1; }
}

# Its parts are the whole, nearly.
splits() {
	ferry bench --icount --split --systems ferry-sync,ferry-kernel --cases fstat >"$work/out" || return
	awk '/^  ferry user sync/ {
			seen = 1; sum = $5 + $6 + $7 + $8 + $9
			if ($5 <= 0 || $6 <= 0 || $7 <= 0 || $8 <= 0) bad = "a part is nothing"
			if (sum < 0.9 * $4 || sum > 1.1 * $4) bad = sum " of " $4
		}
		END { if (!seen) bad = "no line"; if (bad) { print bad; exit 1 } }' "$work/out" ||
		{ cat "$work/out"; return 1; }
}

! wanted split || claim "an operation is split in parts, which are the whole" splits
! wanted instructions || claim "no operation takes more instructions than it did" not_worse
! wanted fails || claim "what takes twice as many fails, and is named" can_fail
claim "a clean log" log_is_clean
unload_claim
finish
