#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# usage: tap.sh DIR. What the test scripts themselves take for passed, failed and skipped.

# shellcheck source=selftests/lib.sh
. "$(dirname "$(realpath "$0")")/../lib.sh"
dir=$(mktemp -d "$1/tap.XXXXXX")
trap 'rm -rf "$dir"' EXIT

# verdict WANTED COMMAND...: what its lines say of the points
verdict() {
	local want=$1 said
	shift
	said=$("$@")
	[ "$(sed -nE 's/^(not ok|ok) [0-9]+ -.*( # SKIP .*)$/\1\2/p; t; s/^(not ok|ok) .*/\1/p' <<<"$said")" \
		= "$want" ] && return
	echo "not '$want':"
	echo "$said"
	return 1
}

exits() { return "$1"; }
# program STATUS LINE...: says them and ends with it
program() { local status=$1; shift; [ $# = 0 ] || printf '%s\n' "$@"; return "$status"; }
of_program() { FERRY_CLAIMS='' points_of it program "$@"; }

corrupt_ext4() {
	PATH=$PATH:/usr/sbin:/sbin
	truncate -s 4M "$dir/img" && mke2fs -q -F "$dir/img" &&
		printf '\377%.0s' {1..1024} | dd of="$dir/img" bs=1k seek=8 conv=notrunc status=none || return
	verdict "not ok" claim it e2fsck -fn "$dir/img"
}

claims_are_judged() {
	verdict "ok" claim it exits 0 && verdict "not ok" claim it exits 1 &&
		verdict "not ok" claim it exits 4 && verdict "ok # SKIP why" claim it skips why
}

programs_are_judged() {
	verdict "ok" of_program 0 "1..1" "ok 1 - a" &&
		verdict "not ok" of_program 0 "1..1" "not ok 1 - a" &&
		verdict "not ok" of_program 0 "1..0" && verdict "not ok" of_program 0 &&
		verdict $'ok\nnot ok' of_program 0 "1..2" "ok 1 - a" &&
		verdict $'ok\nnot ok' of_program 3 "1..1" "ok 1 - a" &&
		verdict "ok # SKIP why" of_program 4 "1..0 # SKIP why" &&
		verdict "ok # SKIP why" of_program 0 "1..1" "ok 1 - a # SKIP why"
}

# summed STATUS LINE...: a script's TAP
summed() {
	local want=$1 status=0
	shift
	printf '%s\n' "$@" >"$dir/user-sync.tap"
	HOST=${host:-} "$here/sum" "$dir/user-sync.tap" >"$dir/out" || status=$?
	[ "$status" = "$want" ] || { echo "status $status, not $want, of:" "$@"; cat "$dir/out"; return 1; }
}

skips_are_judged() {
	local big='ok 2 - readdir: each of 100,000 names comes exactly once # SKIP FERRY_TEST_BIG is not set'
	summed 0 "ok 1 - a" && summed 0 "ok 1 - a" "$big" && grep -q "^1 passed, 0 failed, 1 skipped" "$dir/out" &&
		summed 1 "ok 1 - a" "ok 2 - xattr: b # SKIP no extended attributes here" &&
		grep -q "must not be: user-sync/xattr: b: no ext" "$dir/out" &&
		host=1 summed 0 "ok 1 - a" "ok 2 - xattr: b # SKIP no extended attributes here" &&
		summed 1 "1..0 # SKIP the modules are built for another kernel"
}

nothing_is_no_pass() { summed 1 "ok 1 - the modules unload" && summed 1 "$1"; }

echo "TAP version 13"
claim "a corrupt ext4 is a failure" corrupt_ext4
claim "a claim's status is judged: a skip is said, and 4 is none" claims_are_judged
claim "a program's points are: none at all are a failure" programs_are_judged
claim "what is skipped and must not be is a failure" skips_are_judged
claim "nothing tried is a failure" nothing_is_no_pass "TAP version 13"
finish
