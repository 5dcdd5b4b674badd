/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between kernels, and nothing else. Main code is written for the newest
 * API; here it is given to older kernels. Each difference is found by a question in
 * probe/NAME.c, which defines HAVE_NAME if it compiles, never by a version number.
 */
#ifndef FERRY_COMPAT_H
#define FERRY_COMPAT_H

#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/mount.h>
#include <linux/user_namespace.h>
#include <linux/xattr.h>
#include "compat/have.h"

#ifndef HAVE_MNT_IDMAP
#define mnt_idmap	user_namespace
#define nop_mnt_idmap	init_user_ns
#endif

#ifndef HAVE_FILLATTR_MASK
#define generic_fillattr(idmap, mask, inode, stat) generic_fillattr(idmap, inode, stat)
#endif

#ifndef HAVE_INODE_CTIME
static inline struct timespec64 inode_get_ctime(const struct inode *inode)
{
	return inode->i_ctime;
}

static inline struct timespec64 inode_set_ctime_to_ts(struct inode *inode, struct timespec64 ts)
{
	return inode->i_ctime = ts;
}
#endif

#ifndef HAVE_INODE_MTIME
static inline struct timespec64 inode_get_mtime(const struct inode *inode)
{
	return inode->i_mtime;
}

static inline struct timespec64 inode_set_mtime_to_ts(struct inode *inode, struct timespec64 ts)
{
	return inode->i_mtime = ts;
}

static inline struct timespec64 inode_set_atime_to_ts(struct inode *inode, struct timespec64 ts)
{
	return inode->i_atime = ts;
}
#endif

#ifndef HAVE_INODE_STATE
#define inode_state_read_once(inode)	READ_ONCE((inode)->i_state)
#endif

#ifndef HAVE_DEFAULT_D_OP
#define set_default_d_op(sb, ops)	((sb)->s_d_op = (ops))
#endif

#ifndef HAVE_XATTR_CONST
#define ferry_set_xattr(sb, table)	((sb)->s_xattr = (const struct xattr_handler **)(table))
#else
#define ferry_set_xattr(sb, table)	((sb)->s_xattr = (table))
#endif

/* Where whoever looks the same name up waits until d_lookup_done(); last declaration. */
#ifdef HAVE_ALLOC_PARALLEL_PLAIN
#define FERRY_LOOKUP_WAIT(wq)
#define ferry_alloc_parallel(parent, name, wq)	d_alloc_parallel(parent, name)
#else
#define FERRY_LOOKUP_WAIT(wq)	DECLARE_WAIT_QUEUE_HEAD_ONSTACK(wq)
#define ferry_alloc_parallel(parent, name, wq)	d_alloc_parallel(parent, name, wq)
#endif

/* For an operation table: wrap @fn, which has the newest type, where an older is wanted. */

/*
 * But of ->d_revalidate() the type that suits all: @node_of(inode) of the directory, and a @name
 * that a NUL ends, for the newest VFS's is a piece of a path. Both are 0 with LOOKUP_RCU.
 */
#ifdef HAVE_REVALIDATE_NAME
#define FERRY_D_REVALIDATE(fn, node_of)							\
static int fn##_compat(struct inode *dir, const struct qstr *name,			\
		       struct dentry *dentry, unsigned int flags)			\
{											\
	char copy[NAME_MAX + 1];							\
											\
	if (flags & LOOKUP_RCU)								\
		return fn(0, NULL, dentry, flags);					\
	if (name->len > NAME_MAX)							\
		return -ENAMETOOLONG;							\
	memcpy(copy, name->name, name->len);						\
	copy[name->len] = '\0';								\
	return fn(node_of(dir), &(struct qstr)QSTR_INIT(copy, name->len), dentry,	\
		  flags);								\
}
#else
#define FERRY_D_REVALIDATE(fn, node_of)							\
static int fn##_compat(struct dentry *dentry, unsigned int flags)			\
{											\
	struct name_snapshot name;							\
	u64 node;									\
	int ret;									\
											\
	if (flags & LOOKUP_RCU)								\
		return fn(0, NULL, dentry, flags);					\
	/* The parent stays as long as it is the parent. */				\
	spin_lock(&dentry->d_lock);							\
	node = node_of(d_inode(dentry->d_parent));					\
	spin_unlock(&dentry->d_lock);							\
	take_dentry_name_snapshot(&name, dentry);					\
	ret = fn(node, &name.name, dentry, flags);					\
	release_dentry_name_snapshot(&name);						\
	return ret;									\
}
#endif
#define ferry_d_revalidate(fn)	fn##_compat

#ifdef HAVE_CREATE_PLAIN
#define FERRY_CREATE(fn)
#define ferry_create(fn)	fn
#else
#define FERRY_CREATE(fn)								\
static int fn##_compat(struct mnt_idmap *idmap, struct inode *dir,			\
		       struct dentry *dentry, umode_t mode, bool excl)			\
{											\
	return fn(idmap, dir, dentry, mode);						\
}
#define ferry_create(fn)	fn##_compat
#endif

#ifdef HAVE_MKDIR_DENTRY
#define FERRY_MKDIR(fn)
#define ferry_mkdir(fn)		fn
#else
#define FERRY_MKDIR(fn)									\
static int fn##_compat(struct mnt_idmap *idmap, struct inode *dir,			\
		       struct dentry *dentry, umode_t mode)				\
{											\
	struct dentry *d = fn(idmap, dir, dentry, mode);				\
											\
	if (IS_ERR(d))									\
		return PTR_ERR(d);							\
	dput(d);									\
	return 0;									\
}
#define ferry_mkdir(fn)		fn##_compat
#endif

#endif
