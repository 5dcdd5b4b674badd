// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Random operations on one file, against a model in memory. A failure names the
 * operation; FERRY_TEST_SEED repeats it, FERRY_TEST_VERBOSE shows all before it.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../claim.h"

#define MAX_SIZE	(256 * 1024)
#define MAX_LEN		(48 * 1024)

enum op {
	READ, WRITE, APPEND, TRUNCATE, MAP_READ, MAP_WRITE, PUNCH, ZERO, ALLOCATE,
	DIRECT_READ, DIRECT_WRITE, FSYNC, REOPEN, FORGET, NR_OPS,
};

static const char *const op_names[] = {
	"read", "write", "append", "truncate", "mapread", "mapwrite", "punch", "zero", "allocate",
	"direct read", "direct write", "fsync", "reopen", "forget",
};

struct fsx {
	unsigned int ops;		/* bit set of enum op */
	uint64_t random;
	unsigned char *model;		/* zeros behind size */
	size_t size;
	int fd, direct;
	unsigned char *buf;
	unsigned int step;
};

static uint32_t below(struct fsx *x, uint32_t limit)
{
	return limit ? next_random(&x->random) % limit : 0;
}

static void fresh_bytes(struct fsx *x, size_t len)
{
	uint32_t base = next_random(&x->random);
	size_t i;

	for (i = 0; i < len; i++)
		x->buf[i] = (base + i * 7) | 1;
}

static void compare(struct fsx *x, const unsigned char *is, size_t off, size_t len, const char *what)
{
	size_t i;

	if (!memcmp(is, x->model + off, len))
		return;
	for (i = 0; is[i] == x->model[off + i]; i++)
		;
	claim_fail(__FILE__, __LINE__, "step %u, %s %zu+%zu: byte %zu is %#x, should be %#x",
		   x->step, what, off, len, off + i, is[i], x->model[off + i]);
}

static void check_size(struct fsx *x, const char *what)
{
	struct stat st;

	DO(fstat(x->fd, &st));
	if ((size_t)st.st_size != x->size)
		claim_fail(__FILE__, __LINE__, "step %u, %s: size is %lld, should be %zu",
			   x->step, what, (long long)st.st_size, x->size);
}

static void grow(struct fsx *x, size_t end)
{
	if (x->size < end)
		x->size = end;
}

static void do_read(struct fsx *x, int fd, size_t off, size_t len, const char *what)
{
	size_t should = off >= x->size ? 0 : x->size - off < len ? x->size - off : len;

	CHECK_EQ(pread_all(fd, x->buf, len, off), should);
	compare(x, x->buf, off, should, what);
}

static void do_write(struct fsx *x, int fd, size_t off, size_t len)
{
	fresh_bytes(x, len);
	pwrite_all(fd, x->buf, len, off);
	memcpy(x->model + off, x->buf, len);
	grow(x, off + len);
}

static void do_map(struct fsx *x, bool write, size_t off, size_t len)
{
	size_t start = off & ~4095ul;
	unsigned char *p;

	if (!write) {
		if (off >= x->size)
			return;
		if (off + len > x->size)
			len = x->size - off;
	} else if (off + len > x->size) {
		DO(ftruncate(x->fd, off + len));
		grow(x, off + len);
	}
	if (!len)
		return;
	p = mmap(NULL, off - start + len, write ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED,
		 x->fd, start);
	CHECK(p != MAP_FAILED);
	if (write) {
		fresh_bytes(x, len);
		memcpy(p + off - start, x->buf, len);
		memcpy(x->model + off, x->buf, len);
	} else {
		compare(x, p + off - start, off, len, "mapread");
	}
	DO(munmap(p, off - start + len));
}

/* Takes an operation away where the filesystem does not have it. */
static void do_fallocate(struct fsx *x, enum op op, int mode, size_t off, size_t len)
{
	if (!len)
		return;
	if (fallocate(x->fd, mode, off, len)) {
		CHECK_EQ(errno, EOPNOTSUPP);
		claim_note("no %s here", op_names[op]);
		x->ops &= ~(1u << op);
		return;
	}
	if (op != ALLOCATE)
		memset(x->model + off, 0, len);
	if (!(mode & FALLOC_FL_KEEP_SIZE))
		grow(x, off + len);
	/* Behind the end the model is zeros already. */
}

static void reopen(struct fsx *x)
{
	DO(close(x->fd));
	x->fd = DO(open("f", O_RDWR));
	if (x->direct >= 0) {
		DO(close(x->direct));
		x->direct = DO(open("f", O_RDWR | O_DIRECT));
	}
}

static void step(struct fsx *x)
{
	size_t off, len;
	enum op op;
	int fd;

	do
		op = below(x, NR_OPS);
	while (!(x->ops & (1u << op)));
	off = below(x, MAX_SIZE - MAX_LEN);
	if (below(x, 3) == 0 && x->size < MAX_SIZE - MAX_LEN)
		off = x->size - below(x, x->size < 5000 ? x->size + 1 : 5000);
	len = 1 + (below(x, 4) ? below(x, MAX_LEN - 1) : below(x, 20));
	if (op == DIRECT_READ || op == DIRECT_WRITE) {
		off &= ~4095ul;
		len = (len | 4095) + 1;
	}
	if (getenv("FERRY_TEST_VERBOSE"))
		claim_note("%u: %s %zu+%zu, size %zu", x->step, op_names[op], off, len, x->size);
	switch (op) {
	case READ:
		do_read(x, x->fd, off, len, "read");
		break;
	case WRITE:
		do_write(x, x->fd, off, len);
		break;
	case APPEND:
		if (x->size > MAX_SIZE - MAX_LEN)
			return;
		fd = DO(open("f", O_WRONLY | O_APPEND));
		fresh_bytes(x, len);
		write_all(fd, x->buf, len);
		memcpy(x->model + x->size, x->buf, len);
		x->size += len;
		DO(close(fd));
		break;
	case TRUNCATE:
		DO(ftruncate(x->fd, off));
		if (off < x->size)
			memset(x->model + off, 0, MAX_SIZE - off);
		x->size = off;
		break;
	case MAP_READ:
		do_map(x, false, off, len);
		break;
	case MAP_WRITE:
		do_map(x, true, off, len);
		break;
	case PUNCH:
		do_fallocate(x, op, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, len);
		break;
	case ZERO:
		do_fallocate(x, op, FALLOC_FL_ZERO_RANGE | (len & 1 ? FALLOC_FL_KEEP_SIZE : 0),
			     off, len);
		break;
	case ALLOCATE:
		do_fallocate(x, op, len & 1 ? FALLOC_FL_KEEP_SIZE : 0, off, len);
		break;
	case DIRECT_READ:
		do_read(x, x->direct, off, len, "direct read");
		break;
	case DIRECT_WRITE:
		do_write(x, x->direct, off, len);
		break;
	case FSYNC:
		DO(fsync(x->fd));
		break;
	case REOPEN:
		reopen(x);
		break;
	case FORGET:
		DO(fsync(x->fd));
		posix_fadvise(x->fd, 0, 0, POSIX_FADV_DONTNEED);
		break;
	case NR_OPS:
		break;
	}
	check_size(x, op_names[op]);
}

static void run(unsigned int ops, unsigned int steps)
{
	struct fsx x = {
		.ops = ops,
		.random = 88172645463325252ull + test_seed(),
		.model = xmalloc(MAX_SIZE + 8192),
		.buf = xmalloc(MAX_SIZE + 8192),
		.direct = -1,
	};

	steps = test_scale(steps);
	claim_note("seed %u, %u steps", test_seed(), steps);
	x.fd = DO(open("f", O_CREAT | O_RDWR, 0644));
	if (ops & (1u << DIRECT_READ)) {
		x.direct = open("f", O_RDWR | O_DIRECT);
		if (x.direct < 0)
			claim_skip("no O_DIRECT here");
	}
	for (x.step = 1; x.step <= steps; x.step++) {
		step(&x);
		if (x.step % 500 == 0)
			do_read(&x, x.fd, 0, MAX_SIZE, "all");
	}
	DO(close(x.fd));
	sync();
	drop_caches();
	x.fd = DO(open("f", O_RDWR));
	do_read(&x, x.fd, 0, MAX_SIZE, "all, at the end");
}

#define BASE (1u << READ | 1u << WRITE | 1u << APPEND | 1u << TRUNCATE | 1u << FSYNC | \
	      1u << REOPEN | 1u << FORGET)
#define MAPS (1u << MAP_READ | 1u << MAP_WRITE)
#define HOLES (1u << PUNCH | 1u << ZERO | 1u << ALLOCATE)
#define DIRECT (1u << DIRECT_READ | 1u << DIRECT_WRITE)

static void buffered(void)
{
	run(BASE, 2000);
}

static void mapped(void)
{
	run(BASE | MAPS, 2000);
}

static void punched(void)
{
	run(BASE | MAPS | HOLES, 2000);
}

static void direct(void)
{
	run(DIRECT | 1u << TRUNCATE | 1u << REOPEN, 1000);
}

static void all(void)
{
	run(BASE | MAPS | HOLES | DIRECT, 3000);
}

static const struct claim claims[] = {
	{ "random reads, writes and truncates agree with a model", buffered, 120 },
	{ "with mappings too", mapped, 120 },
	{ "with punched, zeroed and allocated ranges too", punched, 120 },
	{ "random direct reads, writes and truncates agree with a model", direct, 120 },
	{ "all of them at once agree with a model", all, 180 },
};
CLAIMS_MAIN(claims)
