// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Operations that change names. See memfs.h for the order of the locks. */
#include "memfs.h"

static int set_target(struct memfs_node *node, const char *target)
{
	size_t len = strlen(target);

	node->target = ferry_state_alloc(len + 1);
	if (!node->target)
		return -ENOMEM;
	memcpy(node->target, target, len);
	node->size = len;
	return 0;
}

/* A node of any type under a new name; @target is of symlinks. */
static int make(struct ferry_req *req, u64 parent, const char *name, u32 mode, u32 rdev,
		const char *target, struct ferry_entry *entry)
{
	const struct ferry_cred *cred = ferry_req_cred(req);
	struct memfs *fs = memfs_of(req);
	struct memfs_node *dir, *node;
	size_t len = strlen(name);
	u32 hash = memfs_name_hash(fs, name, len);
	int err;

	ferry_read_lock(&fs->tree);
	dir = memfs_dir_write(fs, parent, &err);
	if (!dir)
		goto out_tree;
	err = -EEXIST;
	if (memfs_dir_find(dir, name, len, hash))
		goto out_dir;
	err = memfs_node_new(fs, mode, &node);
	if (err)
		goto out_dir;

	node->rdev = rdev;
	node->uid = cred->uid;
	node->gid = cred->gid;
	if (dir->perm & S_ISGID) {
		node->gid = dir->gid;
		if (node->type == S_IFDIR)
			node->perm |= S_ISGID;
	}
	if (node->type == S_IFDIR)
		node->dir.parent = dir;
	if (node->type == S_IFLNK)
		err = set_target(node, target);
	if (!err)
		err = memfs_dir_add(dir, name, len, hash, node);
	if (err) {
		memfs_node_discard(fs, node);
		goto out_dir;
	}
	memfs_node_publish(node, entry);
	memfs_node_changed(dir, true);
out_dir:
	ferry_write_unlock(&dir->lock);
out_tree:
	ferry_read_unlock(&fs->tree);
	return err;
}

static void reply_made(struct ferry_req *req, int err, const struct ferry_entry *entry)
{
	if (err)
		ferry_reply_err(req, err);
	else
		ferry_reply_entry(req, entry);
}

void memfs_mknod(struct ferry_req *req, u64 parent, const char *name, u32 mode, u32 rdev)
{
	struct ferry_entry entry;
	int err = -EINVAL;

	switch (mode & S_IFMT) {
	case S_IFREG:
	case S_IFIFO:
	case S_IFSOCK:
		err = make(req, parent, name, mode, 0, NULL, &entry);
		break;
	case S_IFCHR:
	case S_IFBLK:
		err = make(req, parent, name, mode, rdev, NULL, &entry);
		break;
	}
	reply_made(req, err, &entry);
}

void memfs_mkdir(struct ferry_req *req, u64 parent, const char *name, u32 mode)
{
	struct ferry_entry entry;
	int err = make(req, parent, name, S_IFDIR | (mode & 07777), 0, NULL, &entry);

	reply_made(req, err, &entry);
}

void memfs_symlink(struct ferry_req *req, u64 parent, const char *name, const char *target)
{
	struct ferry_entry entry;
	int err = make(req, parent, name, S_IFLNK | 0777, 0, target, &entry);

	reply_made(req, err, &entry);
}

void memfs_create(struct ferry_req *req, u64 parent, const char *name, u32 mode,
		  struct ferry_handle *handle)
{
	struct ferry_entry entry;
	int err = make(req, parent, name, S_IFREG | (mode & 07777), 0, NULL, &entry);

	if (err) {
		ferry_reply_err(req, err);
		return;
	}
	handle->keep = FERRY_OPEN_KEEP_CACHE;
	ferry_reply_create(req, &entry, handle);
}

/* A name of @node is gone. No lock of a node is held. */
static void drop_link(struct memfs *fs, struct memfs_node *node)
{
	ferry_write_lock(&node->lock);
	ferry_tx_save(node->nlink);
	if (--node->nlink)
		memfs_link_uncharge(fs);
	memfs_node_changed(node, false);
	memfs_node_put(fs, node);
}

static int unlink_name(struct memfs *fs, u64 parent, const char *name)
{
	size_t len = strlen(name);
	struct memfs_node *dir, *node = NULL;
	struct memfs_name *n;
	int err;

	ferry_read_lock(&fs->tree);
	dir = memfs_dir_write(fs, parent, &err);
	if (!dir)
		goto out;
	n = memfs_dir_find(dir, name, len, memfs_name_hash(fs, name, len));
	if (!n) {
		err = -ENOENT;
	} else if (n->node->type == S_IFDIR) {
		err = -EISDIR;
	} else {
		err = 0;
		node = n->node;
		memfs_dir_del(dir, n);
		memfs_node_changed(dir, true);
	}
	ferry_write_unlock(&dir->lock);
	if (node)
		drop_link(fs, node);
out:
	ferry_read_unlock(&fs->tree);
	return err;
}

void memfs_unlink(struct ferry_req *req, u64 parent, const char *name)
{
	ferry_reply_err(req, unlink_name(memfs_of(req), parent, name));
}

/*
 * The directory of a number, with memfs.tree held exclusively: as long as that is
 * so it stays alive and keeps its names, with no lock of its own.
 */
static struct memfs_node *dir_get(struct memfs *fs, u64 id, int *err)
{
	struct memfs_node *dir = memfs_dir_write(fs, id, err);

	if (dir)
		ferry_write_unlock(&dir->lock);
	return dir;
}

static struct memfs_name *find(const struct memfs *fs, const struct memfs_node *dir,
			       const char *name)
{
	size_t len = strlen(name);

	return memfs_dir_find(dir, name, len, memfs_name_hash(fs, name, len));
}

static void del_name(struct memfs_node *dir, struct memfs_name *name)
{
	ferry_write_lock(&dir->lock);
	memfs_dir_del(dir, name);
	memfs_node_changed(dir, true);
	ferry_write_unlock(&dir->lock);
}

static int add_name(struct memfs *fs, struct memfs_node *dir, const char *name,
		    struct memfs_node *node)
{
	size_t len = strlen(name);
	int err;

	ferry_write_lock(&dir->lock);
	err = memfs_dir_add(dir, name, len, memfs_name_hash(fs, name, len), node);
	if (!err)
		memfs_node_changed(dir, true);
	ferry_write_unlock(&dir->lock);
	return err;
}

static void set_name(struct memfs_node *dir, struct memfs_name *name, struct memfs_node *node)
{
	ferry_write_lock(&dir->lock);
	memfs_dir_set(dir, name, node);
	memfs_node_changed(dir, true);
	ferry_write_unlock(&dir->lock);
}

static int rmdir_name(struct memfs *fs, u64 parent, const char *name)
{
	struct memfs_node *dir, *node;
	struct memfs_name *n;
	int err;

	dir = dir_get(fs, parent, &err);
	if (!dir)
		return err;
	n = find(fs, dir, name);
	if (!n)
		return -ENOENT;
	node = n->node;
	if (node->type != S_IFDIR)
		return -ENOTDIR;
	if (node->dir.nr)
		return -ENOTEMPTY;
	del_name(dir, n);
	drop_link(fs, node);
	return 0;
}

void memfs_rmdir(struct ferry_req *req, u64 parent, const char *name)
{
	struct memfs *fs = memfs_of(req);
	int err;

	ferry_write_lock(&fs->tree);
	err = rmdir_name(fs, parent, name);
	ferry_write_unlock(&fs->tree);
	ferry_reply_err(req, err);
}

/* Is @dir the directory @top, or below it? */
static bool is_below(const struct memfs_node *dir, const struct memfs_node *top)
{
	while (dir != top && dir->dir.parent != dir)
		dir = dir->dir.parent;
	return dir == top;
}

/* What rename() refuses; @to is NULL where the new name is free. */
static int rename_check(const struct memfs_node *dir, const struct memfs_node *node,
			const struct memfs_node *new_dir, const struct memfs_name *to,
			u32 flags)
{
	bool exchange = flags & FERRY_RENAME_EXCHANGE;

	if (to && flags & FERRY_RENAME_NOREPLACE)
		return -EEXIST;
	if (!to && exchange)
		return -ENOENT;
	if (node->type == S_IFDIR && is_below(new_dir, node))
		return -EINVAL;
	if (!to)
		return 0;
	if (to->node->type == S_IFDIR && is_below(dir, to->node))
		return exchange ? -EINVAL : -ENOTEMPTY;
	if (exchange || to->node == node)
		return 0;
	if (to->node->type != S_IFDIR)
		return node->type == S_IFDIR ? -ENOTDIR : 0;
	if (node->type != S_IFDIR)
		return -EISDIR;
	return to->node->dir.nr ? -ENOTEMPTY : 0;
}

/* @node has a name in @dir now instead of elsewhere. */
static void moved(struct memfs_node *node, struct memfs_node *dir)
{
	ferry_write_lock(&node->lock);
	if (node->type == S_IFDIR) {
		ferry_tx_save(node->dir.parent);
		node->dir.parent = dir;
	}
	memfs_node_changed(node, false);
	ferry_write_unlock(&node->lock);
}

static int rename_name(struct memfs *fs, u64 parent, const char *name, u64 new_parent,
		       const char *new_name, u32 flags)
{
	struct memfs_node *dir, *new_dir, *node, *old;
	struct memfs_name *from, *to;
	int err;

	dir = dir_get(fs, parent, &err);
	if (!dir)
		return err;
	new_dir = dir_get(fs, new_parent, &err);
	if (!new_dir)
		return err;
	from = find(fs, dir, name);
	if (!from)
		return -ENOENT;
	node = from->node;
	to = find(fs, new_dir, new_name);
	err = rename_check(dir, node, new_dir, to, flags);
	if (err)
		return err;
	/* Two names of one node: there is nothing to do. */
	if (to && to->node == node)
		return 0;

	/*
	 * A name that is replaced stays where it is in the listing, and there is
	 * no moment in which the new name is not there.
	 */
	old = to ? to->node : NULL;
	if (to)
		set_name(new_dir, to, node);
	else
		err = add_name(fs, new_dir, new_name, node);
	if (err)
		return err;
	moved(node, new_dir);
	if (flags & FERRY_RENAME_EXCHANGE) {
		set_name(dir, from, old);
		moved(old, dir);
		return 0;
	}
	del_name(dir, from);
	if (old)
		drop_link(fs, old);
	return 0;
}

void memfs_rename(struct ferry_req *req, u64 parent, const char *name, u64 new_parent,
		  const char *new_name, u32 flags)
{
	struct memfs *fs = memfs_of(req);
	int err;

	ferry_write_lock(&fs->tree);
	err = rename_name(fs, parent, name, new_parent, new_name, flags);
	ferry_write_unlock(&fs->tree);
	ferry_reply_err(req, err);
}

static int link_name(struct memfs *fs, u64 id, u64 new_parent, const char *new_name,
		     struct ferry_entry *entry)
{
	struct memfs_node *node, *dir;
	int err;

	dir = dir_get(fs, new_parent, &err);
	if (!dir)
		return err;
	if (find(fs, dir, new_name))
		return -EEXIST;

	node = memfs_node_write(fs, id);
	if (!node)
		return -ESTALE;
	if (node->type == S_IFDIR)
		err = -EPERM;
	else if (!node->nlink)
		err = -ENOENT;
	else if (node->nlink >= MEMFS_LINK_MAX)
		err = -EMLINK;
	else
		err = memfs_link_charge(fs);
	if (!err) {
		ferry_tx_save(node->nlink);
		node->nlink++;
	}
	ferry_write_unlock(&node->lock);
	if (err)
		return err;

	err = add_name(fs, dir, new_name, node);
	if (err) {
		drop_link(fs, node);
		return err;
	}
	ferry_write_lock(&node->lock);
	memfs_node_changed(node, false);
	ferry_tx_save(node->nlookup);
	ferry_atomic_add(&node->nlookup, 1);
	memfs_node_entry(node, entry);
	ferry_write_unlock(&node->lock);
	return 0;
}

void memfs_link(struct ferry_req *req, u64 id, u64 new_parent, const char *new_name)
{
	struct memfs *fs = memfs_of(req);
	struct ferry_entry entry;
	int err;

	ferry_write_lock(&fs->tree);
	err = link_name(fs, id, new_parent, new_name, &entry);
	ferry_write_unlock(&fs->tree);
	reply_made(req, err, &entry);
}
