// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* The table of nodes: number -> node, and (device, inode) -> node; and how files come there. */
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "mirror.h"

#define SLOTS_MIN	1024	/* a power of two */

static struct mirror_node **bucket_of(const struct mirror *m, dev_t dev, ino_t ino)
{
	u64 h = (ino ^ (u64)dev << 32) * 0x9e3779b97f4a7c15ULL;

	return &m->bucket[(h >> 32) & (m->nr_buckets - 1)];
}

static struct mirror_node *find(const struct mirror *m, const struct stat *st)
{
	struct mirror_node *node;

	for (node = *bucket_of(m, st->st_dev, st->st_ino); node; node = node->chain)
		if (node->ino == st->st_ino && node->dev == st->st_dev)
			return node;
	return NULL;
}

/* Its size and what is free of it are going to be changed. */
static void save_table(struct mirror *m)
{
	ferry_tx_add(&m->slot, offsetof(struct mirror, dir_lock) - offsetof(struct mirror, slot));
}

/* Room for as many nodes again, in slots, free indices and buckets. */
static int grow(struct mirror *m)
{
	u32 nr = m->nr_slots ? m->nr_slots * 2 : SLOTS_MIN, i;
	struct mirror_node **slot, **bucket, **old, *node, *next;
	u32 old_nr = m->nr_buckets;
	u32 *list;

	slot = ferry_state_alloc(nr * sizeof(*slot));
	list = ferry_state_alloc(nr * sizeof(*list));
	bucket = ferry_state_alloc(nr * sizeof(*bucket));
	if (!slot || !list || !bucket) {
		ferry_state_free(slot);
		ferry_state_free(list);
		ferry_state_free(bucket);
		return -ENOMEM;
	}
	save_table(m);
	if (m->nr_slots) {
		memcpy(slot, m->slot, m->nr_slots * sizeof(*slot));
		memcpy(list, m->free, m->nr_free * sizeof(*list));
	}
	ferry_state_free(m->slot);
	ferry_state_free(m->free);
	m->slot = slot;
	m->free = list;
	old = m->bucket;
	m->bucket = bucket;
	m->nr_buckets = nr;
	for (i = 0; i < old_nr; i++) {
		for (node = old[i]; node; node = next) {
			struct mirror_node **to = bucket_of(m, node->dev, node->ino);

			next = node->chain;
			ferry_tx_save(node->chain);
			node->chain = *to;
			*to = node;
		}
	}
	ferry_state_free(old);
	/* the lowest index is taken first */
	for (i = nr; i-- > m->nr_slots; ) {
		m->slot[i] = NULL;
		m->free[m->nr_free++] = i;
	}
	m->nr_slots = nr;
	return 0;
}

static struct mirror_node *add(struct mirror *m, int fd, const struct stat *st)
{
	struct mirror_node **bucket;
	struct mirror_node *node;
	u32 index;

	if (!m->nr_free && grow(m))
		return NULL;
	node = ferry_state_alloc(sizeof(*node));
	if (!node)
		return NULL;
	save_table(m);
	index = m->free[--m->nr_free];
	node->id = (u64)m->generation++ << 32 | index;
	node->dev = st->st_dev;
	node->ino = st->st_ino;
	node->type = st->st_mode & S_IFMT;
	node->fd = fd;
	ferry_tx_save(m->slot[index]);
	m->slot[index] = node;
	bucket = bucket_of(m, node->dev, node->ino);
	node->chain = *bucket;
	ferry_tx_save(*bucket);
	*bucket = node;
	m->nr_nodes++;
	return node;
}

/* Nobody knows @node any more; the caller holds the lock. */
static void drop(struct mirror *m, struct mirror_node *node)
{
	struct mirror_node **at = bucket_of(m, node->dev, node->ino);

	while (*at != node)
		at = &(*at)->chain;
	save_table(m);
	ferry_tx_save(*at);
	*at = node->chain;
	ferry_tx_save(m->slot[(u32)node->id]);
	m->slot[(u32)node->id] = NULL;
	ferry_tx_save(m->free[m->nr_free]);
	m->free[m->nr_free++] = node->id;
	m->nr_nodes--;
	ferry_state_close_fd(node->fd);
	ferry_state_free(node);
}

static struct mirror_node *by_id(const struct mirror *m, u64 id)
{
	struct mirror_node *node = (u32)id < m->nr_slots ? m->slot[(u32)id] : NULL;

	return node && node->id == id ? node : NULL;
}

/** mirror_get() - the node of a number, to be put back; NULL: it is stale */
struct mirror_node *mirror_get(struct mirror *m, u64 id)
{
	struct mirror_node *node;

	pthread_mutex_lock(&m->lock);
	node = by_id(m, id);
	if (node)
		node->users++;
	pthread_mutex_unlock(&m->lock);
	return node;
}

/** mirror_put() - end of what mirror_get() began; errno is kept */
void mirror_put(struct mirror *m, struct mirror_node *node)
{
	int err = errno;

	pthread_mutex_lock(&m->lock);
	if (!--node->users && !node->nlookup)
		drop(m, node);
	pthread_mutex_unlock(&m->lock);
	errno = err;
}

void mirror_forget(struct ferry_server *server, u64 id, u64 nlookup)
{
	struct mirror *m = server->priv;
	struct mirror_node *node;

	if (id == FERRY_ROOT_NODE)
		return;
	pthread_mutex_lock(&m->lock);
	node = by_id(m, id);
	if (node) {
		ferry_tx_save(node->nlookup);
		node->nlookup -= min(nlookup, node->nlookup);
		if (!node->users && !node->nlookup)
			drop(m, node);
	}
	pthread_mutex_unlock(&m->lock);
}

/**
 * mirror_ino() - the client's number of a file
 *
 * What are several filesystems here is one there. Whose numbers are the same would be taken for one
 * file, as tar(1) does with links, or a directory for one that it lies in, as by find(1).
 */
u64 mirror_ino(const struct mirror *m, dev_t dev, u64 ino)
{
	if (dev == m->root_dev)
		return ino;
	return ino ^ (dev * 0x9e3779b97f4a7c15ULL >> 48 | 1) << 48;
}

void mirror_attr(const struct mirror *m, const struct stat *st, struct ferry_attr *attr)
{
	attr->node = mirror_ino(m, st->st_dev, st->st_ino);
	attr->size = st->st_size;
	attr->blocks = st->st_blocks;
	attr->atime.sec = st->st_atim.tv_sec;
	attr->atime.nsec = st->st_atim.tv_nsec;
	attr->mtime.sec = st->st_mtim.tv_sec;
	attr->mtime.nsec = st->st_mtim.tv_nsec;
	attr->ctime.sec = st->st_ctim.tv_sec;
	attr->ctime.nsec = st->st_ctim.tv_nsec;
	attr->mode = st->st_mode;
	attr->nlink = st->st_nlink;
	attr->uid = st->st_uid;
	attr->gid = st->st_gid;
	/* as the kernel packs it, which is not as libc does */
	attr->rdev = (minor(st->st_rdev) & 0xff) | major(st->st_rdev) << 8 |
		     (minor(st->st_rdev) & ~0xffU) << 12;
	attr->blksize = st->st_blksize;
}

/**
 * mirror_entry() - make a descriptor a node and count a lookup of it
 * @fd: O_PATH; belongs to the table from now on, also on error
 * Return: 0 or -errno
 */
int mirror_entry(struct mirror *m, int fd, struct ferry_entry *entry)
{
	struct mirror_node *node;
	struct stat st;
	int err;

	if (fstatat(fd, "", &st, AT_EMPTY_PATH)) {
		err = -errno;
		close(fd);
		return err;
	}
	mirror_attr(m, &st, &entry->attr);
	entry->generation = 0;
	entry->entry_ns = m->valid_ns;
	entry->attr_ns = m->valid_ns;

	pthread_mutex_lock(&m->lock);
	node = find(m, &st);
	if (node) {
		close(fd);
	} else {
		err = ferry_state_keep_fd(fd);
		fd = err;
		node = fd < 0 ? NULL : add(m, fd, &st);
		if (!node && fd >= 0) {
			ferry_state_close_fd(fd);
			err = -ENOMEM;
		}
	}
	if (node) {
		ferry_tx_save(node->nlookup);
		node->nlookup++;
		entry->node = node->id;
		err = 0;
	}
	pthread_mutex_unlock(&m->lock);
	return err;
}

/* Is it of our own mount? It is not asked: that would be us. */
static bool is_ours(const struct ferry_server *server, int fd)
{
	const u64 ours = __atomic_load_n(&server->mounted, __ATOMIC_RELAXED);
	struct statx stx;

	return ours && !statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &stx) &&
	       makedev(stx.stx_dev_major, stx.stx_dev_minor) == ours;
}

/* What lies under all that is mounted on a name: a clone of the mount it is in has nothing on it. */
static int open_below(int dir_fd, const char *name)
{
	int tree = open_tree(dir_fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	int fd, err;

	if (tree < 0)
		return -ELOOP;
	fd = openat(tree, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	err = -errno;
	close(tree);
	return fd < 0 ? err : fd;
}

/* An O_PATH descriptor of a name on which something is mounted, or -errno. */
static int open_mounted(struct ferry_req *req, int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (!is_ours(ferry_req_server(req), fd))
		return fd;
	close(fd);
	return open_below(dir_fd, name);
}

/**
 * mirror_open_at() - open a name, but never what is of our own mount
 * @flags, @mode: as for openat(); O_NOFOLLOW and O_CLOEXEC are set
 * Return: a descriptor or -errno; -ELOOP: it is our own mount, and we may not look under that
 */
int mirror_open_at(struct ferry_req *req, int dir_fd, const char *name, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = flags | O_NOFOLLOW | O_CLOEXEC,
		.mode = mode,
		.resolve = RESOLVE_NO_XDEV,
	};
	int path_fd, err, fd = syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));
	char path[PROC_PATH];

	if (fd >= 0 || errno != EXDEV)
		return fd < 0 ? -errno : fd;
	/* It is there, or nothing could be mounted on it. */
	if (flags & O_EXCL)
		return -EEXIST;
	path_fd = open_mounted(req, dir_fd, name);
	if (path_fd < 0 || flags & O_PATH)
		return path_fd;
	fd = open(mirror_proc_path(path_fd, path), (flags & ~O_CREAT) | O_CLOEXEC);
	err = -errno;
	close(path_fd);
	return fd < 0 ? err : fd;
}

/** mirror_entry_at() - look a name up and count it; 0 or -errno */
int mirror_entry_at(struct ferry_req *req, int dir_fd, const char *name,
		    struct ferry_entry *entry)
{
	int fd = mirror_open_at(req, dir_fd, name, O_PATH, 0);

	return fd < 0 ? fd : mirror_entry(mirror_of(req), fd, entry);
}

/**
 * mirror_file_at() - which file a name stands for at the moment
 *
 * Also where that is one of our own mount; nobody is asked but for the name.
 * Return: it is there
 */
bool mirror_file_at(int dir_fd, const char *name, dev_t *dev, ino_t *ino)
{
	struct statx stx;

	if (statx(dir_fd, name, AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC, STATX_INO, &stx))
		return false;
	*dev = makedev(stx.stx_dev_major, stx.stx_dev_minor);
	*ino = stx.stx_ino;
	return true;
}

/* @root_fd belongs to the table from now on, also on error. */
int mirror_nodes_init(struct mirror *m, int root_fd)
{
	struct mirror_node *root;
	struct stat st;

	root_fd = ferry_state_keep_fd(root_fd);
	if (root_fd < 0)
		return root_fd;
	if (fstat(root_fd, &st) || grow(m))
		goto fail;
	/* index 0 is left out: the root's number is 1 */
	m->nr_free--;
	root = add(m, root_fd, &st);
	if (!root)
		goto fail;
	root->nlookup = 1;
	m->root_dev = st.st_dev;
	return 0;
fail:
	ferry_state_close_fd(root_fd);
	return -ENOMEM;
}

/*
 * Is the descriptor that a node had open here as well? The root tells whether they are the same at
 * all; any other file may be another one by now, as on an overlay, or gone with its filesystem,
 * which is told to who asks for it.
 */
static bool is_open(const struct mirror_node *node)
{
	struct stat st;

	if (node->id != FERRY_ROOT_NODE)
		return fcntl(node->fd, F_GETFD) >= 0;
	return !fstat(node->fd, &st) && st.st_dev == node->dev && st.st_ino == node->ino;
}

/* Another process left them; 0, or -EBADF: without their descriptors */
int mirror_nodes_resume(struct mirror *m)
{
	u32 i;

	for (i = 0; i < m->nr_slots; i++) {
		struct mirror_node *node = m->slot[i];

		if (!node)
			continue;
		if (!is_open(node))
			return -EBADF;
		node->users = 0;
	}
	mirror_intents_resume(m);
	return 0;
}

void mirror_nodes_destroy(struct mirror *m)
{
	u32 i;

	for (i = 0; i < m->nr_slots; i++)
		if (m->slot[i])
			drop(m, m->slot[i]);
	ferry_state_free(m->slot);
	ferry_state_free(m->free);
	ferry_state_free(m->bucket);
}
