/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The memory peer's inside.
 *
 * Locks, outer to inner: `names` (all directories, link counts), then a node's
 * own (attributes and pages). A node is freed by who takes its last reference:
 * lookups by the kernel, and one for its link count being above zero.
 */
#ifndef FUSE_PEER_MEMORY_H
#define FUSE_PEER_MEMORY_H

#include <pthread.h>
#include <stdbool.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/stat.h>

#include "peer.h"

#define PAGE_BYTES	4096UL

struct node;

/**
 * struct name - an entry of a directory
 * @chain: next in its hash bucket
 * @dir: where it is
 * @node: what it names
 * @slot: index in @dir->slots
 */
struct name {
	struct name *chain;
	struct node *dir;
	struct node *node;
	size_t slot;
	unsigned int hash;
	char text[];
};

/**
 * struct node - a file of any type
 * @refs: lookups, and one while linked
 * @lock: of @st and @pages
 * @st: attributes; st_nlink is under `names`
 * @pages: of a regular file; NULL entries are holes
 * @target: of a symlink
 * @slots: of a directory: names in the order of their making, NULL where one
 *	was removed; index + 3 is the offset that readdir goes on with
 * @parent: of a directory
 */
struct node {
	atomic_long refs;
	pthread_rwlock_t lock;
	struct stat st;
	union {
		struct {
			char **pages;
			size_t nr_pages;
		};
		char *target;
		struct {
			struct name **slots;
			size_t nr_slots, max_slots, used;
			struct node *parent;
		};
	};
};

extern pthread_rwlock_t names;

void memory_start(void);
struct node *memory_node(fuse_ino_t ino);
struct node *node_new(fuse_req_t req, mode_t mode, dev_t rdev);
void node_put(struct node *node, long n);
void node_touch(struct node *node, bool mtime);
void node_entry(fuse_req_t req, struct node *node, struct fuse_entry_param *entry);

struct name *name_find(struct node *dir, const char *text);
int name_add(struct node *dir, const char *text, struct node *node);
void name_remove(struct name *name);

int data_truncate(struct node *node, off_t size);
void data_free(struct node *node);
int data_write(struct node *node, const char *data, size_t size, off_t off);
void data_read(fuse_req_t req, struct node *node, size_t size, off_t off);
void data_usage(struct statvfs *st, unsigned long long limit);

#endif
