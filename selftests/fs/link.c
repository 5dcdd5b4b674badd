// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Hard links and symbolic links. */
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../claim.h"

static void same_inode(void)
{
	make_file("a", 3000, 1);
	DO(mkdir("d", 0755));
	DO(link("a", "b"));
	DO(link("b", "d/c"));
	CHECK_EQ(stat_of("a").st_ino, stat_of("d/c").st_ino);
	CHECK_EQ(stat_of("a").st_nlink, 3);
	CHECK_EQ(stat_of("d/c").st_nlink, 3);
	DO(chmod("b", 0604));
	CHECK_EQ(stat_of("a").st_mode & 07777, 0604);
	make_file("d/c", 5000, 2);
	check_file("a", 5000, 2);
	DO(unlink("a"));
	CHECK_EQ(stat_of("b").st_nlink, 2);
	check_file("b", 5000, 2);
	DO(unlink("b"));
	CHECK_EQ(stat_of("d/c").st_nlink, 1);
	check_file("d/c", 5000, 2);
}

static void link_errors(void)
{
	make_file("a", 1, 1);
	make_file("b", 1, 2);
	DO(mkdir("d", 0755));
	CHECK_ERR(link("a", "b"), EEXIST);
	CHECK_ERR(link("a", "d"), EEXIST);
	CHECK_ERR(link("missing", "x"), ENOENT);
	CHECK_ERR(link("a", "missing/x"), ENOENT);
	CHECK_ERR(link("a", "b/x"), ENOTDIR);
	CHECK_ERR(link("d", "e"), EPERM);
	CHECK_EQ(stat_of("a").st_nlink, 1);
}

static void many_links(void)
{
	char name[16];
	int i, nr = test_scale(500);

	make_file("f", 10, 1);
	for (i = 1; i <= nr; i++) {
		snprintf(name, sizeof(name), "l%d", i);
		DO(link("f", name));
	}
	CHECK_EQ(stat_of("f").st_nlink, nr + 1);
	for (i = 1; i <= nr; i += 2) {
		snprintf(name, sizeof(name), "l%d", i);
		DO(unlink(name));
	}
	CHECK_EQ(stat_of("f").st_nlink, nr + 1 - (nr + 1) / 2);
}

static void link_count_of_open(void)
{
	struct stat st;
	int fd;

	make_file("f", 10, 1);
	fd = DO(open("f", O_RDONLY));
	DO(link("f", "g"));
	DO(fstat(fd, &st));
	CHECK_EQ(st.st_nlink, 2);
	DO(unlink("f"));
	DO(fstat(fd, &st));
	CHECK_EQ(st.st_nlink, 1);
	DO(unlink("g"));
	DO(fstat(fd, &st));
	CHECK_EQ(st.st_nlink, 0);
}

static void symlink_lengths(void)
{
	static const int lengths[] = { 1, 2, 59, 60, 61, 255, 256, 1023, 1024, 2000, 4000, 4094, 4095 };
	char target[PATH_MAX + 1], back[PATH_MAX + 1], name[16];
	size_t i;

	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		int len = lengths[i], j;

		for (j = 0; j < len; j++)
			target[j] = 'a' + (j * 7 + len) % 26;
		target[len] = 0;
		snprintf(name, sizeof(name), "s%d", len);
		DO(symlink(target, name));
		CHECK_EQ(stat_of(name).st_size, len);
		CHECK_EQ(readlink(name, back, sizeof(back)), len);
		CHECK(!memcmp(target, back, len));
	}
	memset(target, 'a', PATH_MAX);
	target[PATH_MAX] = 0;
	CHECK_ERR(symlink(target, "long"), ENAMETOOLONG);
	CHECK_ERR(symlink("", "empty"), ENOENT);
}

static void symlink_after_eviction(void)
{
	char target[4096], back[4096];

	memset(target, 't', 4095);
	target[4095] = 0;
	DO(symlink(target, "long"));
	DO(symlink("f", "short"));
	make_file("f", 100, 3);
	drop_caches();
	CHECK_EQ(readlink("long", back, sizeof(back)), 4095);
	CHECK(!memcmp(target, back, 4095));
	check_file("short", 100, 3);
}

static void symlink_short_buffer(void)
{
	char buf[4] = "zzz";

	DO(symlink("abcdef", "s"));
	CHECK_EQ(readlink("s", buf, 2), 2);
	CHECK(!memcmp(buf, "abz", 4));
	CHECK_ERR(readlink("s", buf, 0), EINVAL);
	make_file("f", 1, 1);
	CHECK_ERR(readlink("f", buf, 2), EINVAL);
}

static void symlink_follow(void)
{
	struct stat st;

	DO(mkdir("d", 0755));
	make_file("d/f", 100, 4);
	DO(symlink("d/f", "s"));
	DO(symlink("d", "t"));
	check_file("s", 100, 4);
	check_file("t/f", 100, 4);
	DO(stat("t", &st));
	CHECK(S_ISDIR(st.st_mode));
	DO(unlink("t"));
	check_file("d/f", 100, 4);
	DO(unlink("d/f"));
	CHECK_ERR(open("s", O_RDONLY), ENOENT);
	CHECK(S_ISLNK(stat_of("s").st_mode));
	CHECK_EQ(stat_of("s").st_mode & 07777, 0777);
}

static void symlink_loop(void)
{
	struct stat st;

	DO(symlink("b", "a"));
	DO(symlink("a", "b"));
	CHECK_ERR(stat("a", &st), ELOOP);
	DO(symlink("self", "self"));
	CHECK_ERR(open("self", O_RDONLY), ELOOP);
}

static void link_to_symlink(void)
{
	DO(symlink("target", "s"));
	DO(linkat(AT_FDCWD, "s", AT_FDCWD, "t", 0));
	CHECK(S_ISLNK(stat_of("t").st_mode));
	CHECK_EQ(stat_of("t").st_ino, stat_of("s").st_ino);
	CHECK_EQ(stat_of("s").st_nlink, 2);
}

static const struct claim claims[] = {
	{ "hard links are one file, until the last goes", same_inode },
	{ "link says EEXIST, ENOENT, ENOTDIR, and EPERM for directories", link_errors },
	{ "hundreds of links are counted", many_links },
	{ "fstat of an open file follows its link count", link_count_of_open },
	{ "symlinks of 1 to 4095 bytes come back byte for byte", symlink_lengths },
	{ "symlinks come back after the caches were dropped", symlink_after_eviction },
	{ "readlink cuts to the buffer and wants a symlink", symlink_short_buffer },
	{ "symlinks are followed, to files and directories", symlink_follow },
	{ "symlinks in a circle are ELOOP", symlink_loop },
	{ "a symlink itself can have a second name", link_to_symlink },
};
CLAIMS_MAIN(claims)
