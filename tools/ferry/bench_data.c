// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * ferry bench: what fio does by the clock, for counting instructions: fio itself takes as many
 * as many of these operations, and waits for time to pass. A sample is a pass over the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

#define FILE_BYTES	(8U << 20)
#define PASSES		3

/**
 * struct pass - how a file is gone over
 * @bytes: of one operation; the file has a power of two of them
 * @step: to the place of the next one: an odd number of them, so that each has its turn
 * @cold: nothing of it is cached
 */
struct pass {
	size_t bytes;
	size_t step;
	bool write;
	bool mapped;
	bool cold;
};

/* fio makes its own files, of its own size. */
int bench_prepare_data(struct bench_run *run)
{
	static const char zeroes[1U << 20];
	int fd;

	if (!run->opts->icount)
		return 0;
	fd = open(run->mount->file, O_WRONLY | O_CREAT, 0644);
	if (fd < 0)
		return bench_fail(run, "open");
	for (size_t done = 0; done < FILE_BYTES; done += sizeof(zeroes))
		if (write(fd, zeroes, sizeof(zeroes)) != sizeof(zeroes))
			return bench_fail(run, "write a file");
	return close(fd) ? bench_fail(run, "close") : 0;
}

static bool once(const struct pass *p, int fd, char *map, char *buf, size_t at)
{
	if (map && p->write)
		memcpy(map + at, buf, p->bytes);
	else if (map)
		memcpy(buf, map + at, p->bytes);
	else if (p->write)
		return pwrite(fd, buf, p->bytes, at) == (ssize_t)p->bytes;
	else
		return pread(fd, buf, p->bytes, at) == (ssize_t)p->bytes;
	return true;
}

static bool go_over(struct bench_run *run, const struct pass *p, int fd, char *buf)
{
	size_t nr = FILE_BYTES / p->bytes, at = 0;
	char *map = NULL;
	double start;

	if (p->cold && (posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) ||
			posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL)))
		return false;
	start = bench_now_us();
	if (p->mapped) {
		map = mmap(NULL, FILE_BYTES, PROT_READ | (p->write ? PROT_WRITE : 0), MAP_SHARED,
			   fd, 0);
		if (map == MAP_FAILED)
			return false;
	}
	for (size_t i = 0; i < nr; i++, at = (at + p->step) % FILE_BYTES)
		if (!once(p, fd, map, buf, at))
			return false;
	if (map && munmap(map, FILE_BYTES))
		return false;
	bench_sample(run, (bench_now_us() - start) / (double)nr);
	return true;
}

static int passes(struct bench_run *run, const struct pass *p)
{
	int fd = open(run->mount->file, O_RDWR);
	char *buf = aligned_alloc(4096, p->bytes);

	if (fd < 0)
		return bench_fail(run, "open");
	if (!buf)
		return bench_fail(run, "aligned_alloc");
	memset(buf, 'f', p->bytes);
	for (int i = 0; i < PASSES; i++)
		if (!go_over(run, p, fd, buf))
			return bench_fail(run, p->write ? "write" : "read");
	return 0;
}

#define DATA(name, ...)									\
int bench_measure_##name(struct bench_run *run)						\
{											\
	static const struct pass p = { __VA_ARGS__ };					\
											\
	return passes(run, &p);								\
}

/* Far apart, and without a random number's cost. */
#define SCATTERED	.bytes = 4096, .step = 4096 * 611
#define IN_A_ROW(n)	.bytes = (n), .step = (n)

DATA(cold_read, IN_A_ROW(131072), .cold = true)
DATA(read_4k, SCATTERED)
DATA(write_4k, SCATTERED, .write = true)
DATA(read_1m, IN_A_ROW(1048576))
DATA(write_1m, IN_A_ROW(1048576), .write = true)
DATA(mmap_read_4k, SCATTERED, .mapped = true)
DATA(mmap_write_4k, SCATTERED, .mapped = true, .write = true)
DATA(mmap_read_1m, IN_A_ROW(1048576), .mapped = true)
DATA(mmap_write_1m, IN_A_ROW(1048576), .mapped = true, .write = true)
