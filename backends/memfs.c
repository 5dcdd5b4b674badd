// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * memfs: a POSIX filesystem in memory. This file: the server, attributes and
 * links, the table of operations. See memfs.h for the rest.
 */
#include "memfs.h"

#define SIZE_DEFAULT	(1ULL << 30)
#define NODES_DEFAULT	(1ULL << 20)
#define ID_NONE		0xffffffffU	/* nobody's */

/* What statfs() says of a filesystem without a limit. */
#define PAGES_NO_LIMIT	(1ULL << 40)

static void memfs_forget(struct ferry_server *server, u64 id, u64 nlookup)
{
	memfs_node_forget(server->priv, id, nlookup);
}

static void memfs_getattr(struct ferry_req *req, u64 id, struct ferry_handle *handle)
{
	struct memfs_node *node = memfs_node_read(memfs_of(req), id);
	struct ferry_attr attr;

	if (!node) {
		ferry_reply_err(req, -ESTALE);
		return;
	}
	memfs_node_attr(node, &attr);
	ferry_read_unlock(&node->lock);
	ferry_reply_attr(req, &attr, FERRY_FOREVER);
}

static int set_size(struct memfs *fs, struct memfs_node *node, u64 size)
{
	if (node->type != S_IFREG)
		return node->type == S_IFDIR ? -EISDIR : -EINVAL;
	memfs_data_resize(fs, node, size);
	memfs_node_changed(node, true);
	memfs_xattr_drop_caps(fs, node);
	return 0;
}

/* Owner, permissions and times; these cannot fail. */
static void set_attr(struct memfs *fs, struct memfs_node *node, const struct ferry_setattr *set)
{
	bool chown = set->valid & (FERRY_SET_UID | FERRY_SET_GID);
	struct ferry_time now;

	ferry_now(&now);
	if (set->valid & FERRY_SET_UID)
		node->uid = set->uid;
	if (set->valid & FERRY_SET_GID)
		node->gid = set->gid;
	if (set->valid & FERRY_SET_MODE)
		node->perm = set->mode & 07777;
	else if ((chown || set->valid & FERRY_SET_KILL_SUID) && node->type != S_IFDIR)
		memfs_node_kill_suid(node);
	if (chown)
		memfs_xattr_drop_caps(fs, node);

	if (set->valid & FERRY_SET_ATIME_NOW)
		node->atime = now;
	else if (set->valid & FERRY_SET_ATIME)
		node->atime = set->atime;
	if (set->valid & FERRY_SET_MTIME_NOW)
		node->mtime = now;
	else if (set->valid & FERRY_SET_MTIME)
		node->mtime = set->mtime;
	node->ctime = set->valid & FERRY_SET_CTIME ? set->ctime : now;
}

static void memfs_setattr(struct ferry_req *req, u64 id, const struct ferry_setattr *set,
			  struct ferry_handle *handle)
{
	struct memfs *fs = memfs_of(req);
	struct memfs_node *node = memfs_node_write(fs, id);
	struct ferry_attr attr;
	int err = 0;

	if (!node) {
		ferry_reply_err(req, -ESTALE);
		return;
	}
	memfs_node_save(node);
	if (set->valid & FERRY_SET_SIZE)
		err = set_size(fs, node, set->size);
	if (!err) {
		set_attr(fs, node, set);
		memfs_node_attr(node, &attr);
	}
	ferry_write_unlock(&node->lock);
	if (err)
		ferry_reply_err(req, err);
	else
		ferry_reply_attr(req, &attr, FERRY_FOREVER);
}

static void memfs_readlink(struct ferry_req *req, u64 id)
{
	struct memfs *fs = memfs_of(req);
	struct memfs_node *node = memfs_node_read(fs, id);

	if (!node) {
		ferry_reply_err(req, -ESTALE);
		return;
	}
	if (node->type == S_IFLNK)
		ferry_reply_readlink(req, node->target);
	else
		ferry_reply_err(req, -EINVAL);
	memfs_node_accessed(fs, node);
}

static void memfs_open(struct ferry_req *req, u64 id, struct ferry_handle *handle)
{
	struct memfs *fs = memfs_of(req);
	struct memfs_node *node;
	int err = 0;

	if (handle->flags & O_TRUNC) {
		node = memfs_node_write(fs, id);
		if (node) {
			memfs_node_save(node);
			err = set_size(fs, node, 0);
			if (!err && handle->keep & FERRY_OPEN_KILL_SUID)
				memfs_node_kill_suid(node);
			ferry_write_unlock(&node->lock);
		}
	} else {
		node = memfs_node_read(fs, id);
		if (node)
			ferry_read_unlock(&node->lock);
	}
	if (!node)
		err = -ESTALE;
	if (err) {
		ferry_reply_err(req, err);
		return;
	}
	/* Only the client changes files, so what it has cached is good. */
	handle->keep = FERRY_OPEN_KEEP_CACHE;
	ferry_reply_open(req, handle);
}

static void memfs_statfs(struct ferry_req *req, u64 id)
{
	struct memfs *fs = memfs_of(req);
	u64 used = ferry_atomic_read(&fs->nr_pages);
	struct ferry_statfs st = {
		.blocks = fs->max_pages ? fs->max_pages : PAGES_NO_LIMIT,
		.files = fs->max_nodes,
		.bsize = FERRY_PAGE_SIZE,
		.frsize = FERRY_PAGE_SIZE,
		.namelen = MEMFS_NAME_MAX,
	};

	st.bfree = st.blocks - min(used, st.blocks);
	st.bavail = st.bfree;
	ferry_mutex_lock(&fs->nodes_lock);
	st.ffree = fs->max_nodes - fs->nr_nodes;
	ferry_mutex_unlock(&fs->nodes_lock);
	ferry_reply_statfs(req, &st);
}

static void memfs_destroy(struct ferry_server *server)
{
	struct memfs *fs = server->priv;

	server->priv = NULL;
	/* The next server may go on with it. */
	if (ferry_state_is_kept())
		return;
	if (fs->table)
		memfs_nodes_destroy(fs);
	ferry_state_page_free(fs->zero_page);
	ferry_mutex_destroy(&fs->nodes_lock);
	ferry_rwlock_destroy(&fs->tree);
	ferry_state_free(fs);
}

/* What it is at first; later chown and chmod change it, as any other. */
static int make_root(struct memfs *fs, const char *args)
{
	u64 uid = 0, gid = 0;
	u32 mode = 0755;
	struct memfs_node *root;
	struct ferry_entry entry;
	int err;

	if (ferry_opt_mode(args, "mode", &mode) || ferry_opt_size(args, "uid", &uid) ||
	    ferry_opt_size(args, "gid", &gid) || uid >= ID_NONE || gid >= ID_NONE) {
		ferry_log(FERRY_LOG_ERR,
			  "memfs: mode= wants permissions in octal, as in mode=1777, uid= and gid= numbers");
		return -EINVAL;
	}
	err = memfs_node_new(fs, S_IFDIR | mode, &root);
	if (err)
		return err;
	root->uid = uid;
	root->gid = gid;
	root->dir.parent = root;
	memfs_node_publish(root, &entry);
	return entry.node == FERRY_ROOT_NODE ? 0 : -EIO;
}

/* Read "size=1G,nodes=1M,writeback"; what is the root's make_root() reads. */
static int configure(struct memfs *fs, struct ferry_server *server, const char *args)
{
	static const char *const known[] = { "size", "nodes", "mode", "uid", "gid", "writeback", NULL };
	u64 size = SIZE_DEFAULT;
	u64 nodes = NODES_DEFAULT;
	int err;

	err = ferry_args_check(server, args, known);
	if (err)
		return err;
	err = ferry_opt_size(args, "size", &size);
	if (err) {
		ferry_log(FERRY_LOG_ERR, "memfs: size= wants bytes, as in size=512M, or 0 for no limit");
		return err;
	}
	fs->max_pages = size / FERRY_PAGE_SIZE + !!(size % FERRY_PAGE_SIZE);
	err = ferry_opt_size(args, "nodes", &nodes);
	if (err) {
		ferry_log(FERRY_LOG_ERR, "memfs: nodes= wants a number, as in nodes=100K, or 0 for no limit");
		return err;
	}
	fs->max_nodes = nodes ? min(nodes, (u64)MEMFS_NODES_MAX - 1) : MEMFS_NODES_MAX - 1;
	server->fs.writeback = ferry_opt_has(args, "writeback");
	return 0;
}

/* Go on with what another server left. */
static int resume(struct ferry_server *server, struct memfs *fs, const char *args)
{
	server->priv = fs;
	ferry_rwlock_init(&fs->tree);
	memfs_nodes_resume(fs);
	return configure(fs, server, args);
}

static int memfs_init(struct ferry_server *server, const char *args)
{
	struct memfs *fs = ferry_state_root();
	int err;

	if (fs)
		return resume(server, fs, args);
	fs = ferry_state_alloc(sizeof(*fs));
	if (!fs)
		return -ENOMEM;
	ferry_rwlock_init(&fs->tree);
	ferry_mutex_init(&fs->nodes_lock);
	ferry_random(&fs->seed, sizeof(fs->seed));
	server->priv = fs;

	err = configure(fs, server, args);
	if (err)
		goto fail;
	err = -ENOMEM;
	fs->zero_page = ferry_state_page_alloc();
	if (!fs->zero_page)
		goto fail;
	err = memfs_nodes_init(fs);
	if (err)
		goto fail;
	err = make_root(fs, args);
	if (err)
		goto fail;
	ferry_state_set_root(fs);
	return 0;
fail:
	memfs_destroy(server);
	return err;
}

/* What is left out has nothing to do here; the client asks once and no more. */
static const struct ferry_fs_ops memfs_ops = {
	.size = sizeof(memfs_ops),
	.init = memfs_init,
	.destroy = memfs_destroy,
	.lookup = memfs_lookup,
	.forget = memfs_forget,
	.getattr = memfs_getattr,
	.setattr = memfs_setattr,
	.readlink = memfs_readlink,
	.mknod = memfs_mknod,
	.mkdir = memfs_mkdir,
	.symlink = memfs_symlink,
	.unlink = memfs_unlink,
	.rmdir = memfs_rmdir,
	.rename = memfs_rename,
	.link = memfs_link,
	.open = memfs_open,
	.create = memfs_create,
	.read = memfs_read,
	.write = memfs_write,
	.readdir = memfs_readdir,
	.statfs = memfs_statfs,
	.setxattr = memfs_setxattr,
	.getxattr = memfs_getxattr,
	.listxattr = memfs_listxattr,
	.removexattr = memfs_removexattr,
	.lseek = memfs_lseek,
	.fallocate = memfs_fallocate,
};

FERRY_BACKEND(memfs, .flags = FERRY_RECOVERS,
	      .help = "[size=BYTES][,nodes=N][,mode=OCTAL][,uid=N][,gid=N][,writeback]  in memory; 1G and 1M, 0: no limit",
	      .fs = &memfs_ops, .save = memfs_save, .load = memfs_load);
