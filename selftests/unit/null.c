// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* null answers everything, and remembers nothing. */
#include <linux/ferry_blk.h>

#include <ferry/block.h>

#include "../claim.h"
#include "fsclient.h"

#define ROOT	FERRY_ROOT_NODE

static void names_with_n_are_files(void)
{
	struct ferry_server *s = fs_start("size=10M");
	struct fuse_entry_out a, b;
	struct fuse_attr attr;

	CHECK_EQ(fs_lookup(s, ROOT, "N1", &a), 0);
	CHECK_EQ(fs_lookup(s, ROOT, "N2", &b), 0);
	CHECK(a.nodeid != b.nodeid);
	CHECK_EQ(a.attr.mode & S_IFMT, S_IFREG);
	CHECK_EQ(a.attr.size, 10 << 20);
	CHECK_EQ(a.entry_valid, 0);
	CHECK_EQ(fs_getattr(s, a.nodeid, &attr), 0);
	CHECK_EQ(attr.ino, a.nodeid);
	CHECK_EQ(fs_lookup(s, ROOT, "other", NULL), -ENOENT);
	CHECK_EQ(fs_getattr(s, ROOT, &attr), 0);
	CHECK(S_ISDIR(attr.mode));
	fs_stop(s);
}

static void reads_are_zeros(void)
{
	struct ferry_server *s = fs_start("size=3000000");
	struct fuse_entry_out e;
	u32 len = 1 << 20, i;
	u8 *buf = xmalloc(len);

	CHECK_EQ(fs_lookup(s, ROOT, "N", &e), 0);
	memset(buf, 1, len);
	CHECK_EQ(fs_read(s, e.nodeid, 0, 4096, buf, len), len);
	for (i = 0; i < len; i++)
		CHECK_EQ(buf[i], 0);
	CHECK_EQ(fs_read(s, e.nodeid, 0, 2999999, buf, 4096), 1);
	CHECK_EQ(fs_read(s, e.nodeid, 0, 3000000, buf, 4096), 0);
	CHECK_EQ(fs_read(s, e.nodeid, 0, 1ULL << 62, buf, 4096), 0);
	fs_stop(s);
}

static void changes_are_accepted(void)
{
	struct ferry_server *s = fs_start(NULL);
	struct fuse_entry_out e;
	struct fuse_attr attr;

	CHECK_EQ(fs_create(s, ROOT, "x", 0644, &e, NULL), 0);
	CHECK_EQ(fs_write(s, e.nodeid, 0, 0, "abc", 3), 3);
	CHECK_EQ(fs_truncate(s, e.nodeid, 0), 0);
	CHECK_EQ(fs_mkdir(s, ROOT, "d", 0755, &e), 0);
	CHECK_EQ(fs_getattr(s, e.nodeid, &attr), 0);
	CHECK(S_ISDIR(attr.mode));
	CHECK_EQ(fs_mknod(s, ROOT, "p", S_IFIFO | 0644, 0, &e), 0);
	CHECK_EQ(fs_getattr(s, e.nodeid, &attr), 0);
	CHECK(S_ISFIFO(attr.mode));
	CHECK_EQ(fs_rename(s, ROOT, "x", ROOT, "y", 0), 0);
	CHECK_EQ(fs_unlink(s, ROOT, "x"), 0);
	CHECK_EQ(fs_rmdir(s, ROOT, "d"), 0);
	fs_stop(s);
}

static unsigned int nr_seen;

static void see(void *arg, const char *name, const struct fuse_dirent *de,
		const struct fuse_entry_out *e)
{
	CHECK(!strcmp(name, "N"));
	nr_seen++;
}

static void the_root_has_one_name(void)
{
	struct ferry_server *s = fs_start(NULL);
	u64 off = 0;

	while (fs_readdir(s, ROOT, 0, &off, 4096, false, see, NULL) > 0)
		;
	CHECK_EQ(nr_seen, 1);
	fs_stop(s);
}

static void bad_arguments_are_refused(void)
{
	struct ferry_server s;

	CHECK_EQ(fs_try_start(&s, "size=much"), -EINVAL);
	CHECK_EQ(fs_try_start(&s, "junk"), -EINVAL);
	CHECK_EQ(fs_allocated(), 0);
}

extern const struct ferry_backend ferry_backend;

static size_t bytes_given;

static ssize_t give(struct ferry_req *req, const struct ferry_iov *iov, unsigned int nr)
{
	size_t sum = 0;

	for (; nr; nr--, iov++)
		sum += iov->len;
	bytes_given += sum;
	return sum;
}

static void answered(struct ferry_req *req)
{
}

/* Bytes that a disk's read of 8 KiB gives to a host that can do without, or cannot. */
static size_t given(const char *args, bool skips)
{
	const struct ferry_req_host host = { .push = give, .done = answered, .skips = skips };
	const struct ferry_blk_io io = { .length = 8192 };
	struct ferry_server server = { 0 };
	struct ferry_req req = {
		.host = &host,
		.server = &server,
		.class = FERRY_CLASS_BLOCK,
		.opcode = FERRY_BLK_READ,
		.in[0] = { &io, sizeof(io) },
		.nr_in = 1,
		.data_len = io.length,
	};

	CHECK_EQ(ferry_server_init(&server, &ferry_backend, FERRY_CLASS_BLOCK, args), 0);
	bytes_given = 0;
	ferry_dispatch(&req);
	CHECK_EQ(req.error, 0);
	CHECK_EQ(req.pushed, io.length);
	ferry_server_destroy(&server, FERRY_CLASS_BLOCK);
	return bytes_given;
}

static void untouched_where_that_can_be(void)
{
	struct ferry_server s;

	CHECK_EQ(given(NULL, true), 8192);
	CHECK_EQ(given("untouched,size=1M", true), 0);
	CHECK_EQ(given("untouched", false), 8192);
	CHECK_EQ(fs_try_start(&s, "untouched"), -EINVAL);
	CHECK_EQ(fs_allocated(), 0);
}

static const struct claim claims[] = {
	{ "names that begin with N are files", names_with_n_are_files },
	{ "reads are zeros up to the size", reads_are_zeros },
	{ "changes are accepted", changes_are_accepted },
	{ "the root lists one name", the_root_has_one_name },
	{ "bad arguments are refused", bad_arguments_are_refused },
	{ "a disk that is to leave memory untouched does, where that can be", untouched_where_that_can_be },
};

CLAIMS_MAIN(claims)
