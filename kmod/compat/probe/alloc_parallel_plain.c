// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does d_alloc_parallel() do without a wait queue of its caller's?
 * Between 6.12 and 7.2, "VFS: use wait_var_event for waiting in d_alloc_parallel()".
 */
#include <linux/dcache.h>

struct dentry *probe(struct dentry *parent, const struct qstr *name);
struct dentry *probe(struct dentry *parent, const struct qstr *name)
{
	return d_alloc_parallel(parent, name);
}
