// SPDX-License-Identifier: GPL-2.0-only
/*
 * Are there accessors for an inode's atime and mtime?
 * Since 6.7, "fs: new accessor methods for atime and mtime".
 */
#include <linux/fs.h>

void probe(struct inode *inode, struct timespec64 ts);
void probe(struct inode *inode, struct timespec64 ts)
{
	inode_set_mtime_to_ts(inode, ts);
}
