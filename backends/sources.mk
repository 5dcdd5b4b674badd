# SPDX-License-Identifier: GPL-2.0-only OR MIT
# The backends that are written once. Read by Kbuild and by the user build: a
# backend NAME becomes ferry-NAME.ko and build/backends/NAME.so.
FERRY_BACKENDS := null memfs template ramdisk file delay error

FERRY_SOURCES_null     := null
FERRY_SOURCES_template := template
FERRY_SOURCES_memfs    := memfs memfs_node memfs_map memfs_dir memfs_name memfs_data memfs_xattr \
			   memfs_save
FERRY_SOURCES_ramdisk  := ramdisk
FERRY_SOURCES_file     := file
FERRY_SOURCES_delay    := delay
FERRY_SOURCES_error    := error
