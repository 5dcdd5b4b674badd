// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Extended attributes: a list of a node, which is short. Their bytes are charged
 * in pages, rounded up for each node.
 */
#include "memfs.h"

#define XATTR_CREATE		1
#define XATTR_REPLACE		2

#define XATTR_NAME_BYTES		256	/* with the NUL */
#define XATTR_VALUE_BYTES	65536
#define XATTR_LIST_BYTES	65536	/* all names of a node with their NULs */

/**
 * struct memfs_xattr - one attribute
 * @next: of the node
 * @name_len: with the NUL
 * @value_len: bytes
 * @text: the name with its NUL, then the value
 */
struct memfs_xattr {
	struct memfs_xattr *next;
	u32 name_len;
	u32 value_len;
	char text[];
};

static bool has_prefix(const char *name, const char *prefix)
{
	size_t len = strlen(prefix);

	return !strncmp(name, prefix, len) && name[len];
}

static int name_check(const char *name)
{
	if (has_prefix(name, "user.") || has_prefix(name, "trusted.") ||
	    has_prefix(name, "security."))
		return 0;
	return -EOPNOTSUPP;
}

/* Where the pointer to the attribute of that name is, or would be. */
static struct memfs_xattr **find(struct memfs_node *node, const char *name)
{
	struct memfs_xattr **at;

	for (at = &node->xattrs; *at; at = &(*at)->next)
		if (!strcmp((*at)->text, name))
			break;
	return at;
}

static u64 list_len(const struct memfs_node *node)
{
	const struct memfs_xattr *x;
	u64 len = 0;

	for (x = node->xattrs; x; x = x->next)
		len += x->name_len;
	return len;
}

static u64 pages_of(const struct memfs_node *node)
{
	const struct memfs_xattr *x;
	u64 len = 0;

	for (x = node->xattrs; x; x = x->next)
		len += sizeof(*x) + x->name_len + x->value_len;
	return (len + FERRY_PAGE_SIZE - 1) / FERRY_PAGE_SIZE;
}

/* Let what is charged follow the list. */
static int charge(struct memfs *fs, struct memfs_node *node)
{
	u64 pages = pages_of(node);
	u64 more, granted;

	if (pages > node->xattr_pages) {
		more = pages - node->xattr_pages;
		granted = memfs_pages_charge(fs, more);
		if (granted < more) {
			memfs_pages_uncharge(fs, granted);
			return -ENOSPC;
		}
	} else {
		memfs_pages_uncharge(fs, node->xattr_pages - pages);
	}
	ferry_tx_save(node->xattr_pages);
	node->xattr_pages = pages;
	return 0;
}

void memfs_xattrs_clear(struct memfs *fs, struct memfs_node *node)
{
	struct memfs_xattr *x;

	ferry_tx_save(node->xattrs);
	while ((x = node->xattrs)) {
		node->xattrs = x->next;
		ferry_state_free(x);
	}
	charge(fs, node);
}

static int drop(struct memfs *fs, struct memfs_node *node, const char *name)
{
	struct memfs_xattr **at = find(node, name);
	struct memfs_xattr *x = *at;

	if (!x)
		return -ENODATA;
	ferry_tx_save(*at);
	*at = x->next;
	ferry_state_free(x);
	return charge(fs, node);
}

/* A changed file loses its capabilities */
void memfs_xattr_drop_caps(struct memfs *fs, struct memfs_node *node)
{
	if (unlikely(node->xattrs))
		drop(fs, node, "security.capability");
}

/* Put @x in, for the attribute of its name if there is one. On error it is not in. */
static int insert(struct memfs *fs, struct memfs_node *node, struct memfs_xattr *x, u32 flags)
{
	struct memfs_xattr **at = find(node, x->text);
	struct memfs_xattr *old = *at;
	int err;

	if (old && flags & XATTR_CREATE)
		return -EEXIST;
	if (!old && flags & XATTR_REPLACE)
		return -ENODATA;
	if (!old && list_len(node) + x->name_len > XATTR_LIST_BYTES)
		return -ENOSPC;

	x->next = old ? old->next : NULL;
	ferry_tx_save(*at);
	*at = x;
	err = charge(fs, node);
	if (err) {
		*at = old;
		return err;
	}
	ferry_state_free(old);
	return 0;
}

void memfs_setxattr(struct ferry_req *req, u64 id, const char *name, u32 len, u32 flags)
{
	struct memfs *fs = memfs_of(req);
	struct memfs_xattr *x = NULL;
	struct memfs_node *node;
	struct ferry_iov iov;
	ssize_t n;
	int err;

	err = name_check(name);
	if (err)
		goto out;
	err = -ENOMEM;
	x = ferry_state_alloc(sizeof(*x) + strlen(name) + 1 + len);
	if (!x)
		goto out;
	x->name_len = strlen(name) + 1;
	x->value_len = len;
	memcpy(x->text, name, x->name_len);
	iov.base = x->text + x->name_len;
	iov.len = len;
	n = len ? ferry_req_pull(req, 0, &iov, 1) : 0;
	if (n != (ssize_t)len) {
		err = n < 0 ? n : -EIO;
		goto out;
	}

	node = memfs_node_write(fs, id);
	err = -ESTALE;
	if (!node)
		goto out;
	err = insert(fs, node, x, flags);
	if (!err) {
		x = NULL;
		memfs_node_changed(node, false);
	}
	ferry_write_unlock(&node->lock);
out:
	ferry_state_free(x);
	ferry_reply_err(req, err);
}

void memfs_getxattr(struct ferry_req *req, u64 id, const char *name)
{
	struct memfs_node *node;
	struct memfs_xattr *x;
	int err;

	err = name_check(name);
	if (err) {
		ferry_reply_err(req, err);
		return;
	}
	node = memfs_node_read(memfs_of(req), id);
	if (!node) {
		ferry_reply_err(req, -ESTALE);
		return;
	}
	x = *find(node, name);
	if (x)
		ferry_reply_xattr(req, x->text + x->name_len, x->value_len);
	else
		ferry_reply_err(req, -ENODATA);
	ferry_read_unlock(&node->lock);
}

void memfs_listxattr(struct ferry_req *req, u64 id)
{
	const struct memfs_xattr *x;
	struct memfs_node *node;
	char *list = NULL;
	u64 len, at = 0;

	node = memfs_node_read(memfs_of(req), id);
	if (!node) {
		ferry_reply_err(req, -ESTALE);
		return;
	}
	len = list_len(node);
	if (len)
		list = ferry_alloc(len);
	for (x = node->xattrs; list && x; x = x->next) {
		memcpy(list + at, x->text, x->name_len);
		at += x->name_len;
	}
	ferry_read_unlock(&node->lock);
	if (at == len)
		ferry_reply_xattr(req, list, len);
	else
		ferry_reply_err(req, -ENOMEM);
	ferry_free(list);
}

void memfs_removexattr(struct ferry_req *req, u64 id, const char *name)
{
	struct memfs *fs = memfs_of(req);
	struct memfs_node *node;
	int err;

	err = name_check(name);
	if (err) {
		ferry_reply_err(req, err);
		return;
	}
	node = memfs_node_write(fs, id);
	if (!node) {
		ferry_reply_err(req, -ESTALE);
		return;
	}
	err = drop(fs, node, name);
	if (!err)
		memfs_node_changed(node, false);
	ferry_write_unlock(&node->lock);
	ferry_reply_err(req, err);
}

u32 memfs_xattrs_count(const struct memfs_node *node)
{
	const struct memfs_xattr *x;
	u32 nr = 0;

	for (x = node->xattrs; x; x = x->next)
		nr++;
	return nr;
}

void memfs_xattrs_save(struct ferry_stream *s, const struct memfs_node *node)
{
	const struct memfs_xattr *x;

	for (x = node->xattrs; x; x = x->next) {
		ferry_stream_write(s, &x->name_len, sizeof(x->name_len));
		ferry_stream_write(s, &x->value_len, sizeof(x->value_len));
		ferry_stream_write(s, x->text, x->name_len + x->value_len);
	}
}

/* @nr attributes, in their order, for a node that has none. */
int memfs_xattrs_load(struct ferry_stream *s, struct memfs_node *node, u32 nr)
{
	struct memfs_xattr **at = &node->xattrs;
	u32 name_len, value_len;

	for (; nr; nr--) {
		if (ferry_stream_read(s, &name_len, sizeof(name_len)) ||
		    ferry_stream_read(s, &value_len, sizeof(value_len)))
			break;
		if (name_len < 2 || name_len > XATTR_NAME_BYTES || value_len > XATTR_VALUE_BYTES)
			return -EPROTO;
		*at = ferry_state_alloc(sizeof(**at) + name_len + value_len);
		if (!*at)
			return -ENOMEM;
		(*at)->next = NULL;
		(*at)->name_len = name_len;
		(*at)->value_len = value_len;
		if (ferry_stream_read(s, (*at)->text, name_len + value_len))
			break;
		if (strnlen((*at)->text, name_len) != name_len - 1)
			return -EPROTO;
		at = &(*at)->next;
	}
	return s->err;
}
