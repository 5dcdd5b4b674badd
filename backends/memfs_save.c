// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * memfs on its way to another server: all nodes in order of their place, and then what
 * those hold that hold anything. Numbers of nodes, lookup counts and the order of listings
 * stay, for the client goes on using them.
 *
 * Clients wait meanwhile. So what there may be ten thousands of, nodes and names, is
 * one piece of the stream each, which is written and read in the stream's buffer, and names
 * that are loaded share pages.
 *
 *	saved_fs
 *	saved_node	nr_known times
 *	saved_holder	and what it holds: extended attributes; then pages, each with its
 *			number before it, names, or a target
 *	...
 *	saved_holder	of index 0
 *
 * What is loaded may have been written by anybody: it takes no more memory than it has
 * bytes, and all that the rest of memfs relies on is checked: names and nodes are a tree.
 *
 * No request is under way: no lock is taken.
 */
#include "memfs.h"

#define END	(~0ULL)	/* of pages: no number is that great */
#define DEAD	S_IFMT	/* not 0: holes of a sparse file are no nodes */

struct saved_fs {
	u32 nr_known;
	u32 nr_nodes;
};

/* Those of which there are many are read and written where they lie in the stream's buffer. */
#define UNALIGNED __attribute__((packed))

/* Without holes: what is in them is nobody's to read. */
struct saved_time {
	s64 sec;
	u32 nsec;
	u32 zero;
} UNALIGNED;

/* @type: DEAD: nothing but @generation counts. Names make @nlink. */
struct saved_node {
	u64 nlookup;
	u64 size;
	u64 nr_pages;
	u64 xattr_pages;
	struct saved_time atime;
	struct saved_time mtime;
	struct saved_time ctime;
	u32 generation;
	u32 type;
	u32 perm;
	u32 uid;
	u32 gid;
	u32 rdev;
} UNALIGNED;

/*
 * struct saved_holder - a node that holds something: extended attributes, and by its type
 * pages up to END, names, or a target
 * @index: its place; 0: this is the end of the stream
 * @nr: a directory's names; bytes of a symlink's target
 * @cookie: of a directory: the last one given out
 */
struct saved_holder {
	u32 index;
	u32 nr_xattrs;
	u64 nr;
	u64 cookie;
};

/* @len bytes of text follow. */
struct saved_name {
	u64 cookie;
	u32 index;
	u32 len;
} UNALIGNED;

static struct saved_time save_time(const struct ferry_time *t)
{
	return (struct saved_time){ t->sec, t->nsec, 0 };
}

static struct ferry_time load_time(const struct saved_time *t)
{
	return (struct ferry_time){ t->sec, t->nsec };
}

static void save_node(struct ferry_stream *s, const struct memfs_node *node)
{
	struct saved_node *saved = ferry_stream_room(s, sizeof(*saved));

	if (!saved)
		return;
	if (!memfs_node_id(node)) {
		*saved = (struct saved_node){ .type = DEAD, .generation = node->generation };
		return;
	}
	saved->generation = node->generation;
	saved->nlookup = ferry_atomic_read(&node->nlookup);
	saved->size = node->size;
	saved->nr_pages = node->nr_pages;
	saved->xattr_pages = node->xattr_pages;
	saved->atime = save_time(&node->atime);
	saved->mtime = save_time(&node->mtime);
	saved->ctime = save_time(&node->ctime);
	saved->type = node->type;
	saved->perm = node->perm;
	saved->uid = node->uid;
	saved->gid = node->gid;
	saved->rdev = node->rdev;
}

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
	struct saved_name *saved;
	u64 at = 0;

	for (; (name = memfs_map_next(&node->dir.order, &at)); at++) {
		saved = ferry_stream_room(s, sizeof(*saved) + name->len);
		if (!saved)
			return;
		saved->cookie = name->cookie;
		saved->index = name->node->index;
		saved->len = name->len;
		memcpy(saved + 1, name->text, name->len);
	}
}

static void save_held(struct ferry_stream *s, const struct memfs_node *node)
{
	struct saved_holder saved = { .index = node->index };

	if (!memfs_node_id(node) ||
	    (!node->xattrs && (node->type == S_IFREG ? !node->pages.root :
			       node->type != S_IFDIR && node->type != S_IFLNK)))
		return;
	saved.nr_xattrs = memfs_xattrs_count(node);
	if (node->type == S_IFDIR) {
		saved.nr = node->dir.nr;
		saved.cookie = node->dir.cookie;
	} else if (node->type == S_IFLNK) {
		saved.nr = strlen(node->target);
	}
	ferry_stream_write(s, &saved, sizeof(saved));
	memfs_xattrs_save(s, node);
	if (node->type == S_IFREG)
		save_pages(s, node);
	else if (node->type == S_IFDIR)
		save_names(s, node);
	else if (node->type == S_IFLNK)
		ferry_stream_write(s, node->target, saved.nr);
}

int memfs_save(struct ferry_server *server, struct ferry_stream *s)
{
	const struct memfs *fs = server->priv;
	const struct saved_fs saved = { fs->nr_known, fs->nr_nodes };
	const struct saved_holder end = { .index = 0 };
	struct memfs_node *node;

	ferry_stream_write(s, &saved, sizeof(saved));
	for (node = memfs_node_at(fs, 1); node && !s->err; node = memfs_node_next(fs, node))
		save_node(s, node);
	for (node = memfs_node_at(fs, 1); node && !s->err; node = memfs_node_next(fs, node))
		save_held(s, node);
	return ferry_stream_write(s, &end, sizeof(end));
}

static bool is_type(u32 type)
{
	return type == S_IFREG || type == S_IFDIR || type == S_IFLNK || type == S_IFCHR ||
	       type == S_IFBLK || type == S_IFIFO || type == S_IFSOCK;
}

/* All of it but what it holds; the root is there already, and has no names yet. */
static int load_node(struct memfs *fs, struct ferry_stream *s, u32 index)
{
	const bool is_root = index == 1;
	const struct saved_node *saved = ferry_stream_next(s, sizeof(*saved));
	struct memfs_node *node;

	if (!saved)
		return s->err;
	if (is_root ? saved->type != S_IFDIR || saved->generation :
		      saved->type != DEAD && !is_type(saved->type))
		return -EPROTO;
	node = is_root ? memfs_node_at(fs, 1) : memfs_node_add(fs);
	if (!node)
		return -ENOMEM;
	node->generation = saved->generation;
	if (saved->type == DEAD) {
		memfs_node_bury(fs, node);
		return 0;
	}
	node->type = saved->type;
	node->perm = saved->perm & 07777;
	node->nlink = is_root;
	node->uid = saved->uid;
	node->gid = saved->gid;
	node->rdev = saved->rdev;
	node->size = min(saved->size, MEMFS_SIZE_MAX);
	node->nr_pages = saved->nr_pages;
	node->xattr_pages = saved->xattr_pages;
	node->atime = load_time(&saved->atime);
	node->mtime = load_time(&saved->mtime);
	node->ctime = load_time(&saved->ctime);
	if (!is_root) {
		node->xattrs = NULL;
		memset(&node->dir, 0, sizeof(node->dir));
	}
	ferry_atomic_set(&node->nlookup, saved->nlookup);
	ferry_atomic_set(&node->id, memfs_node_number(node));
	ferry_atomic_add(&fs->nr_pages, saved->nr_pages + saved->xattr_pages);
	return 0;
}

static int load_pages(struct ferry_stream *s, struct memfs_node *node)
{
	void *page;
	u64 nr;
	int err;

	while (!ferry_stream_read(s, &nr, sizeof(nr)) && nr != END) {
		if (nr > MEMFS_SIZE_MAX / FERRY_PAGE_SIZE || memfs_map_get(&node->pages, nr))
			return -EPROTO;
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

/* Another name of @node, in @dir: of a directory it is the only one, and the root has none. */
static int add_link(struct memfs_node *dir, struct memfs_node *node)
{
	if (!node || !memfs_node_id(node) ||
	    (node->type == S_IFDIR && node->nlink) || node->nlink == MEMFS_LINK_MAX)
		return -EPROTO;
	node->nlink++;
	if (node->type == S_IFDIR)
		node->dir.parent = dir;
	return 0;
}

static int load_name(struct memfs *fs, struct ferry_stream *s, struct memfs_node *dir,
		     struct memfs_row **row)
{
	const struct saved_name *saved = ferry_stream_next(s, sizeof(*saved));
	struct memfs_node *node;
	struct saved_name name;
	const char *text;
	u32 hash;
	int err;

	if (!saved)
		return s->err;
	name = *saved;
	if (!name.len || name.len > MEMFS_NAME_MAX || name.cookie <= dir->dir.cookie ||
	    name.cookie == END)
		return -EPROTO;
	text = ferry_stream_next(s, name.len);
	if (!text)
		return s->err;
	hash = memfs_name_hash(fs, text, name.len);
	if (memchr(text, 0, name.len) || memchr(text, '/', name.len) ||
	    memfs_dir_find(dir, text, name.len, hash))
		return -EPROTO;
	node = memfs_node_at(fs, name.index);
	err = add_link(dir, node);
	if (err)
		return err;
	/* It gets the next cookie, which is its own then. */
	dir->dir.cookie = name.cookie - 1;
	return memfs_dir_load(dir, text, name.len, hash, node, row);
}

static int load_names(struct memfs *fs, struct ferry_stream *s, struct memfs_node *dir,
		      const struct saved_holder *saved)
{
	struct memfs_row *row = NULL;
	u64 nr;
	int err;

	if (dir->dir.nr)
		return -EPROTO;
	memfs_dir_expect(dir, saved->nr);
	for (nr = 0; nr < saved->nr; nr++) {
		err = load_name(fs, s, dir, &row);
		if (err)
			return err;
	}
	if (saved->cookie < dir->dir.cookie || saved->cookie == END)
		return -EPROTO;
	dir->dir.cookie = saved->cookie;
	return 0;
}

static int load_target(struct ferry_stream *s, struct memfs_node *node, u64 len)
{
	if (len >= FERRY_PAGE_SIZE || node->target)
		return -EPROTO;
	node->target = ferry_state_alloc(len + 1);
	if (!node->target)
		return -ENOMEM;
	return ferry_stream_read(s, node->target, len);
}

static int load_held(struct memfs *fs, struct ferry_stream *s, const struct saved_holder *saved)
{
	struct memfs_node *node = memfs_node_at(fs, saved->index);
	int err;

	if (!node || !memfs_node_id(node) || node->xattrs)
		return -EPROTO;
	err = memfs_xattrs_load(s, node, saved->nr_xattrs);
	if (err)
		return err;
	switch (node->type) {
	case S_IFREG:
		return load_pages(s, node);
	case S_IFDIR:
		return load_names(fs, s, node, saved);
	case S_IFLNK:
		return load_target(s, node, saved->nr);
	}
	return 0;
}

/*
 * Whoever goes up from a directory comes to the root, or to one that was removed, which
 * gets the root above it. @seen: by place, from which directory it was come by.
 */
static int check_ways_up(struct memfs *fs, u32 *seen)
{
	struct memfs_node *root = memfs_node_at(fs, 1), *node;
	u32 i;

	for (i = 1; i <= fs->nr_known; i++) {
		node = memfs_node_at(fs, i);
		if (!memfs_node_id(node))
			continue;
		/* Everything else holds what its type says. */
		if (node->type == S_IFLNK && !node->target)
			return -EPROTO;
		if (node->type != S_IFDIR)
			continue;
		if (!node->dir.parent)
			node->dir.parent = root;
		while (!seen[node->index - 1]) {
			seen[node->index - 1] = i;
			if (node == root || !node->dir.parent)
				break;
			node = node->dir.parent;
			if (seen[node->index - 1] == i)
				return -EPROTO;
		}
	}
	return 0;
}

static int check_tree(struct memfs *fs)
{
	u32 *seen = ferry_alloc(fs->nr_known * sizeof(*seen));
	int err = seen ? check_ways_up(fs, seen) : -ENOMEM;

	ferry_free(seen);
	return err;
}

/* The server has nothing but its root, whose place is taken by the saved one. */
int memfs_load(struct ferry_server *server, struct ferry_stream *s)
{
	struct memfs *fs = server->priv;
	struct saved_holder held;
	struct saved_fs saved;
	int err = 0;
	u32 i;

	if (ferry_stream_read(s, &saved, sizeof(saved)))
		return s->err;
	if (!saved.nr_known || saved.nr_known >= MEMFS_NODES_MAX)
		return -EPROTO;
	for (i = 1; i <= saved.nr_known && !err; i++)
		err = load_node(fs, s, i);
	while (!err) {
		err = ferry_stream_read(s, &held, sizeof(held));
		if (err || !held.index)
			break;
		err = load_held(fs, s, &held);
	}
	if (!err)
		err = check_tree(fs);
	fs->nr_nodes = saved.nr_nodes;
	return err;
}
