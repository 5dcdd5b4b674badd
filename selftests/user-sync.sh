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
# All data by XFER, and none: by default that depends on its length.
for inline in 1 65536; do
	fs_test user-sync memfs "$programs/fs/direct" inline=$inline inline=$inline
	FERRY_CLAIMS=${FERRY_CLAIMS:-any size|append} \
		fs_test user-sync memfs "$programs/fs/rw" inline=$inline inline=$inline
done
unload_claim
finish
