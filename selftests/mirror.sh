#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# mirror serves a directory on tmpfs.

# shellcheck source=selftests/fs.sh
. "$(dirname "$(realpath "$0")")/fs.sh"
need_modules
work_dir
echo "TAP version 13"
mkdir "$work/host" "$work/mnt"
mount -t tmpfs tmpfs "$work/host"
trap 'clean_up; umount "$work/host"; rm -rf "$work"' EXIT
run_fs_tests user-sync "mirror:$work/host" \
	names link rename attr special rw sparse mmap cache readdir fsx stress tree
unload_claim
finish
