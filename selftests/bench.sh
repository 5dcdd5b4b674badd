#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# ferry bench: it measures what it says, and says what it cannot.
# FERRY_TESTS picks parts: options, requests, fs, peers, disks, brd, lock, stopped,
# limit, regress, scale.
# shellcheck disable=SC2016 # the variables are perl's

# shellcheck source=selftests/lib.sh
. "$(dirname "$(realpath "$0")")/lib.sh"
need_modules
command -v fio >/dev/null || skip_all "no fio: make deps"
work_dir
mark_log bench
echo "TAP version 13"

# says STATUS TEXT COMMAND...: it ends so, and one of its lines of complaint matches
says() {
	local want=$1 text=$2 status
	shift 2
	timeout -k 2 300 "$@" >"$work/out" 2>"$work/err" </dev/null
	status=$?
	[ "$status" = "$want" ] && grep -q -E -e "$text" "$work/err" && return
	echo "\$ $*: status $status, wanted $want and a line with '$text'"
	cat "$work/out" "$work/err"
	return 1
}

refusal() { # NAME STATUS TEXT OPTION...
	local name=$1 status=$2 text=$3
	shift 3
	! wanted options || claim "$name is refused" says "$status" "$text" ferry bench "$@"
}

refusal "an unknown class" 2 "--class does not know 'net'" --class net
refusal "an unknown system" 2 "--systems does not know 'nosuch'" --systems fuse,nosuch
refusal "another class's system" 2 "--systems does not know 'fuse'" --class block --systems fuse
refusal "a pattern of nothing" 2 "--cases does not know 'x\*'" --cases 'x*'
refusal "no time at all" 2 "--seconds wants" --seconds 0
refusal "a tolerance of nothing" 2 "--regress" --tolerance 5
refusal "a tolerance below nothing" 2 "--tolerance wants" --regress /x --tolerance -1
refusal "instructions of disks" 2 "fs only" --class block --icount
refusal "instructions of several CPUs" 1 "one CPU" --icount
refusal "scaling by bars" 2 "no bars" --scale --check
refusal "scaling what moves data" 2 "loops of small" --scale --cases seq-read
refusal "a split by the clock" 2 "--split wants --icount" --split
refusal "a file that is not there" 1 "nosuch.json: cannot be read" --regress "$work/nosuch.json"

stored=$tree/Documentation/results/icount-6.1.json
echo '{"rows":' >"$work/broken.json"
echo '{"kernel":"6.1","rows":3}' >"$work/strange.json"
sed 's/"icount":true/"icount":false/' "$stored" >"$work/times.json"
refusal "half a file" 1 "broken.json: cannot be read, or is no JSON" --regress "$work/broken.json"
refusal "another kind of file" 1 "strange.json: is no result" --regress "$work/strange.json"
refusal "instructions next to times" 1 "has instructions, not times" --regress "$stored"
refusal "a file of another class" 1 "is of another class" --class block --regress "$work/times.json"

no_fio() {
	mkdir -p "$work/path"
	says 1 "no fio: apt-get install fio" env PATH="$work/path" "$bin/ferry" bench --cases read-1m
}

nothing_left() {
	local left=(/tmp/ferry-bench.* /sys/block/ferryb* /sys/block/nullb* /sys/block/ublkb*)
	[ ${#left[@]} = 0 ] || { echo "left: ${left[*]}"; return 1; }
	! grep ferry-bench /proc/mounts && ! pgrep -a 'nbdkit|ublk-peer|fuse-peer' && no_daemon_left && log_is_clean
}

not() { ! "$@"; }

# rows FILE EXPRESSION: perl's, true of each row $r; there is at least one
rows() {
	perl -MJSON::PP -e '
		my ($path, $expression) = @ARGV;
		open my $f, "<", $path or die "$path: $!\n";
		my $rows = decode_json(join "", <$f>)->{rows};
		@$rows or die "no rows\n";
		for my $r (@$rows) {
			eval $expression or die "$expression: not so: ", encode_json($r), "\n";
		}' "$1" "$2"
}

measures_fs() {
	ferry bench --quick --runs 1 --systems ferry-sync,ferry-kernel --cases "stat,cached-read,read-4k,read-1m" \
		--histogram --json "$work/fs.json" >"$work/out" || return
	is cases "$(grep -o '"case":"[^"]*"' "$work/fs.json" | sort -u | wc -l)" 4 || return
	# Of less than a hundred there is no 99th percentile.
	rows "$work/fs.json" 'my ($n, @p) = map { $r->{latency}{$_} } qw(n p50 p99 p99.9);
		$r->{median} > 0 && $p[0] > 0 && defined $p[1] == ($n >= 100) && defined $p[2] == ($n >= 1000) &&
		$p[0] <= ($p[1] // $p[0]) && ($p[1] // 0) <= ($p[2] // $p[1] // 0)' &&
		rows "$work/fs.json" 'my $sum = 0; $sum += $_ for values %{$r->{latency}{log2}};
			$sum == $r->{latency}{n}' &&
		grep -q '#' "$work/out" && nothing_left
}

# calls CALL N FILE: N of them; CALL is a case of bench's
calls() {
	perl -MFcntl=:DEFAULT -e '
		my ($call, $n, $path) = @ARGV;
		my ($buf, $dir) = (" " x 12288, $path =~ s,/N$,,r);
		# O_DIRECT wants memory that is aligned.
		my $skip = -unpack("J", pack "p", $buf) % 4096;
		open my $d, "<", $dir or die "$dir: $!\n";
		sysopen my $f, $path, O_RDWR | O_DIRECT or die "$path: $!\n";
		for (1 .. $n) {
			$call eq "stat" ? stat $dir : $call eq "fstat" ? stat $d :
			$call eq "read-4k" ? sysseek($f, 0, 0) && sysread($f, $buf, 4096, $skip) == 4096 :
			sysseek($f, 0, 0) && syswrite($f, $buf, 4096, $skip) == 4096 or die "$call: $!\n";
		}' "$1" "$2" "$3"
}

# answers PID: how many times it has called write(), once for each request
answers() { sed -n 's/^syscw: //p' "/proc/$1/io"; }

# asked PROGRAM DIR: how many requests each call is, by fifty more of them. A server's last answer
# may be counted after its client has it, so some are missing or too many.
asked() {
	local pid call n before some
	pid=$(pgrep -n -x "$1") || { echo "no $1"; return 1; }
	for call in stat fstat read-4k write-4k; do
		for n in 10 60; do
			before=$(answers "$pid")
			calls "$call" "$n" "$2/N" || return
			[ "$n" = 60 ] || some=$(($(answers "$pid") - before))
		done
		echo "$call $((($(answers "$pid") - before - some + 25) / 50))"
	done
}

# A request more of FUSE's for the same call would flatter ferry. The style rw answers by write(), too.
as_many_requests() {
	local options=attr_timeout=0,entry_timeout=0 status=0
	mkdir -p "$work/mnt" "$work/host"
	"$bin/fuse-peer" -o "$options" null "$work/host" &&
		ferry mount -o "wait=rw,no_default_permissions,$options" null "$work/mnt" </dev/null || return
	asked fuse-peer "$work/host" >"$work/fuse" && asked ferryd "$work/mnt" >"$work/ferry" &&
		diff "$work/fuse" "$work/ferry" && ! grep -v ' 1$' "$work/fuse" || status=1
	umount "$work/host" "$work/mnt" || status=1
	return "$status"
}

# Of each kind one; what is not here, as ublk on 6.1, is told, and no failure.
measures_disks() {
	ferry bench --class block --quick --runs 1 --seconds 0.1 --json "$work/disks.json" \
		--systems ferry-sync,ferry-kernel,null_blk,brd,loop,nbd,ublk \
		--cases null-read-1,ramdisk-write-32,file-read-1m >"$work/out" || return
	rows "$work/disks.json" '$r->{median} > 0 && $r->{latency}{n} > 0 && $r->{cpu_us} > 0 &&
		($r->{iops} || $r->{mb_s}) > 0' || return
	rows "$work/disks.json" '$r->{case} =~ /null/ || $r->{system} ne "null_blk"' && nothing_left
}

# What is on somebody else's brd is not written over: it is left out, and with it the files.
leaves_brd_alone() {
	local was now
	modprobe brd rd_nr=2 rd_size=524288 || { skips "no brd"; return; }
	echo precious | dd of=/dev/ram1 conv=notrunc status=none && echo precious >/dev/ram0 || return
	was=$(head -c 4096 /dev/ram0 /dev/ram1 | md5sum)
	says 0 "brd is left out: brd is loaded already" ferry bench --class block --quick --runs 1 --seconds 0.1 \
		--systems ferry-kernel,brd --cases ramdisk-read-1,file-read-1 &&
		is lines "$(grep -c "brd is loaded already" "$work/err")" 2 || return
	now=$(head -c 4096 /dev/ram0 /dev/ram1 | md5sum)
	is "what was on them" "$now" "$was" && modprobe -r brd && nothing_left
}

# Modules and some disks are the machine's: the second one waits its turn.
one_at_a_time() {
	local lock=/run/ferry-bench-disks.lock
	# It waits for the lock, in case the look at it has it just then.
	flock "$lock" sleep 1000 &
	until_so not flock -n "$lock" true &&
		says 1 "another ferry bench measures disks" ferry bench --class block --quick --systems null_blk
	local status=$?
	pkill -P $! -x sleep
	wait $!
	return "$status"
}

# Whoever reads the output has seen enough; and ^\.
leaves_nothing() {
	local statuses
	ferry bench --scale --quick --runs 1 --systems ferry-sync --cases fstat 2>&1 | head -n 1 >/dev/null
	statuses=("${PIPESTATUS[@]}")
	is "the status by SIGPIPE" "${statuses[0]}" $((128 + 13)) && nothing_left || return
	ferry bench --scale --quick --runs 100 --systems ferry-sync --cases fstat >/dev/null &
	until_so pgrep -x ferryd >/dev/null && kill -QUIT $!
	wait $!
	is "the status by SIGQUIT" $? $((128 + 3)) && nothing_left
}

# As it was; and as if it had been a thousand times as fast. The bounds are wide: the claim is that a
# stored result is compared, and a busy machine's FUSE, ten samples of it, takes thrice as long at times.
regresses() {
	ferry bench --quick --runs 1 --systems ferry-kernel,fuse --cases fstat --json "$work/was.json" \
		>/dev/null || return
	sed 's/"system":"fuse"/"system":"fusE"/' "$work/was.json" >"$work/nopeer.json"
	perl -pe 's/("median":)([\d.]+)/$1 . $2 \/ 1000/e if $ferry; $ferry = /"ferry"/ if /"system"/' \
		"$work/was.json" >"$work/faster.json"
	ferry bench --quick --runs 1 --systems ferry-kernel,fuse --cases fstat --tolerance 1000 \
		--regress "$work/was.json" >/dev/null || return
	says 1 "fstat on ferry kernel takes [0-9.]+ % more than in .*faster.json, 1000 % are allowed" \
		ferry bench --quick --runs 1 --systems ferry-kernel,fuse --cases fstat --tolerance 1000 \
		--regress "$work/faster.json" &&
		says 1 "nothing to compare: ferry.s rows and those of fuse have to be" \
			ferry bench --quick --runs 1 --systems ferry-kernel,fuse --cases fstat \
			--regress "$work/nopeer.json"
}

scales() {
	ferry bench --scale --quick --runs 1 --systems ferry-sync,ferry-slot --cases fstat,read-4k \
		--json "$work/scale.json" >/dev/null &&
		rows "$work/scale.json" '$r->{median} > 0 && $r->{clients} >= 1 && $r->{queues} >= 1 &&
			$r->{n} == 1 && $r->{p10} == $r->{median} &&
			!$main::seen{join ",", map { $_ // "" } @$r{qw(case wait data queues clients)}}++' &&
		nothing_left
}

# What its strict 1 % of the machine's dirty pages does to a writer is not what is compared.
lifts_the_limit() {
	ferry bench --quick --runs 1 --systems fuse --cases seq-write --json "$work/limit.json" >"$work/out" &&
		grep -q '"fuse_dirty_limit":"max_ratio=100 ' "$work/limit.json" && nothing_left
}

# FUSE's faster ways, where kernel, headers and libfuse have them; it says which of them has not.
measures_peer() { # SYSTEM CASES
	local why
	if ! ferry bench --quick --runs 1 --systems "$1" --cases "$2" --json "$work/peer.json" \
		>"$work/out" 2>"$work/err"; then
		why=$(sed -n 's/.* is left out: //p' "$work/err")
		[ -z "$why" ] || { skips "$why"; return; }
		cat "$work/out" "$work/err"
		return 1
	fi
	rows "$work/peer.json" '$r->{median} > 0' && nothing_left
}

! wanted options || claim "without fio it says so" no_fio
! wanted fs || claim "filesystems: medians, percentiles and histograms, and nothing is left" measures_fs
if wanted peers; then
	claim "the peer FUSE io_uring is measured" measures_peer fuse-uring stat,read-4k
	claim "the peer FUSE passthrough is measured" measures_peer fuse-pass read-4k
fi
! wanted disks || claim "disks: each kind that is here, what they cost the CPUs, and nothing is left" measures_disks
! wanted lock || claim "one run at a time measures disks" one_at_a_time
! wanted stopped || claim "whatever ends it, nothing is left" leaves_nothing
! wanted brd || claim "somebody else's brd is left alone" leaves_brd_alone
if [ -x "$bin/fuse-peer" ]; then
	! wanted requests || claim "FUSE is asked as often as ferry for the same" as_many_requests
	! wanted limit || claim "FUSE's limit of dirty pages is lifted" lifts_the_limit
	! wanted regress || claim "a stored result: as it was, and where it got worse" regresses
fi
! wanted scale || claim "one client and several, one queue and several" scales
unload_claim
finish
