#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# memfs in a daemon, wait style poll: what moves data and names, and what runs at once;
# and the cache that writes back.

# shellcheck source=selftests/fs.sh
. "$(dirname "$(realpath "$0")")/fs.sh"
need_modules
work_dir
echo "TAP version 13"
run_fs_tests user-poll memfs names rename rw direct mmap cache readdir stress
run_fs_tests user-poll memfs:writeback rw sparse mmap cache times fsx tree
unload_claim
finish
