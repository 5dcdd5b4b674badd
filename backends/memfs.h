/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * memfs: a filesystem in memory. What its files share.
 *
 * memfs.c		server, attributes, links, the table of operations
 * memfs_node.c		nodes: numbers, life, limits
 * memfs_map.c		u64 -> pointer, in order of the key
 * memfs_dir.c		names of one directory
 * memfs_name.c		operations that change names
 * memfs_data.c		contents of regular files
 * memfs_xattr.c	extended attributes
 * memfs_save.c		to another server and from one
 *
 * Life of a node. A node is alive while it has a name (nlink) or the client
 * knows it (nlookup); whoever takes the last of either away, under the node's
 * lock, ends it. Its memory is kept for the next node: a pointer to a node
 * stays valid until the server is destroyed, but what it points at may live its
 * next life. Therefore a node is taken by number, memfs_node_read() or
 * memfs_node_write(), and its number is compared once the lock is held.
 *
 * Lock order:
 *
 *	memfs.tree -> memfs_node.lock -> memfs.nodes_lock
 *
 * Never two node locks at a time. tree is held shared where one directory
 * changes (create, unlink), exclusively where several do (rename, rmdir, link),
 * and so whoever has it exclusively may take one node lock after the other and
 * find the names unchanged in between. Looking names up, attributes and data
 * need the node's own lock only. Data is pulled and pushed, and a link's target
 * or an attribute's value answered, with the node's lock held.
 *
 * Where the server is to be recovered all of this lies in its state (state.h); what is
 * changed is saved before, by whoever changes it.
 */
#ifndef MEMFS_H
#define MEMFS_H

#include <ferry/fs.h>
#include <ferry/state.h>

#define MEMFS_NAME_MAX		255
#define MEMFS_LINK_MAX		65000		/* names of one node, directories aside */
#define MEMFS_SIZE_MAX		(~0ULL >> 1)	/* bytes of a file */
#define MEMFS_NODES_MAX		(1U << 27)	/* what the table holds */

/** struct memfs_map - u64 below 2^60 -> pointer; all zero is the empty map */
struct memfs_map {
	void *root;
	u32 height;
};

int memfs_map_set(struct memfs_map *map, u64 key, void *item);
void *memfs_map_get(const struct memfs_map *map, u64 key);
void *memfs_map_next(const struct memfs_map *map, u64 *key);
void *memfs_map_prev(const struct memfs_map *map, u64 *key);
void *memfs_map_del(struct memfs_map *map, u64 key);

struct memfs_node;

/**
 * struct memfs_name - a name in a directory
 * @chain: next in its hash bucket
 * @node: what it names; alive as long as the directory's lock is held
 * @cookie: its place in the order of the listing, never used again
 * @hash: of @text
 * @len: bytes of @text, which has no NUL
 * @in_row: its memory is the row's that begins the page
 */
struct memfs_name {
	struct memfs_name *chain;
	struct memfs_node *node;
	u64 cookie;
	u32 hash;
	u16 len;
	bool in_row;
	char text[];
};

/**
 * struct memfs_row - a page of names that were loaded together; goes with the last of them
 * @nr: names there are
 * @used: bytes given out, the head included
 */
struct memfs_row {
	u32 nr;
	u32 used;
};

/**
 * struct memfs_dir - the names of a directory
 * @order: cookie -> struct memfs_name
 * @bucket: hash table, NULL while there was no name yet
 * @nr_buckets: 0 or a power of two
 * @nr_dirs: of the names, those of directories
 * @nr: names
 * @cookie: the last one given out
 * @parent: the directory this one is in; the root's is itself. Changes only with
 *	memfs.tree held exclusively, so it may be followed upwards then.
 */
struct memfs_dir {
	struct memfs_map order;
	struct memfs_name **bucket;
	u32 nr_buckets;
	u32 nr_dirs;
	u64 nr;
	u64 cookie;
	struct memfs_node *parent;
};

struct memfs_xattr;

/**
 * struct memfs_node - a file, directory, link or special file
 * @lock: covers everything below that is not said to be atomic or constant
 * @id: atomic; the node's number, 0 while it is dead
 * @nlookup: atomic; taken away from only with @lock held for writing
 * @index: constant; its place in the table
 * @generation: of the life it lives or will live next
 * @type: S_IF*; constant for a life
 * @nlink: names; a directory has 1 as long as it is not removed
 * @nr_pages: pages charged for contents
 * @xattr_pages: pages charged for extended attributes
 * @pages: regular file: page number -> page. Bytes beyond @size are zero.
 * @target: symlink
 * @next_free: dead: covered by memfs.nodes_lock
 */
struct memfs_node {
	struct ferry_rwlock lock;
	struct ferry_atomic id;
	struct ferry_atomic nlookup;
	u32 index;
	u32 generation;
	u32 type;
	u32 perm;
	u32 nlink;
	u32 uid;
	u32 gid;
	u32 rdev;
	u64 size;
	u64 nr_pages;
	u64 xattr_pages;
	struct ferry_time atime;
	struct ferry_time mtime;
	struct ferry_time ctime;
	struct memfs_xattr *xattrs;
	union {
		struct memfs_map pages;
		struct memfs_dir dir;
		char *target;
		struct memfs_node *next_free;
	};
};

/**
 * struct memfs - one server
 * @tree: see lock order
 * @nodes_lock: covers the table's growth and the four fields behind it
 * @dead: nodes that wait for their next life
 * @nr_known: nodes that the table holds, dead or alive; also the last index
 * @nr_nodes: nodes alive, and names beyond the first of each
 * @max_nodes: limit of @nr_nodes; constant
 * @table: index -> node, three levels of pages; read without a lock
 * @nr_pages: pages charged
 * @max_pages: their limit, 0 for none; constant
 * @zero_page: what holes read as
 * @seed: of the hash of names; constant
 */
struct memfs {
	struct ferry_rwlock tree;

	struct ferry_mutex nodes_lock;
	struct memfs_node *dead;
	u32 nr_known;
	u32 nr_nodes;
	u32 max_nodes;
	struct ferry_atomic *table;

	struct ferry_atomic nr_pages;
	u64 max_pages;

	void *zero_page;
	u64 seed;
};

static inline struct memfs *memfs_of(const struct ferry_req *req)
{
	return ferry_req_server(req)->priv;
}

/* The node, but for its lock, is going to be changed. */
static inline void memfs_node_save(struct memfs_node *node)
{
	ferry_tx_add(&node->id, sizeof(*node) - offsetof(struct memfs_node, id));
}

/* memfs_node.c */
int memfs_nodes_init(struct memfs *fs);
void memfs_nodes_resume(struct memfs *fs);
void memfs_nodes_destroy(struct memfs *fs);
struct memfs_node *memfs_node_read(struct memfs *fs, u64 id);
struct memfs_node *memfs_node_write(struct memfs *fs, u64 id);
struct memfs_node *memfs_dir_write(struct memfs *fs, u64 id, int *err);
int memfs_node_new(struct memfs *fs, u32 mode, struct memfs_node **node);
u64 memfs_node_number(const struct memfs_node *node);
void memfs_node_publish(struct memfs_node *node, struct ferry_entry *entry);
void memfs_node_discard(struct memfs *fs, struct memfs_node *node);
void memfs_node_put(struct memfs *fs, struct memfs_node *node);
void memfs_node_forget(struct memfs *fs, u64 id, u64 nlookup);
int memfs_link_charge(struct memfs *fs);
void memfs_link_uncharge(struct memfs *fs);
u64 memfs_pages_charge(struct memfs *fs, u64 want);
void memfs_pages_uncharge(struct memfs *fs, u64 nr);
void memfs_node_attr(const struct memfs_node *node, struct ferry_attr *attr);
void memfs_node_entry(const struct memfs_node *node, struct ferry_entry *entry);
void memfs_node_changed(struct memfs_node *node, bool contents);
void memfs_node_accessed(struct memfs *fs, struct memfs_node *node);
void memfs_node_kill_suid(struct memfs_node *node);
struct memfs_node *memfs_node_at(const struct memfs *fs, u32 index);
struct memfs_node *memfs_node_next(const struct memfs *fs, struct memfs_node *node);
struct memfs_node *memfs_node_add(struct memfs *fs);
void memfs_node_bury(struct memfs *fs, struct memfs_node *node);

static inline u64 memfs_node_id(const struct memfs_node *node)
{
	return ferry_atomic_read(&node->id);
}

/* memfs_dir.c: the caller holds the directory's lock */
u32 memfs_name_hash(const struct memfs *fs, const char *name, size_t len);
struct memfs_name *memfs_dir_find(const struct memfs_node *dir, const char *name, size_t len,
				  u32 hash);
int memfs_dir_add(struct memfs_node *dir, const char *name, size_t len, u32 hash,
		  struct memfs_node *node);
int memfs_dir_load(struct memfs_node *dir, const char *name, size_t len, u32 hash,
		   struct memfs_node *node, struct memfs_row **row);
void memfs_dir_expect(struct memfs_node *dir, u64 nr);
void memfs_dir_del(struct memfs_node *dir, struct memfs_name *name);
void memfs_dir_set(struct memfs_node *dir, struct memfs_name *name, struct memfs_node *node);
void memfs_dir_clear(struct memfs_node *dir);
void memfs_lookup(struct ferry_req *req, u64 parent, const char *name);
void memfs_readdir(struct ferry_req *req, u64 id, struct ferry_handle *handle, u64 off,
		   bool plus);

/* memfs_name.c */
void memfs_mknod(struct ferry_req *req, u64 parent, const char *name, u32 mode, u32 rdev);
void memfs_mkdir(struct ferry_req *req, u64 parent, const char *name, u32 mode);
void memfs_symlink(struct ferry_req *req, u64 parent, const char *name, const char *target);
void memfs_create(struct ferry_req *req, u64 parent, const char *name, u32 mode,
		  struct ferry_handle *handle);
void memfs_unlink(struct ferry_req *req, u64 parent, const char *name);
void memfs_rmdir(struct ferry_req *req, u64 parent, const char *name);
void memfs_rename(struct ferry_req *req, u64 parent, const char *name, u64 new_parent,
		  const char *new_name, u32 flags);
void memfs_link(struct ferry_req *req, u64 id, u64 new_parent, const char *new_name);

/* memfs_data.c */
void memfs_data_resize(struct memfs *fs, struct memfs_node *node, u64 size);
void memfs_read(struct ferry_req *req, u64 id, struct ferry_handle *handle, u64 off, u32 len);
void memfs_write(struct ferry_req *req, u64 id, struct ferry_handle *handle, u64 off, u32 len,
		 u32 flags);
void memfs_lseek(struct ferry_req *req, u64 id, struct ferry_handle *handle, u64 off,
		 u32 whence);
void memfs_fallocate(struct ferry_req *req, u64 id, struct ferry_handle *handle, u32 mode,
		     u64 off, u64 len);

/* memfs_xattr.c */
void memfs_xattrs_clear(struct memfs *fs, struct memfs_node *node);
u32 memfs_xattrs_count(const struct memfs_node *node);
void memfs_xattrs_save(struct ferry_stream *s, const struct memfs_node *node);
int memfs_xattrs_load(struct ferry_stream *s, struct memfs_node *node, u32 nr);
void memfs_xattr_drop_caps(struct memfs *fs, struct memfs_node *node);
void memfs_setxattr(struct ferry_req *req, u64 id, const char *name, u32 len, u32 flags);
void memfs_getxattr(struct ferry_req *req, u64 id, const char *name);
void memfs_listxattr(struct ferry_req *req, u64 id);
void memfs_removexattr(struct ferry_req *req, u64 id, const char *name);

/* memfs_save.c */
int memfs_save(struct ferry_server *server, struct ferry_stream *s);
int memfs_load(struct ferry_server *server, struct ferry_stream *s);

#endif
