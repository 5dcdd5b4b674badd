#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# usage: command.sh DIR. What ferry, ferryd and mount.ferry say where they need no module for it.

# shellcheck source=selftests/lib.sh
. "$(dirname "$(realpath "$0")")/../lib.sh"
work=$(mktemp -d "$1/command.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/dir"

ends_with() { # STATUS TEXT COMMAND...
	refused "${@:2}" && is "the status of ${*:3}" "$refused_with" "$1"
}

# The library's part of it, without a kernel: it says what it is asked, and that all is well.
cat >"$work/lib.c" <<-'EOF'
	#include <stdbool.h>
	#include <stdio.h>
	int ferry_disk_del(unsigned int index, bool force)
	{
		fprintf(stderr, "%u goes%s\n", index, force ? " by force" : "");
		return 0;
	}
	int ferry_disk_add(const char *name, const char *args, const char *source, const void *options) { return 0; }
	bool ferry_session_reissues(const void *backend, const void *options) { return false; }
	int ferry_session_new(const void *backend, const char *args, const void *options, void **session) { return 0; }
	int ferry_session_disk(void *session, const char *source, const void *options) { return 0; }
	int ferry_session_remove(void *session, bool force) { fputs("removed\n", stderr); return 0; }
	int ferry_session_fd(const void *session) { return -1; }
	unsigned int ferry_session_channel(const void *session) { return 1; }
	unsigned int ferry_session_on_death(const void *session) { return 0; }
	unsigned int ferry_session_grace(const void *session) { return 0; }
	unsigned int ferry_session_mounted(const void *session) { return 0; }
	void ferry_session_free(void *session) { }
EOF
! gcc -shared -fPIC -o "$work/lib.so" "$work/lib.c" 2>"$work/err" || with=(timeout -s KILL 10 env LD_PRELOAD="$work/lib.so")

deletes() { # TEXT ARGUMENT...
	is "ferry disk del ${*:2}" "$("${with[@]}" ferry disk del "${@:2}" ferryb77 2>&1)" "77 goes$1"
}

forces() {
	[ -n "${with-}" ] || { skips "no gcc"; return; }
	deletes "" && deletes " by force" -f && deletes " by force" -F && deletes " by force" --force
}

disk_options() {
	local status=0
	ends_with 2 "del takes no --in-kernel; see" ferry disk del -k ferryb77 || status=1
	ends_with 2 "del takes no --foreground" ferry disk del --foreground ferryb77 || status=1
	ends_with 2 "del takes no --options" ferry disk -o ro del ferryb77 || status=1
	ends_with 2 "resize takes no -f;" ferry disk resize -f ferryb77 1G || status=1
	ends_with 2 "resize takes no --force" ferry disk resize ferryb77 1G --force || status=1
	ends_with 2 "list takes no --in-kernel" ferry disk list -k || status=1
	ends_with 2 "add takes no --force" ferry disk add -F ramdisk || status=1
	return "$status"
}

# full COMMAND...: fails by one line, wherever it cannot print to
full() {
	local status=0
	# shellcheck disable=SC2016 # the inner shell's
	ends_with 1 "standard output: No space left on device" bash -c '"$@" >/dev/full' . "$@" || status=1
	# shellcheck disable=SC2016 # the inner shell's
	ends_with 1 "standard output: Bad file descriptor" bash -c '"$@" >&-' . "$@" || status=1
	return "$status"
}

lost() {
	local verb status=0
	[ -c /dev/full ] || { skips "no /dev/full here"; return; }
	for verb in mount disk list stat events set move bench; do full ferry "$verb" --help || status=1; done
	full ferry help || status=1
	full ferry version || status=1
	full ferry version --features --json || status=1
	full ferryd --help || status=1
	full ferryd --help memfs || status=1
	full ferryd --version || status=1
	full mount.ferry -h || status=1
	return "$status"
}

# Not to be seen is not to be there.
lost_disk() {
	[ -n "${with-}" ] || { skips "no gcc"; return; }
	full "${with[@]}" ferry disk add --in-kernel ramdisk || return
	"${with[@]}" ferryd -f --disk ramdisk >/dev/full 2>"$work/said"
	is "status of ferryd" $? 1 && is "what is said" "$(paste -s -d , "$work/said")" \
		"ferryd: standard output: No space left on device,removed"
}

read_enough() {
	local command fd
	for command in "ferry help" "ferry version --json" "ferryd --help"; do
		exec {fd}> >(:)
		wait $!
		(trap '' PIPE; $command 1>&"$fd" 2>"$work/err"); is "status of $command" $? 0 || return
		exec {fd}>&-
		[ ! -s "$work/err" ] || { cat "$work/err"; return 1; }
	done
}

fakes() {
	local status=0
	mount.ferry memfs:size=1G "$work/dir" -f -o ro,wait=poll || status=1
	mount.ferry "mirror:$work/dir" "$work/dir" -f || status=1
	ends_with 32 'no backend "nosuch"' mount.ferry nosuch:a=b "$work/dir" -f || status=1
	ends_with 32 "ramdisk: is no filesystem" mount.ferry ramdisk:size=1G "$work/dir" -f || status=1
	ends_with 32 "delay: is no filesystem" mount.ferry delay:ms=1+memfs "$work/dir" -f || status=1
	mount.ferry nosuch "$work/dir" -f -o placement=kernel || status=1
	return "$status"
}

names() {
	local status=0 verb
	for verb in "move x --to user" "upgrade x" "abort x" "recover x args"; do
		# shellcheck disable=SC2086 # words
		ends_with 2 "unexpected argument y" ferry $verb y || status=1
	done
	ends_with 2 "the NAME of a channel is needed" ferry recover || status=1
	return "$status"
}

settled() {
	local status=0
	ends_with 2 "wait= and spin_us=, not on_death" ferry upgrade x -o on_death=fail || status=1
	ends_with 2 "wait= and spin_us=, not ro" ferry recover x -o wait=sync,ro || status=1
	ends_with 2 "option wait must be" ferry move x --to user -o wait=bad || status=1
	ends_with 2 "on_death.*nothing that --attach takes" ferryd -a 1 -o on_death=fail memfs || status=1
	return "$status"
}

numbers() {
	ends_with 2 "io_timeout= wants a number from 1 to 86400" ferry disk add -o io_timeout=99999999999 ramdisk &&
		ends_with 2 "io_min= .* from 1 to 4294967295" ferry disk add -o io_min=4294967296 ramdisk &&
		ends_with 2 "--attach .* from 1 to 4294967295" ferryd -a 4294967296 memfs
}

quotes() { ends_with 2 'ferry: options: a quote is missing after "a$' ferry mount -o 'ro,"a' memfs "$work/dir"; }

echo "TAP version 13"
claim "ferry disk del: -f is by force, as -F and --force" forces
claim "ferry disk: an option that a verb does not use is refused" disk_options
claim "what cannot be written to standard output is a failure" lost
claim "a disk whose name cannot be printed is a failure, and not left to a daemon" lost_disk
claim "who reads no more has seen enough" read_enough
claim "mount -f looks whether there is such a backend, and whether it is a filesystem" fakes
claim "a NAME too many is named" names
claim "options that a new server cannot have are refused before the module is asked" settled
claim "a number that is too large is told the largest" numbers
claim "a quote that is missing is shown where the user wrote it" quotes
finish
