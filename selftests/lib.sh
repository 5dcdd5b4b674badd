# SPDX-License-Identifier: GPL-2.0-only OR MIT
# shellcheck shell=bash
#
# lib.sh: what the test scripts share. A script sources it, makes points by ok,
# not_ok, skip, claim and points_of, and ends by `finish`. TAP is on stdout;
# the exit status is 0, 1 (something failed) or 4 (nothing could be tried), as
# kselftest has it.
#
# FERRY_TESTS, an extended regular expression, picks tests: it is looked for in
# "SCRIPT/TEST", as in "user-rw/rename".

set -u
# What asks for help loads no modules.
case ${1-} in
--help | -h) sed -n '/shellcheck/d; 3,/^$/s/^# //p' "$0"; exit ;;
-*) echo "${0##*/}: knows no $1; FERRY_TESTS picks tests" >&2; exit 2 ;;
esac
shopt -s nullglob
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
tree=$(realpath "$here/..")
bin=$tree/build/bin
# In a kernel's tree the programs are built beside the scripts.
programs=$here
# shellcheck disable=SC2034 # for those who source this
[ -x "$here/fs/names" ] || programs=$tree/build/selftests
script=$(basename "$0" .sh)
export PATH=$bin:$PATH:/usr/sbin:/sbin LC_ALL=C

point=0 failed=0 skipped=0

comment() { sed 's/^/# /'; }
say() { echo "# $*"; }
ok() { point=$((point + 1)); echo "ok $point - $*"; }
not_ok() { point=$((point + 1)); failed=$((failed + 1)); echo "not ok $point - $*"; }
skip() { point=$((point + 1)); skipped=$((skipped + 1)); echo "ok $point - $1 # SKIP $2"; }

wanted() { [[ $script/$1 =~ ${FERRY_TESTS:-} ]]; }

# bail WHY: nothing in this script can be tried
skip_all() { echo "TAP version 13"; echo "1..0 # SKIP $*"; exit 4; }

# skips WHY: a claim's last word where it cannot be tried. Its status is no tool's: e2fsck says 4
# of a filesystem that is corrupt.
skips() { echo "$*"; return 77; }

# claim NAME COMMAND...: one point; the command's output is shown if it fails
claim() {
	local name=$1 output status began=$SECONDS
	shift
	output=$("$@" 2>&1)
	status=$?
	[ -z "${FERRY_TEST_TIMES:-}" ] || say "$((SECONDS - began)) s:"
	case $status in
	0) ok "$name" ;;
	77) skip "$name" "$output" ;;
	*)
		[ -z "$output" ] || comment <<<"$output"
		[ $status -lt 2 ] || say "exit status $status"
		not_ok "$name"
		;;
	esac
}

# points_of NAME COMMAND...: takes over the points of a program that writes TAP. What it
# says beside them belongs to the next one, and is shown if that fails.
points_of() {
	local name=$1 line status plan='' why='' points=$point bad=$failed began=$SECONDS said=''
	shift
	while IFS= read -r line; do
		case $line in
		"ok "* | "TAP version"*) [ -n "${FERRY_TEST_TIMES:-}" ] || said= ;;&
		"ok "* | "not ok "* | "Bail out!"*) printf '%s' "$said"; said= ;;&
		"not ok "*) not_ok "$name: ${line#not ok * - }" ;;
		"ok "*" # SKIP"*) line=${line#ok * - }; skip "$name: ${line%% # SKIP*}" "${line##*# SKIP }" ;;
		"ok "*) ok "$name: ${line#ok * - }" ;;
		"1..0 # SKIP "*) why=${line#*# SKIP } ;;
		1..*) plan=${line#1..}; plan=${plan%% *} ;;
		"Bail out!"*) not_ok "$name: $line" ;;
		"status "*) status=${line#status } ;;
		"TAP version"*) ;;
		"#"*) said+=$line$'\n' ;;
		*) said+="# $line"$'\n' ;;
		esac
	done < <("$@" 2>&1; echo "status $?")
	[ -z "${FERRY_TEST_TIMES:-}" ] || say "$name: $((SECONDS - began)) s"
	points=$((point - points))
	bad=$((failed - bad))
	if [ "$status" != 0 ] || [ -n "${FERRY_TEST_TIMES:-}" ]; then printf '%s' "$said"; fi
	if [ "$status" = 4 ] && [ $points = 0 ]; then
		skip "$name" "${why:-it says so}"
	elif [ "$status" != 0 ] && [ $bad = 0 ]; then
		not_ok "$name: ends with status $status"
	elif [ "${plan:-0}" != $points ] && [ $bad = 0 ]; then
		not_ok "$name: $points of ${plan:-no} points were made"
	elif [ $points = 0 ] && [ -z "${FERRY_CLAIMS:-}" ]; then
		not_ok "$name: makes no point"
	fi
}

# refused TEXT COMMAND...: it fails by itself, with one line that matches TEXT. Two minutes: a
# make that only reads its files took more than 30 s of a guest's fast clock on a busy host.
# With which status is in refused_with.
refused() {
	local text=$1 status
	shift
	timeout -k 2 120 "$@" >"$work/out" 2>"$work/err" </dev/null
	status=$?
	# shellcheck disable=SC2034 # for those who source this
	refused_with=$status
	if [ "$status" = 0 ] || [ "$status" -ge 124 ]; then
		echo "status $status"
	elif [ "$(grep -v -c '^make.*\*\*\*' "$work/err")" != 1 ]; then
		echo "$(wc -l <"$work/err") lines on standard error"
	elif ! grep -q -i -E -e "$text" "$work/err"; then
		echo "the line does not match $text"
	else
		return 0
	fi
	echo "\$ $*"
	head -n 5 "$work/out" "$work/err"
	return 1
}

# why_not_32 PROGRAM: says why that one, for 32 bits, cannot run here, or nothing
why_not_32() {
	if [ ! -e "$1" ]; then
		echo "not built: apt-get install gcc-multilib"
	elif grep -q "User Mode Linux" /proc/cpuinfo; then
		echo "a User-Mode Linux runs no 32-bit programs"
	fi
}

# soon COMMAND...: within five seconds, on a machine of the usual speed
soon() {
	local seconds=$((${FERRY_TEST_SECONDS:-60} / 12)) status
	timeout "$seconds" "$@"
	status=$?
	[ $status != 124 ] || echo "not within $seconds s: $*"
	return $status
}

# scaled N: rounds at FERRY_TEST_SCALE percent
scaled() {
	local n=$(($1 * ${FERRY_TEST_SCALE:-100} / 100))
	echo $((n > 0 ? n : 1))
}

# until_so COMMAND...: for a minute at most
until_so() {
	local end=$((SECONDS + 60))
	while ! "$@" 2>/dev/null; do
		if [ "$SECONDS" -gt "$end" ]; then
			echo "not within 60 s: $*"
			ferry list
			return 1
		fi
		sleep 0.05
	done
}

finish() {
	echo "1..$point"
	if [ $failed != 0 ]; then exit 1; fi
	if [ $point = $skipped ]; then exit 4; fi
	exit 0
}

# --- the kernel's log ---------------------------------------------------------

bad_in_log='WARNING:|BUG:|BUG |Oops|general protection fault[:,]|refcount_t:|UBSAN:|KASAN:|KCSAN:'
bad_in_log+='|blocked for more than|soft lockup|rcu:? .*stall|Call Trace:|possible circular locking'
bad_in_log+='|inconsistent lock state|suspicious RCU usage|Busy inodes after unmount'
bad_in_log+='|list_(add|del) corruption|scheduling while atomic|sleeping function called'

# Below a kernel tree there is none.
overlook=$tree/tools/vm/overlook
[ -x "$overlook" ] || overlook='cat'

mark_log() {
	log_mark="ferry-selftest: $script/$1 $$.$point"
	{ echo "$log_mark" >/dev/kmsg; } 2>/dev/null || :
}

# log_lacks PATTERN [GREP-OPTION]...: since mark_log, or in all of it if the mark is there no more; the
# places are on stdout. A log that cannot be read lacks nothing.
log_lacks() {
	local pattern=$1 statuses
	shift
	dmesg | awk -v mark="$log_mark" '
		index($0, mark) { n = 0; next }
		{ line[n++] = $0 }
		END { for (i = 0; i < n; i++) print line[i] }' | "$overlook" | grep -a -E "$@" -e "$pattern"
	statuses=${PIPESTATUS[*]}
	case $statuses in
	"0 0 0 1") return 0 ;;
	"0 0 0 0") return 1 ;;
	esac
	echo "the kernel's log cannot be read (statuses $statuses)"
	return 1
}

log_is_clean() { log_lacks "$bad_in_log" -A 20; }

# --- modules, mounts, daemons -------------------------------------------------

need_modules() {
	[ "$(id -u)" = 0 ] || skip_all "needs root"
	[ -e "$tree/ferry.ko" ] || skip_all "no modules are built: make modules"
	[ "$(modinfo -F vermagic "$tree/ferry.ko" | cut -d ' ' -f 1)" = "$(uname -r)" ] ||
		skip_all "the modules are built for another kernel than $(uname -r), which runs here"
	"$tree/tools/modules" load || { not_ok "the modules load"; finish; }
}

unload_claim() {
	claim "the modules unload" "$tree/tools/modules" unload
}

work=
work_dir() {
	work=$(mktemp -d "${TMPDIR:-/tmp}/ferry-test.XXXXXX")
	chmod 755 "$work"
	trap clean_up EXIT
}

clean_up() {
	if [ -n "$work" ]; then
		while umount -l "$work/mnt" 2>/dev/null; do :; done
		while umount -l "$work/host" 2>/dev/null; do :; done
		rm -rf "$work"
	fi
}

# mount_fs PLACEMENT SOURCE DIR [OPTIONS]
mount_fs() {
	local options=${4:+,$4}
	case $1 in
	user-*) ferry mount -o "wait=${1#user-}$options" "$2" "$3" ;;
	kernel) ferry mount --in-kernel ${4:+-o "$4"} "$2" "$3" ;;
	esac </dev/null
}

# stat_of NAME OP FIELD: of `ferry stat --json`; OP "" for the channel's own. 0 if it is not there.
stat_of() {
	ferry stat --json "$1" | perl -MJSON::PP -e '
		my ($op, $field) = @ARGV;
		my $c = JSON::PP->new->decode(join "", <STDIN>)->{channels}[0];
		my ($o) = $op ? grep { $_->{name} eq $op } @{$c->{ops}} : ($c);
		print $o->{$field} // 0, "\n"' "$2" "$3"
}

# field NAME: of the only channel
field() { ferry list --json | sed -n "s/^ *\"$1\": *\"\?\([^\",]*\)\"\?,\?\$/\1/p"; }

# side PLACEMENT: is the only channel served there?
side() { [ "$(field placement)" = "$1" ]; }

# serving: the process that serves the only channel, if one does
serving() {
	ferry list --json | perl -MJSON::PP -e '
		my @c = @{JSON::PP->new->decode(join "", <STDIN>)->{channels}};
		print $c[0]{pid} if @c == 1 and $c[0]{state} eq "live" and $c[0]{placement} eq "user"'
}

served_by_other() { server=$(serving) && [ -n "$server" ] && [ "$server" != "$1" ]; }

# kill_server: of the only channel, as soon as one serves that is not the last one killed
killed=0
kill_server() {
	until_so served_by_other "$killed" && kill -KILL "$server" && killed=$server
}

# is_followed: the one killed last
is_followed() { until_so served_by_other "$killed"; }

# is WHAT VALUE WANTED
is() {
	[ "$2" = "$3" ] || { echo "$1 is $2, not $3"; return 1; }
}

# The daemon goes when its mount goes, but not in the same moment.
no_daemon_left() {
	for _ in {1..100}; do
		pgrep -x ferryd >/dev/null || return 0
		sleep 0.1
	done
	pgrep -a -x ferryd
	return 1
}

unmount_fs() {
	for _ in {1..20}; do
		umount "$1" 2>"$work/umount" && return
		sleep 0.2
	done
	cat "$work/umount"
	fuser -vm "$1" 2>&1
	umount -l "$1"
	return 1
}

after_test() {
	local status=0
	unmount_fs "$work/mnt" || status=1
	no_daemon_left || status=1
	log_is_clean || status=1
	return $status
}

# fs_test PLACEMENT SOURCE PROGRAM [OPTIONS [NOTE]]: a program's claims on a fresh mount
fs_test() {
	local placement=$1 source=$2 program=$3 name output
	name=$(basename "$program" .sh)${5:+, $5}
	wanted "$name" || return 0
	mark_log "$name"
	mkdir -p "$work/mnt"
	if ! output=$(mount_fs "$placement" "$source" "$work/mnt" "${4-}" 2>&1); then
		comment <<<"$output"
		not_ok "$name: $source mounts ($placement)"
		return
	fi
	points_of "$name" timeout -k 10 600 "$program" "$work/mnt" ${FERRY_CLAIMS:+"$FERRY_CLAIMS"}
	claim "$name: leaves a clean log, no mount and no daemon" after_test
}

# --- clients that work while something is done to their server ------------------

# use WHO N: each of these fails if it is executed twice, or not at all
use() {
	local d=$work/mnt/$1
	mkdir "$d" && echo text >"$d/a" && mv "$d/a" "$d/b" && [ "$(<"$d/b")" = text ] &&
		ln "$d/b" "$d/c" && rm "$d/b" "$d/c" && rmdir "$d" && echo "$2" >>"$work/mnt/log.$1"
}

# use_on: until there is a file "stop"; what fails is in "errors". Each line is in the log once.
use_on() {
	local n=0 i who=$BASHPID
	while [ ! -e "$work/stop" ]; do
		use "$who" "$n" 2>>"$work/errors" || echo "use $n failed" >>"$work/errors"
		n=$((n + 1))
	done
	cmp <(for ((i = 0; i < n; i++)); do echo "$i"; done) "$work/mnt/log.$who" \
		>>"$work/errors" 2>&1
	rm -f "$work/mnt/log.$who"
}

# Both clients have done something.
use_begun() { local logs=("$work"/mnt/log.*); [ ${#logs[@]} -ge 2 ]; }

# while_used COMMAND...: while two clients work; fails if any of them does
while_used() {
	local status=0
	rm -f "$work/stop" "$work/errors"
	touch "$work/errors"
	use_on & use_on &
	until_so use_begun && "$@" || status=1
	touch "$work/stop"
	wait
	[ ! -s "$work/errors" ] || { head -n 20 "$work/errors"; status=1; }
	return "$status"
}
