# SPDX-License-Identifier: GPL-2.0-only OR MIT
# shellcheck shell=bash
# fs.sh: the filesystem's tests for one placement; sourced by user-sync.sh and its kin.

# shellcheck source=selftests/lib.sh
. "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/lib.sh"

all_programs="names link rename attr times special perm xattr lock exec rw sparse direct mmap
cache readdir fsx stress tree"

# run_fs_tests PLACEMENT SOURCE [PROGRAM...]: all by default
run_fs_tests() {
	local placement=$1 source=$2 program path
	shift 2
	[ $# -gt 0 ] || read -r -d '' -a programs_wanted <<<"$all_programs" || :
	[ $# -eq 0 ] || programs_wanted=("$@")
	for program in "${programs_wanted[@]}"; do
		path=$programs/fs/$program
		[ -e "$path" ] || path=$here/fs/$program.sh
		fs_test "$placement" "$source" "$path"
	done
}
