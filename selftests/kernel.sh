#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# memfs as kernel callbacks: as user-sync.

# shellcheck source=selftests/fs.sh
. "$(dirname "$(realpath "$0")")/fs.sh"
need_modules
work_dir
echo "TAP version 13"
export FERRY_TEST_BIG=1
run_fs_tests kernel memfs
fs_test kernel memfs:size=16M "$programs/fs/full"
unload_claim
finish
