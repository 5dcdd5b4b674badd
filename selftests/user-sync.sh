#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# memfs in a daemon, wait style sync: a filesystem as POSIX and Linux have it.

# shellcheck source=selftests/fs.sh
. "$(dirname "$(realpath "$0")")/fs.sh"
need_modules
work_dir
echo "TAP version 13"
run_fs_tests user-sync memfs
fs_test user-sync memfs:size=16M "$programs/fs/full"
unload_claim
finish
