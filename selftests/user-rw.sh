#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# memfs in a daemon, wait style rw: what differs from sync is how messages go.

# shellcheck source=selftests/fs.sh
. "$(dirname "$(realpath "$0")")/fs.sh"
need_modules
work_dir
echo "TAP version 13"
run_fs_tests user-rw memfs names rename xattr rw direct mmap cache readdir fsx stress
fs_test user-rw memfs:size=16M "$programs/fs/full"
unload_claim
finish
