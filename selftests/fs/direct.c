// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* O_DIRECT, alone and mixed with the page cache. */
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../claim.h"

static int open_direct(const char *name, int flags)
{
	int fd = open(name, flags | O_DIRECT, 0644);

	if (fd < 0 && errno == EINVAL)
		claim_skip("no O_DIRECT here");
	CHECK(fd >= 0);
	return fd;
}

static void round_trip(void)
{
	static const size_t sizes[] = { 4096, 8192, 65536, 1 << 20, (3 << 20) + 4096 };
	char *buf = xmalloc(4 << 20);
	off_t off = 0;
	size_t i;
	int fd = open_direct("f", O_CREAT | O_RDWR);

	for (i = 0; i < 5; i++) {
		fill_pattern(buf, sizes[i], off, i);
		CHECK_EQ(pwrite(fd, buf, sizes[i], off), sizes[i]);
		memset(buf, 0, sizes[i]);
		CHECK_EQ(pread(fd, buf, sizes[i], off), sizes[i]);
		CHECK_EQ(find_difference(buf, sizes[i], off, i), -1);
		off += sizes[i];
		CHECK_EQ(stat_of("f").st_size, off);
	}
}

static void end_of_file(void)
{
	char *buf = xmalloc(16384);
	int fd;

	make_file("f", 5000, 1);
	fd = open_direct("f", O_RDONLY);
	CHECK_EQ(pread(fd, buf, 16384, 0), 5000);
	CHECK_EQ(find_difference(buf, 5000, 0, 1), -1);
	CHECK_EQ(pread(fd, buf, 4096, 4096), 904);
	CHECK_EQ(find_difference(buf, 904, 4096, 1), -1);
	CHECK_EQ(pread(fd, buf, 4096, 8192), 0);
	CHECK_EQ(pread(fd, buf, 4096, 1LL << 40), 0);
}

/* A filesystem may want alignment; if it does not, the data must be right. */
static void unaligned(void)
{
	char *buf = xmalloc(32768);
	ssize_t n;
	int fd;

	make_file("f", 20000, 1);
	fd = open_direct("f", O_RDWR);
	n = pread(fd, buf + 1, 777, 4099);
	if (n < 0) {
		CHECK_EQ(errno, EINVAL);
		return;
	}
	CHECK_EQ(n, 777);
	CHECK_EQ(find_difference(buf + 1, 777, 4099, 1), -1);
	fill_pattern(buf + 3, 9001, 7001, 1);
	CHECK_EQ(pwrite(fd, buf + 3, 9001, 7001), 9001);
	check_file("f", 20000, 1);
	fill_pattern(buf + 5, 5001, 20000, 1);
	CHECK_EQ(pwrite(fd, buf + 5, 5001, 20000), 5001);
	check_file("f", 25001, 1);
}

static void odd_memory(void)
{
	size_t size = 1 << 19;
	char *buf = xmalloc(size + 4096);
	int fd, shift;

	for (shift = 0; shift < 4096; shift += 512) {
		fd = open_direct("f", O_CREAT | O_RDWR);
		fill_pattern(buf + shift, size, 0, shift);
		CHECK_EQ(pwrite(fd, buf + shift, size, 0), size);
		memset(buf, 0, size + 4096);
		CHECK_EQ(pread(fd, buf + shift, size, 0), size);
		CHECK_EQ(find_difference(buf + shift, size, 0, shift), -1);
		DO(close(fd));
	}
}

static void vectors(void)
{
	enum { NR = 64 };
	struct iovec iov[NR];
	char *buf = xmalloc(NR * 8192);
	int i, fd = open_direct("f", O_CREAT | O_RDWR);

	for (i = 0; i < NR; i++) {
		/* every other page */
		iov[i] = (struct iovec){ buf + i * 8192, 4096 };
		fill_pattern(iov[i].iov_base, 4096, i * 4096, 2);
	}
	CHECK_EQ(pwritev(fd, iov, NR, 0), NR * 4096);
	memset(buf, 0, NR * 8192);
	CHECK_EQ(preadv(fd, iov, NR, 0), NR * 4096);
	for (i = 0; i < NR; i++)
		CHECK_EQ(find_difference(iov[i].iov_base, 4096, i * 4096, 2), -1);
	check_file("f", NR * 4096, 2);
}

static void sees_buffered_writes(void)
{
	char *buf = xmalloc(65536);
	int fd, dfd, i;

	fd = DO(open("f", O_CREAT | O_RDWR, 0644));
	dfd = open_direct("f", O_RDONLY);
	for (i = 0; i < 20; i++) {
		fill_pattern(buf, 65536, 0, i);
		pwrite_all(fd, buf, 65536, 0);
		memset(buf, 0, 65536);
		CHECK_EQ(pread(dfd, buf, 65536, 0), 65536);
		CHECK_EQ(find_difference(buf, 65536, 0, i), -1);
	}
}

static void seen_by_buffered_reads(void)
{
	char *buf = xmalloc(65536);
	int fd, dfd, i;

	make_file("f", 65536, 100);
	fd = DO(open("f", O_RDONLY));
	dfd = open_direct("f", O_RDWR);
	for (i = 0; i < 20; i++) {
		fill_pattern(buf, 65536, 0, i);
		CHECK_EQ(pwrite(dfd, buf, 65536, 0), 65536);
		memset(buf, 0, 65536);
		CHECK_EQ(pread_all(fd, buf, 65536, 0), 65536);
		CHECK_EQ(find_difference(buf, 65536, 0, i), -1);
	}
}

/* Dirty pages around a direct write are neither lost nor do they undo it. */
static void amid_dirty_pages(void)
{
	char *buf = xmalloc(65536);
	int fd, dfd;

	fd = DO(open("f", O_CREAT | O_RDWR, 0644));
	dfd = open_direct("f", O_RDWR);
	fill_pattern(buf, 65536, 0, 1);
	pwrite_all(fd, buf, 65536, 0);
	fill_pattern(buf, 8192, 16384, 2);
	CHECK_EQ(pwrite(dfd, buf, 8192, 16384), 8192);
	DO(fsync(fd));
	drop_caches();
	CHECK_EQ(pread_all(fd, buf, 65536, 0), 65536);
	CHECK_EQ(find_difference(buf, 16384, 0, 1), -1);
	CHECK_EQ(find_difference(buf + 16384, 8192, 16384, 2), -1);
	CHECK_EQ(find_difference(buf + 24576, 40960, 24576, 1), -1);
}

static void with_mapping(void)
{
	char *buf = xmalloc(16384), *map;
	int dfd;

	make_file("f", 16384, 1);
	dfd = open_direct("f", O_RDWR);
	map = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_SHARED, dfd, 0);
	CHECK(map != MAP_FAILED);
	CHECK_EQ(find_difference(map, 16384, 0, 1), -1);
	fill_pattern(buf, 4096, 4096, 2);
	CHECK_EQ(pwrite(dfd, buf, 4096, 4096), 4096);
	CHECK_EQ(find_difference(map + 4096, 4096, 4096, 2), -1);
	fill_pattern(map + 8192, 4096, 8192, 3);
	CHECK_EQ(pread(dfd, buf, 16384, 0), 16384);
	CHECK_EQ(find_difference(buf, 4096, 0, 1), -1);
	CHECK_EQ(find_difference(buf + 4096, 4096, 4096, 2), -1);
	CHECK_EQ(find_difference(buf + 8192, 4096, 8192, 3), -1);
}

static void holes(void)
{
	char *buf = xmalloc(65536);
	int fd = open_direct("f", O_CREAT | O_RDWR), i;

	DO(ftruncate(fd, 65536));
	memset(buf, 'x', 65536);
	CHECK_EQ(pread(fd, buf, 65536, 0), 65536);
	for (i = 0; i < 65536; i++)
		CHECK(!buf[i]);
}

static void appending(void)
{
	char *buf = xmalloc(4096);
	int fd = open_direct("f", O_CREAT | O_RDWR | O_APPEND), i;

	for (i = 0; i < 10; i++) {
		fill_pattern(buf, 4096, i * 4096, 4);
		CHECK_EQ(pwrite(fd, buf, 4096, 0), 4096);
	}
	check_file("f", 40960, 4);
}

static void asynchronous(void)
{
	enum { NR = 16, LEN = 32768 };
	struct iocb cb[NR], *list[NR];
	struct io_event ev[NR];
	aio_context_t ctx = 0;
	char *buf = xmalloc(NR * LEN);
	int fd = open_direct("f", O_CREAT | O_RDWR), i, pass;

	DO(syscall(SYS_io_setup, NR, &ctx));
	fill_pattern(buf, NR * LEN, 0, 6);
	for (pass = 0; pass < 2; pass++) {
		memset(cb, 0, sizeof(cb));
		for (i = 0; i < NR; i++) {
			cb[i].aio_fildes = fd;
			cb[i].aio_lio_opcode = pass ? IOCB_CMD_PREAD : IOCB_CMD_PWRITE;
			cb[i].aio_buf = (uintptr_t)(buf + i * LEN);
			cb[i].aio_nbytes = LEN;
			cb[i].aio_offset = i * LEN;
			list[i] = &cb[i];
		}
		CHECK_EQ(syscall(SYS_io_submit, ctx, NR, list), NR);
		CHECK_EQ(syscall(SYS_io_getevents, ctx, NR, NR, ev, NULL), NR);
		for (i = 0; i < NR; i++)
			CHECK_EQ(ev[i].res, LEN);
		if (!pass)
			memset(buf, 0, NR * LEN);
	}
	CHECK_EQ(find_difference(buf, NR * LEN, 0, 6), -1);
	DO(syscall(SYS_io_destroy, ctx));
}

static void bad_memory(void)
{
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd;

	CHECK(p != MAP_FAILED);
	DO(munmap(p + 4096, 4096));
	make_file("f", 16384, 1);
	fd = open_direct("f", O_RDWR);
	CHECK_ERR(pread(fd, p + 4096, 4096, 0), EFAULT);
	CHECK_ERR(pwrite(fd, p + 4096, 4096, 0), EFAULT);
	check_file("f", 16384, 1);
}

static const struct claim claims[] = {
	{ "direct writes of 4 KiB to 3 MiB come back by direct reads", round_trip },
	{ "a direct read ends with the file, and beyond it is empty", end_of_file },
	{ "unaligned direct I/O is right, or EINVAL", unaligned },
	{ "direct I/O works at any memory alignment of 512 bytes", odd_memory },
	{ "direct readv and writev scatter and gather", vectors },
	{ "a direct read sees buffered writes", sees_buffered_writes },
	{ "a buffered read sees direct writes", seen_by_buffered_reads },
	{ "a direct write amid dirty pages undoes none and stays", amid_dirty_pages },
	{ "a mapping and direct I/O see each other", with_mapping },
	{ "a direct read of a hole is zeros", holes },
	{ "O_DIRECT with O_APPEND appends", appending },
	{ "sixteen asynchronous direct transfers at a time come back", asynchronous },
	{ "bad memory is EFAULT and leaves the file whole", bad_memory },
};
CLAIMS_MAIN(claims)
