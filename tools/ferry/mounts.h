/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What is mounted where, as this process sees it. */
#ifndef FERRY_MOUNTS_H
#define FERRY_MOUNTS_H

#include <stdbool.h>
#include <sys/types.h>

#include <libmount.h>

/** mounts_read() - the mount table; mnt_unref_table() it. NULL: it cannot be read */
struct libmnt_table *mounts_read(void);

/**
 * mounts_at() - the uppermost mount on a directory
 * @dir: any path to it; the mounted filesystem itself is not asked, so that one
 *	whose server is gone or hangs is found as well
 * Return: NULL: nothing is mounted there
 */
struct libmnt_fs *mounts_at(struct libmnt_table *table, const char *dir);

bool mounts_is_ferry(struct libmnt_fs *fs);

#endif
