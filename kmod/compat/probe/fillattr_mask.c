// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does generic_fillattr() take the request mask?
 * Since 6.6, "fs: pass the request_mask to generic_fillattr".
 */
#include <linux/fs.h>

void probe(struct mnt_idmap *idmap, struct inode *inode, struct kstat *stat);
void probe(struct mnt_idmap *idmap, struct inode *inode, struct kstat *stat)
{
	generic_fillattr(idmap, STATX_BASIC_STATS, inode, stat);
}
