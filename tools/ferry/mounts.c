// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* What is mounted where, as this process sees it. */
#include "mounts.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct libmnt_table *mounts_read(void)
{
	return mnt_new_table_from_file("/proc/self/mountinfo");
}

static struct libmnt_fs *find(struct libmnt_table *table, const char *path)
{
	return mnt_table_find_target(table, path, MNT_ITER_BACKWARD);
}

/* The path with all but its last component resolved: that one may be a dead mount. */
static bool resolve_parent(const char *dir, char *path)
{
	char dirbuf[PATH_MAX], basebuf[PATH_MAX], parent[PATH_MAX];
	const char *base;

	if (strlen(dir) >= PATH_MAX)
		return false;
	strcpy(dirbuf, dir);
	strcpy(basebuf, dir);
	base = basename(basebuf);
	if (!strcmp(base, ".") || !strcmp(base, "..") || !strcmp(base, "/"))
		return false;
	if (!realpath(dirname(dirbuf), parent))
		return false;
	return snprintf(path, PATH_MAX, "%s/%s", strcmp(parent, "/") ? parent : "", base) < PATH_MAX;
}

struct libmnt_fs *mounts_at(struct libmnt_table *table, const char *dir)
{
	struct libmnt_fs *fs = NULL;
	char path[PATH_MAX];

	if (resolve_parent(dir, path))
		fs = find(table, path);
	if (!fs && realpath(dir, path))
		fs = find(table, path);
	return fs;
}

bool mounts_is_ferry(struct libmnt_fs *fs)
{
	const char *type = mnt_fs_get_fstype(fs);

	return type && (!strcmp(type, "ferry") || !strncmp(type, "ferry.", 6));
}
