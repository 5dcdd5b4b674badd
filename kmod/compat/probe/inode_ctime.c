// SPDX-License-Identifier: GPL-2.0-only
/*
 * Are there accessors for an inode's ctime?
 * Since 6.6, "fs: add ctime accessors infrastructure"; also in later 6.1 kernels.
 */
#include <linux/fs.h>

void probe(struct inode *inode, struct timespec64 ts);
void probe(struct inode *inode, struct timespec64 ts)
{
	inode_set_ctime_to_ts(inode, ts);
}
