// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* null answers everything, and remembers nothing. */
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

static const struct claim claims[] = {
	{ "names that begin with N are files", names_with_n_are_files },
	{ "reads are zeros up to the size", reads_are_zeros },
	{ "changes are accepted", changes_are_accepted },
	{ "the root lists one name", the_root_has_one_name },
	{ "bad arguments are refused", bad_arguments_are_refused },
};

CLAIMS_MAIN(claims)
