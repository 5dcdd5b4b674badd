// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Nodes of the memory peer and their names. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "memory.h"

#define BUCKETS		(1U << 16)

pthread_rwlock_t names = PTHREAD_RWLOCK_INITIALIZER;

static struct name *buckets[BUCKETS];
static struct node root;

struct node *memory_node(fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? &root : (struct node *)(uintptr_t)ino;
}

static void stamp(struct timespec *now)
{
	clock_gettime(CLOCK_REALTIME_COARSE, now);
}

static void node_init(struct node *node, mode_t mode, uid_t uid, gid_t gid)
{
	node->refs = 1;
	pthread_rwlock_init(&node->lock, NULL);
	node->st.st_ino = node == &root ? FUSE_ROOT_ID : (uintptr_t)node;
	node->st.st_mode = mode;
	node->st.st_nlink = S_ISDIR(mode) ? 2 : 1;
	node->st.st_uid = uid;
	node->st.st_gid = gid;
	stamp(&node->st.st_mtim);
	node->st.st_atim = node->st.st_ctim = node->st.st_mtim;
}

void memory_start(void)
{
	node_init(&root, S_IFDIR | 0755, 0, 0);
	root.parent = &root;
}

struct node *node_new(fuse_req_t req, mode_t mode, dev_t rdev)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct node *node = calloc(1, sizeof(*node));

	if (node) {
		node_init(node, mode, ctx->uid, ctx->gid);
		node->st.st_rdev = rdev;
	}
	return node;
}

void node_put(struct node *node, long n)
{
	if (node == &root || atomic_fetch_sub(&node->refs, n) != n)
		return;
	if (S_ISREG(node->st.st_mode))
		data_free(node);
	else if (S_ISLNK(node->st.st_mode))
		free(node->target);
	else if (S_ISDIR(node->st.st_mode))
		free(node->slots);
	pthread_rwlock_destroy(&node->lock);
	free(node);
}

/* Under the node's lock, or before anybody else knows it. */
void node_touch(struct node *node, bool mtime)
{
	stamp(&node->st.st_ctim);
	if (mtime)
		node->st.st_mtim = node->st.st_ctim;
}

/* Counts a lookup. The caller holds `names` or a reference. */
void node_entry(fuse_req_t req, struct node *node, struct fuse_entry_param *entry)
{
	const struct peer *peer = fuse_req_userdata(req);

	*entry = (struct fuse_entry_param){
		.ino = node->st.st_ino,
		.attr_timeout = peer->attr_timeout,
		.entry_timeout = peer->entry_timeout,
	};
	atomic_fetch_add(&node->refs, 1);
	pthread_rwlock_rdlock(&node->lock);
	entry->attr = node->st;
	pthread_rwlock_unlock(&node->lock);
}

/* FNV-1a over the directory's address and the text. */
static unsigned int hash(const struct node *dir, const char *text)
{
	uint64_t h = 0xcbf29ce484222325ULL ^ (uintptr_t)dir;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3ULL;
	return h ^ h >> 32;
}

struct name *name_find(struct node *dir, const char *text)
{
	unsigned int h = hash(dir, text);
	struct name *name;

	for (name = buckets[h % BUCKETS]; name; name = name->chain)
		if (name->hash == h && name->dir == dir && !strcmp(name->text, text))
			return name;
	return NULL;
}

static int slots_grow(struct node *dir)
{
	size_t max = dir->max_slots ? dir->max_slots * 2 : 16;
	struct name **slots = realloc(dir->slots, max * sizeof(*slots));

	if (!slots)
		return ENOMEM;
	dir->slots = slots;
	dir->max_slots = max;
	return 0;
}

/* With `names` held for writing. */
int name_add(struct node *dir, const char *text, struct node *node)
{
	size_t len = strlen(text);
	struct name *name;

	if (len > 255)
		return ENAMETOOLONG;
	if (dir->nr_slots == dir->max_slots && slots_grow(dir))
		return ENOMEM;
	name = malloc(sizeof(*name) + len + 1);
	if (!name)
		return ENOMEM;
	memcpy(name->text, text, len + 1);
	name->hash = hash(dir, text);
	name->chain = buckets[name->hash % BUCKETS];
	buckets[name->hash % BUCKETS] = name;
	name->dir = dir;
	name->node = node;
	name->slot = dir->nr_slots;
	dir->slots[dir->nr_slots++] = name;
	dir->used++;
	if (S_ISDIR(node->st.st_mode)) {
		node->parent = dir;
		dir->st.st_nlink++;
	}
	node_touch(dir, true);
	return 0;
}

/* With `names` held for writing. The node keeps its links. */
void name_remove(struct name *name)
{
	struct node *dir = name->dir;
	struct name **at = &buckets[name->hash % BUCKETS];

	while (*at != name)
		at = &(*at)->chain;
	*at = name->chain;
	dir->slots[name->slot] = NULL;
	while (dir->nr_slots && !dir->slots[dir->nr_slots - 1])
		dir->nr_slots--;
	dir->used--;
	if (S_ISDIR(name->node->st.st_mode))
		dir->st.st_nlink--;
	node_touch(dir, true);
	free(name);
}
