// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is ->create() not told whether it is exclusive?
 * Between 7.2 and 7.3, "vfs: remove the excl argument from the ->create() inode_operation":
 * to create what exists is refused before it is called.
 */
#include <linux/fs.h>

int make(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry, umode_t mode);
struct inode_operations probe = {
	.create = make,
};
