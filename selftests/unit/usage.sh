#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# usage: usage.sh DIR. Scripts that install, build, boot or load something: who asks for help, or has
# mistyped, gets a line, and nothing else.

# shellcheck source=selftests/lib.sh
. "$(dirname "$(realpath "$0")")/../lib.sh"
work=$(mktemp -d "$1/usage.XXXXXX")
trap 'rm -rf "$work"' EXIT

# A machine without what it would take.
mkdir "$work/bin"
for program in dirname realpath sed cat; do ln -s "$(type -P $program)" "$work/bin"; done
poor=(timeout -k 2 60 env -u HOST PATH="$work/bin" FERRY_CACHE="$work/cache")

scripts=(tools/{demo,deps,style,modules} tools/vm/{debug-kernel,run} selftests/{check,smoke.sh})
[ -d "$tree/tools/vm" ] || skip_all "not ferry's own tree"

helps() {
	local name status=0
	for name in "${scripts[@]}" "tools/vm/debug-kernel --uml"; do
		# shellcheck disable=SC2086 # with an option of its own
		"${poor[@]}" "$tree"/$name --help >"$work/out" 2>"$work/err" </dev/null && [ -s "$work/out" ] && [ ! -s "$work/err" ] && continue
		echo "$name --help:"
		cat "$work/out" "$work/err"
		status=1
	done
	return "$status"
}

misused() { # TEXT COMMAND...
	refused "$1" "${poor[@]}" "$tree/$2" "${@:3}" && is "status of ${*:2}" "$refused_with" 2
}

stops() {
	local name status=0
	for name in "${scripts[@]}"; do
		misused "usage|--nonsense" "$name" --nonsense || status=1
	done
	misused usage tools/vm/debug-kernel imgae || status=1
	misused usage tools/vm/debug-kernel --uml image headers || status=1
	misused usage tools/demo outside || status=1
	misused usage tools/modules load unload || status=1
	misused usage selftests/check one two || status=1
	misused usage selftests/boot || status=1
	misused usage selftests/boot smoke --again || status=1
	return "$status"
}

makes_none() {
	misused "--out .*/no/such: no such directory" tools/vm/run --out "$work/no/such" -- true && [ ! -e "$work/no" ]
}

echo "TAP version 13"
claim "who asks a script for help gets it, and nothing is made" helps
claim "what a script does not know is refused before anything is made" stops
claim "vm/run: a directory in one that is not there is refused before anything is booted" makes_none
finish
