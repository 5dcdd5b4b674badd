#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# The control plane: what is counted, who may see and change it, what is told of events.
# FERRY_TESTS picks parts: spec, counts, names, set, abort, events, top, trace, rights, messages.
# shellcheck disable=SC2016 # the variables are perl's

# shellcheck source=selftests/lib.sh
. "$(dirname "$(realpath "$0")")/lib.sh"
need_modules
work_dir
mnt=$work/mnt
mkdir "$mnt"
mark_log control
echo "TAP version 13"
ask=$programs/control/ask
serve=$programs/control/serve
uapi=$tree/include/uapi/linux

# becomes WANTED COMMAND...: its output is, within ten seconds
becomes() {
	local want=$1 got=
	shift
	for _ in {1..100}; do
		got=$("$@")
		[ "$got" != "$want" ] || return 0
		sleep 0.1
	done
	echo "$* says '$got', not '$want'"
	return 1
}

# one_line STATUS TEXT COMMAND...: it fails so, with one line that matches
one_line() {
	local want=$1 text=$2 status
	shift 2
	timeout -k 2 30 "$@" >"$work/out" 2>"$work/err" </dev/null
	status=$?
	is "status of $*" "$status" "$want" || return
	if [ "$(wc -l <"$work/err")" != 1 ] || ! grep -q -E -e "$text" "$work/err"; then
		echo "$*: not one line that matches $text:"
		cat "$work/err"
		return 1
	fi
}

# Two users, and the group that may serve.
gid=61234 user=61235 other=61236
plain=(--inh-caps=-all --clear-groups)
as_user=(setpriv --reuid="$user" --regid="$user" "${plain[@]}")
as_other=(setpriv --reuid="$other" --regid="$other" "${plain[@]}")
as_server=(setpriv --reuid="$user" --regid="$user" --groups="$gid" --inh-caps=-all)

# --- the spec --------------------------------------------------------------------

# enum_of NAME PREFIX: an enum of the header, as the spec writes its names
enum_of() {
	sed -n "/^enum $1 {/,/^}/p" "$uapi"/ferry*.h | sed -n "s/^\t$2\([A-Z0-9_]*\).*/\1/p" |
		grep -v UNSPEC | tr 'A-Z_' 'a-z-'
}

# spec_of SECTION: the names of a section's entries, in order
spec_of() {
	sed -n "/^$1:/,/^[a-z]/p" "$tree/Documentation/netlink/ferry.yaml" |
		sed -n "s/^$2name: //p"
}

spec_agrees() {
	local spec=$tree/Documentation/netlink/ferry.yaml name status=0
	diff <(enum_of ferry_attr_id FERRY_A_) <(spec_of attribute-sets '        ') || status=1
	diff <(enum_of ferry_cmd FERRY_CMD_) <(spec_of operations '      ') || status=1
	for name in class event state placement death; do
		diff <(enum_of "ferry_$name" "FERRY_${name^^}_") \
			<(sed -n "/^    name: $name\$/,/entries/s/.*entries: \[ \(.*\) \]/\1/p" "$spec" |
				tr -d ' ' | tr ',' '\n') || status=1
	done
	return "$status"
}

! wanted spec || claim "ferry.yaml has the commands, attributes and words of the header" spec_agrees

# --- counts ----------------------------------------------------------------------

uncached=attr_timeout=0,entry_timeout=0

counts_exact() {
	local before status=0
	mount_fs "$1" memfs "$mnt" "$uncached" || return
	before=$(stat_of "$mnt" GETATTR requests)
	perl -e 'for (1 .. 100) { stat $ARGV[0] or die "$!" }' "$mnt"
	is GETATTRs $(($(stat_of "$mnt" GETATTR requests) - before)) 100 || status=1
	is errors "$(stat_of "$mnt" GETATTR errors)" 0 || status=1
	mkdir -p "$mnt/full/one"
	perl -e 'for (1 .. 10) { rmdir "$ARGV[0]/full" and die }' "$mnt"
	is "failed RMDIRs" "$(stat_of "$mnt" RMDIR errors)" 10 || status=1
	dd if=/dev/zero of="$mnt/f" bs=64k count=16 oflag=direct 2>/dev/null
	dd if="$mnt/f" of=/dev/null bs=64k count=8 iflag=direct 2>/dev/null
	is "bytes written" "$(stat_of "$mnt" WRITE bytes_in)" 1048576 || status=1
	is "bytes read" "$(stat_of "$mnt" READ bytes_out)" 524288 || status=1
	is "bytes read by WRITE" "$(stat_of "$mnt" WRITE bytes_out)" 0 || status=1
	is "under way" "$(stat_of "$mnt" WRITE in_flight)" 0 || status=1
	after_test || status=1
	return "$status"
}

disk_is_counted() {
	local disk status=0
	disk=$(ferry disk add ramdisk:size=16M) || return
	dd if=/dev/zero of="$disk" bs=64k count=10 oflag=direct status=none || status=1
	blkdiscard -f -o 1M -l 1M "$disk" || status=1
	is INITs "$(stat_of "$disk" INIT requests)" 1 || status=1
	is "bytes written" "$(stat_of "$disk" WRITE bytes_in)" 655360 || status=1
	is DISCARDs "$(stat_of "$disk" DISCARD requests)" 1 || status=1
	ferry disk del "$disk" && [ ! -e "$disk" ] || status=1
	return "$status"
}

# Of the only channel, as the list has them.
all_requests() {
	ferry list --json | perl -MJSON::PP -e '
		print JSON::PP->new->decode(join "", <STDIN>)->{channels}[0]{requests}'
}

sums_agree() {
	local ways=0 way sum status=0
	mount_fs "$1" memfs "$mnt" || return
	tar -c -C "$tree" kmod | tar -x -C "$mnt"
	find "$mnt" -type f -exec cat {} + >/dev/null
	sync "$mnt"
	sum=$(all_requests)
	[ "$sum" -gt 100 ] || { echo "only $sum requests"; status=1; }
	for way in handed posted queued; do
		ways=$((ways + $(stat_of "$mnt" "" "$way")))
	done
	is "sum of the ways" "$ways" "$sum" || status=1
	after_test || status=1
	return "$status"
}

# On each CPU a program that asks for a thing of its own: no request is counted twice, or lost.
cpus_add_up() {
	local cpu nr status=0 before
	mount_fs "$1" memfs "$mnt" "$uncached" || return
	nr=$(nproc)
	before=$(stat_of "$mnt" GETATTR requests)
	for ((cpu = 0; cpu < nr; cpu++)); do
		taskset -c "$cpu" perl -e 'for (1 .. 250) { stat $ARGV[0] or die }' "$mnt" &
	done
	wait
	is GETATTRs $(($(stat_of "$mnt" GETATTR requests) - before)) $((nr * 250)) || status=1
	is "all requests" "$(all_requests)" "$(ferry stat --json "$mnt" | perl -MJSON::PP -e '
		my $n = 0;
		$n += $_->{requests} for @{JSON::PP->new->decode(join "", <STDIN>)->{channels}[0]{ops}};
		print $n')" || status=1
	after_test || status=1
	return "$status"
}

spinning_shows() {
	[ "$(nproc)" -gt 1 ] || { skips "needs two CPUs"; return; }
	local status=1
	mount_fs user-poll memfs "$mnt" "$uncached",queues=1,spin_us=200000 || return
	for _ in {1..20}; do
		taskset -c 0 perl -e 'for (1 .. 200) { stat $ARGV[0] }' "$mnt"
		if [ "$(stat_of "$mnt" "" posted)" -gt 0 ] && [ "$(stat_of "$mnt" "" spun)" -gt 0 ]; then
			status=0
			break
		fi
	done
	[ "$status" = 0 ] || ferry stat "$mnt"
	after_test || status=1
	return "$status"
}

# windows SIZE OPTIONS: 16 MiB are written back and read ahead in requests of SIZE, but for the
# first few of a reader, whose window has to grow, and what the flusher was quicker with.
windows() {
	local size=$1 op requests bytes most status=0
	mount_fs user-sync memfs:size=100M,writeback "$mnt" "$2" || return
	dd if=/dev/zero of="$mnt/f" bs=1M count=16 2>/dev/null
	sync "$mnt/f"
	echo 1 >/proc/sys/vm/drop_caches
	dd if="$mnt/f" of=/dev/null bs=128k 2>/dev/null
	most=$((2 * 16777216 / size + 8))
	for op in READ:bytes_out WRITE:bytes_in; do
		requests=$(stat_of "$mnt" "${op%:*}" requests)
		bytes=$(stat_of "$mnt" "${op%:*}" "${op#*:}")
		if [ "$bytes" -lt 16777216 ] || [ "$requests" -gt "$most" ]; then
			echo "$requests ${op%:*}s for $bytes bytes, $most were to be enough"
			status=1
		fi
	done
	after_test || status=1
	return "$status"
}

under_way() {
	local pid status=0
	mount_fs user-sync memfs "$mnt" "$uncached" || return
	pkill -STOP -x ferryd
	stat "$mnt" >/dev/null &
	pid=$!
	becomes 1 stat_of "$(newest)" GETATTR in_flight || status=1
	pkill -CONT -x ferryd
	wait "$pid"
	becomes 0 stat_of "$mnt" GETATTR in_flight || status=1
	after_test || status=1
	return "$status"
}

# The number of the newest channel.
newest() {
	ferry list --json | perl -MJSON::PP -e '
		print JSON::PP->new->decode(join "", <STDIN>)->{channels}[-1]{id}'
}

times_on_demand() {
	local status=0 sum
	mount_fs "$1" memfs "$mnt" "$uncached" || return
	stat "$mnt" >/dev/null
	is "timed unasked" "$(stat_of "$mnt" GETATTR timed)" 0 || status=1
	ferry set "$mnt" latency=on || status=1
	perl -e 'for (1 .. 50) { stat $ARGV[0] }' "$mnt"
	is timed "$(stat_of "$mnt" GETATTR timed)" 50 || status=1
	ferry set "$mnt" latency=off || status=1
	stat "$mnt" >/dev/null
	is "timed afterwards" "$(stat_of "$mnt" GETATTR timed)" 50 || status=1
	ferry stat --json "$mnt" | perl -MJSON::PP -MList::Util=sum -e '
		my ($o) = grep { $_->{name} eq "GETATTR" }
			@{JSON::PP->new->decode(join "", <STDIN>)->{channels}[0]{ops}};
		sum(@{$o->{log2_ns}}) == 50 or die "the histogram has ", sum(@{$o->{log2_ns}}), "\n";
		0 < $o->{p50_ns} && $o->{p50_ns} <= $o->{p99_ns} or die "p50 or p99\n";
		my ($first) = grep { $o->{log2_ns}[$_] } 0 .. 31;
		!$first || 2 ** $first <= $o->{mean_ns} or die "a mean below the least\n"' || status=1
	after_test || status=1
	return "$status"
}

# A request that takes long is in a bucket that says so.
times_true() {
	local pid status=0
	mount_fs user-sync memfs "$mnt" "$uncached" || return
	ferry set "$mnt" latency=on
	pkill -STOP -x ferryd
	stat "$mnt" >/dev/null &
	pid=$!
	becomes 1 stat_of "$(newest)" GETATTR in_flight || status=1
	sleep 0.3
	pkill -CONT -x ferryd
	wait "$pid"
	ferry stat --json "$mnt" | perl -MJSON::PP -e '
		my ($o) = grep { $_->{name} eq "GETATTR" }
			@{JSON::PP->new->decode(join "", <STDIN>)->{channels}[0]{ops}};
		grep({ $o->{log2_ns}[$_] } 28 .. 31) or die "nothing took 0.27 s\n"' || status=1
	after_test || status=1
	return "$status"
}

if wanted counts; then
	for placement in user-sync user-rw user-poll kernel; do
		claim "$placement: requests, errors and bytes are counted exactly" counts_exact $placement
		claim "$placement: times are taken when asked for, and no longer" times_on_demand $placement
	done
	claim "a disk's requests are counted by their names" disk_is_counted
	for placement in user-sync user-rw user-poll user-uring; do
		claim "$placement: each request is handed, posted or queued" sums_agree $placement
	done
	for placement in user-sync user-poll user-uring kernel; do
		claim "$placement: what each CPU counts adds up" cpus_add_up $placement
	done
	claim "spinning servers and clients are seen" spinning_shows
	claim "pages are read ahead and written back 1 MiB at a time" windows 1048576 ""
	claim "or 4 MiB, where the mount says so" windows 4194304 max_read=4194304,max_write=4194304
	claim "a request that is not answered is under way" under_way
	claim "a slow request is seen as slow" times_true
fi

# --- which channel is meant --------------------------------------------------------

names_found() {
	local id status=0
	mount_fs user-sync memfs "$mnt" || return
	id=$(newest)
	for name in "$id" "$mnt" "$mnt/../mnt" memfs; do
		is "number of $name" "$(stat_of "$name" "" id)" "$id" || status=1
	done
	(cd "$work" && is "number of ./mnt" "$(stat_of ./mnt "" id)" "$id") || status=1
	one_line 1 "/proc.*no channel" ferry stat /proc || status=1
	one_line 1 "nonsense.*no channel" ferry stat nonsense || status=1
	one_line 1 "99999.*no channel" ferry stat 99999 || status=1
	mkdir -p "$work/host"
	mount_fs kernel memfs "$work/host" || status=1
	one_line 1 "2 channels are called memfs.*$id, $(newest)" ferry stat memfs || status=1
	umount "$work/host" || status=1
	after_test || status=1
	return "$status"
}

! wanted names || claim "a channel is found by number, place and unique name" names_found

# --- settings ------------------------------------------------------------------------

settings_refused() {
	local status=0
	mount_fs user-sync memfs "$mnt" || return
	one_line 2 "nonsense.*no such setting" ferry set "$mnt" nonsense=1 || status=1
	one_line 2 "latency=maybe.*on or off" ferry set "$mnt" latency=maybe || status=1
	one_line 2 "spin_us=-1.*number" ferry set "$mnt" spin_us=-1 || status=1
	one_line 2 "spin_us=4294967296.*number" ferry set "$mnt" spin_us=4294967296 || status=1
	one_line 2 "KEY=VALUE" ferry set "$mnt" latency || status=1
	one_line 2 "needed" ferry set "$mnt" || status=1
	one_line 2 "such" ferry set "$mnt" spin_us=7 nonsense=1 || status=1
	is "spin_us" "$(stat_of "$mnt" "" spin_us)" 60 || status=1
	ferry set "$mnt" spin_us=7 latency=on || status=1
	is "spin_us" "$(stat_of "$mnt" "" spin_us)" 7 || status=1
	after_test || status=1
	return "$status"
}

! wanted set || claim "settings are changed all or none, and what is wrong is said" settings_refused

# --- abort ---------------------------------------------------------------------------

# The client of a server that hangs is let go, and the server sent home.
abort_frees() {
	local pid status=0
	mount_fs "$1" memfs "$mnt" "$uncached" || return
	if [ "$1" != kernel ]; then
		pkill -STOP -x ferryd
		timeout -s KILL 60 stat "$mnt" >/dev/null 2>"$work/err" &
		pid=$!
		becomes 1 stat_of "$(newest)" GETATTR in_flight || status=1
	fi
	ferry abort "$(newest)" || status=1
	if [ "$1" != kernel ]; then
		wait "$pid"
		grep -q 'not connected' "$work/err" || { cat "$work/err"; status=1; }
		pkill -CONT -x ferryd
	fi
	stat "$mnt" 2>&1 | grep -q 'not connected' || { echo "it lives"; status=1; }
	ferry list | grep -q ' dead ' || { ferry list; status=1; }
	no_daemon_left || status=1
	after_test || status=1
	return "$status"
}

if wanted abort; then
	for placement in user-sync user-rw user-poll kernel; do
		claim "$placement: abort lets everybody go, and the mount unmounts" abort_frees $placement
	done
fi

# --- events ----------------------------------------------------------------------------

watch_events() {
	ferry events ${1:+"$1"} >"$work/events" 2>&1 &
	watcher=$!
	# It listens when an event comes through: of a channel that lives as long as its server.
	for _ in {1..100}; do
		"$serve" </dev/null >/dev/null
		! grep -q gone "$work/events" || break
		sleep 0.1
	done
	cp "$work/events" "$work/before"
}

# events_are ID WORDS: so far of this channel
events_are() {
	becomes "$2" events_of "$1"
}

events_of() {
	sed -n "s/^[^ ]* [^ ]*  \([a-z]*\) *channel $1: .*/\1/p" "$work/events" | xargs
}

# as_text FILE: of objects, what the lines of text say of who it was and what
as_text() {
	perl -MJSON::PP -ne 'my $e = JSON::PP->new->decode($_);
		print "$e->{event} $e->{id} $e->{name} $e->{placement} $e->{class} $e->{state}\n"' "$1"
}

tells_of() { "$serve" </dev/null >/dev/null && grep -q gone "$1"; }

# The same is told to who wants objects.
events_told() {
	local id status=0 objects
	ferry events --json >"$work/objects" &
	objects=$!
	until_so tells_of "$work/objects" || status=1
	watch_events
	mount_fs user-sync memfs "$mnt" || return
	id=$(newest)
	events_are "$id" "created bound" || status=1
	umount "$mnt"
	events_are "$id" "created bound gone" || status=1
	mount_fs user-sync memfs "$mnt" on_death=fail || return
	id=$(newest)
	pkill -KILL -x ferryd
	events_are "$id" "created bound died" || status=1
	umount "$mnt"
	events_are "$id" "created bound died gone" || status=1
	mount_fs kernel memfs "$mnt" || return
	id=$(newest)
	ferry abort "$id"
	umount "$mnt"
	events_are "$id" "created bound aborted gone" || status=1
	mount_fs user-sync memfs "$mnt" on_death=reissue || return
	id=$(newest)
	pkill -KILL -n -x ferryd
	events_are "$id" "created bound detached attached recovered" || status=1
	ferry move "$id" --to kernel >/dev/null
	events_are "$id" "created bound detached attached recovered moved" || status=1
	umount "$mnt"
	mount_fs user-sync memfs "$mnt" "$uncached",timeout=1,on_death=fail || return
	id=$(newest)
	pkill -STOP -x ferryd
	stat "$mnt" 2>&1 | grep -q "timed out" || { echo "no ETIMEDOUT"; status=1; }
	events_are "$id" "created bound timeout" || status=1
	pkill -CONT -x ferryd
	umount "$mnt"
	events_are "$id" "created bound timeout gone" || status=1
	id="gone $id "
	until_so grep -q "^$id" <(as_text "$work/objects") || status=1
	kill "$watcher" "$objects"
	wait "$watcher" "$objects" 2>/dev/null
	sed 's/^[^ ]* [^ ]*  //; s/channel//; s/[:,]//g; s/  */ /g' "$work/events" >"$work/lines"
	as_text "$work/objects" | tail -n "$(wc -l <"$work/lines")" | diff "$work/lines" - || status=1
	no_daemon_left || status=1
	return "$status"
}

events_json() {
	local status=0
	watch_events --json
	kill "$watcher"
	wait "$watcher" 2>/dev/null
	perl -MJSON::PP -e '
		while (<STDIN>) {
			my $e = JSON::PP->new->decode($_);
			abs($e->{time_ns} / 1e9 - time) < 600 or die "time\n";
			$e->{name} eq "selftest" or die "name\n";
			$n++;
		}
		$n or die "nothing\n"' <"$work/events" || status=1
	return "$status"
}

if wanted events; then
	claim "each event of a channel's life is told, in order" events_told
	claim "events are objects, a line each" events_json
fi

# --- top ----------------------------------------------------------------------------------

# shows TEXT: within ten seconds it is on the screen
shows() {
	for _ in {1..100}; do
		! grep -a -q -e "$1" "$work/screen" || return
		sleep 0.1
	done
}

# rows_are NAMES: in that order on the screen
rows_are() {
	becomes "$1" rows
}
rows() { tr -d '\r' <"$work/screen" | grep -a -o -E "[a-z]+ +(user|kernel) .* live" | tail -n 2 | cut -d ' ' -f 1 | xargs; }

top_shows() {
	local status=0
	mkdir -p "$work/idle" && ferry mount --in-kernel null "$work/idle" &&
		mount_fs user-sync memfs "$mnt" "$uncached" || return
	perl -e 'for (;;) { stat $ARGV[0]; select undef, undef, undef, 0.01 }' "$mnt" &
	local load=$! key
	: >"$work/screen"
	(
		shows "sorted by r"; printf t; shows "user .*[um]s  *[0-9]"
		rows_are "memfs null" >&2 || touch "$work/wrong"
		for key in e w i o p n; do printf %s $key; shows "sorted by $key"; done
		rows_are "null memfs" >&2 || touch "$work/wrong"
		printf q
	) |
		timeout 60 script -qefc "stty rows 20 cols 160; ferry top" /dev/null >"$work/screen" ||
		{ echo "it ends with $?"; status=1; }
	kill "$load"
	wait "$load" 2>/dev/null
	[ ! -e "$work/wrong" ] || status=1
	umount "$work/idle" || status=1
	# The last screen, before the terminal is as it was: rates and times are there.
	tr -d '\r' <"$work/screen" | grep -a -E "memfs +user +sync +live" | tail -n 1 >"$work/row"
	awk -v mnt="$mnt" '{ exit !($6 > 10 && $11 ~ /s$/ && $12 ~ /s$/ && $14 == mnt) }' "$work/row" ||
		{ cat "$work/row"; status=1; }
	is "latency after top" "$(stat_of "$mnt" "" latency)" 0 || status=1
	one_line 1 "terminal.*ferry stat" ferry top || status=1
	after_test || status=1
	return "$status"
}

! wanted top || claim "top shows a channel at work, and ends with q" top_shows

# --- tracepoints -------------------------------------------------------------------------

traced() {
	local events=/sys/kernel/tracing/events/ferry status=0
	[ -d "$events" ] || mount -t tracefs tracefs /sys/kernel/tracing ||
		{ skips "no tracefs"; return; }
	for name in call fetch answer end event; do
		[ -e "$events"/ferry_"$name"/enable ] || { echo "no ferry_$name"; status=1; }
	done
	echo 1 >"$events"/enable
	mount_fs user-sync memfs "$mnt" || status=1
	ls "$mnt" >/dev/null
	umount "$mnt"
	no_daemon_left || status=1
	echo 0 >"$events"/enable
	for text in "ferry_call: chan=" "ferry_fetch: chan=" "ferry_answer: chan=" "ferry_end: chan=" \
		"ferry_event: chan=[0-9]* event=bound" "event=gone"; do
		grep -q "$text" /sys/kernel/tracing/trace || { echo "no $text"; status=1; }
	done
	echo >/sys/kernel/tracing/trace
	return "$status"
}

# Counts alone: perf record reads all symbols and /lib/modules first, a minute of an emulated
# processor. What an event tells is read by bpftrace, below.
by_perf() {
	local status=0 count
	mount_fs user-sync memfs "$mnt" "$uncached" || return
	perf stat -x, -o "$work/perf" -a -e ferry:ferry_call -e ferry:ferry_end -e ferry:ferry_fetch \
		-e ferry:ferry_answer -- perl -e 'for (1 .. 50) { stat $ARGV[0] or die }' "$mnt" || status=1
	after_test || return
	if grep -q "^<not supported>" "$work/perf"; then
		skips "this kernel does not trace for perf"
		return
	fi
	for count in call end fetch answer; do
		count=$(awk -F, -v e="ferry:ferry_$count" '$3 == e { print $1 }' "$work/perf")
		[ "${count:-0}" -ge 50 ] || { cat "$work/perf"; status=1; }
	done
	return "$status"
}

by_bpftrace() {
	local status=0 seen
	mount_fs user-sync memfs "$mnt" "$uncached" || return
	# shellcheck disable=SC2016 # bpftrace's
	timeout 600 bpftrace -c "/usr/bin/stat $mnt" -e '
		tracepoint:ferry:ferry_call /args->opcode == 3/ { @calls[args->chan] = count(); }
		tracepoint:ferry:ferry_end { @errors[args->err] = count(); }' >"$work/out" 2>"$work/err" ||
		status=1
	seen="@calls\[$(newest)\]: [1-9]"
	after_test || return
	if grep -q "install BTF" "$work/err"; then
		skips "this kernel does not trace with types, it has no BTF"
		return
	fi
	{
		grep -q "$seen" "$work/out" && grep -q "@errors\[0\]: [1-9]" "$work/out"
	} || { cat "$work/out" "$work/err"; status=1; }
	return "$status"
}

if wanted trace; then
	claim "the tracepoints tell a request's way and a channel's life" traced
	for tool in perf bpftrace; do
		if command -v $tool >/dev/null; then
			claim "$tool counts at the tracepoints" by_$tool
		else
			skip "$tool counts at the tracepoints" "no $tool"
		fi
	done
fi

# --- rights --------------------------------------------------------------------------------

# start_serve: a user's server; its words are in $work/served
start_serve() {
	mkfifo "$work/hold"
	"${as_server[@]}" "$serve" "$mnt" <"$work/hold" >"$work/served" &
	server=$!
	exec 9>"$work/hold"
	rm "$work/hold"
	becomes 2 lines_served
}

lines_served() { wc -l <"$work/served"; }

stop_serve() {
	exec 9>&-
	wait "$server"
}

device_closed() {
	is "mode of /dev/ferry" "$(stat -c '%a %U' /dev/ferry)" "600 root" || return
	is "a user's open" "$("${as_user[@]}" "$serve" </dev/null)" "open EACCES"
}

# What the rule says is done by hand where there is no udev; the rule itself is read, too.
with_group() {
	chown root:"$gid" /dev/ferry && chmod 660 /dev/ferry
}

without_group() {
	chown root:root /dev/ferry && chmod 600 /dev/ferry
}

rule_gives_group() {
	local rule=$tree/tools/60-ferry.rules
	grep -v '^#' "$rule" | grep -q 'GROUP="ferry", MODE="0660"' || { cat "$rule"; return 1; }
	grep -q '^g ferry ' "$tree/tools/ferry.sysusers"
}

group_serves() {
	local status=0 id
	with_group
	start_serve || status=1
	id=$(head -n 1 "$work/served")
	is "mount by the group" "$(tail -n 1 "$work/served")" "mount EPERM" || status=1
	is "another group's open" "$("${as_other[@]}" "$serve" </dev/null)" "open EACCES" || status=1
	[[ $id =~ ^[0-9]+$ ]] || { cat "$work/served"; status=1; }
	is "its owner" "$(ferry list --json | perl -MJSON::PP -e '
		print JSON::PP->new->decode(join "", <STDIN>)->{channels}[-1]{uid}')" "$user" || status=1
	stop_serve
	without_group
	return "$status"
}

# A user's channel and root's: who sees, who changes
rights_hold() {
	local status=0 mine roots
	mount_fs user-sync memfs "$mnt" || return
	roots=$(newest)
	with_group
	start_serve || status=1
	mine=$(head -n 1 "$work/served")

	is "what its maker sees" "$("${as_user[@]}" ferry list | awk 'NR > 1 { print $1 }' | xargs)" \
		"$mine" || status=1
	is "what another sees" "$("${as_other[@]}" ferry list | wc -l)" 1 || status=1
	is "what root sees" "$(ferry list | awk 'NR > 1 { print $1 }' | xargs)" "$roots $mine" || status=1
	is "stat of another's" "$("${as_other[@]}" ferry stat | wc -l)" 0 || status=1
	is "get of one's own" "$("${as_user[@]}" "$ask" get "$mine")" 0 || status=1
	is "get of root's" "$("${as_user[@]}" "$ask" get "$roots")" ENOENT || status=1
	is "get of another's" "$("${as_other[@]}" "$ask" get "$mine")" ENOENT || status=1
	is "get of none" "$("${as_other[@]}" "$ask" get 99999)" ENOENT || status=1

	for id in "$mine" "$roots" 99999; do
		is "abort of $id" "$("${as_user[@]}" "$ask" abort "$id")" EPERM || status=1
		is "set of $id" "$("${as_user[@]}" "$ask" set "$id" 30 1)" EPERM || status=1
	done
	one_line 1 "abort channel $mine .*CAP_SYS_ADMIN" "${as_user[@]}" ferry abort "$mine" || status=1
	one_line 1 "latency of channel $mine .*CAP_NET_ADMIN" \
		"${as_user[@]}" ferry set "$mine" latency=on || status=1
	one_line 1 "no channel of yours" "${as_user[@]}" ferry abort "$roots" || status=1
	one_line 1 "watch events.*CAP_NET_ADMIN" "${as_user[@]}" ferry events || status=1

	# One of the capabilities is enough.
	is "set with CAP_NET_ADMIN" "$(setpriv --bounding-set=-all,+net_admin --inh-caps=-all \
		"$ask" set "$mine" 30 1)" 0 || status=1
	is "set with CAP_SYS_ADMIN" "$(setpriv --bounding-set=-all,+sys_admin --inh-caps=-all \
		"$ask" set "$mine" 30 0)" 0 || status=1
	is "set by root without" "$(setpriv --bounding-set=-all --inh-caps=-all \
		"$ask" set "$mine" 30 1)" EPERM || status=1

	stop_serve
	without_group
	after_test || status=1
	return "$status"
}

# What a user's server has said is not read with nobody's rights but the kernel's, whoever asks.
user_stays_out() {
	local status=0 mine
	with_group
	start_serve || status=1
	mine=$(head -n 1 "$work/served")
	one_line 1 "not permitted|CAP_SYS_ADMIN" ferry move "$mine" --to kernel || status=1
	is "on_death=kernel" "$("$ask" set "$mine" 32 2)" EPERM || status=1
	stop_serve
	without_group
	return "$status"
}

# Root of a user namespace has capabilities over what was made there.
namespace_serves() {
	local status=0 mine
	with_group
	mkfifo "$work/hold"
	# Its group stays: it may open the device.
	# shellcheck disable=SC2094 # serve writes, the other shell looks for it
	"${as_server[@]}" unshare -Urm bash -c 'exec 4<&0; "$1" "$2" <&4 & exec 4<&-
		for _ in {1..200}; do [ "$(wc -l <"$3")" -lt 2 ] || break; sleep 0.1; done
		"$4" set "$(head -n 1 "$3")" 30 1 >&5; wait' \
		bash "$serve" "$mnt" "$work/served" "$ask" <"$work/hold" >"$work/served" 5>"$work/out" &
	server=$!
	exec 9>"$work/hold"
	rm "$work/hold"
	becomes 2 lines_served || status=1
	mine=$(head -n 1 "$work/served")
	is "mount" "$(tail -n 1 "$work/served")" "mount EPERM" || status=1
	becomes 0 cat "$work/out" || status=1
	is "its owner outside" "$(ferry list --json | perl -MJSON::PP -e '
		print JSON::PP->new->decode(join "", <STDIN>)->{channels}[-1]{uid}')" "$user" || status=1
	is "set by another" "$("${as_other[@]}" unshare -Ur "$ask" set "$mine" 30 1)" EPERM || status=1
	stop_serve
	without_group
	return "$status"
}

# Root of a user namespace has capabilities, but over its own things.
container_root() {
	local status=0 roots
	mount_fs user-sync memfs "$mnt" || return
	roots=$(newest)
	chmod 755 "$work"
	is "list" "$("${as_user[@]}" unshare -Urn ferry list | wc -l)" 1 || status=1
	is "get" "$("${as_user[@]}" unshare -Urn "$ask" get "$roots")" ENOENT || status=1
	is "abort" "$("${as_user[@]}" unshare -Urn "$ask" abort "$roots")" EPERM || status=1
	is "set" "$("${as_user[@]}" unshare -Urn "$ask" set "$roots" 30 1)" EPERM || status=1
	is "join" "$("${as_user[@]}" unshare -Ur "$ask" join)" EPERM || status=1
	# It may join the group of a network namespace of its own, where nothing is told.
	timeout 20 "${as_user[@]}" unshare -Urn \
		ferry events >"$work/events" 2>&1 &
	local watcher=$!
	sleep 1
	after_test || status=1
	sleep 0.2
	kill "$watcher"
	wait "$watcher" 2>/dev/null
	[ ! -s "$work/events" ] || { cat "$work/events"; status=1; }
	return "$status"
}

if wanted rights; then
	claim "/dev/ferry is root's alone" device_closed
	claim "the udev rule gives it to the group ferry, which make install makes" rule_gives_group
	claim "the group may serve, and not mount" group_serves
	claim "who made a channel sees it; who has the capability changes it; nobody else" rights_hold
	claim "root of a container sees, changes and hears nothing of the host's" container_root
	claim "a user's channel is not moved into the kernel, nor followed there" user_stays_out
	claim "a daemon in a user namespace serves, does not mount, and is root's there" namespace_serves
fi

# --- messages that are wrong --------------------------------------------------------------

messages_refused() {
	local id status=0
	mount_fs user-sync memfs "$mnt" || return
	id=$(newest)
	is "get without a number" "$("$ask" raw 1)" EINVAL || status=1
	is "abort without a number" "$("$ask" raw 5)" EINVAL || status=1
	is "a number too short" "$("$ask" short 1)" EINVAL || status=1
	is "an unknown command" "$("$ask" raw 200)" EOPNOTSUPP || status=1
	is "an event, asked for" "$("$ask" raw 2)" EOPNOTSUPP || status=1
	is "a set of nothing" "$("$ask" raw 4 1 "$id")" EINVAL || status=1
	is "a value too great" "$("$ask" set "$id" 31 1000001)" ERANGE || status=1
	is "the greatest value" "$("$ask" set "$id" 31 1000000)" 0 || status=1
	is "latency 2" "$("$ask" set "$id" 30 2)" ERANGE || status=1
	is "a count, set" "$("$ask" set "$id" 11 1)" EINVAL || status=1
	is "an attribute that is none" "$("$ask" set "$id" 200 1)" EINVAL || status=1
	is "get of none" "$("$ask" get 4294967295)" ENOENT || status=1
	is "abort of none" "$("$ask" abort 0)" ENOENT || status=1
	touch "$mnt/alive" || status=1
	after_test || status=1
	return "$status"
}

# Its queues take a while to make.
half_made() {
	local id hunter status=0
	id=$(($("$serve" </dev/null) + 1))
	"$ask" hunt "$id" >"$work/hunted" &
	hunter=$!
	is "its number" "$("$serve" "" 256 </dev/null)" "$id" || status=1
	wait "$hunter"
	is "abort" "$(cat "$work/hunted")" 0 || status=1
	log_is_clean || status=1
	return "$status"
}

! wanted messages || claim "a channel that is being made cannot be aborted before it is whole" half_made
! wanted messages || claim "a message that is wrong is refused with the errno for it" messages_refused

claim "the log is clean" log_is_clean
unload_claim
finish
