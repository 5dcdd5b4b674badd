// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Replies of the fs class: what a backend says -> FUSE 7.38 structs. */
#include <linux/fuse.h>
#include "dispatch.h"

#define NS_PER_S	1000000000ULL

static void fill_attr(struct fuse_attr *out, const struct ferry_attr *attr)
{
	out->ino = attr->node;
	out->size = attr->size;
	out->blocks = attr->blocks;
	out->atime = attr->atime.sec;
	out->mtime = attr->mtime.sec;
	out->ctime = attr->ctime.sec;
	out->atimensec = attr->atime.nsec;
	out->mtimensec = attr->mtime.nsec;
	out->ctimensec = attr->ctime.nsec;
	out->mode = attr->mode;
	out->nlink = attr->nlink;
	out->uid = attr->uid;
	out->gid = attr->gid;
	out->rdev = attr->rdev;
	out->blksize = attr->blksize;
	out->flags = 0;
}

static void fill_entry(struct fuse_entry_out *out, const struct ferry_entry *entry)
{
	out->nodeid = entry->node;
	out->generation = entry->generation;
	out->entry_valid = entry->entry_ns / NS_PER_S;
	out->attr_valid = entry->attr_ns / NS_PER_S;
	out->entry_valid_nsec = entry->entry_ns % NS_PER_S;
	out->attr_valid_nsec = entry->attr_ns % NS_PER_S;
	fill_attr(&out->attr, &entry->attr);
}

static void fill_open(struct ferry_req *req, struct ferry_open_out *out,
		      const struct ferry_handle *handle)
{
	_Static_assert(FERRY_OPEN_DIRECT_IO == FOPEN_DIRECT_IO &&
		       FERRY_OPEN_KEEP_CACHE == FOPEN_KEEP_CACHE &&
		       FERRY_OPEN_NONSEEKABLE == FOPEN_NONSEEKABLE &&
		       FERRY_OPEN_CACHE_DIR == FOPEN_CACHE_DIR, "copied as they are");

	out->fh = handle->fh;
	out->open_flags = handle->keep & (FOPEN_DIRECT_IO | FOPEN_KEEP_CACHE |
					  FOPEN_NONSEEKABLE | FOPEN_CACHE_DIR);
	out->backing_id = 0;
	if (handle->keep & FERRY_OPEN_BACKED && req->host->backing && req->server->fs.stack_depth) {
		int id = req->host->backing(req, handle->backing_fd);

		/* Where it cannot be had the server is asked for data. */
		if (id > 0) {
			out->open_flags |= FERRY_OPEN_PASSTHROUGH;
			out->backing_id = id;
		}
	}
}

void ferry_reply_entry(struct ferry_req *req, const struct ferry_entry *entry)
{
	struct fuse_entry_out *out = ferry_req_out(req, sizeof(*out));

	if (!out)
		return;
	fill_entry(out, entry);
	ferry_req_end(req);
}
FERRY_EXPORT(ferry_reply_entry);

void ferry_reply_attr(struct ferry_req *req, const struct ferry_attr *attr, u64 attr_ns)
{
	struct fuse_attr_out *out = ferry_req_out(req, sizeof(*out));

	if (!out)
		return;
	out->attr_valid = attr_ns / NS_PER_S;
	out->attr_valid_nsec = attr_ns % NS_PER_S;
	out->dummy = 0;
	fill_attr(&out->attr, attr);
	ferry_req_end(req);
}
FERRY_EXPORT(ferry_reply_attr);

void ferry_reply_open(struct ferry_req *req, const struct ferry_handle *handle)
{
	struct ferry_open_out *out = ferry_req_out(req, sizeof(*out));

	if (!out)
		return;
	fill_open(req, out, handle);
	ferry_req_end(req);
}
FERRY_EXPORT(ferry_reply_open);

void ferry_reply_create(struct ferry_req *req, const struct ferry_entry *entry,
			const struct ferry_handle *handle)
{
	bool parts = req->nr_out > 1;
	struct fuse_entry_out *out;
	struct ferry_open_out *open;

	if (unlikely(parts && req->out[1].len < sizeof(*open))) {
		ferry_reply_err(req, -EIO);
		return;
	}
	out = ferry_req_out(req, parts ? sizeof(*out) : sizeof(*out) + sizeof(*open));
	if (!out)
		return;
	open = parts ? req->out[1].p : (void *)(out + 1);
	fill_entry(out, entry);
	fill_open(req, open, handle);
	req->out_len = sizeof(*out) + sizeof(*open);
	ferry_req_end(req);
}
FERRY_EXPORT(ferry_reply_create);

void ferry_reply_written(struct ferry_req *req, u32 len)
{
	struct fuse_write_out *out;

	if (unlikely(len > req->data_len)) {
		ferry_reply_err(req, -EIO);
		return;
	}
	out = ferry_req_out(req, sizeof(*out));
	if (!out)
		return;
	out->size = len;
	out->padding = 0;
	ferry_req_end(req);
}
FERRY_EXPORT(ferry_reply_written);

void ferry_reply_statfs(struct ferry_req *req, const struct ferry_statfs *st)
{
	struct fuse_statfs_out *out = ferry_req_out(req, sizeof(*out));

	if (!out)
		return;
	memset(out, 0, sizeof(*out));
	out->st.blocks = st->blocks;
	out->st.bfree = st->bfree;
	out->st.bavail = st->bavail;
	out->st.files = st->files;
	out->st.ffree = st->ffree;
	out->st.bsize = st->bsize;
	out->st.frsize = st->frsize;
	out->st.namelen = st->namelen;
	ferry_req_end(req);
}
FERRY_EXPORT(ferry_reply_statfs);

void ferry_reply_lseek(struct ferry_req *req, u64 off)
{
	struct fuse_lseek_out *out = ferry_req_out(req, sizeof(*out));

	if (!out)
		return;
	out->offset = off;
	ferry_req_end(req);
}
FERRY_EXPORT(ferry_reply_lseek);

/* Data that is of use in one piece only. */
static void reply_whole(struct ferry_req *req, const void *p, size_t len, int too_long)
{
	const struct ferry_iov iov = { (void *)p, len };

	if (len > req->data_len)
		ferry_reply_err(req, too_long);
	else
		ferry_reply_data(req, &iov, len ? 1 : 0);
}

void ferry_reply_readlink(struct ferry_req *req, const char *target)
{
	reply_whole(req, target, strlen(target), -ENAMETOOLONG);
}
FERRY_EXPORT(ferry_reply_readlink);

void ferry_reply_xattr(struct ferry_req *req, const void *value, size_t len)
{
	const struct fuse_getxattr_in *in = req->in[0].p;
	struct fuse_getxattr_out *out;

	if (unlikely(req->opcode != FUSE_GETXATTR && req->opcode != FUSE_LISTXATTR)) {
		ferry_reply_err(req, -EIO);
		return;
	}
	if (in->size) {
		reply_whole(req, value, len, -ERANGE);
		return;
	}
	if (unlikely(len > ~0U)) {
		ferry_reply_err(req, -E2BIG);
		return;
	}
	out = ferry_req_out(req, sizeof(*out));
	if (!out)
		return;
	out->size = len;
	out->padding = 0;
	ferry_req_end(req);
}
FERRY_EXPORT(ferry_reply_xattr);

static bool is_dot(const char *name, size_t len)
{
	return name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'));
}

bool ferry_dirent_add(struct ferry_req *req, const char *name, size_t namelen,
		      const struct ferry_entry *entry, u64 next)
{
	static const char zeros[8];
	struct fuse_direntplus plus;
	struct fuse_dirent *de = &plus.dirent;
	struct ferry_iov iov[3] = {
		{ de, FUSE_NAME_OFFSET },
		{ (void *)name, namelen },
		{ (void *)zeros, FUSE_DIRENT_ALIGN(namelen) - namelen },
	};
	size_t size;

	if (unlikely(!namelen || namelen > 255)) {
		if (!req->answered)
			req->error = -EIO;
		return false;
	}
	if (req->opcode == FUSE_READDIRPLUS) {
		iov[0].base = &plus;
		iov[0].len = FUSE_NAME_OFFSET_DIRENTPLUS;
		if (is_dot(name, namelen))
			memset(&plus.entry_out, 0, sizeof(plus.entry_out));
		else
			fill_entry(&plus.entry_out, entry);
	}
	size = iov[0].len + FUSE_DIRENT_ALIGN(namelen);
	if (req->error || size > req->data_len - req->pushed)
		return false;

	de->ino = entry->attr.node ? entry->attr.node : entry->node;
	de->off = next;
	de->namelen = namelen;
	de->type = (entry->attr.mode & S_IFMT) >> 12;
	if (unlikely(ferry_req_push(req, iov, 3) != (ssize_t)size)) {
		if (!req->answered)
			req->error = -EIO;
		return false;
	}
	return true;
}
FERRY_EXPORT(ferry_dirent_add);

void ferry_reply_dir(struct ferry_req *req)
{
	ferry_reply_err(req, 0);
}
FERRY_EXPORT(ferry_reply_dir);
