// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Listings: each name once, whatever happens meanwhile. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../claim.h"

struct linux_dirent64 {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

static void touch(const char *name)
{
	DO(mknod(name, S_IFREG | 0644, 0));
}

static void touch_numbered(int nr)
{
	char name[32];
	int i;

	for (i = 0; i < nr; i++) {
		snprintf(name, sizeof(name), "file-%06d", i);
		touch(name);
	}
}

/* The number in a name that touch_numbered() made, or -1. */
static int number_of(const char *name)
{
	int i;

	return sscanf(name, "file-%d", &i) == 1 ? i : -1;
}

/* Counts how often each of @nr numbered names comes; returns how many others. */
static int list(DIR *dir, unsigned char *times, int nr)
{
	struct dirent *d;
	int others = 0;

	memset(times, 0, nr);
	for (;;) {
		int i;

		errno = 0;
		d = readdir(dir);
		if (!d)
			break;
		i = number_of(d->d_name);
		if (i >= 0 && i < nr)
			times[i]++;
		else
			others++;
	}
	CHECK_EQ(errno, 0);
	return others;
}

static void check_each_once(const unsigned char *times, int nr)
{
	int i;

	for (i = 0; i < nr; i++)
		if (times[i] != 1)
			claim_fail(__FILE__, __LINE__, "name %d of %d came %d times", i, nr, times[i]);
}

static void list_n(int nr)
{
	unsigned char *times = xmalloc(nr);
	DIR *dir;

	touch_numbered(nr);
	dir = opendir(".");
	CHECK(dir);
	CHECK_EQ(list(dir, times, nr), 2);
	check_each_once(times, nr);
	rewinddir(dir);
	CHECK_EQ(list(dir, times, nr), 2);
	check_each_once(times, nr);
	closedir(dir);
}

static void each_once(void)
{
	list_n(test_scale(10000));
}

static void each_once_100k(void)
{
	const char *big = getenv("FERRY_TEST_BIG");

	if (!big || !*big)
		claim_skip("FERRY_TEST_BIG is not set");
	list_n(100000);
}

static void dots(void)
{
	int dot = 0, dotdot = 0, others = 0;
	struct stat st, up;
	struct dirent *d;
	DIR *dir;

	DO(mkdir("d", 0755));
	dir = opendir("d");
	CHECK(dir);
	DO(stat("d", &st));
	DO(stat(".", &up));
	while ((d = readdir(dir))) {
		if (!strcmp(d->d_name, ".")) {
			CHECK_EQ(d->d_ino, st.st_ino);
			dot++;
		} else if (!strcmp(d->d_name, "..")) {
			CHECK_EQ(d->d_ino, up.st_ino);
			dotdot++;
		} else {
			others++;
		}
	}
	CHECK_EQ(dot, 1);
	CHECK_EQ(dotdot, 1);
	CHECK_EQ(others, 0);
}

static void types_and_inodes(void)
{
	struct dirent *d;
	struct stat st;
	int nr = 0;
	DIR *dir;

	touch("f");
	DO(mkdir("d", 0755));
	DO(symlink("f", "l"));
	DO(mkfifo("p", 0600));
	DO(mknod("s", S_IFSOCK | 0600, 0));
	drop_caches();
	dir = opendir(".");
	CHECK(dir);
	while ((d = readdir(dir))) {
		DO(fstatat(AT_FDCWD, d->d_name, &st, AT_SYMLINK_NOFOLLOW));
		CHECK(d->d_type == DT_UNKNOWN || d->d_type == IFTODT(st.st_mode));
		if (strcmp(d->d_name, ".."))
			CHECK_EQ(d->d_ino, st.st_ino);
		nr++;
	}
	CHECK_EQ(nr, 7);
}

/* What ls -l does: with readdirplus the second half asks nobody. */
static void attributes_after(void)
{
	int nr = test_scale(1000), i, seen = 0;
	struct dirent *d;
	struct stat st;
	char name[32];
	DIR *dir;

	for (i = 0; i < nr; i++) {
		int fd;

		snprintf(name, sizeof(name), "file-%06d", i);
		fd = DO(open(name, O_CREAT | O_WRONLY, 0600 | (i & 077)));
		DO(ftruncate(fd, i));
		DO(close(fd));
	}
	drop_caches();
	dir = opendir(".");
	CHECK(dir);
	while ((d = readdir(dir))) {
		i = number_of(d->d_name);
		if (i < 0)
			continue;
		DO(fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW));
		CHECK_EQ(st.st_ino, d->d_ino);
		CHECK_EQ(st.st_size, i);
		CHECK_EQ(st.st_mode & 077, (i & 077) & ~022);
		seen++;
	}
	CHECK_EQ(seen, nr);
	closedir(dir);
}

static void while_changing(void)
{
	int nr = test_scale(3000), rounds = 5, i, status;
	unsigned char *times = xmalloc(nr);
	pid_t pid;
	DIR *dir;

	touch_numbered(nr);
	pid = DO(fork());
	if (!pid) {
		for (i = 0;; i++) {
			char name[32];

			snprintf(name, sizeof(name), "guest-%d", i % 50);
			touch(name);
			if (i >= 25) {
				snprintf(name, sizeof(name), "guest-%d", (i - 25) % 50);
				DO(unlink(name));
			}
		}
	}
	dir = opendir(".");
	CHECK(dir);
	while (rounds--) {
		list(dir, times, nr);
		check_each_once(times, nr);
		rewinddir(dir);
	}
	CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
	DO(kill(pid, SIGKILL));
	closedir(dir);
}

static void remove_while_reading(void)
{
	int nr = test_scale(3000), removed = 0;
	struct dirent *d;
	DIR *dir;

	DO(mkdir("d", 0755));
	DO(chdir("d"));
	touch_numbered(nr);
	dir = opendir(".");
	CHECK(dir);
	while ((d = readdir(dir))) {
		if (number_of(d->d_name) < 0)
			continue;
		DO(unlink(d->d_name));
		removed++;
	}
	CHECK_EQ(removed, nr);
	DO(rmdir("../d"));
}

/*
 * Away and back: what a listing has shown is behind it, whatever becomes of it. Long names, so
 * that few of them are more than what is asked for at a time.
 */
static void rename_while_reading(void)
{
	int nr = test_scale(300), came = 0, i;
	struct dirent *d;
	char name[256];
	DIR *dir;

	DO(mkdir("d", 0755));
	DO(chdir("d"));
	for (i = 0; i < nr; i++) {
		snprintf(name, sizeof(name), "file-%06d%0200d", i, 0);
		touch(name);
	}
	dir = opendir(".");
	CHECK(dir);
	while ((d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		DO(rename(d->d_name, "other"));
		DO(rename("other", d->d_name));
		CHECK(++came <= 3 * nr);
	}
	CHECK(came >= nr);
	closedir(dir);
}

static void tell_and_seek(void)
{
	enum { NR = 500 };
	static char names[NR + 2][256];
	static long places[NR + 3];
	struct dirent *d;
	int i, nr = 0;
	DIR *dir;

	touch_numbered(NR);
	dir = opendir(".");
	CHECK(dir);
	for (;;) {
		places[nr] = telldir(dir);
		d = readdir(dir);
		if (!d)
			break;
		CHECK(nr < NR + 2);
		strcpy(names[nr++], d->d_name);
	}
	CHECK_EQ(nr, NR + 2);
	for (i = 0; i < nr; i += 7) {
		int at = (i * 37) % nr;

		seekdir(dir, places[at]);
		d = readdir(dir);
		CHECK(d && !strcmp(d->d_name, names[at]));
		if (at + 1 < nr) {
			d = readdir(dir);
			CHECK(d && !strcmp(d->d_name, names[at + 1]));
		}
	}
	seekdir(dir, places[nr]);
	CHECK(!readdir(dir));
	/* A place outlives the descriptor. */
	closedir(dir);
	dir = opendir(".");
	CHECK(dir);
	CHECK_EQ(lseek(dirfd(dir), places[NR / 2], SEEK_SET), places[NR / 2]);
	d = readdir(dir);
	CHECK(d && !strcmp(d->d_name, names[NR / 2]));
	closedir(dir);
}

static void seek_to_removed(void)
{
	enum { NR = 200 };
	unsigned char times[NR] = { 0 };
	long place = 0;
	struct dirent *d;
	char name[32];
	int i, nr = 0;
	DIR *dir;

	touch_numbered(NR);
	dir = opendir(".");
	CHECK(dir);
	while ((d = readdir(dir))) {
		i = number_of(d->d_name);
		if (i >= 0)
			times[i] = 1;
		if (++nr == NR / 2) {
			place = telldir(dir);
			break;
		}
	}
	/* The names around the place go; the listing goes on with the rest. */
	for (i = 0; i < NR; i += 3) {
		snprintf(name, sizeof(name), "file-%06d", i);
		DO(unlink(name));
	}
	seekdir(dir, place);
	while ((d = readdir(dir))) {
		i = number_of(d->d_name);
		if (i >= 0)
			CHECK_EQ(times[i]++, 0);
	}
	for (i = 0; i < NR; i++)
		if (i % 3)
			CHECK_EQ(times[i], 1);
	closedir(dir);
}

static void rewound(void)
{
	unsigned char times[3];
	DIR *dir = opendir(".");

	CHECK(dir);
	touch_numbered(1);
	rewinddir(dir);
	CHECK_EQ(list(dir, times, 3), 2);
	CHECK_EQ(times[0], 1);
	touch_numbered(0);
	touch("file-000001");
	DO(unlink("file-000000"));
	rewinddir(dir);
	CHECK_EQ(list(dir, times, 3), 2);
	CHECK_EQ(times[0], 0);
	CHECK_EQ(times[1], 1);
	closedir(dir);
}

static void two_readers(void)
{
	int nr = 200;
	unsigned char a[200], b[200];
	DIR *one, *two;

	touch_numbered(nr);
	one = opendir(".");
	two = opendir(".");
	CHECK(one && two);
	readdir(one);
	readdir(one);
	readdir(one);
	CHECK_EQ(list(two, b, nr), 2);
	check_each_once(b, nr);
	rewinddir(one);
	CHECK_EQ(list(one, a, nr), 2);
	check_each_once(a, nr);
}

static void removed_dir(void)
{
	struct dirent *d;
	int nr = 0;
	DIR *dir;

	DO(mkdir("d", 0755));
	dir = opendir("d");
	CHECK(dir);
	DO(rmdir("d"));
	while ((d = readdir(dir)))
		nr += strcmp(d->d_name, ".") && strcmp(d->d_name, "..");
	CHECK_EQ(nr, 0);
	closedir(dir);
}

static void small_buffers(void)
{
	unsigned char times[300] = { 0 };
	uint64_t buf[(sizeof(struct linux_dirent64) + 16 + 8) / 8];
	char longname[256];
	int fd, i;
	long n;

	touch_numbered(300);
	fd = DO(open(".", O_RDONLY | O_DIRECTORY));
	while ((n = DO(syscall(SYS_getdents64, fd, buf, sizeof(buf)))) > 0) {
		long at = 0;

		while (at < n) {
			struct linux_dirent64 *d = (void *)((char *)buf + at);

			i = number_of(d->name);
			if (i >= 0)
				times[i]++;
			at += d->reclen;
		}
	}
	check_each_once(times, 300);
	memset(longname, 'l', 255);
	longname[255] = 0;
	DO(mkdir("sub", 0755));
	DO(chdir("sub"));
	touch(longname);
	fd = DO(open(".", O_RDONLY | O_DIRECTORY));
	while ((n = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0)
		;
	CHECK(n == -1 && errno == EINVAL);
}

static const struct claim claims[] = {
	{ "each of 10,000 names comes exactly once", each_once },
	{ "each of 100,000 names comes exactly once", each_once_100k, 300 },
	{ "an empty directory lists . and .. with their inodes", dots },
	{ "types and inode numbers are those of stat", types_and_inodes },
	{ "attributes after a listing are right", attributes_after },
	{ "each name that stays comes once while others come and go", while_changing },
	{ "removing each name as it comes removes all", remove_while_reading },
	{ "a listing ends that renames each name as it comes", rename_while_reading },
	{ "seekdir goes back to any telldir, also in a new stream", tell_and_seek },
	{ "a listing goes on from a place whose names were removed", seek_to_removed },
	{ "rewinddir shows what came and went", rewound },
	{ "two streams of a directory do not disturb each other", two_readers },
	{ "a removed directory lists nothing", removed_dir },
	{ "getdents64 works with room for one name, and says EINVAL with less", small_buffers },
};
CLAIMS_MAIN(claims)
