// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is inode->i_state read by an accessor?
 * Since 6.19, "fs: provide accessors for ->i_state".
 */
#include <linux/fs.h>

int probe(struct inode *inode);
int probe(struct inode *inode)
{
	return inode_state_read_once(inode) & I_NEW;
}
