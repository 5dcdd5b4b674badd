// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does ->mkdir() return a dentry?
 * Since 6.15, "Change inode_operations.mkdir to return struct dentry *".
 */
#include <linux/fs.h>

struct dentry *make(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry,
		    umode_t mode);
struct inode_operations probe = {
	.mkdir = make,
};
