// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Which operation moves which time stamp, as POSIX says. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "../claim.h"

enum { A = 1, M = 2, C = 4 };

static bool later(struct timespec a, struct timespec b)
{
	return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec;
}

static bool same(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* Time stamps come from a clock that ticks every few milliseconds. */
static void tick(void)
{
	struct timespec t0, t;

	clock_gettime(CLOCK_REALTIME_COARSE, &t0);
	do {
		usleep(2000);
		clock_gettime(CLOCK_REALTIME_COARSE, &t);
	} while (!later(t, t0));
	usleep(2000);
}

static void moved(int line, const char *name, struct stat before, struct stat after, int which)
{
	struct { int bit; const char *what; struct timespec was, is; } t[] = {
		{ M, "mtime", before.st_mtim, after.st_mtim },
		{ C, "ctime", before.st_ctim, after.st_ctim },
	};
	int i;

	for (i = 0; i < 2; i++) {
		if ((which & t[i].bit) && !later(t[i].is, t[i].was))
			claim_fail(__FILE__, line, "%s: %s did not move", name, t[i].what);
		if (!(which & t[i].bit) && !same(t[i].is, t[i].was))
			claim_fail(__FILE__, line, "%s: %s moved", name, t[i].what);
	}
}

/* @action moves those of M and C of @name that @which has, and no other. */
#define MOVES(name, which, action) do {					\
	struct stat before_ = stat_of(name);				\
	tick();								\
	action;								\
	moved(__LINE__, name, before_, stat_of(name), which);		\
} while (0)

static void new_file(void)
{
	struct timespec t0, t1;
	struct stat st;

	clock_gettime(CLOCK_REALTIME_COARSE, &t0);
	make_file("f", 0, 1);
	DO(mkdir("d", 0755));
	DO(symlink("x", "s"));
	clock_gettime(CLOCK_REALTIME, &t1);
	for (const char *const *n = (const char *const[]){ "f", "d", "s", NULL }; *n; n++) {
		st = stat_of(*n);
		CHECK(!later(t0, st.st_atim) && !later(st.st_atim, t1));
		CHECK(!later(t0, st.st_mtim) && !later(st.st_mtim, t1));
		CHECK(!later(t0, st.st_ctim) && !later(st.st_ctim, t1));
	}
}

static void dir_changes(void)
{
	make_file("f", 1, 1);
	DO(mkdir("d", 0755));
	MOVES("d", M | C, make_file("d/a", 0, 1));
	MOVES("d", M | C, DO(mkdir("d/e", 0755)));
	MOVES("d", M | C, DO(symlink("x", "d/s")));
	MOVES("d", M | C, DO(link("f", "d/l")));
	MOVES("d", M | C, DO(mknod("d/p", S_IFIFO | 0600, 0)));
	MOVES("d", M | C, DO(rename("d/a", "d/b")));
	MOVES("d", M | C, DO(unlink("d/b")));
	MOVES("d", M | C, DO(rmdir("d/e")));
	MOVES("d", M | C, DO(rename("d/s", "t")));
	MOVES("d", M | C, DO(rename("t", "d/s")));
	MOVES("d", 0, make_file("d/l", 100, 1));
	MOVES("d", 0, DO(chmod("d/l", 0600)));
	MOVES("d", 0, CHECK_ERR(mkdir("d/l", 0755), EEXIST));
}

static void written(void)
{
	char c = 'x';
	int fd;

	make_file("f", 10, 1);
	fd = DO(open("f", O_RDWR));
	MOVES("f", M | C, write_all(fd, &c, 1));
	MOVES("f", M | C, pwrite_all(fd, &c, 1, 100000));
	MOVES("f", 0, DO(pwrite(fd, &c, 0, 0)));
	MOVES("f", 0, CHECK_EQ(pread(fd, &c, 1, 0), 1));
	MOVES("f", 0, DO(fsync(fd)));
	MOVES("f", 0, DO(close(fd)));
}

static void resized(void)
{
	make_file("f", 10000, 1);
	MOVES("f", M | C, DO(truncate("f", 100)));
	MOVES("f", M | C, DO(truncate("f", 20000)));
	MOVES("f", M | C, DO(close(DO(open("f", O_WRONLY | O_TRUNC)))));
}

static void inode_changes(void)
{
	make_file("f", 10, 1);
	MOVES("f", C, DO(chmod("f", 0600)));
	MOVES("f", C, DO(chown("f", getuid(), getgid())));
	MOVES("f", C, DO(link("f", "g")));
	MOVES("f", C, DO(unlink("g")));
	MOVES("f", 0, DO(close(DO(open("f", O_RDWR)))));
	MOVES("f", 0, DO(access("f", R_OK)));
}

static void renamed(void)
{
	struct stat before, after;

	make_file("f", 10, 1);
	before = stat_of("f");
	tick();
	DO(rename("f", "g"));
	after = stat_of("g");
	CHECK(same(before.st_mtim, after.st_mtim));
}

/* What is asked for is this alone. */
static struct statx_timestamp mtime_of(const char *path)
{
	struct statx st;

	DO(statx(AT_FDCWD, path, 0, STATX_MTIME, &st));
	return st.stx_mtime;
}

static void mapped(void)
{
	struct statx_timestamp before, after;
	int fd;
	char *p;

	make_file("f", 10000, 1);
	fd = DO(open("f", O_RDWR));
	p = mmap(NULL, 10000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	MOVES("f", M | C, (p[5000] = 'x', DO(msync(p, 10000, MS_SYNC))));
	before = mtime_of("f");
	tick();
	p[5000] = 'y';
	DO(msync(p, 10000, MS_SYNC));
	after = mtime_of("f");
	CHECK(before.tv_sec != after.tv_sec || before.tv_nsec != after.tv_nsec);
}

static void written_back(void)
{
	struct stat before;
	int fd;

	make_file("f", 50000, 1);
	before = stat_of("f");
	tick();
	fd = DO(open("f", O_RDWR));
	DO(fsync(fd));
	moved(__LINE__, "f", before, stat_of("f"), 0);
	tick();
	sync();
	drop_caches();
	moved(__LINE__, "f", before, stat_of("f"), 0);
}

static void read_moves_atime(void)
{
	struct timespec old[2] = { { 1000, 0 }, { 2000, 0 } };
	struct statvfs sf;
	char buf[10];
	int fd;

	DO(statvfs(".", &sf));
	if (sf.f_flag & (ST_NOATIME | ST_RDONLY))
		claim_skip("mounted noatime");
	make_file("f", 10, 1);
	DO(utimensat(AT_FDCWD, "f", old, 0));
	drop_caches();
	fd = DO(open("f", O_RDONLY));
	CHECK_EQ(read(fd, buf, 10), 10);
	DO(close(fd));
	CHECK(stat_of("f").st_atim.tv_sec > 2000);
	CHECK_EQ(stat_of("f").st_mtim.tv_sec, 2000);
}

static const struct claim claims[] = {
	{ "a new file's three times are those of its making", new_file },
	{ "a directory's mtime and ctime move with its names, and only then", dir_changes },
	{ "a write moves mtime and ctime, a read and fsync neither", written },
	{ "a change of size moves mtime and ctime", resized },
	{ "chmod, chown, link and unlink move ctime only", inode_changes },
	{ "rename leaves the mtime alone", renamed },
	{ "a store into a mapping moves mtime and ctime by msync", mapped },
	{ "write-back moves no time", written_back },
	{ "a read moves an atime that is older than the mtime", read_moves_atime },
};
CLAIMS_MAIN(claims)
