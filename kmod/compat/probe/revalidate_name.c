// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is ->d_revalidate() told directory and name?
 * Since 6.14, "Pass parent directory inode and expected name to ->d_revalidate()".
 */
#include <linux/dcache.h>

int revalidate(struct inode *dir, const struct qstr *name, struct dentry *dentry,
	       unsigned int flags);
struct dentry_operations probe = {
	.d_revalidate = revalidate,
};
