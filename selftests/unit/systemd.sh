#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# usage: systemd.sh DIR. The units that make install brings, as far as a systemd that has not booted
# this machine can read them.

# shellcheck source=selftests/lib.sh
. "$(dirname "$(realpath "$0")")/../lib.sh"
command -v systemd-analyze >/dev/null || skip_all "no systemd-analyze here"
dir=$(mktemp -d "$1/systemd.XXXXXX")
trap 'rm -rf "$dir"' EXIT
generator=/lib/systemd/system-generators/systemd-fstab-generator

for unit in "$tree"/userd/*.service; do
	sed "s|@bindir@|$bin|" "$unit" >"$dir/$(basename "$unit")"
done

# verified UNIT: it has nothing to say of what is ours
verified() {
	local said
	said=$(SYSTEMD_UNIT_PATH=$dir: timeout 60 systemd-analyze verify --man=no "$1" 2>&1) || { echo "$said"; return 1; }
	! grep -i ferry <<<"$said"
}

reads() {
	local unit
	for unit in "$dir"/*@.service; do
		verified "${unit%.service}x.service" || return
	done
}

# systemd runs such a line also where its daemon did not start, since something is mounted there.
unmounts_nothing() { ! grep -H -E '^Exec.*umount' "$dir"/*.service; }

# The line that the unit's head shows.
boots() {
	[ -x "$generator" ] || { skips "no systemd-fstab-generator here"; return; }
	sed -n 's|^#	\(/dev/disk/by-id/.*\)NAME\(.*\)|\1data\2|p' "$dir/ferry-disk@.service" >"$dir/fstab"
	[ "$(wc -l <"$dir/fstab")" = 1 ] || { echo "no line for fstab"; return 1; }
	SYSTEMD_FSTAB=$dir/fstab "$generator" "$dir" "$dir" "$dir" || return
	grep -q '^After=ferry-disk@data.service' "$dir/mnt.mount" && verified mnt.mount &&
		verified multi-user.target
}

echo "TAP version 13"
claim "the units are read without a warning" reads
claim "no unit unmounts by itself what is mounted at its directory" unmounts_nothing
claim "a disk in fstab is waited for, and nothing waits in a circle" boots
finish
