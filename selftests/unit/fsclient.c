// SPDX-License-Identifier: GPL-2.0-only OR MIT
#include <linux/ferry.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <ferry/uring.h>

#include "../claim.h"
#include "fsclient.h"
#include "memory.h"

extern const struct ferry_backend ferry_backend;

static struct ferry_atomic allocated;
static struct ferry_atomic fail_in;

static __thread struct ferry_cred cred;
static __thread u64 cut_after = ~0ULL;
static u64 clock_sec;

/* Host services. */

static bool must_fail(void)
{
	return ferry_atomic_read(&fail_in) && !ferry_atomic_add(&fail_in, -1);
}

void *ferry_alloc(size_t size)
{
	if (must_fail())
		return NULL;
	ferry_atomic_add(&allocated, 1);
	return calloc(1, size);
}

void ferry_free(void *p)
{
	if (p)
		ferry_atomic_add(&allocated, -1);
	free(p);
}

void *ferry_page_alloc_raw(void)
{
	void *page;

	if (must_fail())
		return NULL;
	ferry_atomic_add(&allocated, 1);
	page = aligned_alloc(FERRY_PAGE_SIZE, FERRY_PAGE_SIZE);
	return memset(page, 0xa5, FERRY_PAGE_SIZE);
}

void *ferry_page_alloc(void)
{
	void *page = ferry_page_alloc_raw();

	return page ? memset(page, 0, FERRY_PAGE_SIZE) : NULL;
}

void ferry_page_free(void *page)
{
	ferry_free(page);
}

void ferry_now(struct ferry_time *t)
{
	struct timespec ts;

	if (clock_sec) {
		t->sec = clock_sec;
		t->nsec = 0;
		return;
	}
	clock_gettime(CLOCK_REALTIME, &ts);
	t->sec = ts.tv_sec;
	t->nsec = ts.tv_nsec;
}

void ferry_random(void *buf, size_t len)
{
	if (getrandom(buf, len, 0) != (ssize_t)len)
		abort();
}

void ferry_log(enum ferry_log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("# log: ");
	vprintf(fmt, ap);
	putchar('\n');
	va_end(ap);
}

void fs_fail_alloc(unsigned long nth)
{
	ferry_atomic_set(&fail_in, nth);
}

long fs_allocated(void)
{
	return ferry_atomic_read(&allocated);
}

void fs_clock(u64 sec)
{
	clock_sec = sec;
}

void fs_as(u32 uid, u32 gid)
{
	cred.uid = uid;
	cred.gid = gid;
}

void fs_cut_data(u64 after)
{
	cut_after = after;
}

/* Requests. */

int fs_call(struct ferry_server *s, u32 opcode, u64 node, const void *in, u32 in_len,
	    const char *name1, const char *name2, void *out, u32 out_len,
	    void *data, u32 data_len, bool data_in)
{
	struct memory_req c = {
		.data = data,
		.end = cut_after,
		.err = cut_after ? -EFAULT : 0,
		.req = {
			.host = &memory_host,
			.server = s,
			.class = FERRY_CLASS_FS,
			.opcode = opcode,
			.unique = 1,
			.node = node,
			.cred = cred,
			.nr_out = out_len ? 1 : 0,
			.data_len = data_len,
			.data_in = data_in,
		},
	};
	struct ferry_req *req = &c.req;
	u64 fixed[32];

	if (in_len) {
		memcpy(fixed, in, in_len);
		req->in[req->nr_in].p = fixed;
		req->in[req->nr_in++].len = in_len;
	}
	if (name1) {
		req->in[req->nr_in].p = name1;
		req->in[req->nr_in++].len = strlen(name1) + 1;
	}
	if (name2) {
		req->in[req->nr_in].p = name2;
		req->in[req->nr_in++].len = strlen(name2) + 1;
	}
	req->out[0].p = out;
	req->out[0].len = out_len;
	ferry_dispatch(req);
	CHECK_EQ(c.answers, 1);
	if (req->error)
		return req->error;
	CHECK_EQ(req->out_len, out_len);
	return req->pushed;
}

int fs_try_start(struct ferry_server *server, const char *args)
{
	memset(server, 0, sizeof(*server));
	return ferry_server_init(server, &ferry_backend, FERRY_CLASS_FS, args);
}

struct ferry_server *fs_start(const char *args)
{
	struct ferry_server *server = calloc(1, sizeof(*server));

	CHECK_EQ(fs_try_start(server, args), 0);
	return server;
}

void fs_stop(struct ferry_server *server)
{
	ferry_server_destroy(server, FERRY_CLASS_FS);
	free(server);
	CHECK_EQ(fs_allocated(), 0);
}

int fs_lookup(struct ferry_server *s, u64 dir, const char *name, struct fuse_entry_out *e)
{
	struct fuse_entry_out mine;
	int err;

	if (!e)
		e = &mine;
	err = fs_call(s, FUSE_LOOKUP, dir, NULL, 0, name, NULL, e, sizeof(*e), NULL, 0, false);
	return err ? err : e->nodeid ? 0 : -ENOENT;
}

int fs_getattr(struct ferry_server *s, u64 node, struct fuse_attr *attr)
{
	const struct fuse_getattr_in in = { 0 };
	struct fuse_attr_out out;
	int err;

	err = fs_call(s, FUSE_GETATTR, node, &in, sizeof(in), NULL, NULL, &out, sizeof(out),
		      NULL, 0, false);
	if (!err)
		*attr = out.attr;
	return err;
}

int fs_setattr(struct ferry_server *s, u64 node, const struct fuse_setattr_in *in,
	       struct fuse_attr *attr)
{
	struct fuse_attr_out out;
	int err;

	err = fs_call(s, FUSE_SETATTR, node, in, sizeof(*in), NULL, NULL, &out, sizeof(out),
		      NULL, 0, false);
	if (!err && attr)
		*attr = out.attr;
	return err;
}

int fs_truncate(struct ferry_server *s, u64 node, u64 size)
{
	const struct fuse_setattr_in in = { .valid = FATTR_SIZE, .size = size };

	return fs_setattr(s, node, &in, NULL);
}

int fs_chmod(struct ferry_server *s, u64 node, u32 mode)
{
	const struct fuse_setattr_in in = { .valid = FATTR_MODE, .mode = mode };

	return fs_setattr(s, node, &in, NULL);
}

int fs_mkdir(struct ferry_server *s, u64 dir, const char *name, u32 mode,
	     struct fuse_entry_out *e)
{
	const struct fuse_mkdir_in in = { .mode = mode };

	return fs_call(s, FUSE_MKDIR, dir, &in, sizeof(in), name, NULL, e, sizeof(*e),
		       NULL, 0, false);
}

int fs_mknod(struct ferry_server *s, u64 dir, const char *name, u32 mode, u32 rdev,
	     struct fuse_entry_out *e)
{
	const struct fuse_mknod_in in = { .mode = mode, .rdev = rdev };

	return fs_call(s, FUSE_MKNOD, dir, &in, sizeof(in), name, NULL, e, sizeof(*e),
		       NULL, 0, false);
}

int fs_symlink(struct ferry_server *s, u64 dir, const char *name, const char *target,
	       struct fuse_entry_out *e)
{
	return fs_call(s, FUSE_SYMLINK, dir, NULL, 0, name, target, e, sizeof(*e),
		       NULL, 0, false);
}

int fs_readlink(struct ferry_server *s, u64 node, char *buf, u32 size)
{
	return fs_call(s, FUSE_READLINK, node, NULL, 0, NULL, NULL, NULL, 0, buf, size, false);
}

int fs_create(struct ferry_server *s, u64 dir, const char *name, u32 mode,
	      struct fuse_entry_out *e, u64 *fh)
{
	const struct fuse_create_in in = { .flags = O_RDWR | O_CREAT | O_EXCL, .mode = mode };
	struct {
		struct fuse_entry_out e;
		struct fuse_open_out o;
	} out;
	int err;

	err = fs_call(s, FUSE_CREATE, dir, &in, sizeof(in), name, NULL, &out, sizeof(out),
		      NULL, 0, false);
	if (!err) {
		*e = out.e;
		if (fh)
			*fh = out.o.fh;
	}
	return err;
}

int fs_open(struct ferry_server *s, u64 node, u32 flags, u64 *fh)
{
	const struct fuse_open_in in = { .flags = flags };
	struct fuse_open_out out;
	int err;

	err = fs_call(s, flags & O_DIRECTORY ? FUSE_OPENDIR : FUSE_OPEN, node, &in, sizeof(in),
		      NULL, NULL, &out, sizeof(out), NULL, 0, false);
	if (!err && fh)
		*fh = out.fh;
	return err;
}

int fs_release(struct ferry_server *s, u64 node, u64 fh)
{
	const struct fuse_release_in in = { .fh = fh };

	return fs_call(s, FUSE_RELEASE, node, &in, sizeof(in), NULL, NULL, NULL, 0,
		       NULL, 0, false);
}

int fs_releasedir(struct ferry_server *s, u64 node, u64 fh)
{
	const struct fuse_release_in in = { .fh = fh };

	return fs_call(s, FUSE_RELEASEDIR, node, &in, sizeof(in), NULL, NULL, NULL, 0,
		       NULL, 0, false);
}

int fs_unlink(struct ferry_server *s, u64 dir, const char *name)
{
	return fs_call(s, FUSE_UNLINK, dir, NULL, 0, name, NULL, NULL, 0, NULL, 0, false);
}

int fs_rmdir(struct ferry_server *s, u64 dir, const char *name)
{
	return fs_call(s, FUSE_RMDIR, dir, NULL, 0, name, NULL, NULL, 0, NULL, 0, false);
}

int fs_rename(struct ferry_server *s, u64 dir, const char *name, u64 new_dir,
	      const char *new_name, u32 flags)
{
	const struct fuse_rename2_in in = { .newdir = new_dir, .flags = flags };

	return fs_call(s, FUSE_RENAME2, dir, &in, sizeof(in), name, new_name, NULL, 0,
		       NULL, 0, false);
}

int fs_link(struct ferry_server *s, u64 node, u64 dir, const char *name,
	    struct fuse_entry_out *e)
{
	const struct fuse_link_in in = { .oldnodeid = node };

	return fs_call(s, FUSE_LINK, dir, &in, sizeof(in), name, NULL, e, sizeof(*e),
		       NULL, 0, false);
}

int fs_read(struct ferry_server *s, u64 node, u64 fh, u64 off, void *buf, u32 len)
{
	const struct fuse_read_in in = { .fh = fh, .offset = off, .size = len };

	return fs_call(s, FUSE_READ, node, &in, sizeof(in), NULL, NULL, NULL, 0, buf, len, false);
}

static int write_call(struct ferry_server *s, u64 node, const struct fuse_write_in *in,
		      const void *buf)
{
	struct fuse_write_out out;
	int err;

	err = fs_call(s, FUSE_WRITE, node, in, sizeof(*in), NULL, NULL, &out, sizeof(out),
		      (void *)buf, in->size, true);
	return err ? err : (int)out.size;
}

int fs_write(struct ferry_server *s, u64 node, u64 fh, u64 off, const void *buf, u32 len)
{
	const struct fuse_write_in in = { .fh = fh, .offset = off, .size = len };

	return write_call(s, node, &in, buf);
}

int fs_write_flags(struct ferry_server *s, u64 node, u64 off, const void *buf, u32 len,
		   u32 flags)
{
	const struct fuse_write_in in = { .offset = off, .size = len, .write_flags = flags };

	return write_call(s, node, &in, buf);
}

s64 fs_lseek(struct ferry_server *s, u64 node, u64 fh, u64 off, u32 whence)
{
	const struct fuse_lseek_in in = { .fh = fh, .offset = off, .whence = whence };
	struct fuse_lseek_out out;
	int err;

	err = fs_call(s, FUSE_LSEEK, node, &in, sizeof(in), NULL, NULL, &out, sizeof(out),
		      NULL, 0, false);
	return err ? err : (s64)out.offset;
}

int fs_fallocate(struct ferry_server *s, u64 node, u64 fh, u32 mode, u64 off, u64 len)
{
	const struct fuse_fallocate_in in = {
		.fh = fh, .offset = off, .length = len, .mode = mode,
	};

	return fs_call(s, FUSE_FALLOCATE, node, &in, sizeof(in), NULL, NULL, NULL, 0,
		       NULL, 0, false);
}

int fs_statfs(struct ferry_server *s, struct fuse_kstatfs *st)
{
	struct fuse_statfs_out out;
	int err;

	err = fs_call(s, FUSE_STATFS, FERRY_ROOT_NODE, NULL, 0, NULL, NULL, &out, sizeof(out),
		      NULL, 0, false);
	*st = out.st;
	return err;
}

int fs_setxattr(struct ferry_server *s, u64 node, const char *name, const void *value, u32 len,
		u32 flags)
{
	const struct fuse_setxattr_in in = { .size = len, .flags = flags };

	return fs_call(s, FUSE_SETXATTR, node, &in, FUSE_COMPAT_SETXATTR_IN_SIZE, name, NULL,
		       NULL, 0, (void *)value, len, true);
}

static int xattr_call(struct ferry_server *s, u32 opcode, u64 node, const char *name,
		      void *value, u32 size)
{
	const struct fuse_getxattr_in in = { .size = size };
	struct fuse_getxattr_out out;
	int err;

	if (size)
		return fs_call(s, opcode, node, &in, sizeof(in), name, NULL, NULL, 0,
			       value, size, false);
	err = fs_call(s, opcode, node, &in, sizeof(in), name, NULL, &out, sizeof(out),
		      NULL, 0, false);
	return err ? err : (int)out.size;
}

int fs_getxattr(struct ferry_server *s, u64 node, const char *name, void *value, u32 size)
{
	return xattr_call(s, FUSE_GETXATTR, node, name, value, size);
}

int fs_listxattr(struct ferry_server *s, u64 node, char *list, u32 size)
{
	return xattr_call(s, FUSE_LISTXATTR, node, NULL, list, size);
}

int fs_removexattr(struct ferry_server *s, u64 node, const char *name)
{
	return fs_call(s, FUSE_REMOVEXATTR, node, NULL, 0, name, NULL, NULL, 0, NULL, 0, false);
}

void fs_forget(struct ferry_server *s, u64 node, u64 nlookup)
{
	const struct fuse_forget_in in = { .nlookup = nlookup };

	fs_call(s, FUSE_FORGET, node, &in, sizeof(in), NULL, NULL, NULL, 0, NULL, 0, false);
}

int fs_readdir(struct ferry_server *s, u64 dir, u64 fh, u64 *off, u32 room, bool plus,
	       void (*each)(void *arg, const char *name, const struct fuse_dirent *de,
			    const struct fuse_entry_out *entry),
	       void *arg)
{
	const struct fuse_read_in in = { .fh = fh, .offset = *off, .size = room };
	u64 *buf = calloc(1, room);
	char *p = (char *)buf;
	int n, nr = 0;

	n = fs_call(s, plus ? FUSE_READDIRPLUS : FUSE_READDIR, dir, &in, sizeof(in), NULL, NULL,
		    NULL, 0, buf, room, false);
	while (p < (char *)buf + n) {
		const struct fuse_direntplus *dp = (void *)p;
		const struct fuse_dirent *de = plus ? &dp->dirent : (void *)p;
		char name[256] = "";

		memcpy(name, de->name, de->namelen);
		*off = de->off;
		each(arg, name, de, plus ? &dp->entry_out : NULL);
		p += plus ? FUSE_DIRENTPLUS_SIZE(dp) : FUSE_DIRENT_SIZE(de);
		nr++;
	}
	free(buf);
	return n < 0 ? n : nr;
}

/* What backends ask of libferry beside the dispatcher: here is no ring. */
struct io_uring_sqe *ferry_uring_sqe(struct ferry_io *io)
{
	return NULL;
}

void *ferry_uring_data(struct ferry_req *req, u32 *len)
{
	return NULL;
}
