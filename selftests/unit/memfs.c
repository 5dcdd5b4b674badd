// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* memfs keeps what a POSIX filesystem promises, driven by messages. */
#include <stdlib.h>
#include <sys/xattr.h>

#include <linux/ferry.h>

#include "../claim.h"
#include "fsclient.h"

#define ROOT	FERRY_ROOT_NODE
#define TIB	(1ULL << 40)

static u64 mkfile(struct ferry_server *s, u64 dir, const char *name)
{
	struct fuse_entry_out e;

	CHECK_EQ(fs_create(s, dir, name, 0644, &e, NULL), 0);
	return e.nodeid;
}

static u64 mkdirs(struct ferry_server *s, u64 dir, const char *name)
{
	struct fuse_entry_out e;

	CHECK_EQ(fs_mkdir(s, dir, name, 0755, &e), 0);
	return e.nodeid;
}

static struct fuse_attr attr_of(struct ferry_server *s, u64 node)
{
	struct fuse_attr attr;

	CHECK_EQ(fs_getattr(s, node, &attr), 0);
	return attr;
}

static void check_bytes(struct ferry_server *s, u64 node, u64 off, u32 len, u8 byte)
{
	u8 *buf = xmalloc(len);
	u32 i;

	memset(buf, 0xa5, len);
	CHECK_EQ(fs_read(s, node, 0, off, buf, len), len);
	for (i = 0; i < len; i++)
		if (buf[i] != byte)
			claim_fail(__FILE__, __LINE__, "byte %llu is %#x, should be %#x",
				   off + i, buf[i], byte);
	free(buf);
}

static void data_comes_back(void)
{
	struct ferry_server *s = fs_start(NULL);
	u64 f = mkfile(s, ROOT, "f");
	static const u32 lens[] = { 1, 4095, 4096, 4097, 65536, 131072, 131073, 1 << 20 };
	static const u64 offs[] = { 0, 1, 4095, 4096, 262143, 300000, 16777215 };
	u8 *in = xmalloc(1 << 20), *out = xmalloc(1 << 20);
	u32 i, j;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		for (j = 0; j < ARRAY_SIZE(offs); j++) {
			fill_pattern(in, lens[i], offs[j], i * 16 + j);
			CHECK_EQ(fs_write(s, f, 0, offs[j], in, lens[i]), lens[i]);
			CHECK_EQ(fs_read(s, f, 0, offs[j], out, lens[i]), lens[i]);
			CHECK(!memcmp(in, out, lens[i]));
		}
	}
	CHECK_EQ(attr_of(s, f).size, offs[j - 1] + lens[i - 1]);
	CHECK_EQ(fs_read(s, f, 0, attr_of(s, f).size, out, 4096), 0);
	CHECK_EQ(fs_read(s, f, 0, attr_of(s, f).size - 10, out, 4096), 10);
	fs_stop(s);
}

static void holes_cost_nothing(void)
{
	struct ferry_server *s = fs_start("size=1M");
	u64 f = mkfile(s, ROOT, "f");

	CHECK_EQ(fs_write(s, f, 0, 5 * TIB, "x", 1), 1);
	CHECK_EQ(attr_of(s, f).size, 5 * TIB + 1);
	CHECK_EQ(attr_of(s, f).blocks, 8);
	check_bytes(s, f, 0, 1 << 20, 0);
	check_bytes(s, f, 5 * TIB - 4096, 4096, 0);
	check_bytes(s, f, 5 * TIB, 1, 'x');
	CHECK_EQ(fs_lseek(s, f, 0, 0, SEEK_DATA), 5 * TIB);
	CHECK_EQ(fs_lseek(s, f, 0, 0, SEEK_HOLE), 0);
	CHECK_EQ(fs_lseek(s, f, 0, 5 * TIB, SEEK_HOLE), 5 * TIB + 1);
	CHECK_EQ(fs_lseek(s, f, 0, 5 * TIB + 1, SEEK_DATA), -ENXIO);
	CHECK_EQ(fs_write(s, f, 0, (1ULL << 63) - 2, "z", 1), 1);
	CHECK_EQ(attr_of(s, f).size, (1ULL << 63) - 1);
	check_bytes(s, f, (1ULL << 63) - 2, 1, 'z');
	CHECK_EQ(fs_lseek(s, f, 0, 5 * TIB + 4096, SEEK_DATA), (1ULL << 63) - 4096);
	CHECK_EQ(fs_truncate(s, f, 0), 0);
	CHECK_EQ(attr_of(s, f).blocks, 0);
	fs_stop(s);
}

static void nothing_shows_beyond_the_end(void)
{
	struct ferry_server *s = fs_start(NULL);
	u64 f = mkfile(s, ROOT, "f");
	u8 buf[8192];

	memset(buf, 'a', sizeof(buf));
	CHECK_EQ(fs_write(s, f, 0, 0, buf, 8192), 8192);
	CHECK_EQ(fs_truncate(s, f, 100), 0);
	CHECK_EQ(fs_truncate(s, f, 8192), 0);
	check_bytes(s, f, 0, 100, 'a');
	check_bytes(s, f, 100, 8092, 0);

	/* a copy that fails leaves bytes in the page that do not count */
	CHECK_EQ(fs_truncate(s, f, 10), 0);
	fs_cut_data(50);
	CHECK_EQ(fs_write(s, f, 0, 10, buf, 4000), -EFAULT);
	fs_cut_data(0);
	CHECK_EQ(fs_write(s, f, 0, 10, buf, 4000), -EIO);
	fs_cut_data(~0ULL);
	CHECK_EQ(attr_of(s, f).size, 10);
	CHECK_EQ(fs_truncate(s, f, 8192), 0);
	check_bytes(s, f, 10, 8182, 0);
	fs_stop(s);
}

/* Pages that a write makes and overwrites are not zeroed before; nor are they shown. */
static void no_old_bytes_of_a_failed_write(void)
{
	struct ferry_server *s = fs_start("");
	u64 f = mkfile(s, ROOT, "f");
	u8 *buf = xmalloc(1 << 20);

	memset(buf, 7, 1 << 20);
	CHECK_EQ(fs_truncate(s, f, 1 << 20), 0);
	fs_cut_data(5000);
	CHECK_EQ(fs_write(s, f, 0, 4096, buf, 65536), -EFAULT);
	fs_cut_data(0);
	CHECK_EQ(fs_write(s, f, 0, 1 << 17, buf, 8192), -EIO);
	CHECK_EQ(fs_write(s, f, 0, (1 << 20) + 100, buf, 65536), -EIO);
	fs_cut_data(~0ULL);
	CHECK_EQ(attr_of(s, f).size, 1 << 20);
	CHECK_EQ(fs_truncate(s, f, 1 << 21), 0);
	check_bytes(s, f, 0, 1 << 20, 0);
	check_bytes(s, f, 1 << 20, 1 << 20, 0);

	/* pages whose bytes are all there, and the ends of those that are cut */
	CHECK_EQ(fs_write(s, f, 0, 100, buf, 3 * 4096), 3 * 4096);
	check_bytes(s, f, 0, 100, 0);
	check_bytes(s, f, 100, 3 * 4096, 7);
	check_bytes(s, f, 100 + 3 * 4096, 4096 * 2, 0);
	fs_stop(s);
}

static void a_full_filesystem_recovers(void)
{
	struct ferry_server *s = fs_start("size=1M");
	u64 a = mkfile(s, ROOT, "a"), b = mkfile(s, ROOT, "b");
	struct fuse_kstatfs st;
	u8 *buf = xmalloc(1 << 20);

	CHECK_EQ(fs_write(s, a, 0, 0, buf, 1 << 19), 1 << 19);
	CHECK_EQ(fs_write(s, b, 0, 0, buf, 1 << 20), 1 << 19);
	CHECK_EQ(fs_write(s, b, 0, 1 << 19, buf, 1), -ENOSPC);
	CHECK_EQ(fs_fallocate(s, b, 0, 0, 1 << 20, 1), -ENOSPC);
	CHECK_EQ(attr_of(s, b).size, 1 << 19);
	CHECK_EQ(fs_statfs(s, &st), 0);
	CHECK_EQ(st.blocks, 256);
	CHECK_EQ(st.bfree, 0);
	/* what is there may be written again */
	CHECK_EQ(fs_write(s, b, 0, 4096, buf, 8192), 8192);

	CHECK_EQ(fs_unlink(s, ROOT, "a"), 0);
	CHECK_EQ(fs_statfs(s, &st), 0);
	CHECK_EQ(st.bfree, 0);
	fs_forget(s, a, 1);
	CHECK_EQ(fs_statfs(s, &st), 0);
	CHECK_EQ(st.bfree, 128);
	CHECK_EQ(fs_write(s, b, 0, 1 << 19, buf, 1 << 19), 1 << 19);
	fs_stop(s);
}

static void nodes_are_limited(void)
{
	struct ferry_server *s = fs_start("nodes=4");
	struct fuse_kstatfs st;
	struct fuse_entry_out e;
	u64 a = mkfile(s, ROOT, "a");

	mkfile(s, ROOT, "b");
	CHECK_EQ(fs_link(s, a, ROOT, "c", &e), 0);
	CHECK_EQ(fs_mkdir(s, ROOT, "d", 0755, &e), -ENOSPC);
	CHECK_EQ(fs_link(s, a, ROOT, "d", &e), -ENOSPC);
	CHECK_EQ(fs_statfs(s, &st), 0);
	CHECK_EQ(st.files, 4);
	CHECK_EQ(st.ffree, 0);
	CHECK_EQ(fs_unlink(s, ROOT, "c"), 0);
	CHECK_EQ(fs_mkdir(s, ROOT, "d", 0755, &e), 0);
	CHECK_EQ(attr_of(s, a).nlink, 1);
	fs_stop(s);
}

static void unlinked_files_stay_while_known(void)
{
	struct ferry_server *s = fs_start(NULL);
	u64 f = mkfile(s, ROOT, "f"), g;
	struct fuse_attr attr;
	struct fuse_entry_out e;

	CHECK_EQ(fs_write(s, f, 0, 0, "abc", 3), 3);
	CHECK_EQ(fs_unlink(s, ROOT, "f"), 0);
	CHECK_EQ(fs_lookup(s, ROOT, "f", NULL), -ENOENT);
	CHECK_EQ(attr_of(s, f).nlink, 0);
	CHECK_EQ(fs_link(s, f, ROOT, "again", &e), -ENOENT);
	CHECK_EQ(fs_write(s, f, 0, 3, "def", 3), 3);
	check_bytes(s, f, 5, 1, 'f');
	fs_forget(s, f, 1);
	CHECK_EQ(fs_getattr(s, f, &attr), -ESTALE);

	/* the place is used again, the number is not */
	g = mkfile(s, ROOT, "g");
	CHECK(g != f);
	CHECK_EQ((u32)g, (u32)f);
	CHECK_EQ(fs_getattr(s, f, &attr), -ESTALE);
	CHECK_EQ(fs_write(s, f, 0, 0, "x", 1), -ESTALE);
	CHECK_EQ(fs_lookup(s, f, "x", NULL), -ESTALE);
	CHECK_EQ(fs_rename(s, f, "x", ROOT, "y", 0), -ESTALE);
	fs_stop(s);
}

static void has_index(void *arg, const char *name, const struct fuse_dirent *de,
		      const struct fuse_entry_out *e)
{
	u64 ino = name[0] == '.' ? attr_of(arg, ROOT).ino : attr_of(arg, de->ino | 1ULL << 32).ino;

	CHECK_EQ(de->ino, ino);
	CHECK_EQ(ino, (u32)ino);
	if (e && name[0] != '.') {
		CHECK_EQ(e->attr.ino, ino);
		fs_forget(arg, e->nodeid, 1);
	}
}

/* The first node of a second life: whose number shows has 32 bits all the same. */
static void numbers_that_show_are_short(void)
{
	struct ferry_server *s = fs_start(NULL);
	u64 f = mkfile(s, ROOT, "f"), off;
	int plus;

	CHECK_EQ(fs_unlink(s, ROOT, "f"), 0);
	fs_forget(s, f, 1);
	CHECK(mkfile(s, ROOT, "g") >> 32);
	for (plus = 0; plus < 2; plus++) {
		off = 0;
		CHECK(fs_readdir(s, ROOT, 0, &off, 4096, plus, has_index, s) > 0);
	}
	fs_stop(s);
}

static void foolish_numbers_do_no_harm(void)
{
	static const u64 nodes[] = { 0, 2, 3, 511, 512, 1 << 20, (1 << 27) - 1, 1 << 27, ~0U,
				     1ULL << 32, (1ULL << 32) + 1, ~0ULL };
	struct ferry_server *s = fs_start(NULL);
	struct fuse_attr attr;
	struct fuse_entry_out e;
	u64 off = 0;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(nodes); i++) {
		CHECK_EQ(fs_getattr(s, nodes[i], &attr), -ESTALE);
		CHECK_EQ(fs_truncate(s, nodes[i], 0), -ESTALE);
		CHECK_EQ(fs_mkdir(s, nodes[i], "d", 0755, &e), -ESTALE);
		CHECK_EQ(fs_link(s, nodes[i], ROOT, "l", &e), -ESTALE);
		CHECK_EQ(fs_readdir(s, nodes[i], 0, &off, 4096, true, NULL, NULL), -ESTALE);
		fs_forget(s, nodes[i], ~0ULL);
	}
	/* more forgotten than ever known */
	fs_forget(s, ROOT, ~0ULL);
	CHECK_EQ(fs_getattr(s, ROOT, &attr), 0);
	i = mkfile(s, ROOT, "f");
	fs_forget(s, i, 1ULL << 63);
	fs_forget(s, i, 1);
	CHECK_EQ(fs_getattr(s, i, &attr), 0);
	CHECK_EQ(fs_unlink(s, ROOT, "f"), 0);
	CHECK_EQ(fs_getattr(s, i, &attr), -ESTALE);
	fs_stop(s);
}

static void wrong_types_are_refused(void)
{
	struct ferry_server *s = fs_start(NULL);
	u64 f = mkfile(s, ROOT, "f"), d = mkdirs(s, ROOT, "d"), l, off = 0;
	struct fuse_entry_out e;
	char buf[16];

	CHECK_EQ(fs_symlink(s, ROOT, "l", "target", &e), 0);
	l = e.nodeid;
	CHECK_EQ(fs_readlink(s, l, buf, sizeof(buf)), 6);
	CHECK(!memcmp(buf, "target", 6));
	CHECK_EQ(attr_of(s, l).size, 6);

	CHECK_EQ(fs_lookup(s, f, "x", NULL), -ENOTDIR);
	CHECK_EQ(fs_mkdir(s, f, "x", 0755, &e), -ENOTDIR);
	CHECK_EQ(fs_readdir(s, f, 0, &off, 4096, false, NULL, NULL), -ENOTDIR);
	CHECK_EQ(fs_unlink(s, ROOT, "d"), -EISDIR);
	CHECK_EQ(fs_rmdir(s, ROOT, "f"), -ENOTDIR);
	CHECK_EQ(fs_rmdir(s, ROOT, "none"), -ENOENT);
	CHECK_EQ(fs_link(s, d, ROOT, "x", &e), -EPERM);
	CHECK_EQ(fs_truncate(s, d, 0), -EISDIR);
	CHECK_EQ(fs_truncate(s, l, 0), -EINVAL);
	CHECK_EQ(fs_read(s, d, 0, 0, buf, 1), -EISDIR);
	CHECK_EQ(fs_readlink(s, f, buf, sizeof(buf)), -EINVAL);
	CHECK_EQ(fs_mkdir(s, ROOT, "d", 0755, &e), -EEXIST);
	CHECK_EQ(fs_create(s, ROOT, "f", 0644, &e, NULL), -EEXIST);
	mkfile(s, d, "x");
	CHECK_EQ(fs_rmdir(s, ROOT, "d"), -ENOTEMPTY);
	CHECK_EQ(fs_fallocate(s, f, 0, FALLOC_FL_COLLAPSE_RANGE, 0, 4096), -EOPNOTSUPP);
	fs_stop(s);
}

static void a_removed_directory_is_empty_for_good(void)
{
	struct ferry_server *s = fs_start(NULL);
	u64 d = mkdirs(s, ROOT, "d"), off = 0;
	struct fuse_entry_out e;

	CHECK_EQ(attr_of(s, ROOT).nlink, 3);
	CHECK_EQ(fs_rmdir(s, ROOT, "d"), 0);
	CHECK_EQ(attr_of(s, ROOT).nlink, 2);
	CHECK_EQ(attr_of(s, d).nlink, 0);
	CHECK_EQ(fs_mkdir(s, d, "x", 0755, &e), -ENOENT);
	CHECK_EQ(fs_lookup(s, d, "x", NULL), -ENOENT);
	CHECK_EQ(fs_readdir(s, d, 0, &off, 4096, false, NULL, NULL), 0);
	mkfile(s, ROOT, "f");
	CHECK_EQ(fs_rename(s, ROOT, "f", d, "f", 0), -ENOENT);
	fs_stop(s);
}

static void directories_do_not_move_into_themselves(void)
{
	struct ferry_server *s = fs_start(NULL);
	u64 a = mkdirs(s, ROOT, "a"), b = mkdirs(s, a, "b"), c = mkdirs(s, b, "c");

	CHECK_EQ(fs_rename(s, ROOT, "a", c, "a", 0), -EINVAL);
	CHECK_EQ(fs_rename(s, ROOT, "a", a, "a", 0), -EINVAL);
	CHECK_EQ(fs_rename(s, b, "c", ROOT, "a", FERRY_RENAME_EXCHANGE), -EINVAL);
	CHECK_EQ(fs_rename(s, b, "c", ROOT, "a", 0), -ENOTEMPTY);
	/* after a move the way up is another one */
	CHECK_EQ(fs_rename(s, a, "b", ROOT, "b", 0), 0);
	CHECK_EQ(fs_rename(s, ROOT, "a", c, "a", 0), 0);
	CHECK_EQ(fs_rename(s, ROOT, "b", a, "b", 0), -EINVAL);
	CHECK_EQ(attr_of(s, ROOT).nlink, 3);
	CHECK_EQ(attr_of(s, c).nlink, 3);
	CHECK_EQ(attr_of(s, a).nlink, 2);
	fs_stop(s);
}

static void exchange_swaps_two_names(void)
{
	struct ferry_server *s = fs_start(NULL);
	u64 d = mkdirs(s, ROOT, "d"), f = mkfile(s, d, "f"), e = mkdirs(s, ROOT, "e");
	struct fuse_entry_out out;

	CHECK_EQ(fs_rename(s, d, "f", ROOT, "e", FERRY_RENAME_EXCHANGE), 0);
	CHECK_EQ(fs_lookup(s, d, "f", &out), 0);
	CHECK_EQ(out.nodeid, e);
	CHECK_EQ(fs_lookup(s, ROOT, "e", &out), 0);
	CHECK_EQ(out.nodeid, f);
	CHECK_EQ(attr_of(s, ROOT).nlink, 3);
	CHECK_EQ(attr_of(s, d).nlink, 3);
	CHECK_EQ(fs_rename(s, ROOT, "e", ROOT, "none", FERRY_RENAME_EXCHANGE), -ENOENT);
	CHECK_EQ(fs_rename(s, ROOT, "e", ROOT, "d", FERRY_RENAME_NOREPLACE), -EEXIST);
	fs_stop(s);
}

static void links_have_a_limit(void)
{
	struct ferry_server *s = fs_start(NULL);
	u64 f = mkfile(s, ROOT, "f");
	struct fuse_entry_out e;
	char name[16];
	int i, err = 0;

	for (i = 1; !err; i++) {
		snprintf(name, sizeof(name), "%d", i);
		err = fs_link(s, f, ROOT, name, &e);
	}
	CHECK_EQ(err, -EMLINK);
	CHECK_EQ(attr_of(s, f).nlink, i - 1);
	CHECK_EQ(fs_unlink(s, ROOT, "7"), 0);
	CHECK_EQ(fs_link(s, f, ROOT, "seven", &e), 0);
	fs_stop(s);
}

static void setgid_is_inherited(void)
{
	struct ferry_server *s = fs_start(NULL);
	u64 d = mkdirs(s, ROOT, "d"), f, sub;
	struct fuse_setattr_in set = { .valid = FATTR_GID | FATTR_MODE, .gid = 7, .mode = 02775 };

	CHECK_EQ(fs_setattr(s, d, &set, NULL), 0);
	fs_as(1000, 1000);
	f = mkfile(s, d, "f");
	sub = mkdirs(s, d, "sub");
	fs_as(0, 0);
	CHECK_EQ(attr_of(s, f).uid, 1000);
	CHECK_EQ(attr_of(s, f).gid, 7);
	CHECK_EQ(attr_of(s, f).mode, S_IFREG | 0644);
	CHECK_EQ(attr_of(s, sub).gid, 7);
	CHECK_EQ(attr_of(s, sub).mode, S_IFDIR | 02755);
	fs_stop(s);
}

static void writing_and_giving_away_drop_suid(void)
{
	struct ferry_server *s = fs_start(NULL);
	u64 f = mkfile(s, ROOT, "f");
	struct fuse_setattr_in chown = { .valid = FATTR_UID, .uid = 5 };
	char cap[4];

	CHECK_EQ(fs_chmod(s, f, 06755), 0);
	CHECK_EQ(fs_setxattr(s, f, "security.capability", "cap", 3, 0), 0);
	CHECK_EQ(fs_write(s, f, 0, 0, "x", 1), 1);
	CHECK_EQ(attr_of(s, f).mode & 07777, 06755);
	CHECK_EQ(fs_getxattr(s, f, "security.capability", cap, 4), -ENODATA);
	CHECK_EQ(fs_write_flags(s, f, 0, "x", 1, FUSE_WRITE_KILL_SUIDGID), 1);
	CHECK_EQ(attr_of(s, f).mode & 07777, 0755);
	/* without group execution S_ISGID means something else */
	CHECK_EQ(fs_chmod(s, f, 06745), 0);
	CHECK_EQ(fs_setattr(s, f, &chown, NULL), 0);
	CHECK_EQ(attr_of(s, f).mode & 07777, 02745);
	CHECK_EQ(attr_of(s, f).uid, 5);
	fs_stop(s);
}

static void times_follow_changes(void)
{
	struct ferry_server *s = fs_start(NULL);
	u64 d = mkdirs(s, ROOT, "d"), f = mkfile(s, d, "f");
	struct fuse_setattr_in set = {
		.valid = FATTR_ATIME | FATTR_MTIME, .atime = 1, .atimensec = 2,
		.mtime = 3, .mtimensec = 999999999,
	};
	struct fuse_attr a, b;
	char buf[1];

	CHECK_EQ(fs_setattr(s, f, &set, &a), 0);
	CHECK_EQ(a.atime, 1);
	CHECK_EQ(a.atimensec, 2);
	CHECK_EQ(a.mtime, 3);
	CHECK_EQ(a.mtimensec, 999999999);
	CHECK(a.ctime > 3);
	CHECK_EQ(fs_write(s, f, 0, 0, "x", 1), 1);
	CHECK(attr_of(s, f).mtime > 3);

	/* the atime follows the first read behind a change */
	CHECK_EQ(attr_of(s, f).atime, 1);
	CHECK_EQ(fs_read(s, f, 0, 0, buf, 1), 1);
	a = attr_of(s, f);
	CHECK(a.atime > 1);
	CHECK_EQ(fs_read(s, f, 0, 0, buf, 1), 1);
	b = attr_of(s, f);
	CHECK_EQ(a.atimensec, b.atimensec);

	CHECK_EQ(fs_setattr(s, d, &set, &a), 0);
	b = attr_of(s, d);
	CHECK_EQ(fs_unlink(s, d, "f"), 0);
	a = attr_of(s, d);
	CHECK(a.mtime > 3);
	CHECK(a.ctime > b.ctime || a.ctimensec > b.ctimensec);
	fs_stop(s);
}

static void fallocate_does_what_it_says(void)
{
	struct ferry_server *s = fs_start(NULL);
	u64 f = mkfile(s, ROOT, "f");
	u8 buf[16384];

	memset(buf, 'a', sizeof(buf));
	CHECK_EQ(fs_fallocate(s, f, 0, FALLOC_FL_KEEP_SIZE, 0, 65536), 0);
	CHECK_EQ(attr_of(s, f).size, 0);
	CHECK_EQ(attr_of(s, f).blocks, 128);
	CHECK_EQ(fs_write(s, f, 0, 0, buf, 16384), 16384);
	CHECK_EQ(attr_of(s, f).blocks, 128);
	CHECK_EQ(fs_lseek(s, f, 0, 0, SEEK_HOLE), 16384);

	CHECK_EQ(fs_fallocate(s, f, 0, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 12000), 0);
	check_bytes(s, f, 0, 100, 'a');
	check_bytes(s, f, 100, 12000, 0);
	check_bytes(s, f, 12100, 4284, 'a');
	CHECK_EQ(attr_of(s, f).blocks, 128 - 8);
	CHECK_EQ(fs_lseek(s, f, 0, 0, SEEK_HOLE), 4096);
	CHECK_EQ(fs_lseek(s, f, 0, 4096, SEEK_DATA), 8192);

	CHECK_EQ(fs_fallocate(s, f, 0, FALLOC_FL_ZERO_RANGE, 50, 20000), 0);
	CHECK_EQ(attr_of(s, f).size, 20050);
	CHECK_EQ(attr_of(s, f).blocks, 128);
	check_bytes(s, f, 0, 50, 'a');
	check_bytes(s, f, 50, 20000, 0);

	CHECK_EQ(fs_fallocate(s, f, 0, 0, 0, 100000), 0);
	CHECK_EQ(attr_of(s, f).size, 100000);
	CHECK_EQ(attr_of(s, f).blocks, 25 * 8);
	/* a cut to the same size drops what lies behind the end */
	CHECK_EQ(fs_fallocate(s, f, 0, FALLOC_FL_KEEP_SIZE, 0, 1 << 20), 0);
	CHECK_EQ(fs_truncate(s, f, 100000), 0);
	CHECK_EQ(attr_of(s, f).blocks, 25 * 8);
	fs_stop(s);
}

static void xattrs_are_kept(void)
{
	struct ferry_server *s = fs_start(NULL);
	u64 f = mkfile(s, ROOT, "f");
	char *big = xmalloc(65536), *out = xmalloc(65536);

	CHECK_EQ(fs_setxattr(s, f, "user.a", "1", 1, 0), 0);
	CHECK_EQ(fs_setxattr(s, f, "trusted.b", "", 0, 0), 0);
	CHECK_EQ(fs_setxattr(s, f, "user.a", "22", 2, XATTR_CREATE), -EEXIST);
	CHECK_EQ(fs_setxattr(s, f, "user.c", "3", 1, XATTR_REPLACE), -ENODATA);
	CHECK_EQ(fs_setxattr(s, f, "user.a", "333", 3, XATTR_REPLACE), 0);
	CHECK_EQ(fs_getxattr(s, f, "user.a", out, 16), 3);
	CHECK(!memcmp(out, "333", 3));
	CHECK_EQ(fs_getxattr(s, f, "user.a", out, 2), -ERANGE);
	CHECK_EQ(fs_getxattr(s, f, "user.a", NULL, 0), 3);
	CHECK_EQ(fs_getxattr(s, f, "trusted.b", out, 16), 0);
	CHECK_EQ(fs_listxattr(s, f, NULL, 0), 17);
	CHECK_EQ(fs_listxattr(s, f, out, 64), 17);
	CHECK(!memcmp(out, "user.a\0trusted.b", 17));
	CHECK_EQ(fs_listxattr(s, f, out, 5), -ERANGE);
	CHECK_EQ(fs_removexattr(s, f, "user.a"), 0);
	CHECK_EQ(fs_removexattr(s, f, "user.a"), -ENODATA);
	CHECK_EQ(fs_getxattr(s, f, "user.a", out, 16), -ENODATA);
	CHECK_EQ(fs_setxattr(s, f, "system.posix_acl_access", "x", 1, 0), -EOPNOTSUPP);
	CHECK_EQ(fs_getxattr(s, f, "system.posix_acl_access", out, 16), -EOPNOTSUPP);
	CHECK_EQ(fs_setxattr(s, f, "user.", "x", 1, 0), -EOPNOTSUPP);

	memset(big, 'b', 65536);
	CHECK_EQ(fs_setxattr(s, f, "user.big", big, 65536, 0), 0);
	CHECK_EQ(fs_getxattr(s, f, "user.big", out, 65536), 65536);
	CHECK(!memcmp(big, out, 65536));
	fs_stop(s);
}

static void xattrs_have_limits(void)
{
	struct ferry_server *s = fs_start("size=256K");
	u64 f = mkfile(s, ROOT, "f");
	char *big = xmalloc(65537), name[264] = "user.";
	struct fuse_kstatfs st;
	unsigned int i;
	int err = 0;

	CHECK_EQ(fs_setxattr(s, f, "user.big", big, 65537, 0), -E2BIG);
	for (i = 0; i < 100 && !err; i++) {
		snprintf(name, sizeof(name), "user.%u", i);
		err = fs_setxattr(s, f, name, big, 65536, 0);
	}
	CHECK_EQ(err, -ENOSPC);
	CHECK_EQ(i, 4);
	CHECK_EQ(fs_getxattr(s, f, name, NULL, 0), -ENODATA);
	CHECK_EQ(fs_removexattr(s, f, "user.0"), 0);
	CHECK_EQ(fs_setxattr(s, f, name, big, 65536, 0), 0);
	for (i = 0; i < 3; i++)
		fs_removexattr(s, f, i ? i == 1 ? "user.1" : "user.2" : name);
	CHECK_EQ(fs_statfs(s, &st), 0);
	CHECK_EQ(st.bfree, 64);
	fs_stop(s);

	/* the list of names must fit a call */
	s = fs_start(NULL);
	f = mkfile(s, ROOT, "f");
	memset(name + 5, 'n', 245);
	for (i = 0, err = 0; i < 1000 && !err; i++) {
		snprintf(name + 250, sizeof(name) - 250, "%05u", i);
		err = fs_setxattr(s, f, name, "", 0, 0);
	}
	CHECK_EQ(err, -ENOSPC);
	CHECK(fs_listxattr(s, f, NULL, 0) <= 65536);
	fs_stop(s);
}

static void truncating_open_empties(void)
{
	struct ferry_server *s = fs_start(NULL);
	u64 f = mkfile(s, ROOT, "f");

	CHECK_EQ(fs_write(s, f, 0, 0, "abc", 3), 3);
	CHECK_EQ(fs_open(s, f, O_RDWR, NULL), 0);
	CHECK_EQ(attr_of(s, f).size, 3);
	CHECK_EQ(fs_open(s, f, O_RDWR | O_TRUNC, NULL), 0);
	CHECK_EQ(attr_of(s, f).size, 0);
	CHECK_EQ(attr_of(s, f).blocks, 0);
	fs_stop(s);
}

static void special_files_keep_their_number(void)
{
	struct ferry_server *s = fs_start(NULL);
	struct fuse_entry_out e;

	CHECK_EQ(fs_mknod(s, ROOT, "c", S_IFCHR | 0600, 0x103, &e), 0);
	CHECK_EQ(e.attr.rdev, 0x103);
	CHECK_EQ(e.attr.mode, S_IFCHR | 0600);
	CHECK_EQ(fs_mknod(s, ROOT, "p", S_IFIFO | 0600, 0x103, &e), 0);
	CHECK_EQ(e.attr.rdev, 0);
	CHECK_EQ(fs_mknod(s, ROOT, "s", S_IFSOCK | 0600, 0, &e), 0);
	CHECK_EQ(fs_mknod(s, ROOT, "f", S_IFREG | 0600, 0, &e), 0);
	CHECK_EQ(fs_write(s, e.nodeid, 0, 0, "x", 1), 1);
	fs_stop(s);
}

static void bad_arguments_are_refused(void)
{
	static const char *const bad[] = { "size=", "size=x", "size=1X", "size=99999999999T",
					   "nodes=-1", "wrong=1", "writeback,junk", "mode=9",
					   "uid=4294967295", "gid=x" };
	struct ferry_server s;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK(fs_try_start(&s, bad[i]) < 0);
		CHECK_EQ(fs_allocated(), 0);
	}
}

static void the_root_is_as_wanted(void)
{
	struct ferry_server *s = fs_start("uid=1000,mode=1770,gid=100");
	struct fuse_attr attr = attr_of(s, ROOT);

	CHECK_EQ(attr.mode, S_IFDIR | 01770);
	CHECK_EQ(attr.uid, 1000);
	CHECK_EQ(attr.gid, 100);
	fs_stop(s);
}

/* Whatever allocation fails, the operation fails as a whole and the rest goes on. */
static void memory_may_run_out_anywhere(void)
{
	struct ferry_server *s;
	struct fuse_entry_out e;
	u8 *buf = xmalloc(1 << 20);
	unsigned long n;
	int err;

	for (n = 1; n < 300; n++) {
		long before;
		u64 f, d;

		s = fs_start(NULL);
		d = mkdirs(s, ROOT, "d");
		f = mkfile(s, d, "f");
		before = fs_allocated();

		fs_fail_alloc(n);
		err = fs_mkdir(s, d, "new", 0755, &e);
		if (!err)
			err = fs_symlink(s, d, "link", "target", &e);
		if (!err)
			err = fs_rename(s, d, "f", ROOT, "f", 0);
		if (!err)
			err = fs_link(s, f, ROOT, "g", &e);
		if (!err)
			err = fs_setxattr(s, f, "user.x", "y", 1, 0);
		if (!err)
			err = fs_fallocate(s, f, 0, 0, 1ULL << 40, 65536);
		if (!err) {
			err = fs_write(s, f, 0, 1000, buf, 500000);
			if (err >= 0) {
				check_bytes(s, f, 1000, err, 0);
				CHECK(attr_of(s, f).size >= 1000U + err);
				err = err == 500000 ? 0 : -ENOSPC;
			}
		}
		fs_fail_alloc(0);
		CHECK(!err || err == -ENOMEM || err == -ENOSPC);
		CHECK(fs_allocated() >= before);
		CHECK_EQ(fs_mkdir(s, ROOT, "after", 0755, &e), 0);
		fs_stop(s);
	}
	CHECK_EQ(err, 0);
}

extern const struct ferry_backend ferry_backend;

/* A stream in memory. */
struct memory {
	struct ferry_stream stream;
	char *p;
	size_t len;
	size_t at;
};

static ssize_t to_memory(struct ferry_stream *stream, void *p, size_t len)
{
	struct memory *m = container_of(stream, struct memory, stream);

	m->p = realloc(m->p, m->len + len);
	memcpy(m->p + m->len, p, len);
	m->len += len;
	return len;
}

static ssize_t from_memory(struct ferry_stream *stream, void *p, size_t len)
{
	struct memory *m = container_of(stream, struct memory, stream);

	len = min(len, m->len - m->at);
	memcpy(p, m->p + m->at, len);
	m->at += len;
	return len;
}

static void reopen(struct memory *m, ssize_t (*move)(struct ferry_stream *, void *, size_t))
{
	static char buf[FERRY_STREAM_PIECE];

	m->stream = (struct ferry_stream){ .move = move, .buf = buf, .size = sizeof(buf) };
	m->at = 0;
}

static struct memory saved_fs(u64 *dir, u64 *file, u64 *gone)
{
	struct ferry_server *s = fs_start("size=64M,nodes=1000");
	struct memory m = { 0 };
	struct fuse_entry_out e;
	char name[32];
	int i;

	*dir = mkdirs(s, ROOT, "dir");
	mkdirs(s, *dir, "sub");
	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		mkfile(s, *dir, name);
	}
	for (i = 0; i < 100; i += 2) {
		snprintf(name, sizeof(name), "n%d", i);
		CHECK_EQ(fs_unlink(s, *dir, name), 0);
	}
	*file = mkfile(s, ROOT, "file");
	CHECK_EQ(fs_write(s, *file, 0, 0, "begin", 5), 5);
	CHECK_EQ(fs_write(s, *file, 0, TIB, "end", 3), 3);
	CHECK_EQ(fs_link(s, *file, *dir, "hard", &e), 0);
	CHECK_EQ(fs_setxattr(s, *file, "user.a", "value", 5, 0), 0);
	CHECK_EQ(fs_symlink(s, ROOT, "soft", "dir/hard", &e), 0);
	*gone = mkfile(s, ROOT, "gone");
	CHECK_EQ(fs_write(s, *gone, 0, 0, "still", 5), 5);
	CHECK_EQ(fs_unlink(s, ROOT, "gone"), 0);
	reopen(&m, to_memory);
	CHECK_EQ(ferry_server_save(s, FERRY_CLASS_FS, &m.stream), 0);
	fs_stop(s);
	reopen(&m, from_memory);
	return m;
}

static void a_saved_server_goes_on(void)
{
	u64 dir, file, gone;
	struct memory m = saved_fs(&dir, &file, &gone);
	struct ferry_server s = { 0 };
	struct fuse_entry_out e;
	char buf[16];

	CHECK_EQ(ferry_server_load(&s, &ferry_backend, FERRY_CLASS_FS, &m.stream), 0);
	CHECK_EQ(m.at, m.len);
	CHECK_EQ(fs_lookup(&s, ROOT, "dir", &e), 0);
	CHECK_EQ(e.nodeid, dir);
	CHECK_EQ(e.attr.nlink, 3);
	CHECK_EQ(fs_lookup(&s, dir, "n1", &e), 0);
	CHECK_EQ(fs_lookup(&s, dir, "n0", &e), -ENOENT);
	CHECK_EQ(fs_lookup(&s, dir, "hard", &e), 0);
	CHECK_EQ(e.nodeid, file);
	CHECK_EQ(e.attr.nlink, 2);
	CHECK_EQ(e.attr.size, TIB + 3);
	CHECK_EQ(e.attr.blocks, 16);
	CHECK_EQ(fs_read(&s, file, 0, TIB, buf, sizeof(buf)), 3);
	CHECK(!memcmp(buf, "end", 3));
	CHECK_EQ(fs_getxattr(&s, file, "user.a", buf, sizeof(buf)), 5);
	CHECK(!memcmp(buf, "value", 5));
	CHECK_EQ(fs_read(&s, gone, 0, 0, buf, sizeof(buf)), 5);
	fs_forget(&s, gone, 1);
	CHECK_EQ(fs_read(&s, gone, 0, 0, buf, sizeof(buf)), -ESTALE);
	mkfile(&s, dir, "new");
	ferry_server_destroy(&s, FERRY_CLASS_FS);
	CHECK_EQ(fs_allocated(), 0);
	free(m.p);
}

static void a_cut_stream_is_refused(void)
{
	u64 dir, file, gone;
	struct memory m = saved_fs(&dir, &file, &gone);
	struct ferry_server s;
	size_t len = m.len;

	for (m.len = 0; m.len < len; m.len += 7) {
		memset(&s, 0, sizeof(s));
		reopen(&m, from_memory);
		CHECK(ferry_server_load(&s, &ferry_backend, FERRY_CLASS_FS, &m.stream) < 0);
		CHECK_EQ(fs_allocated(), 0);
	}
	free(m.p);
}

/* Whatever can be done with a node by its number. */
static void use_node(struct ferry_server *s, u64 id)
{
	struct fuse_entry_out e;
	char buf[64];

	fs_read(s, id, 0, 0, buf, sizeof(buf));
	fs_getxattr(s, id, "user.a", buf, sizeof(buf));
	if (!fs_lookup(s, id, "n1", &e))
		fs_rename(s, id, "n1", ROOT, "n1", 0);
	fs_lookup(s, id, "sub", &e);
	fs_rename(s, ROOT, "dir", id, "below", 0);
	fs_rename(s, id, "below", ROOT, "dir", 0);
	fs_mkdir(s, id, "made", 0755, &e);
	fs_unlink(s, id, "hard");
	fs_unlink(s, id, "n3");
	fs_rmdir(s, id, "sub");
	fs_write(s, id, 0, 5000, "x", 1);
}

static void a_stream_of_anybody_does_no_harm(void)
{
	static const u32 words[] = { 0, 1, 2, 3, 0x4000, 0xffffffff, 0x7fffffff };
	u64 dir, file, gone;
	struct memory m = saved_fs(&dir, &file, &gone);
	uint64_t random = test_seed();
	struct ferry_server s;
	unsigned int i, n, loaded = 0;
	char *whole = malloc(m.len);
	u64 id;

	memcpy(whole, m.p, m.len);
	for (i = 0; i < 5000; i++) {
		memcpy(m.p, whole, m.len);
		for (n = 1 + next_random(&random) % 3; n; n--) {
			size_t at = next_random(&random) % (m.len / 4) * 4;
			u32 word = words[next_random(&random) % ARRAY_SIZE(words)];

			if (next_random(&random) % 2)
				memcpy(m.p + at, &word, 4);
			else
				m.p[at] ^= 1 << next_random(&random) % 8;
		}
		memset(&s, 0, sizeof(s));
		reopen(&m, from_memory);
		if (!ferry_server_load(&s, &ferry_backend, FERRY_CLASS_FS, &m.stream)) {
			loaded++;
			for (id = 1; id < 110; id++)
				use_node(&s, id);
			ferry_server_destroy(&s, FERRY_CLASS_FS);
		}
		if (fs_allocated())
			break;
	}
	CHECK_EQ(i, 5000);
	CHECK(loaded > 100 && loaded < i);
	free(whole);
	free(m.p);
}

static const struct claim claims[] = {
	{ "data is read as it was written", data_comes_back },
	{ "holes cost nothing, up to the largest offset", holes_cost_nothing },
	{ "nothing shows beyond the end of a file", nothing_shows_beyond_the_end },
	{ "what a failed write did not bring does not show", no_old_bytes_of_a_failed_write },
	{ "a full filesystem says ENOSPC and recovers", a_full_filesystem_recovers },
	{ "nodes and links are limited by nodes=", nodes_are_limited },
	{ "an unlinked file stays while it is known", unlinked_files_stay_while_known },
	{ "numbers that stat() shows have 32 bits", numbers_that_show_are_short },
	{ "node numbers that are not ours do no harm", foolish_numbers_do_no_harm },
	{ "operations on the wrong type are refused", wrong_types_are_refused },
	{ "a removed directory is empty for good", a_removed_directory_is_empty_for_good },
	{ "a directory does not move into itself", directories_do_not_move_into_themselves },
	{ "exchange swaps two names", exchange_swaps_two_names },
	{ "links have a limit", links_have_a_limit },
	{ "S_ISGID of a directory is inherited", setgid_is_inherited },
	{ "writing and giving away drop S_ISUID", writing_and_giving_away_drop_suid },
	{ "times follow changes", times_follow_changes },
	{ "fallocate does what it says", fallocate_does_what_it_says },
	{ "extended attributes are kept", xattrs_are_kept },
	{ "extended attributes have limits", xattrs_have_limits },
	{ "open with O_TRUNC empties a file", truncating_open_empties },
	{ "special files keep their device number", special_files_keep_their_number },
	{ "bad arguments are refused", bad_arguments_are_refused },
	{ "the root has the mode and owner that it is given", the_root_is_as_wanted },
	{ "another server goes on with what one has saved", a_saved_server_goes_on },
	{ "a saved server that is not whole is refused, and leaves nothing",
	  a_cut_stream_is_refused },
	{ "a saved server that anybody wrote does no harm", a_stream_of_anybody_does_no_harm },
	{ "memory may run out anywhere", memory_may_run_out_anywhere },
};

CLAIMS_MAIN(claims)
