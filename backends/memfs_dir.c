// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The names of one directory: found by a hash table, listed in the order of
 * their cookies, the newest first. A name keeps its cookie as long as it is there
 * and no cookie is used twice, so a listing goes on at any offset whatever was made
 * or removed meanwhile. What was made meanwhile is behind it: who renames or replaces
 * each name as it comes would never be done otherwise.
 */
#include "memfs.h"

#define BUCKETS_MIN	16
#define BUCKETS_EXPECT	(1U << 16)	/* made for names that were not seen yet */
#define COOKIE_DOT	1	/* of "." and ".."; names have more */
#define COOKIE_DOTDOT	2

/* Of a name; differs from server to server */
u32 memfs_name_hash(const struct memfs *fs, const char *name, size_t len)
{
	u64 h = fs->seed ^ len;
	u64 w;

	for (; len; name += min(len, sizeof(w)), len -= min(len, sizeof(w))) {
		w = 0;
		memcpy(&w, name, min(len, sizeof(w)));
		h = (h ^ w) * 0x9e3779b97f4a7c15ULL;
		h ^= h >> 29;
	}
	return h ^ h >> 32;
}

static struct memfs_name **bucket_of(const struct memfs_dir *d, u32 hash)
{
	return &d->bucket[hash & (d->nr_buckets - 1)];
}

struct memfs_name *memfs_dir_find(const struct memfs_node *dir, const char *name, size_t len,
				  u32 hash)
{
	struct memfs_name *n;

	if (!dir->dir.nr)
		return NULL;
	for (n = *bucket_of(&dir->dir, hash); n; n = n->chain)
		if (n->hash == hash && n->len == len && !memcmp(n->text, name, len))
			return n;
	return NULL;
}

/* Keep the chains short. Without memory they get longer; only the first table is a must. */
static int buckets_make(struct memfs_dir *d, u32 nr)
{
	struct memfs_dir bigger = { .nr_buckets = nr };
	struct memfs_name *n, *next;
	u32 i;

	bigger.bucket = ferry_state_alloc(nr * sizeof(*bigger.bucket));
	if (!bigger.bucket)
		return d->bucket ? 0 : -ENOMEM;
	for (i = 0; i < d->nr_buckets; i++) {
		for (n = d->bucket[i]; n; n = next) {
			struct memfs_name **to = bucket_of(&bigger, n->hash);

			next = n->chain;
			ferry_tx_save(n->chain);
			n->chain = *to;
			*to = n;
		}
		if (i % 64 == 0)
			ferry_yield();
	}
	ferry_state_free(d->bucket);
	d->bucket = bigger.bucket;
	d->nr_buckets = nr;
	return 0;
}

static int buckets_grow(struct memfs_dir *d)
{
	return buckets_make(d, d->nr_buckets ? d->nr_buckets * 2 : BUCKETS_MIN);
}

/* @nr names will be put into an empty directory, or so it is said */
void memfs_dir_expect(struct memfs_node *dir, u64 nr)
{
	u32 buckets = BUCKETS_MIN;

	while (buckets < nr && buckets < BUCKETS_EXPECT)
		buckets *= 2;
	if (nr)
		buckets_make(&dir->dir, buckets);
}

static void name_free(struct memfs_name *n)
{
	struct memfs_row *row = (void *)((uintptr_t)n & -(uintptr_t)FERRY_PAGE_SIZE);

	if (!n->in_row) {
		ferry_state_free(n);
		return;
	}
	ferry_tx_save(row->nr);
	if (!--row->nr)
		ferry_state_page_free(row);
}

/* Behind those in @row, or in a new one. */
static struct memfs_name *name_in_row(struct memfs_row **row, size_t len)
{
	const size_t size = (sizeof(struct memfs_name) + len + 7) & ~7UL;
	struct memfs_row *r = *row;
	struct memfs_name *n;

	if (!r || r->used + size > FERRY_PAGE_SIZE) {
		r = ferry_state_page_alloc_raw();
		*row = r;
		if (!r)
			return NULL;
		r->nr = 0;
		r->used = sizeof(*r);
	}
	n = (void *)((char *)r + r->used);
	n->in_row = true;
	r->used += size;
	r->nr++;
	return n;
}

static struct memfs_name *name_alloc(size_t len)
{
	struct memfs_name *n = ferry_state_alloc(sizeof(*n) + len);

	if (n)
		n->in_row = false;
	return n;
}

/*
 * Put a name in that is not there. @row: NULL, or where it is to lie: of NULL at first; the
 * first name that finds no memory is the last.
 * Return: 0 or -ENOMEM
 */
int memfs_dir_load(struct memfs_node *dir, const char *name, size_t len, u32 hash,
		   struct memfs_node *node, struct memfs_row **row)
{
	struct memfs_dir *d = &dir->dir;
	struct memfs_name **bucket;
	struct memfs_name *n;
	int err;

	ferry_tx_save(*d);
	if (d->nr >= d->nr_buckets) {
		err = buckets_grow(d);
		if (err)
			return err;
	}
	n = row ? name_in_row(row, len) : name_alloc(len);
	if (!n)
		return -ENOMEM;
	n->cookie = max(d->cookie, (u64)COOKIE_DOTDOT) + 1;
	err = memfs_map_set(&d->order, n->cookie, n);
	if (err) {
		name_free(n);
		return err;
	}
	d->cookie = n->cookie;
	n->node = node;
	n->hash = hash;
	n->len = len;
	memcpy(n->text, name, len);
	bucket = bucket_of(d, hash);
	n->chain = *bucket;
	ferry_tx_save(*bucket);
	*bucket = n;
	d->nr++;
	d->nr_dirs += node->type == S_IFDIR;
	return 0;
}

int memfs_dir_add(struct memfs_node *dir, const char *name, size_t len, u32 hash,
		  struct memfs_node *node)
{
	return memfs_dir_load(dir, name, len, hash, node, NULL);
}

void memfs_dir_del(struct memfs_node *dir, struct memfs_name *name)
{
	struct memfs_dir *d = &dir->dir;
	struct memfs_name **at;

	for (at = bucket_of(d, name->hash); *at != name; at = &(*at)->chain)
		;
	ferry_tx_save(*d);
	ferry_tx_save(*at);
	*at = name->chain;
	memfs_map_del(&d->order, name->cookie);
	d->nr--;
	d->nr_dirs -= name->node->type == S_IFDIR;
	name_free(name);
}

/* Let a name stand for another node */
void memfs_dir_set(struct memfs_node *dir, struct memfs_name *name, struct memfs_node *node)
{
	ferry_tx_save(dir->dir.nr_dirs);
	ferry_tx_save(name->node);
	dir->dir.nr_dirs -= name->node->type == S_IFDIR;
	dir->dir.nr_dirs += node->type == S_IFDIR;
	name->node = node;
}

/* Drop all names; what they name may be gone already. The caller has saved the node. */
void memfs_dir_clear(struct memfs_node *dir)
{
	struct memfs_dir *d = &dir->dir;
	struct memfs_name *n;
	u64 cookie = 0;

	while ((n = memfs_map_next(&d->order, &cookie))) {
		memfs_map_del(&d->order, cookie);
		name_free(n);
		if (cookie % 64 == 0)
			ferry_yield();
	}
	ferry_state_free(d->bucket);
	memset(d, 0, sizeof(*d));
}

/* The directory of a number, locked for reading. NULL: the request is answered. */
static inline struct memfs_node *dir_read(struct ferry_req *req, u64 id)
{
	struct memfs_node *dir = memfs_node_read(memfs_of(req), id);

	if (likely(dir && dir->type == S_IFDIR))
		return dir;
	if (dir)
		ferry_read_unlock(&dir->lock);
	ferry_reply_err(req, dir ? -ENOTDIR : -ESTALE);
	return NULL;
}

void memfs_lookup(struct ferry_req *req, u64 parent, const char *name)
{
	struct ferry_entry entry = { .entry_ns = FERRY_FOREVER };
	struct memfs *fs = memfs_of(req);
	struct memfs_node *dir, *node;
	size_t len = strlen(name);
	struct memfs_name *n;
	u64 id;

	dir = dir_read(req, parent);
	if (!dir)
		return;
	n = memfs_dir_find(dir, name, len, memfs_name_hash(fs, name, len));
	if (!n) {
		ferry_read_unlock(&dir->lock);
		ferry_reply_entry(req, &entry);
		return;
	}
	/* Counted while its name holds it, so that it outlives the directory's lock. */
	node = n->node;
	id = memfs_node_id(node);
	ferry_tx_save(node->nlookup);
	ferry_atomic_add(&node->nlookup, 1);
	ferry_read_unlock(&dir->lock);

	node = memfs_node_read(fs, id);
	if (!node) {
		ferry_reply_err(req, -ESTALE);
		return;
	}
	memfs_node_entry(node, &entry);
	ferry_read_unlock(&node->lock);
	ferry_reply_entry(req, &entry);
}

/* "." and ".."; false: no room */
static bool add_dots(struct ferry_req *req, const struct memfs_node *dir, u64 off)
{
	struct ferry_entry entry = { .attr.mode = S_IFDIR };

	entry.node = memfs_node_id(dir);
	entry.attr.node = dir->index;
	if (off < COOKIE_DOT && !ferry_dirent_add(req, ".", 1, &entry, COOKIE_DOT))
		return false;
	entry.node = memfs_node_id(dir->dir.parent);
	entry.attr.node = dir->dir.parent->index;
	return off >= COOKIE_DOTDOT || ferry_dirent_add(req, "..", 2, &entry, COOKIE_DOTDOT);
}

/* The names from @cookie down, by number and type. The caller holds the lock. */
static void add_names(struct ferry_req *req, const struct memfs_node *dir, u64 cookie)
{
	struct ferry_entry entry = { 0 };
	struct memfs_name *n;

	while ((n = memfs_map_prev(&dir->dir.order, &cookie))) {
		entry.node = memfs_node_id(n->node);
		entry.attr.node = n->node->index;
		entry.attr.mode = n->node->type;
		if (!ferry_dirent_add(req, n->text, n->len, &entry, cookie))
			return;
		cookie--;
	}
}

/*
 * The name at @cookie or below it, with attributes. The node's lock is taken
 * when the directory's is dropped, so the name is copied and the lookup counted
 * before. False: that was the last one, or there is no room.
 */
static bool add_name_plus(struct ferry_req *req, u64 id, u64 *cookie)
{
	struct memfs *fs = memfs_of(req);
	struct memfs_node *dir, *node;
	char text[MEMFS_NAME_MAX];
	struct ferry_entry entry;
	struct memfs_name *n;
	u64 child;
	u32 len;

	dir = memfs_node_read(fs, id);
	if (!dir)
		return false;
	n = memfs_map_prev(&dir->dir.order, cookie);
	if (!n) {
		ferry_read_unlock(&dir->lock);
		return false;
	}
	len = n->len;
	memcpy(text, n->text, len);
	child = memfs_node_id(n->node);
	ferry_tx_save(n->node->nlookup);
	ferry_atomic_add(&n->node->nlookup, 1);
	ferry_read_unlock(&dir->lock);

	node = memfs_node_read(fs, child);
	if (!node)
		return true;
	memfs_node_entry(node, &entry);
	ferry_read_unlock(&node->lock);
	if (ferry_dirent_add(req, text, len, &entry, *cookie))
		return true;
	memfs_node_forget(fs, child, 1);
	return false;
}

void memfs_readdir(struct ferry_req *req, u64 id, struct ferry_handle *handle, u64 off,
		   bool plus)
{
	struct memfs *fs = memfs_of(req);
	struct memfs_node *dir = dir_read(req, id);
	u64 cookie = off > COOKIE_DOTDOT ? off - 1 : ~0ULL;
	bool more = false;

	if (!dir)
		return;
	/* A removed directory lists nothing. */
	if (dir->nlink)
		more = add_dots(req, dir, off);
	if (more && !plus)
		add_names(req, dir, cookie);
	memfs_node_accessed(fs, dir);
	if (more && plus)
		while (add_name_plus(req, id, &cookie))
			cookie--;
	ferry_reply_dir(req);
}
