#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# Live moves: a server changes sides, or is replaced, and its clients see nothing but a delay.

# shellcheck source=selftests/lib.sh
. "$(dirname "$(realpath "$0")")/lib.sh"
need_modules
work_dir
mnt=$work/mnt
mkdir "$mnt"
mark_log move
echo "TAP version 13"

# to_and_fro WAIT N
to_and_fro() {
	local i
	for ((i = 0; i < $2; i++)); do
		ferry move memfs --to kernel && side kernel || return 1
		ferry move "$mnt" --to user -o "wait=$1" && side user || return 1
	done
}

upgrades() {
	local i
	for ((i = $(scaled 5); i; i--)); do
		ferry upgrade memfs || return 1
	done
}

# keeps_all: what was there stays: contents, links, attributes, open and unlinked files
keeps_all() {
	local before after fd status=0
	cp -a "$here" "$mnt/tree" && setfattr -n user.a -v b "$mnt/tree" || return 1
	echo still >"$mnt/gone"
	exec {fd}<"$mnt/gone"
	rm "$mnt/gone"
	before=$(cd "$mnt/tree" && find . -printf '%p %y %i %s %m %n %T@ %l\n' | sort | md5sum)
	ferry move memfs --to kernel >/dev/null || status=1
	echo 3 >/proc/sys/vm/drop_caches
	after=$(cd "$mnt/tree" && find . -printf '%p %y %i %s %m %n %T@ %l\n' | sort | md5sum)
	[ "$before" = "$after" ] || { echo "the tree is another one"; status=1; }
	diff -r "$here" "$mnt/tree" || status=1
	[ "$(getfattr --only-values -n user.a "$mnt/tree" 2>/dev/null)" = b ] || status=1
	[ "$(cat <&"$fd")" = still ] || { echo "the open file is lost"; status=1; }
	exec {fd}<&-
	ferry move memfs --to user >/dev/null || status=1
	diff -r "$here" "$mnt/tree" || status=1
	return "$status"
}

# pause_of_10000: how long clients waited while 10,000 files moved is told; regress.sh judges it
pause_of_10000() {
	local i
	mkdir "$mnt/many" && (cd "$mnt/many" && seq 10000 | xargs touch) || return 1
	for ((i = 0; i < ${FERRY_MOVES:-1}; i++)); do
		ferry move memfs --to kernel && ferry move memfs --to user &&
			ferry upgrade memfs || return 1
	done
	ferry move memfs --to kernel && [ "$(find "$mnt/many" | wc -l)" = 10001 ]
}

is_gone() { ! mountpoint -q "$mnt" && ! pgrep -x ferryd >/dev/null; }

ends() { umount "$mnt" && until_so is_gone; }

# Takes files of process PID that are /dev/ferry, and keeps them: pidfd_open(), pidfd_getfd().
keeps_files() { # PID
	# shellcheck disable=SC2016 # perl's
	exec perl -e '
		my $process = syscall(434, $ARGV[0] + 0, 0);
		for my $path (grep { readlink eq "/dev/ferry" } glob "/proc/$ARGV[0]/fd/*") {
			$path =~ /(\d+)$/ and syscall(438, $process, $1 + 0, 0) >= 0 or exit 1;
			$kept++;
		}
		exit 1 unless $kept;
		open my $ready, ">", $ARGV[1];
		sleep;
	' "$1" "$work/kept"
}

# The daemon has left, and somebody has its files: whoever replaces it waits for that, and holds
# all requests. Not once the channel is aborted.
abort_ends_waiting() {
	local server keeper upgrade began status=0
	ferry mount memfs "$mnt" || return 1
	server=$(field pid)
	keeps_files "$server" &
	keeper=$!
	until_so test -e "$work/kept" || return 1
	ferry upgrade "$mnt" >"$work/upgrade" 2>&1 &
	upgrade=$!
	until_so sh -c "! kill -0 $server" || status=1
	began=$SECONDS
	ferry abort "$mnt" && ! stat -f "$mnt" 2>/dev/null || status=1
	! wait "$upgrade" || { echo "it was replaced"; status=1; }
	[ $((SECONDS - began)) -lt 10 ] || { echo "after $((SECONDS - began)) s"; status=1; }
	kill "$keeper"
	wait "$keeper"
	return "$status"
}

declare -A rounds=([sync]=10 [poll]=5 [uring]=5)
for wait in sync poll uring; do
	wanted "$wait" || continue
	mark_log "$wait"
	claim "$wait: memfs is mounted" ferry mount -o "wait=$wait" memfs "$mnt"
	n=$(scaled "${rounds[$wait]}")
	claim "$wait: a server moves to and fro under load, $((2 * n)) times" \
		while_used to_and_fro "$wait" "$n"
	claim "$wait: a daemon is replaced under load" while_used upgrades
	claim "$wait: all that was there stays" keeps_all
	claim "$wait: it is unmounted" ends
done
if wanted many; then
	claim "memfs is mounted once more" ferry mount memfs "$mnt"
	if points=$(pause_of_10000); then ok "10,000 files move"; else not_ok "10,000 files move"; fi
	comment <<<"$points"
	claim "who is in the kernel is not moved there" refused "in the kernel already" \
		ferry move memfs --to kernel
	claim "who is in the kernel is not upgraded" refused "see 'ferry move'" ferry upgrade memfs
	claim "who has a server is not recovered" refused "only a detached one" ferry recover memfs
	claim "it is unmounted" ends
fi
if wanted refused; then
	claim "rw is mounted" ferry mount -o wait=rw memfs "$mnt"
	claim "who is served by read() and write() stays" refused "wait=rw" ferry move memfs --to kernel
	claim "it is unmounted" ends
	mkdir "$work/host"
	claim "mirror is mounted" ferry mount "mirror:$work/host" "$mnt"
	claim "who cannot save stays, and serves" refused "its backend cannot" ferry upgrade mirror
	claim "it still serves" touch "$mnt/file"
	claim "it is unmounted" ends
fi
if wanted abort; then
	claim "abort ends the wait for a daemon whose files somebody keeps" abort_ends_waiting
	claim "it is unmounted" ends
fi
claim "the log is clean" log_is_clean
unload_claim
finish
