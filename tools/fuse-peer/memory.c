// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* The memory peer: the operations. Nodes are in memory_node.c, contents in memory_data.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "memory.h"

static void init(void *userdata, struct fuse_conn_info *conn)
{
	const struct peer *peer = userdata;

	memory_start();
	peer_init_conn(conn, peer);
}

static void lookup(fuse_req_t req, fuse_ino_t parent, const char *text)
{
	const struct peer *peer = fuse_req_userdata(req);
	struct fuse_entry_param entry;
	struct name *name;

	pthread_rwlock_rdlock(&names);
	name = name_find(memory_node(parent), text);
	if (name)
		node_entry(req, name->node, &entry);
	pthread_rwlock_unlock(&names);
	if (!name)
		entry = (struct fuse_entry_param){ .entry_timeout = peer->entry_timeout };
	fuse_reply_entry(req, &entry);
}

static void forget(fuse_req_t req, fuse_ino_t ino, uint64_t n)
{
	node_put(memory_node(ino), n);
	fuse_reply_none(req);
}

static void forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		node_put(memory_node(forgets[i].ino), forgets[i].nlookup);
	fuse_reply_none(req);
}

static void reply_attr(fuse_req_t req, struct node *node)
{
	const struct peer *peer = fuse_req_userdata(req);
	struct stat st;

	pthread_rwlock_rdlock(&node->lock);
	st = node->st;
	pthread_rwlock_unlock(&node->lock);
	fuse_reply_attr(req, &st, peer->attr_timeout);
}

static void getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	reply_attr(req, memory_node(ino));
}

static void setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		    struct fuse_file_info *fi)
{
	struct node *node = memory_node(ino);
	struct stat *st = &node->st;

	pthread_rwlock_wrlock(&node->lock);
	if (to_set & FUSE_SET_ATTR_SIZE)
		data_truncate(node, attr->st_size);
	node_touch(node, to_set & FUSE_SET_ATTR_MTIME_NOW);
	if (to_set & FUSE_SET_ATTR_MODE)
		st->st_mode = (st->st_mode & S_IFMT) | (attr->st_mode & 07777);
	if (to_set & FUSE_SET_ATTR_UID)
		st->st_uid = attr->st_uid;
	if (to_set & FUSE_SET_ATTR_GID)
		st->st_gid = attr->st_gid;
	if (to_set & FUSE_SET_ATTR_ATIME_NOW)
		st->st_atim = st->st_ctim;
	else if (to_set & FUSE_SET_ATTR_ATIME)
		st->st_atim = attr->st_atim;
	if ((to_set & FUSE_SET_ATTR_MTIME) && !(to_set & FUSE_SET_ATTR_MTIME_NOW))
		st->st_mtim = attr->st_mtim;
	if (to_set & FUSE_SET_ATTR_CTIME)
		st->st_ctim = attr->st_ctim;
	pthread_rwlock_unlock(&node->lock);
	reply_attr(req, node);
}

static void readlink_(fuse_req_t req, fuse_ino_t ino)
{
	fuse_reply_readlink(req, memory_node(ino)->target);
}

/* Takes over the new node's reference; 0 or errno. */
static int make(fuse_req_t req, fuse_ino_t parent, const char *text, struct node *node,
		struct fuse_entry_param *entry)
{
	struct node *dir = memory_node(parent);
	int err;

	if (!node)
		return ENOMEM;
	pthread_rwlock_wrlock(&names);
	err = name_find(dir, text) ? EEXIST : name_add(dir, text, node);
	if (!err)
		node_entry(req, node, entry);
	pthread_rwlock_unlock(&names);
	if (err)
		node_put(node, 1);
	return err;
}

static void make_and_reply(fuse_req_t req, fuse_ino_t parent, const char *text, struct node *node)
{
	struct fuse_entry_param entry;
	int err = make(req, parent, text, node, &entry);

	if (err)
		fuse_reply_err(req, err);
	else
		fuse_reply_entry(req, &entry);
}

static void mknod_(fuse_req_t req, fuse_ino_t parent, const char *text, mode_t mode, dev_t rdev)
{
	make_and_reply(req, parent, text, node_new(req, mode, rdev));
}

static void mkdir_(fuse_req_t req, fuse_ino_t parent, const char *text, mode_t mode)
{
	make_and_reply(req, parent, text, node_new(req, S_IFDIR | mode, 0));
}

static void symlink_(fuse_req_t req, const char *target, fuse_ino_t parent, const char *text)
{
	struct node *node = node_new(req, S_IFLNK | 0777, 0);

	if (node) {
		node->st.st_size = strlen(target);
		node->target = strdup(target);
		if (!node->target) {
			node_put(node, 1);
			node = NULL;
		}
	}
	make_and_reply(req, parent, text, node);
}

static void create(fuse_req_t req, fuse_ino_t parent, const char *text, mode_t mode,
		   struct fuse_file_info *fi)
{
	struct fuse_entry_param entry;
	int err = make(req, parent, text, node_new(req, S_IFREG | (mode & 07777), 0), &entry);

	fi->keep_cache = 1;
	if (err)
		fuse_reply_err(req, err);
	else
		fuse_reply_create(req, &entry, fi);
}

static void link_(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *text)
{
	struct node *node = memory_node(ino);
	struct node *dir = memory_node(parent);
	struct fuse_entry_param entry;
	int err;

	pthread_rwlock_wrlock(&names);
	err = name_find(dir, text) ? EEXIST : name_add(dir, text, node);
	if (!err) {
		node->st.st_nlink++;
		node_touch(node, false);
		node_entry(req, node, &entry);
	}
	pthread_rwlock_unlock(&names);
	if (err)
		fuse_reply_err(req, err);
	else
		fuse_reply_entry(req, &entry);
}

/* Takes a name away; the returned node has lost its last link. Under `names`. */
static struct node *drop(struct name *name)
{
	struct node *node = name->node;

	name_remove(name);
	if (S_ISDIR(node->st.st_mode))
		node->st.st_nlink = 0;
	else
		node->st.st_nlink--;
	node_touch(node, false);
	return node->st.st_nlink ? NULL : node;
}

static int remove_name(struct node *dir, const char *text, bool is_dir)
{
	struct node *gone = NULL;
	struct name *name;
	int err = 0;

	pthread_rwlock_wrlock(&names);
	name = name_find(dir, text);
	if (!name)
		err = ENOENT;
	else if (is_dir && name->node->used)
		err = ENOTEMPTY;
	else
		gone = drop(name);
	pthread_rwlock_unlock(&names);
	if (gone)
		node_put(gone, 1);
	return err;
}

static void unlink_(fuse_req_t req, fuse_ino_t parent, const char *text)
{
	fuse_reply_err(req, remove_name(memory_node(parent), text, false));
}

static void rmdir_(fuse_req_t req, fuse_ino_t parent, const char *text)
{
	fuse_reply_err(req, remove_name(memory_node(parent), text, true));
}

static void rename_(fuse_req_t req, fuse_ino_t parent, const char *text, fuse_ino_t to_parent,
		    const char *to_text, unsigned int flags)
{
	struct node *to_dir = memory_node(to_parent);
	struct node *gone = NULL;
	struct name *from, *to;
	int err;

	pthread_rwlock_wrlock(&names);
	from = name_find(memory_node(parent), text);
	to = name_find(to_dir, to_text);
	if (!from)
		err = ENOENT;
	else if (flags & ~RENAME_NOREPLACE)
		err = EINVAL;
	else if (to && flags)
		err = EEXIST;
	else if (to && S_ISDIR(to->node->st.st_mode) && to->node->used)
		err = ENOTEMPTY;
	else
		err = name_add(to_dir, to_text, from->node);
	if (!err) {
		if (to)
			gone = drop(to);
		name_remove(from);
	}
	pthread_rwlock_unlock(&names);
	if (gone)
		node_put(gone, 1);
	fuse_reply_err(req, err);
}

static void open_(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	fi->keep_cache = 1;
	fuse_reply_open(req, fi);
}

static void read_(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		  struct fuse_file_info *fi)
{
	struct node *node = memory_node(ino);

	pthread_rwlock_rdlock(&node->lock);
	data_read(req, node, size, off);
	pthread_rwlock_unlock(&node->lock);
}

static void write_(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t off,
		   struct fuse_file_info *fi)
{
	struct node *node = memory_node(ino);
	int err;

	pthread_rwlock_wrlock(&node->lock);
	err = data_write(node, data, size, off);
	pthread_rwlock_unlock(&node->lock);
	if (err)
		fuse_reply_err(req, err);
	else
		fuse_reply_write(req, size);
}

/* Adds one entry to the listing; 0: it did not fit. */
static size_t list_one(fuse_req_t req, char *buf, size_t room, const char *text,
		       struct node *node, off_t next, bool plus)
{
	struct fuse_entry_param entry = { 0 };
	size_t len;

	if (!plus)
		len = fuse_add_direntry(req, buf, room, text, &node->st, next);
	else if (next <= 2) {
		entry.attr = node->st;
		len = fuse_add_direntry_plus(req, buf, room, text, &entry, next);
	} else {
		node_entry(req, node, &entry);
		len = fuse_add_direntry_plus(req, buf, room, text, &entry, next);
		if (len > room)
			node_put(node, 1);
	}
	return len > room ? 0 : len;
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, bool plus)
{
	struct node *dir = memory_node(ino);
	char *buf = malloc(size);
	size_t used = 0, len = 1;

	if (!buf) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	pthread_rwlock_rdlock(&names);
	for (; len && off < 2; off++) {
		len = list_one(req, buf + used, size - used, off ? ".." : ".",
			       off ? dir->parent : dir, off + 1, plus);
		used += len;
	}
	for (; len && off - 2 < (off_t)dir->nr_slots; off++) {
		struct name *name = dir->slots[off - 2];

		if (!name)
			continue;
		len = list_one(req, buf + used, size - used, name->text, name->node, off + 1, plus);
		used += len;
	}
	pthread_rwlock_unlock(&names);
	fuse_reply_buf(req, buf, used);
	free(buf);
}

static void readdir_(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		     struct fuse_file_info *fi)
{
	list(req, ino, size, off, false);
}

static void readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
			struct fuse_file_info *fi)
{
	list(req, ino, size, off, true);
}

static void statfs_(fuse_req_t req, fuse_ino_t ino)
{
	const struct peer *peer = fuse_req_userdata(req);
	struct statvfs st;

	data_usage(&st, peer->size);
	fuse_reply_statfs(req, &st);
}

const struct fuse_lowlevel_ops memory_ops = {
	.init = init,
	.lookup = lookup,
	.forget = forget,
	.forget_multi = forget_multi,
	.getattr = getattr,
	.setattr = setattr,
	.readlink = readlink_,
	.mknod = mknod_,
	.mkdir = mkdir_,
	.symlink = symlink_,
	.create = create,
	.link = link_,
	.unlink = unlink_,
	.rmdir = rmdir_,
	.rename = rename_,
	.open = open_,
	.read = read_,
	.write = write_,
	.readdir = readdir_,
	.readdirplus = readdirplus,
	.statfs = statfs_,
};
