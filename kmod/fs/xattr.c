// SPDX-License-Identifier: GPL-2.0-only
/* Extended attributes: names pass as they are, whatever their prefix. */
#include <linux/limits.h>
#include "fs/fs.h"

/*
 * POSIX ACLs are not agreed on, so the VFS would not heed them. Newer kernels do not
 * even ask a filesystem; here neither the server is asked, once for each `ls -l` of a file.
 */
static bool is_acl(const char *name)
{
	return !strcmp(name, XATTR_NAME_POSIX_ACL_ACCESS) ||
	       !strcmp(name, XATTR_NAME_POSIX_ACL_DEFAULT);
}

static int xattr_set(const struct xattr_handler *handler, struct mnt_idmap *idmap,
		     struct dentry *dentry, struct inode *inode, const char *name,
		     const void *value, size_t size, int flags)
{
	struct ferry_mount *m = ferry_mount_of(inode);
	struct kvec kvec = { (void *)value, size };
	struct fuse_setxattr_in in;
	struct ferry_args args;
	struct iov_iter iter;
	bool *none;
	int err;

	if (ferry_is_bad(inode))
		return -EIO;
	if (size > XATTR_SIZE_MAX)
		return -E2BIG;
	none = value ? &m->no_setxattr : &m->no_removexattr;
	if (*none || is_acl(name))
		return -EOPNOTSUPP;

	if (value) {
		in.size = size;
		in.flags = flags;
		iov_iter_kvec(&iter, ITER_SOURCE, &kvec, 1, size);
		ferry_args_init(&args, FUSE_SETXATTR, ferry_inode_of(inode)->node);
		/* The short form: FUSE_SETXATTR_EXT is not agreed on. */
		ferry_args_in(&args, &in, FUSE_COMPAT_SETXATTR_IN_SIZE);
		ferry_args_in(&args, name, strlen(name) + 1);
		if (size)
			ferry_args_data(&args, FERRY_ARGS_DATA_IN, &iter);
	} else {
		ferry_args_init(&args, FUSE_REMOVEXATTR, ferry_inode_of(inode)->node);
		ferry_args_in(&args, name, strlen(name) + 1);
	}
	err = ferry_call_for_room(m, &args);
	if (err == -ENOSYS) {
		*none = true;
		return -EOPNOTSUPP;
	}
	/* It may have been done all the same. */
	if (err)
		ferry_attr_modified(inode, STATX_CTIME);
	else
		ferry_ctime_now(inode);
	return err;
}

/* GETXATTR or, without @name, LISTXATTR; with @size 0 the size that is needed. */
static ssize_t ask(struct inode *inode, const char *name, void *value, size_t size, bool *none)
{
	struct ferry_mount *m = ferry_mount_of(inode);
	struct fuse_getxattr_in in = { .size = size };
	struct kvec kvec = { value, size };
	struct fuse_getxattr_out out;
	struct ferry_args args;
	struct iov_iter iter;
	int err;

	if (ferry_is_bad(inode))
		return -EIO;
	if (*none || (name && is_acl(name)))
		return -EOPNOTSUPP;
	ferry_args_init(&args, name ? FUSE_GETXATTR : FUSE_LISTXATTR,
			ferry_inode_of(inode)->node);
	ferry_args_in(&args, &in, sizeof(in));
	if (name)
		ferry_args_in(&args, name, strlen(name) + 1);
	if (size) {
		iov_iter_kvec(&iter, ITER_DEST, &kvec, 1, size);
		ferry_args_data(&args, FERRY_ARGS_DATA_OUT, &iter);
	} else {
		ferry_args_out(&args, &out, sizeof(out));
	}
	err = ferry_call(m->chan, &args);
	if (err == -ENOSYS) {
		*none = true;
		return -EOPNOTSUPP;
	}
	if (err)
		return err;
	return size ? args.data_done : min_t(size_t, out.size, XATTR_SIZE_MAX);
}

static int xattr_get(const struct xattr_handler *handler, struct dentry *dentry,
		     struct inode *inode, const char *name, void *value, size_t size)
{
	return ask(inode, name, value, min_t(size_t, size, XATTR_SIZE_MAX),
		   &ferry_mount_of(inode)->no_getxattr);
}

static bool names_ok(const char *list, size_t len)
{
	size_t n;

	for (; len; list += n, len -= n) {
		n = strnlen(list, len) + 1;
		if (n == 1 || n > len)
			return false;
	}
	return true;
}

/* Take the names out of @list that only an administrator may see. Return: what is left of @len. */
static size_t drop_trusted(char *list, size_t len)
{
	size_t n, at, kept = 0;

	for (at = 0; at < len; at += n) {
		n = strlen(list + at) + 1;
		if (!strncmp(list + at, XATTR_TRUSTED_PREFIX, XATTR_TRUSTED_PREFIX_LEN))
			continue;
		memmove(list + kept, list + at, n);
		kept += n;
	}
	return kept;
}

/* All names that the server tells; @size is not 0. */
static ssize_t list_all(struct inode *inode, char *list, size_t size)
{
	ssize_t ret = ask(inode, NULL, list, size, &ferry_mount_of(inode)->no_listxattr);

	return ret > 0 && !names_ok(list, ret) ? -EIO : ret;
}

/* Who may not see all of them is not told either how long they are, nor that they do not fit. */
static ssize_t list_visible(struct inode *inode, char *list, size_t size)
{
	ssize_t ret = size ? list_all(inode, list, size) :
			     ask(inode, NULL, NULL, 0, &ferry_mount_of(inode)->no_listxattr);
	char *all;

	if (ret > 0 && size)
		return drop_trusted(list, ret);
	if (ret <= 0 && ret != -ERANGE)
		return ret;
	all = kvmalloc(XATTR_LIST_MAX, GFP_KERNEL);
	if (!all)
		return -ENOMEM;
	ret = list_all(inode, all, XATTR_LIST_MAX);
	if (ret > 0)
		ret = drop_trusted(all, ret);
	if (ret > 0 && size) {
		if (ret > (ssize_t)size)
			ret = -ERANGE;
		else
			memcpy(list, all, ret);
	}
	kvfree(all);
	return ret;
}

ssize_t ferry_listxattr(struct dentry *dentry, char *list, size_t size)
{
	struct inode *inode = d_inode(dentry);
	struct ferry_mount *m = ferry_mount_of(inode);

	if (!ferry_may_enter(m))
		return -EACCES;
	size = min_t(size_t, size, XATTR_LIST_MAX);
	if (!ns_capable_noaudit(&init_user_ns, CAP_SYS_ADMIN))
		return list_visible(inode, list, size);
	return size ? list_all(inode, list, size) : ask(inode, NULL, NULL, 0, &m->no_listxattr);
}

static const struct xattr_handler handler = {
	.prefix	= "",
	.get	= xattr_get,
	.set	= xattr_set,
};

const struct xattr_handler *const ferry_xattr_handlers[] = {
	&handler,
	NULL,
};
