// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Big files, holes, SEEK_DATA and SEEK_HOLE, fallocate. */
#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../claim.h"

#define K	1024LL
#define M	(1024 * K)
#define G	(1024 * M)

static bool all_zero(const char *buf, size_t len)
{
	return !len || (!buf[0] && !memcmp(buf, buf + 1, len - 1));
}

/* fallocate(), or skip the claim where the filesystem does not do @mode. */
static void allocate(int fd, int mode, off_t off, off_t len)
{
	if (fallocate(fd, mode, off, len)) {
		if (errno == EOPNOTSUPP)
			claim_skip("fallocate mode %#x is not supported here", mode);
		claim_fail(__FILE__, __LINE__, "fallocate mode %#x: %s", mode, strerror(errno));
	}
}

static void beyond_4g(void)
{
	static const off_t at[] = { 2 * G - 5, 4 * G - 3, 4 * G + 8191, 5 * G, 1024 * G + 1 };
	char buf[5000], back[5000];
	size_t i;
	int fd = DO(open("f", O_CREAT | O_RDWR, 0644));

	for (i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		fill_pattern(buf, sizeof(buf), at[i], i);
		pwrite_all(fd, buf, sizeof(buf), at[i]);
		CHECK_EQ(stat_of("f").st_size, at[i] + (off_t)sizeof(buf));
	}
	drop_caches();
	for (i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		CHECK_EQ(pread_all(fd, back, sizeof(back), at[i]), sizeof(back));
		CHECK_EQ(find_difference(back, sizeof(back), at[i], i), -1);
	}
	CHECK_EQ(pread_all(fd, back, sizeof(back), 3 * G), sizeof(back));
	CHECK(all_zero(back, sizeof(back)));
	CHECK_EQ(pread_all(fd, back, sizeof(back), 0), sizeof(back));
	CHECK(all_zero(back, sizeof(back)));
	CHECK(stat_of("f").st_blocks < 4 * M / 512);
	CHECK_EQ(lseek(fd, -100, SEEK_END), 1024 * G + 1 + 5000 - 100);
	DO(ftruncate(fd, 4 * G + 5));
	CHECK_EQ(pread_all(fd, back, 100, 4 * G - 3), 8);
	CHECK_EQ(find_difference(back, 8, 4 * G - 3, 1), -1);
}

static void appends_beyond_4g(void)
{
	char back[4] = "";
	int fd = DO(open("f", O_CREAT | O_RDWR | O_APPEND, 0644));

	DO(ftruncate(fd, 4 * G - 1));
	write_all(fd, "abc", 3);
	CHECK_EQ(stat_of("f").st_size, 4 * G + 2);
	CHECK_EQ(pread(fd, back, 3, 4 * G - 1), 3);
	CHECK(!strcmp(back, "abc"));
}

static void seek_plain(void)
{
	int fd;

	make_file("f", 100000, 1);
	fd = DO(open("f", O_RDONLY));
	CHECK_EQ(lseek(fd, 0, SEEK_DATA), 0);
	CHECK_EQ(lseek(fd, 5000, SEEK_DATA), 5000);
	CHECK_EQ(lseek(fd, 0, SEEK_HOLE), 100000);
	CHECK_EQ(lseek(fd, 99999, SEEK_HOLE), 100000);
	CHECK_ERR(lseek(fd, 100000, SEEK_DATA), ENXIO);
	CHECK_ERR(lseek(fd, 100000, SEEK_HOLE), ENXIO);
	CHECK_ERR(lseek(fd, 200000, SEEK_DATA), ENXIO);
	CHECK(lseek(fd, -1, SEEK_DATA) == -1 && (errno == ENXIO || errno == EINVAL));
	fd = DO(open("empty", O_CREAT | O_RDWR, 0644));
	CHECK_ERR(lseek(fd, 0, SEEK_DATA), ENXIO);
	CHECK_ERR(lseek(fd, 0, SEEK_HOLE), ENXIO);
}

static void seek_sparse(void)
{
	off_t size = 10 * M, pos = 0, data, hole, in_data = 0;
	static const off_t at[] = { 0, M, 3 * M + 4096, 10 * M - 100 };
	char buf[4096];
	size_t i;
	int fd = DO(open("f", O_CREAT | O_RDWR, 0644));

	DO(ftruncate(fd, size));
	memset(buf, 'd', sizeof(buf));
	for (i = 0; i < 4; i++)
		pwrite_all(fd, buf, i < 3 ? 4096 : 100, at[i]);
	DO(fsync(fd));
	/* What is called a hole reads as zeros, and each byte is in one or the other. */
	while (pos < size) {
		data = lseek(fd, pos, SEEK_DATA);
		if (data < 0) {
			CHECK_EQ(errno, ENXIO);
			data = size;
		}
		CHECK(data >= pos);
		for (; pos < data; pos += 4096) {
			size_t n = data - pos < 4096 ? data - pos : 4096;

			CHECK_EQ(pread(fd, buf, n, pos), n);
			CHECK(all_zero(buf, n));
		}
		pos = data;
		if (data == size)
			break;
		hole = DO(lseek(fd, data, SEEK_HOLE));
		CHECK(hole > data && hole <= size);
		in_data += hole - data;
		pos = hole;
	}
	if (in_data == size)
		claim_skip("holes are not told apart here");
	CHECK(in_data >= 3 * 4096 + 100 && in_data <= 4 * 1024 * K);
}

static void allocate_grows(void)
{
	char buf[4096];
	int fd;

	make_file("f", 1000, 1);
	fd = DO(open("f", O_RDWR));
	allocate(fd, 0, 0, 1 * M);
	CHECK_EQ(stat_of("f").st_size, 1 * M);
	CHECK(stat_of("f").st_blocks >= 1 * M / 512);
	CHECK_EQ(pread_all(fd, buf, 1000, 0), 1000);
	CHECK_EQ(find_difference(buf, 1000, 0, 1), -1);
	CHECK_EQ(pread_all(fd, buf, 4096, 1000), 4096);
	CHECK(all_zero(buf, 4096));
	allocate(fd, 0, 0, 100);
	CHECK_EQ(stat_of("f").st_size, 1 * M);
}

static void allocate_keeps(void)
{
	int fd;

	make_file("f", 1000, 1);
	fd = DO(open("f", O_RDWR));
	allocate(fd, FALLOC_FL_KEEP_SIZE, 0, 1 * M);
	check_file("f", 1000, 1);
	DO(ftruncate(fd, 2000));
	CHECK_EQ(stat_of("f").st_size, 2000);
}

static void punch(void)
{
	off_t from = 10000, len = 200000, size = 400000;
	char *buf = xmalloc(size);
	off_t before;
	int fd, i;

	make_file("f", size, 1);
	fd = DO(open("f", O_RDWR));
	DO(fsync(fd));
	before = stat_of("f").st_blocks;
	allocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, len);
	for (i = 0; i < 2; i++) {
		CHECK_EQ(stat_of("f").st_size, size);
		CHECK_EQ(pread_all(fd, buf, size, 0), size);
		CHECK_EQ(find_difference(buf, from, 0, 1), -1);
		CHECK(all_zero(buf + from, len));
		CHECK_EQ(find_difference(buf + from + len, size - from - len, from + len, 1), -1);
		drop_caches();
	}
	CHECK(stat_of("f").st_blocks < before);
	allocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, size + 5000, 5000);
	CHECK_EQ(stat_of("f").st_size, size);
	/* Within one page */
	allocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 7);
	CHECK_EQ(pread_all(fd, buf, 4096, 0), 4096);
	CHECK_EQ(find_difference(buf, 100, 0, 1), -1);
	CHECK(all_zero(buf + 100, 7));
	CHECK_EQ(find_difference(buf + 107, 3000, 107, 1), -1);
}

static void zero_range(void)
{
	off_t size = 100000;
	char *buf = xmalloc(2 * size);
	int fd;

	make_file("f", size, 1);
	fd = DO(open("f", O_RDWR));
	allocate(fd, FALLOC_FL_ZERO_RANGE, 5000, 50001);
	CHECK_EQ(pread_all(fd, buf, 2 * size, 0), size);
	CHECK_EQ(find_difference(buf, 5000, 0, 1), -1);
	CHECK(all_zero(buf + 5000, 50001));
	CHECK_EQ(find_difference(buf + 55001, size - 55001, 55001, 1), -1);
	allocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 99000, 5000);
	CHECK_EQ(stat_of("f").st_size, size);
	allocate(fd, FALLOC_FL_ZERO_RANGE, 99000, 5000);
	CHECK_EQ(stat_of("f").st_size, 104000);
	CHECK_EQ(pread_all(fd, buf, 5000, 99000), 5000);
	CHECK(all_zero(buf, 5000));
}

static void allocate_errors(void)
{
	int fd;

	make_file("f", 1000, 1);
	fd = DO(open("f", O_RDWR));
	allocate(fd, 0, 0, 1000);
	CHECK_ERR(fallocate(fd, 0, 0, 0), EINVAL);
	CHECK_ERR(fallocate(fd, 0, -1, 10), EINVAL);
	CHECK_ERR(fallocate(fd, 0, 0, -10), EINVAL);
	CHECK_ERR(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10), EOPNOTSUPP);
	CHECK_ERR(fallocate(fd, 0x4000, 0, 10), EOPNOTSUPP);
	CHECK_ERR(fallocate(DO(open("f", O_RDONLY)), 0, 0, 10), EBADF);
	CHECK_ERR(fallocate(fd, 0, 0x7ffffffffffff000LL, 0x10000), EFBIG);
	check_file("f", 1000, 1);
	DO(mkfifo("p", 0600));
	CHECK_ERR(fallocate(DO(open("p", O_RDWR)), 0, 0, 10), ESPIPE);
}

/* A server's thread may be told of the next request in the middle of the last one. */
static void allocate_beside(void)
{
	struct statfs sfs;
	int i, fd = DO(open("f", O_CREAT | O_RDWR, 0644));
	pid_t others[4];

	for (i = 0; i < 4; i++) {
		others[i] = DO(fork());
		while (!others[i])
			DO(fstatfs(fd, &sfs));
	}
	for (i = 0; i < 20; i++) {
		allocate(fd, 0, 0, 32 * M);
		CHECK_EQ(stat_of("f").st_size, 32 * M);
		DO(ftruncate(fd, 0));
	}
	for (i = 0; i < 4; i++) {
		DO(kill(others[i], SIGKILL));
		DO(waitpid(others[i], NULL, 0));
	}
}

static void collapse_and_insert(void)
{
	int fd;

	make_file("f", 64 * K, 1);
	fd = DO(open("f", O_RDWR));
	if (fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 16 * K)) {
		CHECK_EQ(errno, EOPNOTSUPP);
		check_file("f", 64 * K, 1);
	} else {
		CHECK_EQ(stat_of("f").st_size, 48 * K);
	}
	make_file("g", 64 * K, 1);
	fd = DO(open("g", O_RDWR));
	if (fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, 16 * K)) {
		CHECK_EQ(errno, EOPNOTSUPP);
		check_file("g", 64 * K, 1);
	} else {
		CHECK_EQ(stat_of("g").st_size, 80 * K);
	}
}

static const struct claim claims[] = {
	{ "data beyond 2, 4, 5 and 1024 GiB comes back and holes cost nothing", beyond_4g },
	{ "O_APPEND crosses 4 GiB", appends_beyond_4g },
	{ "SEEK_DATA and SEEK_HOLE know the end of a file without holes", seek_plain },
	{ "SEEK_DATA and SEEK_HOLE call nothing a hole that is not zeros", seek_sparse },
	{ "fallocate extends with zeros and takes nothing away", allocate_grows },
	{ "FALLOC_FL_KEEP_SIZE keeps size and data", allocate_keeps },
	{ "FALLOC_FL_PUNCH_HOLE makes zeros there, and nowhere else", punch },
	{ "FALLOC_FL_ZERO_RANGE makes zeros there, and grows unless told not to", zero_range },
	{ "fallocate does all of it whatever others ask meanwhile", allocate_beside },
	{ "fallocate refuses what makes no sense", allocate_errors },
	{ "ranges are collapsed and inserted, or EOPNOTSUPP and untouched", collapse_and_insert },
};
CLAIMS_MAIN(claims)
