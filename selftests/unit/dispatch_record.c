// SPDX-License-Identifier: GPL-2.0-only OR MIT
#include "dispatch_record.h"

char said[1024];
int record_init_err;

#define SAY(...) snprintf(said, sizeof(said), __VA_ARGS__)

const struct ferry_entry record_entry = {
	.node = 11, .generation = 3, .entry_ns = 1500000000, .attr_ns = FERRY_FOREVER,
	.attr = { .node = 11, .size = 5, .blocks = 8, .mode = S_IFREG | 0640, .nlink = 2,
		  .uid = 4, .gid = 6, .rdev = 9, .blksize = 512,
		  .atime = { 1, 2 }, .mtime = { 3, 4 }, .ctime = { -5, 6 } },
};

static int op_init(struct ferry_server *server, const char *args)
{
	SAY("init %s", args ? args : "-");
	server->fs.max_write = 100000;
	return record_init_err;
}

static void op_destroy(struct ferry_server *server)
{
	SAY("destroy");
}

static void op_lookup(struct ferry_req *req, u64 parent, const char *name)
{
	const struct ferry_cred *c = ferry_req_cred(req);

	SAY("lookup %llu %s by %u:%u:%u", parent, name, c->uid, c->gid, c->pid);
	ferry_reply_entry(req, &record_entry);
}

static void op_forget(struct ferry_server *server, u64 node, u64 nlookup)
{
	snprintf(said + strlen(said), sizeof(said) - strlen(said), "forget %llu %llu;", node,
		 nlookup);
}

static void op_getattr(struct ferry_req *req, u64 node, struct ferry_handle *h)
{
	SAY("getattr %llu %lld", node, h ? (long long)h->fh : -1);
	ferry_reply_attr(req, &record_entry.attr, 2000000001);
}

static void op_setattr(struct ferry_req *req, u64 node, const struct ferry_setattr *s,
		       struct ferry_handle *h)
{
	SAY("setattr %llu %x mode %o by %u:%u size %llu at %lld.%u %lld.%u %lld.%u fh %lld",
	    node, s->valid, s->mode, s->uid, s->gid, s->size, s->atime.sec, s->atime.nsec,
	    s->mtime.sec, s->mtime.nsec, s->ctime.sec, s->ctime.nsec,
	    h ? (long long)h->fh : -1);
	ferry_reply_attr(req, &record_entry.attr, 0);
}

static void op_readlink(struct ferry_req *req, u64 node)
{
	SAY("readlink %llu", node);
	ferry_reply_readlink(req, "some/where");
}

static void op_mknod(struct ferry_req *req, u64 parent, const char *name, u32 mode, u32 rdev)
{
	SAY("mknod %llu %s %o %u", parent, name, mode, rdev);
	ferry_reply_entry(req, &record_entry);
}

static void op_mkdir(struct ferry_req *req, u64 parent, const char *name, u32 mode)
{
	SAY("mkdir %llu %s %o", parent, name, mode);
	ferry_reply_entry(req, &record_entry);
}

static void op_symlink(struct ferry_req *req, u64 parent, const char *name, const char *target)
{
	SAY("symlink %llu %s %s", parent, name, target);
	ferry_reply_entry(req, &record_entry);
}

static void op_unlink(struct ferry_req *req, u64 parent, const char *name)
{
	SAY("unlink %llu %s", parent, name);
	ferry_reply_err(req, 0);
}

static void op_rmdir(struct ferry_req *req, u64 parent, const char *name)
{
	SAY("rmdir %llu %s", parent, name);
	ferry_reply_err(req, -ENOTEMPTY);
}

static void op_rename(struct ferry_req *req, u64 parent, const char *name, u64 new_parent,
		      const char *new_name, u32 flags)
{
	SAY("rename %llu %s %llu %s %x", parent, name, new_parent, new_name, flags);
	ferry_reply_err(req, 0);
}

static void op_link(struct ferry_req *req, u64 node, u64 new_parent, const char *new_name)
{
	SAY("link %llu %llu %s", node, new_parent, new_name);
	ferry_reply_entry(req, &record_entry);
}

static void op_open(struct ferry_req *req, u64 node, struct ferry_handle *h)
{
	SAY("open %llu %x %x", node, h->flags, h->keep);
	h->fh = 77;
	h->keep |= FERRY_OPEN_DIRECT_IO | 1 << 20;
	ferry_reply_open(req, h);
}

static void op_create(struct ferry_req *req, u64 parent, const char *name, u32 mode,
		      struct ferry_handle *h)
{
	SAY("create %llu %s %o %x", parent, name, mode, h->flags);
	h->fh = 78;
	h->keep = FERRY_OPEN_KEEP_CACHE;
	ferry_reply_create(req, &record_entry, h);
}

static void op_read(struct ferry_req *req, u64 node, struct ferry_handle *h, u64 off, u32 len)
{
	char a[] = "abc", b[] = "defgh";
	struct ferry_iov iov[] = { { a, 3 }, { b, 5 } };

	SAY("read %llu %llu %llu %u", node, h->fh, off, len);
	ferry_reply_data(req, iov, 2);
}

static void op_write(struct ferry_req *req, u64 node, struct ferry_handle *h, u64 off, u32 len,
		     u32 flags)
{
	char a[3] = "", b[100] = "";
	struct ferry_iov iov[] = { { a, 2 }, { b, 99 } };
	ssize_t n = ferry_req_pull(req, 1, iov, 2);

	SAY("write %llu %llu %llu %u %x got %zd %s %s", node, h->fh, off, len, flags, n, a, b);
	ferry_reply_written(req, len);
}

static void op_flush(struct ferry_req *req, u64 node, struct ferry_handle *h)
{
	SAY("flush %llu %llu %llu", node, h->fh, h->lock_owner);
	ferry_reply_err(req, 0);
}

static void op_release(struct ferry_req *req, u64 node, struct ferry_handle *h)
{
	SAY("release %llu %llu %x", node, h->fh, h->flags);
	ferry_reply_err(req, 0);
}

static void op_fsync(struct ferry_req *req, u64 node, struct ferry_handle *h, bool datasync)
{
	SAY("fsync %llu %llu %d", node, h->fh, datasync);
	ferry_reply_err(req, 0);
}

static void op_readdir(struct ferry_req *req, u64 node, struct ferry_handle *h, u64 off,
		       bool plus)
{
	u64 next = off;
	char name[] = "name-0";

	SAY("readdir %llu %llu %llu %d", node, h->fh, off, plus);
	ferry_dirent_add(req, ".", 1, &record_entry, ++next);
	while (next < 5) {
		name[5] = '0' + next;
		if (!ferry_dirent_add(req, name, 6, &record_entry, ++next))
			break;
	}
	ferry_reply_dir(req);
}

static void op_releasedir(struct ferry_req *req, u64 node, struct ferry_handle *h)
{
	SAY("releasedir %llu %llu", node, h->fh);
	ferry_reply_err(req, 0);
}

static void op_statfs(struct ferry_req *req, u64 node)
{
	const struct ferry_statfs st = { 1, 2, 3, 4, 5, 6, 7, 8 };

	SAY("statfs %llu", node);
	ferry_reply_statfs(req, &st);
}

static void op_setxattr(struct ferry_req *req, u64 node, const char *name, u32 len, u32 flags)
{
	char value[100] = "";
	struct ferry_iov iov = { value, 99 };

	ferry_req_pull(req, 0, &iov, 1);
	SAY("setxattr %llu %s %u %x %s", node, name, len, flags, value);
	ferry_reply_err(req, 0);
}

static void op_getxattr(struct ferry_req *req, u64 node, const char *name)
{
	SAY("getxattr %llu %s", node, name);
	ferry_reply_xattr(req, "value", 5);
}

static void op_listxattr(struct ferry_req *req, u64 node)
{
	SAY("listxattr %llu", node);
	ferry_reply_xattr(req, "user.a\0user.b", 14);
}

static void op_removexattr(struct ferry_req *req, u64 node, const char *name)
{
	SAY("removexattr %llu %s", node, name);
	ferry_reply_err(req, -ENODATA);
}

static void op_access(struct ferry_req *req, u64 node, u32 mask)
{
	SAY("access %llu %u", node, mask);
	ferry_reply_err(req, -EACCES);
}

static void op_lseek(struct ferry_req *req, u64 node, struct ferry_handle *h, u64 off, u32 whence)
{
	SAY("lseek %llu %llu %llu %u", node, h->fh, off, whence);
	ferry_reply_lseek(req, off + 1);
}

static void op_fallocate(struct ferry_req *req, u64 node, struct ferry_handle *h, u32 mode,
			 u64 off, u64 len)
{
	SAY("fallocate %llu %llu %u %llu %llu", node, h->fh, mode, off, len);
	ferry_reply_err(req, 0);
}

const struct ferry_fs_ops record_ops = {
	.size = sizeof(struct ferry_fs_ops), .init = op_init, .destroy = op_destroy,
	.lookup = op_lookup, .forget = op_forget, .getattr = op_getattr, .setattr = op_setattr,
	.readlink = op_readlink, .mknod = op_mknod, .mkdir = op_mkdir, .symlink = op_symlink,
	.unlink = op_unlink, .rmdir = op_rmdir, .rename = op_rename, .link = op_link,
	.open = op_open, .create = op_create, .read = op_read, .write = op_write,
	.flush = op_flush, .release = op_release, .fsync = op_fsync, .opendir = op_open,
	.readdir = op_readdir, .releasedir = op_releasedir, .statfs = op_statfs,
	.setxattr = op_setxattr, .getxattr = op_getxattr, .listxattr = op_listxattr,
	.removexattr = op_removexattr, .access = op_access, .lseek = op_lseek,
	.fallocate = op_fallocate,
};
