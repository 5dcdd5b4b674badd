// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * null: answers at once, to measure the line itself.
 *
 * Every name that begins with N is there, a regular file of `size` bytes which
 * read as zeros. Whatever is made, written or removed is accepted and dropped.
 * Nothing is remembered: a node's number tells its type. Data of a write is not
 * fetched, data of a read is really copied. Lifetimes are 0, so that each call
 * of a program is a request. As a disk it has `size` bytes in the same way; with
 * `untouched` in kernel placement nobody touches the memory that a read is for, as
 * it is with the kernel's null_blk, and what was there before is what is read.
 */
#include <ferry/block.h>
#include <ferry/fs.h>

#define SIZE_DEFAULT	(1ULL << 30)
#define TYPE_SHIFT	56	/* of the S_IFMT bits in a node's number */
#define ZEROS		65536
#define PIECES		64	/* of ZEROS, the longest read: 4 MiB */

static u8 zeros[ZEROS];

struct null {
	u64 size;
	bool untouched;
};

static const struct null *null_of(const struct ferry_req *req)
{
	return ferry_req_server(req)->priv;
}

static u64 file_size(const struct ferry_req *req)
{
	return null_of(req)->size;
}

static u64 node_of(const char *name, u32 type)
{
	u64 h = 0xcbf29ce484222325ULL;

	while (*name)
		h = (h ^ (u8)*name++) * 0x100000001b3ULL;
	return (u64)(type >> 12) << TYPE_SHIFT | h >> 8;
}

static void fill_attr(const struct ferry_req *req, u64 node, struct ferry_attr *attr)
{
	u32 type = node == FERRY_ROOT_NODE ? S_IFDIR : (u32)(node >> TYPE_SHIFT) << 12 & S_IFMT;

	memset(attr, 0, sizeof(*attr));
	attr->node = node;
	attr->mode = type | (type == S_IFDIR ? 0777 : 0666);
	attr->nlink = 1;
	if (type == S_IFREG) {
		attr->size = file_size(req);
		attr->blocks = attr->size / 512;
	}
}

static void fill_entry(const struct ferry_req *req, u64 node, struct ferry_entry *entry)
{
	entry->node = node;
	entry->generation = 0;
	entry->entry_ns = 0;
	entry->attr_ns = 0;
	fill_attr(req, node, &entry->attr);
}

static void null_lookup(struct ferry_req *req, u64 parent, const char *name)
{
	struct ferry_entry entry;

	if (name[0] != 'N') {
		ferry_reply_err(req, -ENOENT);
		return;
	}
	fill_entry(req, node_of(name, S_IFREG), &entry);
	ferry_reply_entry(req, &entry);
}

static void null_getattr(struct ferry_req *req, u64 node, struct ferry_handle *handle)
{
	struct ferry_attr attr;

	fill_attr(req, node, &attr);
	ferry_reply_attr(req, &attr, 0);
}

static void null_setattr(struct ferry_req *req, u64 node, const struct ferry_setattr *set,
			 struct ferry_handle *handle)
{
	null_getattr(req, node, handle);
}

static void make(struct ferry_req *req, const char *name, u32 type)
{
	struct ferry_entry entry;

	fill_entry(req, node_of(name, type), &entry);
	ferry_reply_entry(req, &entry);
}

static void null_mknod(struct ferry_req *req, u64 parent, const char *name, u32 mode, u32 rdev)
{
	make(req, name, mode & S_IFMT);
}

static void null_mkdir(struct ferry_req *req, u64 parent, const char *name, u32 mode)
{
	make(req, name, S_IFDIR);
}

static void null_unlink(struct ferry_req *req, u64 parent, const char *name)
{
	ferry_reply_err(req, 0);
}

static void null_rename(struct ferry_req *req, u64 parent, const char *name, u64 new_parent,
			const char *new_name, u32 flags)
{
	ferry_reply_err(req, 0);
}

static void null_create(struct ferry_req *req, u64 parent, const char *name, u32 mode,
			struct ferry_handle *handle)
{
	struct ferry_entry entry;

	fill_entry(req, node_of(name, S_IFREG), &entry);
	ferry_reply_create(req, &entry, handle);
}

static void reply_zeros(struct ferry_req *req, u32 len)
{
	struct ferry_iov iov[PIECES] FERRY_UNINIT;
	u32 n;

	for (n = 0; len && n < PIECES; n++) {
		iov[n].base = zeros;
		iov[n].len = min(len, (u32)ZEROS);
		len -= iov[n].len;
	}
	ferry_reply_data(req, iov, n);
}

static void null_read(struct ferry_req *req, u64 node, struct ferry_handle *handle, u64 off,
		      u32 len)
{
	u64 size = file_size(req);

	reply_zeros(req, off < size ? min((u64)len, size - off) : 0);
}

static void null_write(struct ferry_req *req, u64 node, struct ferry_handle *handle, u64 off,
		       u32 len, u32 flags)
{
	ferry_reply_written(req, len);
}

static void null_readdir(struct ferry_req *req, u64 node, struct ferry_handle *handle, u64 off,
			 bool plus)
{
	struct ferry_entry entry;

	if (!off) {
		fill_entry(req, node_of("N", S_IFREG), &entry);
		ferry_dirent_add(req, "N", 1, &entry, 1);
	}
	ferry_reply_dir(req);
}

static void null_statfs(struct ferry_req *req, u64 node)
{
	const struct ferry_statfs st = {
		.bsize = FERRY_PAGE_SIZE,
		.frsize = FERRY_PAGE_SIZE,
		.namelen = 255,
	};

	ferry_reply_statfs(req, &st);
}

static int init(struct ferry_server *server, const char *args, const char *const *known)
{
	struct null *null;
	int err;

	err = ferry_args_check(server, args, known);
	if (err)
		return err;
	null = ferry_alloc(sizeof(*null));
	if (!null)
		return -ENOMEM;
	null->size = SIZE_DEFAULT;
	null->untouched = ferry_opt_has(args, "untouched");
	err = ferry_opt_size(args, "size", &null->size);
	if (err) {
		ferry_log(FERRY_LOG_ERR, "null: size= wants bytes, as in size=512M");
		ferry_free(null);
		return err;
	}
	server->priv = null;
	return 0;
}

static int null_init(struct ferry_server *server, const char *args)
{
	static const char *const known[] = { "size", NULL };

	return init(server, args, known);
}

static void null_destroy(struct ferry_server *server)
{
	ferry_free(server->priv);
}

static const struct ferry_fs_ops null_ops = {
	.size = sizeof(null_ops),
	.init = null_init,
	.destroy = null_destroy,
	.lookup = null_lookup,
	.getattr = null_getattr,
	.setattr = null_setattr,
	.mknod = null_mknod,
	.mkdir = null_mkdir,
	.unlink = null_unlink,
	.rmdir = null_unlink,
	.rename = null_rename,
	.create = null_create,
	.read = null_read,
	.write = null_write,
	.readdir = null_readdir,
	.statfs = null_statfs,
};

static int null_disk_init(struct ferry_server *server, const char *args)
{
	static const char *const known[] = { "size", "untouched", NULL };
	int err = init(server, args, known);

	if (!err)
		server->block.size = ((const struct null *)server->priv)->size;
	return err;
}

static void null_disk_read(struct ferry_req *req, u64 off, u32 len)
{
	if (null_of(req)->untouched && ferry_req_skip(req))
		ferry_reply_err(req, 0);
	else
		reply_zeros(req, len);
}

static void null_disk_write(struct ferry_req *req, u64 off, u32 len, u32 flags)
{
	ferry_reply_err(req, 0);
}

static void null_disk_discard(struct ferry_req *req, u64 off, u64 len)
{
	ferry_reply_err(req, 0);
}

static void null_disk_zero(struct ferry_req *req, u64 off, u64 len, u32 flags)
{
	ferry_reply_err(req, 0);
}

static const struct ferry_block_ops null_disk_ops = {
	.size = sizeof(null_disk_ops),
	.init = null_disk_init,
	.destroy = null_destroy,
	.read = null_disk_read,
	.write = null_disk_write,
	.discard = null_disk_discard,
	.write_zeroes = null_disk_zero,
};

FERRY_BACKEND(null, .flags = FERRY_RECOVERS | FERRY_STATELESS,
	      .help = "[size=BYTES][,untouched]  answers at once; files N*, or a disk, of that size (1G)",
	      .fs = &null_ops, .block = &null_disk_ops);
