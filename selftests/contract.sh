#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# What ferry, ferryd and make say and do: one clear line and a status for what is wrong.

# shellcheck source=selftests/lib.sh
. "$(dirname "$(realpath "$0")")/lib.sh"
[ "$(id -u)" = 0 ] || skip_all "needs root"
[ -x "$bin/ferry" ] || skip_all "nothing is built: make"
work_dir
mnt=$work/mnt
mkdir "$mnt"
mark_log contract
echo "TAP version 13"

# nothing_comes_of TEXT COMMAND...: it is refused, and nothing is mounted
nothing_comes_of() {
	refused "$@" || return
	! mountpoint -q "$mnt" || { echo "something is mounted"; umount -l "$mnt"; return 1; }
}

refusal() { # NAME TEXT COMMAND...
	local name=$1
	shift
	! wanted "$name" || claim "$name" nothing_comes_of "$@"
}

in_both() { # NAME TEXT SOURCE [OPTIONS]: by a daemon, and in the kernel
	local name=$1 text=$2 source=$3 options=${4:-}
	refusal "$name" "$text" ferry mount ${options:+-o "$options"} "$source" "$mnt"
	refusal "$name (in the kernel)" "$text" \
		ferry mount --in-kernel ${options:+-o "$options"} "$source" "$mnt"
}

# --- without modules ----------------------------------------------------------

if [ ! -d /sys/module/ferry ]; then
	in_both "without modules mount says how to load them" "load|module" memfs
	refusal "without modules ferryd says how to load them" "load|module" ferryd memfs "$mnt"
	refusal "without modules list says how to load them" "load|module" ferry list
fi
refusal "make without headers says what to install" "headers.*apt-get|apt-get.*headers" \
	make -s -C "$tree" modules KDIR=/nonexistent MAKEFLAGS=
refusal "an unknown verb is named" "nonsense" ferry nonsense
refusal "mount without a directory says what it wants" "DIR|usage|argument" ferry mount memfs

# changed_module MODULE FIELD FILE: of the same size, but one letter of that field is another
changed_module() {
	sed "s/$2=./$2=X/" "$tree/$1.ko" >"$3"
}

# ferry version finds that a loaded module is not the installed one; as if this tree's were installed.
told_by_version() { # MODULE
	local said='^ +not the installed one'
	[ "$1" = ferry ] || said="^ +${1/-/_} is not the installed one"
	mkdir -p "$work/installed" && cat >"$work/installed/modinfo" <<-EOF || return
		#!/bin/sh
		exec $(command -v modinfo) "\$1" "\$2" "$tree/\$(echo "\$3" | tr _ -).ko"
	EOF
	chmod +x "$work/installed/modinfo"
	PATH=$work/installed:$PATH ferry version >"$work/out" && grep -q -E "$said" "$work/out" && return
	echo "no word of $1:"
	cat "$work/out"
	return 1
}

# older_module NAME: it is loaded already, what it needs is of this build
older_module() {
	changed_module "$1" srcversion "$work/$1.ko" && insmod "$work/$1.ko" || return
	refused "modules: $1 is loaded.*another build.*make unload" "$tree/tools/modules" load &&
		told_by_version "$1"
}

older_core() {
	local status=0
	older_module ferry || status=1
	"$tree/tools/modules" unload && "$tree/tools/modules" load || status=1
	! told_by_version ferry >/dev/null || { echo "ferry version tells of this one"; status=1; }
	"$tree/tools/modules" unload || status=1
	return "$status"
}

# Next to a core of this build, one after the other.
older_others() {
	local module status=0
	insmod "$tree/ferry.ko" || return
	for module in ferryfs ferryblk ferry-memfs; do
		older_module "$module" || status=1
		rmmod "$module" || status=1
	done
	"$tree/tools/modules" load || status=1
	! told_by_version ferryfs >/dev/null || { echo "ferry version tells of this one"; status=1; }
	"$tree/tools/modules" unload || status=1
	return "$status"
}

# Classes that were built with another core, whose name is another: the kernel itself refuses them.
older_files() {
	local module status=0
	mkdir -p "$work/mixed/tools" "$work/mixed/build/bin" && cp "$tree/tools/modules" "$work/mixed/tools" || return
	for module in ferryfs ferryblk; do
		cp "$tree"/ferry{,fs,blk}.ko "$work/mixed" &&
			sed 's/ferry_core_api_./ferry_core_api_X/g' "$tree/$module.ko" >"$work/mixed/$module.ko" &&
			refused "$module.ko cannot be loaded: .*not built with.*make modules" \
				"$work/mixed/tools/modules" load || status=1
	done
	"$tree/tools/modules" unload || status=1
	return "$status"
}

other_kernel() {
	mkdir -p "$work/tree/tools" && cp "$tree/tools/modules" "$work/tree/tools" &&
		cp "$tree/"ferry{fs,blk}.ko "$work/tree" && changed_module ferry vermagic "$work/tree/ferry.ko" || return
	refused "built for kernel X.*running is .*make modules KDIR=" \
		"$work/tree/tools/modules" load
}

if [ ! -d /sys/module/ferry ] && [ -e "$tree/ferry.ko" ]; then
	if wanted "older module"; then
		claim "an older module that is loaded is named, and can be replaced" older_core
		claim "an older class or backend that is loaded is named, and can be replaced" older_others
		claim "classes built with another ferry.ko are named" older_files
	fi
	! wanted "other kernel" || claim "modules for another kernel are named" other_kernel
fi

# Points were made: no plan of none is to be read here.
need_modules >&2

# --- with them ----------------------------------------------------------------

# As a daemon of the next build would ask a module of this one.
other_abi() {
	command -v gcc >/dev/null || { skips "no gcc"; return; }
	gcc -shared -fPIC -I"$tree/include/uapi" -o "$work/next.so" -x c - <<-'EOF' || return
		#include <sys/syscall.h>
		#include <unistd.h>
		#include <linux/ferry.h>

		int ioctl(int fd, unsigned long cmd, void *arg)
		{
			struct ferry_setup *setup = arg;
			int ret;

			if (cmd != FERRY_IOC_CREATE)
				return syscall(SYS_ioctl, fd, cmd, arg);
			setup->abi++;
			ret = syscall(SYS_ioctl, fd, cmd, arg);
			setup->abi--;
			return ret;
		}
	EOF
	nothing_comes_of "module speaks ABI [0-9]+, libferry ABI [0-9]+: use those of one build" \
		env LD_PRELOAD="$work/next.so" ferryd memfs "$mnt"
}
! wanted "older module" || claim "a daemon of another ABI than the module's is told both" other_abi
in_both "an unknown backend is named" "nosuch" nosuch
refusal "what filesystems there are in the kernel is said" "memf: no such backend.*; there are memfs null template$" \
	ferry mount --in-kernel memf "$mnt"
in_both "a backend's name with a slash is refused" "a/b" a/b
in_both "an unknown mount option is named" "y: mount option nonsense: Unknown parameter 'nonsense'; ferry\(7\)" \
	memfs nonsense
in_both "an unknown argument of a backend is named" "nonsense" memfs:nonsense=1
in_both "a size that is no number is refused" "size|banana" memfs:size=banana
in_both "an attr_timeout that is no number is refused" "attr_timeout" memfs attr_timeout=soon
refusal "mount -f looks at the options" "nonsense" mount.ferry memfs "$mnt" -f -o nonsense
refusal "mount -f looks at the options (in the kernel)" "nonsense" \
	mount.ferry memfs "$mnt" -f -o placement=kernel,nonsense
refusal "a deadline is refused in the kernel" "timeout.*daemon" ferry mount --in-kernel -o timeout=5 memfs "$mnt"
refusal "an unknown wait style is refused" "wait" ferry mount -o wait=napping memfs "$mnt"
refusal "no queues are refused" "queues" ferry mount -o queues=0 memfs "$mnt"
refusal "a million queues are refused" "queues" ferry mount -o queues=1000000 memfs "$mnt"
refusal "a placement that is none is refused" "placement" ferry mount -o placement=space memfs "$mnt"
refusal "a directory that is not there is named" "$work/missing" ferry mount memfs "$work/missing"
touch "$work/file"
refusal "a file is no mount point" "$work/file.*directory" ferry mount memfs "$work/file"
refusal "umount wants a mount" "$mnt" ferry umount "$mnt"
refusal "umount of an ordinary filesystem is refused" "/proc" ferry umount /proc
refusal "mirror of nothing is refused" "$work/missing" ferry mount "mirror:$work/missing" "$mnt"
refusal "ferryd wants a known log level" "loud" ferryd -l loud memfs "$mnt"
refusal "who is not root is told so" "root|permission|permitted|CAP_SYS" \
	setpriv --reuid=65534 --regid=65534 --clear-groups ferry mount memfs "$mnt"

misused() { # TEXT COMMAND...
	refused "$@" && is "the status of ${*:2}" "$refused_with" 2
}

failed_with_1() { # TEXT COMMAND...
	refused "$@" && is "the status of ${*:2}" "$refused_with" 1
}

misuse() {
	local status=0
	misused "queues" ferry mount -o queues=0 memfs "$mnt" || status=1
	misused "bad/name" ferry mount bad/name "$mnt" || status=1
	misused "bad/name" ferry disk add bad/name || status=1
	misused "depth" ferry disk add -o depth=0 ramdisk || status=1
	misused "wait" ferry disk add -o wait=napping ramdisk || status=1
	misused "wait" ferryd -o wait=napping memfs "$mnt" || status=1
	misused "grace.*86400" ferry mount -o grace=100000 memfs "$mnt" || status=1
	misused "grace.*86400" ferry disk add -o grace=100000 ramdisk || status=1
	misused "grace.*86400" ferryd -o grace=100000 memfs "$mnt" || status=1
	misused "nonsense.*serial" ferryd --disk -o nonsense ramdisk || status=1
	misused "nonsense.*serial" ferry disk add --in-kernel -o nonsense ramdisk || status=1
	misused "foo" ferry disk del ferryb77 foo || status=1
	misused "12x" ferry disk resize ferryb77 12x || status=1
	misused "--to kernel or --to user is needed" ferry move "$mnt" kernel || status=1
	misused "wait=poll.*daemon.*--to kernel" ferry move "$mnt" --to kernel -o wait=poll || status=1
	misused "number" ferryd -o queues=0 memfs "$mnt" || status=1
	misused "DIR" ferryd memfs || status=1
	misused "bad/name" ferryd bad/name "$mnt" || status=1
	misused "bad/name" ferryd --disk bad/name || status=1
	misused "--attach" ferryd --replace memfs "$mnt" || status=1
	misused "nonsense" ferryd --nonsense memfs "$mnt" || status=1
	failed_with_1 "missing" ferry mount memfs "$work/missing" || status=1
	failed_with_1 "nosuch" ferry mount nosuch "$mnt" || status=1
	failed_with_1 "nosuch" ferry mount --in-kernel nosuch "$mnt" || status=1
	failed_with_1 "nosuch" ferryd nosuch "$mnt" || status=1
	return "$status"
}
! wanted status || claim "what nobody can have meant ends with 2, what failed with 1" misuse

what_to_do() {
	local status=0 as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	refused "memfs: .*siz.*size, nodes, mode, uid, gid and writeback.*ferryd --help memfs" \
		ferry mount memfs:siz=1G "$mnt" || status=1
	refused "ramdisk: .*siz.*size, max and block.*ferryd --help ramdisk" \
		ferry disk add delay:ms=1+ramdisk:siz=1G || status=1
	refused "/missing: .*make it" ferry disk add "file:path=$work/missing" || status=1
	refused "/missing: .*not there.*dmesg" ferry disk add --in-kernel "file:path=$work/missing" || status=1
	refused "backend nbd .*ferry version --features" ferry disk add --in-kernel nbd:uri=nbd://x || status=1
	refused "removing.*needs root" "${as_nobody[@]}" ferry disk del ferryb77 || status=1
	refused "resizing.*needs root" "${as_nobody[@]}" ferry disk resize ferryb77 || status=1
	return "$status"
}
! wanted messages || claim "what is wrong is named, with what there is instead" what_to_do

# The same options go for both placements, but one is told what comes of them.
daemons_options() {
	local disk status=0 options=wait=poll,on_death=fail,grace=9,inline=1
	local told="wait on_death grace inline"
	disk=$(ferry disk add --in-kernel -o "$options,depth=4,serial=abc" ramdisk:size=1M 2>"$work/err") || return
	is "what is told of a disk" "$(sed 's/.*option \(.*\) is a daemon.*/\1/' "$work/err" | sort | xargs)" \
		"$(xargs -n 1 <<<"$told" | sort | xargs)" || status=1
	is "its serial" "$(cat "/sys/block/${disk#/dev/}/ferry/serial")" abc || status=1
	ferry disk del "$disk" || status=1
	ferry mount --in-kernel -o "$options,depth=4" memfs "$mnt" 2>"$work/err" || return
	is "what is told of a mount" "$(sed 's/.*option \(.*\) is a daemon.*/\1/' "$work/err" | sort | xargs)" \
		"$(xargs -n 1 <<<"$told depth" | sort | xargs)" || status=1
	unmount_fs "$mnt" || status=1
	return "$status"
}
! wanted "disk options" || claim "in the kernel each option that is a daemon's is named" daemons_options

by_word() {
	local status=0
	cd "$work" && mount_fs "$1" memfs mnt || return
	ferry set mnt latency=on && is "latency" "$(stat_of mnt "" latency)" 1 || status=1
	cd mnt && ferry stat . >"$work/out" || status=1
	grep -q -E '^latency on, spin_us [0-9]+, on_death [a-z]+, grace [0-9]+, timeout 0, stall [0-9]+$' \
		"$work/out" || { echo "not all settings are shown:"; cat "$work/out"; status=1; }
	is "what a death does" "$(stat_of . "" on_death)" fail || status=1
	cd "$work" && ferry umount mnt || status=1
	refused "mnt: .*see ferry list" ferry stat mnt || status=1
	cd / || status=1
	return "$status"
}
! wanted "mount point" || claim "a channel is named by a relative path, too" by_word kernel

# A directory whose name looks like an option
odd_name() {
	local status=0
	mkdir "$work/-f" && cd "$work" || return
	ferry mount memfs -- -f && mountpoint -q "$work/-f" || status=1
	cd / && umount "$work/-f" && rmdir "$work/-f" && no_daemon_left || status=1
	return "$status"
}
! wanted "mount point" || claim "a mount point may have the name of an option" odd_name

busy_twice() {
	local placement=$1 status=0
	mount_fs "$placement" memfs "$mnt" || return
	refused "$mnt.*(use|mounted)" ferry mount memfs "$mnt" || status=1
	refused "$mnt.*(use|mounted)" ferry mount --in-kernel memfs "$mnt" || status=1
	touch "$mnt/still-there" || status=1
	after_test || status=1
	return "$status"
}

busy_umount() {
	local status=0
	mount_fs "$1" memfs "$mnt" || return
	sleep 60 3<"$mnt" &
	refused "$mnt.*(busy|use)" ferry umount "$mnt" || status=1
	kill $!
	wait $! 2>/dev/null
	ferry umount "$mnt" || status=1
	no_daemon_left || status=1
	return "$status"
}

unload_in_use() {
	local status=0
	mount_fs "$1" memfs "$mnt" || return
	refused "in use" "$tree/tools/modules" unload || status=1
	"$tree/tools/modules" load && touch "$mnt/f" || status=1
	after_test || status=1
	return "$status"
}

for placement in user-sync user-rw kernel; do
	! wanted "mounted twice" ||
		claim "$placement: a directory is mounted once, and the first mount stays" busy_twice $placement
	! wanted "umount in use" ||
		claim "$placement: umount of what is in use is refused" busy_umount $placement
	! wanted "unload in use" ||
		claim "$placement: modules in use stay" unload_in_use $placement
done

# --- a daemon's life ------------------------------------------------------------

daemon_killed() {
	local style=$1 status=0
	mount_fs "$style" memfs "$mnt" on_death=fail || return
	echo data >"$mnt/f"
	pkill -KILL -x ferryd
	sleep 0.5
	refused_read "$mnt/f" || status=1
	stat -f "$mnt" 2>&1 | grep -q 'not connected' || { echo "statfs: no ENOTCONN"; status=1; }
	timeout 20 ferry umount "$mnt" || status=1
	mount_fs "$style" memfs "$mnt" && echo again >"$mnt/f" && after_test || status=1
	return "$status"
}

refused_read() {
	local status
	timeout 10 cat "$1" >"$work/out" 2>&1
	status=$?
	[ "$status" = 1 ] && grep -q "not connected" "$work/out" && return
	echo "cat: status $status"
	cat "$work/out"
	return 1
}

daemon_terminated() {
	mount_fs "$1" memfs "$mnt" || return
	pkill -TERM -x ferryd
	for _ in {1..50}; do
		mountpoint -q "$mnt" || break
		sleep 0.1
	done
	! mountpoint -q "$mnt" && no_daemon_left
}

# Who reads its log is gone before it ends.
daemon_in_foreground() {
	local pid log reader
	exec {log}> >(head -n 1 >"$work/log")
	reader=$!
	ferryd -f memfs "$mnt" >&"$log" 2>&1 &
	pid=$!
	exec {log}>&-
	for _ in {1..100}; do
		! mountpoint -q "$mnt" || break
		sleep 0.1
	done
	echo hello >"$mnt/f" && [ "$(cat "$mnt/f")" = hello ] && wait "$reader" && umount "$mnt" || return
	wait "$pid"
}

# mount returns when the mount is up, and a daemon holds on to nothing of its caller's: not to a pipe,
# a directory, or a lock.
daemon_lets_go() {
	local output status=0
	output=$({ cd "$work" && flock -n 8 && timeout 20 ferry mount memfs "$mnt" 2>&1; } 8>"$work/lock") ||
		{ echo "$output"; return 1; }
	flock -n "$work/lock" true || { echo "it has its caller's lock"; status=1; }
	mountpoint -q "$mnt" && [ -z "$output" ] && after_test || status=1
	return "$status"
}

# Whoever has started it is gone before it serves: it is none the worse for that.
starter_killed() {
	local starter
	command -v gcc >/dev/null || { skips "no gcc"; return; }
	gcc -shared -fPIC -I"$tree/include/uapi" -o "$work/slow.so" -x c - <<-'EOF' || return
		#include <stdlib.h>
		#include <sys/syscall.h>
		#include <unistd.h>
		#include <linux/ferry.h>

		int ioctl(int fd, unsigned long cmd, void *arg)
		{
			while (cmd == FERRY_IOC_CREATE && access(getenv("SLOW_UNTIL"), F_OK))
				usleep(10000);
			return syscall(SYS_ioctl, fd, cmd, arg);
		}
	EOF
	SLOW_UNTIL=$work/go LD_PRELOAD=$work/slow.so ferryd -o on_death=reissue memfs "$mnt" 2>"$work/err" &
	starter=$!
	until_so has_ferryds 3 || return
	kill -9 "$starter"
	touch "$work/go"
	until_so mountpoint -q "$mnt" && until_so has_ferryds 2 && touch "$mnt/f" || return
	kill_server || return
	[ -e "$mnt/f" ] || { echo "nobody has followed"; return 1; }
	after_test
}

has_ferryds() { [ "$(pgrep -c -x ferryd)" = "$1" ]; }

for style in user-sync user-rw; do
	wanted daemon || continue
	claim "$style: a killed daemon is ENOTCONN, and its mount goes and comes again" daemon_killed $style
	claim "$style: SIGTERM ends daemon and mount" daemon_terminated $style
done
! wanted daemon || claim "ferryd -f stays in the foreground and ends by umount" daemon_in_foreground
! wanted daemon || claim "a daemon outlives who started it, at any time" starter_killed
! wanted daemon || claim "ferry mount returns when the mount is up, with no word" daemon_lets_go

# --- what tells --------------------------------------------------------------------

listed() {
	local status=0
	mount_fs "$1" memfs "$mnt" || return
	findmnt -t ferry "$mnt" >/dev/null || { echo "findmnt does not find it"; status=1; }
	ferry list >"$work/out" || status=1
	grep -q -i -E "memfs.*${1%%-*}|${1%%-*}.*memfs" "$work/out" || { cat "$work/out"; status=1; }
	ferry list --json >"$work/out" || status=1
	perl -MJSON::PP -e 'exit(ref JSON::PP->new->decode(join "", <STDIN>) ? 0 : 1)' \
		<"$work/out" || { cat "$work/out"; status=1; }
	after_test || status=1
	return "$status"
}

for placement in user-sync user-rw kernel; do
	! wanted list || claim "$placement: findmnt and ferry list show a mount" listed $placement
done
! wanted version || claim "ferry version tells the version" ferry version

options_taken() {
	local option status=0
	for option in attr_timeout=0 entry_timeout=0.5 max_read=65536 ro noatime,nosymfollow noexec,nosuid,nodev \
		default_permissions queues=3 depth=4; do
		case $1:$option in kernel:queues*|kernel:depth*) continue ;; esac
		mount_fs "$1" memfs "$mnt" "$option" || { echo "$option"; status=1; continue; }
		ls -la "$mnt" >/dev/null || status=1
		unmount_fs "$mnt" || status=1
	done
	no_daemon_left || status=1
	return "$status"
}

for placement in user-sync user-rw kernel; do
	! wanted options || claim "$placement: the options of the manual are taken" options_taken $placement
done

# as_stranger COMMAND...: as one whom nothing of root's is given to
as_stranger() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }

# mount_by ROAD OPTIONS: a memfs, on each way there is to have one
mount_by() {
	case $1 in
	ferryd) ferryd -o "$2" memfs "$mnt" </dev/null ;;
	"mount -i") mount -i -t ferry -o "$2" memfs "$mnt" ;;
	"ferry mount") ferry mount -o "$2" memfs "$mnt" </dev/null ;;
	"ferry mount --in-kernel") ferry mount --in-kernel -o "$2" memfs "$mnt" ;;
	esac
}

# memfs checks nothing: so the kernel does, unless one says that it shall not.
permissions() {
	local road=$1 status=0
	mount_by "$road" allow_other || return
	echo text >"$mnt/f" || status=1
	! as_stranger chown 65534 "$mnt/f" 2>&1 || { echo "it is the stranger's"; status=1; }
	! as_stranger chmod 4755 "$mnt/f" 2>&1 || { echo "a stranger made it set-user-id"; status=1; }
	! as_stranger cp /bin/true "$mnt/f" 2>&1 || { echo "a stranger wrote to it"; status=1; }
	is "who has what" "$(stat -c '%u %a' "$mnt/f")" "0 644" || status=1
	after_test || status=1
	mount_by "$road" allow_other,no_default_permissions || return
	as_stranger touch "$mnt/f" || { echo "no_default_permissions is not heard"; status=1; }
	after_test || status=1
	return "$status"
}

for road in ferryd "mount -i" "ferry mount" "ferry mount --in-kernel"; do
	! wanted permissions || claim "$road: what is root's is no stranger's" permissions "$road"
done

many_times() {
	for _ in {1..10}; do
		mount_fs "$1" memfs "$mnt" && touch "$mnt/f" && umount "$mnt" || return
	done
	no_daemon_left
}

for placement in user-sync user-rw kernel; do
	! wanted "many times" || claim "$placement: mounts come and go" many_times $placement
done

# Where mount(8) looks, in a namespace of its own: what was in /sbin, and the helper as it is
# installed.
by_mount() {
	mkdir -p "$work/sbin" && ln -sf "$bin/ferry" "$work/sbin/mount.ferry" || return
	echo "memfs:size=16M $mnt ferry defaults,placement=kernel 0 0" >"$work/fstab"
	# shellcheck disable=SC2016 # for the shell inside
	unshare -m bash -c '
		mount -t overlay -o "lowerdir=$1/sbin:/sbin" none /sbin &&
			mount -s -t ferry -o odd,nofail memfs "$2" && echo x >"$2/f" && ferry list >"$1/out" &&
			grep -q " user .* live " "$1/out" && mount -o remount,ro "$2" &&
			! touch "$2/f" 2>"$1/out" && umount "$2" &&
			mount -T "$1/fstab" "$2" && echo x >"$2/f" && ferry list >"$1/out" &&
			grep -q " kernel .* live " "$1/out" &&
			[ "$(df --output=size -k "$2" | tail -n 1)" -eq 16384 ] &&
			mount -o remount,ro "$2" && ! touch "$2/f" 2>"$1/out" && umount "$2"' - "$work" "$mnt" ||
		{ cat "$work/out"; return 1; }
	no_daemon_left
}
! wanted mount || claim "mount -t ferry and a line of fstab mount and remount" by_mount

claim "the log is clean" log_is_clean
unload_claim
finish
