#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# Servers die under load, and what comes after them, a daemon or the kernel, executes each request
# once; the watchdog; settings of a live channel.

# shellcheck source=selftests/lib.sh
. "$(dirname "$(realpath "$0")")/lib.sh"
need_modules
work_dir
mnt=$work/mnt
mkdir "$mnt"
mark_log takeover
echo "TAP version 13"

state() { [ "$(field state)" = "$1" ]; }
stalled() { [ "$(field stalls)" -ge "$1" ]; }

# one that serves, and not the one that has
served_by_other() {
	state live && side user && [ "$(field pid)" != "$1" ]
}

killed() { # N
	local i pid=0
	for ((i = 0; i < $1; i++)); do
		until_so served_by_other "$pid" || return 1
		sleep "0.0$((RANDOM % 10))"
		pid=$(field pid)
		kill -9 "$pid" || return 1
	done
	until_so served_by_other "$pid"
}

# The daemon dies, the kernel goes on, and is followed by a daemon again, which dies.
taken_over() { # WAIT N
	local i
	for ((i = 0; i < $2; i++)); do
		sleep "0.$((RANDOM % 5))"
		kill -9 "$(field pid)" || return 1
		until_so side kernel || return 1
		ferry move "$mnt" --to user -o "wait=$1" >/dev/null && side user || return 1
		[ "$(field style)" = "$1" ] || { echo "style: $(field style)"; return 1; }
	done
}

ends() { unmount_fs "$mnt" && no_daemon_left && log_is_clean; }

# --- exactly once -------------------------------------------------------------------

# Passed through, mirror would not be asked to write: no line of the clients' logs would be its.
is_written_to() { [ "$(stat_of "$mnt" WRITE requests)" -ge 10 ] || { ferry stat "$mnt"; return 1; }; }

mkdir "$work/host"
for source in memfs "mirror:$work/host,passthrough=no"; do
	backend=${source%%:*}
	wanted "$backend" || continue
	mark_log "$backend"
	claim "$backend: it is mounted" ferry mount -o on_death=reissue "$source" "$mnt"
	n=$(scaled 5)
	claim "$backend: $n deaths under load, and each request takes effect once" \
		while_used killed "$n"
	claim "$backend: its server was asked to write" is_written_to
	claim "$backend: it ends" ends
done

# The first server was told a path that counts from where nobody is any more, and means another
# directory by now: the next one goes on with what that one had.
moved_away() {
	local n
	mkdir "$work/host/one" && (cd "$work/host" && ferry mount mirror:one "$mnt") &&
		touch "$mnt/file" || return 1
	for n in 1 2; do
		killed 1 && [ -e "$mnt/file" ] || return 1
		[ "$n" = 2 ] || { mv "$work/host/one" "$work/host/two" && mkdir "$work/host/one"; }
	done
	touch "$mnt/more" && [ -e "$work/host/two/more" ]
}

if wanted mirror; then
	claim "mirror: who follows serves the same directory, whatever its path means" moved_away
	claim "mirror: that ends" ends
fi

# --- on_death=kernel ------------------------------------------------------------------

tree_stays() {
	cp -a "$here" "$mnt/tree" && kill -9 "$(field pid)" && diff -r "$here" "$mnt/tree" &&
		until_so side kernel && diff -r "$here" "$mnt/tree" &&
		[ "$(df --output=size -k "$mnt" | tail -n 1)" -eq 65536 ]
}

# All that serves is stopped, then killed: the requests that had been fetched are answered.
stopped_ones() {
	local pid client
	pid=$(field pid)
	kill -STOP "$pid"
	for i in 1 2 3 4; do mkdir "$mnt/dir$i" & done
	sleep 0.3
	kill -9 "$pid"
	for client in $(jobs -p); do wait "$client" || return 1; done
	until_so side kernel && rmdir "$mnt"/dir[1-4]
}

declare -A rounds=([sync]=5 [poll]=2 [uring]=2)
for wait in sync poll uring; do
	wanted "kernel-$wait" || continue
	mark_log "kernel-$wait"
	claim "kernel, $wait: memfs is mounted" \
		ferry mount -o "wait=$wait,on_death=kernel" memfs:size=64M "$mnt"
	claim "kernel, $wait: the daemon dies under load, and the kernel goes on" \
		while_used taken_over $wait "$(scaled "${rounds[$wait]}")"
	claim "kernel, $wait: who waited for a daemon that was stopped and killed is answered" stopped_ones
	claim "kernel, $wait: it is moved out" ferry move "$mnt" --to user -o "wait=$wait"
	claim "kernel, $wait: all that was there stays, and the arguments" tree_stays
	claim "kernel, $wait: it ends" ends
done

stateless() {
	ferry mount -o on_death=kernel "$1" "$mnt" && ls "$mnt" >"$work/before" &&
		kill -9 "$(field pid)" && ls "$mnt" >"$work/after" && cmp "$work/before" "$work/after" &&
		until_so side kernel && ls "$mnt" >"$work/after" && cmp "$work/before" "$work/after"
}

# There is nobody to call: it says so, waits, and can be recovered by hand.
rescue=/sys/module/ferry/parameters/rescue
nobody_to_call() {
	local client
	ferry mount -o on_death=kernel memfs:size=64M "$mnt" && touch "$mnt/file" || return 1
	echo /nonexistent >"$rescue"
	kill -9 "$(field pid)"
	until_so state detached
	mkdir "$mnt/dir" &
	client=$!
	sleep 0.5
	kill -0 "$client" || return 1
	dmesg | grep -q "no server, and /nonexistent does not start" || return 1
	ferry recover memfs --to kernel || return 1
	wait "$client" && until_so side kernel && [ -e "$mnt/file" ] && rmdir "$mnt/dir"
}

# with_rescue COMMAND...: whatever comes of it, there is somebody to call afterwards
with_rescue() {
	local was status=0
	was=$(<"$rescue")
	"$@" || status=1
	echo "$was" >"$rescue"
	return "$status"
}

if wanted kernel-null; then
	for backend in null template; do
		mark_log "kernel-$backend"
		claim "kernel: $backend goes on in the kernel" stateless $backend
		claim "kernel: $backend ends" ends
	done
	claim "kernel: mirror is refused at mount, in one line" \
		refused "cannot go on inside the kernel" \
		ferry mount -o on_death=kernel "mirror:$work/host" "$mnt"
	claim "kernel: wait=rw is refused at mount, in one line" \
		refused "another wait style" ferry mount -o on_death=kernel,wait=rw memfs "$mnt"
	claim "kernel: where nobody can be called a channel waits, and is recovered by hand" \
		with_rescue nobody_to_call
	claim "kernel: that ends" ends
fi

# --- recovery by hand -------------------------------------------------------------------

# Supervisor and worker die: whoever recovers it need not know how it was made.
recovered() {
	ferry mount -o wait=poll,on_death=reissue memfs:size=64M "$mnt" && touch "$mnt/file" || return 1
	pkill -9 -o -x ferryd
	pkill -9 -x ferryd
	until_so state detached && ferry recover "$mnt" -o wait=sync || return 1
	[ -e "$mnt/file" ] || return 1
	[ "$(df --output=size -k "$mnt" | tail -n 1)" -eq 65536 ] || { df "$mnt"; return 1; }
	[ "$(field style)" = sync ] || { echo "style: $(field style)"; return 1; }
}

# Nobody serves it any more, and it is said only then what is to become of it.
set_detached() { # ON_DEATH
	ferry mount -o on_death=reissue,grace=90 memfs:size=64M "$mnt" && touch "$mnt/file" || return 1
	pkill -9 -o -x ferryd
	pkill -9 -x ferryd
	until_so state detached && ferry set "$mnt" "on_death=$1"
}

set_kernel() { set_detached kernel && until_so side kernel && [ -e "$mnt/file" ]; }

set_fail() {
	set_detached fail && until_so state dead && ! cat "$mnt/file" 2>"$work/err" &&
		grep -q "not connected" "$work/err"
}

if wanted recovered; then
	mark_log recovered
	claim "a channel whose supervisor died too is recovered with the arguments that it had" recovered
	claim "that ends" ends
	# What may be believed need not be asked for meanwhile.
	claim "it is mounted for who has files open" \
		ferry mount -o on_death=reissue,attr_timeout=3600,entry_timeout=3600 memfs:size=64M "$mnt"
	points_of held timeout -k 10 120 "$programs/takeover/held" "$work" "$mnt" \
		"pkill -9 -o -x ferryd; pkill -9 -x ferryd; until ferry list | grep -q ' detached '; do :; done" \
		"ferry recover $mnt"
	claim "that ends as well" ends
	claim "what nobody serves goes on in the kernel once on_death is set so" set_kernel
	claim "that ends, too" ends
	claim "what nobody serves ends at once when on_death=fail is set" set_fail
	claim "and it can be unmounted" ends
fi

# --- containers ----------------------------------------------------------------------------

# in_container COMMANDS ARGUMENT...: with pid, mount and network namespaces of its own
in_container() { timeout 120 unshare -mpfn --mount-proc bash -c "$1" bash "${@:2}"; }

nothing_left() { no_daemon_left && [ "$(ferry list | wc -l)" = 1 ] && log_is_clean; }

# contained OPTION SOURCE: a server that dies in it
contained() {
	# shellcheck disable=SC2016 # that is for the other shell
	in_container '
		ferry mount -o "$1" "$4" "$2" && cp -r "$3" "$2/tree" && pkill -9 -n -x ferryd &&
			diff -r "$3" "$2/tree" && ferry list | grep -q " $2 " && sleep 1 &&
			diff -r "$3" "$2/tree"' "$1" "$mnt" "$here/fs" "$2" || return 1
	rm -rf "$work/host/tree"
	nothing_left && ! mountpoint -q "$mnt"
}

no_disk() { local disks=(/sys/block/ferryb*); [ ${#disks[@]} = 0 ]; }

# Nobody removes it: with the container all who could follow are gone.
contained_disk() {
	# shellcheck disable=SC2016
	in_container '
		disk=$(ferry disk add -o on_death=reissue,grace=2 ramdisk:size=16M) &&
			dd if=/dev/urandom of="$1" bs=1M count=4 status=none &&
			dd if="$1" of="$disk" bs=1M oflag=direct status=none && pkill -9 -n -x ferryd &&
			cmp -n 4194304 "$disk" "$1"' "$work/data" || return 1
	until_so no_disk && nothing_left
}

if wanted contained; then
	mark_log contained
	for case in "reissue memfs" "kernel memfs" "reissue mirror:$work/host"; do
		read -r how source <<<"$case"
		claim "a container's ${source%%:*} dies and is followed ($how), and nothing is left of it" \
			contained "on_death=$how" "$source"
	done
	claim "a container's disk does so too, and goes with it" contained_disk
fi

# --- the watchdog, settings ----------------------------------------------------------------

stall_is_told() {
	local pid events
	ferry mount -o on_death=reissue,queues=1 null "$mnt" && ferry set "$mnt" stall=1 || return 1
	ferry events >"$work/events" &
	events=$!
	[ "$(field stalls)" = 0 ] || return 1
	ls "$mnt" >/dev/null
	pid=$(field pid)
	kill -STOP "$pid"
	for _ in 1 2; do stat -f "$mnt" >/dev/null & done
	until_so stalled 1 || return 1
	sleep 1.5
	[ "$(field stalls)" = 1 ] || { echo "told again"; return 1; }
	kill -CONT "$pid"
	until_so stat -f "$mnt" >/dev/null
	sleep 1
	kill -STOP "$pid"
	stat -f "$mnt" >/dev/null &
	until_so stalled 2 || return 1
	kill -CONT "$pid"
	kill "$events"
	wait
	[ "$(grep -c " stalled " "$work/events")" = 2 ] || { cat "$work/events"; return 1; }
	ferry stat "$mnt" | grep -q "stalled 2 times"
}

if wanted stall; then
	mark_log stall
	claim "requests that wait too long for their server are told of, once" stall_is_told
	claim "that ends" ends
fi

# A deadline that is set counts for requests that come from then on.
settings_change() {
	local pid status=0 began
	ferry mount -o on_death=reissue,queues=1 null "$mnt" || return 1
	ferry set "$mnt" timeout=1 grace=27 || return 1
	[ "$(field timeout),$(field grace),$(field on_death)" = 1,27,reissue ] || return 1
	ls "$mnt" >/dev/null
	pid=$(field pid)
	kill -STOP "$pid"
	stat -f "$mnt" >/dev/null 2>"$work/err" && status=1
	grep -q "timed out" "$work/err" || { cat "$work/err"; status=1; }
	kill -CONT "$pid"
	ferry set "$mnt" timeout=0 on_death=kernel || return 1
	kill -9 "$(pgrep -x -o ferryd)" "$(field pid)"
	until_so side kernel || status=1
	ferry move "$mnt" --to user >/dev/null && ferry set "$mnt" on_death=fail || return 1
	began=$SECONDS
	kill -9 "$(field pid)"
	until_so state dead || status=1
	[ $((SECONDS - began)) -lt 5 ] || status=1
	return "$status"
}

# Its server has kept nothing for another one.
cannot_recover() {
	ferry mount -o on_death=fail memfs "$mnt" &&
		refused "keeps nothing for another one" ferry set "$mnt" on_death=reissue &&
		refused "keeps nothing for another one" ferry set "$mnt" grace=3 &&
		refused "reissue, kernel or fail" ferry set "$mnt" on_death=soon &&
		refused "from 1 to" ferry set "$mnt" grace=0
}

no_such_backend() {
	ferry mount "mirror:$work" "$mnt" &&
		refused "the kernel has no such backend" ferry set "$mnt" on_death=kernel
}

served_by() { [ "$(pgrep -c -x ferryd)" = "$1" ]; }

# What is to become of a channel is its own, whoever serves it: where the kernel is to go on
# nobody watches over the daemon, else another process does.
policy_stays() {
	local option
	ferry mount memfs "$mnt" && touch "$mnt/file" || return 1
	for option in on_death=kernel on_death=fail grace=3 timeout=3 queues=3 depth=3 inline=1 wiat=poll; do
		refused "${option%%=*}.*ferry set" ferry upgrade "$mnt" -o "wait=poll,$option" || return 1
	done
	[ "$(field style)" = sync ] || { echo "it was replaced all the same"; return 1; }
	ferry set "$mnt" on_death=kernel && ferryd --attach="$(field id)" --replace memfs "$mnt" &&
		until_so served_by 1 || return 1
	kill -9 "$(field pid)" && until_so side kernel && [ -e "$mnt/file" ] || return 1
	ferry move "$mnt" --to user && until_so served_by 1 && ferry set "$mnt" on_death=reissue &&
		ferry upgrade "$mnt" && until_so served_by 2 && killed 2 && [ -e "$mnt/file" ]
}

if wanted settings; then
	mark_log settings
	claim "timeout, grace and on_death of a live channel can be set" settings_change
	claim "that ends" ends
	claim "who cannot be followed is not set to be" cannot_recover
	claim "that ends too" ends
	claim "who cannot go on in the kernel is told so" no_such_backend
	claim "and that ends" ends
	claim "what becomes of a channel is not its next server's to say" policy_stays
	claim "that ends as well" ends
fi

claim "the log is clean" log_is_clean
unload_claim
finish
