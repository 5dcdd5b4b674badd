// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Attributes: mode, owner, times set by hand, size, statfs, access. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../claim.h"

static void chmod_bits(void)
{
	static const mode_t modes[] = { 0, 0400, 0777, 04755, 02755, 01777, 07777, 0644 };
	size_t i;
	int fd;

	make_file("f", 1, 1);
	DO(mkdir("d", 0755));
	fd = DO(open("f", O_RDONLY));
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		DO(chmod("f", modes[i]));
		CHECK_EQ(stat_of("f").st_mode, S_IFREG | modes[i]);
		DO(chmod("d", modes[i]));
		CHECK_EQ(stat_of("d").st_mode, S_IFDIR | modes[i]);
		DO(fchmod(fd, modes[i] ^ 1));
		CHECK_EQ(stat_of("f").st_mode, S_IFREG | (modes[i] ^ 1));
	}
	CHECK_ERR(chmod("missing", 0644), ENOENT);
}

static void chmod_evicted(void)
{
	make_file("f", 10, 1);
	DO(chmod("f", 04711));
	drop_caches();
	CHECK_EQ(stat_of("f").st_mode, S_IFREG | 04711);
	CHECK_EQ(stat_of("f").st_size, 10);
}

static void chown_ids(void)
{
	need_root();
	make_file("f", 1, 1);
	DO(chown("f", 1234, 5678));
	CHECK_EQ(stat_of("f").st_uid, 1234);
	CHECK_EQ(stat_of("f").st_gid, 5678);
	DO(chown("f", -1, 9));
	CHECK_EQ(stat_of("f").st_uid, 1234);
	CHECK_EQ(stat_of("f").st_gid, 9);
	DO(chown("f", 4000000000u, 4000000001u));
	CHECK_EQ(stat_of("f").st_uid, 4000000000u);
	CHECK_EQ(stat_of("f").st_gid, 4000000001u);
	DO(symlink("f", "s"));
	DO(lchown("s", 7, 8));
	CHECK_EQ(stat_of("s").st_uid, 7);
	CHECK_EQ(stat_of("f").st_uid, 4000000000u);
}

static void chown_kills_suid(void)
{
	need_root();
	make_file("f", 1, 1);
	DO(chmod("f", 06755));
	DO(chown("f", 1, 1));
	CHECK_EQ(stat_of("f").st_mode & 07777, 0755);
	DO(mkdir("d", 0755));
	DO(chmod("d", 02755));
	DO(chown("d", 1, 1));
	CHECK_EQ(stat_of("d").st_mode & 07777, 02755);
}

static void utimens_set(void)
{
	struct timespec ts[2] = { { 1000000000, 123456789 }, { 1234567890, 987654321 } };
	struct stat st;
	int fd;

	make_file("f", 1, 1);
	DO(utimensat(AT_FDCWD, "f", ts, 0));
	st = stat_of("f");
	CHECK_EQ(st.st_atim.tv_sec, 1000000000);
	CHECK_EQ(st.st_atim.tv_nsec, 123456789);
	CHECK_EQ(st.st_mtim.tv_sec, 1234567890);
	CHECK_EQ(st.st_mtim.tv_nsec, 987654321);

	ts[0].tv_nsec = UTIME_OMIT;
	ts[1].tv_sec = 4102444800;	/* the year 2100 */
	ts[1].tv_nsec = 0;
	fd = DO(open("f", O_RDWR));
	DO(futimens(fd, ts));
	st = stat_of("f");
	CHECK_EQ(st.st_atim.tv_sec, 1000000000);
	CHECK_EQ(st.st_mtim.tv_sec, 4102444800);
	CHECK_EQ(st.st_mtim.tv_nsec, 0);

	ts[0].tv_nsec = UTIME_NOW;
	ts[1].tv_nsec = UTIME_OMIT;
	DO(utimensat(AT_FDCWD, "f", ts, 0));
	st = stat_of("f");
	CHECK(st.st_atim.tv_sec > 1000000000);
	CHECK_EQ(st.st_mtim.tv_sec, 4102444800);

	ts[1].tv_nsec = 1000000000;
	CHECK_ERR(utimensat(AT_FDCWD, "f", ts, 0), EINVAL);
}

static void utimens_symlink(void)
{
	struct timespec ts[2] = { { 5, 0 }, { 6, 0 } };

	make_file("f", 1, 1);
	DO(symlink("f", "s"));
	DO(utimensat(AT_FDCWD, "s", ts, AT_SYMLINK_NOFOLLOW));
	CHECK_EQ(stat_of("s").st_mtim.tv_sec, 6);
	CHECK(stat_of("f").st_mtim.tv_sec > 6);
}

/* Dirty pages of before must not move the times that were set. */
static void utimens_sticks(void)
{
	struct timespec ts[2] = { { 100, 5 }, { 200, 6 } };
	struct stat st;

	make_file("f", 100000, 1);
	DO(utimensat(AT_FDCWD, "f", ts, 0));
	sync();
	st = stat_of("f");
	CHECK_EQ(st.st_mtim.tv_sec, 200);
	drop_caches();
	st = stat_of("f");
	CHECK_EQ(st.st_mtim.tv_sec, 200);
	CHECK_EQ(st.st_mtim.tv_nsec, 6);
	CHECK_EQ(st.st_atim.tv_sec, 100);
}

static void truncate_sizes(void)
{
	static const off_t sizes[] = { 0, 1, 4095, 4096, 4097, 100000, 99999, 5, 0, 123456 };
	size_t i;
	int fd;

	make_file("f", 50000, 1);
	fd = DO(open("f", O_RDWR));
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		DO(i & 1 ? ftruncate(fd, sizes[i]) : truncate("f", sizes[i]));
		CHECK_EQ(stat_of("f").st_size, sizes[i]);
		CHECK_EQ(lseek(fd, 0, SEEK_END), sizes[i]);
	}
	CHECK_ERR(truncate("f", -1), EINVAL);
	CHECK_ERR(truncate("missing", 0), ENOENT);
	CHECK_ERR(ftruncate(DO(open("f", O_RDONLY)), 0), EINVAL);
}

static void truncate_zeroes(void)
{
	char buf[20000], zero[20000] = { 0 };
	static const off_t cuts[] = { 9000, 8192, 8191, 4097, 4096, 1 };
	size_t i;
	int fd;

	for (i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		make_file("f", 20000, 3);
		fd = DO(open("f", O_RDWR));
		DO(ftruncate(fd, cuts[i]));
		DO(ftruncate(fd, 20000));
		CHECK_EQ(pread_all(fd, buf, 20000, 0), 20000);
		CHECK_EQ(find_difference(buf, cuts[i], 0, 3), -1);
		CHECK(!memcmp(buf + cuts[i], zero, 20000 - cuts[i]));
		drop_caches();
		CHECK_EQ(pread_all(fd, buf, 20000, 0), 20000);
		CHECK_EQ(find_difference(buf, cuts[i], 0, 3), -1);
		CHECK(!memcmp(buf + cuts[i], zero, 20000 - cuts[i]));
		DO(close(fd));
	}
}

static void statfs_sane(void)
{
	struct statfs sf, sf2;
	int fd = DO(open(".", O_RDONLY));

	DO(statfs(".", &sf));
	DO(fstatfs(fd, &sf2));
	CHECK(sf.f_type != 0);
	CHECK(sf.f_bsize >= 512);
	CHECK_EQ(sf.f_namelen, 255);
	CHECK(sf.f_blocks > 0);
	CHECK(sf.f_bfree <= sf.f_blocks);
	CHECK(sf.f_bavail <= sf.f_bfree);
	CHECK(sf.f_ffree <= sf.f_files);
	CHECK_EQ(sf2.f_blocks, sf.f_blocks);
}

static void statfs_counts(void)
{
	struct statvfs before, after;
	uint64_t used;
	int i;

	DO(statvfs(".", &before));
	make_file("f", 8 << 20, 1);
	sync();
	DO(statvfs(".", &after));
	used = (before.f_bfree - after.f_bfree) * after.f_frsize;
	if (used < 7 << 20 || used > 32 << 20)
		claim_fail(__FILE__, __LINE__, "8 MiB written took %llu bytes",
			   (unsigned long long)used);
	DO(unlink("f"));
	/* The last reference goes a moment later. */
	for (i = 0; i < 200; i++) {
		DO(statvfs(".", &after));
		if (after.f_bfree + (4 << 20) / after.f_frsize >= before.f_bfree)
			return;
		usleep(10000);
	}
	claim_fail(__FILE__, __LINE__, "the room of the removed file does not come back");
}

static void blocks_count(void)
{
	struct stat st;

	make_file("f", 1 << 20, 1);
	sync();
	st = stat_of("f");
	CHECK(st.st_blocks >= (1 << 20) / 512);
	CHECK(st.st_blksize >= 512);
	DO(truncate("f", 0));
	DO(truncate("f", 1 << 20));
	sync();
	CHECK(stat_of("f").st_blocks < 100);
}

static void access_root(void)
{
	need_root();
	make_file("f", 1, 1);
	DO(chmod("f", 0));
	DO(access("f", R_OK | W_OK));
	CHECK_ERR(access("f", X_OK), EACCES);
	DO(chmod("f", 0001));
	DO(access("f", X_OK));
	CHECK_ERR(access("missing", F_OK), ENOENT);
	DO(mkdir("d", 0));
	DO(access("d", R_OK | W_OK | X_OK));
}

static void size_seen_at_once(void)
{
	struct stat st;
	int fd = DO(open("f", O_CREAT | O_RDWR, 0644));
	int i;

	for (i = 1; i <= 20; i++) {
		write_all(fd, "0123456789", 10);
		CHECK_EQ(stat_of("f").st_size, i * 10);
		DO(fstat(fd, &st));
		CHECK_EQ(st.st_size, i * 10);
	}
}

static const struct claim claims[] = {
	{ "chmod and fchmod set each of the twelve bits", chmod_bits },
	{ "mode and size come back after the caches were dropped", chmod_evicted },
	{ "chown and lchown set 32-bit ids", chown_ids },
	{ "chown takes the set-id bits off a program", chown_kills_suid },
	{ "utimensat sets times to the nanosecond, NOW and OMIT", utimens_set },
	{ "utimensat sets a symlink's own times", utimens_symlink },
	{ "times that were set outlive write-back", utimens_sticks },
	{ "truncate and ftruncate set any size", truncate_sizes },
	{ "what truncate cut off comes back as zeros", truncate_zeroes },
	{ "statfs is plausible, with names of 255 bytes", statfs_sane },
	{ "statfs counts what is written and what is removed", statfs_counts },
	{ "st_blocks counts data and not holes", blocks_count },
	{ "access by root wants an x bit of programs", access_root },
	{ "stat sees each write's size at once", size_seen_at_once },
};
CLAIMS_MAIN(claims)
