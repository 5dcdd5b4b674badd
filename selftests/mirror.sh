#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# mirror serves a directory: of an ext4 of its own, or of tmpfs where that cannot be had.

# shellcheck source=selftests/fs.sh
. "$(dirname "$(realpath "$0")")/fs.sh"
need_modules
work_dir
echo "TAP version 13"
mkdir "$work/host" "$work/mnt"
truncate -s 1G "$work/image"
if mkfs.ext4 -q "$work/image" && mount -o loop "$work/image" "$work/host" 2>/dev/null; then
	say "on ext4"
else
	say "on tmpfs, which forgets its place in a listing when names go"
	mount -t tmpfs tmpfs "$work/host"
fi
run_fs_tests user-sync "mirror:$work/host" \
	names link rename attr special xattr rw sparse direct mmap cache readdir fsx stress tree
unload_claim
finish
