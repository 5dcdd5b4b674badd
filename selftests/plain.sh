#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# usage: plain.sh DIR. The filesystem tests in a directory of any filesystem: tests the tests.

# shellcheck source=selftests/fs.sh
. "$(dirname "$(realpath "$0")")/fs.sh"
if [ $# -ne 1 ] || [ ! -d "$1" ]; then
	echo "usage: $0 DIR" >&2
	exit 2
fi
echo "TAP version 13"
for program in $all_programs full; do
	path=$programs/fs/$program
	[ -e "$path" ] || path=$here/fs/$program.sh
	! wanted "$program" || points_of "$program" timeout -k 10 600 "$path" "$1"
done
finish
