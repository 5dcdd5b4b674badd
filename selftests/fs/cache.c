// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* What the caches hold is what the server has: dropped, synced, evicted. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../claim.h"

static void many_files(void)
{
	static const size_t sizes[] = { 0, 1, 100, 4095, 4096, 4097, 65536, 70001 };
	int i, nr = test_scale(80);
	char name[32];

	for (i = 0; i < nr; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		make_file(name, sizes[i % 8], i);
	}
	drop_caches();
	for (i = 0; i < nr; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		check_file(name, sizes[i % 8], i);
	}
}

static void big_file(void)
{
	make_file("f", 24 << 20, 3);
	drop_caches();
	check_file("f", 24 << 20, 3);
}

static void evicted_amid_writes(void)
{
	size_t size = 1 << 20, at, piece = 37777;
	char *buf = xmalloc(piece);
	int fd = DO(open("f", O_CREAT | O_RDWR, 0644));

	for (at = 0; at + piece < size; at += piece) {
		fill_pattern(buf, piece, at, 2);
		pwrite_all(fd, buf, piece, at);
		if ((at / piece) % 5 == 0)
			drop_caches();
	}
	DO(close(fd));
	drop_caches();
	check_file("f", at, 2);
}

static void overwritten(void)
{
	char buf[1000];
	int i, fd;

	make_file("f", 100000, 1);
	DO(sync_file_range(fd = DO(open("f", O_RDWR)), 0, 0, SYNC_FILE_RANGE_WRITE));
	for (i = 0; i < 100; i++) {
		fill_pattern(buf, 1000, i * 1000, 2);
		pwrite_all(fd, buf, 1000, i * 1000);
		if (i == 50)
			DO(fdatasync(fd));
	}
	drop_caches();
	check_file("f", 100000, 2);
}

static void cut_while_dirty(void)
{
	int fd;

	make_file("f", 500000, 1);
	DO(truncate("f", 123456));
	drop_caches();
	check_file("f", 123456, 1);
	make_file("g", 500000, 1);
	fd = DO(open("g", O_WRONLY | O_TRUNC));
	DO(fsync(fd));
	drop_caches();
	CHECK_EQ(stat_of("g").st_size, 0);
}

static void removed_while_dirty(void)
{
	int fd, i;

	for (i = 0; i < 20; i++) {
		make_file("f", 200000, i);
		fd = DO(open("f", O_RDWR));
		DO(unlink("f"));
		if (i & 1)
			DO(fsync(fd));
		DO(close(fd));
	}
	sync();
	CHECK_ERR(access("f", F_OK), ENOENT);
}

static void synced(void)
{
	int fd, dir;

	make_file("f", 100000, 1);
	DO(fsync(DO(open("f", O_RDONLY))));
	fd = DO(open("f", O_RDWR));
	pwrite_all(fd, "x", 1, 0);
	DO(fdatasync(fd));
	dir = DO(open(".", O_RDONLY));
	DO(fsync(dir));
	DO(fdatasync(dir));
	DO(syncfs(dir));
	fd = DO(open("g", O_CREAT | O_RDWR | O_SYNC, 0644));
	write_all(fd, "abc", 3);
	fd = DO(open("g", O_RDWR | O_DSYNC | O_APPEND));
	write_all(fd, "def", 3);
	CHECK_EQ(stat_of("g").st_size, 6);
}

static void attributes(void)
{
	struct stat before, after;

	make_file("f", 1234, 1);
	DO(chmod("f", 0640));
	DO(link("f", "g"));
	DO(mkdir("d", 0711));
	DO(symlink("somewhere", "s"));
	for (const char *const *n = (const char *const[]){ "f", "d", "s", NULL }; *n; n++) {
		before = stat_of(*n);
		drop_caches();
		after = stat_of(*n);
		CHECK_EQ(after.st_ino, before.st_ino);
		CHECK_EQ(after.st_mode, before.st_mode);
		CHECK_EQ(after.st_nlink, before.st_nlink);
		CHECK_EQ(after.st_size, before.st_size);
		CHECK_EQ(after.st_uid, before.st_uid);
		CHECK_EQ(after.st_mtim.tv_sec, before.st_mtim.tv_sec);
		CHECK_EQ(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
		CHECK_EQ(after.st_ctim.tv_nsec, before.st_ctim.tv_nsec);
	}
}

static void names(void)
{
	char name[32];
	int i;

	for (i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		make_file(name, 1, i);
	}
	for (i = 0; i < 200; i += 2) {
		snprintf(name, sizeof(name), "f%d", i);
		DO(unlink(name));
	}
	drop_caches();
	for (i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		CHECK_EQ(access(name, F_OK), i & 1 ? 0 : -1);
	}
}

static void open_over_eviction(void)
{
	struct stat st;
	char c;
	int fd, dir;

	make_file("f", 50000, 1);
	DO(mkdir("d", 0755));
	fd = DO(open("f", O_RDWR));
	dir = DO(open("d", O_RDONLY));
	drop_caches();
	DO(unlink("f"));
	drop_caches();
	CHECK_EQ(pread(fd, &c, 1, 40000), 1);
	DO(fstat(fd, &st));
	CHECK_EQ(st.st_nlink, 0);
	DO(close(DO(openat(dir, "in", O_CREAT | O_RDWR, 0644))));
	DO(access("d/in", F_OK));
}

/* Readers and writers while another process throws the caches away all the time. */
static void under_pressure(void)
{
	int procs = 3, rounds = test_scale(30), p, i;
	pid_t pids[4];
	char name[16];

	drop_caches();
	for (p = 0; p < procs; p++) {
		pids[p] = DO(fork());
		if (pids[p])
			continue;
		snprintf(name, sizeof(name), "f%d", p);
		for (i = 0; i < rounds; i++) {
			make_file(name, 20000 + i * 100, i);
			check_file(name, 20000 + i * 100, i);
			if (i % 10 == 9)
				DO(unlink(name));
		}
		_exit(0);
	}
	for (i = 0; i < 20; i++) {
		drop_caches();
		usleep(10000);
	}
	for (p = 0; p < procs; p++)
		wait_ok(pids[p]);
}

static void advised(void)
{
	int fd;

	make_file("f", 300000, 1);
	fd = DO(open("f", O_RDWR));
	DO(fsync(fd));
	CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	check_file("f", 300000, 1);
	CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED), 0);
	CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
	check_file("f", 300000, 1);
	DO(readahead(fd, 0, 300000));
	check_file("f", 300000, 1);
}

/* Bytes of the page cache that this process has dirtied. */
static long long dirtied(void)
{
	char buf[512] = "", *at;
	int fd = open("/proc/self/io", O_RDONLY);

	if (fd < 0)
		claim_skip("this kernel does not count what a process dirties");
	CHECK(read(fd, buf, sizeof(buf) - 1) > 0);
	DO(close(fd));
	at = strstr(buf, "\nwrite_bytes: ");
	CHECK(at);
	return atoll(at + strlen("\nwrite_bytes: "));
}

/* What is read in one go may be cached in large pieces. */
static void cached_in_large_pieces(const char *name, size_t size)
{
	make_file(name, size, 1);
	drop_caches();
	check_file(name, size, 1);
}

static void changed_here_and_there(void)
{
	size_t size = 6 << 20, cut = (3 << 20) - 777, i;
	char *model = xmalloc(size), *p;
	uint64_t state = test_seed() + 5;
	int fd;

	cached_in_large_pieces("f", size);
	fill_pattern(model, size, 0, 1);
	fd = DO(open("f", O_RDWR));
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	for (i = 0; i < 60; i++) {
		size_t len = 1 + next_random(&state) % 9000;
		size_t at = next_random(&state) % (size - len);

		fill_pattern(model + at, len, at, 2 + i);
		if (i % 3)
			pwrite_all(fd, model + at, len, at);
		else
			memcpy(p + at, model + at, len);
		CHECK(!memcmp(p + at, model + at, len));
	}
	CHECK(!memcmp(p, model, size));
	DO(ftruncate(fd, cut));
	DO(ftruncate(fd, size));
	memset(model + cut, 0, size - cut);
	CHECK(!memcmp(p, model, size));
	DO(fsync(fd));
	DO(munmap(p, size));
	DO(close(fd));
	drop_caches();
	fd = DO(open("f", O_RDONLY));
	p = xmalloc(size);
	CHECK_EQ(read_all(fd, p, size), size);
	CHECK(!memcmp(p, model, size));
}

static void little_dirtied(void)
{
	size_t size = 8 << 20, at;
	long long before;
	unsigned int nr = 0;
	char *p;
	int fd;

	cached_in_large_pieces("f", size);
	fd = DO(open("f", O_RDWR));
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	before = dirtied();
	for (at = 300000; at < size; at += 1 << 20, nr++)
		p[at] = 0;
	CHECK(dirtied() - before <= (nr << 16));
}

static void excl_after_eviction(void)
{
	int fd;

	make_file("f", 10, 1);
	DO(mkdir("d", 0755));
	DO(symlink("nowhere", "l"));
	drop_caches();
	CHECK_ERR(open("f", O_CREAT | O_EXCL | O_RDWR, 0644), EEXIST);
	CHECK_ERR(open("d", O_CREAT | O_EXCL | O_RDWR, 0644), EEXIST);
	CHECK_ERR(open("l", O_CREAT | O_EXCL | O_RDWR, 0644), EEXIST);
	check_file("f", 10, 1);
	DO(unlink("f"));
	fd = DO(open("f", O_CREAT | O_EXCL | O_RDWR, 0640));
	CHECK_ERR(open("f", O_CREAT | O_EXCL | O_RDWR, 0644), EEXIST);
	CHECK_EQ(stat_of("f").st_size, 0);
	CHECK_EQ(stat_of("f").st_mode & 07777, 0640);
	DO(close(fd));
	CHECK_ERR(stat("nowhere", &(struct stat){}), ENOENT);
	fd = DO(open("new", O_CREAT | O_EXCL | O_RDWR, 0644));
	drop_caches();
	CHECK_EQ(stat_of("new").st_nlink, 1);
	DO(close(fd));
}

static const struct claim claims[] = {
	{ "files of many sizes come back after the caches were dropped", many_files },
	{ "24 MiB come back after the caches were dropped", big_file },
	{ "writes go on where the cache was dropped", evicted_amid_writes },
	{ "overwritten data comes back, not the old", overwritten },
	{ "truncate wins over dirty pages behind it", cut_while_dirty },
	{ "a file may go while its pages are dirty", removed_while_dirty },
	{ "fsync, fdatasync, syncfs and O_SYNC succeed, for directories too", synced },
	{ "attributes come back after the caches were dropped", attributes },
	{ "names come back and removed ones do not", names },
	{ "open files and directories outlive their cached names", open_over_eviction },
	{ "data is right while the caches are dropped all the time", under_pressure },
	{ "fadvise and readahead change no data", advised },
	{ "O_EXCL finds names that the cache has forgotten", excl_after_eviction },
	{ "what was cached in large pieces can be changed here and there", changed_here_and_there },
	{ "a byte stored in a mapping dirties 64 KiB at most", little_dirtied },
};
CLAIMS_MAIN(claims)
