// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Shared and private mappings. */
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../claim.h"

static char *map(int fd, size_t len, int prot, int flags)
{
	char *p = mmap(NULL, len, prot, flags, fd, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static char *map_shared(int fd, size_t len)
{
	return map(fd, len, PROT_READ | PROT_WRITE, MAP_SHARED);
}

static sigjmp_buf fault;

static void on_fault(int sig)
{
	siglongjmp(fault, sig);
}

/* The signal that reading @p raises, or 0. */
static int touch(volatile const char *p)
{
	int sig;

	signal(SIGBUS, on_fault);
	signal(SIGSEGV, on_fault);
	sig = sigsetjmp(fault, 1);
	if (!sig)
		(void)*p;
	signal(SIGBUS, SIG_DFL);
	signal(SIGSEGV, SIG_DFL);
	return sig;
}

static void reads(void)
{
	size_t size = 300000;
	char *p;

	make_file("f", size, 1);
	drop_caches();
	p = map(DO(open("f", O_RDONLY)), size, PROT_READ, MAP_SHARED);
	CHECK_EQ(find_difference(p, size, 0, 1), -1);
}

static void reads_random(void)
{
	size_t size = 4 << 20, i;
	uint64_t state = 77;
	char *p;

	make_file("f", size, 1);
	drop_caches();
	p = map(DO(open("f", O_RDONLY)), size, PROT_READ, MAP_PRIVATE);
	DO(madvise(p, size, MADV_RANDOM));
	for (i = 0; i < 200; i++) {
		size_t at = next_random(&state) % (size - 16);

		CHECK_EQ(find_difference(p + at, 16, at, 1), -1);
	}
}

static void coherent(void)
{
	char *buf = xmalloc(20000), *p;
	int fd;

	make_file("f", 20000, 1);
	fd = DO(open("f", O_RDWR));
	p = map_shared(fd, 20000);
	fill_pattern(p + 4000, 5000, 4000, 2);
	CHECK_EQ(pread_all(fd, buf, 20000, 0), 20000);
	CHECK_EQ(find_difference(buf, 4000, 0, 1), -1);
	CHECK_EQ(find_difference(buf + 4000, 5000, 4000, 2), -1);
	CHECK_EQ(find_difference(buf + 9000, 11000, 9000, 1), -1);
	fill_pattern(buf, 5000, 10000, 3);
	pwrite_all(fd, buf, 5000, 10000);
	CHECK_EQ(find_difference(p + 10000, 5000, 10000, 3), -1);
}

static void private_stays(void)
{
	char *p;
	int fd;

	make_file("f", 20000, 1);
	fd = DO(open("f", O_RDONLY));
	p = map(fd, 20000, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	memset(p, 'x', 20000);
	check_file("f", 20000, 1);
	DO(munmap(p, 20000));
	drop_caches();
	check_file("f", 20000, 1);
}

static void stored(int how)
{
	size_t size = 100000;
	char *p;
	int fd;

	make_file("f", size, 1);
	fd = DO(open("f", O_RDWR));
	p = map_shared(fd, size);
	fill_pattern(p, size, 0, 2);
	switch (how) {
	case 0:
		DO(msync(p, size, MS_SYNC));
		break;
	case 1:
		DO(fsync(fd));
		break;
	case 2:
		DO(munmap(p, size));
		DO(close(fd));
		break;
	}
	drop_caches();
	drop_caches();
	check_file("f", size, 2);
}

static void stored_msync(void)
{
	stored(0);
}

static void stored_fsync(void)
{
	stored(1);
}

static void stored_unmapped(void)
{
	stored(2);
}

static void stored_after_close(void)
{
	size_t size = 50000;
	char *p;
	int fd;

	make_file("f", size, 1);
	fd = DO(open("f", O_RDWR));
	p = map_shared(fd, size);
	DO(close(fd));
	fill_pattern(p, size, 0, 2);
	check_file("f", size, 2);
	DO(msync(p, size, MS_SYNC));
	DO(unlink("f"));
	CHECK_EQ(find_difference(p, size, 0, 2), -1);
	memset(p, 'x', size);
	DO(munmap(p, size));
}

static void two_processes(void)
{
	volatile int *p;
	int fd = DO(open("f", O_CREAT | O_RDWR, 0644)), i;
	pid_t pid;

	DO(ftruncate(fd, 4096));
	pid = DO(fork());
	if (!pid) {
		/* by a mapping of its own, not the inherited one */
		p = (volatile int *)map_shared(DO(open("f", O_RDWR)), 4096);
		for (i = 1; i < 100; i++) {
			while (p[0] != i)
				usleep(100);
			p[1] = i;
		}
		_exit(0);
	}
	p = (volatile int *)map_shared(fd, 4096);
	for (i = 1; i < 100; i++) {
		p[0] = i;
		while (p[1] != i)
			usleep(100);
	}
	wait_ok(pid);
}

static void truncated(void)
{
	char *p;
	int fd;

	make_file("f", 20000, 1);
	fd = DO(open("f", O_RDWR));
	p = map_shared(fd, 20480);
	CHECK_EQ(touch(p + 19999), 0);
	DO(ftruncate(fd, 5000));
	CHECK_EQ(touch(p + 4999), 0);
	CHECK_EQ(touch(p + 8191), 0);
	CHECK_EQ(touch(p + 8192), SIGBUS);
	CHECK_EQ(touch(p + 19999), SIGBUS);
	DO(ftruncate(fd, 20000));
	CHECK_EQ(touch(p + 8192), 0);
	CHECK_EQ(p[8192], 0);
	CHECK_EQ(p[5000], 0);
	CHECK_EQ(p[19999], 0);
	CHECK_EQ(find_difference(p, 5000, 0, 1), -1);
}

static void beyond_end(void)
{
	struct statfs sf;
	char buf[300];
	char *p;
	int fd;

	DO(statfs(".", &sf));
	if (sf.f_type == TMPFS_MAGIC)
		claim_skip("tmpfs keeps what was stored there");
	make_file("f", 100, 1);
	fd = DO(open("f", O_RDWR));
	p = map_shared(fd, 8192);
	CHECK_EQ(p[100], 0);
	CHECK_EQ(p[4095], 0);
	CHECK_EQ(touch(p + 4096), SIGBUS);
	/* Stored beyond the end, in the last page: never part of the file. */
	p[200] = 'x';
	DO(msync(p, 4096, MS_SYNC));
	check_file("f", 100, 1);
	DO(ftruncate(fd, 300));
	CHECK_EQ(pread_all(fd, buf, 300, 0), 300);
	CHECK_EQ(buf[200], 0);
	DO(munmap(p, 8192));
	drop_caches();
	CHECK_EQ(pread_all(fd, buf, 300, 0), 300);
	CHECK_EQ(buf[200], 0);
}

static void into_hole(void)
{
	size_t size = 1 << 20, i;
	char *buf = xmalloc(size), *p;
	int fd = DO(open("f", O_CREAT | O_RDWR, 0644));

	DO(ftruncate(fd, size));
	p = map_shared(fd, size);
	for (i = 0; i < size; i += 4096)
		CHECK_EQ(p[i], 0);
	for (i = 100; i < size; i += 50000)
		p[i] = 'x';
	DO(munmap(p, size));
	drop_caches();
	CHECK_EQ(pread_all(fd, buf, size, 0), size);
	for (i = 0; i < size; i++)
		CHECK(buf[i] == (i >= 100 && (i - 100) % 50000 == 0 ? 'x' : 0));
}

/* Page locks are taken for the copy and for the fault: the classic deadlock. */
static void into_itself(void)
{
	char *p;
	int fd;

	make_file("f", 16384, 1);
	drop_caches();
	fd = DO(open("f", O_RDWR));
	p = map_shared(fd, 16384);
	CHECK_EQ(pread(fd, p, 4096, 0), 4096);
	CHECK_EQ(find_difference(p, 4096, 0, 1), -1);
	CHECK_EQ(pwrite(fd, p + 4096, 4096, 4096), 4096);
	CHECK_EQ(pwrite(fd, p, 8192, 0), 8192);
	drop_caches();
	CHECK_EQ(pwrite(fd, p + 8192, 8192, 8192), 8192);
	check_file("f", 16384, 1);
}

/* Each write is of all of a piece but the ends, and the stores are to these. */
#define PIECE	65536
#define END	1024

struct race {
	volatile char *p;	/* the file, mapped */
	long pieces;
	volatile long at;	/* the one that is being written; .pieces: all were */
};

static void *write_back_beside(void *arg)
{
	const struct race *r = arg;

	while (r->at < r->pieces) {
		if (r->at >= 0)
			msync((char *)r->p + r->at * PIECE, PIECE, MS_SYNC);
	}
	return NULL;
}

static void *store_beside(void *arg)
{
	struct race *r = arg;
	long last = -1;

	while (last < r->pieces - 1) {
		if (r->at == last) {
			sched_yield();
			continue;
		}
		last++;
		r->p[last * PIECE] = 1;
		r->p[(last + 1) * PIECE - 1] = 2;
	}
	return NULL;
}

static void check_piece(const char *piece, const char *data, long i)
{
	if (piece[0] != 1 || piece[PIECE - 1] != 2)
		claim_fail(__FILE__, __LINE__, "piece %ld: a store is lost", i);
	if (memcmp(piece + END, data, PIECE - 2 * END))
		claim_fail(__FILE__, __LINE__, "piece %ld: what was written is lost", i);
}

/*
 * In the same page and in the same moment, the one by write(), the other by a mapping; @written_back:
 * and the page, with the store and without the write, goes to the server as well. Who writes may not read.
 */
static void store_and_write(bool written_back)
{
	struct race r = { .pieces = test_scale(200), .at = -1 };
	char *data = xmalloc(PIECE), *piece = xmalloc(PIECE);
	int fd = DO(open("f", O_RDWR | O_CREAT, 0600));
	pthread_t other, third;
	int out = DO(open("f", O_WRONLY));
	long i;

	memset(data, 'w', PIECE);
	DO(ftruncate(fd, r.pieces * PIECE));
	r.p = map_shared(fd, r.pieces * PIECE);
	CHECK(!pthread_create(&other, NULL, store_beside, &r));
	if (written_back)
		CHECK(!pthread_create(&third, NULL, write_back_beside, &r));
	for (i = 0; i < r.pieces; i++) {
		r.at = i;
		CHECK_EQ(pwrite(out, data, PIECE - 2 * END, i * PIECE + END), PIECE - 2 * END);
	}
	r.at = r.pieces;
	CHECK(!pthread_join(other, NULL));
	if (written_back)
		CHECK(!pthread_join(third, NULL));
	for (i = 0; i < r.pieces; i++)
		check_piece((const char *)r.p + i * PIECE, data, i);
	DO(munmap((void *)r.p, r.pieces * PIECE));
	DO(close(out));
	DO(close(fd));
	drop_caches();
	fd = DO(open("f", O_RDONLY));
	for (i = 0; i < r.pieces; i++) {
		CHECK_EQ(pread(fd, piece, PIECE, i * PIECE), PIECE);
		check_piece(piece, data, i);
	}
}

static void stores_beside_writes(void)
{
	store_and_write(false);
}

static void stores_written_back(void)
{
	store_and_write(true);
}

static void protections(void)
{
	int fd;

	make_file("f", 4096, 1);
	fd = DO(open("f", O_RDONLY));
	CHECK(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EACCES);
	fd = DO(open("f", O_WRONLY));
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EACCES);
	fd = DO(open(".", O_RDONLY));
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED && errno == ENODEV);
}

static void many_dirty(void)
{
	size_t size = 8 << 20, i;
	char *p;
	int fd = DO(open("f", O_CREAT | O_RDWR, 0644));

	DO(ftruncate(fd, size));
	p = map_shared(fd, size);
	for (i = 0; i < size; i += 4096)
		fill_pattern(p + i, 4096, i, 6);
	DO(munmap(p, size));
	DO(close(fd));
	sync();
	drop_caches();
	check_file("f", size, 6);
}

static const struct claim claims[] = {
	{ "a mapping shows the file", reads },
	{ "a mapping shows the file at random places", reads_random },
	{ "stores are read by read(), writes are seen in the mapping", coherent },
	{ "stores into a private mapping stay private", private_stays },
	{ "stores reach the server by msync", stored_msync },
	{ "stores reach the server by fsync", stored_fsync },
	{ "stores reach the server after munmap and close alone", stored_unmapped },
	{ "a mapping outlives close and unlink", stored_after_close },
	{ "two processes share a mapped file", two_processes },
	{ "what truncate cut off raises SIGBUS, and is zeros when back", truncated },
	{ "the page behind the end is zeros and is never written", beyond_end },
	{ "stores into a hole come back, and zeros around", into_hole },
	{ "read and write from and into a mapping of the same file end", into_itself },
	{ "stores beside writes to the same page: both are kept", stores_beside_writes },
	{ "the same while the page is written back", stores_written_back },
	{ "a mapping wants the descriptor's modes, and no directory", protections },
	{ "8 MiB of dirty mapped pages come back", many_dirty },
};
CLAIMS_MAIN(claims)
