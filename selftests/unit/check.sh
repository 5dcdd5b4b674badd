#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# usage: check.sh DIR. What make check-all and check-debug say in the end. No suite is run: make is
# another one in them, which fails where it is to.

# shellcheck source=selftests/lib.sh
. "$(dirname "$(realpath "$0")")/../lib.sh"
dir=$1/check-$$
mkdir -p "$dir"
trap 'rm -rf "$dir"' EXIT
# shellcheck disable=SC2016 # for that make
printf '#!/bin/sh\necho "$FERRY_TAPS $*" >>"%s"\ncase " $* " in *" DISTRO=$FAILS "*) exit 2 ;; esac\n' \
	"$dir/asked" >"$dir/make"
chmod +x "$dir/make"

# says FAILS TARGET STATUS LINE...: its last lines
says() {
	local said status
	said=$(FAILS=$1 make -s -C "$tree" "$2" MAKE="$dir/make" TESTS=bench 2>"$dir/err")
	status=$?
	if { [ "$status" != 0 ] && [ "$3" = 0 ]; } || { [ "$status" = 0 ] && [ "$3" != 0 ]; }; then
		cat "$dir/err"
		echo "status $status"
		return 1
	fi
	[ "$said" = "$(printf '%s\n' "${@:4}")" ] || { echo "$said"; return 1; }
}

each_its_own() {
	: >"$dir/asked"
	says none check-debug 0 "check: uml:passed" "check: debug:passed" || return
	[ "$(cut -d ' ' -f 1 "$dir/asked")" = "$(printf '%s\n' "$tree/build/check/uml" "$tree/build/check/debug")" ] ||
		{ cat "$dir/asked"; return 1; }
	is "times with TESTS" "$(grep -c -- 'check DISTRO=.* TESTS=bench$' "$dir/asked")" 2
}

echo "TAP version 13"
claim "check-all: what came of each kernel stands at the end" says trixie check-all 1 \
	"check: here:passed" "check: trixie:FAILED" "check: trixie-backports:passed"
claim "check-all: one that fails first is not forgotten" says "" check-all 1 \
	"check: here:FAILED" "check: trixie:passed" "check: trixie-backports:passed"
claim "check-debug: each kernel's TAP has a place of its own" each_its_own
finish
