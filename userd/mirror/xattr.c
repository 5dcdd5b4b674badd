// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Extended attributes, which an O_PATH descriptor has not, but its name in /proc
 * does. That one leads to the file itself, also where it is a symbolic link.
 */
#include <sys/xattr.h>

#include "mirror.h"

#define XATTR_MAX	65536	/* bytes of a value, and of all names */

static struct mirror_node *get(struct ferry_req *req, u64 id, char *path)
{
	struct mirror_node *node = mirror_get(mirror_of(req), id);

	if (node)
		mirror_proc_path(node->fd, path);
	else
		ferry_reply_err(req, -ESTALE);
	return node;
}

/*
 * The VFS has no rule for "system.": what such an attribute means the filesystem knows, and who may
 * set it. The host's, where it is an ACL mostly, would look at our rights.
 */
static int check_owner(struct ferry_req *req, const struct mirror_node *node, const char *name)
{
	const u32 uid = ferry_req_cred(req)->uid;
	struct stat st;

	if (strncmp(name, "system.", 7) || !uid)
		return 0;
	if (fstat(node->fd, &st))
		return -errno;
	return st.st_uid == uid ? 0 : -EPERM;
}

void mirror_setxattr(struct ferry_req *req, u64 id, const char *name, u32 len, u32 flags)
{
	struct ferry_iov iov = { mirror_buffer(), len };
	const struct mirror_intent *left;
	char path[PROC_PATH];
	struct mirror_node *node;
	ssize_t n;
	int err;

	if (!iov.base) {
		ferry_reply_err(req, -ENOMEM);
		return;
	}
	n = len ? ferry_req_pull(req, 0, &iov, 1) : 0;
	if (n != (ssize_t)len) {
		ferry_reply_err(req, n < 0 ? n : -EIO);
		return;
	}
	node = get(req, id, path);
	if (!node)
		return;
	err = check_owner(req, node, name);
	if (err)
		goto put;
	/* It was made by the server that died. */
	left = mirror_intend_xattr(req, path, name);
	if (left && !left->there)
		flags &= ~XATTR_CREATE;
	err = setxattr(path, name, iov.base, len, flags) ? -errno : 0;
put:
	mirror_put(mirror_of(req), node);
	ferry_reply_err(req, err);
}

void mirror_getxattr(struct ferry_req *req, u64 id, const char *name)
{
	char *value = mirror_buffer();
	char path[PROC_PATH];
	struct mirror_node *node;
	ssize_t n;

	if (!value) {
		ferry_reply_err(req, -ENOMEM);
		return;
	}
	node = get(req, id, path);
	if (!node)
		return;
	n = getxattr(path, name, value, XATTR_MAX);
	mirror_put(mirror_of(req), node);
	if (n < 0)
		ferry_reply_err(req, -errno);
	else
		ferry_reply_xattr(req, value, n);
}

void mirror_listxattr(struct ferry_req *req, u64 id)
{
	char *list = mirror_buffer();
	char path[PROC_PATH];
	struct mirror_node *node;
	ssize_t n;

	if (!list) {
		ferry_reply_err(req, -ENOMEM);
		return;
	}
	node = get(req, id, path);
	if (!node)
		return;
	n = listxattr(path, list, XATTR_MAX);
	mirror_put(mirror_of(req), node);
	if (n < 0)
		ferry_reply_err(req, -errno);
	else
		ferry_reply_xattr(req, list, n);
}

void mirror_removexattr(struct ferry_req *req, u64 id, const char *name)
{
	char path[PROC_PATH];
	struct mirror_node *node = get(req, id, path);
	const struct mirror_intent *left;
	int err;

	if (!node)
		return;
	err = check_owner(req, node, name);
	if (err)
		goto put;
	left = mirror_intend_xattr(req, path, name);
	err = removexattr(path, name) ? -errno : 0;
	if (err == -ENODATA && left && left->there)
		err = 0;
put:
	mirror_put(mirror_of(req), node);
	ferry_reply_err(req, err);
}
