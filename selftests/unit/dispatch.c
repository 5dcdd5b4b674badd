// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* What lib/dispatch makes of a message, and of a backend's answer. */
#include "../claim.h"
#include "dispatch_record.h"

static const struct ferry_fs_ops no_ops = { .size = sizeof(struct ferry_fs_ops) };

static const struct ferry_backend full = {
	.abi = FERRY_BACKEND_ABI, .name = "full", .fs = &record_ops,
};

static const struct ferry_backend none = {
	.abi = FERRY_BACKEND_ABI, .name = "none", .fs = &no_ops,
};

static struct ferry_server server_of(const struct ferry_backend *b)
{
	struct ferry_server server = { 0 };

	CHECK_EQ(ferry_server_init(&server, b, FERRY_CLASS_FS, NULL), 0);
	said[0] = 0;
	return server;
}

#define FIXED(v)	{ &(v), sizeof(v) }
#define NAME(s)		{ s, sizeof(s) }

/* Ask in parts and in one piece: the same call, the same reply. */
static void ask_both(const struct message *m, struct reply *reply, char *call)
{
	struct ferry_server server = server_of(&full);
	struct message one = *m;
	struct reply other;

	ask(&server, m, reply);
	strcpy(call, said);
	CHECK_EQ(reply->done, 1);

	said[0] = 0;
	one.one_piece = true;
	if (m->nr_out == 2) {
		one.out[0] += one.out[1];
		one.nr_out = 1;
	}
	ask(&server, &one, &other);
	CHECK_EQ(other.done, 1);
	CHECK_EQ(other.error, reply->error);
	CHECK_EQ(other.out_len, reply->out_len);
	CHECK_EQ(other.pushed, reply->pushed);
	CHECK(!memcmp(other.out, reply->out, sizeof(other.out)));
	CHECK(!memcmp(other.data, reply->data, reply->pushed));
	if (strcmp(said, call))
		claim_fail(__FILE__, __LINE__, "in one piece '%s', in parts '%s'", said, call);
	reply_free(&other);
}

static void expect(const struct message *m, const char *call, int error, u32 out_len, u32 pushed)
{
	char got[sizeof(said)];
	struct reply reply;

	ask_both(m, &reply, got);
	if (strcmp(got, call))
		claim_fail(__FILE__, __LINE__, "called '%s', not '%s'", got, call);
	CHECK_EQ(reply.error, error);
	CHECK_EQ(reply.out_len, out_len);
	CHECK_EQ(reply.pushed, pushed);
	reply_free(&reply);
}

#define EXPECT(call, error, out_len, pushed, ...) do {			\
	const struct message m_ = { __VA_ARGS__ };			\
	expect(&m_, call, error, out_len, pushed);			\
} while (0)

#define OUT(...)	.out = { __VA_ARGS__ }, .nr_out = sizeof((u32[]){ __VA_ARGS__ }) / 4
#define ENTRY		sizeof(struct fuse_entry_out)
#define ATTR		sizeof(struct fuse_attr_out)
#define OPEN		sizeof(struct fuse_open_out)

static void names(void)
{
	const struct fuse_mknod_in mknod = { .mode = S_IFCHR | 0600, .rdev = 259 };
	const struct fuse_mkdir_in mkdir = { .mode = 0755 };
	const struct fuse_rename_in rename = { .newdir = 5 };
	const struct fuse_rename2_in rename2 = { .newdir = 5, .flags = FERRY_RENAME_EXCHANGE };
	const struct fuse_link_in link = { .oldnodeid = 12 };

	EXPECT("lookup 1 a by 1000:100:42", 0, ENTRY, 0, FUSE_LOOKUP, 1, { NAME("a") }, 1,
	       OUT(ENTRY));
	EXPECT("mknod 2 dev 20600 259", 0, ENTRY, 0, FUSE_MKNOD, 2,
	       { FIXED(mknod), NAME("dev") }, 2, OUT(ENTRY));
	EXPECT("mkdir 2 dir 40755", 0, ENTRY, 0, FUSE_MKDIR, 2,
	       { FIXED(mkdir), NAME("dir") }, 2, OUT(ENTRY));
	EXPECT("symlink 2 ln ../x/y", 0, ENTRY, 0, FUSE_SYMLINK, 2,
	       { NAME("ln"), NAME("../x/y") }, 2, OUT(ENTRY));
	EXPECT("unlink 3 u", 0, 0, 0, FUSE_UNLINK, 3, { NAME("u") }, 1);
	EXPECT("rmdir 3 r", -ENOTEMPTY, 0, 0, FUSE_RMDIR, 3, { NAME("r") }, 1);
	EXPECT("rename 4 old 5 new 0", 0, 0, 0, FUSE_RENAME, 4,
	       { FIXED(rename), NAME("old"), NAME("new") }, 3);
	EXPECT("rename 4 old 5 new 2", 0, 0, 0, FUSE_RENAME2, 4,
	       { FIXED(rename2), NAME("old"), NAME("new") }, 3);
	EXPECT("link 12 4 second", 0, ENTRY, 0, FUSE_LINK, 4,
	       { FIXED(link), NAME("second") }, 2, OUT(ENTRY));
}

static void attributes(void)
{
	const struct fuse_getattr_in by_node = { 0 };
	const struct fuse_getattr_in by_fh = { .getattr_flags = FUSE_GETATTR_FH, .fh = 9 };
	const struct fuse_setattr_in set = {
		.valid = FATTR_MODE | FATTR_SIZE | FATTR_FH | FATTR_ATIME_NOW | FATTR_MTIME_NOW |
			 FATTR_CTIME | FATTR_KILL_SUIDGID,
		.fh = 9, .size = 1ULL << 40, .atime = 1, .atimensec = 2, .mtime = -3ULL,
		.mtimensec = 4, .ctime = 5, .ctimensec = 6, .mode = S_IFREG | 04755,
		.uid = 7, .gid = 8,
	};
	const struct fuse_access_in access = { .mask = 5 };

	EXPECT("getattr 1 -1", 0, ATTR, 0, FUSE_GETATTR, 1, { FIXED(by_node) }, 1, OUT(ATTR));
	EXPECT("getattr 1 9", 0, ATTR, 0, FUSE_GETATTR, 1, { FIXED(by_fh) }, 1, OUT(ATTR));
	EXPECT("setattr 1 3c9 mode 4755 by 7:8 size 1099511627776 at 1.2 -3.4 5.6 fh 9",
	       0, ATTR, 0, FUSE_SETATTR, 1, { FIXED(set) }, 1, OUT(ATTR));
	EXPECT("access 1 5", -EACCES, 0, 0, FUSE_ACCESS, 1, { FIXED(access) }, 1);
	EXPECT("statfs 1", 0, sizeof(struct fuse_statfs_out), 0, FUSE_STATFS, 1,
	       OUT(sizeof(struct fuse_statfs_out)));
}

static void files(void)
{
	const struct fuse_open_in open = { .flags = O_RDWR | O_CREAT | O_EXCL | O_TRUNC,
					   .open_flags = FUSE_OPEN_KILL_SUIDGID };
	const struct fuse_create_in create = { .flags = O_WRONLY | O_CREAT, .mode = 0644 };
	const struct fuse_read_in read = { .fh = 9, .offset = 1ULL << 33, .size = 6 };
	const struct fuse_read_in read_last = { .fh = 9, .offset = (~0ULL >> 1) - 3, .size = 8 };
	const struct fuse_write_in write = { .fh = 9, .offset = 3, .size = 8,
					     .write_flags = FUSE_WRITE_KILL_SUIDGID };
	const struct fuse_flush_in flush = { .fh = 9, .lock_owner = 13 };
	const struct fuse_release_in release = { .fh = 9, .flags = O_RDWR };
	const struct fuse_fsync_in fsync = { .fh = 9, .fsync_flags = FUSE_FSYNC_FDATASYNC };
	const struct fuse_lseek_in lseek = { .fh = 9, .offset = 4, .whence = SEEK_HOLE };
	const struct fuse_fallocate_in fallocate = { .fh = 9, .offset = 4, .length = 5, .mode = 3 };

	EXPECT("open 6 202 80000000", 0, OPEN, 0, FUSE_OPEN, 6, { FIXED(open) }, 1, OUT(OPEN));
	EXPECT("create 6 f 100644 1", 0, ENTRY + OPEN, 0, FUSE_CREATE, 6,
	       { FIXED(create), NAME("f") }, 2, OUT(ENTRY, OPEN));
	EXPECT("read 6 9 8589934592 6", 0, 0, 6, FUSE_READ, 6, { FIXED(read) }, 1, .data_len = 10);
	EXPECT("read 6 9 9223372036854775804 3", 0, 0, 3, FUSE_READ, 6, { FIXED(read_last) }, 1,
	       .data_len = 10);
	EXPECT("write 6 9 3 8 2 got 7 23 45678", 0, 8, 0, FUSE_WRITE, 6, { FIXED(write) }, 1,
	       .data = "12345678", .data_len = 8, OUT(8));
	EXPECT("flush 6 9 13", 0, 0, 0, FUSE_FLUSH, 6, { FIXED(flush) }, 1);
	EXPECT("release 6 9 2", 0, 0, 0, FUSE_RELEASE, 6, { FIXED(release) }, 1);
	EXPECT("fsync 6 9 1", 0, 0, 0, FUSE_FSYNC, 6, { FIXED(fsync) }, 1);
	EXPECT("fsync 6 9 1", 0, 0, 0, FUSE_FSYNCDIR, 6, { FIXED(fsync) }, 1);
	EXPECT("open 6 202 0", 0, OPEN, 0, FUSE_OPENDIR, 6, { FIXED(open) }, 1, OUT(OPEN));
	EXPECT("releasedir 6 9", 0, 0, 0, FUSE_RELEASEDIR, 6, { FIXED(release) }, 1);
	EXPECT("lseek 6 9 4 4", 0, 8, 0, FUSE_LSEEK, 6, { FIXED(lseek) }, 1, OUT(8));
	EXPECT("fallocate 6 9 3 4 5", 0, 0, 0, FUSE_FALLOCATE, 6, { FIXED(fallocate) }, 1);
	EXPECT("readlink 6", 0, 0, 10, FUSE_READLINK, 6, .data_len = 4096);
	EXPECT("readlink 6", -ENAMETOOLONG, 0, 0, FUSE_READLINK, 6, .data_len = 9);
}

static void xattrs(void)
{
	const struct fuse_setxattr_in set = { .size = 3, .flags = 1 };
	const struct fuse_getxattr_in ask = { .size = 0 }, get = { .size = 20 };
	const struct fuse_getxattr_in few = { .size = 4 };

	EXPECT("setxattr 6 user.a 3 1 xyz", 0, 0, 0, FUSE_SETXATTR, 6,
	       { { &set, FUSE_COMPAT_SETXATTR_IN_SIZE }, NAME("user.a") }, 2,
	       .data = "xyz", .data_len = 3);
	EXPECT("getxattr 6 user.a", 0, 8, 0, FUSE_GETXATTR, 6,
	       { FIXED(ask), NAME("user.a") }, 2, OUT(8));
	EXPECT("getxattr 6 user.a", 0, 0, 5, FUSE_GETXATTR, 6, { FIXED(get), NAME("user.a") }, 2,
	       .data_len = 20);
	EXPECT("getxattr 6 user.a", -ERANGE, 0, 0, FUSE_GETXATTR, 6,
	       { FIXED(few), NAME("user.a") }, 2, .data_len = 20);
	EXPECT("listxattr 6", 0, 0, 14, FUSE_LISTXATTR, 6, { FIXED(get) }, 1, .data_len = 20);
	EXPECT("removexattr 6 user.a", -ENODATA, 0, 0, FUSE_REMOVEXATTR, 6, { NAME("user.a") }, 1);
}

static void forgets(void)
{
	const struct fuse_forget_in one = { .nlookup = 3 };
	const struct fuse_batch_forget_in batch = { .count = 2 }, wrong = { .count = 0x10000002 };
	const struct fuse_forget_one list[] = { { 8, 1 }, { 9, 2 } };
	const struct fuse_interrupt_in intr = { .unique = 4 };
	const struct message m[] = {
		{ FUSE_FORGET, 6, { FIXED(one) }, 1 },
		{ FUSE_BATCH_FORGET, 0, { FIXED(batch), FIXED(list) }, 2 },
		{ FUSE_INTERRUPT, 0, { FIXED(intr) }, 1 },
	};
	struct ferry_server server = server_of(&none);
	struct reply reply;
	size_t i;

	EXPECT("forget 6 3;", 0, 0, 0, FUSE_FORGET, 6, { FIXED(one) }, 1);
	EXPECT("forget 8 1;forget 9 2;", 0, 0, 0, FUSE_BATCH_FORGET, 0,
	       { FIXED(batch), FIXED(list) }, 2);
	EXPECT("", -EINVAL, 0, 0, FUSE_BATCH_FORGET, 0, { FIXED(wrong), FIXED(list) }, 2);
	EXPECT("", -EINVAL, 0, 0, FUSE_BATCH_FORGET, 0, { FIXED(batch), { list, 31 } }, 2);
	EXPECT("", 0, 0, 0, FUSE_INTERRUPT, 0, { FIXED(intr) }, 1);
	for (i = 0; i < ARRAY_SIZE(m); i++) {
		ask(&server, &m[i], &reply);
		CHECK_EQ(reply.done, 1);
		CHECK(reply.no_reply);
		reply_free(&reply);
	}
}

static void entries_have_all_fields(void)
{
	struct ferry_server server = server_of(&full);
	const struct message m = { FUSE_LOOKUP, 1, { NAME("a") }, 1, OUT(ENTRY) };
	struct fuse_entry_out e;
	struct reply reply;

	ask(&server, &m, &reply);
	memcpy(&e, reply.out, sizeof(e));
	CHECK_EQ(e.nodeid, 11);
	CHECK_EQ(e.generation, 3);
	CHECK_EQ(e.entry_valid, 1);
	CHECK_EQ(e.entry_valid_nsec, 500000000);
	CHECK_EQ(e.attr_valid, FERRY_FOREVER / 1000000000);
	CHECK_EQ(e.attr.ino, 11);
	CHECK_EQ(e.attr.size, 5);
	CHECK_EQ(e.attr.blocks, 8);
	CHECK_EQ(e.attr.mode, S_IFREG | 0640);
	CHECK_EQ(e.attr.nlink, 2);
	CHECK_EQ(e.attr.uid, 4);
	CHECK_EQ(e.attr.gid, 6);
	CHECK_EQ(e.attr.rdev, 9);
	CHECK_EQ(e.attr.blksize, 512);
	CHECK_EQ(e.attr.flags, 0);
	CHECK_EQ(e.attr.atime, 1);
	CHECK_EQ(e.attr.atimensec, 2);
	CHECK_EQ(e.attr.mtime, 3);
	CHECK_EQ(e.attr.mtimensec, 4);
	CHECK_EQ(e.attr.ctime, -5);
	CHECK_EQ(e.attr.ctimensec, 6);
	reply_free(&reply);
}

/* Walk a listing: names in order, ends of records where the next begins. */
static void check_listing(const struct reply *r, bool plus, unsigned int want)
{
	u32 at = 0;
	unsigned int n;

	for (n = 0; at < r->pushed; n++) {
		const struct fuse_direntplus *p = (const void *)(r->data + at);
		const struct fuse_dirent *d = plus ? &p->dirent : (const void *)p;

		CHECK_EQ(d->namelen, n ? 6 : 1);
		CHECK_EQ(d->off, n + 1);
		CHECK_EQ(d->ino, 11);
		CHECK_EQ(d->type, S_IFREG >> 12);
		if (plus)
			CHECK_EQ(p->entry_out.nodeid, n ? 11 : 0);
		at += plus ? FUSE_DIRENTPLUS_SIZE(p) : FUSE_DIRENT_SIZE(d);
	}
	CHECK_EQ(at, r->pushed);
	CHECK_EQ(n, want);
}

static void listings_fit(void)
{
	const u32 first = 32, next = 32, first_plus = 160, next_plus = 160;
	unsigned int size, plus;

	for (plus = 0; plus < 2; plus++) {
		for (size = 0; size < 1000; size++) {
			const struct fuse_read_in in = { .fh = 9, .size = size };
			const struct message m = { plus ? FUSE_READDIRPLUS : FUSE_READDIR, 6,
						   { FIXED(in) }, 1, .data_len = size };
			u32 a = plus ? first_plus : first, b = plus ? next_plus : next;
			unsigned int want = size < a ? 0 : 1 + (size - a) / b;
			struct reply reply;
			char call[sizeof(said)];

			ask_both(&m, &reply, call);
			CHECK_EQ(reply.error, 0);
			check_listing(&reply, plus, min(want, 5U));
			reply_free(&reply);
		}
	}
}

static void bad_names_are_refused(void)
{
	static const struct {
		const char *name;
		u32 len;
		int error;
	} bad[] = {
		{ "", 1, -EINVAL }, { "", 0, -EINVAL }, { ".", 2, -EINVAL }, { "..", 3, -EINVAL },
		{ "a/b", 4, -EINVAL }, { "/", 2, -EINVAL }, { "ab", 2, -EINVAL },
		{ "a\0b", 4, -EINVAL },
	};
	const struct fuse_mkdir_in mkdir = { .mode = 0755 };
	const struct fuse_rename_in rename = { .newdir = 5 };
	char name[258], call[300];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		const struct part part = { bad[i].name, bad[i].len };

		EXPECT("", bad[i].error, 0, 0, FUSE_LOOKUP, 1, { part }, 1, OUT(ENTRY));
		EXPECT("", bad[i].error, 0, 0, FUSE_UNLINK, 1, { part }, 1);
		EXPECT("", bad[i].error, 0, 0, FUSE_MKDIR, 1, { FIXED(mkdir), part }, 2,
		       OUT(ENTRY));
		EXPECT("", bad[i].error, 0, 0, FUSE_RENAME, 1,
		       { FIXED(rename), NAME("a"), part }, 3);
	}
	memset(name, 'x', sizeof(name));
	name[257] = 0;
	EXPECT("", -ENAMETOOLONG, 0, 0, FUSE_MKDIR, 1, { FIXED(mkdir), { name + 1, 257 } }, 2,
	       OUT(ENTRY));
	snprintf(call, sizeof(call), "mkdir 1 %s 40755", name + 2);
	EXPECT(call, 0, ENTRY, 0, FUSE_MKDIR, 1, { FIXED(mkdir), { name + 2, 256 } }, 2,
	       OUT(ENTRY));
}

static void bad_numbers_are_refused(void)
{
	const u64 end = ~0ULL >> 1;
	const struct fuse_read_in read[] = {
		{ .offset = end + 1 }, { .offset = -1ULL, .size = 4 }, { .size = 11 },
	};
	const struct fuse_write_in write[] = {
		{ .offset = end, .size = 8 }, { .size = 7 }, { .size = 9 },
		{ .offset = -1ULL, .size = 8 },
	};
	const struct fuse_fallocate_in falloc[] = {
		{ .length = 0 }, { .offset = end, .length = 1 }, { .offset = 1, .length = -1ULL },
	};
	const struct fuse_setattr_in set[] = {
		{ .valid = FATTR_SIZE, .size = end + 1 }, { .atimensec = 1000000000 },
		{ .mtimensec = -1 }, { .ctimensec = 1000000000 },
	};
	const struct fuse_lseek_in lseek[] = {
		{ .whence = SEEK_SET }, { .whence = SEEK_DATA, .offset = end + 1 },
	};
	const struct fuse_rename2_in rename2[] = {
		{ .flags = 3 }, { .flags = 4 }, { .flags = -1 },
	};
	const struct fuse_mknod_in mknod[] = {
		{ .mode = S_IFDIR }, { .mode = 0644 }, { .mode = S_IFLNK },
	};
	const struct fuse_access_in access = { .mask = 8 };
	const struct fuse_setxattr_in xattr[] = { { .size = 4 }, { .size = 3, .flags = 4 } };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(read); i++)
		EXPECT("", -EINVAL, 0, 0, FUSE_READ, 6, { FIXED(read[i]) }, 1, .data_len = 10);
	EXPECT("", -EINVAL, 0, 0, FUSE_READ, 6, { FIXED(read[0]) }, 1, .data = "x", .data_len = 1);
	for (i = 0; i < ARRAY_SIZE(write); i++)
		EXPECT("", -EINVAL, 0, 0, FUSE_WRITE, 6, { FIXED(write[i]) }, 1,
		       .data = "12345678", .data_len = 8, OUT(8));
	EXPECT("", -EINVAL, 0, 0, FUSE_WRITE, 6, { FIXED(write[0]) }, 1, .data_len = 8, OUT(8));
	for (i = 0; i < ARRAY_SIZE(falloc); i++)
		EXPECT("", -EINVAL, 0, 0, FUSE_FALLOCATE, 6, { FIXED(falloc[i]) }, 1);
	for (i = 0; i < ARRAY_SIZE(set); i++)
		EXPECT("", -EINVAL, 0, 0, FUSE_SETATTR, 6, { FIXED(set[i]) }, 1, OUT(ATTR));
	for (i = 0; i < ARRAY_SIZE(lseek); i++)
		EXPECT("", -EINVAL, 0, 0, FUSE_LSEEK, 6, { FIXED(lseek[i]) }, 1, OUT(8));
	for (i = 0; i < ARRAY_SIZE(rename2); i++)
		EXPECT("", -EINVAL, 0, 0, FUSE_RENAME2, 6,
		       { FIXED(rename2[i]), NAME("a"), NAME("b") }, 3);
	for (i = 0; i < ARRAY_SIZE(mknod); i++)
		EXPECT("", -EINVAL, 0, 0, FUSE_MKNOD, 6, { FIXED(mknod[i]), NAME("a") }, 2,
		       OUT(ENTRY));
	EXPECT("", -EINVAL, 0, 0, FUSE_ACCESS, 6, { FIXED(access) }, 1);
	for (i = 0; i < ARRAY_SIZE(xattr); i++)
		EXPECT("", -EINVAL, 0, 0, FUSE_SETXATTR, 6, { { &xattr[i], 8 }, NAME("user.a") }, 2,
		       .data = "xyz", .data_len = 3);
}

/* Every fixed struct, one byte short and one byte long. */
static void bad_lengths_are_refused(void)
{
	static const u32 fixed[] = {
		[FUSE_FORGET] = 8, [FUSE_GETATTR] = 16, [FUSE_SETATTR] = 88, [FUSE_OPEN] = 8,
		[FUSE_READ] = 40, [FUSE_WRITE] = 40, [FUSE_RELEASE] = 24, [FUSE_FSYNC] = 16,
		[FUSE_LISTXATTR] = 8, [FUSE_FLUSH] = 24, [FUSE_OPENDIR] = 8, [FUSE_READDIR] = 40,
		[FUSE_READDIRPLUS] = 40, [FUSE_RELEASEDIR] = 24, [FUSE_FSYNCDIR] = 16,
		[FUSE_ACCESS] = 8, [FUSE_LSEEK] = 24, [FUSE_FALLOCATE] = 32,
	};
	static const char zeros[100];
	u32 op;

	for (op = 0; op < ARRAY_SIZE(fixed); op++) {
		if (!fixed[op])
			continue;
		EXPECT("", -EINVAL, 0, 0, op, 6, { { zeros, fixed[op] - 1 } }, 1, OUT(200));
		EXPECT("", -EINVAL, 0, 0, op, 6, { { zeros, fixed[op] + 1 } }, 1, OUT(200));
		EXPECT("", -EINVAL, 0, 0, op, 6, OUT(200));
	}
	EXPECT("", -EINVAL, 0, 0, FUSE_STATFS, 6, { NAME("x") }, 1, OUT(200));
}

static void what_is_not_there_is_enosys(void)
{
	struct ferry_server server = server_of(&none);
	const struct fuse_open_in open = { 0 };
	const struct message m[] = {
		{ FUSE_LOOKUP, 1, { NAME("a") }, 1 }, { FUSE_OPEN, 1, { FIXED(open) }, 1 },
		{ FUSE_STATFS, 1 }, { 0, 1 }, { FUSE_IOCTL, 1 }, { 7, 1 }, { 19, 1 },
		{ 52, 1 }, { 4096, 1 }, { ~0U, 1 },
	};
	struct reply reply;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(m); i++) {
		ask(&server, &m[i], &reply);
		CHECK_EQ(reply.done, 1);
		CHECK_EQ(reply.error, -ENOSYS);
		reply_free(&reply);
	}
}

static struct fuse_init_out init(struct ferry_server *server, const struct fuse_init_in *in,
				 u32 len, int error)
{
	const struct message m = { FUSE_INIT, 0, { { in, len } }, 1, OUT(64) };
	struct fuse_init_out out;
	struct reply reply;

	ask(server, &m, &reply);
	CHECK_EQ(reply.done, 1);
	CHECK_EQ(reply.error, error);
	CHECK_EQ(reply.out_len, error ? 0 : sizeof(out));
	memcpy(&out, reply.out, sizeof(out));
	reply_free(&reply);
	return out;
}

static void init_negotiates(void)
{
	struct ferry_server server = server_of(&full);
	struct fuse_init_in in = { .major = 7, .minor = 38, .max_readahead = 131072, .flags = ~0U };
	struct fuse_init_out out;

	out = init(&server, &in, sizeof(in), 0);
	CHECK_EQ(out.major, 7);
	CHECK_EQ(out.minor, 38);
	CHECK_EQ(out.max_readahead, 131072);
	CHECK_EQ(out.max_write, 98304);
	CHECK_EQ(out.max_pages, 1024);
	CHECK_EQ(out.time_gran, 1);
	CHECK_EQ(server.fs.minor, 38);
	CHECK(out.flags & FUSE_ATOMIC_O_TRUNC && out.flags & FUSE_MAX_PAGES);
	CHECK(!(out.flags & (FUSE_NO_OPEN_SUPPORT | FUSE_WRITEBACK_CACHE | FUSE_DONT_MASK |
			     FUSE_EXPORT_SUPPORT | FUSE_SETXATTR_EXT | FUSE_INIT_EXT)));

	server.fs.writeback = true;
	in.minor = FUSE_KERNEL_MINOR_VERSION + 3;
	out = init(&server, &in, sizeof(in), 0);
	CHECK_EQ(out.minor, FUSE_KERNEL_MINOR_VERSION);
	CHECK(out.flags & FUSE_WRITEBACK_CACHE);

	/* An old one: the short struct, nothing that it does not offer. */
	in.minor = 27;
	in.flags = FUSE_ASYNC_READ;
	server.fs.max_write = 1 << 20;
	out = init(&server, &in, 16, 0);
	CHECK_EQ(out.minor, 27);
	CHECK_EQ(out.flags, FUSE_ASYNC_READ);
	CHECK_EQ(out.max_pages, 0);
	CHECK_EQ(out.max_write, 131072);

	in.major = 8;
	out = init(&server, &in, 16, 0);
	CHECK_EQ(out.major, 7);
	in.major = 6;
	init(&server, &in, 16, -EPROTO);
	in.major = 7;
	in.minor = 22;
	init(&server, &in, 16, -EPROTO);
	init(&server, &in, 15, -EINVAL);

	server = server_of(&none);
	in.minor = 38;
	in.flags = ~0U;
	out = init(&server, &in, sizeof(in), 0);
	CHECK(out.flags & FUSE_NO_OPEN_SUPPORT && out.flags & FUSE_NO_OPENDIR_SUPPORT);
	CHECK(!(out.flags & FUSE_ATOMIC_O_TRUNC));
}

static void servers_begin_and_end(void)
{
	struct ferry_backend b = full;
	struct ferry_fs_ops small = record_ops;
	struct ferry_server server = { 0 };

	CHECK_EQ(ferry_server_init(&server, &b, FERRY_CLASS_FS, ""), 0);
	CHECK(!strcmp(said, "init -"));
	CHECK_EQ(ferry_server_init(&server, &b, FERRY_CLASS_FS, "a=b"), 0);
	CHECK(!strcmp(said, "init a=b"));
	ferry_server_destroy(&server, FERRY_CLASS_FS);
	CHECK(!strcmp(said, "destroy"));
	CHECK_EQ(ferry_server_init(&server, &b, 9, ""), -EOPNOTSUPP);
	record_init_err = -EDOM;
	CHECK_EQ(ferry_server_init(&server, &b, FERRY_CLASS_FS, ""), -EDOM);
	b.abi++;
	CHECK_EQ(ferry_server_init(&server, &b, FERRY_CLASS_FS, ""), -EPROTO);
	b = full;
	b.fs = &small;
	small.size -= sizeof(void *);
	CHECK_EQ(ferry_server_init(&server, &b, FERRY_CLASS_FS, ""), -EPROTO);
	b.fs = NULL;
	CHECK_EQ(ferry_server_init(&server, &b, FERRY_CLASS_FS, ""), -EOPNOTSUPP);
}

/* Backends that answer nonsense; getattr carries which in the node. */
static void nonsense(struct ferry_req *req, u64 node, struct ferry_handle *h)
{
	const struct ferry_iov iov = { said, sizeof(said) };

	switch (node) {
	case 0:
		ferry_reply_err(req, 1);
		break;
	case 1:
		ferry_reply_err(req, -4096);
		break;
	case 2:
		ferry_reply_written(req, 1);
		break;
	case 3:
		ferry_reply_xattr(req, "x", 1);
		break;
	case 4:
		ferry_dirent_add(req, said, 0, &record_entry, 1);
		ferry_reply_dir(req);
		break;
	case 5:
		ferry_dirent_add(req, said, 256, &record_entry, 1);
		ferry_reply_dir(req);
		break;
	case 6:	/* more room than the host gave */
		ferry_reply_create(req, &record_entry, &(struct ferry_handle){ 0 });
		break;
	case 7:	/* data that nobody asked for */
		ferry_reply_data(req, &iov, 1);
		break;
	case 8:	/* twice, and then some */
		ferry_reply_err(req, -EIO);
		ferry_reply_err(req, 0);
		ferry_reply_attr(req, &record_entry.attr, 0);
		ferry_reply_entry(req, &record_entry);
		ferry_reply_data(req, &iov, 1);
		ferry_reply_dir(req);
		ferry_dirent_add(req, "a", 1, &record_entry, 1);
		CHECK_EQ(ferry_req_push(req, &iov, 1), -EINVAL);
		break;
	}
}

static void nonsense_becomes_an_error(void)
{
	static const struct ferry_fs_ops ops = { .size = sizeof(ops), .getattr = nonsense };
	static const struct ferry_backend b = {
		.abi = FERRY_BACKEND_ABI, .name = "bad", .fs = &ops,
	};
	struct ferry_server server = server_of(&b);
	const struct fuse_getattr_in in = { 0 };
	struct message m = { FUSE_GETATTR, 0, { FIXED(in) }, 1, OUT(ATTR) };
	struct reply reply;

	for (m.node = 0; m.node < 9; m.node++) {
		ask(&server, &m, &reply);
		CHECK_EQ(reply.done, 1);
		CHECK_EQ(reply.error, m.node == 7 ? 0 : -EIO);
		CHECK_EQ(logged, m.node == 8 ? 5 : 0);
		CHECK_EQ(reply.out_len, 0);
		CHECK_EQ(reply.pushed, 0);
		reply_free(&reply);
	}
}

static const struct claim claims[] = {
	{ "names reach the backend", names },
	{ "attributes reach the backend", attributes },
	{ "file operations reach the backend", files },
	{ "extended attributes reach the backend", xattrs },
	{ "forgets reach the backend and have no reply", forgets },
	{ "an entry's fields are all in the reply", entries_have_all_fields },
	{ "a listing never exceeds its room", listings_fit },
	{ "bad names are refused", bad_names_are_refused },
	{ "bad numbers are refused", bad_numbers_are_refused },
	{ "bad lengths are refused", bad_lengths_are_refused },
	{ "an operation that is not there is ENOSYS", what_is_not_there_is_enosys },
	{ "INIT negotiates", init_negotiates },
	{ "servers begin and end", servers_begin_and_end },
	{ "a backend's nonsense becomes an error", nonsense_becomes_an_error },
};
CLAIMS_MAIN(claims)
