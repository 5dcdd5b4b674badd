// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Nodes: their table, life and limits.
 *
 * A node's number is its index in the table and, above that, which of the lives
 * of that place it means. So a number that the client should have forgotten
 * finds no node instead of another one.
 */
#include "memfs.h"

#define LEVEL_BITS	9
#define LEVEL_SLOTS	(1U << LEVEL_BITS)
#define INDEX_BITS	32
#define NODES_PER_PAGE	((u32)(FERRY_PAGE_SIZE / sizeof(struct memfs_node)))

/* Slots of the table hold pointers as numbers; setting one publishes what it points at. */
static void *slot_get(const struct ferry_atomic *slot)
{
	return (void *)(uintptr_t)ferry_atomic_read(slot);
}

static void slot_set(struct ferry_atomic *slot, void *p)
{
	ferry_tx_save(*slot);
	ferry_atomic_set(slot, (uintptr_t)p);
}

static struct memfs_node *table_get(const struct memfs *fs, u32 index)
{
	const struct ferry_atomic *level = fs->table;

	if (index >= MEMFS_NODES_MAX)
		return NULL;
	level = slot_get(&level[index >> 2 * LEVEL_BITS]);
	if (!level)
		return NULL;
	level = slot_get(&level[(index >> LEVEL_BITS) % LEVEL_SLOTS]);
	if (!level)
		return NULL;
	return slot_get(&level[index % LEVEL_SLOTS]);
}

/* The page that @slot points at, made if it is not there. */
static struct ferry_atomic *level_make(struct ferry_atomic *slot)
{
	struct ferry_atomic *level = slot_get(slot);

	if (!level) {
		level = ferry_state_page_alloc();
		if (level)
			slot_set(slot, level);
	}
	return level;
}

/* Nodes share pages, which go with the server; here begins what the page of @index holds. */
static bool begins_page(u32 index)
{
	return (index - 1) % NODES_PER_PAGE == 0;
}

/* Room for the node of the next place. */
static struct memfs_node *node_place(const struct memfs *fs, u32 index)
{
	return begins_page(index) ? ferry_state_page_alloc_raw() : table_get(fs, index - 1) + 1;
}

/*
 * A node that never lived; the caller holds nodes_lock. What is not set here is when it
 * begins to live.
 */
static struct memfs_node *table_grow(struct memfs *fs)
{
	u32 index = fs->nr_known + 1;
	struct ferry_atomic *level;
	struct memfs_node *node;

	if (index >= MEMFS_NODES_MAX)
		return NULL;
	level = level_make(&fs->table[index >> 2 * LEVEL_BITS]);
	if (level)
		level = level_make(&level[(index >> LEVEL_BITS) % LEVEL_SLOTS]);
	if (!level)
		return NULL;
	node = node_place(fs, index);
	if (!node)
		return NULL;
	ferry_rwlock_init(&node->lock);
	ferry_atomic_set(&node->id, 0);
	node->index = index;
	node->generation = 0;
	slot_set(&level[index % LEVEL_SLOTS], node);
	ferry_tx_save(fs->nr_known);
	fs->nr_known = index;
	return node;
}

/* The node in a place of the table, dead or alive; NULL: there was never one */
struct memfs_node *memfs_node_at(const struct memfs *fs, u32 index)
{
	return table_get(fs, index);
}

/* The node in the place behind that of @node; NULL: that was the last */
struct memfs_node *memfs_node_next(const struct memfs *fs, struct memfs_node *node)
{
	u32 index = node->index + 1;

	if (index > fs->nr_known)
		return NULL;
	return begins_page(index) ? table_get(fs, index) : node + 1;
}

/*
 * The next place of the table, for load(): a node that never lived, of which nothing but the
 * lock, its number and its place are set; or NULL
 */
struct memfs_node *memfs_node_add(struct memfs *fs)
{
	return table_grow(fs);
}

/* A node that was loaded dead waits for its next life, if it has one */
void memfs_node_bury(struct memfs *fs, struct memfs_node *node)
{
	if (!node->generation)
		return;
	node->next_free = fs->dead;
	fs->dead = node;
}

static bool is(const struct memfs_node *node, u64 id)
{
	return likely(memfs_node_id(node) == id);
}

/*
 * The node of a number, locked for reading
 * Return: NULL if there is no such node any more
 */
struct memfs_node *memfs_node_read(struct memfs *fs, u64 id)
{
	struct memfs_node *node = table_get(fs, id);

	if (!node)
		return NULL;
	ferry_read_lock(&node->lock);
	if (is(node, id))
		return node;
	ferry_read_unlock(&node->lock);
	return NULL;
}

/* The node of a number, locked for writing; or NULL */
struct memfs_node *memfs_node_write(struct memfs *fs, u64 id)
{
	struct memfs_node *node = table_get(fs, id);

	if (!node)
		return NULL;
	ferry_write_lock(&node->lock);
	if (is(node, id))
		return node;
	ferry_write_unlock(&node->lock);
	return NULL;
}

/*
 * The directory of a number, to change its names
 * @err: -ESTALE, -ENOTDIR, or -ENOENT: it was removed
 * Return: the node, locked for writing, or NULL
 */
struct memfs_node *memfs_dir_write(struct memfs *fs, u64 id, int *err)
{
	struct memfs_node *dir = memfs_node_write(fs, id);

	if (!dir) {
		*err = -ESTALE;
		return NULL;
	}
	if (likely(dir->type == S_IFDIR && dir->nlink))
		return dir;
	*err = dir->type == S_IFDIR ? -ENOENT : -ENOTDIR;
	ferry_write_unlock(&dir->lock);
	return NULL;
}

/*
 * A node with one name to be, which nobody can find yet
 * @mode: type and permissions
 * Return: 0, -ENOSPC: the limit is reached, -ENOMEM. Goes on with
 *	memfs_node_publish() or memfs_node_discard().
 */
int memfs_node_new(struct memfs *fs, u32 mode, struct memfs_node **res)
{
	struct memfs_node *node;
	int err = -ENOSPC;

	ferry_mutex_lock(&fs->nodes_lock);
	if (fs->nr_nodes >= fs->max_nodes)
		goto out;
	node = fs->dead;
	if (node) {
		ferry_tx_save(fs->dead);
		fs->dead = node->next_free;
	} else {
		node = table_grow(fs);
	}
	err = -ENOMEM;
	if (!node)
		goto out;
	ferry_tx_save(fs->nr_nodes);
	fs->nr_nodes++;
	err = 0;
out:
	ferry_mutex_unlock(&fs->nodes_lock);
	if (err)
		return err;

	memfs_node_save(node);
	ferry_atomic_set(&node->nlookup, 0);
	node->type = mode & S_IFMT;
	node->perm = mode & 07777;
	node->nlink = 1;
	node->uid = 0;
	node->gid = 0;
	node->rdev = 0;
	node->size = 0;
	node->nr_pages = 0;
	node->xattr_pages = 0;
	node->xattrs = NULL;
	memset(&node->dir, 0, sizeof(node->dir));
	memfs_node_changed(node, true);
	node->atime = node->mtime;
	*res = node;
	return 0;
}

/* What its life's number is. */
u64 memfs_node_number(const struct memfs_node *node)
{
	return (u64)node->generation << INDEX_BITS | node->index;
}

/*
 * The node's number is valid from now on
 * @entry: the answer that tells the client, which counts a lookup
 */
void memfs_node_publish(struct memfs_node *node, struct ferry_entry *entry)
{
	u64 id = memfs_node_number(node);

	ferry_atomic_set(&node->nlookup, 1);
	memfs_node_entry(node, entry);
	entry->node = id;
	/* pairs with is(): whoever sees the number sees the node */
	ferry_atomic_set(&node->id, id);
}

/* End of a life. The caller holds the lock, or nobody knows the node. */
static void node_end(struct memfs *fs, struct memfs_node *node)
{
	memfs_node_save(node);
	ferry_atomic_set(&node->id, 0);
	memfs_xattrs_clear(fs, node);
	switch (node->type) {
	case S_IFREG:
		memfs_data_resize(fs, node, 0);
		break;
	case S_IFDIR:
		memfs_dir_clear(node);
		break;
	case S_IFLNK:
		ferry_state_free(node->target);
		break;
	}

	ferry_mutex_lock(&fs->nodes_lock);
	ferry_tx_save(fs->nr_nodes);
	fs->nr_nodes--;
	/* A place whose lives are used up stays empty. */
	if (++node->generation) {
		node->next_free = fs->dead;
		ferry_tx_save(fs->dead);
		fs->dead = node;
	}
	ferry_mutex_unlock(&fs->nodes_lock);
}

/* Give back what memfs_node_new() gave */
void memfs_node_discard(struct memfs *fs, struct memfs_node *node)
{
	node_end(fs, node);
}

/* Unlock a node, locked for writing, that may have been the last time */
void memfs_node_put(struct memfs *fs, struct memfs_node *node)
{
	if (!node->nlink && !ferry_atomic_read(&node->nlookup))
		node_end(fs, node);
	ferry_write_unlock(&node->lock);
}

/* The client, or who counted for it, takes lookups back */
void memfs_node_forget(struct memfs *fs, u64 id, u64 nlookup)
{
	struct memfs_node *node = memfs_node_write(fs, id);
	u64 known;

	if (!node)
		return;
	known = ferry_atomic_read(&node->nlookup);
	ferry_tx_save(node->nlookup);
	ferry_atomic_add(&node->nlookup, -(s64)min(nlookup, known));
	memfs_node_put(fs, node);
}

/* One more name for a node that has one; 0 or -ENOSPC */
int memfs_link_charge(struct memfs *fs)
{
	int err = 0;

	ferry_mutex_lock(&fs->nodes_lock);
	ferry_tx_save(fs->nr_nodes);
	if (fs->nr_nodes < fs->max_nodes)
		fs->nr_nodes++;
	else
		err = -ENOSPC;
	ferry_mutex_unlock(&fs->nodes_lock);
	return err;
}

void memfs_link_uncharge(struct memfs *fs)
{
	ferry_mutex_lock(&fs->nodes_lock);
	ferry_tx_save(fs->nr_nodes);
	fs->nr_nodes--;
	ferry_mutex_unlock(&fs->nodes_lock);
}

/*
 * Take pages from what the limit leaves
 * Return: how many were granted, @want at most
 */
u64 memfs_pages_charge(struct memfs *fs, u64 want)
{
	u64 total, over;

	if (!want)
		return 0;
	ferry_tx_save(fs->nr_pages);
	total = ferry_atomic_add(&fs->nr_pages, want);
	if (likely(!fs->max_pages || total <= fs->max_pages))
		return want;
	over = min(total - fs->max_pages, want);
	memfs_pages_uncharge(fs, over);
	return want - over;
}

void memfs_pages_uncharge(struct memfs *fs, u64 nr)
{
	if (!nr)
		return;
	ferry_tx_save(fs->nr_pages);
	ferry_atomic_add(&fs->nr_pages, -(s64)nr);
}

/* What stat() shows; the caller holds the lock */
void memfs_node_attr(const struct memfs_node *node, struct ferry_attr *attr)
{
	attr->node = node->index;
	attr->size = node->size;
	attr->blocks = node->nr_pages * (FERRY_PAGE_SIZE / 512);
	attr->atime = node->atime;
	attr->mtime = node->mtime;
	attr->ctime = node->ctime;
	attr->mode = node->type | node->perm;
	attr->nlink = node->nlink;
	attr->uid = node->uid;
	attr->gid = node->gid;
	attr->rdev = node->rdev;
	attr->blksize = FERRY_PAGE_SIZE;
	if (node->type == S_IFDIR) {
		attr->size = node->dir.nr;
		if (node->nlink)
			attr->nlink = 2 + node->dir.nr_dirs;
	}
}

/* The answer that names a node; the caller holds the lock */
void memfs_node_entry(const struct memfs_node *node, struct ferry_entry *entry)
{
	entry->node = memfs_node_id(node);
	entry->generation = 0;
	/* Nothing here changes but by the client's own requests. */
	entry->entry_ns = FERRY_FOREVER;
	entry->attr_ns = FERRY_FOREVER;
	memfs_node_attr(node, &entry->attr);
}

/* Stamp a node: its @contents or its attributes changed */
void memfs_node_changed(struct memfs_node *node, bool contents)
{
	ferry_tx_save(node->ctime);
	ferry_now(&node->ctime);
	if (contents) {
		ferry_tx_save(node->mtime);
		node->mtime = node->ctime;
	}
}

static bool not_after(const struct ferry_time *a, const struct ferry_time *b)
{
	return a->sec < b->sec || (a->sec == b->sec && a->nsec <= b->nsec);
}

/*
 * Unlock a node, locked for reading, whose contents were read. Its atime follows
 * if it is not behind the last change yet, so that it tells whether somebody has
 * read what is there; it does not follow each read, which would be a write.
 */
void memfs_node_accessed(struct memfs *fs, struct memfs_node *node)
{
	bool due = not_after(&node->atime, &node->mtime) || not_after(&node->atime, &node->ctime);
	u64 id = memfs_node_id(node);

	ferry_read_unlock(&node->lock);
	if (likely(!due))
		return;
	node = memfs_node_write(fs, id);
	if (!node)
		return;
	ferry_tx_save(node->atime);
	ferry_now(&node->atime);
	ferry_write_unlock(&node->lock);
}

/* What a write or chown does to S_ISUID and S_ISGID */
void memfs_node_kill_suid(struct memfs_node *node)
{
	ferry_tx_save(node->perm);
	node->perm &= ~S_ISUID;
	if (node->perm & S_IXGRP)
		node->perm &= ~S_ISGID;
}

int memfs_nodes_init(struct memfs *fs)
{
	fs->table = ferry_state_page_alloc();
	return fs->table ? 0 : -ENOMEM;
}

/* All nodes are as another server left them, but for their locks */
void memfs_nodes_resume(struct memfs *fs)
{
	u32 i;

	ferry_mutex_init(&fs->nodes_lock);
	for (i = 1; i <= fs->nr_known; i++)
		ferry_rwlock_init(&table_get(fs, i)->lock);
}

void memfs_nodes_destroy(struct memfs *fs)
{
	struct memfs_node *page = NULL;
	u32 i, j;

	for (i = 1; i <= fs->nr_known; i++) {
		struct memfs_node *node = table_get(fs, i);

		if (memfs_node_id(node))
			node_end(fs, node);
		ferry_rwlock_destroy(&node->lock);
		if (begins_page(i)) {
			ferry_state_page_free(page);
			page = node;
			ferry_yield();
		}
	}
	ferry_state_page_free(page);
	for (i = 0; i < LEVEL_SLOTS; i++) {
		struct ferry_atomic *level = slot_get(&fs->table[i]);

		for (j = 0; level && j < LEVEL_SLOTS; j++)
			ferry_state_page_free(slot_get(&level[j]));
		ferry_state_page_free(level);
	}
	ferry_state_page_free(fs->table);
}
