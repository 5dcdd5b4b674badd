// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ferry bench: tight loops over small operations. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define ICOUNT_OPS	500
#define ICOUNT_BATCH	50
#define SINGLES		1000
#define ICOUNT_SINGLES	200
#define DIR_NAMES	10000

struct bench_loop {
	int fd;
	int peer;
	void *buf;
	char name[24];
};

static double loop_us(const struct bench_opts *opts)
{
	return opts->quick ? 50e3 : 200e3;
}

static bool batch(struct bench_loop *l, bench_op op, unsigned int nr, double *us)
{
	double start = bench_now_us();

	for (unsigned int i = 0; i < nr; i++)
		if (!op(l))
			return false;
	*us = (bench_now_us() - start) / nr;
	return true;
}

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* What a look at the clock takes. */
static double clock_cost(void)
{
	double least = 1e9;

	for (int i = 0; i < 100; i++) {
		double start = now_ns(), took = now_ns() - start;

		if (took < least)
			least = took;
	}
	return least;
}

/*
 * After the batches and not instead of them: a look at the clock is a good part of a small
 * operation. So many that there is a 99.9th percentile, unless each takes very long.
 */
static bool singles(struct bench_run *run, struct bench_loop *l, bench_op op)
{
	unsigned int nr = run->opts->icount ? ICOUNT_SINGLES : SINGLES;
	double cost = clock_cost();
	double end = bench_now_us() + (run->opts->quick ? 25e3 : 1e6);

	for (unsigned int i = 0; i < nr && (run->opts->icount || bench_now_us() < end); i++) {
		double start = now_ns();

		if (!op(l))
			return false;
		bench_hist_add(&run->shared->hist, now_ns() - start - cost, 1);
	}
	return true;
}

/*
 * By instructions the number of operations is fixed, so that a run is repeatable;
 * by the clock the time is. A quarter more goes first as the warm-up.
 */
static bool loop(struct bench_run *run, struct bench_loop *l, bench_op op)
{
	bool icount = run->opts->icount;
	unsigned int nr = icount ? ICOUNT_BATCH : BENCH_WALL_BATCH;
	double length = loop_us(run->opts);
	unsigned int batches = icount ? ICOUNT_OPS / ICOUNT_BATCH : ~0U;
	double start, end, us;

	if (run->opts->split)
		return bench_split_loop(run, l, op);
	end = bench_now_us() + length / 4;
	for (unsigned int i = 0; i < batches / 4 && (icount || bench_now_us() < end); i++)
		if (!batch(l, op, nr, &us))
			return false;
	start = bench_now_us();
	end = start + length;
	for (unsigned int i = 0; i < batches && (icount || bench_now_us() < end); i++) {
		if (!batch(l, op, nr, &us))
			return false;
		bench_sample(run, us);
		run->shared->ops += nr;
	}
	run->shared->us = bench_now_us() - start;
	return run->opts->scale || singles(run, l, op);
}

static bool op_pipe(struct bench_loop *l)
{
	char c = 0;

	return write(l->peer, &c, 1) == 1 && read(l->fd, &c, 1) == 1;
}

static void echo(int from, int to)
{
	char c;

	while (read(from, &c, 1) == 1 && write(to, &c, 1) == 1)
		;
	_exit(0);
}

int bench_measure_pipe(struct bench_run *run)
{
	int there[2], back[2];
	struct bench_loop l;
	bool good;
	pid_t pid;

	if (pipe(there) || pipe(back))
		return bench_fail(run, "pipe");
	pid = fork();
	if (pid < 0)
		return bench_fail(run, "fork");
	if (!pid) {
		close(there[1]);
		echo(there[0], back[1]);
	}
	close(back[1]);
	l = (struct bench_loop){ .fd = back[0], .peer = there[1] };
	good = loop(run, &l, op_pipe);
	close(there[1]);
	waitpid(pid, NULL, 0);
	return good ? 0 : bench_fail(run, "pipe");
}

/* The root itself: one request, whatever the lifetime of names is. */
static bool op_stat(struct bench_loop *l)
{
	struct stat st;

	return !fstatat(l->fd, ".", &st, 0);
}

int bench_measure_stat(struct bench_run *run)
{
	struct bench_loop l = { .fd = open(run->mount->dir, O_PATH | O_DIRECTORY) };

	if (l.fd < 0)
		return bench_fail(run, "open");
	return loop(run, &l, op_stat) ? 0 : bench_fail(run, "stat");
}

/* By the bare system call: libc would have the kernel take a path, an empty one. */
static bool op_fstat(struct bench_loop *l)
{
	return !syscall(SYS_fstat, l->fd, l->buf);
}

int bench_measure_fstat(struct bench_run *run)
{
	struct stat st;
	struct bench_loop l = { .fd = open(run->mount->dir, O_PATH | O_DIRECTORY), .buf = &st };

	if (l.fd < 0)
		return bench_fail(run, "open");
	return loop(run, &l, op_fstat) ? 0 : bench_fail(run, "fstat");
}

static bool op_create(struct bench_loop *l)
{
	int fd = openat(l->fd, l->name, O_WRONLY | O_CREAT | O_EXCL, 0644);

	return fd >= 0 && !close(fd) && !unlinkat(l->fd, l->name, 0);
}

int bench_measure_create(struct bench_run *run)
{
	struct bench_loop l = { .fd = open(run->mount->dir, O_PATH | O_DIRECTORY) };

	/* There may be several of us. */
	snprintf(l.name, sizeof(l.name), "file-%d", getpid());
	if (l.fd < 0)
		return bench_fail(run, "open");
	return loop(run, &l, op_create) ? 0 : bench_fail(run, "create and unlink");
}

static bool op_create_write(struct bench_loop *l)
{
	int fd = openat(l->fd, l->name, O_WRONLY | O_CREAT | O_EXCL, 0644);

	return fd >= 0 && write(fd, l->buf, 4096) == 4096 && !close(fd) &&
	       !unlinkat(l->fd, l->name, 0);
}

int bench_measure_create_write(struct bench_run *run)
{
	char buf[4096] = "";
	struct bench_loop l = {
		.fd = open(run->mount->dir, O_PATH | O_DIRECTORY),
		.buf = buf,
	};

	snprintf(l.name, sizeof(l.name), "file-%d", getpid());
	if (l.fd < 0)
		return bench_fail(run, "open");
	return loop(run, &l, op_create_write) ? 0 : bench_fail(run, "create, write and unlink");
}

static bool op_read(struct bench_loop *l)
{
	return pread(l->fd, l->buf, 4096, 0) == 4096;
}

static bool op_write(struct bench_loop *l)
{
	return pwrite(l->fd, l->buf, 4096, 0) == 4096;
}

static int direct(struct bench_run *run, bench_op op, const char *what)
{
	struct bench_loop l;

	l.fd = open(run->mount->file, O_RDWR | O_DIRECT);
	if (l.fd < 0)
		return bench_fail(run, "open with O_DIRECT");
	l.buf = aligned_alloc(4096, 4096);
	if (!l.buf)
		return bench_fail(run, "aligned_alloc");
	memset(l.buf, 'f', 4096);
	return loop(run, &l, op) ? 0 : bench_fail(run, what);
}

/* A file for those that read what the kernel has cached. */
int bench_prepare_cached(struct bench_run *run)
{
	static const char zeroes[4096];
	int fd = open(run->mount->file, O_WRONLY | O_CREAT, 0644);

	if (fd < 0 || write(fd, zeroes, sizeof(zeroes)) != sizeof(zeroes) || close(fd))
		return bench_fail(run, "write a file");
	return 0;
}

int bench_measure_cached_read(struct bench_run *run)
{
	char buf[4096];
	struct bench_loop l = { .fd = open(run->mount->file, O_RDONLY), .buf = buf };

	if (l.fd < 0)
		return bench_fail(run, "open");
	return loop(run, &l, op_read) ? 0 : bench_fail(run, "read");
}

/* Nanoseconds that a server has run, as the scheduler counts them. */
static double cpu_ns(pid_t pid)
{
	pid_t tids[BENCH_THREADS_MAX];
	unsigned int nr = bench_threads(pid, tids, BENCH_THREADS_MAX);
	double sum = 0, ns;
	char path[64];
	FILE *file;

	for (unsigned int i = 0; i < nr; i++) {
		snprintf(path, sizeof(path), "/proc/%d/schedstat", tids[i]);
		file = fopen(path, "re");
		if (!file)
			continue;
		if (fscanf(file, "%lf", &ns) == 1)
			sum += ns;
		fclose(file);
	}
	return sum;
}

/* Nobody uses the mount; the server has some time to notice it. */
int bench_measure_idle(struct bench_run *run)
{
	useconds_t wait = run->opts->quick ? 200000 : 1000000;
	double before;

	if (!run->mount->daemon) {
		errno = ESRCH;
		return bench_fail(run, "the server");
	}
	usleep(wait / 2);
	before = cpu_ns(run->mount->daemon);
	usleep(wait);
	bench_sample(run, (cpu_ns(run->mount->daemon) - before) / wait);
	return 0;
}

int bench_measure_read(struct bench_run *run)
{
	return direct(run, op_read, "pread");
}

int bench_measure_write(struct bench_run *run)
{
	return direct(run, op_write, "pwrite");
}

int bench_prepare_readdir(struct bench_run *run)
{
	char name[32];
	int dir = open(run->mount->dir, O_PATH | O_DIRECTORY);

	if (dir < 0 || mkdirat(dir, "names", 0755))
		return bench_fail(run, "mkdir");
	for (unsigned int i = 0; i < DIR_NAMES; i++) {
		snprintf(name, sizeof(name), "names/file-%05u", i);
		if (mknodat(dir, name, S_IFREG | 0644, 0))
			return bench_fail(run, "mknod");
	}
	close(dir);
	return 0;
}

/* Return: names found, or a negative number */
static int list(int at)
{
	int nr = 0, fd = openat(at, "names", O_RDONLY | O_DIRECTORY);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return -1;
	errno = 0;
	while (readdir(dir))
		nr++;
	return closedir(dir) || errno ? -1 : nr;
}

int bench_measure_readdir(struct bench_run *run)
{
	int dir = open(run->mount->dir, O_PATH | O_DIRECTORY);

	if (dir < 0)
		return bench_fail(run, "open");
	for (int i = 0; i < 3; i++) {
		double start;
		int nr;

		/* A listing that the kernel has kept would be no request at all. */
		if (mknodat(dir, "names/other", S_IFREG | 0644, 0) ||
		    unlinkat(dir, "names/other", 0))
			return bench_fail(run, "mknod and unlink");
		start = bench_now_us();
		nr = list(dir);
		if (nr < 0)
			return bench_fail(run, "readdir");
		if (nr != DIR_NAMES + 2) {
			errno = EIO;
			return bench_fail(run, "readdir: names are missing or doubled");
		}
		bench_sample(run, bench_now_us() - start);
	}
	return 0;
}
