// SPDX-License-Identifier: GPL-2.0-only
/*
 * Do inode operations and their helpers take a struct mnt_idmap, not a user_namespace?
 * Since 6.3, "fs: port inode_owner_or_capable() to mnt_idmap" and its siblings.
 */
#include <linux/fs.h>

int probe(struct mnt_idmap *idmap, struct inode *inode);
int probe(struct mnt_idmap *idmap, struct inode *inode)
{
	return generic_permission(idmap, inode, MAY_READ);
}
