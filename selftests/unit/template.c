// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* template is a filesystem of one file that says what it was told. */
#include "../claim.h"
#include "fsclient.h"

#define ROOT	FERRY_ROOT_NODE

static void check_text(const char *args, const char *text)
{
	struct ferry_server *s = fs_start(args);
	struct fuse_entry_out e;
	char buf[64] = "";

	CHECK_EQ(fs_lookup(s, ROOT, "hello", &e), 0);
	CHECK_EQ(e.attr.size, strlen(text));
	CHECK_EQ(fs_open(s, e.nodeid, O_RDONLY, NULL), 0);
	CHECK_EQ(fs_read(s, e.nodeid, 0, 0, buf, sizeof(buf)), strlen(text));
	CHECK(!strcmp(buf, text));
	CHECK_EQ(fs_read(s, e.nodeid, 0, 2, buf, 3), 3);
	CHECK(!memcmp(buf, text + 2, 3));
	CHECK_EQ(fs_read(s, e.nodeid, 0, 1000, buf, 3), 0);
	fs_stop(s);
}

static void hello_says_what_it_was_told(void)
{
	check_text(NULL, "Hello from ferry\n");
	check_text("text=Good morning", "Good morning\n");
}

static void it_is_read_only(void)
{
	struct ferry_server *s = fs_start(NULL);
	struct fuse_entry_out e;

	CHECK_EQ(fs_lookup(s, ROOT, "hello", &e), 0);
	CHECK_EQ(fs_open(s, e.nodeid, O_RDWR, NULL), -EROFS);
	CHECK_EQ(fs_truncate(s, e.nodeid, 0), -EROFS);
	CHECK_EQ(fs_unlink(s, ROOT, "hello"), -EROFS);
	CHECK_EQ(fs_rmdir(s, ROOT, "hello"), -EROFS);
	CHECK_EQ(fs_mkdir(s, ROOT, "d", 0755, &e), -EROFS);
	CHECK_EQ(fs_create(s, ROOT, "f", 0644, &e, NULL), -EROFS);
	fs_stop(s);
}

static unsigned int nr_seen;

static void see(void *arg, const char *name, const struct fuse_dirent *de,
		const struct fuse_entry_out *e)
{
	nr_seen++;
}

static void the_root_lists_it(void)
{
	struct ferry_server *s = fs_start(NULL);
	int plus;

	for (plus = 0; plus < 2; plus++) {
		u64 off = 0;

		nr_seen = 0;
		/* room for one name at a time */
		while (fs_readdir(s, ROOT, 0, &off, plus ? 160 : 40, plus, see, NULL) > 0)
			;
		CHECK_EQ(nr_seen, 3);
	}
	fs_stop(s);
}

static void other_nodes_are_refused(void)
{
	struct ferry_server *s = fs_start(NULL);
	struct fuse_attr attr;
	char buf[16];
	u64 off = 0;

	CHECK_EQ(fs_getattr(s, 3, &attr), -ESTALE);
	CHECK_EQ(fs_lookup(s, 2, "x", NULL), -ENOTDIR);
	CHECK_EQ(fs_lookup(s, ROOT, "x", NULL), -ENOENT);
	CHECK_EQ(fs_read(s, ROOT, 0, 0, buf, 4), -EISDIR);
	CHECK_EQ(fs_readdir(s, 2, 0, &off, 4096, false, see, NULL), -ENOTDIR);
	CHECK_EQ(fs_getxattr(s, 2, "user.from", buf, 16), 5);
	CHECK_EQ(fs_getxattr(s, 2, "user.x", buf, 16), -ENODATA);
	CHECK_EQ(fs_listxattr(s, 2, NULL, 0), 10);
	fs_stop(s);
}

static const struct claim claims[] = {
	{ "hello says what it was told", hello_says_what_it_was_told },
	{ "the filesystem is read-only", it_is_read_only },
	{ "the root lists hello", the_root_lists_it },
	{ "other nodes and types are refused", other_nodes_are_refused },
};

CLAIMS_MAIN(claims)
