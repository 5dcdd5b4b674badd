// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is a super block's default of dentry operations set by a function?
 * Since 6.17, "new helper: set_default_d_op()".
 */
#include <linux/dcache.h>
#include <linux/fs.h>

void probe(struct super_block *sb, const struct dentry_operations *ops);
void probe(struct super_block *sb, const struct dentry_operations *ops)
{
	set_default_d_op(sb, ops);
}
