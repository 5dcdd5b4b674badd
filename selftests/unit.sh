#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# What needs no kernel of ours: unit tests under ASan and UBSan, and the tree's own rules.

# shellcheck source=selftests/lib.sh
. "$(dirname "$(realpath "$0")")/lib.sh"
work_dir
echo "TAP version 13"
export ASAN_OPTIONS=detect_leaks=1
for program in "$tree"/build/test/* "$here"/unit/*.sh; do
	if [ ! -f "$program" ] || [ ! -x "$program" ]; then continue; fi
	name=$(basename "$program" .sh)
	wanted "$name" || continue
	points_of "$name" timeout -k 10 600 "$program" "$work"
done

laws() {
	[ -e "$tree/.git" ] || { skips "not a git tree, so nobody knows which files are ours"; return; }
	"$tree/tools/laws"
}
! wanted laws || claim "the design's laws hold" laws
finish
