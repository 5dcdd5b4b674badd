# SPDX-License-Identifier: GPL-2.0-only OR MIT
# shellcheck shell=bash
#
# Part of block-life.sh: a disk is to have another server, and that one does not come up.

# fails COMMAND...: what it says is in $work/err
fails() { ! "$@" 2>"$work/err" || { echo "$* does not fail"; return 1; }; }
said() { grep -q -e "$1" "$work/err" || { echo "not said: $1"; cat "$work/err"; return 1; }; }

# elsewhere COMMAND...: where the path of the disk's file means another one, which who is to go on from
# there finds out. It fails.
elsewhere() {
	# shellcheck disable=SC2016 # that is for the other shell
	fails unshare -m bash -c 'mount --bind "$1/other" "$1/a" && shift && exec "$@"' bash \
		"$work/host" "$@"
}

# with_ferryd TEXT: another ferryd for the ferry in $work/bin
with_ferryd() {
	mkdir -p "$work/bin" && cp "$(command -v ferry)" "$work/bin" &&
		ln -sfn "$(realpath "$(dirname "$(command -v ferry)")/../lib")" "$work/lib" &&
		printf '#!/bin/sh\n%s\n' "$1" >"$work/bin/ferryd" && chmod +x "$work/bin/ferryd"
}

serves() { # SIDE DISK
	local said
	said=$(ferry disk list | awk -v disk="$(basename "$2")" '$1 == disk { print $5 }')
	is "$said" "$1" "placement" &&
		dd if="$2" bs=64k count=1 iflag=direct status=none | cmp - "$work/host/data"
}

# Who takes the place of a daemon finds out when that one has gone.
did_not_load() { # DISK
	dd if="$work/host/data" of="$1" oflag=direct bs=64k status=none || return
	elsewhere ferry upgrade "$1" && said "has no server now: starting a daemon" &&
		said "waits 3600 s for a server: .*'ferry recover" && is_detached &&
		ferry recover "$1" && serves user "$1" || return
	# shellcheck disable=SC2016 # that is for the other shell
	with_ferryd 'case "$*" in *wait=*) ;; *) umount '"$work/host/a"' ;; esac
		exec '"$(command -v ferryd)"' "$@"' &&
		elsewhere "$work/bin/ferry" upgrade -o wait=poll "$1" &&
		said "starting a daemon without -o wait=poll" && serves user "$1"
}

# With on_death=kernel somebody is called when not even that one comes.
is_called_for() { # DISK
	dd if="$work/host/data" of="$1" oflag=direct bs=64k status=none && with_ferryd "exit 1" &&
		elsewhere "$work/bin/ferry" move --to kernel "$1" && until_so serves kernel "$1"
}

if wanted did_not_load; then
	mark_log did_not_load
	head -c 64k /dev/urandom >"$work/host/data"
	truncate -s 8M "$work/host/a" "$work/host/other"
	claim "a daemon that does not come up is followed by one without its options, and it is said what waits" \
		on_disk "file:path=$work/host/a" user-sync "" did_not_load
	claim "with on_death=kernel somebody is called when none comes" \
		on_disk "file:path=$work/host/a" user-sync on_death=kernel is_called_for
	rm "$work/host/a" "$work/host/other"
fi
