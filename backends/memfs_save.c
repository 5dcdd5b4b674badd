// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * memfs on its way to another server: all nodes in order of their place, each followed
 * by what it holds. Numbers of nodes, lookup counts and the order of listings stay, for
 * the client goes on using them.
 *
 * No request is under way: no lock is taken.
 */
#include "memfs.h"

#define END	(~0ULL)	/* of pages and names: no key is that great */

/*
 * struct saved_node - a node, and how much of what follows is its own
 * @id: 0: dead, and nothing but @generation counts
 * @parent: of a directory: its parent's place
 * @cookie: of a directory: the last one given out
 * @nr_dirs: of a directory: its subdirectories
 * @target_len: of a symlink: bytes of its target
 * @nr_xattrs: how many extended attributes follow first
 */
struct saved_node {
	u64 id;
	u64 nlookup;
	u64 size;
	u64 nr_pages;
	u64 xattr_pages;
	u64 cookie;
	struct ferry_time atime;
	struct ferry_time mtime;
	struct ferry_time ctime;
	u32 generation;
	u32 type;
	u32 perm;
	u32 nlink;
	u32 uid;
	u32 gid;
	u32 rdev;
	u32 parent;
	u32 nr_dirs;
	u32 target_len;
	u32 nr_xattrs;
	u32 pad;
};

struct saved_name {
	u64 cookie;
	u32 index;
	u32 len;
};

static void save_pages(struct ferry_stream *s, const struct memfs_node *node)
{
	u64 nr = 0, end = END;
	void *page;

	for (; (page = memfs_map_next(&node->pages, &nr)) && !s->err; nr++) {
		ferry_stream_write(s, &nr, sizeof(nr));
		ferry_stream_write(s, page, FERRY_PAGE_SIZE);
	}
	ferry_stream_write(s, &end, sizeof(end));
}

static void save_names(struct ferry_stream *s, const struct memfs_node *node)
{
	const struct memfs_name *name;
	struct saved_name saved;
	u64 at = 0;

	for (; (name = memfs_map_next(&node->dir.order, &at)) && !s->err; at++) {
		saved = (struct saved_name){ name->cookie, name->node->index, name->len };
		ferry_stream_write(s, &saved, sizeof(saved));
		ferry_stream_write(s, name->text, name->len);
	}
	saved = (struct saved_name){ .cookie = END };
	ferry_stream_write(s, &saved, sizeof(saved));
}

static void save_node(struct ferry_stream *s, const struct memfs_node *node)
{
	struct saved_node saved = {
		.id = memfs_node_id(node),
		.nlookup = ferry_atomic_read(&node->nlookup),
		.size = node->size,
		.nr_pages = node->nr_pages,
		.xattr_pages = node->xattr_pages,
		.atime = node->atime,
		.mtime = node->mtime,
		.ctime = node->ctime,
		.generation = node->generation,
		.type = node->type,
		.perm = node->perm,
		.nlink = node->nlink,
		.uid = node->uid,
		.gid = node->gid,
		.rdev = node->rdev,
	};

	if (saved.id && node->type == S_IFDIR) {
		saved.parent = node->dir.parent->index;
		saved.cookie = node->dir.cookie;
		saved.nr_dirs = node->dir.nr_dirs;
	} else if (saved.id && node->type == S_IFLNK) {
		saved.target_len = strlen(node->target);
	}
	if (saved.id)
		saved.nr_xattrs = memfs_xattrs_count(node);
	ferry_stream_write(s, &saved, sizeof(saved));
	if (!saved.id)
		return;
	memfs_xattrs_save(s, node);
	if (node->type == S_IFREG)
		save_pages(s, node);
	else if (node->type == S_IFDIR)
		save_names(s, node);
	else if (node->type == S_IFLNK)
		ferry_stream_write(s, node->target, saved.target_len);
}

int memfs_save(struct ferry_server *server, struct ferry_stream *s)
{
	struct memfs *fs = server->priv;
	u32 i;

	ferry_stream_write(s, &fs->nr_known, sizeof(fs->nr_known));
	ferry_stream_write(s, &fs->nr_nodes, sizeof(fs->nr_nodes));
	for (i = 1; i <= fs->nr_known && !s->err; i++)
		save_node(s, memfs_node_at(fs, i));
	return s->err;
}

static int load_pages(struct ferry_stream *s, struct memfs_node *node)
{
	void *page;
	u64 nr;
	int err;

	memset(&node->pages, 0, sizeof(node->pages));
	while (!ferry_stream_read(s, &nr, sizeof(nr)) && nr != END) {
		page = ferry_state_page_alloc();
		if (!page)
			return -ENOMEM;
		err = memfs_map_set(&node->pages, nr, page);
		if (err) {
			ferry_state_page_free(page);
			return err;
		}
		ferry_stream_read(s, page, FERRY_PAGE_SIZE);
	}
	return s->err;
}

static int load_names(struct memfs *fs, struct ferry_stream *s, struct memfs_node *dir,
		      const struct saved_node *saved)
{
	struct saved_name name;
	char text[MEMFS_NAME_MAX];
	struct memfs_node *node;
	int err;

	memset(&dir->dir, 0, sizeof(dir->dir));
	dir->dir.parent = memfs_node_at(fs, saved->parent);
	if (!dir->dir.parent)
		return -EPROTO;
	while (!ferry_stream_read(s, &name, sizeof(name)) && name.cookie != END) {
		node = memfs_node_at(fs, name.index);
		if (!node || name.len > sizeof(text))
			return -EPROTO;
		if (ferry_stream_read(s, text, name.len))
			break;
		/* It gets the next cookie, which is its own then. */
		dir->dir.cookie = name.cookie - 1;
		err = memfs_dir_add(dir, text, name.len, memfs_name_hash(fs, text, name.len),
				    node);
		if (err)
			return err;
	}
	dir->dir.cookie = saved->cookie;
	/* Some of the names' nodes are not loaded yet, and have no type. */
	dir->dir.nr_dirs = saved->nr_dirs;
	return s->err;
}

static int load_target(struct ferry_stream *s, struct memfs_node *node, u32 len)
{
	if (len >= FERRY_PAGE_SIZE)
		return -EPROTO;
	node->target = ferry_state_alloc(len + 1);
	if (!node->target)
		return -ENOMEM;
	return ferry_stream_read(s, node->target, len);
}

/* All of it but what it holds. */
static void load_head(struct memfs_node *node, const struct saved_node *saved)
{
	node->generation = saved->generation;
	node->type = saved->type;
	node->perm = saved->perm;
	node->nlink = saved->nlink;
	node->uid = saved->uid;
	node->gid = saved->gid;
	node->rdev = saved->rdev;
	node->size = saved->size;
	node->nr_pages = saved->nr_pages;
	node->xattr_pages = saved->xattr_pages;
	node->atime = saved->atime;
	node->mtime = saved->mtime;
	node->ctime = saved->ctime;
	ferry_atomic_set(&node->nlookup, saved->nlookup);
	ferry_atomic_set(&node->id, saved->id);
}

static int load_node(struct memfs *fs, struct ferry_stream *s, struct memfs_node *node)
{
	struct saved_node saved;
	int err;

	err = ferry_stream_read(s, &saved, sizeof(saved));
	if (err)
		return err;
	load_head(node, &saved);
	if (!saved.id) {
		memfs_node_bury(fs, node);
		return 0;
	}
	ferry_atomic_add(&fs->nr_pages, saved.nr_pages + saved.xattr_pages);
	err = memfs_xattrs_load(s, node, saved.nr_xattrs);
	if (err)
		return err;
	switch (saved.type) {
	case S_IFREG:
		return load_pages(s, node);
	case S_IFDIR:
		return load_names(fs, s, node, &saved);
	case S_IFLNK:
		return load_target(s, node, saved.target_len);
	}
	return 0;
}

/* The server has nothing but its root, whose place is taken by the saved one. */
int memfs_load(struct ferry_server *server, struct ferry_stream *s)
{
	struct memfs *fs = server->priv;
	u32 nr_known, nr_nodes, i;
	int err = 0;

	if (ferry_stream_read(s, &nr_known, sizeof(nr_known)) ||
	    ferry_stream_read(s, &nr_nodes, sizeof(nr_nodes)))
		return s->err;
	if (!nr_known || nr_known >= MEMFS_NODES_MAX)
		return -EPROTO;
	for (i = 1; i <= nr_known; i++) {
		if (!memfs_node_at(fs, i) && !memfs_node_add(fs))
			return -ENOMEM;
	}
	for (i = 1; i <= nr_known && !err; i++)
		err = load_node(fs, s, memfs_node_at(fs, i));
	fs->nr_nodes = nr_nodes;
	return err;
}
