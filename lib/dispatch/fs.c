// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Requests of the fs class: FUSE 7.38 messages -> operations of struct ferry_fs_ops. */
#include <linux/fuse.h>
#include "dispatch.h"

#define NAME_LEN_MAX	255
#define TARGET_LEN_MAX	4095
#define XATTR_LEN_MAX	65536
#define FILE_SIZE_MAX	(~0ULL >> 1)
#define NSEC_MAX	999999999

/* What stands behind the fixed struct of a message. */
enum tail {
	TAIL_NONE,
	TAIL_NAME,	/* of a directory entry */
	TAIL_XATTR,	/* name of an extended attribute */
	TAIL_TARGET,	/* of a symbolic link */
	TAIL_REST,	/* whatever is left; the operation looks at it */
};

/**
 * struct fs_op - how to take a message apart, and who gets it
 * @call: unpacks the fixed struct and calls the operation
 * @op: where the operation lies in struct ferry_fs_ops
 * @fixed: bytes of the fixed struct, 0 if there is none
 * @parts: fixed struct and tails
 * @tail: what they are
 * @no_reply: the protocol has none
 */
struct fs_op {
	void (*call)(struct ferry_req *req, const struct ferry_fs_ops *ops);
	u16 op;
	u8 fixed;
	u8 parts;
	u8 tail[2];
	bool no_reply;
};

static bool fits_file(u64 off, u64 len)
{
	return off <= FILE_SIZE_MAX && len <= FILE_SIZE_MAX - off;
}

static struct ferry_handle *handle(struct ferry_req *req, u64 fh, u32 flags, u64 lock_owner)
{
	struct ferry_handle *h = &((struct ferry_fs_arg *)req->arg)->handle;

	_Static_assert(sizeof(struct ferry_fs_arg) <= sizeof(req->arg), "must fit");
	h->fh = fh;
	h->flags = flags;
	h->keep = 0;
	h->lock_owner = lock_owner;
	return h;
}

static void do_lookup(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	ops->lookup(req, req->node, req->in[0].p);
}

static void do_forget(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	const struct fuse_forget_in *in = req->in[0].p;

	ops->forget(req->server, req->node, in->nlookup);
	ferry_reply_err(req, 0);
}

static void do_batch_forget(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	const struct fuse_batch_forget_in *in = req->in[0].p;
	const struct fuse_forget_one *one = req->in[1].p;
	u32 i;

	if (req->in[1].len / sizeof(*one) != in->count || req->in[1].len % sizeof(*one)) {
		ferry_reply_err(req, -EINVAL);
		return;
	}
	for (i = 0; i < in->count; i++)
		ops->forget(req->server, one[i].nodeid, one[i].nlookup);
	ferry_reply_err(req, 0);
}

static void do_getattr(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	const struct fuse_getattr_in *in = req->in[0].p;

	ops->getattr(req, req->node, in->getattr_flags & FUSE_GETATTR_FH ?
				     handle(req, in->fh, 0, 0) : NULL);
}

static u32 set_valid(u32 fattr)
{
	const u32 same = FATTR_MODE | FATTR_UID | FATTR_GID | FATTR_SIZE | FATTR_ATIME |
			 FATTR_MTIME;

	_Static_assert(FERRY_SET_MODE == FATTR_MODE && FERRY_SET_UID == FATTR_UID &&
		       FERRY_SET_GID == FATTR_GID && FERRY_SET_SIZE == FATTR_SIZE &&
		       FERRY_SET_ATIME == FATTR_ATIME && FERRY_SET_MTIME == FATTR_MTIME,
		       "copied as they are");

	return (fattr & same) |
	       (fattr & FATTR_ATIME_NOW ? FERRY_SET_ATIME_NOW : 0) |
	       (fattr & FATTR_MTIME_NOW ? FERRY_SET_MTIME_NOW : 0) |
	       (fattr & FATTR_CTIME ? FERRY_SET_CTIME : 0) |
	       (fattr & FATTR_KILL_SUIDGID ? FERRY_SET_KILL_SUID : 0);
}

static void do_setattr(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	const struct fuse_setattr_in *in = req->in[0].p;
	struct ferry_setattr *set = &((struct ferry_fs_arg *)req->arg)->set;

	if ((in->valid & FATTR_SIZE && in->size > FILE_SIZE_MAX) || in->atimensec > NSEC_MAX ||
	    in->mtimensec > NSEC_MAX || in->ctimensec > NSEC_MAX) {
		ferry_reply_err(req, -EINVAL);
		return;
	}
	set->valid = set_valid(in->valid);
	set->mode = in->mode & 07777;
	set->uid = in->uid;
	set->gid = in->gid;
	set->size = in->size;
	set->atime.sec = in->atime;
	set->atime.nsec = in->atimensec;
	set->mtime.sec = in->mtime;
	set->mtime.nsec = in->mtimensec;
	set->ctime.sec = in->ctime;
	set->ctime.nsec = in->ctimensec;
	ops->setattr(req, req->node, set, in->valid & FATTR_FH ?
		     handle(req, in->fh, 0, in->lock_owner) : NULL);
}

static void do_readlink(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	ops->readlink(req, req->node);
}

static void do_symlink(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	ops->symlink(req, req->node, req->in[0].p, req->in[1].p);
}

static void do_mknod(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	const struct fuse_mknod_in *in = req->in[0].p;

	switch (in->mode & S_IFMT) {
	case S_IFREG:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		ops->mknod(req, req->node, req->in[1].p, in->mode & (S_IFMT | 07777), in->rdev);
		break;
	default:
		ferry_reply_err(req, -EINVAL);
	}
}

static void do_mkdir(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	const struct fuse_mkdir_in *in = req->in[0].p;

	ops->mkdir(req, req->node, req->in[1].p, S_IFDIR | (in->mode & 07777));
}

static void do_unlink(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	ops->unlink(req, req->node, req->in[0].p);
}

static void do_rmdir(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	ops->rmdir(req, req->node, req->in[0].p);
}

static void do_rename(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	const struct fuse_rename_in *in = req->in[0].p;

	ops->rename(req, req->node, req->in[1].p, in->newdir, req->in[2].p, 0);
}

static void do_rename2(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	const struct fuse_rename2_in *in = req->in[0].p;

	if (in->flags > FERRY_RENAME_EXCHANGE) {
		ferry_reply_err(req, -EINVAL);
		return;
	}
	ops->rename(req, req->node, req->in[1].p, in->newdir, req->in[2].p, in->flags);
}

static void do_link(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	const struct fuse_link_in *in = req->in[0].p;

	ops->link(req, in->oldnodeid, req->node, req->in[1].p);
}

static struct ferry_handle *open_handle(struct ferry_req *req, u32 flags, u32 open_flags)
{
	struct ferry_handle *h = handle(req, 0, flags & ~(O_CREAT | O_EXCL | O_NOCTTY), 0);

	if (open_flags & FUSE_OPEN_KILL_SUIDGID)
		h->keep = FERRY_OPEN_KILL_SUID;
	return h;
}

static void do_open(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	const struct fuse_open_in *in = req->in[0].p;

	ops->open(req, req->node, open_handle(req, in->flags, in->open_flags));
}

static void do_create(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	const struct fuse_create_in *in = req->in[0].p;
	struct ferry_handle *h = open_handle(req, in->flags, in->open_flags);

	h->flags |= in->flags & O_EXCL;
	ops->create(req, req->node, req->in[1].p, S_IFREG | (in->mode & 07777), h);
}

/* The room for data that the message names; the host may have more of it. */
static bool limit_data(struct ferry_req *req, u32 size)
{
	if (unlikely(req->data_in || size > req->data_len)) {
		ferry_reply_err(req, -EINVAL);
		return false;
	}
	req->data_len = size;
	return true;
}

static void do_read(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	const struct fuse_read_in *in = req->in[0].p;
	u32 size;

	if (unlikely(in->offset > FILE_SIZE_MAX)) {
		ferry_reply_err(req, -EINVAL);
		return;
	}
	/* The page that holds a file's last byte may end behind what a file can have. */
	size = min((u64)in->size, FILE_SIZE_MAX - in->offset);
	if (limit_data(req, size))
		ops->read(req, req->node, handle(req, in->fh, in->flags, in->lock_owner),
			  in->offset, size);
}

static void do_write(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	const struct fuse_write_in *in = req->in[0].p;
	u32 flags = 0;

	if (unlikely(!req->data_in || in->size != req->data_len ||
		     !fits_file(in->offset, in->size))) {
		ferry_reply_err(req, -EINVAL);
		return;
	}
	if (in->write_flags & FUSE_WRITE_CACHE)
		flags |= FERRY_WRITE_CACHE;
	if (in->write_flags & FUSE_WRITE_KILL_SUIDGID)
		flags |= FERRY_WRITE_KILL_SUID;
	ops->write(req, req->node, handle(req, in->fh, in->flags, in->lock_owner),
		   in->offset, in->size, flags);
}

static void do_flush(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	const struct fuse_flush_in *in = req->in[0].p;

	ops->flush(req, req->node, handle(req, in->fh, 0, in->lock_owner));
}

static void do_release(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	const struct fuse_release_in *in = req->in[0].p;

	ops->release(req, req->node, handle(req, in->fh, in->flags, in->lock_owner));
}

static void do_fsync(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	const struct fuse_fsync_in *in = req->in[0].p;

	ops->fsync(req, req->node, handle(req, in->fh, 0, 0),
		   in->fsync_flags & FUSE_FSYNC_FDATASYNC);
}

static void do_opendir(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	const struct fuse_open_in *in = req->in[0].p;

	ops->opendir(req, req->node, open_handle(req, in->flags, 0));
}

static void do_readdir(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	const struct fuse_read_in *in = req->in[0].p;
	const bool plus = req->opcode == FUSE_READDIRPLUS;

	if (!limit_data(req, in->size))
		return;
	if (plus && req->host->data_max)
		req->data_len = min(req->data_len, req->host->data_max);
	ops->readdir(req, req->node, handle(req, in->fh, in->flags, 0), in->offset, plus);
}

static void do_releasedir(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	const struct fuse_release_in *in = req->in[0].p;

	ops->releasedir(req, req->node, handle(req, in->fh, in->flags, in->lock_owner));
}

static void do_statfs(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	ops->statfs(req, req->node);
}

static void do_setxattr(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	const struct fuse_setxattr_in *in = req->in[0].p;

	if (in->size != req->data_len || (in->size && !req->data_in) || in->flags > 3) {
		ferry_reply_err(req, -EINVAL);
		return;
	}
	if (in->size > XATTR_LEN_MAX) {
		ferry_reply_err(req, -E2BIG);
		return;
	}
	ops->setxattr(req, req->node, req->in[1].p, in->size, in->flags);
}

static void do_getxattr(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	const struct fuse_getxattr_in *in = req->in[0].p;

	if (limit_data(req, in->size))
		ops->getxattr(req, req->node, req->in[1].p);
}

static void do_listxattr(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	const struct fuse_getxattr_in *in = req->in[0].p;

	if (limit_data(req, in->size))
		ops->listxattr(req, req->node);
}

static void do_removexattr(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	ops->removexattr(req, req->node, req->in[0].p);
}

static void do_access(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	const struct fuse_access_in *in = req->in[0].p;

	if (in->mask > 7)
		ferry_reply_err(req, -EINVAL);
	else
		ops->access(req, req->node, in->mask);
}

static void do_lseek(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	const struct fuse_lseek_in *in = req->in[0].p;

	if (in->offset > FILE_SIZE_MAX || (in->whence != SEEK_DATA && in->whence != SEEK_HOLE))
		ferry_reply_err(req, -EINVAL);
	else
		ops->lseek(req, req->node, handle(req, in->fh, 0, 0), in->offset, in->whence);
}

static void do_fallocate(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	const struct fuse_fallocate_in *in = req->in[0].p;

	if (!in->length || !fits_file(in->offset, in->length))
		ferry_reply_err(req, -EINVAL);
	else
		ops->fallocate(req, req->node, handle(req, in->fh, 0, 0), in->mode, in->offset,
			       in->length);
}

static void do_init(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	ferry_fs_negotiate(req);
}

/* No operation of the backend: always answered with success. */
static void do_nothing(struct ferry_req *req, const struct ferry_fs_ops *ops)
{
	ferry_reply_err(req, 0);
}

#define SIZE(type)	sizeof(struct type)
#define OP(_call, _op, _fixed, _parts, ...)					\
	.call = do_##_call, .op = offsetof(struct ferry_fs_ops, _op),		\
	.fixed = _fixed, .parts = _parts, .tail = { __VA_ARGS__ }

static const struct fs_op fs_ops[] = {
	[FUSE_LOOKUP]	= { OP(lookup, lookup, 0, 1, TAIL_NAME) },
	[FUSE_FORGET]	= { OP(forget, forget, SIZE(fuse_forget_in), 1), .no_reply = true },
	[FUSE_GETATTR]	= { OP(getattr, getattr, SIZE(fuse_getattr_in), 1) },
	[FUSE_SETATTR]	= { OP(setattr, setattr, SIZE(fuse_setattr_in), 1) },
	[FUSE_READLINK]	= { OP(readlink, readlink, 0, 0) },
	[FUSE_SYMLINK]	= { OP(symlink, symlink, 0, 2, TAIL_NAME, TAIL_TARGET) },
	[FUSE_MKNOD]	= { OP(mknod, mknod, SIZE(fuse_mknod_in), 2, TAIL_NAME) },
	[FUSE_MKDIR]	= { OP(mkdir, mkdir, SIZE(fuse_mkdir_in), 2, TAIL_NAME) },
	[FUSE_UNLINK]	= { OP(unlink, unlink, 0, 1, TAIL_NAME) },
	[FUSE_RMDIR]	= { OP(rmdir, rmdir, 0, 1, TAIL_NAME) },
	[FUSE_RENAME]	= { OP(rename, rename, SIZE(fuse_rename_in), 3, TAIL_NAME, TAIL_NAME) },
	[FUSE_RENAME2]	= { OP(rename2, rename, SIZE(fuse_rename2_in), 3, TAIL_NAME, TAIL_NAME) },
	[FUSE_LINK]	= { OP(link, link, SIZE(fuse_link_in), 2, TAIL_NAME) },
	[FUSE_OPEN]	= { OP(open, open, SIZE(fuse_open_in), 1) },
	[FUSE_CREATE]	= { OP(create, create, SIZE(fuse_create_in), 2, TAIL_NAME) },
	[FUSE_READ]	= { OP(read, read, SIZE(fuse_read_in), 1) },
	[FUSE_WRITE]	= { OP(write, write, SIZE(fuse_write_in), 1) },
	[FUSE_FLUSH]	= { OP(flush, flush, SIZE(fuse_flush_in), 1) },
	[FUSE_RELEASE]	= { OP(release, release, SIZE(fuse_release_in), 1) },
	[FUSE_FSYNC]	= { OP(fsync, fsync, SIZE(fuse_fsync_in), 1) },
	[FUSE_FSYNCDIR]	= { OP(fsync, fsync, SIZE(fuse_fsync_in), 1) },
	[FUSE_OPENDIR]	= { OP(opendir, opendir, SIZE(fuse_open_in), 1) },
	[FUSE_READDIR]	= { OP(readdir, readdir, SIZE(fuse_read_in), 1) },
	[FUSE_READDIRPLUS] = { OP(readdir, readdir, SIZE(fuse_read_in), 1) },
	[FUSE_RELEASEDIR] = { OP(releasedir, releasedir, SIZE(fuse_release_in), 1) },
	[FUSE_STATFS]	= { OP(statfs, statfs, 0, 0) },
	/* The short form: FUSE_SETXATTR_EXT is not negotiated. */
	[FUSE_SETXATTR]	= { OP(setxattr, setxattr, FUSE_COMPAT_SETXATTR_IN_SIZE, 2, TAIL_XATTR) },
	[FUSE_GETXATTR]	= { OP(getxattr, getxattr, SIZE(fuse_getxattr_in), 2, TAIL_XATTR) },
	[FUSE_LISTXATTR] = { OP(listxattr, listxattr, SIZE(fuse_getxattr_in), 1) },
	[FUSE_REMOVEXATTR] = { OP(removexattr, removexattr, 0, 1, TAIL_XATTR) },
	[FUSE_ACCESS]	= { OP(access, access, SIZE(fuse_access_in), 1) },
	[FUSE_LSEEK]	= { OP(lseek, lseek, SIZE(fuse_lseek_in), 1) },
	[FUSE_FALLOCATE] = { OP(fallocate, fallocate, SIZE(fuse_fallocate_in), 1) },
	[FUSE_BATCH_FORGET] = { OP(batch_forget, forget, SIZE(fuse_batch_forget_in), 2, TAIL_REST),
				.no_reply = true },

	/* These need no operation of the backend; ->size is never 0. */
	[FUSE_DESTROY]	= { OP(nothing, size, 0, 0) },
	[FUSE_INTERRUPT] = { OP(nothing, size, SIZE(fuse_interrupt_in), 1), .no_reply = true },
	/* Clients since 7.36 have a longer struct. */
	[FUSE_INIT]	= { OP(init, size, offsetof(struct fuse_init_in, flags2), 1, TAIL_REST) },
};

/* One piece -> fixed struct, names. The checks of what is in them come later. */
static int split(struct ferry_req *req, const struct fs_op *op)
{
	const char *p = req->in[0].p;
	u32 left = req->in[0].len;
	unsigned int i = 0;

	if (op->fixed) {
		if (left < op->fixed)
			return -EINVAL;
		req->in[i++].len = op->fixed;
		p += op->fixed;
		left -= op->fixed;
	}
	for (; i < op->parts; i++) {
		const char *nul = memchr(p, 0, left);

		req->in[i].p = p;
		req->in[i].len = left;
		if (i + 1 == op->parts)
			break;
		if (!nul)
			return -EINVAL;
		req->in[i].len = nul + 1 - p;
		left -= req->in[i].len;
		p = nul + 1;
	}
	req->nr_in = op->parts;
	return 0;
}

/* @len of the checks below counts the NUL, which must be there and nowhere before. */
static int check_name(const char *name, u32 len)
{
	u32 i;

	if (unlikely(len < 2))
		return -EINVAL;
	if (unlikely(len > NAME_LEN_MAX + 1))
		return -ENAMETOOLONG;
	for (i = 0; i < len - 1; i++)
		if (unlikely(name[i] == '/' || !name[i]))
			return -EINVAL;
	if (unlikely(name[i]))
		return -EINVAL;
	if (unlikely(name[0] == '.' && (len == 2 || (name[1] == '.' && len == 3))))
		return -EINVAL;
	return 0;
}

static int check_string(const char *s, u32 len, u32 max_len, int too_long)
{
	if (len < 2)
		return -EINVAL;
	if (len > max_len + 1)
		return too_long;
	return memchr(s, 0, len) == s + len - 1 ? 0 : -EINVAL;
}

static int check_tail(enum tail tail, const void *p, u32 len)
{
	switch (tail) {
	case TAIL_NAME:
		return check_name(p, len);
	case TAIL_XATTR:
		return check_string(p, len, NAME_LEN_MAX, -ERANGE);
	case TAIL_TARGET:
		return check_string(p, len, TARGET_LEN_MAX, -ENAMETOOLONG);
	default:
		return 0;
	}
}

static int check(struct ferry_req *req, const struct fs_op *op)
{
	unsigned int first = op->fixed ? 1 : 0, i;
	int err;

	if (req->nr_in != op->parts) {
		if (unlikely(req->nr_in != 1 || op->parts < 2))
			return -EINVAL;
		err = split(req, op);
		if (unlikely(err))
			return err;
	}
	if (first && unlikely(req->in[0].len != op->fixed) &&
	    (req->in[0].len < op->fixed || op->parts > 1 || op->tail[0] != TAIL_REST))
		return -EINVAL;
	for (i = first; i < op->parts; i++) {
		err = check_tail(op->tail[i - first], req->in[i].p, req->in[i].len);
		if (unlikely(err))
			return err;
	}
	return 0;
}

static bool has_op(const struct ferry_fs_ops *ops, u16 op)
{
	return *(void *const *)((const char *)ops + op);
}

enum ferry_change ferry_fs_change(const struct ferry_req *req)
{
	switch (req->opcode) {
	case FUSE_GETATTR:
	case FUSE_READLINK:
	case FUSE_READ:
	case FUSE_READDIR:
	case FUSE_FLUSH:
	case FUSE_FSYNC:
	case FUSE_FSYNCDIR:
	case FUSE_STATFS:
	case FUSE_GETXATTR:
	case FUSE_LISTXATTR:
	case FUSE_ACCESS:
	case FUSE_LSEEK:
	case FUSE_INTERRUPT:
	case FUSE_DESTROY:
	case FUSE_INIT:
		return FERRY_CHANGE_NONE;
	case FUSE_WRITE:
		return FERRY_CHANGE_BYTES;
	default:
		return FERRY_CHANGE_ALL;	/* LOOKUP too: it counts */
	}
}

void ferry_fs_dispatch(struct ferry_req *req)
{
	const struct ferry_fs_ops *ops = req->server->backend->fs;
	const struct fs_op *op;
	int err;

	if (unlikely(req->opcode >= ARRAY_SIZE(fs_ops) || !fs_ops[req->opcode].call)) {
		ferry_reply_err(req, -ENOSYS);
		return;
	}
	op = &fs_ops[req->opcode];
	req->no_reply = op->no_reply;
	err = check(req, op);
	if (unlikely(err))
		ferry_reply_err(req, err);
	else if (unlikely(!has_op(ops, op->op)))
		ferry_reply_err(req, -ENOSYS);
	else
		op->call(req, ops);
}
